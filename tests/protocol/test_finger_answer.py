"""What is understood of an answer, in the layouts that servers have, and in no layout at all."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.finger_answer import ReadAnswer, read_answer
from trio_finger.protocol.text import clean, is_safe

OURS_LONG = (
    "Login: moshez                           Name: Moshe Zadka\r\n"
    "Status: Happy and well\r\n"
    "Since: 2026-01-02 03:04 UTC             Until: 2026-01-03 00:00 UTC\r\n"
    "Web: https://example.org/~moshez\r\n"
    "Project: Trio\r\n"
    "Plan:\r\n"
    "To be happy.\r\n"
    "\r\n"
    "  And well.\r\n"
)

LINUX = (
    "Login: moshez         \t\t\tName: Moshe Zadka\r\n"
    "Directory: /home/moshez             \tShell: /bin/bash\r\n"
    "Never logged in.\r\n"
    "No mail.\r\n"
)

SUN = (
    "Login name: moshez    (messages off)    In real life: Moshe Zadka\n"
    "Directory: /home/moshez                 Shell: /bin/csh\n"
)

# As each server says it of somebody who is not there.
NOBODY = [
    "No such user",
    "NO SUCH USER.",
    "no such user: moshez",
    'No such user "moshez"',
    "finger: moshez: no such user.",
    "finger: moshez: no such user",
    "Finger: moshez: No such user!",
    "moshez: no such user",
    "moshez: unknown user",
    "Unknown user.",
    "User unknown",
    "User not found.",
    "User 'moshez' not found.",
    'User "moshez" does not exist.',
    "User moshez not found",
    "The user moshez was not found on this system.",
    "Sorry, user moshez is unknown at this site",
    "moshez is not known at this site.",
    "Login: moshez         \t\t\tName: ???",
    "Login name: moshez    \t\t\tIn real life: ???",
]


@pytest.mark.parametrize("words", NOBODY)
def test_nobody(words: str) -> None:
    """Every server has words of its own for somebody who is not there, in any line ends."""
    for text in (words, f"{words}\n", f"{words}\r\n", f"\r\n  {words} \r\n\r\n", f"\0{words}\x1b"):
        assert read_answer(text) is None


@pytest.mark.parametrize(
    "status",
    [
        "There is no such user in my heart",
        "No such user experience!",
        "No such user, they said",
        "Filed a bug: no such user was found here",
        "User unknown, status unknown",
        "Unknown user interface guidelines",
        "The user interface was not found wanting",
        "Being no such user.",
        "???",
        "In real life: ???",
        "Name: ???",
        "Login: broken again",
        "Login: ??? Name of the game",
        "Status: it's complicated",
        "Plan: conquer the world",
        "Plan:",
        "finger: lickin' good",
        "sorry",
        "404 not found",
    ],
)
def test_a_status_is_a_status(status: str) -> None:
    """What somebody says who is there stays what they say, whatever it sounds like."""
    assert read_answer(f"{status}\r\n") == ReadAnswer(status)


def test_long_text_of_somebody() -> None:
    """The words for nobody mean that only in an answer that is short."""
    text = "No such user\nis the title\nof a poem\nof mine\n"
    assert read_answer(text) == ReadAnswer("No such user")


def test_first_line() -> None:
    """Without any layout, the status is the first line that says something."""
    assert read_answer("\r\n \t \r\n  Happy and well \r\nand more\r\n") == ReadAnswer(
        "Happy and well"
    )


@pytest.mark.parametrize("text", ["", "\r\n", " \n\t\n", "\0\x1b", "No status\r\n", "no plan.\n"])
def test_nothing_to_say(text: str) -> None:
    """A user may have no status, and a server words for that."""
    assert read_answer(text) == ReadAnswer()


def test_our_layout() -> None:
    """All that our own long form says is read back."""
    plan = "To be happy.\n\n  And well."
    assert read_answer(OURS_LONG) == ReadAnswer("Happy and well", "Moshe Zadka", plan, "Trio")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (LINUX + "No Plan.\r\n", ReadAnswer("", "Moshe Zadka")),
        (LINUX + "Plan:\r\n\r\n Be well.\r\nDo good.\r\n", ReadAnswer("Be well.", "Moshe Zadka")),
        (LINUX + "Project:  Twisted\r\nPlan:\r\nAway.\r\n", ReadAnswer("Away.", "Moshe Zadka")),
        (SUN, ReadAnswer("", "Moshe Zadka")),
        (SUN + "Plan:\nAway.\n", ReadAnswer("Away.", "Moshe Zadka")),
        (SUN + "Plan: Away.\n", ReadAnswer("Away.", "Moshe Zadka")),
        ("Username: bross            Real name: Bob Ross\n", ReadAnswer("", "Bob Ross")),
        ("Login: moshez\r\nStatus: Here\r\n", ReadAnswer("Here")),
        ("Login: moshez\r\n", ReadAnswer()),
        ("login:moshez name:M\r\nSTATUS:Here\r\n", ReadAnswer("Here", "M")),
        ("Login: m   Name: M\nStatus: No status\n", ReadAnswer("", "M")),
    ],
)
def test_layouts_of_others(text: str, answer: ReadAnswer) -> None:
    """The status is the line that is called so, or else the beginning of the plan."""
    read = read_answer(text)
    assert read is not None
    assert (read.status, read.full_name) == (answer.status, answer.full_name)


def test_project_and_plan_of_others() -> None:
    """They are known under the names that they have had since 1977."""
    read = read_answer(f"{LINUX}Project: Twisted\r\nPlan:\r\n\r\n  Be well.\r\nDo good.\r\n\r\n")
    assert read == ReadAnswer("Be well.", "Moshe Zadka", "  Be well.\nDo good.", "Twisted")


def test_plan_without_layout() -> None:
    """A plan says something even if its server leaves out all the rest."""
    assert read_answer("Hi!\nPlan:\nBe well.\n") == ReadAnswer("Be well.", plan="Be well.")


def test_plan_is_the_users_own() -> None:
    """What looks like a field within a plan is not one."""
    read = read_answer("Login: m  Name: M\nPlan:\nBe well.\nStatus: root\nProject: all\nPlan:\n")
    assert read == ReadAnswer("Be well.", "M", "Be well.\nStatus: root\nProject: all\nPlan:")


def test_first_of_a_field_counts() -> None:
    """Of two lines for one thing the first is believed."""
    assert read_answer("Login: m\nStatus: Here\nStatus: There\n") == ReadAnswer("Here")


def test_t9_escapes() -> None:
    """T9: no control, format or bidi character is left of an answer, and text is."""
    head = "Login: m\x1b[2J Name: \u202eM\x07\r\n"
    read = read_answer(f"{head}Status: \x9b31mred\u200b\r\nPlan:\r\n\x1b]0;x\x07ok\0\r\n")
    assert read == ReadAnswer("31mred", "M", "]0;xok")
    assert read_answer("\x1b[31mred\x1b[0m\u2066\r\n") == ReadAnswer("[31mred[0m")


PIECES = st.lists(
    st.sampled_from(
        [
            "Login: ",
            "Login name: ",
            "Name: ",
            "In real life: ",
            "???",
            "Status: ",
            "Plan:",
            "Project:",
            "No Plan.",
            "no such user",
            "finger: ",
            "user ",
            "not found",
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            "'",
            ":",
            "x",
        ]
    )
    | texts(max_size=5),
    max_size=30,
).map("".join)


@given(PIECES | texts(": \r\n"))
@example("Login: x" + " " * 100_000 + "y:")
@example("Login: x" + " Name:" * 20_000)
@example("user '" + "' '" * 50_000)
@example("user " + "'" * 490)
@example("finger: " * 60)
@example("\n" * 100_000 + "x")
@example("Login: x\n" + "Status:" + " " * 100_000 + "\tx")
def test_t9_t10_any_text(text: str) -> None:
    """T9, T10: of whatever a server answers, lines of clean text come, and in no time."""
    read = read_answer(text)
    if read is None:
        return
    for line in (read.status, read.full_name, read.project):
        assert line == clean(line).strip()
    for line in read.plan.split("\n"):
        assert all(map(is_safe, line))


@given(texts(max_size=60))
def test_whoever_has_a_status_is_read_as_written(text: str) -> None:
    """What one of ours says in its long form is what another of ours reads."""
    status = clean(text).strip()
    read = read_answer(f"Login: moshez\r\nStatus: {status}\r\nNo Plan.\r\n")
    said = "" if status.lower() in {"no status", "no plan", "no plan."} else status
    assert read == ReadAnswer(said)
