"""The aspects of a shop: those of every shop, and those mined from the terms of its own reviews."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retailor.insight.finder import Finder, stem_of
from retailor.insight.general import GENERAL, NO_ASPECTS
from retailor.insight.nouns import nouns_of
from retailor.insight.settings import InsightSettings
from retailor.models.shapes import Encoder
from retailor.scripts import HAN
from retailor.text.common_words import ENGLISH_STOP_WORDS, OPINIONS
from retailor.text.opinions import BLAME, PRAISE
from retailor.text.terms import mine_terms

_HAS_HAN = re.compile(f"[{HAN}]")
_VERDICTS = frozenset((*PRAISE, *BLAME))
MOST_MINED = 20_000
_OF_TITLES = 0.6
"""A term most of whose reviews are of items that have it in their titles is the name of the product."""


@dataclass(frozen=True)
class Aspect:
    """Something that customers speak of; its names in English and Chinese, and the words that name it."""

    key: str
    english: str
    chinese: str
    forms: tuple[str, ...] = ()
    """Mined terms, the commonest first."""
    patterns: tuple[str, str] = ("", "")
    """Of an aspect of every shop: its words in English and in Chinese."""


@dataclass(frozen=True)
class Aspects:
    """All aspects of a shop, and where a sentence speaks of them."""

    all: tuple[Aspect, ...]
    finder: Finder

    @classmethod
    def of(cls, aspects: Sequence[Aspect]) -> Aspects:
        """The aspects; a term that two of them have is of the first."""
        terms: dict[str, int] = {}
        for ix, aspect in enumerate(aspects):
            for form in aspect.forms:
                terms.setdefault(stem_of(form), ix)
        patterns = {ix: aspect.patterns for ix, aspect in enumerate(aspects) if any(aspect.patterns)}
        return cls(tuple(aspects), Finder(patterns, terms))

    def in_sentence(self, sentence: str) -> dict[int, str]:
        """Aspect number to the words that name it, the first of each."""
        return self.finder.in_sentence(sentence)


def find_aspects(
    texts: Sequence[str],
    titles: Sequence[str],
    settings: InsightSettings,
    *,
    names: Sequence[str] = (),
    encoder: Encoder | None = None,
) -> Aspects:
    """The aspects that at least `min_reviews` of the texts speak of, the general ones first.

    `titles` are the titles of the items of the texts [n], `names` the brands and categories: what a product
    is called is no aspect of it. Mined terms with the same stem are one aspect, and so are those of one
    language whose vectors of `encoder` are near.
    """
    kept = [Aspect(each.key, each.english, each.chinese, patterns=(each.en, each.zh)) for each in GENERAL]
    general = Aspects.of(kept)
    known = {stem_of(name) for name in names}
    texts, titles = _sample(texts, titles)
    forms: dict[int, list[str]] = {}
    own: dict[str, list[str]] = {}
    for term in _candidates(texts, settings):
        stem = stem_of(term)
        if len(stem) < 2 or _is_no_aspect(stem) or _ends_in(stem, known):
            continue
        if inside := general.in_sentence(term):
            forms.setdefault(next(iter(inside)), []).append(term)
        else:
            own.setdefault(stem, []).append(term)
    mined = _mined(own, texts, titles, settings, encoder)
    kept = [_with_forms(aspect, forms.get(ix, ())) for ix, aspect in enumerate(kept)]
    counts = count_texts(Aspects.of([*kept, *mined]), texts)
    enough = [a for ix, a in enumerate([*kept, *mined]) if counts[ix] >= settings.min_reviews]
    return Aspects.of(enough)


def _is_no_aspect(stem: str) -> bool:
    """Whether it is a word of grammar, praise or blame, or ends in a noun that names no side of a product."""
    said = stem in ENGLISH_STOP_WORDS or stem in OPINIONS or stem in _VERDICTS
    return said or _ends_in(stem, NO_ASPECTS)


def _ends_in(stem: str, stems: Collection[str]) -> bool:
    """Whether it is one of them, or a kind of it, as 'amazon gift card' is of 'gift card'."""
    words = stem.split(" ")
    return any(" ".join(words[i:]) in stems for i in range(len(words)))


def _candidates(texts: Sequence[str], settings: InsightSettings) -> list[str]:
    """Terms of the shop, then single nouns: those that have no plural here are no terms yet."""
    terms = [term.text for term in mine_terms(texts, n_terms=3 * settings.n_aspects + 30)]
    return [*terms, *nouns_of(texts, settings.min_reviews)]


def _sample(texts: Sequence[str], titles: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Every second, third, … text, so that at most `MOST_MINED` are left; and its title."""
    step = max(-(-len(texts) // MOST_MINED), 1)
    return texts[::step], titles[::step]


def _with_forms(aspect: Aspect, forms: Sequence[str]) -> Aspect:
    """The general aspect with the shop's own phrases for it: those that its pattern covers add nothing."""
    return Aspect(
        aspect.key, aspect.english, aspect.chinese, tuple(f for f in forms if " " in f), aspect.patterns
    )


def count_texts(aspects: Aspects, texts: Sequence[str]) -> Counter[int]:
    """Aspect number to how many of the texts speak of it."""
    return Counter(ix for text in texts for ix in aspects.in_sentence(text))


def _mined(
    own: Mapping[str, Sequence[str]],
    texts: Sequence[str],
    titles: Sequence[str],
    settings: InsightSettings,
    encoder: Encoder | None,
) -> list[Aspect]:
    """At most `n_aspects` aspects of the shop's own terms: no names of products, near ones joined."""
    single = [_of_terms([terms]) for terms in own.values()]
    found = Aspects.of(single)
    n_texts, n_titled = Counter[int](), Counter[int]()
    of_title = {title: found.in_sentence(title) for title in set(titles)}
    for text, title in zip(texts, titles, strict=True):
        named = found.in_sentence(text)
        n_texts.update([*named])
        n_titled.update(ix for ix in named if ix in of_title[title])
    kept = [
        ix
        for ix in sorted(n_texts, key=lambda ix: (-n_texts[ix], single[ix].key))
        if n_texts[ix] >= settings.min_reviews and n_titled[ix] <= _OF_TITLES * n_texts[ix]
    ][: settings.n_aspects]
    groups = _joined([single[ix].key for ix in kept], settings.join, encoder)
    return [_of_terms([single[kept[i]].forms for i in group]) for group in groups]


def _of_terms(forms: Sequence[Sequence[str]]) -> Aspect:
    every = tuple(dict.fromkeys(form for each in forms for form in each))
    name = every[0]
    return Aspect(name.lower(), name, name, every)


def _joined(terms: Sequence[str], least: float, encoder: Encoder | None) -> list[list[int]]:
    """Groups of near-same terms [i], the first of each its commonest: each near all others of its group.

    Vectors are centred first, for those of many encoders all lie in one corner.
    """
    groups: list[list[int]] = []
    near = np.eye(len(terms))
    if encoder is not None and least < 1 and len(terms) > 2:
        rows = np.asarray(encoder.encode(list(terms), role="query"), dtype=np.float64)
        rows = rows - rows.mean(axis=0)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        near = rows @ rows.T  # [T, T]
    han = [bool(_HAS_HAN.search(term)) for term in terms]
    for i in range(len(terms)):
        fitting = [g for g in groups if all(han[i] == han[j] and near[i, j] >= least for j in g)]
        if fitting:
            max(fitting, key=lambda g: near[i, g].mean()).append(i)
        else:
            groups.append([i])
    return groups
