"""kill -9 at any moment (T31): what was answered ``ok`` is there, and never half of it."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random

import pytest
import trio

from tests.running import Running, run_daemon

ROUNDS = 50
USERS = 32  # each of whom two set at once: one over TCP, one over the UNIX socket
SETTERS = 2 * USERS
SIZE = 900  # bytes of a status

# With this in the environment the moments are those of an earlier run, which printed it.
SEED = "TRIO_FINGER_SEED"

# All that was ever set is remembered, for the history to be looked at in the end.
CONFIG = """
[store]
history = 100000
[finger]
listen = ["127.0.0.1:0"]
rate = "off"
[setter]
listen = ["127.0.0.1:0", "unix:run/setter.sock"]
[log]
format = "json"
"""
WEB = '[web]\nlisten = ["127.0.0.1:0"]\n'


@dataclass(eq=False)
class Sent:
    """A status, and its plan, that somebody sent.

    Attributes:
      text: the status, which nothing but the whole of it is like.
      plan: the same for the plan.
      began: when sending began; a number that is greater than any before it.
      ended: when there was an answer, or no daemon any more.
      granted: the answer was ``ok``.
    """

    text: str
    plan: str
    began: int
    ended: int = -1
    granted: bool = False


class Witness:
    """Knows what was sent to one daemon after the other, and what may be found."""

    def __init__(self) -> None:
        self.sent: dict[str, dict[str, Sent]] = {f"user{n}": {} for n in range(USERS)}
        self.first_ok = trio.Event()
        self._clock = count()
        self._padding = Random(31)

    def send(self, user: str, where: str) -> Sent:
        """Note that a new status is being sent for *user*."""
        number = next(self._clock)
        head = f"{user} {number} {where} "
        padding = self._padding.randbytes(SIZE).hex()[: SIZE - len(head) - 9]
        text = f"{head}{padding} {checksum(head + padding)}"
        sent = Sent(text, f"the plan of {user}\n{number}\n{checksum(text)}", number)
        self.sent[user][text] = sent
        return sent

    def answered(self, sent: Sent, answer: bytes) -> None:
        """Note that *answer* was all that came back for *sent*."""
        # It may be killed before it has answered, and in the middle of that.
        assert b"ok\r\n".startswith(answer), answer
        sent.ended = next(self._clock)
        sent.granted = answer == b"ok\r\n"
        if sent.granted:
            self.first_ok.set()

    def counts(self) -> tuple[int, int]:
        """Return how many were answered ``ok``, and how many not, so far."""
        everything = [sent for some in self.sent.values() for sent in some.values()]
        granted = sum(sent.granted for sent in everything)
        return granted, len(everything) - granted

    def expect(self, user: str, text: str) -> Sent:
        """Check that *text* may be what holds for *user* now, and return what it is."""
        assert text in self.sent[user], f"nobody sent this for {user}: {text}"
        found = self.sent[user][text]
        for other in self.sent[user].values():
            lost = other.granted and other.began > found.ended
            assert not lost, f"found {found}, and lost {other}"
        return found

    def expect_history(self, user: str, texts: Sequence[str], shown: Sequence[str]) -> None:
        """Check *texts*, all that ever held for *user*, the newest first.

        Args:
          shown: what held when the daemon had been started again, in order.
        """
        entries = [self.sent[user][text] for text in reversed(texts)]
        assert len(set(entries)) == len(entries), f"twice in the history of {user}"
        granted = {sent for sent in self.sent[user].values() if sent.granted}
        assert granted <= set(entries), f"missing in the history of {user}"
        latest = -1
        for entry in entries:
            assert entry.ended > latest, f"{user}: {entry} is out of order"
            latest = max(latest, entry.began)
        assert texts[0] == shown[-1]
        places = [texts.index(text) for text in shown]
        assert places == sorted(places, reverse=True)


def checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


async def set_all_the_time(daemon: Running, witness: Witness, user: str, where: str) -> None:
    """Set one status after the other until there is no daemon any more."""
    while True:
        sent = witness.send(user, where)
        request = f"{user}\n{sent.text}\n{sent.plan}\n".encode()
        try:
            if where == "unix":
                answer = await daemon.set_locally(request)
            else:
                answer = await daemon.exchange("setter", request)
        except (OSError, trio.BrokenResourceError):
            answer = b""
        witness.answered(sent, answer)
        if not sent.granted:
            return


async def kill_while_setting(daemon: Running, witness: Witness, delay: float) -> None:
    """Have everybody set as fast as they can; kill the daemon *delay* after the first ``ok``."""
    witness.first_ok = trio.Event()
    async with trio.open_nursery() as nursery:
        for user in witness.sent:
            for where in ("tcp", "unix"):
                nursery.start_soon(set_all_the_time, daemon, witness, user, where)
        await witness.first_ok.wait()
        await trio.sleep(delay)
        await daemon.kill()


async def look(daemon: Running, witness: Witness, user: str) -> str | None:
    """Check what finger tells of *user*, and return the status."""
    answer = (await daemon.finger(f"/W {user}\r\n".encode())).decode()
    if answer == "No such user\r\n":
        assert not any(sent.granted for sent in witness.sent[user].values())
        return None
    login, status, since, *plan = answer.removesuffix("\r\n").split("\r\n")
    assert login == f"Login: {user}"
    assert since.startswith("Since: ")
    found = witness.expect(user, status.removeprefix("Status: "))
    assert plan == ["Plan:", *found.plan.split("\n")]
    assert await daemon.finger(f"{user}\r\n".encode()) == f"{found.text}\r\n".encode()
    return found.text


@pytest.mark.timeout(600)
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    """After each of 50 kills under 64 setters, every status answered ``ok`` is found whole.

    Nothing older is, nor half of anything: a status and the plan that came with it are
    there together or not at all, and the history has all of them, once, in order.
    """
    seed = int(os.environ.get(SEED) or Random().randrange(2**32))
    print(f"{SEED}={seed}")
    moments = Random(seed)
    witness = Witness()
    shown: dict[str, list[str]] = {user: [] for user in witness.sent}
    busy = granted = cut_short = kept = 0
    for number in range(ROUNDS + 1):
        last = number == ROUNDS
        config = CONFIG + WEB if last else CONFIG
        async with run_daemon(tmp_path, config=config, users=None) as daemon:
            for user in witness.sent:
                text = await look(daemon, witness, user)
                if text is not None:
                    shown[user].append(text)
            if not last:
                before = witness.counts()
                await kill_while_setting(daemon, witness, moments.uniform(0.02, 0.4))
                granted, cut_short = witness.counts()
                assert granted > before[0]
                busy += cut_short - before[1] > SETTERS // 2
                continue
            for user in witness.sent:
                history = await daemon.call("getHistory", user)
                witness.expect_history(user, [past["status"] for past in history], shown[user])
                kept += len(history)

    print(f"{granted} were answered ok, {cut_short} cut short, and {kept - granted} of these kept")
    assert busy > ROUNDS * 0.8, "it had too little to do when it was killed"
    with closing(sqlite3.connect(tmp_path / "trio-finger.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
