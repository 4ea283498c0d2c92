"""New and changed items taken into what a search has indexed, without a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.bm25 import BM25Index
from retailor.tasks.search.item_table import ItemTable, meanings, texts_of
from retailor.tasks.search.model import Fitted
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.spelling import Speller
from retailor.tasks.search.suggest import Suggester
from retailor.tasks.search.weights import SCORERS

F32 = NDArray[np.float32]


class Indexed(NamedTuple):
    """All that is known of the items beside their vectors, and what is made of their words."""

    lexical: dict[str, BM25Index]
    table: ItemTable
    speller: Speller
    suggester: Suggester | None


def updated(made: Fitted, items: pl.DataFrame) -> Fitted:
    """A search that has taken in `items`, each once: new ones, and what changed of those that are known."""
    item_ids = [*made.item_ids, *(each for each in items["item_id"] if each not in made.rows)]
    place = {item_id: row for row, item_id in enumerate(item_ids)}
    rows = [place[item_id] for item_id in items["item_id"]]
    known = with_items(Indexed(made.lexical, made.table, made.speller, made.suggester), rows, items)
    nearest = made.nearest.updated(made.encoder.encode(meanings(items)), rows)
    catalogue = Catalogue(
        known.lexical["details"],
        known.lexical["titles"],
        nearest.vectors,
        known.table,
        made.catalogue.synonyms,
    )
    looks = made.looks and made.looks.with_room(len(item_ids))
    words, speller, suggester = known.lexical[SCORERS[0]], known.speller, known.suggester
    return replace(
        made.with_catalogue(catalogue),
        item_ids=item_ids, words=words, nearest=nearest, speller=speller, suggester=suggester, looks=looks,
    )  # fmt: skip


def with_items(known: Indexed, rows: Sequence[int], items: pl.DataFrame) -> Indexed:
    """The same with `items` in `rows`, those behind the last one new: words are indexed as a fit would."""
    texts = texts_of(items)
    titles = dict(zip(items["item_id"], texts["titles"], strict=True))
    lexical = {
        name: index.replaced(dict(zip(rows, texts[name], strict=True)))
        for name, index in known.lexical.items()
    }
    return Indexed(
        lexical,
        known.table.replaced(rows, items).indexed(lexical["titles"], lexical["details"]),
        known.speller.with_texts(texts["details"]),
        None if known.suggester is None else known.suggester.with_titles(titles),
    )
