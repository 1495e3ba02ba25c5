"""``python -m trio_finger`` is the same as ``trio-finger``."""

from trio_finger.cli import main

main()
