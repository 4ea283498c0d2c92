"""Which passage answers, and whether any does: two logistic regressions, both a handful of plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.seeds import stream
from retailor.tasks.answer.evidence.features import FEATURES

N_FOLDS = 5
MIN_UNANSWERED = 20
MIN_TRIALS = 10
"""Right and wrong answers, each, that a calibration needs."""
MIXTURES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the learned weights that are tried; the rest are the default's."""

# For shops that have no questions: learned on HetPQA's training questions with MiniLM, as printed by
# `benchmarks/answer_hetpqa.py --weights`. Only features whose scale does not hang on the encoder or the shop.
DEFAULT = {
    "words_log": 0.11,
    "cosine_above_chance": 2.06,
    "question_covered": 1.44,
    "name_in_question": 0.83,
    "kind_told": 0.84,
    "kind_missed": -0.72,
    "kind_named": 0.07,
    "quantity_told": 0.07,
    "beside": -0.71,
    "number_given": 0.43,
    "number_missed": -0.61,
    "length": -1.14,
}
DEFAULT_BIAS = -2.25
DEFAULT_SLOPE, DEFAULT_OFFSET = 1.5, 2.5
"""Of a shop with too little to calibrate on: about what calibration finds on the demo and on Gift Cards."""
SURE = 2.0
"""What was learned takes the default's place where it decides better by so many standard errors."""
REFUSED = -3.0
"""What being of another kind weighs, always: no list of a few questions may learn to answer with it."""

_OF_ANOTHER_KIND = FEATURES.index("of_another_kind")


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
        refused = features[:, _OF_ANOTHER_KIND] * REFUSED
        return np.asarray(features.astype(np.float64) @ np.array(self.weights) + self.bias + refused)

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
    weights = tuple(DEFAULT.get(name, 0.0) for name in FEATURES)
    return Ranker(weights, DEFAULT_BIAS, DEFAULT_SLOPE, DEFAULT_OFFSET)


@dataclass(frozen=True)
class Held:
    """Questions that choose between rankers: `pages` [n] and their folds, -1 where none is learned from."""

    pages: Sequence[Listed]
    folds: NDArray[np.int64]


def choose_ranker(
    lists: Sequence[Listed], folds: NDArray[np.int64], held: Mapping[str, Held]
) -> tuple[Ranker, dict[str, Any]]:
    """A ranker between the default and the one learned from `lists`, calibrated; with how it was chosen.

    It is the mixture that decides best over the held-out sets, behind the default on none of them, and ahead
    of it by SURE standard errors over all; a question of fold f is judged by what was learned without f.
    """
    default, learned = default_ranker(), _by_fold(lists, folds)
    found = {
        share: _tried(default, learned, share, held) for share in (MIXTURES if learned else MIXTURES[:1])
    }
    base = found[0.0][1]
    ahead = {
        share: sum(float((right[name] - base[name]).mean()) for name in right)
        for share, (_, right) in found.items()
        if share == 0.0 or _is_ahead(right, base)
    }
    best = max(ahead, key=lambda share: (round(ahead[share], 6), -share))
    right = {
        share: {name: round(float(each.mean()), 4) for name, each in by_set.items()}
        for share, (_, by_set) in found.items()
    }
    return found[best][0], {"learned_share": best, "right_by_share": right}


def _is_ahead(right: Mapping[str, NDArray[np.float64]], base: Mapping[str, NDArray[np.float64]]) -> bool:
    """Whether a ranker decides better than another on the same questions, and worse on none of the sets."""
    gains = [right[name] - base[name] for name in right]
    spread = np.sqrt(sum(float(gain.var()) / len(gain) for gain in gains))
    means = [float(gain.mean()) for gain in gains]
    return min(means) >= 0 and sum(means) > SURE * spread


def calibrate(ranker: Ranker, pages: Sequence[Listed]) -> Ranker:
    """The same ranker with its confidence fitted on `pages`, which it was not learned from."""
    return _calibrated(ranker, [ranker.logits(page.features) for page in pages], pages)


