"""Which passage answers, and whether any does: two logistic regressions, both a handful of plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.seeds import stream
from retailor.tasks.answer_features import FEATURES

N_FOLDS = 5
MIN_UNANSWERED = 20

# Learned on HetPQA's training questions with MiniLM (`benchmarks/answer_hetpqa.py --weights`), for shops that
# have no questions. Without the plain cosine, whose scale differs from encoder to encoder.
_LEARNED = {
    "words": 0.0,
    "words_log": 1.0,
    "cosine_above_chance": 3.0,
    "question_covered": 1.0,
    "name_in_question": 1.0,
    "concept_shared": 0.8,
    "concept_missed": -0.5,
    "number_given": 0.2,
    "number_missed": -0.8,
    "length": -0.4,
}


@dataclass(frozen=True)
class Ranker:
    """`weights` [F], `bias` make a passage's logit; `slope`, `offset` that of 'the best one answers'."""

    weights: tuple[float, ...]
    bias: float
    slope: float = 1.0
    offset: float = 0.0

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """One logit a passage [n]: higher answers better."""
        return np.asarray(features.astype(np.float64) @ np.array(self.weights) + self.bias)

    def confidence(self, best_logit: float) -> float:
        """The probability that the best passage of a page answers the question."""
        return float(1 / (1 + np.exp(-np.clip(self.slope * best_logit + self.offset, -30, 30))))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the names of the features, for JSON."""
        return {**asdict(self), "weights": dict(zip(FEATURES, self.weights, strict=True))}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; a feature that is not named weighs nothing."""
        named = values["weights"]
        return cls(**{**values, "weights": tuple(float(named.get(name, 0.0)) for name in FEATURES)})


@dataclass(frozen=True)
class Listed:
    """The passages of one question: `features` [n, F] and `relevant` [n], 1 where a passage answers it."""

    features: NDArray[np.float32]
    relevant: NDArray[np.float32]


def default_ranker() -> Ranker:
    """The ranker of a shop that has no questions, not yet calibrated."""
    return Ranker(tuple(_LEARNED.get(name, 0.0) for name in FEATURES), bias=-3.0)


def learn_ranker(
    lists: Sequence[Listed], pages: Sequence[Listed], unanswered: Sequence[Listed], *, seed: int
) -> Ranker:
    """A ranker learned from `lists`, calibrated on `pages` (of the same questions) and on `unanswered`.

    The calibration sees only logits of rankers that were learned without the question.
    """
    folds = stream(seed, "answer", "folds").permutation(len(lists)) % N_FOLDS
    out_of_fold: list[NDArray[np.float64]] = [np.zeros(0)] * len(lists)
    for fold in np.unique(folds):
        part = _logistic([each for each, f in zip(lists, folds, strict=True) if f != fold])
        for i in np.flatnonzero(folds == fold).tolist():
            out_of_fold[i] = part.logits(pages[i].features)
    ranker = _logistic(lists)
    logits = [*out_of_fold, *(ranker.logits(page.features) for page in unanswered)]
    return _calibrated(ranker, logits, [*pages, *unanswered])


def calibrate(ranker: Ranker, pages: Sequence[Listed]) -> Ranker:
    """The same ranker with its confidence fitted on `pages`, which it was not learned from."""
    return _calibrated(ranker, [ranker.logits(page.features) for page in pages], pages)


def _logistic(lists: Sequence[Listed]) -> Ranker:
    from sklearn.linear_model import LogisticRegression

    features = np.concatenate([each.features for each in lists]).astype(np.float64)
    relevant = np.concatenate([each.relevant for each in lists]) > 0
    if relevant.all() or not relevant.any():
        return default_ranker()
    mean, spread = features.mean(axis=0), features.std(axis=0)
    # A feature that never moves in training must not speak when it first does.
    usable = spread > 1e-6
    spread = np.where(usable, spread, 1.0)
    fitted = LogisticRegression(C=1.0, max_iter=1000).fit((features - mean) / spread, relevant)
    weights = np.where(usable, fitted.coef_[0] / spread, 0.0)
    return Ranker(tuple(weights.tolist()), float(fitted.intercept_[0] - weights @ mean))


def _calibrated(ranker: Ranker, logits: Sequence[NDArray[np.float64]], pages: Sequence[Listed]) -> Ranker:
    from sklearn.linear_model import LogisticRegression

    best, right = _trials(logits, pages)
    if len(set(right)) < 2:
        return ranker
    # Platt (1999) in one dimension; the weak penalty only guards against perfectly separable trials.
    spread = float(np.std(best)) or 1.0
    fitted = LogisticRegression(C=10.0).fit(np.array(best)[:, None] / spread, right)
    slope = float(fitted.coef_[0, 0]) / spread
    if slope <= 0:
        return ranker
    return Ranker(ranker.weights, ranker.bias, slope, float(fitted.intercept_[0]))


def _trials(logits: Sequence[NDArray[np.float64]], pages: Sequence[Listed]) -> tuple[list[float], list[bool]]:
    """The best logit of each page, and whether that passage answers.

    With few questions that nobody could answer, each page is tried a second time without what answers.
    """
    take_away = sum(not (page.relevant > 0).any() for page in pages) < MIN_UNANSWERED
    best: list[float] = []
    right: list[bool] = []
    for scores, page in zip(logits, pages, strict=True):
        if not len(scores):
            continue
        top = int(np.argmax(scores))
        best.append(float(scores[top]))
        right.append(bool(page.relevant[top] > 0))
        rest = scores[page.relevant <= 0]
        if take_away and (page.relevant > 0).any() and len(rest):
            best.append(float(rest.max()))
            right.append(False)
    return best, right
