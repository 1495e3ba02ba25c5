"""Answers of finger servers: whatever they say, what is read of it is clean, and soon read."""

from fuzz.inputs import as_text
from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.protocol.finger_answer import read_answer


def check(data: bytes) -> None:
    """Nothing is refused; each text is of one line, but for a plan, and has nothing to hide."""
    answer = read_answer(as_text(data))
    if answer is None:
        return
    for line in (answer.status, answer.full_name, answer.project, *answer.plan.split("\n")):
        assert is_clean(line)
        assert "\n" not in line


TARGET = Target(
    check,
    seeds=(
        b"Happy and well\r\n",
        b"No such user\r\n",
        b"finger: x: no such user.\r\n",
        b"Login: moshez   Name: Moshe Zadka\r\nStatus: Well\r\nPlan:\r\nNone\r\n",
        b"Login name: x   In real life: ???\r\n",
        b"Login: x\r\nProject: y\r\nNo Plan.\r\n",
    ),
    tokens=(b"Login: ", b"Name: ", b"Plan:", b"Status: ", b"no such user", b"???", b"\r\n"),
    max_len=4096,
)
