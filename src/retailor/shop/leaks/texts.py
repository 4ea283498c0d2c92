"""Texts that nearly are another text, found by what few shingles they share first, then compared whole."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from retailor.scripts import CJK

_TOKEN = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)+")
SHINGLE = 3
LEAST_TOKENS = 20
"""Shorter texts are alike by themselves: 'Great product, works well'. Measured on shops without copies: with
20 at most one in 300, with 12 one in 20 of a shop that writes in phrases."""
LEAST_SHINGLES = 12
MOST_TOKENS = 400
SKETCH = 10
"""Smallest hashes of a text that another must share one of, to be compared at all."""
MOST_ALIKE = 40
"""Texts under one hash; more are a phrase of the shop, not a copy."""
NEAR = 0.7
"""Jaccard similarity of shingles from which two texts are copies."""
INSIDE = 0.9
"""Share of the shorter one's shingles that the longer one has, from which it is a copy, cut or grown."""


def folded(text: str) -> str:
    """Words in lower case with single spaces between: what is left when a copy was typed anew."""
    return " ".join(tokens(text))


def tokens(text: str) -> list[str]:
    """Words in lower case, and single characters of Chinese, Japanese and Korean."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())


def near_pairs(texts: Sequence[str], others: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(i, j): each text i that nearly is one of the others, with the first such j."""
    table: dict[int, list[int]] = defaultdict(list)
    kept = [_shingles(other) for other in others]
    for j, shingles in enumerate(kept):
        for one in _sketch(shingles):
            table[one].append(j)
    for i, text in enumerate(texts):
        own = _shingles(text)
        seen: set[int] = set()
        for one in _sketch(own):
            alike = table.get(one, ())
            if len(alike) <= MOST_ALIKE:
                seen.update(alike)
        found = next((j for j in sorted(seen) if _near(own, kept[j])), None)
        if found is not None:
            yield i, found


def _shingles(text: str) -> frozenset[int]:
    """Hashes of every three tokens in a row; none of a text that is too short."""
    found = tokens(text)[:MOST_TOKENS]
    if len(found) < LEAST_TOKENS:
        return frozenset()
    return frozenset(
        zlib.crc32(" ".join(found[i : i + SHINGLE]).encode()) for i in range(len(found) - SHINGLE + 1)
    )


def _sketch(shingles: frozenset[int]) -> list[int]:
    return sorted(shingles)[:SKETCH]


def _near(one: frozenset[int], other: frozenset[int]) -> bool:
    if min(len(one), len(other)) < LEAST_SHINGLES:  # one phrase over and over
        return False
    both = len(one & other)
    return both >= NEAR * len(one | other) or both >= INSIDE * min(len(one), len(other))
