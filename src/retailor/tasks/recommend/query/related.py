"""Items that go with an item, and lists that are not all of one kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import top_items
from retailor.retrieval.blend import standardise
from retailor.retrieval.item_to_item import ItemToItem, entries
from retailor.tasks.recommend.model import Fitted
from retailor.tasks.recommend.scorers.parts import Features

F32 = NDArray[np.float32]
POOL = 20
"""So many candidates a place are looked at for a diverse list."""


def similar(fitted: Fitted, row: int) -> F32:
    """How near each item's text is to that of item `row` [I], by embeddings and TF-IDF; −inf without text."""
    features = fitted.understanding.features
    total = np.zeros((1, len(fitted.catalogue)), np.float32)
    if features.tfidf is not None:
        shared: Any = features.tfidf @ features.tfidf[row].T
        total += standardise(shared.toarray().T)
    if features.embeddings is not None and features.embeddings[row].any():
        total += standardise((features.embeddings @ features.embeddings[row])[None])
    found: F32 = total[0] if total.any() else np.full_like(total[0], -np.inf)
    return found


def together(fitted: Fitted, row: int) -> F32:
    """How often the customers of item `row` chose each item too [I], as a cosine; −inf for never."""
    links = fitted.parts["item_knn"]
    assert isinstance(links, ItemToItem)
    scores = np.zeros(links.n_items, np.float32)
    _, items, values = entries(links.links, np.array([row]))
    scores[items] = values
    return np.where(scores > 0, scores, np.float32(-np.inf))


def diverse(
    scores: F32, k: int, diversity: float, features: Features, ties: NDArray[np.unsignedinteger]
) -> NDArray[np.int64]:
    """The rows of k items, best first, each the best of what is unlike those before it.

    Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): the next item has the highest
    (1 − diversity) × relevance − diversity × its highest cosine with an item chosen before; relevance is the
    score [I] scaled to 0–1 over the POOL × k best. −inf is never chosen. `diversity` 0 is the plain order.
    """
    pool = top_items(scores[None], min(POOL * k, len(scores)), ties)[0]
    pool = pool[pool >= 0]
    if not diversity or len(pool) < 2:
        return np.asarray(pool[:k], np.int64)
    alike = _cosines(features, pool)
    relevance = scores[pool] - scores[pool].min()
    relevance = relevance / max(float(relevance.max()), 1e-9)
    nearest = np.full(len(pool), -1.0)
    left = np.ones(len(pool), bool)
    chosen: list[int] = []
    while len(chosen) < min(k, len(pool)):
        worth = (1 - diversity) * relevance - diversity * np.maximum(nearest, 0)
        best = int(np.argmax(np.where(left, worth, -np.inf)))  # the pool is in order: ties go to the better
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, alike[best])
    best_first: NDArray[np.int64] = pool[chosen]
    return best_first


def _cosines(features: Features, rows: NDArray[np.int64]) -> F32:
    """Cosines [n, n] of some items by embeddings, else by TF-IDF; 0 where nothing is known of them."""
    if features.embeddings is not None:
        return np.asarray(features.embeddings[rows] @ features.embeddings[rows].T, np.float32)
    if features.tfidf is not None:
        some: Any = features.tfidf[rows] @ features.tfidf[rows].T
        return np.asarray(some.toarray(), np.float32)
    return np.zeros((len(rows), len(rows)), np.float32)
