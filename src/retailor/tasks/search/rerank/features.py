"""What tells a good candidate from others, beside how it was found."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.blend import standardise
from retailor.retrieval.tokens import words
from retailor.tasks.search.rerank.candidates import Candidates, Catalogue

F32 = NDArray[np.float32]
N_BEST = 10
NAMES = (
    "words", "details", "meaning", "rule", "title", "title_covered", "text_covered", "phrase",
    "title_length", "brand", "near_the_best", "kind_of_the_best", "kind_asked",
)  # fmt: skip


def features_of(candidates: Candidates, catalogue: Catalogue, rule: F32, category: F32) -> F32:
    """The features [n, 2 × len(NAMES)]: as they are, then as z-scores among the candidates.

    Of the candidates `rule` [n] is what the rule gives them, `category` [n] how probable theirs is.
    """
    query, rows = candidates.query.lower(), candidates.rows
    asked, titles = words(query), _lower(catalogue.table.frame["title"], rows)
    brands, categories = _lower(catalogue.table.frame["brand"], rows), catalogue.table.frame["category"]
    best = np.argsort(-rule, kind="stable")[:N_BEST]
    columns = [
        *candidates.z,
        rule,
        catalogue.titles.subset(candidates.query, rows),
        catalogue.titles.covered(asked, rows),
        catalogue.details.covered(asked, rows),
        [query in title for title in titles],
        [len(title) for title in titles],
        [brand == query for brand in brands],
        _near(np.asarray(catalogue.vectors[rows], np.float32), best),
        _of_kind([categories[row] for row in rows.tolist()], best),
        category,
    ]
    table = np.stack([np.asarray(column, dtype=np.float32) for column in columns])
    return np.concatenate([table, standardise(table)]).T


def _lower(column: pl.Series, rows: NDArray[np.int64]) -> list[str]:
    """Some of a column, in lower case: one by one, which for these few is quicker than a query."""
    return [(column[row] or "").lower() for row in rows.tolist()]


def _near(vectors: F32, best: NDArray[np.int64]) -> F32:
    """The cosine of each vector [n] with the mean of the best ones."""
    middle = vectors[best].mean(axis=0)
    return np.asarray(vectors @ (middle / max(float(np.linalg.norm(middle)), 1e-9)), dtype=np.float32)


def _of_kind(categories: list[str | None], best: NDArray[np.int64]) -> list[float]:
    """The share of the best ones that are of the category of each; 0 without a category."""
    told = [categories[i] for i in best]
    return [told.count(each) / len(told) if each is not None and told else 0.0 for each in categories]
