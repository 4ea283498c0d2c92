"""Which passage answers, and whether any does: two logistic regressions, both a handful of plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.seeds import stream
from retailor.tasks.answer.features import FEATURES

N_FOLDS = 5
MIN_UNANSWERED = 20

# For shops that have no questions: learned on HetPQA's training questions with MiniLM, as printed by
# `benchmarks/answer_hetpqa.py --weights`. Only features whose scale does not hang on the encoder or the shop.
DEFAULT = {
    "words_log": 0.32,
    "cosine_above_chance": 2.34,
    "question_covered": 1.61,
    "name_in_question": 1.24,
    "concept_shared": 0.62,
    "concept_missed": -0.29,
    "number_given": 0.56,
    "number_missed": -0.93,
    "length": -1.1,
}
DEFAULT_BIAS = -2.93


@dataclass(frozen=True)
class Ranker:
    """`weights` [F], `bias` make a passage's logit; `slope`, `offset` that of 'the best one answers'."""

    weights: tuple[float, ...]
    bias: float
    slope: float = 1.0
    offset: float = 0.0
    caution: float = 0.5
    """Below this confidence it is better to say that one does not know."""

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
    return Ranker(tuple(DEFAULT.get(name, 0.0) for name in FEATURES), DEFAULT_BIAS)


def learn_ranker(
    lists: Sequence[Listed], pages: Sequence[Listed], unanswered: Sequence[Listed], *, seed: int
) -> Ranker:
    """A ranker learned from `lists`, calibrated on `pages` (of the same questions) and on `unanswered`.

    The calibration sees only logits of rankers that were learned without the question.
    """
    folds = stream(seed, "answer", "folds").permutation(len(lists)) % N_FOLDS
    out_of_fold: list[NDArray[np.float64]] = [np.zeros(0)] * len(lists)
    for fold in np.unique(folds):
        part = logistic([each for each, f in zip(lists, folds, strict=True) if f != fold])
        for i in np.flatnonzero(folds == fold).tolist():
            out_of_fold[i] = part.logits(pages[i].features)
    ranker = logistic(lists)
    logits = [*out_of_fold, *(ranker.logits(page.features) for page in unanswered)]
    return _calibrated(ranker, logits, [*pages, *unanswered])


def calibrate(ranker: Ranker, pages: Sequence[Listed]) -> Ranker:
    """The same ranker with its confidence fitted on `pages`, which it was not learned from."""
    return _calibrated(ranker, [ranker.logits(page.features) for page in pages], pages)


def logistic(lists: Sequence[Listed], features: Sequence[str] = FEATURES) -> Ranker:
    """The ranker that logistic regression over all passages finds, of the named features alone."""
    from sklearn.linear_model import LogisticRegression

    table = np.concatenate([each.features for each in lists]).astype(np.float64)
    relevant = np.concatenate([each.relevant for each in lists]) > 0
    if relevant.all() or not relevant.any():
        return default_ranker()
    mean, spread = table.mean(axis=0), table.std(axis=0)
    # A feature that never moves among what answers, or among what does not, would tell the two apart by an
    # accident of how the lists were drawn.
    moves = [table[relevant == side].std(axis=0) > 1e-6 for side in (True, False)]
    usable = moves[0] & moves[1] & np.isin(FEATURES, features)
    spread = np.where(usable, spread, 1.0)
    fitted = LogisticRegression(C=1.0, max_iter=1000).fit(usable * (table - mean) / spread, relevant)
    weights = np.where(usable, fitted.coef_[0] / spread, 0.0)
    return Ranker(tuple(weights.tolist()), float(fitted.intercept_[0] - weights @ mean))


def _calibrated(ranker: Ranker, logits: Sequence[NDArray[np.float64]], pages: Sequence[Listed]) -> Ranker:
    from sklearn.linear_model import LogisticRegression

    best, right, told = _trials(logits, pages)
    if len(set(right)) < 2:
        return ranker
    # Platt (1999) in one dimension; the weak penalty only guards against perfectly separable trials.
    spread = float(np.std(best)) or 1.0
    fitted = LogisticRegression(C=10.0).fit(np.array(best)[:, None] / spread, right)
    slope = float(fitted.coef_[0, 0]) / spread
    if slope <= 0:
        return ranker
    sure = Ranker(ranker.weights, ranker.bias, slope, float(fitted.intercept_[0]))
    return replace(sure, caution=caution_of([sure.confidence(logit) for logit in best], told))


def caution_of(confidence: Sequence[float], told: Sequence[bool]) -> float:
    """The bound on `confidence` that tells best which questions have an answer (`told`), within 0.05 to 0.95.

    Of bounds that are equally good, the middle one. The confidence is of the best passage being right; a page
    may hold an answer that is ranked lower, so the bound is below one half wherever ranking is hard.
    """
    order = np.argsort(np.array(confidence), kind="stable")
    sure, known = np.array(confidence)[order], np.array(told, dtype=bool)[order]
    # Answering all but the i least sure: right where those have no answer and the rest have one.
    right = np.concatenate(([0], np.cumsum(~known))) + np.concatenate((np.cumsum(known[::-1])[::-1], [0]))
    places = np.flatnonzero(right >= right.max() - 1e-3 * len(sure))
    edges = np.concatenate(([0.0], (sure[1:] + sure[:-1]) / 2, [1.0]))
    return float(np.clip(edges[places[len(places) // 2]], 0.05, 0.95))


def _trials(
    logits: Sequence[NDArray[np.float64]], pages: Sequence[Listed]
) -> tuple[list[float], list[bool], list[bool]]:
    """The best logit of each page, whether that passage answers, and whether any does.

    With few questions that nobody could answer, each page is tried a second time without what answers.
    """
    take_away = sum(not (page.relevant > 0).any() for page in pages) < MIN_UNANSWERED
    best: list[float] = []
    right: list[bool] = []
    told: list[bool] = []
    for scores, page in zip(logits, pages, strict=True):
        if not len(scores):
            continue
        top = int(np.argmax(scores))
        best.append(float(scores[top]))
        right.append(bool(page.relevant[top] > 0))
        told.append(bool((page.relevant > 0).any()))
        rest = scores[page.relevant <= 0]
        if take_away and (page.relevant > 0).any() and len(rest):
            best.append(float(rest.max()))
            right.append(False)
            told.append(False)
    return best, right, told
