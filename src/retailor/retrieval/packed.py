"""Vectors to find by in a fraction of their memory: codes that are scanned, whole vectors that order.

The codes say who may be near; of these the whole vectors, which may stay on the disk, are read and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from retailor.errors import DataError
from retailor.metrics.ranking import top_items
from retailor.seeds import stream
from retailor.store.shared import mapped

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
Kept = Literal["int8", "pca", "binary"]
CODES = "codes.safetensors"
IN_CACHE = 32_768
"""Rows whose distances are counted at once, so that what is made of them on the way stays in the cache."""
IN_BYTE = 3
"""Words whose bits are counted in one byte: 192 at most."""
BLOCK = 65_536
"""Rows that are turned into codes at once."""
WIDER, SHARE = 16, 40
"""Nearest by Hamming distance are so many times the candidates, or one vector of so many where that is more:
of these the candidates are those that the estimate puts nearest."""
PLANES = 4
"""Bits of a query's numbers in the estimate."""
PCA_PART = 4
"""One direction for so many numbers of a vector is kept by 'pca'."""
LEAST = 512
"""Candidates of which the whole vectors are read, at least: a few more cost less than a miss."""
_WORD = np.dtype("<u8")


@dataclass(frozen=True)
class PackedVectors:
    """Codes of vectors [n, dim], and the vectors themselves in `whole` [n, dim], half precision or more.

    'int8' is a number of eight bits for each of theirs: a quarter of float32. 'pca' is the same of the
    directions along which the vectors differ most, a quarter of them: a sixteenth (`variance` is what these
    have). 'binary' is one bit for each, the sign of the vector less the mean of all after a random turn, and
    two numbers of 16 bits a vector that make an estimate of the inner product of it: a thirtieth (after
    RaBitQ, Gao & Long, SIGMOD 2024).
    `search` looks as that of `VectorIndex` does, and `retrieval.vectors.recall` says what it misses.
    """

    kept: Kept
    codes: NDArray[Any]
    """uint64 [⌈dim / 64⌉, n], since a scan by words of all vectors is the fastest; or int8 [n, dim], of 'pca'
    int8 [n, ⌈dim / 4⌉]."""
    whole: NDArray[np.floating]
    centre: F32
    """The mean of the vectors [dim]."""
    turn: F32 | None = None
    """Of 'binary': orthogonal [dim, dim]; of 'pca': the directions [dim, ⌈dim / 4⌉]."""
    factors: NDArray[np.float16] | None = None
    """Of 'binary' [2, n]: |r|² / ⟨sign r, r⟩ and ⟨r, c⟩ of a vector less the centre c, turned, r."""

    @classmethod
    def of(cls, vectors: NDArray[np.floating], kept: Kept) -> Self:
        """The codes of `vectors`, which stay where they are. Raises DataError where one is not finite."""
        if vectors.ndim != 2:
            raise DataError("an index needs a table of vectors, [n, dim].", value=vectors.shape)
        total = np.zeros(vectors.shape[1], np.float64)
        for block in blocks(vectors):
            if not np.isfinite(block).all():
                raise DataError("an index needs finite vectors.", value=vectors.shape)
            total += block.sum(axis=0, dtype=np.float64)
        centre = (total / max(len(vectors), 1)).astype(np.float32)
        if kept != "binary":
            axes = None if kept == "int8" else _directions(vectors, centre)
            return cls(kept, _int8(vectors, centre, axes), vectors, centre, axes)
        turn = _turn(vectors.shape[1])
        made = [_signs(_turned(block - centre, turn), centre @ turn) for block in blocks(vectors)]
        none = (np.zeros((_words(len(centre)), 0), _WORD), np.zeros((2, 0), np.float16))
        codes, factors = (np.concatenate(part, axis=-1) for part in zip(none, *made, strict=True))
        return cls(kept, codes, vectors, centre, turn, factors)

    def __len__(self) -> int:
        return len(self.whole)

    @property
    def dim(self) -> int:
        """Numbers a vector."""
        return len(self.centre)

    @property
    def variance(self) -> float:
        """The share of what the vectors differ by that the codes have directions for: 1 but for 'pca'."""
        if self.kept != "pca" or self.turn is None:
            return 1.0
        whole = kept = 0.0
        for block in blocks(self.whole):
            whole += float(np.square(block - self.centre).sum(dtype=np.float64))
            kept += float(np.square((block - self.centre) @ self.turn).sum(dtype=np.float64))
        return kept / max(whole, 1e-12)

    @property
    def size_bytes(self) -> int:
        """What stays in memory: all but the whole vectors."""
        kept = (self.codes, self.centre, self.turn, self.factors)
        return sum(part.nbytes for part in kept if part is not None)

    def search(self, queries: F32, k: int) -> tuple[Rows, F32]:
        """Rows and inner products of the k nearest found of each query: two tables [B, min(k, n)], best
        first. The products are exact, to the precision of the whole vectors."""
        queries = np.ascontiguousarray(np.atleast_2d(queries), dtype=np.float32)
        if queries.shape[1] != self.dim:
            raise DataError(f"the query has {queries.shape[1]} numbers, the index {self.dim}.")
        k = min(k, len(self))
        rows = np.zeros((len(queries), k), np.int64)
        products = np.zeros((len(queries), k), np.float32)
        for i, query in enumerate(queries if k else ()):
            some = self._candidates(query, max(k, LEAST))
            exact = np.asarray(self.whole[some], np.float32) @ query
            best = top_items(exact[None], k)[0]
            rows[i], products[i] = some[best], exact[best]
        return rows, products

    def _candidates(self, query: F32, n: int) -> Rows:
        """The rows, in order, of the `n` that the codes put nearest."""
        if n >= len(self):
            return np.arange(len(self))
        if self.turn is None or self.factors is None:
            # what the centre has in common with the query is the same for all
            asked = query if self.turn is None else _turned(query, self.turn)
            scale = 127 / max(float(np.abs(asked).max()), 1e-12)
            near = _products(self.codes, np.rint(asked * scale).astype(np.int8))
            return np.sort(np.argpartition(-near, n - 1)[:n])
        # ⟨r, q⟩ = ⟨r, q − c⟩ + ⟨r, c⟩: vectors of texts have much in common, of which no code needs to tell
        asked = _turned(query - self.centre, self.turn)
        n_wide = max(WIDER * n, len(self) // SHARE)
        wide = _least(_distances(self.codes, _bits(asked[None])[:, 0]), n_wide)
        factors, along = self.factors.take(wide, axis=1).astype(np.float32)
        estimated = factors * _signed_sums(self.codes.take(wide, axis=1), asked) + along
        return np.sort(wide[np.argpartition(-estimated, n - 1)[:n]])

    def save(self, folder: Path) -> None:
        """Writes the codes; the whole vectors are for the caller to keep."""
        from safetensors.numpy import save_file

        parts = {"codes": self.codes, "centre": self.centre, "turn": self.turn, "factors": self.factors}
        tensors = {name: np.ascontiguousarray(part) for name, part in parts.items() if part is not None}
        save_file(tensors, folder / CODES, metadata={"kept": self.kept})

    @classmethod
    def load(cls, folder: Path, whole: NDArray[np.floating]) -> Self:
        """The codes that were saved, of these vectors. Raises DataError where they do not fit."""
        from safetensors import safe_open

        path = Path(folder) / CODES
        try:
            with safe_open(path, "np") as file:
                kept = (file.metadata() or {}).get("kept")
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:
            raise DataError(f"the codes cannot be read ({error}); fit again.", path=path) from None
        if not _fits(kept, found, whole.shape):
            raise DataError("the codes do not fit the vectors; fit again.", path=path)
        return cls(kept, found["codes"], whole, found["centre"], found.get("turn"), found.get("factors"))  # type: ignore[arg-type]


def on_disk(path: Path, name: str) -> NDArray[Any]:
    """A table of a safetensors file as it lies on the disk: pages come into memory as rows are read.

    Raises DataError that names the file when it is none, or holds no such table.
    """
    try:
        return mapped(Path(path))[name]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"no table '{name}' can be read from it: {error}; fit again.", path=path) from None


