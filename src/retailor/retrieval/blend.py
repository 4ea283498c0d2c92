"""One way to join scorers, for recommendation and for search alike: a weighted sum of z-scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError

F32 = NDArray[np.float32]
Measure = Callable[[F32], float]
ENOUGH = 1_000
"""So many cases choose the weights by themselves."""
GRID = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


def standardise(scores: NDArray[np.floating]) -> F32:
    """The scores with mean 0 and deviation 1 in each row [B, I].

    Rows whose scores are all alike become 0: a scorer that knows nothing of a case has no say in it.
    −inf and NaN stay out of the mean and come back as −inf.
    """
    table = np.asarray(scores, dtype=np.float32)
    finite = np.isfinite(table)
    if finite.all():
        mean = table.mean(axis=1, keepdims=True)
        spread = table.std(axis=1, keepdims=True)
    else:
        n = np.maximum(finite.sum(axis=1, keepdims=True), 1)
        mean = np.where(finite, table, 0).sum(axis=1, keepdims=True) / n
        spread = np.sqrt((np.where(finite, table - mean, 0) ** 2).sum(axis=1, keepdims=True) / n)
    # Rounding leaves a constant row with a deviation near 1e-7 of its size, which is not a spread.
    flat = spread <= 1e-6 * np.maximum(np.abs(mean), 1e-30)
    result = np.where(flat, np.float32(0), (table - mean) / np.where(flat, 1, spread))
    return np.where(finite, result, -np.inf).astype(np.float32)


@dataclass(frozen=True)
class Blend:
    """Names of scorers and what each one's z-scores weigh."""

    names: tuple[str, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.weights):
            raise DataError(f"a blend has a weight a name, not {len(self.weights)} for {len(self.names)}.")

    def used(self) -> tuple[str, ...]:
        """The names that weigh anything."""
        return tuple(name for name, weight in self.to_dict().items() if weight)

    def join(self, blocks: Mapping[str, NDArray[np.floating]]) -> F32:
        """Σ weight × z-scores [B, I]; `blocks` has raw scores [B, I] by name, of all in use."""
        return self.join_standardised({name: standardise(blocks[name]) for name in self.used()})

    def join_standardised(self, blocks: Mapping[str, F32]) -> F32:
        """The same for blocks that are z-scores already."""
        some = next(iter(blocks.values()), None)
        if some is None:
            raise DataError("there is nothing to blend: all weights are 0.")
        total = np.zeros_like(some, dtype=np.float32)
        for name in self.used():
            total += np.float32(self.to_dict()[name]) * blocks[name]
        return total

    def to_dict(self) -> dict[str, float]:
        """Name to weight."""
        return dict(zip(self.names, self.weights, strict=True))


def trust(n_cases: int) -> float:
    """The say of weights learned on so many cases, beside a default: 0 of none, 1 from ENOUGH on."""
    return min(1.0, n_cases / ENOUGH)


def shrunk(learned: Blend, default: Mapping[str, float], n_cases: int) -> Blend:
    """The learned blend drawn towards the default weights: they alone of no case, itself from ENOUGH on.

    Both are brought to a sum of 1 before they are mixed, since a blend's scale says nothing. Names that
    `default` lacks weigh nothing there; where it has none of them, all weigh alike.
    """
    share = trust(n_cases)
    if share == 1:
        return learned
    prior = np.array([default.get(name, 0.0) for name in learned.names])
    own = np.array(learned.weights)
    prior, own = (w / w.sum() if w.sum() else np.full(len(w), 1 / len(w)) for w in (prior, own))
    return Blend(learned.names, tuple((share * own + (1 - share) * prior).tolist()))


def choose_weights(
    blocks: Mapping[str, NDArray[np.floating]],
    measure: Measure,
    *,
    grid: Sequence[float] = GRID,
    rounds: int = 3,
    least_gain: float = 0.0,
    standardised: bool = False,
) -> tuple[Blend, dict[str, Any]]:
    """The blend of `blocks` (raw scores [B, I] by name) with the highest `measure`, and how it was found.

    Starts from the best block alone at weight 1, then goes through the others and back, taking of the grid
    the weight that is best with the rest as they are. A block without which the measure is at least
    (1 − least_gain) × as high is dropped. `measure` takes joined scores [B, I]; higher is better.
    `standardised` says that the blocks are z-scores already.
    """
    if not blocks:
        raise DataError("there is nothing to blend.")
    z = {name: block if standardised else standardise(block) for name, block in blocks.items()}
    alone = {name: measure(block) for name, block in z.items()}
    order = sorted(z, key=lambda name: -alone[name])
    weights = {name: float(name == order[0]) for name in order}
    total, best = z[order[0]].copy(), alone[order[0]]
    for _ in range(rounds):
        before = dict(weights)
        for name in order[1:]:
            rest = total - np.float32(weights[name]) * z[name]
            for weight in grid:
                value = measure(rest + np.float32(weight) * z[name])
                if value > best:
                    best, weights[name] = value, float(weight)
            total = rest + np.float32(weights[name]) * z[name]
        if weights == before:
            break
    dropped = _drop(z, weights, total, best, measure, least_gain)
    blend = Blend(tuple(blocks), tuple(weights[name] for name in blocks))
    value = measure(blend.join_standardised(z))
    return blend, {"alone": alone, "weights": blend.to_dict(), "value": value, "dropped": dropped}


def _drop(
    z: Mapping[str, F32],
    weights: dict[str, float],
    total: F32,
    best: float,
    measure: Measure,
    least_gain: float,
) -> dict[str, float]:
    """Sets the weights that do not pay to 0; what the blend would be worth without each dropped block."""
    dropped = {name: best for name, weight in weights.items() if not weight}
    for name in sorted((n for n in weights if weights[n]), key=lambda n: weights[n]):
        if sum(map(bool, weights.values())) == 1:
            break
        without = total - np.float32(weights[name]) * z[name]
        value = measure(without)
        if value >= best * (1 - least_gain):
            dropped[name], weights[name], total = value, 0.0, without
    return dropped
