"""Queries made of the shop's own titles, asked while the shop has their kind of thing and while it has not.

A query is what is left of a title without brand and numbers: the words that others of its kind have too, half
of the time with a word of its own before them. It is asked three times: without the item itself; without all
that have the word most telling of it, so that what is left is of the kind and called otherwise; and without
the whole kind. In the first two there is something to be found, in the third there is not.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import HAS_CHINESE, UNITS, content_words
from retailor.seeds import stream
from retailor.tasks.search.rerank.candidates import Catalogue

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
N_QUERIES = 240
SHARE_OF_A_KIND = 0.02
"""Of an item without a category so large a part of the catalogue, the nearest, is its kind."""
LEAST_LEFT = 2
LIFT = 3.0
"""A word tells a kind that is so many times as frequent in its titles as in all."""
SHARE_WITH_OWN = 0.5
LEAST_CHARS = (2, 3)
"""Of a word in Chinese, and in Latin letters."""
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")


class Rehearsed(NamedTuple):
    """A query, and which items [I] are left to answer it."""

    text: str
    kind: int
    """Its number; below −1 for the neighbours of one item that has no category."""
    left: Bools
    fits: bool
    """Whether what it asks for is among them."""


def rehearsals(catalogue: Catalogue, seed: int) -> list[Rehearsed]:
    """Queries of items drawn evenly from their kinds, up to three times each."""
    kinds, titles = kinds_of(catalogue), catalogue.titles
    draw = stream(seed, "search", "presence")
    frame = catalogue.table.frame.select(pl.col("title", "brand").fill_null(""))
    found: list[Rehearsed] = []
    for row in _drawn(kinds, draw.permutation(len(kinds))):
        kind = _kind_of(row, kinds, catalogue)
        title, brand = frame.row(row)
        telling, own = phrase_of_title(title, brand, kind, titles)
        if not telling:
            continue
        if own and draw.random() < SHARE_WITH_OWN:
            telling = [own[int(draw.integers(len(own)))], *telling]
        text = ("" if HAS_CHINESE.search("".join(telling)) else " ").join(telling).lower()
        number = int(kinds[row]) if kinds[row] >= 0 else -2 - row
        alone = np.arange(len(kinds)) != row
        named = _having(telling[-1], titles)
        lefts = [(alone, True), (alone & ~named, True), (~kind, False)]
        found += [
            Rehearsed(text, number, left, fits)
            for left, fits in lefts
            if left.any() and (not fits or (kind & left).sum() >= LEAST_LEFT)
        ]
    return found


def _drawn(kinds: I64, order: NDArray[np.integer]) -> list[int]:
    """Rows in turn of each kind, at most N_QUERIES; items without a kind are all of one."""
    place = np.zeros(len(order), np.int64)
    seen: Counter[int] = Counter()
    for i, kind in enumerate(kinds[order].tolist()):
        place[i] = seen[kind]
        seen[kind] += 1
    return [int(row) for row in order[np.argsort(place, kind="stable")][:N_QUERIES]]


def _kind_of(row: int, kinds: I64, catalogue: Catalogue) -> Bools:
    """The items [I] of the kind of one."""
    if kinds[row] >= 0:
        return np.asarray(kinds == kinds[row], np.bool_)
    n = min(max(LEAST_LEFT + 1, int(SHARE_OF_A_KIND * len(kinds))), len(kinds) - 1)
    near = catalogue.vectors @ catalogue.vectors[row]
    found = np.zeros(len(kinds), np.bool_)
    found[np.argpartition(-near, n)[:n]] = True
    return found


def phrase_of_title(
    title: str, brand: str, kind: Bools, titles: BM25Index, lift: float = LIFT
) -> tuple[list[str], list[str]]:
    """The words of a title that tell its kind, in their order, and those that do not; without brand and
    numbers."""
    chinese = HAS_CHINESE.search(title)
    written = (
        [each for each in content_words(title) if HAS_CHINESE.search(each)]
        if chinese
        else _WORD.findall(title)
    )
    out = set(content_words(brand))
    telling: list[str] = []
    own: list[str] = []
    for word in dict.fromkeys(written):
        index = content_words(word)
        if not index or set(index) & out or word.lower() in UNITS or len(word) < LEAST_CHARS[word.isascii()]:
            continue
        has = _having(word, titles)
        inside = int((has & kind).sum())
        is_telling = inside >= LEAST_LEFT and inside * len(kind) >= lift * has.sum() * kind.sum()
        (telling if is_telling else own).append(word)
    return telling, own


def _having(word: str, titles: BM25Index) -> Bools:
    """The items [I] whose title has a word."""
    found = np.zeros(len(titles), np.bool_)
    for index in content_words(word):
        found[titles.docs_with(index)] = True
    return found


def kinds_of(catalogue: Catalogue) -> I64:
    """The kind [I] of each item, −1 of none: its category, and the same one's in another language.

    Categories of two languages are one kind where each is the other's nearest by the mean of its vectors,
    from which that of the language is taken off.
    """
    of_item, n = catalogue.categories.of_item, len(catalogue.categories)
    if not n:
        return of_item
    inside = np.flatnonzero(of_item >= 0)
    titles = catalogue.table.frame["title"].fill_null("").to_list()
    chinese = np.array([HAS_CHINESE.search(titles[row]) is not None for row in inside])
    share = np.bincount(of_item[inside], chinese, n) / np.bincount(of_item[inside], minlength=n)
    middles = np.zeros((n, catalogue.vectors.shape[1]), np.float32)
    np.add.at(middles, of_item[inside], catalogue.vectors[inside])
    middles /= np.bincount(of_item[inside], minlength=n)[:, None]
    first, second = np.flatnonzero(share < 0.5), np.flatnonzero(share >= 0.5)
    if not len(first) or not len(second):
        return of_item
    near = _centred(middles[first]) @ _centred(middles[second]).T
    to, back = near.argmax(axis=1), near.argmax(axis=0)
    merged = np.arange(n)
    for i, j in enumerate(to.tolist()):
        if back[j] == i:
            merged[second[j]] = first[i]
    return np.where(of_item >= 0, merged[of_item], -1)


def _centred(rows: F32) -> F32:
    rows = rows - rows.mean(axis=0)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
