"""A follower beside servers that write WebSocket frames by hand, in memory."""

import pytest
import trio
from trio.testing import MockClock

from tests.client.live_door import accept, hello, in_memory_raw, text

FRAMES = [
    b"\x81\x02\xff\xfe",  # text that is not UTF-8
    b"\xf1\x01x",  # bits that nobody has agreed on
    b"\x83\x01x",  # a kind that there is not
    b"\x81\xff" + b"\xff" * 8,  # a mask, and no length
    b"\x88\x01x",  # a close without a code
    b"\x80\x01x",  # the rest of nothing
]


@pytest.mark.parametrize("frame", FRAMES)
async def test_t10_broken_frames(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, frame: bytes
) -> None:
    """Whatever breaks the protocol ends the connection, and nothing else."""

    async def handle(stream: trio.abc.Stream) -> None:
        asked = await stream.receive_some()
        await stream.send_all(accept(bytes(asked)) + text(hello()) + frame)
        await trio.sleep_forever()

    async with in_memory_raw(monkeypatch, handle) as follower:
        await trio.sleep(5)
    assert follower.words[0].startswith("connection lost: ")
    assert follower.words[0].isprintable()
    assert "connected again" in follower.words


async def test_t21_silent_from_the_first_chunk(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """It is noticed also if all that ever comes comes together with the handshake."""

    async def handle(stream: trio.abc.Stream) -> None:
        asked = await stream.receive_some()
        await stream.send_all(accept(bytes(asked)) + text(hello()))
        await trio.sleep_forever()

    async with in_memory_raw(monkeypatch, handle) as follower:
        await trio.sleep(40.5)
    assert follower.words == ["connection lost: no sign of life for 40 s; trying again in 1 s"]


async def test_ping_crosses_goodbye(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A ping of the server that comes while we take leave does no harm."""
    heard = bytearray()

    async def handle(stream: trio.abc.Stream) -> None:
        asked = await stream.receive_some()
        await stream.send_all(accept(bytes(asked)) + text(hello()))
        heard.extend(await stream.receive_some())
        await stream.send_all(b"\x89\0")
        await trio.sleep_forever()

    async with in_memory_raw(monkeypatch, handle) as follower:
        await trio.sleep(1)
        follower.tasks.cancel_scope.cancel()
    assert heard[0] == 0x88  # a close
    assert follower.words == []


@pytest.mark.parametrize("steps", range(12))
async def test_stopped_while_opening(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, steps: int
) -> None:
    """Whoever is cancelled just when the handshake is done does not stay for ever."""

    async def handle(stream: trio.abc.Stream) -> None:
        asked = await stream.receive_some()
        await stream.send_all(accept(bytes(asked)) + text(hello()))
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        follower.tasks.cancel_scope.cancel()
        await trio.sleep_forever()

    async with in_memory_raw(monkeypatch, handle) as follower:
        await trio.sleep_forever()
    assert trio.current_time() <= 2
    assert follower.words == []
