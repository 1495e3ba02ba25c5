"""Any sequence of sets, clears, ends, files, faults and restarts, against a model."""

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from unicodedata import normalize
from unittest.mock import patch

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from tests.usermap.maps import (
    START,
    FailingStore,
    clear,
    expiring,
    interrupted,
    taken,
    tell,
)
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import fold
from trio_finger.store import StoreError, Told
from trio_finger.usermap import ANYBODY, OPERATOR, Caller, RefusedError, Status, UserMap


@dataclass(frozen=True)
class Line:
    """What the users file says of one user."""

    text: str
    plan: str = ""
    hidden: bool = False


File = dict[str, Line]

NAMES = ["moshez", "MosheZ", "shawn", "Zoë", "ZOE\u0308", "Straße", "STRASSE"]
names = st.sampled_from(NAMES)
texts = st.sampled_from(["A", "B", "set", "☞"])
plans = st.sampled_from(["", "A plan", "1.\n2."])
files = st.dictionaries(names, st.builds(Line, texts, plans, st.booleans()))
callers = st.sampled_from([ANYBODY, OPERATOR, Caller("MOSHEZ")])
LENGTHS = {"20s": timedelta(seconds=20), "1m": timedelta(minutes=1), "1h": timedelta(hours=1)}
lengths = st.none() | st.sampled_from(list(LENGTHS))
pauses = st.sampled_from([1, 1, 20, 60, 10_000])


@dataclass
class Model:
    """What should hold: the rules, written down once more and as plainly as can be."""

    lines: dict[str, tuple[Status, Line]] = field(default_factory=dict)
    told: dict[str, tuple[Status, str | None]] = field(default_factory=dict)
    plans: dict[str, tuple[Status, str, str | None]] = field(default_factory=dict)

    def says(self, key: str) -> str | None:
        return self.lines[key][1].text if key in self.lines else None

    def says_plan(self, key: str) -> str | None:
        return self.lines[key][1].plan if key in self.lines else None

    def hides(self, key: str, by: Caller = ANYBODY) -> bool:
        return key in self.lines and self.lines[key][1].hidden and not by.knows(key)

    def shown(self, by: Caller = ANYBODY) -> dict[str, Status]:
        everyone = {key: status for key, (status, _, _) in self.plans.items()}
        everyone |= {key: status for key, (status, _) in self.lines.items()}
        everyone |= {key: status for key, (status, _) in self.told.items()}
        return {
            key: replace(status, name=self.lines[key][0].name if key in self.lines else status.name)
            for key, status in everyone.items()
            if not self.hides(key, by)
        }

    def profile(self, key: str) -> Profile:
        if self.hides(key):
            return Profile()
        told = self.plans[key][1] if key in self.plans else None
        return Profile(plan=(self.says_plan(key) or "") if told is None else told)

    def spell(self, name: str, by: Caller) -> str:
        shown = self.shown(by).get(fold(name))
        return shown.name if shown else normalize("NFC", name)

    def tell(self, status: Status) -> None:
        key = fold(status.name)
        self.told[key] = (status, self.says(key))

    def tell_plan(self, status: Status, plan: str) -> None:
        key = fold(status.name)
        self.plans[key] = (status, plan, self.says_plan(key))

    def end(self, now: datetime) -> None:
        for key, (status, _) in list(self.told.items()):
            if status.until is not None and status.until <= now:
                del self.told[key]

    def read(self, file: File, modified: datetime, *, partial: bool = False) -> None:
        old, self.lines = self.lines, dict(self.lines) if partial else {}
        for name, line in file.items():
            key, since = fold(name), modified
            if key in old and old[key][1].text == line.text:
                since = old[key][0].since
            self.lines[key] = (Status(name, line.text, since), line)
        # Who set something may be on one of the lines that are faulty.
        spared = set() if not partial else (self.told.keys() | self.plans) - self.lines.keys()
        self.told = {
            key: told
            for key, told in self.told.items()
            if key in spared or told[1] == self.says(key)
        }
        self.plans = {
            key: plan
            for key, plan in self.plans.items()
            if key in spared or plan[2] == self.says_plan(key)
        }


