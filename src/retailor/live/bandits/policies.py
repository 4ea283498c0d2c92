"""Policies that could order the lists, and the log beside one of them: what `offpolicy` evaluates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.live.bandits.bandit import Traits, features_for
from retailor.live.bandits.beliefs import Beliefs, Panel, looks
from retailor.live.bandits.mixture import Mixture
from retailor.live.bandits.offpolicy import Logged
from retailor.live.bandits.shown import Shown
from retailor.live.settings import BanditSettings

F64 = NDArray[np.float64]
Answers = Sequence[tuple[Shown, frozenset[str]]]
"""What was shown, each with those of its items that were chosen; oldest first."""


@dataclass(frozen=True)
class Lists:
    """The lists that a policy may show in the place of an answer, and how probable each is."""

    lists: Sequence[Sequence[str]]
    weights: F64


Policy = Callable[[Shown], Lists]


def base(one: Shown) -> Lists:
    """The task's own order."""
    return Lists([(one.pool or one.items)[: len(one.items)]], np.ones(1))


def by_panel(panel: Panel, settings: BanditSettings, traits: Traits) -> Policy:
    """The bandit with these settings, at what is believed by a panel."""

    def policy(one: Shown) -> Lists:
        pool, k = one.pool or one.items, len(one.items)
        scores = panel.scores(features_for(one, traits, pool), pool)
        mixture = Mixture.of(scores, k, settings)
        return Lists([[pool[place] for place in row] for row in mixture.lists], mixture.weights)

    return policy


def given(lists: Mapping[str, Sequence[str]]) -> Policy:
    """Lists made elsewhere, by the `query_id` of the answer. The policy raises DataError for one without."""

    def policy(one: Shown) -> Lists:
        if one.query_id not in lists:
            raise DataError(
                "the file of lists has none for an answer of the log; give one for each `query_id`.",
                column="query_id",
                value=one.query_id,
            )
        return Lists([lists[one.query_id][: len(one.items)]], np.ones(1))

    return policy


def beliefs_of(answers: Answers, traits: Traits) -> Beliefs:
    """What is believed after some answers."""
    found = Beliefs(features_for(answers[0][0], traits, ()).shape[1])
    for one, chosen in answers:
        features, look = features_for(one, traits), looks(one.first, len(one.items))
        found.add_shown(features, one.items, look)
        places = [place for place, item_id in enumerate(one.items) if item_id in chosen]
        found.add_chosen(features[places], [one.items[place] for place in places], look[places])
    return found


def logged(answers: Answers, policy: Policy, traits: Traits) -> Logged:
    """The answers beside a policy. What the model expects of a customer it learned from the others.

    Raises DataError without answers.
    """
    if not answers:
        raise DataError("the log has no answers to evaluate a policy by: see [serve.impressions].")
    folds = [_fold(one) for one, _ in answers]
    models = [
        _model([each for each, own in zip(answers, folds, strict=True) if own != fold], traits)
        for fold in (0, 1)
    ]
    most = max(len(one.items) for one, _ in answers)
    there = np.zeros((len(answers), most), bool)
    told, picked, probable, predicted, expected = (np.zeros((len(answers), most)) for _ in range(5))
    for row, (one, chosen) in enumerate(answers):
        k = len(one.items)
        there[row, :k] = True
        told[row, :k] = np.nan if one.propensities is None else one.propensities
        picked[row, :k] = [item_id in chosen for item_id in one.items]
        beside = _beside(one, policy(one), models[folds[row]], traits)
        probable[row, :k], predicted[row, :k], expected[row, :k] = beside
    return Logged(_customers(answers), there, told, picked, probable, predicted, expected)


def _beside(one: Shown, found: Lists, model: Panel | None, traits: Traits) -> tuple[F64, F64, F64]:
    """Of each place of an answer [k]: how probable the policy has the item there that was shown; what the
    model expects of that item, and of the policy."""
    k = len(one.items)
    ids = list(dict.fromkeys([*one.items, *(each for row in found.lists for each in row)]))
    at = {item_id: row for row, item_id in enumerate(ids)}
    lists = np.full((len(found.lists), k), -1)
    for row, each in enumerate(found.lists):
        lists[row, : len(each)] = [at[item_id] for item_id in each]
    probable = found.weights @ (lists == np.arange(k))  # what was shown comes first among the ids
    worth = np.zeros(len(ids) + 1)  # the last for a place that a list does not have
    if model is not None:
        worth[:-1] = np.clip(model.scores(features_for(one, traits, ids), ids)[0], 0, 1)
    look = looks(one.first, k)
    return probable, look * worth[:k], look * (found.weights @ worth[lists])


def _model(answers: Answers, traits: Traits) -> Panel | None:
    return beliefs_of(answers, traits).panel(1, 0) if answers else None


def _fold(one: Shown) -> int:
    """The half that a customer's answers are in; of nobody known, the answer's own."""
    return hashlib.blake2b((one.user_id or one.query_id).encode()).digest()[0] % 2


def _customers(answers: Answers) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    names = (f"u{one.user_id}" if one.user_id is not None else f"q{one.query_id}" for one, _ in answers)
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
