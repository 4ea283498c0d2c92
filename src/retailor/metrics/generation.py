"""How good, how varied and how copied generated texts are. English and Chinese alike.

Every function gives one figure a case, so that intervals and paired comparisons can be drawn from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_CJK = r"[\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af]"
_WORD = rf"(?:(?!{_CJK})[^\W_])+"
_TOKEN = re.compile(rf"{_CJK}|{_WORD}(?:['’.,]{_WORD})*")


def tokens(text: str) -> list[str]:
    """Lower-case words without punctuation; a Chinese, Japanese or Korean character is a word of its own."""
    return _TOKEN.findall(text.lower())


# against a reference --------------------------------------------------------------------------------


def lcs_length(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The length of the longest common subsequence, bit-parallel (Hyyrö 2004)."""
    places: dict[Hashable, int] = {}
    for i, thing in enumerate(a):
        places[thing] = places.get(thing, 0) | (1 << i)
    full = (1 << len(a)) - 1
    row = full
    for thing in b:
        match = row & places.get(thing, 0)
        row = ((row + match) | (row - match)) & full
    return len(a) - row.bit_count()


def rouge_l(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """ROUGE-L F1 [n], 0–1: the LCS against both lengths (Lin 2004, β = 1); 0 when a side has no words."""
    return _each(hypotheses, references, lambda h, r: _f1(lcs_length(h, r), len(h), len(r)))


def token_f1(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """F1 of the shared bag of words [n], 0–1 (Rajpurkar 2016); 1 when neither side has words, 0 when one has."""
    return _each(hypotheses, references, _bag_f1)


def _bag_f1(hypothesis: list[str], reference: list[str]) -> float:
    if not hypothesis and not reference:
        return 1.0
    common = sum((Counter(hypothesis) & Counter(reference)).values())
    return _f1(common, len(hypothesis), len(reference))


def _f1(common: int, n_hypothesis: int, n_reference: int) -> float:
    return 2 * common / (n_hypothesis + n_reference) if common else 0.0


def _each(
    hypotheses: Sequence[str], references: Sequence[str], score: Callable[[list[str], list[str]], float]
) -> NDArray[np.float64]:
    pairs = zip(hypotheses, references, strict=True)
    return np.array([score(tokens(h), tokens(r)) for h, r in pairs], dtype=np.float64)
