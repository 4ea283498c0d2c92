"""What words, details and meaning weigh: learned from judged queries, as far as these bear it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import Ranked, graded_ranks, ndcg_at
from retailor.seeds import stream
from retailor.tasks.search.settings import SearchSettings

F32 = NDArray[np.float32]
SCORERS = ("words", "details", "meaning")
"""BM25 over title, brand, category and description; BM25 over these and the attributes; encoder cosine."""
GRID = np.array([(a, b, 10 - a - b) for a in range(11) for b in range(11 - a)]) / 10
"""The weights of SCORERS that are tried: all tenths that sum to one [66, 3]."""
PULL = 2.0
"""How hard judged queries have to pull weights away from those without judgments (see `best_weights`)."""
Weights = tuple[float, ...]


@dataclass(frozen=True)
class Learned:
    """The weights of queries that the encoder reads, of others, and of each judged query without it."""

    weights: Weights
    unread_weights: Weights
    held_out: dict[str, Weights] = field(default_factory=dict)
    """By judged query: `evaluate` never uses weights that saw it."""
    log: dict[str, Any] = field(default_factory=dict)


def learned_weights(
    queries: Sequence[str], ndcg: F32, read: NDArray[np.bool_], settings: SearchSettings
) -> Learned:
    """The weights by the nDCG of every weighting [Q, 66]; `read` [Q]: which queries the encoder reads."""
    folds = stream(settings.seed, "search", "folds").permutation(len(queries)) % settings.n_folds
    by_fold: dict[tuple[bool, int], Weights] = {}
    for kind, start in ((True, settings.default_weights), (False, settings.unread_weights)):
        for fold in np.unique(folds[read == kind]):
            by_fold[kind, int(fold)] = best_weights(ndcg[(folds != fold) & (read == kind)], start)
    held_out = {
        query: by_fold[bool(kind), int(fold)] for query, kind, fold in zip(queries, read, folds, strict=True)
    }
    return Learned(
        best_weights(ndcg[read], settings.default_weights),
        best_weights(ndcg[~read], settings.unread_weights),
        held_out,
        {"weights_by_fold": sorted(by_fold.values()), "ndcg@10": _curve(ndcg)},
    )


def ndcg_of_weights(z: F32, grades: F32) -> F32:
    """ndcg@10 of one query for every weighting of GRID [66]; z [3, I] are its z-scores by each scorer."""
    ranked = Ranked.cases([graded_ranks(scores, grades) for scores in (GRID @ z).astype(np.float32)])
    return ndcg_at(ranked, 10).astype(np.float32)


def best_weights(table: NDArray[np.float32], start: Weights) -> Weights:
    """The weighting of GRID that the nDCG of judged queries [Q, 66] bears out; `start` with none.

    From the mean over queries comes off PULL / Q × the squared distance from `start`: few queries choose by
    chance, and what they say of weights far away is mostly that. Of the weightings within a thousandth of
    the highest the middle, since the edge of a plateau is what the next queries fall off; but `start` where
    it is one of them, for then nothing speaks for leaving it.
    """
    if not len(table):
        return start
    far = ((GRID - np.array(start)) ** 2).sum(axis=1)
    means = table.mean(axis=0) - PULL / len(table) * far
    highest = means >= means.max() - 1e-3
    if highest[far.argmin()]:
        return start
    plateau = GRID[highest]
    chosen = plateau[np.argmin(np.linalg.norm(plateau - plateau.mean(axis=0), axis=1))]
    return tuple(float(weight) for weight in chosen)


def _curve(table: NDArray[np.float32]) -> dict[str, float]:
    """The mean of each scorer alone and of the best weighting, for the log."""
    means = table.mean(axis=0)
    alone = {name: float(means[(GRID[:, i] == 1).argmax()]) for i, name in enumerate(SCORERS)}
    return {name: round(value, 5) for name, value in {**alone, "best": float(means.max())}.items()}


def weighed(weights: Weights, z: F32) -> F32:
    """Σ weight × z-score over SCORERS [I]: the z-scores are [3, I]."""
    return np.array(weights, dtype=np.float32) @ z
