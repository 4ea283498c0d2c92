"""The decision that nothing fits: learned on rehearsed queries, with a stated share of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from retailor.models.shapes import Encoder
from retailor.retrieval.blend import standardise
from retailor.retrieval.tokens import content_words
from retailor.seeds import stream
from retailor.tasks.search.presence.rehearsal import Rehearsed, rehearsals
from retailor.tasks.search.presence.signs import NAMES, Asked, signs_of
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.synonyms.expansion import docs_with

F32 = NDArray[np.float32]
N_FOLDS = 5
LEAST = 30
"""Fewer rehearsed queries of either sort decide nothing."""


@dataclass(frozen=True)
class Presence:
    """How signs speak for that the shop has what is asked for; below `least` it is said that it has not."""

    weights: tuple[float, ...]
    offset: float
    least: float
    log: dict[str, Any]

    @classmethod
    def learned(
        cls,
        catalogue: Catalogue,
        encoder: Encoder,
        judged: Sequence[str] = (),
        *,
        false_alarms: float,
        seed: int,
    ) -> Self | None:
        """From the shop's own titles; None where they make too few queries, or for no false alarms at all.

        The share of `false_alarms` is held on rehearsed queries of kinds that were not learned from, many of
        which ask in words that what is left does not use, and, from LEAST of them on, on `judged` ones, which
        have something relevant in the shop: half-way between the bounds of the two. The first are harder than
        what customers ask, the second may well be easier. A query whose words all stand in one title is not
        counted: it always fits, and where most are such, a share of all would be a bound on none of the rest.
        """
        asked = rehearsals(catalogue, seed)
        fits = np.array([each.fits for each in asked], np.bool_)
        if not false_alarms or min(fits.sum(), (~fits).sum()) < LEAST:
            return None
        signs = _signs(asked, catalogue, encoder)
        weights, offset = _fitted(signs, fits)
        held_out = _held_out(signs, fits, [each.kind for each in asked], seed)
        held_out[[_all_in_a_title(each.text, catalogue, each.left) for each in asked]] = np.inf
        made = cls(tuple(weights.tolist()), offset, -np.inf, {})
        known = _encoded(judged, encoder) if judged else {}
        odds = [made.odds_of(_asked(one, vector, catalogue), catalogue) for one, vector in known.items()]
        told = {"rehearsed queries": held_out[fits], "judged queries": np.array(odds)}
        decided = {name: each[np.isfinite(each)] for name, each in told.items()}
        present = {name: each for name, each in decided.items() if len(each) >= LEAST}
        if "rehearsed queries" not in present:
            return None
        bounds = {
            name: float(np.quantile(each, false_alarms, method="lower")) for name, each in present.items()
        }
        least = float(np.mean(list(bounds.values())))
        log = {
            "false_alarms": {name: round(float((each < least).mean()), 4) for name, each in present.items()},
            "n": {name: len(each) for name, each in present.items()},
            "rehearsed": len({each.text for each in asked}),
            "noticed_of_withheld_kinds": round(float((held_out[~fits] < least).mean()), 4),
            "weights": dict(zip(NAMES, (round(float(each), 3) for each in weights), strict=True)),
        }
        return replace(made, least=least, log=log)

    @classmethod
    def of(cls, plain: dict[str, Any] | None) -> Self | None:
        """What `plain` made of it."""
        return None if plain is None else cls(**{**plain, "weights": tuple(plain["weights"])})

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {"weights": self.weights, "offset": self.offset, "least": self.least, "log": self.log}

    def fits(self, asked: Asked, catalogue: Catalogue) -> bool:
        """Whether something fits a query."""
        return self.odds_of(asked, catalogue) >= self.least

    def odds_of(self, asked: Asked, catalogue: Catalogue) -> float:
        """The logarithm of the odds that something in the whole catalogue fits a query.

        Infinite where one title has all its words: whoever writes "tent" where tents are sold has found them.
        """
        every = np.ones(len(catalogue.titles), np.bool_)
        if _all_in_a_title(asked.text, catalogue, every):
            return np.inf
        signs = signs_of(asked, catalogue, every)
        return float(np.array(self.weights) @ signs.astype(np.float64)) + self.offset


def _all_in_a_title(text: str, catalogue: Catalogue, left: NDArray[np.bool_]) -> bool:
    """Whether one title has all words of a query, of those that are left [I]."""
    words, titles = content_words(text), catalogue.titles
    if not words:
        return False
    others = catalogue.synonyms.docs(titles, text)
    rows = docs_with(titles, max(words, key=titles.idf), others)  # such a title has the rarest word
    covered = catalogue.synonyms.covered(titles, text, words, rows[left[rows]].astype(np.int64))
    return float(covered.max(initial=0.0)) > 1 - 1e-4


def _signs(asked: Sequence[Rehearsed], catalogue: Catalogue, encoder: Encoder) -> F32:
    """The signs [len(asked), len(NAMES)] of rehearsed queries, each compared with the catalogue once."""
    vectors = _encoded([each.text for each in asked], encoder)
    found = np.zeros((len(asked), len(NAMES)), np.float32)
    numbered = sorted(enumerate(asked), key=lambda each: each[1].text)
    for text, group in groupby(numbered, key=lambda each: each[1].text):
        one = _asked(text, vectors[text], catalogue)
        for i, each in group:
            found[i] = signs_of(one, catalogue, each.left)
    return found


def _encoded(texts: Sequence[str], encoder: Encoder) -> dict[str, F32]:
    some = list(dict.fromkeys(texts))
    return dict(zip(some, encoder.encode(some, role="query"), strict=True))


def _asked(text: str, vector: F32, catalogue: Catalogue) -> Asked:
    cosines = np.asarray(catalogue.vectors @ vector, np.float32)
    return Asked(text, np.arange(len(cosines)), cosines, standardise(cosines[None])[0])


def _fitted(signs: F32, fits: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Weights of the signs as they are, and what is added."""
    mean, spread = signs.mean(axis=0), np.maximum(signs.std(axis=0), 1e-6)
    model = LogisticRegression(class_weight="balanced", C=1.0).fit((signs - mean) / spread, fits)
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - weights @ mean)


def _held_out(signs: F32, fits: NDArray[np.bool_], kinds: Sequence[int], seed: int) -> NDArray[np.float64]:
    """The log odds [n] of each query by what has seen none of its kind."""
    numbers, place = np.unique(kinds, return_inverse=True)
    fold = (stream(seed, "search", "presence folds").permutation(len(numbers)) % N_FOLDS)[place]
    found = np.zeros(len(fits))
    for each in np.unique(fold):
        weights, offset = _fitted(signs[fold != each], fits[fold != each])
        found[fold == each] = signs[fold == each] @ weights + offset
    return found
