"""A source as the doors ask it: once for all who ask at a time, not too often, and not for ever.

Whatever a stranger thinks of is a name that may be asked for. So what came of a question is
remembered, that there is no such user and that the source failed among it, and there is a
bound to how much is.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import trio

from trio_finger.log import get_log
from trio_finger.net import Damper
from trio_finger.sources._source import Asker, Circle, Found, Source, SourceError

# Names that are remembered, and characters in all that is known of them: some megabytes, and
# for texts of the usual length no bound of its own.
_MAX_NAMES: Final = 10_000
_MAX_CHARACTERS: Final = 16 * 1024 * 1024

_AT_ONCE: Final = 32  # questions under way; who comes then waits, within the same time

# Questions that came through so many daemons have turns of their own. Else two daemons might
# each have all their turns taken by questions that wait for the other's turn.
_DEPTHS: Final = 4

# Seconds for which a failure is remembered, lest everybody waits for a source that is down.
_RETRY: Final = 5

log = get_log("sources")


def now_utc() -> datetime:
    """Return the time of the wall (UTC)."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How a source is asked.

    Attributes:
      timeout: how long a question may take, in seconds, waiting for its turn included.
      ttl: for how long an answer is taken for true, in seconds.
      stale: for how long after that it is still given if there is no other, in seconds.
    """

    timeout: float
    ttl: float
    stale: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a question.

    Attributes:
      found: what the source knows; ``None`` if there is no such user, or it failed.
      failed: whether it did.
    """

    found: Found | None = None
    failed: bool = False


_NOBODY = Verdict()


@dataclass(slots=True)
class _Known:
    """What is remembered of a name, and until when that may be given, by Trio's clock."""

    verdict: Verdict
    fresh_until: float
    good_until: float

    @property
    def size(self) -> int:
        found = self.verdict.found
        return len(found.text) + len(found.profile.plan) if found is not None else 0


@dataclass(slots=True)
class _Flight:
    """A question under way, and what came of it once it has *landed*."""

    landed: trio.Event = field(default_factory=trio.Event)
    verdict: Verdict = Verdict(failed=True)