def _by_fold(lists: Sequence[Listed], folds: NDArray[np.int64]) -> dict[int, Ranker]:
    """What is learned without each fold, and without none of them (-1); {} where nothing can be learned."""
    if not lists:
        return {}
    found = {-1: logistic(lists)}
    for fold in np.unique(folds[folds >= 0]).tolist():
        rest = [each for each, f in zip(lists, folds, strict=True) if f != fold]
        found[fold] = logistic(rest) if rest else default_ranker()
    return found


def _tried(
    default: Ranker, learned: Mapping[int, Ranker], share: float, held: Mapping[str, Held]
) -> tuple[Ranker, dict[str, NDArray[np.float64]]]:
    """The mixture, calibrated on all that is held, and which decisions are right on each set."""
    logits = {
        name: [
            mixed(default, learned[fold] if learned else default, share).logits(page.features)
            for page, fold in zip(each.pages, each.folds.tolist(), strict=True)
        ]
        for name, each in held.items()
    }
    whole = mixed(default, learned[-1] if learned else default, share)
    ranker = _calibrated(
        whole,
        [x for each in logits.values() for x in each],
        [p for each in held.values() for p in each.pages],
    )
    return ranker, {name: _right(ranker, logits[name], each.pages) for name, each in held.items()}


def _right(
    ranker: Ranker, logits: Sequence[NDArray[np.float64]], pages: Sequence[Listed]
) -> NDArray[np.float64]:
    """Which questions are answered by what answers, or left alone where nothing does: 1 or 0 a trial [n]."""
    best, right, told = _trials(logits, pages)
    sure = [ranker.confidence(logit) >= ranker.caution for logit in best]
    good = [float(r if s else not t) for s, r, t in zip(sure, right, told, strict=True)]
    return np.array(good or [0.0])


def mixed(default: Ranker, learned: Ranker, share: float) -> Ranker:
    """The ranker whose weights lie at `share` of the way from the default's to the learned ones."""
    weights = (1 - share) * np.array(default.weights) + share * np.array(learned.weights)
    bias = (1 - share) * default.bias + share * learned.bias
    return Ranker(tuple(weights.tolist()), bias, DEFAULT_SLOPE, DEFAULT_OFFSET)


def folds_of(groups: Sequence[str], *, seed: int) -> NDArray[np.int64]:
    """A fold [n] for each: equal groups share one; all -1 where there is only one group."""
    known = sorted(set(groups))
    if len(known) < 2:
        return np.full(len(groups), -1, dtype=np.int64)
    order = stream(seed, "answer", "folds").permutation(len(known)) % min(N_FOLDS, len(known))
    place = dict(zip(known, order.tolist(), strict=True))
    return np.array([place[group] for group in groups], dtype=np.int64)


def logistic(lists: Sequence[Listed], features: Sequence[str] = FEATURES) -> Ranker:
    """The ranker that logistic regression over all passages finds, of the named features alone."""
    from sklearn.linear_model import LogisticRegression

    table = np.concatenate([each.features for each in lists]).astype(np.float64)
    compete = table[:, _OF_ANOTHER_KIND] == 0
    table = table[compete]
    relevant = np.concatenate([each.relevant for each in lists])[compete] > 0
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
    if min(sum(right), len(right) - sum(right)) < MIN_TRIALS:
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

    Those with and those without count the same, however many there are of each: the mean of the share of the
    former that is answered and of the share of the latter that is not (balanced accuracy). Of bounds that are
    equally good, the middle one. The confidence is of the best passage being right; a page may hold an answer
    that is ranked lower, so the bound may lie below one half where ranking is hard.
    """
    order = np.argsort(np.array(confidence), kind="stable")
    sure, known = np.array(confidence)[order], np.array(told, dtype=bool)[order]
    # Answering all but the i least sure: right where those have no answer and the rest have one.
    silent = np.concatenate(([0], np.cumsum(~known))) / max((~known).sum(), 1)
    answered = np.concatenate((np.cumsum(known[::-1])[::-1], [0])) / max(known.sum(), 1)
    right = silent + answered
    places = np.flatnonzero(right >= right.max() - 2e-3)
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
