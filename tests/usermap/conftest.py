"""Fixtures for tests of the user map."""

import pytest

from tests.usermap.maps import WallClock
from trio_finger.usermap import _pace


@pytest.fixture
def wall() -> WallClock:
    """A clock on the wall."""
    return WallClock()


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever works in turns give way whenever they may."""
    monkeypatch.setattr(_pace, "_TURN", 0)
