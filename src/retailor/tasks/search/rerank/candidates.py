"""The items that are looked at twice, and the rule that orders them where nothing was learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.blend import standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import content_words, words
from retailor.tasks.search.categories import Categories
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.synonyms.expansion import Synonyms

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
SHARE_POWER = 3
"""How fast words lose their say where no item has them all."""


@dataclass(frozen=True)
class Catalogue:
    """What is known of every item."""

    details: BM25Index
    titles: BM25Index
    vectors: NDArray[np.floating]
    table: ItemTable
    synonyms: Synonyms = field(default_factory=Synonyms)

    @cached_property
    def categories(self) -> Categories:
        """What tells which category a query asks for."""
        return Categories.of(self.table.frame["path"].to_list(), self.titles)


@dataclass(frozen=True)
class Candidates:
    """The best items of one query at first look: `rows` [n], best first."""

    query: str
    rows: Rows
    z: F32
    """Z-scores [3, n] among all items, of each of SCORERS."""
    first: F32
    """What they were found by [n]."""

    @cached_property
    def among(self) -> F32:
        """Z-scores [3, n] among the candidates alone."""
        return standardise(self.z)

    def category(self, catalogue: Catalogue) -> F32:
        """How probable it is that the query asks for the category of each candidate [n]."""
        meant = catalogue.synonyms.meant(catalogue.titles, self.query)
        return catalogue.categories.asked(self.query, self.rows, self.z[2], meant)

    def by_rule(self, catalogue: Catalogue) -> F32:
        """Scores [n]: words and details weigh what meaning does where one item has all that is asked for.

        Where the best has only a share of it (of the idf of the words that are no stop words), they weigh
        the third power of that share: whoever asks in words that the catalogue does not use is understood
        by their meaning.
        """
        asked = content_words(self.query) or words(self.query)
        shares = catalogue.synonyms.covered(catalogue.details, self.query, asked, self.rows)
        share = float(shares.max(initial=0.0))
        weight = np.float32(share**SHARE_POWER)
        scores: F32 = weight * (self.among[0] + self.among[1]) + self.among[2]
        return scores


def reordered(first: F32, rows: Sequence[int] | Rows, scores: F32) -> F32:
    """The scores of some items [n]: `scores` of `rows`, and below them the others as they were."""
    found = first.copy()
    found[rows] = -np.inf
    best = found.max(initial=-np.inf)
    if best > -np.inf and len(scores):
        found -= max(np.float32(0), best - scores.min() + np.float32(1e-3))
    found[rows] = scores
    return found
