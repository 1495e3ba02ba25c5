"""Who is there, whoever knows it: what was set, then the users file, then sources in order."""

from datetime import UTC, datetime

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.sources.test_asked import NOW, Bench, Say, broken, nobody
from tests.usermap.maps import tell
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.sources import Directory, Found, read_via
from trio_finger.sources._directory import Known
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, Status, UnavailableError, UserMap

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PROFILE = Profile(full_name="Moshe Zadka", plan="Nothing")
FILE = {
    "moshez": Status("moshez", "Happy and well", SINCE),
    "Quiet": Status("Quiet", "", SINCE),
    "ghost": Status("ghost", "", SINCE),
}
PROFILES = {"Quiet": Profile(full_name="Quiet One"), "ghost": Profile(hidden=True)}


async def make_directory(nursery: trio.Nursery, *says: Say) -> tuple[Directory, list[Bench]]:
    """Return a directory with a source for each of *says*, and these."""
    users = UserMap(MemoryStore(), may_hide=True, clock=lambda: NOW)
    await users.replace_file(FILE, PROFILES)
    directory = Directory(users)
    benches = [Bench(nursery, say) for say in says]
    directory.known = Known([bench.asked for bench in benches])
    return directory, benches


async def everything(name: str) -> Found | None:
    """Know everybody, and more than their status."""
    return Found(f"{name} from a source", SINCE, PROFILE)


async def without_status(name: str) -> Found | None:
    """Know everybody, but not what they are up to."""
    return Found("", SINCE, PROFILE)


