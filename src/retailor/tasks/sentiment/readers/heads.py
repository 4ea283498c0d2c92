"""Linear heads with calibrated probabilities: how they are fitted, chosen and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.classify import accuracy, ece, log_loss_cases, macro_f1
from retailor.tasks.sentiment.texts import folds

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Kind = Literal["svm", "nb-svm", "logistic"]

# exp of it is exactly zero, and it survives any temperature that calibration may choose.
_NEVER = -1e9
_SHORTEST = 1e-12


@dataclass(frozen=True)
class Head:
    """A linear classifier with a temperature: softmax((features · weightᵀ + bias) / temperature).

    A class that was absent from training has the bias −10⁹: its probability is exactly zero. With `metric`,
    of sparse features alone, features · weightᵀ is divided by √(features² · metricᵀ), the length of the
    features under the diagonal metric of each class.
    """

    weight: Floats  # [C, D]
    bias: Floats  # [C]
    temperature: float = 1.0
    metric: Floats | None = None  # [C, D]

    def logits(self, features: Any) -> Floats:
        """Uncalibrated scores [n, C] of features [n, D], dense or sparse."""
        scores = np.asarray(features @ self.weight.T)
        if self.metric is not None:
            lengths = np.sqrt(np.asarray(features.multiply(features) @ self.metric.T))
            scores = scores / np.maximum(lengths, _SHORTEST)
        return scores + self.bias

    def probabilities(self, features: Any) -> Floats:
        return softmax(self.logits(features) / self.temperature)

    def save(self, path: Path, **more: Floats) -> None:
        """Writes a safetensors file of the head and of the further arrays in `more`."""
        from safetensors.numpy import save_file

        arrays = {
            "weight": self.weight,
            "bias": self.bias,
            "temperature": np.array([self.temperature]),
            **({} if self.metric is None else {"metric": self.metric}),
            **more,
        }
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_head(path: Path) -> tuple[Head, Mapping[str, Floats]]:
    """The head in a file that `Head.save` wrote, and all arrays of the file by name."""
    from safetensors.numpy import load_file

    arrays = load_file(path)
    head = Head(arrays["weight"], arrays["bias"], float(arrays["temperature"][0]), arrays.get("metric"))
    return head, arrays


def softmax(logits: Floats) -> Floats:
    """Rows [n, C] that sum to one."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(logits) else np.zeros(logits.shape)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True)) if len(logits) else shifted


def temperature_of(logits: Floats, y: Labels) -> float:
    """The temperature that makes the log loss of `logits` [n, C] least (Guo et al. 2017).

    A weak pull towards 1 keeps a handful of cases, all of them right, from asking for certainty.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        cases = log_loss_cases(y, softmax(logits / np.exp(log_t)))
        return float(cases.sum() + log_t**2 / 2)

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)) if len(y) else 1.0


def calibration(logits: Floats, y: Labels) -> dict[str, float]:
    """Figures of held-out `logits`: accuracy, macro_f1, the temperature, and ECE and log loss.

    ECE before the temperature and after it; after is cross-fitted, each half of the cases scored under the
    temperature of the other half, and so is the log loss.
    """
    after = cross_calibrated(logits, y)
    predicted = logits.argmax(axis=1)
    return {
        "n": len(y),
        "accuracy": accuracy(y, predicted),
        "macro_f1": macro_f1(y, predicted, logits.shape[1]),
        "temperature": temperature_of(logits, y),
        "ece_before": ece(y, softmax(logits)),
        "ece_after": ece(y, after),
        "log_loss": float(log_loss_cases(y, after).mean()) if len(y) else float("nan"),
    }


def cross_calibrated(logits: Floats, y: Labels) -> Floats:
    """Probabilities [n, C], each half of the cases under the temperature of the other half."""
    after = np.empty(logits.shape)
    half = folds(y, 2, 0) == 0
    for part, other in ((half, ~half), (~half, half)):
        after[part] = softmax(logits[part] / temperature_of(logits[other], y[other]))
    return after


def class_weights(y: Labels, how: str, n_classes: int) -> Floats:
    """A weight for each class [C] with mean 1 over cases: 'none', 'balanced' (1/share) or its 'sqrt'."""
    counts = np.bincount(y, minlength=n_classes).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[how]
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0.0)
    return np.asarray(weights * counts.sum() / max((weights * counts).sum(), 1e-12))


def fit_head(features: Any, y: Labels, kind: Kind, strength: float, weights: Floats) -> Head:
    """A linear SVM or a logistic regression over features [n, D], dense or sparse.

    "nb-svm", of sparse counts or TF-IDF alone, scales them by how often each class has them first (Wang and
    Manning 2012). `strength` is scikit-learn's C, the inverse of regularisation; `weights` are class weights
    [C].
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    present = np.unique(y)
    weight = np.zeros((len(weights), features.shape[1]))
    bias = np.full(len(weights), _NEVER)
    bias[present] = 0.0
    if len(present) < 2:
        return Head(weight, bias)
    # Of two classes the score of the second is against the first.
    rows = present if len(present) > 2 else present[1:]
    if kind == "nb-svm":
        metric = np.zeros_like(weight)
        for label in rows:
            weight[label], bias[label], metric[label] = _nb_svm(features, y == label, strength, weights[y])
        return Head(weight, bias, metric=metric)
    by_class = {int(i): float(weights[i]) for i in present}
    if kind == "svm":
        model = LinearSVC(C=strength, class_weight=by_class, random_state=0, max_iter=5000)
    else:
        model = LogisticRegression(C=strength, class_weight=by_class, max_iter=2000)
    model.fit(features, y)
    weight[rows], bias[rows] = model.coef_, model.intercept_
    return Head(weight, bias)


