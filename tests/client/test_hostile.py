"""T10: whatever a server does to it, the command ends in time, with 1 if it got no whole answer,
and a terminal comes to no harm."""

import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from tests.client.servers import Server, run_query, serving, serving_plainly
from trio_finger.client._finger import MAX_ANSWER

Answer = Callable[[trio.SocketStream], Awaitable[None]]

NOT_WHOLE = "; what came is not the whole answer"


async def fails(server: Server, *arguments: str) -> tuple[bytes, str]:
    """Ask in vain; return what is shown, and the reason."""
    done = await run_query(*arguments, server.target("moshez"))
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    words = f"{server}: "
    assert line.startswith(words)
    return done.stdout, line.removeprefix(words)


async def send_for_ever(stream: trio.SocketStream, data: bytes, pause: float = 0) -> None:
    try:
        while True:
            await stream.send_all(data)
            await trio.sleep(pause)
    except trio.BrokenResourceError:
        pass


async def wait(_: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def reset(stream: trio.SocketStream, sent: bytes = b"") -> None:
    """Send some, and have the connection end with a reset."""
    await stream.send_all(sent)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"x" * (1 << 20), b"x" * MAX_ANSWER),
        (bytes(1 << 20), b"^@" * MAX_ANSWER),
        (b"\x1b[2J\r\n" * (1 << 17), None),
        ("é\u202e\r\n".encode() * (1 << 17), None),
        (b"\xff" * (1 << 20), "\ufffd".encode() * MAX_ANSWER),
    ],
    ids=["text", "NUL", "escapes", "reordered", "not-UTF-8"],
)
async def test_t10_endless(data: bytes, shown: bytes | None) -> None:
    """An answer that does not end is given up at a size that no honest one has."""
    async with serving(partial(send_for_ever, data=data)) as server:
        answer, reason = await fails(server)
    assert reason == f"the answer is longer than 16 MiB{NOT_WHOLE}"
    assert answer == shown + b"\n" if shown else b"\x1b" not in answer


async def test_t10_endless_raw() -> None:
    """A program gets as much of it, and not a byte more."""
    async with serving(partial(send_for_ever, data=bytes(1 << 20))) as server:
        answer, _ = await fails(server, "--raw")
    assert answer == bytes(MAX_ANSWER)


async def test_t10_flood() -> None:
    """Nor does a server harm that floods before it is asked, and reads nothing."""
    async with serving_plainly(partial(send_for_ever, data=bytes(1 << 20))) as server:
        _, reason = await fails(server)
    assert reason == f"the answer is longer than 16 MiB{NOT_WHOLE}"


async def test_t10_trickling() -> None:
    """However steadily it comes, the time counts from connecting to the end of the answer."""
    trickle = partial(send_for_ever, data=b"x", pause=0.1)
    async with serving(trickle) as server:
        answer, reason = await fails(server, "--timeout", "500ms")
    assert set(answer) == set(b"x\n")
    assert len(answer) < 10
    assert reason == f"no end of the answer within 0.5 s{NOT_WHOLE}"


async def test_t10_half_an_answer() -> None:
    """What came before a server went silent is shown, and said not to be all."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(b"Happy\r\nand \x1b[1m\xe2\x82")
        await trio.sleep_forever()

    async with serving(answer) as server:
        shown, reason = await fails(server, "--timeout", "500ms")
        assert (await fails(server, "--timeout", "500ms", "--raw"))[0] == (
            b"Happy\r\nand \x1b[1m\xe2\x82"
        )
    assert shown.decode() == "Happy\nand ^[[1m\ufffd\n"
    assert reason == f"no end of the answer within 0.5 s{NOT_WHOLE}"


async def test_t10_silent() -> None:
    """A server that never answers is waited for as long as was said."""
    async with serving(wait) as server:
        assert await fails(server, "--timeout", "300ms") == (b"", "no answer within 0.3 s")


async def test_t10_never_accepted() -> None:
    """So is one that does not even take the connection that the kernel made for it."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        server = Server(listener.socket.getsockname()[1])
        assert await fails(server, "--timeout", "300ms") == (b"", "no answer within 0.3 s")


async def test_t10_reset() -> None:
    """What came before a reset is shown, and said not to be all."""
    async with serving(partial(reset, sent=b"Happy and")) as server:
        answer, reason = await fails(server)
    assert (answer, reason) == (b"Happy and\n", f"the connection broke{NOT_WHOLE}")


async def test_t10_reset_at_once() -> None:
    """A reset before any answer is just said."""
    async with serving(reset) as server:
        assert await fails(server) == (b"", "the connection broke")


async def test_t10_closed_without_an_answer() -> None:
    """A server that reads the question and closes has not answered."""
    async with serving(b"") as server:
        assert await fails(server) == (b"", "the connection was closed without an answer")


async def test_t10_closed_at_once() -> None:
    """Nor has one that does not read it: then it is a reset, or not, as the kernel finds time."""

    async def close(_: trio.SocketStream) -> None: ...

    async with serving_plainly(close) as server:
        answer, reason = await fails(server)
    assert answer == b""
    assert reason in {"the connection broke", "the connection was closed without an answer"}


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"\x1b]0;owned\x07\x1b[31m\x1b[2J\x9b31m", "^[]0;owned^G^[[31m^[[2J\ufffd31m\n"),
        (b"\xc2\x9b2J\xc2\x85\x0e\x7f\x08", "<U+009B>2J<U+0085>^N^?^H\n"),
        (b"ok\r\x1b[Kfake", "ok^M^[[Kfake\n"),
        ("\u202e\u2066\u200b\u200d\ufeff\u2028".encode(), None),
        (b"\xc0\x9b\xe0\x80\x9b\xed\xa0\x80\xf5\xff", "\ufffd" * 10 + "\n"),
        (b"\xf0\x9f\x98", "\ufffd\n"),
        (bytes(range(256)), None),
    ],
    ids=["escapes", "C1", "overwriting", "invisible", "overlong", "cut", "every-byte"],
)
async def test_t10_r29_escapes(answer: bytes, shown: str | None) -> None:
    """A terminal gets nothing but text, TAB and line ends, and the answer counts as one."""
    async with serving(answer) as server:
        done = await run_query(server.target("moshez"), PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.replace("\t", "").replace("\n", "").isprintable()
    if shown is not None:
        assert text == shown


async def test_t10_among_others() -> None:
    """A hostile server takes nothing from the answers of others, nor their place in the order."""
    async with (
        serving(partial(reset, sent=b"Happy and")) as broken,
        serving(wait) as silent,
        serving(b"Alive\r\n") as good,
    ):
        done = await run_query(
            "--timeout", "1s", broken.target(), silent.target(), good.target("shawn")
        )
    assert done.returncode == 1
    assert done.stdout.decode() == (
        f"[127.0.0.1:{broken.port}]\nHappy and\n[127.0.0.1:{good.port}]\nAlive\n"
    )
    assert done.stderr.decode() == (
        f"{broken}: the connection broke{NOT_WHOLE}\n{silent}: no answer within 1 s\n"
    )