async def test_what_was_said_here_comes_first(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Nobody asks for those of whom the map has a status, set by a person or in the file."""
    directory, (bench,) = await make_directory(nursery, everything)
    await tell(directory.users, "shawn", "Out")
    view = await directory.find(["moshez", "shawn", "MOSHEZ"])
    assert view.get("moshez") == FILE["moshez"]
    assert (view.get("shawn") or FILE["ghost"]).text == "Out"
    assert bench.source.asked == []
    assert directory.at_hand(["moshez", "shawn"]) is not None


async def test_unknown_here(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Whom the map does not know, a source may; then it is at hand."""
    directory, (bench,) = await make_directory(nursery, everything)
    assert directory.at_hand(["Someone"]) is None
    view = await directory.find(["Someone"])
    found = Status("Someone", "someone from a source", SINCE)
    assert view.get("Someone") == found
    assert view.profile("someone") == PROFILE
    at_hand = directory.at_hand(["Someone"])
    assert at_hand is not None
    assert at_hand.get("Someone") == found
    assert bench.source.asked == ["someone"]


async def test_known_here_without_a_status(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Who is in the file, and says nothing there, is looked up as they spell themselves."""
    directory, (bench,) = await make_directory(nursery, everything)
    view = await directory.find(["quiet"])
    assert view.get("quiet") == Status("Quiet", "Quiet from a source", SINCE)
    assert view.profile("quiet") == Profile(full_name="Quiet One", plan="Nothing")
    assert bench.source.asked == ["Quiet"]


async def test_set_meanwhile(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """What a person sets while a source is asked wins."""
    directory, _ = await make_directory(nursery, everything)
    view = await directory.find(["someone"])
    await tell(directory.users, "someone", "Here I am")
    assert (view.get("someone") or FILE["ghost"]).text == "Here I am"


async def test_order(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """The first that knows a status wins; one that knows only the user is better than none."""
    directory, benches = await make_directory(nursery, nobody, without_status, everything, nobody)
    view = await directory.find(["someone"])
    assert (view.get("someone") or FILE["ghost"]).text == "someone from a source"
    assert [len(bench.source.asked) for bench in benches] == [1, 1, 1, 0]
    directory, _ = await make_directory(nursery, nobody, without_status, nobody)
    view = await directory.find(["someone"])
    assert view.get("someone") == Status("someone", "", SINCE)


async def test_failure(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A failure is told of names that only that source could know, and of nobody else."""
    directory, _ = await make_directory(nursery, broken, everything)
    with capture_logs():
        assert (await directory.find(["someone"])).get("someone") is not None
        directory, _ = await make_directory(nursery, broken, nobody)
        view = await directory.find(["someone", "moshez", "quiet"])
        with pytest.raises(UnavailableError):
            view.get("someone")
        assert view.get("moshez") == FILE["moshez"]
        assert view.get("quiet") == FILE["Quiet"]


async def test_hidden(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """T8: who is hidden is as unknown as anybody, whatever a source knows of them."""
    directory, (bench,) = await make_directory(nursery, everything)
    view = await directory.find(["ghost"])
    assert view.get("ghost") is None
    assert view.profile("ghost") == Profile()
    # And it takes as long as for anybody who is not there.
    assert bench.source.asked == ["ghost"]


async def test_hidden_while_a_source_fails(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """T8: nor is it told by what becomes of a name while some source fails, in any order."""
    for says in ((everything, broken), (broken, everything)):
        directory, benches = await make_directory(nursery, *says)
        with capture_logs():
            view = await directory.find(["ghost"])
        with pytest.raises(UnavailableError):
            view.get("ghost")
        assert [bench.source.asked for bench in benches] == [["ghost"]] * 2
        at_hand = directory.at_hand(["ghost"])
        assert at_hand is not None
        with pytest.raises(UnavailableError):
            at_hand.get("ghost")


@pytest.mark.parametrize(
    ("header", "daemons"),
    [
        ("", ()),
        ("1.1 varnish, 1.1 caddy", ()),
        ("1.1 trio-finger-1", ("trio-finger-1",)),
        (
            "1.1 trio-finger-1, HTTP/1.1 proxy (x), 1.1 trio-finger-2",
            ("trio-finger-1", "trio-finger-2"),
        ),
        ("trio-finger-1", ()),
    ],
)
def test_via(header: str, daemons: tuple[str, ...]) -> None:
    """Of those that a question came through, only daemons like ours can be part of a circle."""
    assert read_via(header) == daemons


@pytest.mark.parametrize("name", ["", "a b", "../x", "a@b", "x" * 65, "\x1b", "a:b", "."])
async def test_what_cannot_be_a_name(
    autojump_clock: MockClock, nursery: trio.Nursery, name: str
) -> None:
    """T4: what cannot be anybody's name is not asked for."""
    directory, (bench,) = await make_directory(nursery, everything)
    assert (await directory.find([name])).get(name) is None
    assert directory.at_hand([name]) is not None
    assert bench.source.asked == []


async def test_service_with_one_answer(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """What has the same answer to everything is asked once, whatever stands after the colon."""
    directory, _ = await make_directory(nursery)
    bench = Bench(nursery, everything)
    directory.known = Known(services={"motd": bench.asked}, plain={"motd"})
    view = await directory.find(["motd", "motd:a", "MOTD:b"])
    assert view.get("motd:a") is not None
    assert bench.source.asked == [""]


async def test_service(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A service answers to its name, with or without more, is listed, and is no user."""

    async def weather(place: str) -> Found | None:
        if place == "atlantis":
            return None
        plan = f"Weather of {place or 'here'}\nSunny"
        return Found(plan.split("\n")[0], SINCE, Profile("The weather", plan), whole=True)

    directory, _ = await make_directory(nursery)
    bench = Bench(nursery, weather)
    listed = Status("weather", "", NOW, details="The weather")
    directory.known = Known(services={"weather": bench.asked}, listed={"weather": listed})
    assert not directory.is_plain
    view = await directory.find(["Weather", "weather:oslo", "weather:atlantis"])
    here = view.get("Weather")
    assert here == Status("Weather", "Weather of here", SINCE, details="Weather of here\nSunny")
    assert (view.get("weather:oslo") or FILE["ghost"]).text == "Weather of oslo"
    assert view.get("weather:atlantis") is None
    assert view.profile("weather:oslo") == Profile("The weather", "Weather of oslo\nSunny")
    assert [status.name for status in directory.everybody] == ["moshez", "Quiet", "weather"]
    assert directory.everybody.profile("weather") == Profile("The weather")
    assert len(directory.everybody) == 3
    assert (await directory.find(["nobody:oslo"])).get("nobody:oslo") is None
    await directory.users.set(SetRequest("weather", "Mine now"), by=ANYBODY)
    view = await directory.find(["weather"])
    assert (view.get("weather") or FILE["ghost"]).text == "Weather of here"
    assert view.profile("weather") == Profile("The weather", "Weather of here\nSunny")
