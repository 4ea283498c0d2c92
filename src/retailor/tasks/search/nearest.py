"""How near in meaning items are to a query: all, or of a large catalogue those that come into question.

A scan of a million vectors takes longer than all else that a query needs. A graph finds the nearest; beside
them only items that the words found, or that filters leave, are compared. The others count as neither near
nor far. The z-scores are those of a scan: mean and deviation of inner products v · q follow from the mean
vector of the catalogue and its second moment, mean(v) · q and qᵀ E[v vᵀ] q.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import top_items
from retailor.retrieval.blend import standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.vectors import VectorIndex
from retailor.tasks.search.synonyms.expansion import Synonyms
from retailor.tasks.search.weights import SCORERS

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
N_NEAREST = 1_000
"""So many are found through the graph."""
N_COMPARED = 20_000
"""So many items that filters leave are compared one by one."""
_GRAPH = "graph.usearch"


@dataclass(frozen=True)
class Near:
    """How near each item is [I], those that were not compared at the mean, and its z-scores."""

    cosines: F32
    z: F32


@dataclass(frozen=True)
class Nearest:
    """The vectors [I, d] of a catalogue, and a graph over the first of them where it is large."""

    vectors: F32
    index: VectorIndex | None = None
    changed: frozenset[int] = frozenset()
    """Rows that the graph has an earlier vector of."""
    mean: NDArray[np.float64] | None = None
    moment: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, vectors: F32, index_from: int) -> Self:
        """With a graph from `index_from` items on."""
        if len(vectors) < index_from:
            return cls(vectors)
        return cls._with(vectors, VectorIndex.build(vectors, method="approximate"))

    @classmethod
    def _with(cls, vectors: F32, index: VectorIndex) -> Self:
        moment = (vectors.T @ vectors).astype(np.float64) / len(vectors)
        return cls(vectors, index, mean=vectors.mean(axis=0, dtype=np.float64), moment=moment)

    def updated(self, vectors: F32, rows: Sequence[int]) -> Nearest:
        """With `vectors`, of which `rows` are new or changed: these are compared with every query."""
        if self.index is None:
            return Nearest(vectors)
        return Nearest(vectors, self.index, self.changed | frozenset(rows), self.mean, self.moment)

    def near(self, query: F32, rows: Rows) -> Near:
        """How near the items are to a query's vector [d]: the nearest, and `rows`, which are compared too."""
        n = len(self.vectors)
        if self.index is None or self.mean is None or self.moment is None:
            cosines = self.vectors @ query
            return Near(cosines, standardise(cosines[None])[0])
        asked = query.astype(np.float64)
        mean = float(self.mean @ asked)
        spread = float(np.sqrt(max(float(asked @ self.moment @ asked) - mean**2, 1e-12)))
        found = self.index.search(query, N_NEAREST)[0][0]
        some = np.unique(np.concatenate([found[found >= 0], rows, np.array(sorted(self.changed), np.int64)]))
        cosines = np.full(n, mean, np.float32)
        cosines[some] = self.vectors[some] @ query
        return Near(cosines, ((cosines - np.float32(mean)) / np.float32(spread)).astype(np.float32))

    def save(self, folder: Path) -> None:
        """Writes the graph, where there is one and it has every vector as it is."""
        if self.index is not None and not self.changed:
            self.index.save_graph(folder / _GRAPH)

    @classmethod
    def load(cls, folder: Path, vectors: F32, index_from: int) -> Self:
        """What was saved; a graph that is not there is built."""
        if not (folder / _GRAPH).exists():
            return cls.of(vectors, index_from)
        return cls._with(vectors, VectorIndex.with_graph(vectors, folder / _GRAPH))


@dataclass(frozen=True)
class Scored:
    """Every item by words, details and meaning [3, I]: scores, and z-scores."""

    raw: F32
    z: F32


def scored(
    lexical: Mapping[str, BM25Index],
    nearest: Nearest,
    query: str,
    vector: F32,
    synonyms: Synonyms,
    left: Sequence[NDArray[np.bool_]] = (),
) -> Scored:
    """The scores of all items for one query; `left` [I] each: items that filters leave."""
    words = np.stack([synonyms.score(lexical[name], query) for name in SCORERS[:2]])
    near = nearest.near(vector, _in_question(words, left) if nearest.index else np.zeros(0, np.int64))
    return Scored(
        np.concatenate([words, near.cosines[None]]), np.concatenate([standardise(words), near.z[None]])
    )


def _in_question(words: F32, left: Sequence[NDArray[np.bool_]]) -> Rows:
    """The rows of the best by words, and of what filters leave where it is not much."""
    found = [top_items(scores[None], min(N_NEAREST, int((scores != 0).sum())))[0] for scores in words]
    found += [np.flatnonzero(each) for each in left if int(each.sum()) <= N_COMPARED]
    return np.unique(np.concatenate(found)).astype(np.int64)
