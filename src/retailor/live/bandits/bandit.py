"""A bandit that learns from the log: what was shown and chosen becomes beliefs, and these become orders.

The log is its only state: whoever starts reads the latest answers again and comes to the same beliefs, and
whoever was forgotten is not among them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from retailor.live.bandits.beliefs import Beliefs, Panel, features_of, looks
from retailor.live.bandits.shown import Shown, chosen_of, shown_of
from retailor.live.events.log import Log
from retailor.live.settings import BanditSettings
from retailor.live.shapes import Line
from retailor.live.watch.experiment import LEAST_EACH, half_width

F64 = NDArray[np.float64]
Traits = Callable[[Sequence[str]], F64]
"""Item ids to what their texts say [n, t], zero for an item that is not known."""
MAX_OPEN = 20_000
"""So many latest answers may still be chosen from; a later choice is in the log alone."""
BLOCK = 512
"""Lines that are taken in at once."""
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
    """Learns from a log. `learn` is called by one thread; the rest is there for any."""

    def __init__(self, log: Log, settings: BanditSettings, task: str = "recommend") -> None:
        self.log, self.settings, self.task = log, settings, task
        self.panel: Panel | None = None
        """None: nothing is ordered, because nothing is known yet or the bandit was stopped."""
        self.state = State(0, 0, 0, None, None, None, None, False)
        self._n_forgotten = 0
        self._known: tuple[str, int] = ("", 0)
        self._anew()

    def _anew(self) -> None:
        self._number = self._concluded = -1
        self._beliefs: Beliefs | None = None
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._early: OrderedDict[str, set[str]] = OrderedDict()
        self._sides = {True: Side(), False: Side()}
        self._n = 0

    def forget(self) -> None:
        """Orders nothing by what is believed until the log was read anew; from any thread."""
        self._n_forgotten += 1
        self.panel = None

    def learn(self, traits: Traits, fitted: str) -> bool:
        """Takes in what is new in the log, and makes another panel; False where nothing is new.

        `fitted`: the fingerprint of what gives the traits. With another one all is learned anew, as it is
        where somebody was forgotten.
        """
        n_forgotten = self._n_forgotten
        known = (fitted, n_forgotten)
        if known != self._known or self._n > 2 * self.settings.remembered:
            self._anew()
            self._known = known
        if not self._take_new(traits):
            self._anew()
            self._take_new(traits)
        if self._number == self._concluded and self.panel is not None:
            return False
        panel = self._conclude()
        if n_forgotten != self._n_forgotten:
            return True
        self.panel, self._concluded = panel, self._number
        return True

    def _take_new(self, traits: Traits) -> bool:
        """Whether all new lines were taken in; not where somebody was forgotten who may be among the old."""
        is_anew = self._number < 0
        if is_anew:
            self._number = self.log.number_of_answer(self.settings.remembered)
        for block in _blocks(self.log.answers(self._number)):
            if not is_anew and any(line.what == "forgot" for _, line in block):
                return False
            self.add([line for _, line in block], traits)
            self._number = block[-1][0]
        return True

    def add(self, lines: Sequence[Line], traits: Traits) -> None:
        """Takes in some lines, in the order of the log."""
        shown = [shown_of(line) for line in lines if line.what == "shown"]
        self._shown([one for one in shown if one.task == self.task and one.items], traits)
        for line in lines:
            found = chosen_of(line)
            if found is not None and found.kind in self.settings.goal:
                self._chosen(found.query_id, found.item_id)

    def _shown(self, shown: Sequence[Shown], traits: Traits) -> None:
        if not shown:
            return
        known = looked_up(shown, traits)
        features = [features_for(one, known) for one in shown]
        if self._beliefs is None:
            self._beliefs = Beliefs(features[0].shape[1])
        look = [looks(one.first, len(one.items)) for one in shown]
        ids = [item_id for one in shown for item_id in one.items]
        self._beliefs.add_shown(np.concatenate(features), ids, np.concatenate(look))
        self._n += len(shown)
        for one, rows, seen in zip(shown, features, look, strict=True):
            side = self._sides[one.by in ("mean", "draw")] if one.pool else Side()
            side.n += 1
            self._open[one.query_id] = _Open(one.items, rows, seen, side, set(range(len(one.items))))
            for item_id in self._early.pop(one.query_id, ()):
                self._chosen(one.query_id, item_id)
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)

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

    def _conclude(self) -> Panel | None:
        beliefs = self._beliefs
        if beliefs is None:
            return None
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
        return (
            None
            if stopped
            else beliefs.panel(self.settings.draws, self._number, boldness=self.settings.boldness)
        )


def _blocks(lines: Iterable[tuple[int, Line]]) -> Iterator[list[tuple[int, Line]]]:
    left = iter(lines)
    while block := list(islice(left, BLOCK)):
        yield block


def features_for(one: Shown, traits: Traits, items: Sequence[str] | None = None) -> F64:
    """φ of the items that an answer showed [k, dim], or of others of its pool."""
    items = one.items if items is None else items
    own = {item_id: place for place, item_id in enumerate(one.pool or one.items, one.first)}
    ranks = np.array([own.get(each, len(own) + one.first) for each in items], np.float64)
    return features_of(traits(items), customer_of(one.seen, traits), ranks)


def looked_up(shown: Sequence[Shown], traits: Traits) -> Traits:
    """The same traits, of the items of some answers, asked for once."""
    ids = list(dict.fromkeys(each for one in shown for each in (*one.items, *one.seen)))
    table, at = traits(ids), {item_id: row for row, item_id in enumerate(ids)}
    return lambda item_ids: table[[at[each] for each in item_ids]]


def customer_of(seen: Sequence[str], traits: Traits) -> F64:
    """What the customer's latest items have in common [t]: their mean; zero for nobody known."""
    found = traits(seen)
    return np.asarray(found.mean(axis=0) if len(seen) else np.zeros(found.shape[1]), np.float64)


def difference(held: Side, ordered: Side, settings: BanditSettings) -> tuple[float | None, float | None]:
    """Bounds of the difference of the shares of answers with a choice, ordered less held, at all times."""
    sides = (held, ordered)
    if min(min(each.n_with_choice, each.n - each.n_with_choice) for each in sides) < LEAST_EACH:
        return None, None
    shares = (settings.held, 1 - settings.held)
    variance = sum(side.rate * (1 - side.rate) / share for side, share in zip(sides, shares, strict=True))
    half = math.sqrt(variance) * half_width(held.n + ordered.n, alpha=1 - settings.confidence)
    d = ordered.rate - held.rate
    return d - half, d + half
