"""Search: whether the items that a query means lie near its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.choose.shapes import ChooseSettings, Probe
from retailor.errors import DataError
from retailor.metrics.ranking import Ranked, graded_ranks, ndcg_at
from retailor.models.shapes import Encoder
from retailor.retrieval.bm25 import BM25Index
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.search.item_table import meanings
from retailor.text.clean_text import clean_text

Floats = NDArray[np.float64]
LEAST = 20
AMONG = "Figures are among {n:,} items, the judged ones and others drawn: they compare models, nothing else."
UNJUDGED = "Without judged queries a title asks for its own description, which is easier than what is typed."


@dataclass(frozen=True)
class _Asked:
    queries: tuple[str, ...]
    texts: tuple[str, ...]
    grades: NDArray[np.float32]  # [n, I]
    words: Floats  # [n, I]: BM25


def search_probe(shop: Shop, given: ChooseSettings) -> Probe:
    """NDCG@10 of judged queries, by closeness beside words (z-scores added), and by closeness alone.

    Without 20 judged queries titles ask for their own descriptions. Raises DataError where there are neither.
    """
    judged = _judged(shop, given)
    asked = judged or _by_title(shop, given)

    def look(encoder: Encoder) -> Mapping[str, float]:
        items = encoder.encode(asked.texts, role="passage")
        near = encoder.encode(asked.queries, role="query") @ items.T
        joined = _standard(near.astype(np.float64)) + _standard(asked.words)
        return {"with words": _ndcg(joined, asked), "closeness": _ndcg(near, asked)}

    notes = (AMONG.format(n=len(asked.texts)), *(() if judged else (UNJUDGED,)))
    return Probe(
        "search", "judged queries" if judged else "titles", len(asked.queries), asked.texts,
        ("with words", "closeness"), look, beside="BM25",
        control=dict.fromkeys(("with words", "closeness"), _ndcg(asked.words, asked)), notes=notes,
    )  # fmt: skip


def _judged(shop: Shop, given: ChooseSettings) -> _Asked | None:
    items = shop.items.filter(pl.col("item_id").is_not_null()).unique(
        "item_id", keep="first", maintain_order=True
    )
    known = shop.judgments.filter(
        pl.col("item_id").is_in(items["item_id"].implode()), pl.col("query").str.strip_chars() != ""
    )
    queries = known.filter(pl.col("grade") > 0)["query"].unique().sort()
    if len(queries) < LEAST:
        return None
    queries = queries.gather(
        stream(given.seed, "choose", "queries").permutation(len(queries))[: given.sample]
    )
    known = known.filter(pl.col("query").is_in(queries.implode()))
    drawn = _drawn(items, set(known["item_id"]), given)
    place = {item: row for row, item in enumerate(drawn["item_id"])}
    number = {query: row for row, query in enumerate(queries)}
    grades = np.zeros((len(queries), len(drawn)), np.float32)
    for query, item, grade in known.select("query", "item_id", "grade").iter_rows():
        if item in place:
            grades[number[query], place[item]] = max(grade or 0.0, 0.0)
    able = np.flatnonzero(grades.any(axis=1))
    return _made([queries[int(row)] for row in able], meanings(drawn), grades[able])


def _drawn(items: pl.DataFrame, judged: set[str], given: ChooseSettings) -> pl.DataFrame:
    """The judged items first, then others, drawn; `max_texts` at most."""
    order = stream(given.seed, "choose", "items").permutation(len(items))
    mixed = items[order.tolist()].with_columns(judged=pl.col("item_id").is_in(list(judged)))
    first: pl.DataFrame = mixed.sort("judged", descending=True, maintain_order=True).drop("judged")
    return first.head(given.max_texts)


def _by_title(shop: Shop, given: ChooseSettings) -> _Asked:
    told = [
        (clean_text(title), clean_text(text))
        for title, text in shop.items.select("title", "description")
        .drop_nulls()
        .unique(maintain_order=True)
        .iter_rows()
    ]
    told = [(title, text) for title, text in told if title and text and title not in text]
    if len(told) < LEAST:
        raise DataError(
            f"choose needs {LEAST} judged queries, or items with a title and a description that does not "
            f"repeat it; there are {len(told)}."
        )
    order = stream(given.seed, "choose", "titles").permutation(len(told))[: given.max_texts]
    drawn = [told[row] for row in order]
    n = min(given.sample, len(drawn))
    return _made(
        [title for title, _ in drawn[:n]],
        [text for _, text in drawn],
        np.eye(n, len(drawn), dtype=np.float32),
    )


def _made(queries: list[str], texts: list[str], grades: NDArray[np.float32]) -> _Asked:
    words = BM25Index.of(texts).scores(queries).astype(np.float64)
    return _Asked(tuple(queries), tuple(texts), grades, words)


def _standard(scores: Floats) -> Floats:
    """Scores of each query less their mean, over their deviation; 0 where all are equal."""
    spread = scores.std(axis=1, keepdims=True)
    centred: Floats = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return centred


def _ndcg(scores: NDArray[np.floating], asked: _Asked) -> float:
    ranked = Ranked.cases(
        [graded_ranks(row, grades) for row, grades in zip(scores, asked.grades, strict=True)]
    )
    return float(ndcg_at(ranked, 10).mean())
