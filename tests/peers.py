"""The real programs that tests talk to: servers and clients that others wrote."""

import os
import shutil

import pytest

_REQUIRED = "TRIO_FINGER_REQUIRE_PEERS"

# Servers are installed where an ordinary user's PATH may not lead.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def require_peer(program: str) -> str:
    """Return the path of *program*.

    Where it is not installed the test is skipped, or fails if the environment has
    ``TRIO_FINGER_REQUIRE_PEERS=1``: CI installs them all, and skips nothing.
    """
    path = shutil.which(program, path=_PATH)
    if path is None:
        reason = f"{program} is not installed"
        if os.environ.get(_REQUIRED) == "1":
            pytest.fail(f"{reason}, and {_REQUIRED}=1 is set")
        pytest.skip(reason)
    return path
