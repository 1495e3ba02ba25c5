"""What one input is turned into: a text, pieces, choices; always the same of the same input."""

import zlib
from itertools import pairwise


def as_text(data: bytes) -> str:
    """Return *data* as a text; every text, lone surrogates in it too, comes of some bytes."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def choose(data: bytes, count: int, what: bytes = b"") -> int:
    """Return a number below *count* that *data* decides on, another one for another *what*."""
    return zlib.crc32(data + what) % count


def cuts(data: bytes) -> list[int]:
    """Return where *data* may be cut: some places in it, in order."""
    count = choose(data, 5, b"count")
    return sorted({choose(data, len(data) + 1, bytes([number])) for number in range(count)})


def pieces(data: bytes) -> list[bytes]:
    """Return *data* in some pieces, none of them empty."""
    edges = sorted({0, *cuts(data), len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


def single(data: bytes) -> list[bytes]:
    """Return *data* byte by byte."""
    return [data[at : at + 1] for at in range(len(data))]
