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
    """As the encoder has them."""
    z: F32
    """Across languages: of inner products with the vectors that have lost theirs."""
    own_z: F32
    """Of the cosines."""
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
    """Of the vectors with `along` behind them [d + k], and their second moment [d + k, d + k]."""
    moment: NDArray[np.float64] | None = None
    directions: F32 | None = None
    """Between the languages of the catalogue [k, d]: the vectors have no part along these."""
    along: F32 | None = None
    """What the vectors had along them [I, k]: with it their cosines are those of the encoder."""

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.floating],
        settings: SearchSettings,
        directions: F32 | None = None,
        along: F32 | None = None,
    ) -> Self:
        """With the codes that the settings ask for, or a graph from `index_from` items on."""
        if settings.vectors != "float32":
            return cls._with(vectors, PackedVectors.of(vectors, settings.vectors), directions, along)
        if len(vectors) < settings.index_from:
            return cls(vectors, directions=directions, along=along)
        whole = np.asarray(vectors, np.float32)
        return cls._with(vectors, VectorIndex.build(whole, method="approximate"), directions, along)

    @classmethod
    def across(cls, vectors: F32, settings: SearchSettings, directions: F32) -> Self:
        """Of vectors [I, d] as the encoder gives them: without their parts along the directions [k, d]."""
        if not len(directions):
            return cls.of(vectors, settings)
        return cls.of(halved(without(vectors, directions)), settings, directions, vectors @ directions.T)

    @classmethod
    def _with(
        cls,
        vectors: NDArray[np.floating],
        index: VectorIndex | PackedVectors,
        directions: F32 | None,
        along: F32 | None,
    ) -> Self:
        return cls(vectors, index, frozenset(), *_moments(vectors, along), directions, along)

    def whole(self) -> NDArray[np.floating]:
        """The vectors [I, d] as the encoder gives them."""
        if self.directions is None or self.along is None:
            return self.vectors
        return np.asarray(self.vectors, np.float32) + self.along @ self.directions

    def updated(self, new: F32, rows: Sequence[int]) -> Nearest:
        """With vectors [n, d] of the encoder in `rows`, some behind the last: these are compared with every
        query."""
        made = replace(self, vectors=with_vectors(self.vectors, rows, new))
        if self.directions is not None and self.along is not None:
            level = without(new, self.directions)
            made = replace(
                self,
                vectors=with_vectors(self.vectors, rows, level),
                along=with_vectors(self.along, rows, new @ self.directions.T),
            )
        return made if self.index is None else replace(made, changed=self.changed | frozenset(rows))

    def near(self, query: F32, rows: Rows) -> Near:
        """How near items are to a query's vector [d]: the nearest, and `rows`, which are compared too; or
        without an index all."""
        if self.index is None or self.mean is None or self.moment is None:
            every = np.asarray(self.vectors @ query, np.float32)
            z = standardise(every[None])[0]
            if self.directions is None or self.along is None:
                return Near(np.arange(len(every)), every, z, z, -np.inf)
            cosines = every + self.along @ (self.directions @ query)
            return Near(np.arange(len(every)), cosines, z, standardise(cosines[None])[0], -np.inf)
        found = self.index.search(query, N_NEAREST)[0][0]
        some = np.unique(np.concatenate([found[found >= 0], rows, np.array(sorted(self.changed), np.int64)]))
        level = np.asarray(self.vectors[some], np.float32) @ query
        z, mean = self._z(level, query)
        if self.directions is None or self.along is None:
            return Near(some, level, z, z, mean)
        beside = self.directions @ query
        cosines = level + self.along[some] @ beside
        own_z, mean = self._z(cosines, np.concatenate([query, beside]))
        return Near(some, cosines, z, own_z, mean)

    def _z(self, products: F32, asked: F32) -> tuple[F32, float]:
        """z-scores of inner products [n] with a query of the first numbers of the moments, and the mean."""
        assert self.mean is not None and self.moment is not None
        exact, n = asked.astype(np.float64), len(asked)
        mean = float(self.mean[:n] @ exact)
        spread = float(np.sqrt(max(float(exact @ self.moment[:n, :n] @ exact) - mean**2, 1e-12)))
        return ((products - np.float32(mean)) / np.float32(spread)).astype(np.float32), mean

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
        if self.directions is not None and self.along is not None:
            save_file({"directions": self.directions, "along": self.along}, folder / _LANGUAGES)
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
        directions = along = None
        if (folder / _LANGUAGES).exists():
            languages = load_file(folder / _LANGUAGES)
            directions, along = languages["directions"], languages["along"]
        if settings.vectors != "float32":
            there = on_disk(folder / _VECTORS, "vectors")
            if not (folder / CODES).exists():
                return cls.of(there, settings, directions, along)
            known = load_file(folder / _MOMENTS)
            index = PackedVectors.load(folder, there)
            return cls(there, index, frozenset(), known["mean"], known["moment"], directions, along)
        vectors = load_floats(folder / _VECTORS, "vectors")
        if not (folder / _GRAPH).exists():
            return cls.of(vectors, settings, directions, along)
        return cls._with(vectors, VectorIndex.with_graph(vectors, folder / _GRAPH), directions, along)


def _moments(
    vectors: NDArray[np.floating], along: F32 | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean [d + k] and the second moment of vectors with what lies `along` directions [I, k] behind each,
    of blocks that come from the disk one by one."""
    beside = np.zeros((len(vectors), 0), np.float32) if along is None else along
    n, start = vectors.shape[1] + beside.shape[1], 0
    mean, moment = np.zeros(n), np.zeros((n, n))
    for part in blocks(vectors):
        block = np.hstack([part, beside[start : start + len(part)]])
        start += len(part)
        mean += block.sum(axis=0, dtype=np.float64)
        moment += block.T @ block
    return mean / max(len(vectors), 1), moment / max(len(vectors), 1)


def with_vectors(known: NDArray[np.floating], rows: Sequence[int], new: F32) -> NDArray[np.floating]:
    """The vectors [I, d] with `new` in `rows`, with room for those behind the last one; in memory."""
    grown = np.zeros((max(len(known), *(row + 1 for row in rows)), known.shape[1]), known.dtype)
    grown[: len(known)] = known
    grown[list(rows)] = halved(new)
    return grown


def halved(vectors: F32) -> F32:
    """In half precision, as they will be on disk: a loaded task ranks exactly as the fitted one."""
    return vectors.astype(np.float16).astype(np.float32)
