"""Frequent n-grams of symbol sequences with what term mining asks of them, all in numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BREAK = -1
"""The symbol that no n-gram crosses: an end of sentence."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grams:
    """All frequent n-grams of one length n; arrays are by gram, `at` is by position."""

    n: int
    count: Ints
    first: Ints
    """A position where the gram starts."""
    at: Ints
    """Position to the gram that starts there, or -1."""
    cohesion: Floats
    """Normalised pointwise mutual information (Bouma 2009), −1 to 1, of the weakest split; 1 if n = 1."""
    freedom: Floats
    """The smaller entropy, in nats, of the symbols seen just before and just after the gram."""
    inside: Ints
    """How often the gram occurs within the commonest of the grams one longer that hold it; 0 if none do."""


def frequent_grams(symbols: Ints, max_n: int, min_count: int) -> list[Grams]:
    """The n-grams, n from 1 to `max_n`, that occur at least `min_count` times; symbols below 0 are breaks.

    A gram is looked for only where both of its shorter halves are frequent, so that rare ones cost nothing.
    """
    levels: list[tuple[Ints, Ints, Ints]] = []
    keys = symbols
    for n in range(1, max_n + 1):
        if n > 1:
            keys = _joined(levels[-1][0], n)
        level = _level(keys, min_count)
        if not len(level[1]):
            break
        levels.append(level)
    totals = max(int((symbols >= 0).sum()), 1)
    inside = [_inside(level, longer) for level, longer in _pairs(levels)]
    return [
        Grams(
            n=i + 1,
            count=count,
            first=first,
            at=at,
            cohesion=_cohesion(levels, i + 1, totals),
            freedom=_freedom(symbols, at, i + 1, len(count)),
            inside=inside[i],
        )
        for i, (at, count, first) in enumerate(levels)
    ]


def _joined(at: Ints, n: int) -> Ints:
    """Keys for grams one longer: the gram that starts here, and the one that starts at the next symbol."""
    right = np.append(at[1:], BREAK)
    return np.where((at >= 0) & (right >= 0), at * (at.max(initial=0) + 1) + right, BREAK)


def _level(keys: Ints, min_count: int) -> tuple[Ints, Ints, Ints]:
    at = np.full(len(keys), BREAK, dtype=np.int64)
    where = np.flatnonzero(keys >= 0)
    _, first, inverse, count = np.unique(
        keys[where], return_index=True, return_inverse=True, return_counts=True
    )
    keep = count >= min_count
    ids = np.where(keep, np.cumsum(keep) - 1, BREAK)
    at[where] = ids[inverse]
    return at, count[keep], where[first[keep]]


def _pairs(
    levels: Sequence[tuple[Ints, Ints, Ints]],
) -> Iterator[tuple[tuple[Ints, Ints, Ints], tuple[Ints, Ints, Ints] | None]]:
    for i, level in enumerate(levels):
        yield level, levels[i + 1] if i + 1 < len(levels) else None


def _inside(level: tuple[Ints, Ints, Ints], longer: tuple[Ints, Ints, Ints] | None) -> Ints:
    at, count, _ = level
    most = np.zeros(len(count), dtype=np.int64)
    if longer is not None:
        _, counts, first = longer
        for part in (at[first], at[first + 1]):
            np.maximum.at(most, part, counts)
    return most


def _cohesion(levels: Sequence[tuple[Ints, Ints, Ints]], n: int, total: int) -> Floats:
    _, count, first = levels[n - 1]
    if n == 1:
        return np.ones(len(count))
    together = np.log(count / total)
    weakest = np.full(len(count), np.inf)
    for k in range(1, n):
        left, right = levels[k - 1], levels[n - k - 1]
        apart = np.log(left[1][left[0][first]] / total) + np.log(right[1][right[0][first + k]] / total)
        weakest = np.minimum(weakest, together - apart)
    return np.asarray(weakest / np.maximum(-together, 1e-9))


def _freedom(symbols: Ints, at: Ints, n: int, n_grams: int) -> Floats:
    where = np.flatnonzero(at >= 0)
    padded = np.concatenate(([BREAK], symbols, [BREAK]))
    left = _entropy(at[where], padded[where], n_grams)
    right = _entropy(at[where], padded[where + n + 1], n_grams)
    return np.minimum(left, right)


def _entropy(gram: Ints, neighbour: Ints, n_grams: int) -> Floats:
    """Entropy of the neighbours of each gram; every break counts as a neighbour of its own."""
    total = np.maximum(np.bincount(gram, minlength=n_grams), 1).astype(np.float64)
    n_breaks = np.bincount(gram[neighbour < 0], minlength=n_grams)
    entropy = n_breaks / total * np.log(total)
    inner = neighbour >= 0
    width = int(neighbour.max(initial=0)) + 1
    pairs, count = np.unique(gram[inner] * width + neighbour[inner], return_counts=True)
    owner = pairs // width
    share = count / total[owner]
    np.add.at(entropy, owner, -share * np.log(share))
    return np.asarray(entropy)
