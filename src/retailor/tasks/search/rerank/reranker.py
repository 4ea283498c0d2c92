"""The second look: which order of the candidates judged queries bear out, kept, saved, and applied."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import Ranked, graded_ranks, ndcg_at
from retailor.tasks.search.rerank.candidates import Candidates, Catalogue, Rows, reordered
from retailor.tasks.search.rerank.features import features_of
from retailor.tasks.search.rerank.trees import (
    MIN_QUERIES,
    OPTIONS,
    SAYS,
    Learned,
    Listed,
    Order,
    Trees,
    best_option,
    best_say,
    cross_fitted,
)

F32 = NDArray[np.float32]
_FILE = "rerank.json"


@dataclass(frozen=True)
class Found:
    """What the first look at the catalogue gave for one query."""

    query: str
    rows: Rows
    """The items in question [n]."""
    z: F32
    """Their z-scores [3, n] of each of SCORERS."""
    first: F32
    """What they were ordered by [n]."""
    best: Rows
    """The places of the best among them."""

    @property
    def candidates(self) -> Candidates:
        """The best alone."""
        return Candidates(self.query, self.rows[self.best], self.z[:, self.best], self.first[self.best])


@dataclass(frozen=True)
class Reranker:
    """Orders the best of the first look anew."""

    catalogue: Catalogue
    learned: Learned = field(default_factory=Learned)

    def weighing(self, weight: float) -> Reranker:
        """The same, in which the category that a query asks for weighs `weight` × how far the shop's can be
        told."""
        catalogue = self.catalogue
        titles = catalogue.table.frame["title"].fill_null("").to_list()
        say = weight and weight * catalogue.categories.reliability(titles, catalogue.vectors)
        return replace(self, learned=Learned(Order(say=say), log={"category": say}))

    def scores(self, found: Found, judged: str = "") -> F32:
        """The scores of the items in question [n], the candidates before the others.

        `judged` is the query in the shop's judgments: it is scored by what did not learn from it.
        """
        candidates, order = found.candidates, self.learned.order_of(judged)
        rule, category = candidates.by_rule(self.catalogue), candidates.category(self.catalogue)
        features = features_of(candidates, self.catalogue, rule, category) if order.trees else None
        given = order.scores(candidates.first, rule, category, features)
        return reordered(found.first, found.best, given)

    def learn(
        self, found: Sequence[Found], judged: Mapping[str, F32], *, n_folds: int, seed: int
    ) -> Reranker:
        """The reranker that takes the order of OPTIONS which does best on judged queries held out from it.

        With fewer than MIN_QUERIES it is the rule.
        """
        start = self.learned.order.say
        if len(found) < MIN_QUERIES:
            return replace(self, learned=Learned(Order(say=start), log={"order": "rule", "category": start}))
        lists = [self._listed(each, judged[each.query]) for each in found]
        folds, trees = cross_fitted(lists, n_folds, seed)
        orders = [Order("rule", say=start * say) for say in SAYS]
        by_say = _table(found, judged, lists, [orders] * len(found))
        says = [start * best_say(by_say[folds != fold]) for fold in range(n_folds)]
        of_fold = [[_of(option, trees[fold], says[fold]) for option in OPTIONS] for fold in range(n_folds)]
        table = _table(found, judged, lists, [of_fold[fold] for fold in folds.tolist()])
        by_fold = tuple(of_fold[fold][best_option(table[folds != fold])] for fold in range(n_folds))
        order = _of(OPTIONS[best_option(table)], None, start * best_say(by_say))
        if order.option not in ("first", "rule"):
            order = replace(order, trees=Trees.of(lists, seed=seed))
        means = dict(zip(OPTIONS, table.mean(axis=0).round(5).tolist(), strict=True))
        fold_of = {one.query: int(fold) for one, fold in zip(lists, folds, strict=True)}
        log = {"order": order.option, "category": order.say, "ndcg@10_of_orders": means}
        return replace(self, learned=Learned(order, by_fold, fold_of, log))

    def _listed(self, found: Found, grades: F32) -> Listed:
        candidates = found.candidates
        rule, category = candidates.by_rule(self.catalogue), candidates.category(self.catalogue)
        features = features_of(candidates, self.catalogue, rule, category)
        return Listed(found.query, features, grades[found.rows[found.best]], rule, category)

    def save(self, folder: Path) -> None:
        """Writes what was learned; the catalogue is the task's."""
        learned = self.learned
        state = {
            "order": _plain(learned.order),
            "by_fold": [_plain(each) for each in learned.by_fold],
            "fold_of": learned.fold_of,
            "log": learned.log,
        }
        (folder / _FILE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, catalogue: Catalogue) -> Self:
        """What was saved, over the catalogue."""
        state = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        learned = Learned(
            _order(state["order"]), tuple(map(_order, state["by_fold"])), state["fold_of"], state["log"]
        )
        return cls(catalogue, learned)


def _of(option: str, trees: Trees | None, say: float) -> Order:
    return Order(option, None if option in ("first", "rule") else trees, say)


def _table(
    found: Sequence[Found],
    judged: Mapping[str, F32],
    lists: Sequence[Listed],
    orders: Sequence[Sequence[Order]],
) -> NDArray[np.float64]:
    """nDCG@10 of each query [Q] by each of its orders."""
    return np.array(
        [
            [_ndcg(each, judged[each.query], order, one) for order in own]
            for each, one, own in zip(found, lists, orders, strict=True)
        ]
    )


def _ndcg(found: Found, grades: F32, order: Order, one: Listed) -> float:
    given = order.scores(found.first[found.best], one.rule, one.category, one.features)
    scores = reordered(found.first, found.best, given)
    return float(ndcg_at(Ranked.cases([graded_ranks(scores, grades)]), 10)[0])


def _plain(order: Order) -> dict[str, Any]:
    return {"option": order.option, "trees": order.trees.text if order.trees else "", "say": order.say}


def _order(plain: dict[str, Any]) -> Order:
    return Order(plain["option"], Trees(plain["trees"]) if plain["trees"] else None, plain["say"])
