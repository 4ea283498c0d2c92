"""Which items will do: what was asked for, and of what was read in the words the most that can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from retailor.tasks.search.item_table import Bools, ItemTable
from retailor.tasks.search.looked_at import Said
from retailor.tasks.search.shapes import Filter

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
MOST_KIN = 2_000
"""Of more items in the categories of those that have the words none is looked at beside them."""
KIN_SHARE = 0.6
"""Of the z-score of one that has the words, what another of its category must have to be of the same kind."""
Near = Callable[[Rows], NDArray[np.floating]]
"""How near the items of some rows [n] are to a query, as z-scores among all [n]."""
MOST_APART = 5
"""Of more phrases that are kept to all give way at once: so many are tried in every way."""
_APART = 1000.0
"""Added to z-scores, it puts some items before all others."""
_LEAST_WORDS = 0.5
"""Of the words that the best item shares with a query, what an item that has them must share."""


@dataclass(frozen=True)
class Chosen:
    """Which items will do: `allowed` [I] may be shown, of them `wanted` [I] come first."""

    allowed: Bools
    wanted: Bools
    relaxed: tuple[Filter, ...] = ()

    def ordered(self, scores: F32) -> F32:
        """The scores [I] with wanted items before allowed ones, and these before all others."""
        if self.wanted.all() and self.allowed.all():
            return scores + np.float32(_APART)
        return np.where(self.allowed, scores + np.float32(_APART) * self.wanted, scores - np.float32(_APART))

    def at(self, rows: Rows) -> Chosen:
        """The same of some items: of each of `rows` [n]."""
        if len(rows) == len(self.allowed):
            return self
        return Chosen(self.allowed[rows], self.wanted[rows], self.relaxed)

    def without(self, rows: Sequence[int]) -> Chosen:
        """The same but for these items, which may not be shown."""
        if not rows:
            return self
        allowed = self.allowed.copy()
        allowed[list(rows)] = False
        return Chosen(allowed, self.wanted & allowed, self.relaxed)


def choose(
    table: ItemTable, filters: Sequence[Filter], gone: Rows | Sequence[int] = (), having: Rows | None = None
) -> Chosen:
    """The items that meet the filters, without those that are `gone`.

    What was asked for holds. A brand, a colour or a size that merely stands among the words is a wish: items
    that meet it come first, the others after them; of wishes that no item meets the fewest give way. Of
    what was read to be kept to the fewest phrases give way with which there is an item that meets the rest,
    bounds before refusals. Where some items are `having` the words of the query, one of these: of backpacks
    that all cost more than 60 the cheapest is nearer than a lip balm for 50. For these only bounds give way,
    since whoever refuses a brand is not shown it, and wishes, since a white mug is no white backpack, and a
    backpack of a brand none of its mugs.
    """
    strict = [each for each in filters if not (each.text and each.op == "=")]
    wishes = [each for each in filters if each.text and each.op == "="]
    held = table.passing([each for each in strict if not each.text])
    held[np.asarray(gone, np.int64)] = False
    read: dict[str, list[Filter]] = {}
    for each in strict:
        if each.text:
            read.setdefault(each.text, []).append(each)
    masks = {text: table.passing(group) for text, group in read.items()}
    bounds = [text for text, group in read.items() if all(each.op != "!=" for each in group)]
    allowed, given_way = _kept(held, masks, [*(text for text in masks if text not in bounds), *bounds], None)
    if having is not None and words_are_elsewhere(having, allowed):
        otherwise, more = _kept(held, masks, bounds, having)
        if not words_are_elsewhere(having, otherwise):
            allowed, given_way = otherwise, more
    relaxed = [each for text in read if text in given_way for each in read[text]]
    holds = (
        having is not None
        and not any(each.field == "category" for each in strict)  # which says what the thing is, by any name
        and not words_are_elsewhere(having, allowed)
    )
    wanted, unmet = _wished(table, wishes, allowed, having if holds else None)
    return Chosen(allowed, wanted, (*relaxed, *unmet))


def _wished(
    table: ItemTable, wishes: Sequence[Filter], allowed: Bools, having: Rows | None
) -> tuple[Bools, tuple[Filter, ...]]:
    """The items [I] of those `allowed` that meet all wishes but the fewest, of equally many the last, and
    these. There is to be an item, or one of those `having` the words."""
    n = len(wishes)
    for size in range(n + 1) if n <= MOST_APART else (0, n):
        for places in combinations(range(n - 1, -1, -1), size):
            kept = [each for i, each in enumerate(wishes) if i not in places]
            wanted = table.passing(kept) & allowed
            if wanted.any() if having is None else not words_are_elsewhere(having, wanted):
                return wanted, tuple(wishes[i] for i in sorted(places))
    return allowed.copy(), tuple(wishes)


def _kept(
    held: Bools, masks: Mapping[str, Bools], able: Sequence[str], having: Rows | None
) -> tuple[Bools, tuple[str, ...]]:
    """The items [I] of those `held` that meet the `masks` [I] of all phrases but the fewest, and these.

    Of those `able` to give way, of equally many the last; all of them where they are more than
    MOST_APART, or where that helps no more. There is to be an item, or one of those `having` the words.
    """
    n = len(able)
    for size in range(n + 1) if n <= MOST_APART else (0, n):
        for places in combinations(range(n - 1, -1, -1), size):
            gone = tuple(able[place] for place in places)
            allowed = held.copy()
            for text, mask in masks.items():
                if text not in gone:
                    allowed &= mask
            if allowed.any() if having is None else not words_are_elsewhere(having, allowed):
                return allowed, gone
    return allowed, gone


def rows_with_words(said: Said) -> Rows:
    """The items that have the words of a query, or a share of what the best has, by their scores."""
    best = said.best
    rows: Rows = said.rows[best >= _LEAST_WORDS * best.max(initial=0.0)]
    return rows


def with_kin(table: ItemTable, having: Rows, strict: Chosen, near: Near) -> Rows:
    """The rows of the items that have the words, and where none of these will do, of their kin: what is in
    the category of one of them, and nearly as near to the query as the farthest of them there. Cans for the
    ears are headphones, whatever their title says."""
    if not words_are_elsewhere(having, strict.wanted):
        return having
    kin = table.beside(having)
    if not 0 < len(kin) <= MOST_KIN:
        return having
    paths, nearness, has_words = table.paths[kin], near(kin), np.isin(kin, having)
    least = np.full(int(paths.max()) + 1, np.inf)
    np.minimum.at(least, paths[has_words], KIN_SHARE * nearness[has_words])
    return np.union1d(having, kin[nearness >= least[paths]])


def words_are_elsewhere(having: Rows, allowed: Bools) -> bool:
    """Whether some items are `having` the words of a query, and none of them may be shown: `allowed` [I].

    Of headphones under a price that none of them has a lip balm is nearer in meaning than words by chance
    are, and still is no match.
    """
    return bool(len(having)) and not allowed[having].any()
