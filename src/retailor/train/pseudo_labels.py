"""Pseudo-labels: the answers that a model is sure of, as labels for texts that have none."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retailor.errors import ConfigError, DataError

__all__ = ["pseudo_labels"]


def pseudo_labels(
    probabilities: ArrayLike, *, floor: float, per_class: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, labels): the rows of `probabilities` [n, C] that are sure enough, and the class of each.

    A row counts when its largest probability is at least `floor`. Classes are balanced: each class that has
    such rows gets as many as the one with the fewest, at most `per_class`, the surest first. Where only one
    class has any there is nothing to learn from, and none is given. Rows are in ascending order; of equally
    sure ones the first is taken. Lee, ICML workshop 2013; balance as in Xie et al., CVPR 2020.

    Raises ConfigError on a floor outside [0, 1] or fewer than one a class, DataError on probabilities that
    are none.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    _check(table, floor, per_class)
    labels, sureness = table.argmax(axis=1), table.max(axis=1, initial=0.0)
    sure = [np.flatnonzero((labels == c) & (sureness >= floor)) for c in range(table.shape[1])]
    candidates = [rows for rows in sure if len(rows)]
    if len(candidates) < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    n = min([len(rows) for rows in candidates] + ([] if per_class is None else [per_class]))
    taken = [rows[np.argsort(-sureness[rows], kind="stable")][:n] for rows in candidates]
    rows = np.sort(np.concatenate(taken)).astype(np.int64)
    return rows, labels[rows].astype(np.int64)


def _check(table: NDArray[np.float64], floor: float, per_class: int | None) -> None:
    if not 0 <= floor <= 1:
        raise ConfigError(
            f"floor = {floor}: a confidence floor lies between 0 and 1.", key="floor", value=floor
        )
    if per_class is not None and per_class < 1:
        raise ConfigError(f"per_class = {per_class}: it is 1 at the least.", key="per_class", value=per_class)
    if table.ndim != 2 or table.shape[1] < 2:
        raise DataError(f"probabilities have the shape {table.shape}, and [n, classes] is needed.")
    if not np.isfinite(table).all() or (table < -1e-6).any() or (table > 1 + 1e-6).any():
        raise DataError("probabilities lie between 0 and 1, and some of these do not.")
