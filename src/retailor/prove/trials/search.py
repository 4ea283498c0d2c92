"""The rows of search: words, a learned ranker over words, a language model, and what judgments teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.config import as_dict
from retailor.errors import MissingTable
from retailor.metrics.ranking import Ranked, ndcg_at
from retailor.prove.contract import Cell, Cells, Inputs, Trial
from retailor.prove.encoders import Encoders, local, mark_of
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.item_table import meanings
from retailor.tasks.search.rerank.trees import N_LEAVES, N_TREES
from retailor.tasks.search.weights import SCORERS

LEAST_TEST = 20
LEAST_JUDGED = 10
FEW = (
    "Too few judged queries are held out: each of all of them is scored by what did not learn from it, and "
    "rows are chosen by that too."
)


def search_trial(inputs: Inputs) -> Trial:
    """Search, ready to be tried. Raises MissingTable without items and judged queries."""
    train, given, work = inputs.train, inputs.given, inputs.work
    train.require("the ledger of search", "items")
    items = train.items["item_id"].implode()
    parts = [_usable(part.judgments, items) for part in (train, inputs.test)]
    few = parts[1]["query"].n_unique() < LEAST_TEST
    asked = pl.concat(parts) if few else parts[1]
    taught = pl.concat(parts) if few else parts[0]
    n_taught = taught["query"].n_unique()
    if asked["query"].n_unique() < LEAST_TEST or n_taught < LEAST_JUDGED:
        raise MissingTable(
            f"a ledger of search needs {LEAST_TEST} judged queries with a relevant item, and there are "
            f"{asked['query'].n_unique()}."
        )
    base = replace(inputs.dials or SearchSettings(), weights=None)
    own = local(inputs.encoder)
    shop = train.with_tables(judgments=taught)
    encoders = Encoders(own, shop, given, work, told=meanings(shop.items))
    trying = _Trying(shop, train.with_tables(judgments=asked), few, encoders, base, work)
    return Trial(
        task="search",
        model=own.name,
        metric="ndcg@10",
        unit="judged queries",
        n_all=n_taught,
        make=trying.cell,
        mark=[mark_of(own, train), [int(each.hash_rows(seed=0).sum() or 0) for each in parts], as_dict(base)],
        shared=encoders.shared,
        notes=(FEW,) if few else (),
    )


def _usable(judgments: pl.DataFrame, items: pl.Expr | pl.Series) -> pl.DataFrame:
    """Those of queries that have a relevant item in the catalogue."""
    known = judgments.filter(pl.col("item_id").is_in(items), pl.col("query").str.strip_chars() != "")
    good = known.filter(pl.col("grade") > 0)["query"].unique().implode()
    return known.filter(pl.col("query").is_in(good))


@dataclass(frozen=True)
class _Trying:
    shop: Shop
    """Its judgments teach."""
    test: Shop
    """Its judgments are asked."""
    crossed: bool
    """They are the same, and a query is scored by what did not learn from it."""
    encoders: Encoders
    base: SearchSettings
    work: Path

    def cell(self, step: str, n: int, seed: int, before: Cells) -> Cell:
        part = self._part(n, seed)
        learns = step in ("words, learned ranker", "learned ranker")
        taught = part if learns else part.with_tables(judgments=part.judgments.clear())
        search = Search(self.encoders.of(step, before), replace(self.base, seed=seed))
        search.fit(taught, work=self.work)
        row = "bm25" if step == "bm25" else "retailor"
        values = _ndcg(search.ranks(self.test)[row])
        n_judged = part.judgments["query"].n_unique()
        return Cell(
            values,
            seconds=float(search.log["seconds"]) - float(search.log["index_seconds"]),
            examples_seen=n_judged if learns else 0,
            parameters_trained=_n_learned(search) if learns else 0,
            # Of a learned ranker these are out of fold.
            validation=None if self.crossed else float(_ndcg(search.ranks(part)[row]).mean()),
        )

    def _part(self, n: int, seed: int) -> Shop:
        """The shop with so many judged queries, drawn; all of them for 0. A smaller part lies in a larger."""
        if not n:
            return self.shop
        queries = self.shop.judgments["query"].unique().sort()
        drawn = queries.gather(stream(seed, "prove", "queries").permutation(len(queries))[:n])
        kept = self.shop.judgments.filter(pl.col("query").is_in(drawn.implode()))
        return self.shop.with_tables(judgments=kept)


def _ndcg(ranks: Sequence[Any]) -> NDArray[np.float64]:
    return ndcg_at(Ranked.cases(list(ranks)), 10)


def _n_learned(search: Search) -> int:
    """Weights of the blend, and leaves of the trees where they answer."""
    return len(SCORERS) + (N_TREES * N_LEAVES if str(search.log.get("order", "")).startswith("trees") else 0)
