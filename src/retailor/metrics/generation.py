"""How good, how varied and how copied generated texts are. English and Chinese alike.

Every function gives one figure a case, so that intervals and paired comparisons can be drawn from it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.errors import MissingExtra
from retailor.scripts import CJK

_CJK = f"[{CJK}]"
_WORD = rf"(?:(?!{_CJK})[^\W_])+"
_TOKEN = re.compile(rf"{_CJK}|{_WORD}(?:['’.,]{_WORD})*")
_HAS_CJK = re.compile(_CJK)


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
    """F1 of the shared bag of words [n], 0–1 (Rajpurkar 2016); 1 when both are empty, 0 when one is."""
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


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Sentence BLEU-4 [n], 0–1, smoothed and with effective order, by sacrebleu (Post 2018).

    A reference with Chinese characters is cut by sacrebleu's `zh` tokenizer, any other by its `13a`. The mean
    of these is not the corpus BLEU. Raises MissingExtra without sacrebleu.
    """
    scorers = {chinese: _sentence_bleu("zh" if chinese else "13a") for chinese in (False, True)}
    return np.array(
        [
            _bleu(scorers[bool(_HAS_CJK.search(reference))], hypothesis, [reference])
            for hypothesis, reference in zip(hypotheses, references, strict=True)
        ],
        dtype=np.float64,
    )


def _bleu(scorer: Any, hypothesis: str, references: list[str]) -> float:
    # Rounding in sacrebleu's logarithms can end at 100.00000000000004.
    return min(1.0, float(scorer.sentence_score(hypothesis, references).score) / 100)


def _sentence_bleu(tokenizer: str) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtra("sacrebleu, which counts BLEU,", install="pip install sacrebleu") from None
    return BLEU(tokenize=tokenizer, effective_order=True)


# variety --------------------------------------------------------------------------------------------


def distinct_n(texts: Sequence[str], n: int = 2) -> NDArray[np.float64]:
    """Distinct n-grams over all n-grams of the same text [texts], 0–1 (Li 2016); 0 when it has none."""
    return np.array([_distinct(_grams(tokens(text), n)) for text in texts], dtype=np.float64)


def corpus_distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Distinct n-grams over all n-grams of all texts together: falls when the texts are alike."""
    return _distinct([gram for text in texts for gram in _grams(tokens(text), n)])


def _distinct(grams: list[tuple[str, ...]]) -> float:
    return len(set(grams)) / len(grams) if grams else 0.0


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def repetition(texts: Sequence[str], n: int = 4) -> NDArray[np.float64]:
    """The share of n-grams that occurred earlier in the same text [texts], 0–1: loops show here."""
    grams = [_grams(tokens(text), n) for text in texts]
    return np.array([1 - _distinct(found) if found else 0.0 for found in grams], dtype=np.float64)


def self_bleu(texts: Sequence[str], *, max_others: int = 32) -> NDArray[np.float64]:
    """BLEU of each text against the others [n], 0–1 (Zhu 2018): near 1 when all say the same thing.

    Against the next `max_others` in the circle of texts when there are more, so that the cost stays linear.
    """
    scorer = _sentence_bleu("zh" if any(map(_HAS_CJK.search, texts)) else "13a")
    count = min(len(texts) - 1, max_others)
    if count < 1:
        return np.zeros(len(texts))
    circle = [*texts, *texts]
    return np.array([_bleu(scorer, text, circle[i + 1 : i + 1 + count]) for i, text in enumerate(texts)])


# memorisation ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copied:
    """The longest run of words of a text that stands in one source word for word."""

    n_tokens: int
    start: int
    """Where the run begins, in tokens of the text."""
    source_ix: int
    """The first source that has it; −1 when no word is shared."""


class CopyIndex:
    """Source texts, ready to be asked for the longest run that a text copies out of them. Exact."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._ids: dict[str, int] = {}
        split = [tokens(source) for source in sources]
        # A −1 after every source ends each run there.
        flat = [i for words in split for i in (*(self._id(word) for word in words), -1)]
        self._flat = np.array([*flat, -1], dtype=np.int64)
        self._starts = np.cumsum([0, *(len(words) + 1 for words in split)])
        self._order = np.argsort(self._flat, kind="stable")
        self._sorted = self._flat[self._order]

    def _id(self, word: str) -> int:
        return self._ids.setdefault(word, len(self._ids))

    def longest(self, text: str, *, allowed: NDArray[np.bool_] | None = None) -> Copied:
        """The longest copied run, over all sources or those where `allowed` [sources] is true."""
        words = [self._ids.get(word, -2) for word in tokens(text)]
        best = Copied(0, 0, -1)
        for start in range(len(words)):
            if start + best.n_tokens >= len(words):
                break
            places, length = self._extend(words, start, self._places(words[start], allowed))
            if length > best.n_tokens:
                best = Copied(length, start, self._source(int(places[0])))
        return best

    def _places(self, word: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        low, high = np.searchsorted(self._sorted, [word, word + 1]) if word >= 0 else (0, 0)
        places = self._order[low:high]
        return places if allowed is None else places[allowed[self._source_of(places)]]

    def _extend(
        self, words: list[int], start: int, places: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], int]:
        """The places that match the longest, and how long they match, in tokens."""
        length = 1 if len(places) else 0
        while length and start + length < len(words):
            longer = places[self._flat[places + length] == words[start + length]]
            if not len(longer):
                break
            places, length = longer, length + 1
        return places, length

    def _source_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(np.searchsorted(self._starts, places, side="right") - 1)

    def _source(self, place: int) -> int:
        return int(self._source_of(np.array([place]))[0])


def copy_rate(texts: Sequence[str], sources: Sequence[str] | CopyIndex) -> NDArray[np.float64]:
    """The longest run copied from one source over the length of the text, in tokens [texts], 0–1.

    1 means the text stands in a source as it is; 0 for a text without words.
    """
    index = sources if isinstance(sources, CopyIndex) else CopyIndex(sources)
    sizes = [len(tokens(text)) for text in texts]
    return np.array(
        [
            index.longest(text).n_tokens / size if size else 0.0
            for text, size in zip(texts, sizes, strict=True)
        ]
    )


# perplexity -----------------------------------------------------------------------------------------


def perplexity(mean_losses: Sequence[float], n_tokens: Sequence[int]) -> float:
    """Perplexity a token of texts whose mean negative log-likelihood a token (nats) is known.

    Weighted by tokens, so the same text cut differently gives the same figure; nan for no tokens.
    """
    total = sum(n_tokens)
    if not total:
        return math.nan
    mean = sum(loss * n for loss, n in zip(mean_losses, n_tokens, strict=True)) / total
    return math.exp(mean) if mean < 700 else math.inf


def bits_per_character(mean_losses: Sequence[float], n_tokens: Sequence[int], texts: Sequence[str]) -> float:
    """Bits a character of the texts: comparable between models with different tokenizers; nan for none."""
    n_characters = sum(map(len, texts))
    nats = sum(loss * n for loss, n in zip(mean_losses, n_tokens, strict=True))
    return nats / math.log(2) / n_characters if n_characters else math.nan
