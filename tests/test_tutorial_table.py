"""The table in docs/tutorial.md: every topic is there, and the tests that it names are."""

import re
from pathlib import Path

from tests.rfc1288.test_table import find_tests

ROOT = Path(__file__).parents[1]

TOPICS = """
client|deferreds|server|web source|application|daemon|plugin (options)|delayed execution
UNIX sockets|TLS server|TLS client|processes|remote control|its authentication|large streams
producers and consumers|threads|services|persistence|setter|service object|users file|HTML|IRC
XML-RPC
"""


def test_every_topic_is_there_and_shown() -> None:
    """Each topic of the tutorial and its slides has a row, whose tests are there."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    assert set(TOPICS.strip().replace("\n", "|").split("|")) <= rows.keys()
    tests = find_tests()
    for topic, shown in rows.items():
        if topic not in ("topic", "---"):
            named = set(re.findall(r"`(test_\w+)`", shown))
            assert named, topic
            assert named <= tests, topic
