"""What the bot answers."""

from trio_finger.protocol.text import MAX_NAME, TextError, clean, parse_name
from trio_finger.usermap import Reader, UnavailableError

_UNKNOWN = ": No such user"
_TRY_LATER = ": Server error -- try later"


def answer(users: Reader, text: str) -> str | None:
    """Return ``NAME: STATUS``, or ``NAME: No such user``; ``None`` to keep silent.

    Args:
      users: who is there.
      text: the private message, as it came. A known user is spelled as *users* spells
        them; of anything else, what is harmless is repeated.
    """
    asked = show(text)
    # Two bots that take each other's answers for questions must come to an end. No answer
    # is a name, so the answer to an answer is this one, and to this one there is none.
    if not asked or text.rstrip().endswith(_UNKNOWN):
        return None
    try:
        status = users.get(name_in(text))
    except TextError:
        status = None
    except UnavailableError:
        return asked + _TRY_LATER
    if status is None:
        return asked + _UNKNOWN
    return f"{status.name}: {status.text or 'No status'}"


def name_in(text: str) -> str:
    """Return the name that *text* asks for, with what a service is asked for after a colon.

    Raises:
      TextError: it is none.
    """
    name, colon, rest = text.strip().partition(":")
    return parse_name(name) + colon + rest


def show(text: str) -> str:
    """Return what may be repeated of *text*: no more than a name is long."""
    return clean(text).strip()[:MAX_NAME]
