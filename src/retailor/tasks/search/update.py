"""New and changed items taken into what a search has indexed, without a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.bm25 import BM25Index
from retailor.tasks.search.item_table import ItemTable, texts_of
from retailor.tasks.search.spelling import Speller
from retailor.tasks.search.suggest import Suggester

F32 = NDArray[np.float32]


class Indexed(NamedTuple):
    """All that is known of the items beside their vectors, and what is made of their words."""

    lexical: dict[str, BM25Index]
    table: ItemTable
    speller: Speller
    suggester: Suggester | None


def with_items(known: Indexed, rows: Sequence[int], items: pl.DataFrame) -> Indexed:
    """The same with `items` in `rows`, those behind the last one new: words are indexed as a fit would."""
    texts = texts_of(items)
    titles = dict(zip(items["item_id"], texts["titles"], strict=True))
    return Indexed(
        {
            name: index.replaced(dict(zip(rows, texts[name], strict=True)))
            for name, index in known.lexical.items()
        },
        known.table.replaced(rows, items),
        known.speller.with_texts(texts["details"]),
        None if known.suggester is None else known.suggester.with_titles(titles),
    )


def with_vectors(known: NDArray[np.floating], rows: Sequence[int], new: F32) -> NDArray[np.floating]:
    """The vectors [I, d] with `new` in `rows`, with room for those behind the last one; in memory."""
    grown = np.zeros((max(len(known), *(row + 1 for row in rows)), known.shape[1]), known.dtype)
    grown[: len(known)] = known
    grown[list(rows)] = halved(new)
    return grown


def halved(vectors: F32) -> F32:
    """In half precision, as they will be on disk: a loaded task ranks exactly as the fitted one."""
    return vectors.astype(np.float16).astype(np.float32)
