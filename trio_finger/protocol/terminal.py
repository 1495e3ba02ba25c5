"""Text from strangers, made fit for a terminal."""

from trio_finger.protocol.text import is_safe


def printable(data: bytes) -> str:
    """Return *data* as text that does nothing to a terminal but show.

    Line ends become LF, control characters ``^[`` and the like, other characters that
    hide or reorder text their number, bytes that are not UTF-8 the replacement
    character (RFC 1288, 3.3 asks a client to let through only what is printable).
    """
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(map(_show, text))


def _show(character: str) -> str:
    if character == "\n" or is_safe(character):
        return character
    codepoint = ord(character)
    if codepoint < 0x20 or codepoint == 0x7F:
        return f"^{chr(codepoint ^ 0x40)}"
    return f"<U+{codepoint:04X}>"
