"""Boosted trees over the features of candidates, learned from judged queries and tried on held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.blend import standardise
from retailor.seeds import derive, stream

F32 = NDArray[np.float32]
MIN_QUERIES = 30
"""Fewer judged queries teach no trees."""
SHARES = (0.5, 1.0, 2.0, 4.0)
"""What the z-scores of the trees may weigh, beside 1 of those of the rule."""
SAYS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""What the category asked for may weigh, beside 1 of what it weighs without judgments."""
OPTIONS = ("first", "rule", *(f"trees × {share:g}" for share in SHARES))
"""The orders of candidates that are tried on judged queries, the simplest first."""
LEAST_GAIN = 0.005
"""A less simple order has to be better by so much (in nDCG@10)."""
N_TREES, N_LEAVES = 80, 8
_DIALS: dict[str, Any] = {
    "objective": "regression", "num_leaves": N_LEAVES, "min_data_in_leaf": 60, "learning_rate": 0.06,
    "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5.0,
    "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """The candidates of one judged query."""

    query: str
    features: F32
    """[n, F]"""
    grades: F32
    """[n]"""
    rule: F32
    """[n]"""
    category: F32
    """[n]"""


class Trees:
    """Trees, as the text that LightGBM keeps them in (Ke et al., NeurIPS 2017)."""

    def __init__(self, text: str) -> None:
        from lightgbm import Booster

        self.text = text
        self._booster = Booster(model_str=text)

    @classmethod
    def of(cls, lists: Sequence[Listed], *, seed: int) -> Trees:
        """Trees that predict the grades of the candidates; an unjudged one has 0."""
        from lightgbm import Dataset, train

        features = np.concatenate([each.features for each in lists])
        grades = np.concatenate([each.grades for each in lists])
        dials = {**_DIALS, "seed": derive(seed, "search", "trees") % 2**31}
        return cls(train(dials, Dataset(features, grades), N_TREES).model_to_string())

    def scores(self, features: F32) -> F32:
        """Z-scores [n] of the predictions for `features` [n, F]."""
        found = np.asarray(self._booster.predict(features, num_threads=1), dtype=np.float32)
        scores: F32 = standardise(found[None])[0]
        return scores


@dataclass(frozen=True)
class Order:
    """How candidates are ordered: one of OPTIONS, and the trees where it needs them."""

    option: str = "rule"
    trees: Trees | None = None
    say: float = 0.0
    """What the category that a query asks for weighs, beside the rule."""

    def scores(self, first: F32, rule: F32, category: F32, features: F32 | None) -> F32:
        """The scores [n] of candidates."""
        if self.option == "first":
            return first
        plain: F32 = standardise((rule + np.float32(self.say) * category)[None])[0]
        if self.trees is None or features is None:
            return plain
        joined: F32 = plain + np.float32(self.option.rpartition(" ")[2]) * self.trees.scores(features)
        return joined


@dataclass(frozen=True)
class Learned:
    """The order for any query, that of each judged one which did not see it, and how they did."""

    order: Order = field(default_factory=Order)
    by_fold: tuple[Order, ...] = ()
    fold_of: dict[str, int] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)

    def order_of(self, query: str) -> Order:
        """The order to score a query with: one that was not learned from it."""
        fold = self.fold_of.get(query)
        return self.order if fold is None else self.by_fold[fold]


def cross_fitted(lists: Sequence[Listed], n_folds: int, seed: int) -> tuple[NDArray[np.int64], list[Trees]]:
    """The fold [Q] of each query and, for each fold, trees that learned from the others."""
    folds = stream(seed, "search", "tree folds").permutation(len(lists)) % n_folds
    return folds, [
        Trees.of([each for each, f in zip(lists, folds, strict=True) if f != fold], seed=seed)
        for fold in range(n_folds)
    ]


def best_say(table: NDArray[np.float64]) -> float:
    """Which of SAYS to take by `table` [Q, len(SAYS)]: the highest mean, 1 of nearly equal ones."""
    means = table.mean(axis=0)
    most = int(means.argmax())
    return SAYS[most] if means[most] >= means[SAYS.index(1.0)] + LEAST_GAIN else 1.0


def best_option(table: NDArray[np.float64]) -> int:
    """The column of `table` [Q, len(OPTIONS)] to take: the highest mean, of nearly equal ones the first."""
    means = table.mean(axis=0)
    chosen = 0 if means[0] > means[1] + LEAST_GAIN else 1
    most = int(means.argmax())
    return most if means[most] >= means[chosen] + LEAST_GAIN else chosen
