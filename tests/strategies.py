"""Hypothesis strategies that more than one test needs."""

from itertools import pairwise

from hypothesis import strategies as st

# Characters that look alike to people and different to programs, that a terminal, an
# encoding or a line-splitter treats in a way of its own, or that compose with others.
NASTY = (
    "\0\t\n\x0b\r\x1b\x1c\x7f\x85\x9b\xa0\xad"
    "\u0301\u0308\u0345\u034f\u200b\u200d\u2028\u2029\u202e\u2066\u3000\ud800\udcff\ufeff\ufffe"
    "ßẞıİΣςᾂᾲΐﬁÅÅé한ǅ\U0001f600\U000e0041\U0010ffff"
)


def texts(special: str = "", *, max_size: int = 40) -> st.SearchStrategy[str]:
    """Texts of any characters, leaning towards *special* and towards nasty ones."""
    characters = st.characters() | st.sampled_from(NASTY)
    if special:
        characters |= st.sampled_from(special)
    return st.text(characters, max_size=max_size)


@st.composite
def chunked(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> list[bytes]:
    """What *source* yields, in the pieces in which a network may deliver it.

    None of them is empty, since an empty piece says that no more will come.
    """
    data = draw(source)
    inside = st.integers(1, max(1, len(data) - 1))
    cuts = draw(st.lists(inside, max_size=8) | st.just(list(range(1, len(data)))))
    return [data[start:end] for start, end in pairwise(sorted({0, *cuts, len(data)})) if data]
