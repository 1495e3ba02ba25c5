"""The users file as TOML: what is taken is clean and is what TOML says; no fault spreads."""

import tomllib
from typing import Any
from unicodedata import normalize

from fuzz.properties import is_clean
from fuzz.target import Target
from fuzz.targets.users_file import check_entry
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_PLAN, fold
from trio_finger.protocol.users_file import Entry, LineFault
from trio_finger.protocol.users_toml import MAX_LINK, MAX_LINKS, MAX_TEXT, parse_users_toml

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LAST = Entry("zzz-last", "Here")
_LAST_TABLE = b"\n[zzz-last]\nstatus = 'Here'\n"


def check(data: bytes) -> None:
    """Any file gives clean entries, each user once, and faults on lines that there are."""
    items = [item for item in parse_users_toml(data) if item is not None]
    entries = [item for item in items if isinstance(item, Entry)]
    faults = [item for item in items if isinstance(item, LineFault)]
    for entry in entries:
        check_entry(entry)
        _check_profile(entry.profile or Profile())
    assert len({fold(entry.name) for entry in entries}) == len(entries)
    numbers = [fault.line for fault in faults]
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(1, data.count(b"\n") + 2))
    assert all(is_clean(fault.words) for fault in faults)
    if not faults:
        _check_against_tomllib(data, entries)
    if b"zzz" not in data.lower() and b"\\" not in data:  # which could spell the name
        # A table with no quotes of several lines in it ends whatever stands open before.
        assert list(parse_users_toml(data + _LAST_TABLE))[-1] == _LAST


def _check_profile(profile: Profile) -> None:
    for title in (profile.full_name, profile.project):
        assert title == title.strip()
        assert is_clean(title)
        assert len(title.encode()) <= MAX_TEXT
    assert all(map(is_clean, profile.plan.split("\n")))
    assert len(profile.plan.encode()) <= MAX_PLAN
    assert len(profile.links) <= MAX_LINKS
    for link in profile.links:
        assert link.split() == [link]
        assert is_clean(link)
        assert link.startswith(("http://", "https://"))
        assert len(link.encode()) <= MAX_LINK


def _check_against_tomllib(data: bytes, entries: list[Entry]) -> None:
    """Where no fault is named, all of it is TOML, and TOML has these tables and no other."""
    document: dict[str, Any] = tomllib.loads(data.removeprefix(_BYTE_ORDER_MARK).decode())
    assert [entry.name for entry in entries] == [normalize("NFC", name) for name in document]
    for entry, table in zip(entries, document.values(), strict=True):
        profile = entry.profile or Profile()
        assert profile.hidden == table.get("hidden", False)
        assert profile.links == tuple(table.get("links", ()))
        if is_clean(status := table.get("status", "")):
            assert entry.status == status.strip()


TARGET = Target(
    check,
    seeds=(
        b'[moshez]\nfull_name = "Moshe"\nstatus = "Happy"\nplan = """\n[x] a\n\nb\n"""\n'
        b'project = "T"\nlinks = ["https://example.org/"]\nhidden = false\n[shawn]\n',
        b"\xef\xbb\xbfa = {status = 'A', hidden = true}\nb = {plan = '''\nC\n'''}\n# x\n['c d']\n",
        b"[a.b]\nx=1\n[[c]]\nd.status = 'x'\n[\"e\\u0301\"]\nlinks = [\n['b'],\n]\n",
        b"[a]\nplan = '''\n[b]\nstatus = \"\nhidden = tru\n[c]\n",
    ),
    tokens=(
        *(b"status = ", b"plan = ", b"full_name=", b"project=", b"links = [", b"hidden = true"),
        *(b'"""', b"'''", b'"', b"'", b"\n[", b"\n[[", b"]\n", b"]]\n", b"{", b"}", b"=", b"#"),
        *(b"'http://a'", b"\\u202e", b"\\\n", b"\r\n", b"\xef\xbb\xbf", b"1e5", b"07:32:00"),
    ),
)
