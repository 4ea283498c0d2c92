"""How near in meaning items are to a query: all, or of a large catalogue those that come into question.

A scan of a million vectors takes longer than all else that a query needs. A graph finds the nearest; beside
them only items that the words found best, or that filters leave, are compared. The others count as neither
near nor far. The z-scores are those of a scan: mean and deviation of inner products v · q follow from the
mean vector of the catalogue and its second moment, mean(v) · q and qᵀ E[v vᵀ] q. Packed vectors take the
graph's place and the vectors' own in memory: these stay on the disk, and rows of them are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.models.shapes import Encoder
from retailor.retrieval.blend import standardise
from retailor.retrieval.languages import without
from retailor.retrieval.packed import CODES, PackedVectors, blocks, on_disk
from retailor.retrieval.vectors import VectorIndex
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.store.shared import load_floats
from retailor.tasks.search.settings import SearchSettings

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
N_NEAREST = 1_000
"""So many are found through the graph."""
N_TOLD, N_ASKED = 10, 50
"""So many nearest are compared with those of a scan, of so many queries, to tell what codes miss."""
TIED = 1e-5
"""Inner products that differ by no more are equal: which of two items with one title is found is all one."""
_GRAPH, _VECTORS, _MOMENTS = "graph.usearch", "vectors.safetensors", "moments.safetensors"
_LANGUAGES = "languages.safetensors"


@dataclass(frozen=True)
class Near:
    """How near some items are [n]: cosines and z-scores of `rows`, ascending; others are at the `mean`."""

    rows: Rows
    cosines: F32
    z: F32
    mean: float


@dataclass(frozen=True)
class Nearest:
    """The vectors [I, d] of a catalogue; a graph over the first of them where it is large, or their codes."""

    vectors: NDArray[np.floating]
    """float32 in memory, or float16 on the disk."""
    index: VectorIndex | PackedVectors | None = None
    changed: frozenset[int] = frozenset()
    """Rows that the index has an earlier vector of."""
    mean: NDArray[np.float64] | None = None
    moment: NDArray[np.float64] | None = None
    directions: F32 | None = None
    """Between the languages of the catalogue [k, d]: the vectors have no part along these."""

    @classmethod
    def of(
        cls, vectors: NDArray[np.floating], settings: SearchSettings, directions: F32 | None = None
    ) -> Self:
        """With the codes that the settings ask for, or a graph from `index_from` items on."""
        if settings.vectors != "float32":
            return cls._with(vectors, PackedVectors.of(vectors, settings.vectors), directions)
        if len(vectors) < settings.index_from:
            return cls(vectors, directions=directions)
        whole = np.asarray(vectors, np.float32)
        return cls._with(vectors, VectorIndex.build(whole, method="approximate"), directions)

    @classmethod
    def _with(
        cls, vectors: NDArray[np.floating], index: VectorIndex | PackedVectors, directions: F32 | None
    ) -> Self:
        return cls(vectors, index, frozenset(), *_moments(vectors), directions)

    def levelled(self, new: F32) -> F32:
        """Vectors [n, d] of further items, as those of the catalogue are: without their language."""
        return new if self.directions is None else without(new, self.directions)

    def updated(self, vectors: NDArray[np.floating], rows: Sequence[int]) -> Nearest:
        """With `vectors`, of which `rows` are new or changed: these are compared with every query."""
        if self.index is None:
            return replace(self, vectors=vectors)
        return replace(self, vectors=vectors, changed=self.changed | frozenset(rows))

    def near(self, query: F32, rows: Rows) -> Near:
        """How near items are to a query's vector [d]: the nearest, and `rows`, which are compared too; or
        without an index all."""
        if self.index is None or self.mean is None or self.moment is None:
            every = np.asarray(self.vectors @ query, np.float32)
            return Near(np.arange(len(every)), every, standardise(every[None])[0], -np.inf)
        asked = query.astype(np.float64)
        mean = float(self.mean @ asked)
        spread = float(np.sqrt(max(float(asked @ self.moment @ asked) - mean**2, 1e-12)))
        found = self.index.search(query, N_NEAREST)[0][0]
        some = np.unique(np.concatenate([found[found >= 0], rows, np.array(sorted(self.changed), np.int64)]))
        cosines = np.asarray(self.vectors[some], np.float32) @ query
        z = ((cosines - np.float32(mean)) / np.float32(spread)).astype(np.float32)
        return Near(some, cosines, z, mean)

    def told(self, encoder: Encoder, shop: Shop) -> dict[str, Any]:
        """What codes save and miss, asked with judged queries or else titles; {} without codes."""
        if not isinstance(self.index, PackedVectors):
            return {}
        texts = shop.judgments["query"].unique(maintain_order=True).to_list()
        texts = texts or [title for title in shop.items["title"].to_list() if title]
        drawn = stream(0, "search", "told").permutation(len(texts))[:N_ASKED]
        return {"vectors": self.missed(encoder.encode([texts[i] for i in drawn], role="query"))}

    def missed(self, queries: F32) -> dict[str, Any]:
        """The share of the ten truly nearest that codes find of some queries [n, d], and what they save."""
        index = self.index
        if not isinstance(index, PackedVectors) or not len(queries):
            return {}
        products = index.search(queries, N_TOLD)[1]
        exact = [np.concatenate([block @ query for block in blocks(self.vectors)]) for query in queries]
        n = products.shape[1]
        last = np.array([np.partition(row, len(row) - n)[len(row) - n] for row in exact])
        hits = (products >= last[:, None] - TIED).mean(axis=1)
        return {
            "kept": index.kept, "recall@10": float(np.mean(hits)), "n": len(queries),
            "share_of_float32": index.size_bytes / (4 * self.vectors.size), "variance": index.variance,
        }  # fmt: skip

    def save(self, folder: Path) -> None:
        """Writes the vectors in half precision, and the index, where there is one and it has every vector as
        it is."""
        save_file({"vectors": self.vectors.astype(np.float16)}, folder / _VECTORS)
        if self.directions is not None and len(self.directions):
            save_file({"directions": self.directions}, folder / _LANGUAGES)
        if self.changed or self.index is None or self.mean is None or self.moment is None:
            return
        if isinstance(self.index, VectorIndex):
            self.index.save_graph(folder / _GRAPH)
        else:
            self.index.save(folder)
            save_file({"mean": self.mean, "moment": self.moment}, folder / _MOMENTS)

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings) -> Self:
        """What was saved; an index that is not there is made."""
        directions = None
        if (folder / _LANGUAGES).exists():
            directions = load_file(folder / _LANGUAGES)["directions"]
        if settings.vectors != "float32":
            there = on_disk(folder / _VECTORS, "vectors")
            if not (folder / CODES).exists():
                return cls.of(there, settings, directions)
            known = load_file(folder / _MOMENTS)
            index = PackedVectors.load(folder, there)
            return cls(there, index, frozenset(), known["mean"], known["moment"], directions)
        vectors = load_floats(folder / _VECTORS, "vectors")
        if not (folder / _GRAPH).exists():
            return cls.of(vectors, settings, directions)
        return cls._with(vectors, VectorIndex.with_graph(vectors, folder / _GRAPH), directions)


def _moments(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean [d] and the second moment [d, d], of blocks that come from the disk one by one."""
    mean, moment = np.zeros(vectors.shape[1]), np.zeros((vectors.shape[1],) * 2)
    for block in blocks(vectors):
        mean += block.sum(axis=0, dtype=np.float64)
        moment += block.T @ block
    return mean / max(len(vectors), 1), moment / max(len(vectors), 1)