def _products(codes: NDArray[np.int8], query: NDArray[np.int8]) -> NDArray[np.float64]:
    """Inner products [n] of a query with the rows, one core."""
    import numkong

    found: NDArray[np.float64] = np.asarray(numkong.cdist(query[None], codes, "dot"), np.float64)[0]
    return found


def _distances(codes: NDArray[np.uint64], query: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Bits that differ [n] between a query [words] and the columns."""
    found = np.zeros(codes.shape[1], np.uint16)
    for start in range(0, len(found), IN_CACHE):
        part = slice(start, start + IN_CACHE)
        different = (row[part] ^ word for row, word in zip(codes, query, strict=True))
        found[part] = _ones(different)
    return found


def _ones(words: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint16]:
    """The bits that are set [n] in rows of words, one at least, which come one by one [n]."""
    sums: list[NDArray[np.uint8]] = []
    for i, row in enumerate(words):
        if i % IN_BYTE:
            sums[-1] += np.bitwise_count(row)
        else:
            sums.append(np.bitwise_count(row))
    found = sums[0].astype(np.uint16)
    for each in sums[1:]:
        found += each
    return found


def _least(distances: NDArray[np.uint16], n: int) -> Rows:
    """Where the n least are, and what is as near as the last of them."""
    if n >= len(distances):
        return np.arange(len(distances))
    return np.flatnonzero(distances <= np.partition(distances, n - 1)[n - 1])


def blocks(vectors: NDArray[np.floating]) -> Iterator[F32]:
    """The rows in float32, BLOCK at a time."""
    for start in range(0, len(vectors), BLOCK):
        yield np.asarray(vectors[start : start + BLOCK], np.float32)


def _int8(vectors: NDArray[np.floating], centre: F32, axes: F32 | None) -> NDArray[np.int8]:
    """One scale for all, so that the products of codes order as those of the vectors, along `axes`, do."""

    def residuals() -> Iterator[F32]:
        for block in blocks(vectors):
            yield block - centre if axes is None else _turned(block - centre, axes)

    most = max((float(np.abs(block).max(initial=0)) for block in residuals()), default=0.0)
    scale = 127 / max(most, 1e-12)
    made = [np.rint(block * scale).astype(np.int8) for block in residuals()]
    return np.concatenate([np.zeros((0, len(centre) if axes is None else axes.shape[1]), np.int8), *made])


def _directions(vectors: NDArray[np.floating], centre: F32) -> F32:
    """The directions [dim, ⌈dim / 4⌉] of most variance, that of most first (principal components)."""
    moment = np.zeros((len(centre),) * 2)
    for block in blocks(vectors):
        moment += ((block - centre).T @ (block - centre)).astype(np.float64)
    return np.linalg.eigh(moment)[1][:, ::-1][:, : _n_directions(len(centre))].astype(np.float32)


def _n_directions(dim: int) -> int:
    return -(-dim // PCA_PART)


def _turned(rows: F32, turn: F32) -> F32:
    return np.asarray(rows @ turn, np.float32)


def _signs(turned: F32, centre: F32) -> tuple[NDArray[np.uint64], NDArray[np.float16]]:
    """The bits of residuals r [b, dim], and the two factors of each [2, b]."""
    squares = np.einsum("id,id->i", turned, turned)
    factors = squares / np.maximum(np.abs(turned).sum(axis=1), 1e-12)
    return _bits(turned), np.stack([factors, turned @ centre]).astype(np.float16)


def _bits(turned: F32) -> NDArray[np.uint64]:
    """The signs of rows [b, dim] as words [⌈dim / 64⌉, b]."""
    padded = np.zeros((len(turned), 64 * _words(turned.shape[1])), np.bool_)
    padded[:, : turned.shape[1]] = turned > 0
    return np.ascontiguousarray(np.packbits(padded, axis=1).view(_WORD).T)


def _signed_sums(codes: NDArray[np.uint64], asked: F32) -> F32:
    """The sum of `asked` [dim] with the signs of each column of words [b], `asked` in PLANES bits.

    By planes of bits, so that codes are never unpacked: Σ over the bits that are set of lo + step · Σⱼ 2ʲ uⱼ.
    """
    low = float(asked.min())
    step = max((float(asked.max()) - low) / (2**PLANES - 1), 1e-12)
    levels = np.rint((asked - low) / step).astype(np.uint8)
    found = low * _ones(codes)
    for j in range(PLANES):
        plane = _bits((levels[None] >> j & 1).astype(np.float32))
        found += step * 2**j * _ones(codes & plane)
    return np.asarray(2 * found - asked.sum(), np.float32)


def _words(dim: int) -> int:
    return -(-dim // 64)


def _turn(dim: int) -> F32:
    """A random orthogonal matrix, the same for every table of this width."""
    drawn = stream(0, "packed", "turn", str(dim)).normal(size=(dim, dim))
    whole, upper = np.linalg.qr(drawn)
    return (whole * np.sign(np.diag(upper))).astype(np.float32)


def _fits(kept: str | None, found: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> bool:
    wanted: dict[str, tuple[tuple[int, ...], Any]] = {"centre": ((shape[1],), np.float32)}
    if kept == "int8":
        wanted["codes"] = (shape, np.int8)
    elif kept == "pca":
        n_axes = _n_directions(shape[1])
        wanted |= {"codes": ((shape[0], n_axes), np.int8), "turn": ((shape[1], n_axes), np.float32)}
    elif kept == "binary":
        wanted |= {
            "codes": ((_words(shape[1]), shape[0]), np.uint64),
            "turn": ((shape[1], shape[1]), np.float32),
            "factors": ((2, shape[0]), np.float16),
        }
    else:
        return False
    return set(found) == set(wanted) and all(
        found[name].shape == size and found[name].dtype == dtype for name, (size, dtype) in wanted.items()
    )
