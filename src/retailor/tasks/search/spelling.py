"""Misspelt words of a query, mended to words of the shop. A word that anybody else knows stays as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from retailor.retrieval.tokens import words

_WORD = re.compile(r"(?<![\w-])[A-Za-z]{4,30}(?![\w-])")
_PAIR = re.compile(r"(?<![\w-])(?=([A-Za-z]{3,15}) ([A-Za-z]{3,15})(?![\w-]))")
_LEAST_COUNT = 3
"""A word that fewer items have is no word to mend to."""


IsWord = Callable[[str], bool]


@cache
def english_words() -> frozenset[str]:
    """Eighty thousand words of English, British and American, in small letters (the list of SymSpell)."""
    listed = (
        files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    )
    return frozenset(line.split(" ", 1)[0] for line in listed.splitlines())


class Speller:
    """The shop's own words, and how often each is written."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts
        self._known = set(counts)
        self._stems = {stem for word in counts for stem in words(word)}
        self._frequent = {word: n for word, n in counts.items() if n >= _LEAST_COUNT}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Speller:
        """The words of the shop's texts in Latin letters."""
        counts = Counter(word.lower() for text in texts for word in set(_WORD.findall(text)))
        return cls(dict(counts))

    def with_texts(self, texts: Iterable[str]) -> Speller:
        """The same with the words of further texts."""
        return Speller(dict(Counter(self.counts) + Counter(Speller.of(texts).counts)))

    def mended(self, query: str, is_word: IsWord = lambda word: False) -> tuple[str, dict[str, str]]:
        """The query with its misspelt words replaced, and what was replaced by what.

        A word is misspelt that neither the shop nor the language (`is_word`, and a dictionary) knows
        in any inflection, and that one change of a letter (two from eight letters on) makes a word of the
        shop. Changes are insertions, deletions, replacements and swaps of neighbours (Damerau 1964); of
        several words the nearest, then the most frequent.
        """
        changes: dict[str, str] = {}
        for word in _WORD.findall(query):
            lower = word.lower()
            if (
                lower in self._known
                or lower in english_words()
                or is_word(lower)
                or set(words(lower)) <= self._stems
            ):
                continue
            better = self._nearest(lower)
            if better:
                changes[word] = better
        mended = _WORD.sub(lambda match: changes.get(match[0], match[0]), query)
        return mended, changes

    def joined(self, query: str, says: Callable[[str], bool]) -> tuple[str, dict[str, str]]:
        """The query with words joined that the shop writes as one ("blue tooth"), and what became of what.

        Only where no title `says` the two apart. Before filters are read: the first of them may be a colour.
        """
        changes: dict[str, str] = {}
        for match in _PAIR.finditer(query):
            apart = f"{match[1]} {match[2]}"
            one = (match[1] + match[2]).lower()
            if one in self._frequent and not says(apart.lower()):
                changes[apart] = one
        for apart, one in changes.items():
            query = re.sub(rf"(?<![\w-]){apart}(?![\w-])", one, query)
        return query, changes

    def _nearest(self, word: str) -> str | None:
        most = 2 if len(word) >= 8 else 1
        near = extract(word, self._frequent.keys(), scorer=OSA.distance, score_cutoff=most, limit=50)
        # Few slips hit the first letter, and the last one is more often right than not.
        usable = [
            (distance, other[-1] != word[-1], -self._frequent[other], other)
            for other, distance, _ in near
            if other[0] == word[0]
        ]
        return min(usable)[-1] if usable else None