class Asked:
    """A source within bounds.

    Args:
      source: who is asked.
      label: what it is called in the log and in metrics.
      bounds: how it is asked.
      nursery: where questions are under way: they outlive whoever asked first.
      answers: counts what came of them, by label and result.
      damper: is told of failures.
      clock: tells the time (UTC) since when something holds, where the source does not.
    """

    def __init__(
        self,
        source: Source,
        label: str,
        bounds: Bounds,
        nursery: trio.Nursery,
        answers: Counter[tuple[str, str]],
        damper: Damper,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self.label = label
        self._source = source
        self._bounds = bounds
        self._nursery = nursery
        self._answers = answers
        self._damper = damper
        self._clock = clock
        self._turns = [trio.Semaphore(_AT_ONCE) for _ in range(_DEPTHS)]
        # By name; the one that was asked for last is the last.
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._characters = 0
        self._flights: dict[str, _Flight] = {}  # no more than there are connections

    def at_hand(self, name: str) -> Verdict | None:
        """Return what is known of *name* by now; ``None`` if that takes a question."""
        known = self._known.get(name)
        if known is None or known.fresh_until <= trio.current_time():
            return None
        self._known.move_to_end(name)
        return known.verdict

    async def ask(self, name: str, asker: Asker) -> Verdict:
        """Return what is known of *name*, and find out if nothing is; within `Bounds.timeout`.

        Whoever asks on behalf of another daemon waits for nobody else's question, where that
        may be the very one for which the other daemon is asking.
        """
        verdict = self.at_hand(name)
        if verdict is not None:
            return verdict
        circle = self._source.circle(name, asker)
        if circle is Circle.YES:
            return _NOBODY
        if circle is Circle.PERHAPS:
            return await self._wait_a_little(name)
        if asker.via and circle is not Circle.NEVER:
            flight = _Flight()
            await self._fly(flight, name, asker)
            return flight.verdict
        flight = self._flights.get(name) or self._begin(name, asker)
        await flight.landed.wait()
        return flight.verdict

    async def _wait_a_little(self, name: str) -> Verdict:
        """Return what comes of the question about *name* that is under way, if that is soon.

        It may wait for this one, and then nobody on the way knows more. But perhaps it is only
        somebody beside the source, who wants to know as well.
        """
        flight = self._flights.get(name)
        if flight is not None:
            with trio.move_on_after(self._bounds.timeout / 2):
                await flight.landed.wait()
                return flight.verdict
        return _NOBODY

    async def aclose(self) -> None:
        """Let go of what the source holds."""
        await self._source.aclose()

    def _begin(self, name: str, asker: Asker) -> _Flight:
        flight = self._flights[name] = _Flight()

        async def fly() -> None:
            try:
                await self._fly(flight, name, asker)
            finally:
                del self._flights[name]
                flight.landed.set()

        self._nursery.start_soon(fly, name=f"ask {self.label}")
        return flight

    async def _fly(self, flight: _Flight, name: str, asker: Asker) -> None:
        """Ask, whatever comes of it, and remember that."""
        result, reason = "found", ""
        try:
            with trio.fail_after(self._bounds.timeout):
                async with self._turns[min(len(asker.via), _DEPTHS - 1)]:
                    flight.verdict = Verdict(await self._source.ask(name, asker))
            if flight.verdict.found is None:
                result = "unknown"
        except trio.TooSlowError:
            reason = f"no answer within {self._bounds.timeout:g} s"
        except SourceError as error:
            reason = str(error)
        except Exception as fault:
            # A fault in the code of one source may not end the daemon, nor any other answer.
            reason = "fault"
            self._say(log.exception, "fault in a source", exc_info=fault)
        if reason:
            flight.verdict, result = self._excuse(name), "failed"
            # Each reason is said: there are a few, and none has anything of who was asked for.
            self._say(log.warning, "source failed", about=reason, reason=reason)
        elif flight.verdict.found is not None or not asker.via:
            # That somebody is unknown was perhaps said to end a circle, and to nobody else.
            flight.verdict = self._remember(name, flight.verdict)
        self._answers[self.label, result] += 1

    def _say(
        self, say: Callable[..., None], event: str, about: object = "", **values: object
    ) -> None:
        self._damper.say(say, event, about=(self.label, about), source=self.label, **values)

    def _excuse(self, name: str) -> Verdict:
        """Return what is given while the source fails: what it said before, for some time."""
        now = trio.current_time()
        known = self._known.get(name)
        if known is not None and not known.verdict.failed and now < known.good_until:
            known.fresh_until = now + min(_RETRY, self._bounds.ttl)
            return known.verdict
        verdict = Verdict(failed=True)
        self._keep(name, _Known(verdict, now + min(_RETRY, self._bounds.ttl), now))
        return verdict

    def _remember(self, name: str, verdict: Verdict) -> Verdict:
        now = trio.current_time()
        found = verdict.found
        if found is not None and found.since is None:
            before = self._known[name].verdict.found if name in self._known else None
            same = before is not None and before.text == found.text
            since = before.since if same and before is not None else self._clock()
            verdict = Verdict(replace(found, since=since))
        fresh_until = now + self._bounds.ttl
        self._keep(name, _Known(verdict, fresh_until, fresh_until + self._bounds.stale))
        return verdict

    def _keep(self, name: str, known: _Known) -> None:
        before = self._known.pop(name, None)
        self._characters += known.size - (before.size if before is not None else 0)
        self._known[name] = known
        while len(self._known) > _MAX_NAMES or self._characters > _MAX_CHARACTERS:
            _, oldest = self._known.popitem(last=False)
            self._characters -= oldest.size
