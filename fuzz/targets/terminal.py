"""What a stranger sends does nothing to a terminal but show, and loses no line."""

from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.protocol.terminal import printable


def check(data: bytes) -> None:
    """Lines stay lines, clean text stays as it is, and nothing else acts on any terminal."""
    for encoding in ("utf-8", "iso-8859-1", "ascii"):
        shown = printable(data, encoding=encoding)
        assert _acts_not(shown.decode(encoding))
        assert shown.count(b"\n") == data.count(b"\n")
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    shown = printable(data)
    assert printable(shown) == shown
    assert len(shown.decode()) >= len(text)
    if _acts_not(text):
        assert shown == text.encode()
    assert printable(data, control=True) == text.encode()
    kept = printable(data, eight_bit=True).decode("utf-8", "surrogateescape")
    assert _acts_not("".join(character for character in kept if not _is_byte(character)))
    assert not any("\udc80" <= character <= "\udc9f" for character in kept)


def _acts_not(text: str) -> bool:
    return is_clean(text.replace("\n", ""))


def _is_byte(character: str) -> bool:
    return "\udc80" <= character <= "\udcff"


TARGET = Target(
    check,
    seeds=(
        b"Happy and well\r\n",
        b"good\rbad\r\n\x1b[2J\x1b]0;title\x07\0\x7f",
        "\x9b31m\u202egnp.exe\u200b\u2028\ufffe\U000e0041\tna\u00efve".encode(),
        b"na\xefve \xed\xa0\x80\xc2\r\n\x9b",
    ),
    tokens=(b"\r\n", b"\x1b[", b"\xc2\x9b", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xef\xbf\xbf"),
)
