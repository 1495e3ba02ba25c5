"""Lines as bytes on the wire, in pieces small enough that nobody waits for one."""

from collections.abc import Iterable, Iterator

# What makes a piece full: 0.2 ms of work, and where it is most, a millisecond. The longest
# line, one of a plan with full names before it, may be its last; it has less than 64 KiB then.
_CHARACTERS = 4 * 1024
_LINES = 200


def encode_lines(lines: Iterable[str]) -> bytes:
    """Return *lines* as bytes, CRLF after each (RFC 1288, 2.2)."""
    return "".join([f"{line}\r\n" for line in lines]).encode()


def encode_in_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Yield *lines* likewise, each piece made when it is asked for."""
    piece: list[str] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _CHARACTERS or len(piece) >= _LINES:
            yield encode_lines(piece)
            piece.clear()
            size = 0
    if piece:
        yield encode_lines(piece)
