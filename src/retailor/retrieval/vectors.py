"""Nearest vectors: an exact index and an approximate one behind one interface."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.metrics.ranking import top_items
from retailor.store.shared import load_arrays, shared_folder

F32 = NDArray[np.float32]
Method = Literal["exact", "approximate"]
BLOCK_BYTES = 64 << 20
SEARCH_EFFORT = 96
VECTORS, GRAPH, ABOUT = "vectors.safetensors", "graph.usearch", "index.json"


@dataclass(frozen=True)
class VectorIndex:
    """Vectors [n, dim] to search by inner product: cosine, when all are unit vectors.

    'exact' compares with every vector, in blocks; 'approximate' walks a graph (HNSW, Malkov & Yashunin 2018)
    and may miss some: `recall` says how many. Its links are of inner products too, so that lengths may differ
    (Morozov & Babenko, NeurIPS 2018). The graph has numbers of 16 bits, of vectors brought to a length of 1
    at most; what it finds is ordered by the vectors here.
    """

    vectors: F32
    method: Method = "exact"
    graph: Any = None

    @classmethod
    def build(
        cls,
        vectors: F32,
        *,
        method: Method = "exact",
        links: int = 24,
        effort: int = 128,
        search_effort: int = SEARCH_EFFORT,
    ) -> Self:
        """An index of `vectors`; the three dials are of the graph, more of each is slower and misses less."""
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise DataError("an index needs a table of finite vectors, [n, dim].", value=vectors.shape)
        if method == "exact":
            return cls(vectors)
        from usearch.index import Index

        longest = (
            float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64).max(initial=0))) or 1.0
        )
        graph = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f16",
            connectivity=links,
            expansion_add=effort,
            expansion_search=search_effort,
        )
        size = max(1, BLOCK_BYTES // (4 * graph.ndim))
        for start in range(0, len(vectors), size):
            block = vectors[start : start + size] / np.float32(longest)  # 16 bits go from 6e-8 to 65,504
            # One thread: the graph depends on the order of insertion, and several threads have none.
            graph.add(np.arange(start, start + len(block), dtype=np.uint64), block, threads=1)
        return cls(vectors, "approximate", graph)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """Numbers a vector."""
        return int(self.vectors.shape[1])

    def search(self, queries: F32, k: int) -> tuple[NDArray[np.int64], F32]:
        """Rows and inner products of the k nearest of each query: two tables [B, min(k, n)], best first.

        Where an approximate index finds fewer, the row is −1 and the product −inf.
        """
        queries = np.ascontiguousarray(np.atleast_2d(queries), dtype=np.float32)
        if queries.shape[1] != self.dim:
            raise DataError(f"the query has {queries.shape[1]} numbers, the index {self.dim}.")
        k = min(k, len(self))
        if not len(queries) or not k:
            return np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k), np.float32)
        return self._walk(queries, k) if self.method == "approximate" else self._scan(queries, k)

    def _scan(self, queries: F32, k: int) -> tuple[NDArray[np.int64], F32]:
        size = max(1, BLOCK_BYTES // (4 * len(self)))
        rows, products = [], []
        for start in range(0, len(queries), size):
            scores = queries[start : start + size] @ self.vectors.T  # [b, n]
            found = top_items(scores, k)
            rows.append(found)
            products.append(np.take_along_axis(scores, found, axis=1))
        return np.concatenate(rows), np.concatenate(products)

    def _walk(self, queries: F32, k: int) -> tuple[NDArray[np.int64], F32]:
        rows = np.full((len(queries), k), -1, np.int64)
        products = np.full((len(queries), k), -np.inf, np.float32)
        rest = np.zeros(self.graph.ndim - self.dim, np.float32)
        for i, query in enumerate(queries):
            asked = query / (np.linalg.norm(query) or 1)  # the graph's order is the same at any length
            keys = self.graph.search(np.append(asked, rest), k, threads=1).keys.astype(np.int64)
            exact = self.vectors[keys] @ query
            order = np.argsort(-exact, kind="stable")
            rows[i, : len(keys)], products[i, : len(keys)] = keys[order], exact[order]
        return rows, products

    def save(self, folder: Path) -> None:
        """Writes the vectors, and the graph if there is one, as files in `folder`."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file({"vectors": self.vectors}, folder / VECTORS)
        effort = None if self.graph is None else self.graph.expansion_search
        about = json.dumps({"method": self.method, "search_effort": effort})
        (folder / ABOUT).write_text(about, encoding="utf-8")
        if self.graph is not None:
            self.save_graph(folder / GRAPH)

    def save_graph(self, path: Path) -> None:
        """Writes the graph alone, for who keeps the vectors elsewhere; `with_graph` takes it back."""
        self.graph.save(str(path))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The saved index. Raises DataError when a file is missing or does not fit the others."""
        folder = Path(folder)
        for name in (VECTORS, ABOUT):
            if not (folder / name).is_file():
                raise DataError("the file is missing; make the index again.", path=folder / name)
        vectors = load_arrays(folder / VECTORS)["vectors"]
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["method"] == "exact":
            return cls(vectors)
        effort = about.get("search_effort", SEARCH_EFFORT)
        return cls.with_graph(vectors, folder / GRAPH, search_effort=effort)

    @classmethod
    def with_graph(cls, vectors: F32, path: Path, *, search_effort: int = SEARCH_EFFORT) -> Self:
        """The approximate index of the vectors whose graph was saved. Raises DataError if it does not fit."""
        graph = _graph(path, vectors)
        graph.expansion_search = search_effort  # the file does not have it
        return cls(vectors, "approximate", graph)


def _graph(path: Path, vectors: F32) -> Any:
    from usearch.index import Index

    try:
        graph = Index.restore(str(path), view=shared_folder() is not None)
    except Exception as error:
        raise DataError(f"the graph cannot be read ({error}); make the index again.", path=path) from None
    n, dim = vectors.shape
    # Graphs of before have one number more a vector, which brought all to one length; a query has 0 there.
    if graph is None or len(graph) != n or graph.ndim not in (dim, dim + 1):
        raise DataError("the graph does not fit the vectors; make the index again.", path=path)
    return graph


def recall(index: VectorIndex, queries: F32, k: int = 10) -> NDArray[np.float64]:
    """The part of the k truly nearest that the index finds, a value a query [B]; 1 everywhere when exact."""
    true = VectorIndex(index.vectors).search(queries, k)[0]
    found = index.search(queries, k)[0]
    both = [len(np.intersect1d(a, b)) / max(len(a), 1) for a, b in zip(true, found, strict=True)]
    return np.array(both, np.float64)
