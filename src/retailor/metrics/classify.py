"""Metrics of classifiers, with intervals over test cases.

Labels are class indices [n]; probabilities are rows [n, C] that sum to one. Mean-of-cases metrics come
as per-case values too, so that two systems can be compared case by case; the others (macro-F1, ECE) get
their interval by resampling cases.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retailor.metrics.interval import bounds, score_mean
from retailor.metrics.scores import Score, Scores
from retailor.seeds import stream

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
_EPS = 1e-15


def confusion(
    true: ArrayLike, predicted: ArrayLike, n_classes: int, *, weights: ArrayLike | None = None
) -> Floats:
    """Counts [C, C]: row = the true class, column = the predicted one; cases may carry `weights` [n]."""
    cells = np.asarray(true, dtype=np.int64) * n_classes + np.asarray(predicted, dtype=np.int64)
    counts = np.bincount(
        cells, weights=None if weights is None else np.asarray(weights), minlength=n_classes**2
    )
    return counts.reshape(n_classes, n_classes).astype(np.float64)


def accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """The share of cases whose class was hit; nan for no cases."""
    return _mean(accuracy_cases(true, predicted))


def accuracy_cases(true: ArrayLike, predicted: ArrayLike) -> Floats:
    """1.0 where the class was hit, else 0.0 [n]."""
    return np.asarray(np.equal(true, predicted), dtype=np.float64)


def class_f1(true: ArrayLike, predicted: ArrayLike, n_classes: int) -> Floats:
    """F1 of each class [C]; nan for a class that is neither true nor predicted anywhere."""
    return _f1_of(confusion(true, predicted, n_classes))


def macro_f1(true: ArrayLike, predicted: ArrayLike, n_classes: int) -> float:
    """The unweighted mean F1 over the classes that are true in some case; nan for no cases.

    So every system on the same cases is averaged over the same classes, whatever it predicts: a class that
    never occurs lowers the recall of those that do, where it is predicted.
    """
    return _macro_f1_of(confusion(true, predicted, n_classes))


def balanced_accuracy(true: ArrayLike, predicted: ArrayLike, n_classes: int) -> float:
    """The mean recall over the classes that are true somewhere; nan for no cases."""
    return _recall_of(confusion(true, predicted, n_classes))


def brier_cases(true: ArrayLike, probabilities: ArrayLike) -> Floats:
    """The squared distance of each row of probabilities from the truth [n], in 0–2 (Brier 1950)."""
    rows = np.asarray(probabilities, dtype=np.float64)
    hits = np.eye(rows.shape[1])[np.asarray(true, dtype=np.int64)]
    return np.asarray(((rows - hits) ** 2).sum(axis=1))


def log_loss_cases(true: ArrayLike, probabilities: ArrayLike) -> Floats:
    """−log of the probability given to the true class [n], in nats; at most 34.5, for a zero."""
    rows = np.asarray(probabilities, dtype=np.float64)
    given = rows[np.arange(len(rows)), np.asarray(true, dtype=np.int64)]
    return np.asarray(-np.log(np.clip(given, _EPS, 1.0)))


def ece(
    true: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15, weights: ArrayLike | None = None
) -> float:
    """The expected calibration error, in 0–1: |accuracy − confidence| averaged over bins of confidence.

    Bins are equally wide, as in Guo et al. 2017, "On calibration of modern neural networks".
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    if not len(rows):
        return float("nan")
    confidence = rows.max(axis=1)
    gap = accuracy_cases(true, rows.argmax(axis=1)) - confidence
    weight = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    total = max(float(weight.sum()), _EPS)
    return float(np.abs(np.bincount(bins, weights=gap * weight, minlength=n_bins)).sum() / total)


def score_macro_f1(
    row: str,
    true: ArrayLike,
    predicted: ArrayLike,
    n_classes: int,
    *,
    bucket: str = "all",
    seconds: float = 0.0,
) -> Score:
    """A Score of macro-F1, with its interval over resampled cases."""
    value = macro_f1(true, predicted, n_classes)
    n = len(np.asarray(true))
    draws = _resampled(lambda w: _macro_f1_of(confusion(true, predicted, n_classes, weights=w)), n)
    return _score(row, "macro_f1", value, draws, n, seconds, bucket)


def paired_macro_f1(
    true: ArrayLike, a: ArrayLike, b: ArrayLike, n_classes: int, *, seed: int = 0
) -> tuple[float, float, float]:
    """Macro-F1 of predictions a − that of b over the same cases: (difference, low, high)."""

    def difference(weights: Floats | None) -> float:
        first = _macro_f1_of(confusion(true, a, n_classes, weights=weights))
        return first - _macro_f1_of(confusion(true, b, n_classes, weights=weights))

    value = difference(None)
    draws = _resampled(difference, len(np.asarray(true)), seed=seed)
    return value, *bounds(draws, around=value)


def score_classes(
    row: str, true: ArrayLike, probabilities: ArrayLike, *, bucket: str = "all", seconds: float = 0.0
) -> Scores:
    """Accuracy, macro-F1, balanced accuracy, ECE, Brier score and log loss of one system, with intervals.

    The predicted class is the most probable one, the first of equals.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    truth, predicted = np.asarray(true, dtype=np.int64), rows.argmax(axis=1)
    n, n_classes = len(truth), rows.shape[1]
    calibration, balanced = ece(truth, rows), balanced_accuracy(truth, predicted, n_classes)
    of_calibration = _resampled(lambda w: ece(truth, rows, weights=w), n)
    of_balanced = _resampled(lambda w: _recall_of(confusion(truth, predicted, n_classes, weights=w)), n)
    return Scores(
        (
            score_mean(row, "accuracy", accuracy_cases(truth, predicted), bucket=bucket, seconds=seconds),
            score_macro_f1(row, truth, predicted, n_classes, bucket=bucket, seconds=seconds),
            _score(row, "balanced_accuracy", balanced, of_balanced, n, seconds, bucket),
            _score(row, "ece", calibration, of_calibration, n, seconds, bucket),
            score_mean(row, "brier", brier_cases(truth, rows), bucket=bucket, seconds=seconds),
            score_mean(row, "log_loss", log_loss_cases(truth, rows), bucket=bucket, seconds=seconds),
        )
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _f1_of(counts: Floats) -> Floats:
    # 2·tp / (true + predicted): the same as 2·P·R / (P + R), and defined when one of P and R is not.
    union = counts.sum(axis=0) + counts.sum(axis=1)
    return np.where(union > 0, 2 * np.diag(counts) / np.maximum(union, _EPS), np.nan)


def _macro_f1_of(counts: Floats) -> float:
    return _mean(_f1_of(counts)[counts.sum(axis=1) > 0])


def _recall_of(counts: Floats) -> float:
    n_true = counts.sum(axis=1)
    return _mean(np.diag(counts)[n_true > 0] / n_true[n_true > 0])


def _resampled(metric: Callable[[Floats], float], n: int, *, n_resamples: int = 500, seed: int = 0) -> Floats:
    """The metric over Poisson weights of the cases [n_resamples], the same weights for every system."""
    rng = stream(seed, "bootstrap")
    return np.array([metric(rng.poisson(1.0, n).astype(np.float64)) for _ in range(n_resamples if n else 0)])


def _score(row: str, metric: str, value: float, draws: Floats, n: int, seconds: float, bucket: str) -> Score:
    return Score(row, metric, value, *bounds(draws, around=value), n, seconds, bucket, draws)
