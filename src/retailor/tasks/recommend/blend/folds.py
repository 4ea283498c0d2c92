"""Out of fold: what leads a blend on held-out customers that its weights have not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.blend import choose_weights, shrunk, trust
from retailor.seeds import stream
from retailor.tasks.recommend.scorers.parts import WEIGHTS

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64] | slice
Values = Callable[[F32, Rows], Floats]
"""The measure of each of the cases `rows` [m], given their scores [m, I]."""
N_FOLDS = 5
N_ERRORS = 1.96
"""Standard errors by which a challenger must be ahead: an interval of 95 %."""
AS_LEARNED = "weights as learned"


def leader(
    z: Mapping[str, F32],
    names: Sequence[str],
    values: Values,
    n_cases: int,
    scored: tuple[Floats, Floats] | None = None,
) -> tuple[str | None, dict[str, Any]]:
    """What leads the shrunk blend of `names`: AS_LEARNED, the name of a part alone, or None; and the log.

    The blends are scored out of fold, case by case, beside every part of `z` (z-scores [n, I]). The better of
    the best part and the blend as it was learned must lead by more than the paired interval. None, with an
    empty log, where there are enough cases to choose weights by themselves. `scored` is what `out_of_fold`
    gives, where that is known.
    """
    if trust(n_cases) == 1:
        return None, {}
    ours, learned = scored or out_of_fold({name: z[name] for name in names}, values, n_cases)
    alone = {name: values(block, slice(None)) for name, block in z.items()}
    part = max(alone, key=lambda name: alone[name].mean())
    rivals = {part: alone[part], AS_LEARNED: learned}  # of equals the part: it is the simpler
    best = max(rivals, key=lambda name: rivals[name].mean())
    served = best if ahead(rivals[best], ours) else None
    means = {"blend": ours, **rivals}
    log: dict[str, Any] = {name: float(value.mean()) for name, value in means.items()}
    return served, log | {"served": served or "blend"}


def ahead(challenger: Floats, holder: Floats) -> bool:
    """Whether the first leads the second, case by case [n]: by more than its paired interval.

    With enough cases to choose by themselves a higher mean will do.
    """
    lead = challenger - holder
    error = lead.std() / np.sqrt(max(len(lead), 1)) if trust(len(lead)) < 1 else 0.0
    return bool(lead.mean() > N_ERRORS * error)


def out_of_fold(
    z: Mapping[str, F32], values: Values, n_cases: int, n_folds: int = N_FOLDS
) -> tuple[Floats, Floats]:
    """The measure of every case [n] under the weights that the cases of the other folds give.

    Of those drawn towards the default, and of those as they were learned.
    """
    fold = stream(0, "folds").permutation(n_cases) % n_folds
    found = np.zeros((2, n_cases))
    for one in range(n_folds):
        rows, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        if not len(rows) or not len(others):
            continue
        inside = {name: block[others] for name, block in z.items()}
        learned, _ = choose_weights(inside, partial(_mean_at, values, others), standardised=True)
        outside = {name: block[rows] for name, block in z.items()}
        for i, blend in enumerate((shrunk(learned, WEIGHTS, len(others)), learned)):
            found[i, rows] = values(blend.join_standardised(outside), rows)
    return found[0], found[1]


def _mean_at(values: Values, rows: Rows, scores: F32) -> float:
    return float(values(scores, rows).mean())
