"""Text from strangers, made fit for a terminal."""

from trio_finger.protocol.text import is_safe

_KEPT_BYTE = 0xDC00  # what such a byte and this add up to is what Python decodes it to
_NO_CONTROL = 0xA0  # the first byte that is none, of those beyond ASCII (ISO 2022)


def printable(
    data: bytes, *, encoding: str = "utf-8", eight_bit: bool = False, control: bool = False
) -> bytes:
    """Return *data* as what does nothing to a terminal but show.

    RFC 1288, 3.3 asks a client to let through only what is printable, TAB and line ends,
    which become LF. Printable is all of Unicode but control characters, which are shown as
    ``^[`` and the like, and others that hide or reorder text or that the terminal does not
    have, of which the number is shown. Bytes that are not UTF-8 become the replacement
    character.

    Args:
      data: what a server sent.
      encoding: the terminal's. To one that takes bytes for characters, UTF-8 may well
        hold what UTF-8 itself does not: 0x9B begins a control sequence.
      eight_bit: let bytes that are not UTF-8 through, as they are; but not 0x80 to 0x9F,
        which control a terminal that takes bytes for characters.
      control: let characters through that control the terminal, hide or reorder, and of
        the bytes with `eight_bit` those, too.
    """
    # A byte that is let through is kept as a surrogate, which UTF-8 itself cannot hold.
    text = data.decode("utf-8", "surrogateescape" if eight_bit else "replace")
    shown = text.replace("\r\n", "\n").translate(_Shown(encoding, control=control))
    return shown.encode(encoding, "surrogateescape")


class _Shown(dict[int, str]):
    """What each character is shown as, found when it is first asked for."""

    def __init__(self, encoding: str, *, control: bool) -> None:
        super().__init__()
        self._encoding = encoding
        self._control = control

    def __missing__(self, codepoint: int) -> str:
        self[codepoint] = shown = self._show(chr(codepoint))
        return shown

    def _show(self, character: str) -> str:
        codepoint = ord(character)
        if _is_kept_byte(codepoint):
            codepoint -= _KEPT_BYTE
            safe = codepoint >= _NO_CONTROL
        else:
            safe = character == "\n" or is_safe(character)
        if safe or self._control:
            try:
                character.encode(self._encoding, "surrogateescape")
            except UnicodeEncodeError:
                pass
            else:
                return character
        if codepoint < 0x20 or codepoint == 0x7F:
            return f"^{chr(codepoint ^ 0x40)}"
        return f"<U+{codepoint:04X}>"


def _is_kept_byte(codepoint: int) -> bool:
    """Whether decoding made it of a byte that is not UTF-8 (PEP 383)."""
    return 0xDC80 <= codepoint <= 0xDCFF
