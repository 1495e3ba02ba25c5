"""What is answered to a call that cannot be answered."""

from enum import IntEnum


class Code(IntEnum):
    """The codes that mean the same on every server."""

    NOT_WELL_FORMED = -32700
    UNSUPPORTED_ENCODING = -32701
    INVALID_CHARACTER = -32702
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMETERS = -32602
    INTERNAL_ERROR = -32603
    APPLICATION_ERROR = -32500


class Fault(Exception):  # noqa: N818 - the specification's word
    """A call that cannot be answered.

    Attributes:
      code: one of `Code`, or a method's own.
      words: what is wrong, fit to send to whoever called.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{words} ({code:d})")
        self.code = code
        self.words = words


def invalid(words: str) -> Fault:
    """Return the fault for XML that is no XML-RPC, for the reason that *words* give."""
    return Fault(Code.INVALID_REQUEST, f"invalid XML-RPC: {words}")