class MapMachine(RuleBasedStateMachine):
    """A map, a store that fails at times, files, restarts, and a subscriber throughout.

    Time goes on before each step, and ends are taken back only after it.
    """

    @initialize(file=files)
    def start(self, file: File) -> None:
        self.now = START
        self.model = Model()
        self.store = FailingStore()
        self.written, self.faulty = file, False
        self.boot()

    def boot(self) -> None:
        """Start anew on the store, and on what was last written to the file."""
        self.teardown()
        self.users = UserMap(self.store, clock=lambda: self.now)
        trio.run(self.users.load)
        self.model.lines = {}
        self.heard = {fold(status.name): status for status in self.users}
        self.subscription = ExitStack()
        self.changes = self.subscription.enter_context(self.users.subscribe())
        self.read()

    def read(self, *, interrupt: int | None = None) -> int:
        lines = {fold(name): (name, line) for name, line in self.written.items()}
        file = {key: Status(name, line.text, self.now) for key, (name, line) in lines.items()}
        profiles = {
            key: Profile(plan=line.plan, hidden=line.hidden)
            for key, (_, line) in lines.items()
            if line.plan or line.hidden
        }

        async def read() -> int:
            return await self.users.replace_file(file, profiles, partial=self.faulty)

        if interrupt is not None:
            trio.run(interrupted, read(), interrupt)
        self.model.read(dict(lines.values()), self.now, partial=self.faulty)
        return trio.run(read)

    def pause(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.model.end(self.now)

    def teardown(self) -> None:
        if hasattr(self, "subscription"):
            self.subscription.close()

    @rule(name=names, text=texts, lasts=lengths, by=callers, seconds=pauses)
    def tell(self, name: str, text: str, lasts: str | None, by: Caller, seconds: int) -> None:
        self.pause(seconds)
        if not by.may_set(fold(name)):
            with pytest.raises(RefusedError):
                self.set(name, text, by)
            return
        until = self.now + LENGTHS[lasts] if lasts else None
        expected = Status(self.model.spell(name, by), text, self.now, until)
        assert self.set(name, text, by, lasts) == expected
        self.model.tell(expected)

    @rule(name=names, plan=plans, by=callers, seconds=pauses)
    def tell_plan(self, name: str, plan: str, by: Caller, seconds: int) -> None:
        self.pause(seconds)
        key, shown = fold(name), self.model.shown(by)
        if not by.may_set(key) or (not plan and key not in shown):
            with pytest.raises(RefusedError):
                self.set(name, None, by, plan=plan)
            return
        expected = Status(self.model.spell(name, by), "", self.now)
        status = self.set(name, None, by, plan=plan)
        if plan:
            self.model.tell_plan(expected, plan)
        else:
            self.model.plans.pop(key, None)
        if self.model.hides(key, by):
            assert status == expected
        else:
            assert status == self.model.shown(by).get(key)

    @rule(name=names, by=callers, seconds=pauses)
    def clear(self, name: str, by: Caller, seconds: int) -> None:
        self.pause(seconds)
        key = fold(name)
        if not by.may_set(key) or key not in self.model.shown(by):
            with pytest.raises(RefusedError):
                trio.run(clear, self.users, name, by)
            return
        status = trio.run(clear, self.users, name, by)
        self.model.told.pop(key, None)
        assert status == self.model.shown(by).get(key)

    def set(
        self,
        name: str,
        text: str | None,
        by: Caller,
        lasts: str | None = None,
        plan: str | None = None,
    ) -> Status | None:
        async def set_it() -> Status | None:
            return await tell(self.users, name, text, by, plan=plan, lasts=lasts)

        return trio.run(set_it)

    @rule(file=files, seconds=pauses)
    def edit_and_read(self, file: File, seconds: int) -> None:
        self.pause(seconds)
        self.written, self.faulty = file, False
        self.read()

    @rule(name=names, line=st.builds(Line, texts, plans, st.booleans()), seconds=pauses)
    def edit_one_and_read(self, name: str, line: Line, seconds: int) -> None:
        self.pause(seconds)
        rest = {other: old for other, old in self.written.items() if fold(other) != fold(name)}
        self.written, self.faulty = rest | {name: line}, False
        self.read()

    @rule(file=files, seconds=pauses)
    def read_with_faults(self, file: File, seconds: int) -> None:
        self.pause(seconds)
        self.written, self.faulty = file, True
        self.read()

    @rule(file=files, turns=st.integers(0, 20), seconds=pauses)
    def cancel_and_read(self, file: File, turns: int, seconds: int) -> None:
        """The first reading is cancelled somewhere; it must come to the same in the end."""
        self.pause(seconds)
        self.written, self.faulty = file, False
        with patch("trio_finger.usermap._pace._TURN", 0):
            self.read(interrupt=turns)

    @rule(seconds=pauses)
    def read_again(self, seconds: int) -> None:
        self.pause(seconds)
        assert self.read() == 0

    @rule(file=st.none() | files, seconds=pauses)
    def restart(self, file: File | None, seconds: int) -> None:
        self.pause(seconds)
        if file is not None:
            self.written, self.faulty = file, False
        self.boot()

    @rule(name=names, text=texts)
    def fail_to_tell(self, name: str, text: str) -> None:
        self.store.failing = True
        with pytest.raises(StoreError):
            trio.run(tell, self.users, name, text)
        self.store.failing = False

    @rule(name=names)
    def fail_to_clear(self, name: str) -> None:
        if fold(name) in self.model.told:
            self.store.failing = True
            with pytest.raises(StoreError):
                trio.run(clear, self.users, name, OPERATOR)
            self.store.failing = False

    @rule(seconds=pauses)
    def fail_to_take_back(self, seconds: int) -> None:
        self.pause(seconds)
        self.store.failing = True
        with capture_logs():
            self.take_back()
        self.store.failing = False

    def take_back(self) -> None:
        async def run() -> None:
            async with expiring(self.users):
                await wait_all_tasks_blocked()

        trio.run(run)

    @invariant()
    def shows_what_the_model_says(self) -> None:
        shown = self.model.shown()
        assert {fold(status.name): status for status in self.users} == shown
        assert [fold(status.name) for status in self.users] == sorted(shown)
        assert len(self.users) == len(shown)
        for name in NAMES:
            assert self.users.get(name) == shown.get(fold(name))
            assert self.users.profile(name) == self.model.profile(fold(name))
            assert self.users.is_hidden(name) == self.model.hides(fold(name))

    @invariant()
    def tells_every_change(self) -> None:
        self.take_back()
        for change in taken(self.changes):
            if change.status is None:
                # Of what ended while the daemon was down, nobody had been told.
                self.heard.pop(fold(change.name), None)
            else:
                assert change.name == change.status.name
                self.heard[fold(change.name)] = change.status
        assert self.heard == self.model.shown()

    @invariant()
    def keeps_what_the_model_says(self) -> None:
        kept = [told for told in trio.run(self.store.load) if not self.has_ended(told)]
        statuses = {fold(told.name): told for told in kept if told.field == "status"}
        assert {
            key: (told.text, told.since, told.until, told.over) for key, told in statuses.items()
        } == {
            key: (status.text, status.since, status.until, over)
            for key, (status, over) in self.model.told.items()
        }
        plans = {fold(told.name): told for told in kept if told.field == "plan"}
        assert {key: (told.text, told.since, told.over) for key, told in plans.items()} == {
            key: (plan, status.since, over)
            for key, (status, plan, over) in self.model.plans.items()
        }

    def has_ended(self, told: Told) -> bool:
        return told.until is not None and told.until <= self.now


TestMapMachine = MapMachine.TestCase
TestMapMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
