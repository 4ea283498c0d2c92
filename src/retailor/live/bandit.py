"""A bandit that learns from the log: what was shown and chosen becomes beliefs, and these orders to draw from.

The log is its only state: whoever starts reads the latest answers again and comes to the same beliefs, and
whoever was forgotten is not among them.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retailor.live.beliefs import Beliefs, Panel, features_of, looks
from retailor.live.experiment import LEAST_EACH, half_width
from retailor.live.log import Log
from retailor.live.settings import BanditSettings
from retailor.live.shapes import Line
from retailor.live.shown import Shown, chosen_of, shown_of

F64 = NDArray[np.float64]
Traits = Callable[[Sequence[str]], F64]
"""Item ids to what their texts say [n, t], zero for an item that is not known."""
MAX_OPEN = 20_000
"""So many latest answers may still be chosen from; a later choice is in the log alone."""
MAX_EARLY = 10_000
"""Choices that came before the line of their answer."""


@dataclass
class Side:
    """Answers with the task's own order, or with the bandit's."""

    n: int = 0
    n_with_choice: int = 0

    @property
    def rate(self) -> float:
        return self.n_with_choice / max(1, self.n)


@dataclass(frozen=True)
class State:
    """How a bandit stands."""

    n_answers: int
    n_chosen: int
    n_items: int
    held: float | None
    """The share of answers with a choice where the list stayed as it was; None where there is none yet."""
    ordered: float | None
    """The same where the bandit ordered it."""
    low: float | None
    high: float | None
    """Bounds of the difference that hold at all times; None with too few choices."""
    is_stopped: bool
    """Whether it was worse than it may be, and orders nothing any more."""


@dataclass
class _Open:
    items: tuple[str, ...]
    features: F64
    look: F64
    side: Side
    left: set[int] = field(default_factory=set)
    """Places that were not chosen yet."""
    has_choice: bool = False


class Learner:
    """Learns from a log. `learn` is called by one thread, `panel` and `state` are there for any."""

    def __init__(self, log: Log, settings: BanditSettings, task: str = "recommend") -> None:
        self.log, self.settings, self.task = log, settings, task
        self.panel: Panel | None = None
        """None: nothing is ordered, because nothing is known yet or the bandit was stopped."""
        self.state = State(0, 0, 0, None, None, None, None, False)
        self._lock = threading.Lock()
        self._fitted = ""
        self._anew()

    def _anew(self) -> None:
        self._number = -1
        self._beliefs: Beliefs | None = None
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._early: OrderedDict[str, set[str]] = OrderedDict()
        self._sides = {True: Side(), False: Side()}
        self._n = 0

    def forget(self) -> None:
        """Orders nothing by what is believed until the log was read anew."""
        with self._lock:
            self.panel = None
            self._anew()

    def learn(self, traits: Traits, fitted: str) -> bool:
        """Takes in what is new in the log, and makes another panel; False where nothing is new.

        `fitted`: the fingerprint of what gives the traits. With another one all is learned anew.
        """
        with self._lock:
            if fitted != self._fitted or self._n > 2 * self.settings.remembered:
                self._fitted = fitted
                self._anew()
            if self._number < 0:
                self._number = self.log.number_of_answer(self.settings.remembered)
            before, lines = self._number, list(self.log.answers(self._number))
            if any(line.what == "forgot" for _, line in lines) and self._n:
                self._anew()
                self._number = before = self.log.number_of_answer(self.settings.remembered)
                lines = list(self.log.answers(self._number))
            self.add((line for _, line in lines), traits)
            self._number = lines[-1][0] if lines else before
            if self._number == before and self.panel is not None:
                return False
            self._conclude()
            return True

    def add(self, lines: Iterable[Line], traits: Traits) -> None:
        """Takes in lines, in the order of the log."""
        for line in lines:
            if line.what == "shown":
                one = shown_of(line)
                if one.task == self.task and one.items:
                    self._shown(one, traits)
            elif (found := chosen_of(line)) is not None and found.kind in self.settings.goal:
                self._chosen(found.query_id, found.item_id)

    def _shown(self, one: Shown, traits: Traits) -> None:
        features = features_for(one, traits)
        if self._beliefs is None:
            self._beliefs = Beliefs(features.shape[1])
        look = looks(one.first, len(one.items))
        self._beliefs.add_shown(features, one.items, look)
        side = self._sides[one.by in ("mean", "draw")] if one.pool else Side()
        side.n += 1
        self._n += 1
        self._open[one.query_id] = _Open(one.items, features, look, side, set(range(len(one.items))))
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        for item_id in self._early.pop(one.query_id, ()):
            self._chosen(one.query_id, item_id)

    def _chosen(self, query_id: str, item_id: str) -> None:
        one = self._open.get(query_id)
        if one is None:
            self._early.setdefault(query_id, set()).add(item_id)
            if len(self._early) > MAX_EARLY:
                self._early.popitem(last=False)
            return
        place = one.items.index(item_id) if item_id in one.items else -1
        if place not in one.left or self._beliefs is None:
            return
        one.left.remove(place)
        self._beliefs.add_chosen(one.features[[place]], [item_id], one.look[[place]])
        one.side.n_with_choice += not one.has_choice
        one.has_choice = True

    def _conclude(self) -> None:
        beliefs = self._beliefs
        if beliefs is None:
            return
        held, ordered = self._sides[False], self._sides[True]
        low, high = difference(held, ordered, self.settings)
        stopped = high is not None and high < -self.settings.worst * held.rate
        self.state = State(
            self._n,
            beliefs.n_chosen,
            len(beliefs.rows),
            held.rate if held.n else None,
            ordered.rate if ordered.n else None,
            low,
            high,
            stopped,
        )
        self.panel = None if stopped else beliefs.panel(self.settings.draws, self._number)


def features_for(one: Shown, traits: Traits, items: Sequence[str] | None = None) -> F64:
    """φ of the items that an answer showed [k, dim], or of others of its pool."""
    items = one.items if items is None else items
    own = {item_id: place for place, item_id in enumerate(one.pool or one.items, one.first)}
    ranks = np.array([own.get(each, len(own) + one.first) for each in items], np.float64)
    return features_of(traits(items), customer_of(one.seen, traits), ranks)


def customer_of(seen: Sequence[str], traits: Traits) -> F64:
    """What the customer's latest items have in common [t]: their mean; zero for nobody known."""
    if not seen:
        return np.zeros(traits(()).shape[1])
    return np.asarray(traits(seen).mean(axis=0), np.float64)


def difference(held: Side, ordered: Side, settings: BanditSettings) -> tuple[float | None, float | None]:
    """Bounds of the difference of the shares of answers with a choice, ordered less held, at all times."""
    sides = (held, ordered)
    if min(min(each.n_with_choice, each.n - each.n_with_choice) for each in sides) < LEAST_EACH:
        return None, None
    shares = (settings.held, 1 - settings.held)
    variance = sum(
        side.rate * (1 - side.rate) / share for side, share in zip(sides, shares, strict=True)
    )
    half = math.sqrt(variance) * half_width(held.n + ordered.n, alpha=1 - settings.confidence)
    d = ordered.rate - held.rate
    return d - half, d + half

