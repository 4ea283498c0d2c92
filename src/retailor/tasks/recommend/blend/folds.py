"""Out of fold: whether a blend learned on some held-out customers leads its parts on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
"""Standard errors by which a part must be ahead: an interval of 95 %."""


def leading_part(
    z: Mapping[str, F32], names: Sequence[str], values: Values, n_cases: int
) -> tuple[str | None, dict[str, Any]]:
    """The part that is ahead of the blend of `names` by more than its paired interval, if any; and the log.

    The blend is scored out of fold, case by case, beside every part of `z` (z-scores [n, I]). None, with an
    empty log, where there are enough cases to choose weights by themselves.
    """
    if trust(n_cases) == 1:
        return None, {}
    ours = out_of_fold({name: z[name] for name in names}, values, n_cases)
    alone = {name: values(block, slice(None)) for name, block in z.items()}
    best = max(alone, key=lambda name: alone[name].mean())
    lead = alone[best] - ours
    log = {
        "blend": float(ours.mean()),
        "best part": best,
        "lead": float(lead.mean()),
        "standard error": float(lead.std() / np.sqrt(n_cases)),
    }
    return (best if ahead(alone[best], ours) else None), log


def ahead(challenger: Floats, holder: Floats) -> bool:
    """Whether the first leads the second, case by case [n]: by more than its paired interval.

    With enough cases to choose by themselves a higher mean will do.
    """
    lead = challenger - holder
    error = lead.std() / np.sqrt(max(len(lead), 1)) if trust(len(lead)) < 1 else 0.0
    return bool(lead.mean() > N_ERRORS * error)


def out_of_fold(z: Mapping[str, F32], values: Values, n_cases: int) -> Floats:
    """The measure of every case [n] under the weights that the cases of the other folds give."""
    fold = stream(0, "folds").permutation(n_cases) % N_FOLDS
    found = np.zeros(n_cases)
    for one in range(N_FOLDS):
        rows, others = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        if not len(rows) or not len(others):
            continue
        inside = {name: block[others] for name, block in z.items()}
        learned, _ = choose_weights(
            inside, lambda scores, at=others: float(values(scores, at).mean()), standardised=True
        )
        blend = shrunk(learned, WEIGHTS, len(others))
        found[rows] = values(blend.join_standardised({name: z[name][rows] for name in z}), rows)
    return found
