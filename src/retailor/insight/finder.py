"""Where a sentence speaks of which aspect: general ones by their patterns, the shop's own by a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from retailor.scripts import HAN

_HAS_HAN = re.compile(f"[{HAN}]")
_ONE_WORD = re.compile(r"[^\W_]+")
MAX_WORDS, MAX_CHARACTERS = 5, 8


@dataclass(frozen=True)
class Finder:
    """Finds numbers of aspects. `patterns`, English and Chinese, are of general ones; `terms` go by stem."""

    patterns: Mapping[int, tuple[str, str]]
    terms: Mapping[str, int]
    _found: tuple[re.Pattern[str], tuple[tuple[int, re.Pattern[str]], ...]] = field(init=False, repr=False)
    _first: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        single = [(ix, _either(*pair)) for ix, pair in self.patterns.items()]
        every = re.compile("|".join(pattern.pattern for _, pattern in single) or "(?!)")
        object.__setattr__(self, "_found", (every, tuple(single)))
        object.__setattr__(self, "_first", frozenset(_first_of(term) for term in self.terms))

    def in_sentence(self, sentence: str) -> dict[int, str]:
        """Aspect number to the words that name it, the first of each; of words that overlap the longest."""
        lower = sentence.lower()
        if len(lower) != len(sentence):  # 'İ' has two letters in lower case: places would not meet
            lower = sentence
        spans = sorted(
            [*self._general(lower), *self._own(lower)], key=lambda span: (span[0] - span[1], span[0])
        )
        taken: list[tuple[int, int]] = []
        found: list[tuple[int, int, int]] = []
        for start, end, ix in spans:
            if all(end <= a or start >= b for a, b in taken):
                taken.append((start, end))
                found.append((start, end, ix))
        named: dict[int, str] = {}
        for start, end, ix in sorted(found):
            named.setdefault(ix, sentence[start:end])
        return named

    def _general(self, text: str) -> Iterator[tuple[int, int, int]]:
        every, single = self._found
        for match in every.finditer(text):
            # Which one it is of is asked where one is found: a group for each would slow all others down.
            ix = next(ix for ix, pattern in single if pattern.fullmatch(text, *match.span()))
            yield *match.span(), ix

    def _own(self, text: str) -> Iterator[tuple[int, int, int]]:
        if not self.terms:
            return
        words = [match.span() for match in _ONE_WORD.finditer(text)]
        for i, (start, end) in enumerate(words):
            word = text[start:end]
            if word in self._first or stem_of(word) in self._first:
                before = ""
                for a, b in words[i : i + MAX_WORDS]:
                    ix = self.terms.get(before + stem_of(text[a:b]))
                    if ix is not None:
                        yield start, b, ix
                    before += f"{text[a:b]} "
            if not word.isascii() and _HAS_HAN.search(word):
                yield from self._chinese(text, start, end)

    def _chinese(self, text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        for i in range(start, end):
            if text[i] in self._first:
                for j in range(i + 1, min(i + MAX_CHARACTERS, end) + 1):
                    ix = self.terms.get(text[i:j])
                    if ix is not None:
                        yield i, j, ix


def _either(english: str, chinese: str) -> re.Pattern[str]:
    return re.compile("|".join([rf"(?<!\w)(?:{english})(?!\w)"] * bool(english) + [chinese] * bool(chinese)))


def _first_of(term: str) -> str:
    return term[0] if _HAS_HAN.match(term) else term.partition(" ")[0]


@lru_cache(maxsize=65536)
def stem_of(term: str) -> str:
    """The term in lower case, marks inside as spaces, its last word without the ending of a plural."""
    words = _ONE_WORD.findall(term.lower())
    if not words:
        return ""
    last = words[-1]
    if last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif last.endswith(("ches", "shes", "sses", "xes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 2:
        last = last[:-1]
    return " ".join([*words[:-1], last])
