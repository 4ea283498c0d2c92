"""Term mining: the words and phrases that are a shop's own, English and Chinese, with scores."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retailor.config import Field, settings
from retailor.scripts import HAN
from retailor.text.common_words import CHINESE_GENERAL, ENGLISH_STOP_WORDS, OPINIONS, english_share, surprise
from retailor.text.corpus import Corpus, corpus_of, cutter
from retailor.text.ngrams import BREAK, Grams, frequent_grams

_HAN_RUN = re.compile(f"[{HAN}]+|[A-Za-z][A-Za-z0-9]+")
_DICTIONARY_WORDS = 60_000_000  # the size of the corpus that jieba's frequencies come from
_NOUNS = ("n", "vn", "eng", "j")
_DEGREE = frozenset("太很不一最极再没四五")
_LINKING = frozenset(("of", "and", "for", "&", "in"))
_FRONT = frozenset("太很不一再比最给怎块极没几第两三四五半十超真挺蛮更多")
_BACK = frozenset("来您时前后过完着点些样起出去大小差好高低快慢贵错")
_GLUE = frozenset(
    "的了是我你他她它们在有和就不都也很到说要去会着没看好这那什么个上下里还把被给让用买来做能想太更最再又才只"
    "而且与及或吗呢吧啊哦嗯呀对从为以所之于其已可些每"
)


@dataclass(frozen=True)
class Term:
    """A term; `score` is relative to the best of its language, which has 1."""

    text: str
    score: float
    count: int
    language: str


@settings
class TermSettings:
    """What `mine_terms` takes, as settings of a plan."""

    language: str | None = None
    n_terms: int = Field(200, gt=0)
    min_count: int | None = Field(None, gt=1)


def mine_terms(
    texts: Iterable[str],
    *,
    language: str | None = None,
    n_terms: int = 200,
    min_count: int | None = None,
    background: Iterable[str] | None = None,
    work: Path | None = None,
) -> list[Term]:
    """The shop's own terms, best first; English and Chinese texts are mined apart and share `n_terms`.

    `language` ('en' or 'zh') skips telling them apart. `min_count` defaults to 3, more for large corpora.
    `background` are texts of general kind to compare with; without it, built-in word frequencies are used.
    With `work` what was read of each block of texts is kept there, and a cluster reads them side by side.

    English: C-value (Frantzi, Ananiadou & Mima 2000) times cohesion times how much commoner its words are.
    Chinese: dictionary nouns and new words found by cohesion and neighbour entropy, weighed in the same way.
    """
    corpus = corpus_of(texts, language, work)
    general = corpus_of(background or (), language)
    found: list[Term] = []
    for code, miner in (("en", _english), ("zh", _chinese)):
        if code in corpus.n_characters:
            share = corpus.n_characters[code] / max(corpus.n_characters.total(), 1)
            best = miner(corpus, min_count, general)
            found.extend(_scaled(best, max(1, round(n_terms * share)), code))
    return sorted(found, key=lambda term: (-term.score, term.text))[:n_terms]


def _scaled(scores: Mapping[str, tuple[float, int]], n: int, language: str) -> list[Term]:
    best = sorted(scores.items(), key=lambda pair: (-pair[1][0], pair[0]))[:n]
    top = best[0][1][0] if best else 1.0
    return [Term(text, round(score / top, 6), count, language) for text, (score, count) in best if score > 0]


def _least(n_symbols: int, min_count: int | None) -> int:
    return min_count or max(3, int(math.sqrt(n_symbols) / 100))


# English ------------------------------------------------------------------------------------------


def _english(corpus: Corpus, min_count: int | None, general: Corpus) -> dict[str, tuple[float, int]]:
    symbols, words = corpus.symbols, list(corpus.forms)
    written = [_form(word, forms) for word, forms in corpus.forms.items()]
    shares = _shares(general)
    counts = np.bincount(symbols[symbols >= 0], minlength=len(words))
    n_words = max(int(counts.sum()), 1)
    own = np.array([surprise(c / n_words, shares(w)) for w, c in zip(words, counts, strict=True)])
    noun = _noun_test(dict(zip(words, counts.tolist(), strict=True)), written)
    scores: dict[str, tuple[float, int]] = {}
    for grams in frequent_grams(symbols, 4, _least(n_words, min_count)):
        for gram, first in enumerate(grams.first.tolist()):
            parts = symbols[first : first + grams.n]
            if _is_phrase([words[i] for i in parts]) and (grams.n > 1 or noun(words[parts[0]])):
                text = " ".join(written[i] for i in parts)
                score = _value(grams, gram) * float(own[parts].mean())
                scores[text] = (score, int(grams.count[gram]))
    return _without_fragments(_without_plurals(scores))


def _form(word: str, forms: Counter[str]) -> str:
    """Lower case, unless the word is nearly always written otherwise, as names are."""
    form, count = forms.most_common(1)[0]
    return form if count >= 0.9 * forms.total() and not form.istitle() else word


def _shares(general: Corpus) -> Callable[[str], float]:
    if "en" not in general.n_characters:
        return english_share
    symbols, words = general.symbols, list(general.forms)
    counts = np.bincount(symbols[symbols >= 0], minlength=len(words)) + 0.5
    table = dict(zip(words, (counts / counts.sum()).tolist(), strict=True))
    return lambda word: table.get(word, 0.5 / float(counts.sum()))


def _is_phrase(words: Sequence[str]) -> bool:
    for edge in (words[0], words[-1]):
        if edge in ENGLISH_STOP_WORDS or edge in OPINIONS or edge[0].isdigit() or len(edge) < 3:
            return False
    return all(word in _LINKING or word not in ENGLISH_STOP_WORDS for word in words[1:-1])


def _noun_test(counts: Mapping[str, int], written: Sequence[str]) -> Callable[[str], bool]:
    """Whether a single word looks like a noun: it is a name, or has a plural and no verb endings."""
    names = {form.lower() for form in written if form != form.lower()}

    def noun(word: str) -> bool:
        if word in names:
            return True
        stem = word.removesuffix("s")
        others = (f"{stem}s", f"{stem}es", f"{stem[:-1]}ies") if stem == word else (stem,)
        bare = stem.removesuffix("e")
        as_verb = sum(counts.get(bare + ending, 0) for ending in ("ing", "ed"))
        plural = max(counts.get(other, 0) for other in others)
        return (
            plural >= 0.01 * counts[word]
            and plural > 0
            and as_verb < 0.3 * counts[word]
            and word[-2:] != "ly"
        )

    return noun


def _value(grams: Grams, gram: int) -> float:
    """C-value with cohesion: frequent, long, not just a piece of longer terms, and held together."""
    alone = max(float(grams.count[gram]) - float(grams.inside[gram]), 0.0)
    cohesion = max(float(grams.cohesion[gram]), 0.0)
    return math.log2(grams.n + 1) * math.log1p(alone) * cohesion * min(1.0, float(grams.freedom[gram]))


def _without_plurals(scores: Mapping[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
    """One of 'gift card' and 'gift cards': the better scored, with both counts."""
    kept: dict[str, tuple[float, int]] = {}
    stems: dict[str, str] = {}
    for text, (score, count) in sorted(scores.items(), key=lambda pair: (-pair[1][0], pair[0])):
        stem = " ".join(word.lower().removesuffix("s") for word in text.split())
        if stem in stems:
            best, total = kept[stems[stem]]
            kept[stems[stem]] = (best, total + count)
        else:
            stems[stem] = text
            kept[text] = (score, count)
    return kept


def _without_fragments(scores: Mapping[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
    """The terms that do not just begin or end a longer one, as 'amazon gift' does 'amazon gift card'."""
    fragments = set()
    stems = {" ".join(word.removesuffix("s") for word in text.split()): text for text in scores}
    for stem, text in stems.items():
        words = stem.split()
        for part in (words[1:], words[:-1]) if len(words) > 2 else ():
            shorter = stems.get(" ".join(part))
            if shorter and scores[shorter][1] < 1.25 * scores[text][1]:
                fragments.add(shorter)
    return {text: value for text, value in scores.items() if text not in fragments}


# Chinese ------------------------------------------------------------------------------------------


def _chinese(corpus: Corpus, min_count: int | None, general: Corpus) -> dict[str, tuple[float, int]]:
    least = _least(corpus.n_characters["zh"], min_count)
    counts = corpus.counts
    n_words = max(counts.total(), 1)
    known = general.counts if "zh" in general.n_characters else None
    scores = {}
    for word, count in counts.items():
        if count >= least and _is_chinese_term(word, corpus.tags[word]):
            own = surprise(count / n_words, _general_share(word, known))
            scores[word] = (math.log1p(count) * own, count)
    for word, score in _new_words(corpus.characters, counts, least):
        scores[word] = score
        for piece in [piece for piece in _pieces(word) if piece in scores]:
            if scores[piece][1] < 1.25 * score[1]:
                del scores[piece]
    return scores


def _is_chinese_term(word: str, tag: str) -> bool:
    if len(word) < 2 or word in CHINESE_GENERAL or not _HAN_RUN.fullmatch(word):
        return False
    if word[0] in _DEGREE or word[-1] in "差好您":
        return False
    return tag.startswith(_NOUNS) and not tag.startswith("nr")


def _general_share(word: str, general: Counter[str] | None) -> float:
    if general is not None:
        return (general[word] + 0.5) / max(general.total(), 1)
    frequency = cutter().suggest_freq(word) if cutter().has_word(word) else 3
    return max(float(frequency), 30.0) / _DICTIONARY_WORDS


def _pieces(word: str) -> set[str]:
    """All shorter strings of at least two characters inside the word."""
    n = len(word)
    return {word[i:j] for i in range(n) for j in range(i + 2, n + 1)} - {word}


def _is_free(word: str) -> bool:
    """Whether neither edge of the string is a word of grammar, degree or number."""
    return not (_GLUE.intersection((word[0], word[-1])) or word[0] in _FRONT or word[-1] in _BACK)


def _is_compound(word: str) -> bool:
    """Whether the string ends in a noun and has no general word, adverb, pronoun or particle in it."""
    if cutter().has_word(word) or not _is_free(word):
        return False
    parts = cutter().tag(word)
    if any(part in CHINESE_GENERAL or tag[0] in "drpucyfz" for part, tag in parts):
        return False
    return bool(parts[-1][1].startswith((*_NOUNS, "an", "q", "x")))


def _new_words(
    characters: str, known: Mapping[str, int], least: int
) -> Iterator[tuple[str, tuple[float, int]]]:
    """Character strings that no dictionary word covers, yet hold together and stand free on both sides."""
    codes = np.frombuffer(characters.encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    han = np.array([ord("\u3400"), ord("\u9fff")])
    symbols = np.where((codes >= han[0]) & (codes <= han[1]), codes, BREAK)
    n_characters = max(int((symbols >= 0).sum()), 1)
    for grams in frequent_grams(symbols, 6, least):
        good = (grams.cohesion > 0.45) & (grams.freedom > 2.0) & (grams.count > 2 * grams.inside)
        for gram in np.flatnonzero(good) if grams.n > 1 else ():
            word = characters[grams.first[gram] : grams.first[gram] + grams.n]
            count = int(grams.count[gram])
            if known.get(word, 0) < 0.5 * count and _is_compound(word):
                own = surprise(count / n_characters, 3e-7)
                yield word, (math.log1p(count) * own * float(grams.cohesion[gram]), count)
