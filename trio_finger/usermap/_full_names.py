"""Who has which word in their full name."""

from collections.abc import Iterator
from unicodedata import category

from trio_finger.protocol.text import fold
from trio_finger.usermap._part import PARTS, part_of
from trio_finger.usermap._roster import Roster


class FullNames:
    """An index from words to users; who has no full name costs nothing.

    Most words are one user's alone, and for these there is no roster, only the key.
    """

    def __init__(self) -> None:
        # As many dictionaries as there are parts, and for the same reason.
        self._keys: list[dict[str, str | Roster]] = [{} for _ in range(PARTS)]

    def put(self, key: str, before: str, now: str) -> None:
        """Note that the full name of *key* is *now*, no longer *before*; either may be empty."""
        if before == now:
            return
        for word in _words(before):
            self._discard(word, key)
        for word in _words(now):
            self._add(word, key)

    def find(self, word: str) -> Iterator[str]:
        """Yield the keys of all who have *word*, in order."""
        folded = _fold_word(word)
        found = self._keys[part_of(folded)].get(folded)
        if isinstance(found, str):
            yield found
        elif found is not None:
            key = ""
            while keys := found.after(key):
                yield from keys
                key = keys[-1]

    def _add(self, word: str, key: str) -> None:
        keys = self._keys[part_of(word)]
        found = keys.setdefault(word, key)
        if isinstance(found, Roster):
            found.add(key)
        elif found != key:
            keys[word] = both = Roster()
            both.add(found)
            both.add(key)

    def _discard(self, word: str, key: str) -> None:
        keys = self._keys[part_of(word)]
        found = keys.get(word)
        if isinstance(found, Roster):
            found.discard(key)
            if not len(found):
                del keys[word]
        elif found == key:
            del keys[word]


def _words(full_name: str) -> set[str]:
    return {folded for word in full_name.split() if (folded := _fold_word(word))}


def _fold_word(word: str) -> str:
    """Return the form under which *word* is compared: as a name's, without what encloses it."""
    begin, end = 0, len(word)
    while begin < end and category(word[begin])[0] == "P":
        begin += 1
    while begin < end and category(word[end - 1])[0] == "P":
        end -= 1
    return fold(word[begin:end])