def _nb_svm(
    features: Any, inside: NDArray[np.bool_], strength: float, weights: Floats
) -> tuple[Floats, float, Floats]:
    """Weights [D], bias and metric [D] of one class against the rest; `weights` are of the cases [n].

    Each feature is scaled by its log-count ratio r, the log of its share of all occurrences inside the class
    over that outside, one added to both counts. The rows go back to unit length (after the paper, which left
    them as they were): reviews of any length then say equally much.
    """
    from sklearn.preprocessing import normalize
    from sklearn.svm import LinearSVC

    occurs = (features > 0).astype(np.float64)
    shares = []
    for part in (inside, ~inside):
        counts = np.asarray(occurs[part].sum(axis=0)).ravel() + 1.0
        shares.append(counts / counts.sum())
    ratio = np.log(shares[0] / shares[1])
    model = LinearSVC(C=strength, random_state=0, max_iter=5000)
    model.fit(normalize(features.multiply(ratio).tocsr()), inside, sample_weight=weights)
    return model.coef_[0] * ratio, float(model.intercept_[0]), ratio**2


@dataclass(frozen=True)
class Fitted:
    """A calibrated head, the strength that was chosen for it, and its held-out logits."""

    head: Head
    strength: float
    figures: dict[str, float]
    logits: Floats
    """[n, C] before calibration; of the rows held out, or of all where folds were."""


def choose_head(
    features: Any,
    y: Labels,
    kind: Kind,
    grid: Sequence[float],
    weights: Floats,
    held: Labels | None,
    seed: int,
    *,
    in_the_end: Any = None,
) -> Fitted:
    """The head whose strength has the least held-out log loss once calibrated, refitted on every case.

    Held out are the rows `held`, or, when that is None (few labels), each of five folds in turn. It is
    refitted on the features `in_the_end` [n, D'], where given: those that the held-out cases took part in.
    """
    number = folds(y, 5, seed) if held is None else np.isin(np.arange(len(y)), held).astype(np.int64)
    parts = range(number.max() + 1) if held is None else (1,)
    tested = np.ones(len(y), dtype=bool) if held is None else number == 1
    best: tuple[float, float, Floats] | None = None
    for strength in grid:
        logits = np.zeros((len(y), len(weights)))
        for part in parts:
            rest = number != part
            logits[~rest] = fit_head(features[rest], y[rest], kind, strength, weights).logits(features[~rest])
        t = temperature_of(logits[tested], y[tested])
        loss = float(log_loss_cases(y[tested], softmax(logits[tested] / t)).mean())
        if best is None or loss < best[0]:
            best = (loss, strength, logits[tested])
    assert best is not None
    figures = calibration(best[2], y[tested])
    head = fit_head(features if in_the_end is None else in_the_end, y, kind, best[1], weights)
    return Fitted(replace(head, temperature=figures["temperature"]), best[1], figures, best[2])
