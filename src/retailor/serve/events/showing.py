"""What a server shows: noted for the log with its propensities, and ordered by a bandit."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from retailor.live.bandits.bandit import Learner, features_for
from retailor.live.bandits.mixture import Mixture, by_name
from retailor.live.bandits.shown import Shown
from retailor.live.events.log import Log
from retailor.live.settings import BanditSettings, ImpressionSettings
from retailor.live.shapes import Line
from retailor.serve.events.unwritten import Unwritten
from retailor.serve.served import Loaded

MAX_UNWRITTEN = 20_000
"""Answers that wait for the log; they are written once a second."""


@dataclass(frozen=True)
class Asked:
    """A query as it came and as it is answered: a bandit wants more items than are shown."""

    query: Any
    wide: Any
    user_id: str | None
    seen: tuple[str, ...] = ()

    @property
    def is_ordered(self) -> bool:
        return self.wide is not self.query


class Showing:
    """Safe from any thread."""

    def __init__(
        self, log: Log, impressions: ImpressionSettings, bandit: BanditSettings, task: str = "recommend"
    ) -> None:
        self.impressions, self.bandit, self.task = impressions, bandit, task
        self.learner = Learner(log, bandit, task) if bandit.explore else None
        self.waiting = Unwritten(MAX_UNWRITTEN)
        self.n_shown = 0

    def asked(self, kind: str, query: Any, user_id: str | None, loaded: Loaded) -> Asked:
        """What to ask the task, so that there is something to choose from."""
        explored = loaded.entry.explored
        if self.learner is None or kind != self.task or explored is None:
            return Asked(query, query, user_id)
        seen = explored.seen(loaded.now, query)
        if seen is None:
            return Asked(query, query, user_id)
        return Asked(query, replace(query, k=max(query.k, self.bandit.pool)), user_id, seen)

    def shown(self, kind: str, asked: Asked, answer: Any, loaded: Loaded, arm: str | None) -> tuple[Any, str]:
        """The answer as it is shown, and the `query_id` that it is known by; '' where it is not noted."""
        is_noted = kind in self.impressions.tasks and random.random() < self.impressions.share
        if not is_noted and not asked.is_ordered:
            return answer, ""
        query_id = uuid.uuid4().hex if is_noted else ""
        one = Shown(
            query_id, kind, (), None, datetime.now(UTC), asked.user_id,
            first=1 + getattr(asked.query, "offset", 0), seen=asked.seen, arm=arm,
            run=loaded.fingerprint[:12],
        )  # fmt: skip
        if asked.is_ordered:
            answer, one = self._ordered(asked, answer, one, loaded)
        else:
            ids = tuple(each.item_id for each in answer.items)
            one = replace(one, items=ids, propensities=(1.0,) * len(ids))
        if is_noted and one.items:
            self.n_shown += 1
            self.waiting.add(self._cut(one).line())
        return answer, query_id

    def _ordered(self, asked: Asked, answer: Any, one: Shown, loaded: Loaded) -> tuple[Any, Shown]:
        explored, panel = loaded.entry.explored, self.learner.panel if self.learner else None
        k = min(asked.query.k, len(answer.items))
        pool = tuple(each.item_id for each in answer.items)
        if panel is None or explored is None or k == 0:  # stopped, or forgotten, since it was asked
            ids = pool[:k]
            told = replace(one, items=ids, propensities=(1.0,) * k)
            return replace(answer, items=answer.items[:k]), told
        features = features_for(
            replace(one, pool=pool), lambda ids: explored.traits(loaded.now, ids), items=pool
        )
        mixture = Mixture.of(panel.scores(features, pool), k, self.bandit)
        number = mixture.draw(random.random())
        places = mixture.lists[number]
        told = replace(
            one,
            items=tuple(pool[place] for place in places),
            propensities=tuple(map(float, mixture.propensities(places))),
            pool=pool,
            by=by_name(number),
        )
        return replace(answer, items=tuple(answer.items[place] for place in places)), told

    def _cut(self, one: Shown) -> Shown:
        most = self.impressions.most
        told = one.propensities
        return replace(one, items=one.items[:most], propensities=None if told is None else told[:most])

    def learn(self, loaded: Loaded | None) -> None:
        """Takes in what was shown and chosen; called by one thread."""
        if self.learner is not None and loaded is not None and loaded.entry.explored is not None:
            explored = loaded.entry.explored
            self.learner.learn(lambda ids: explored.traits(loaded.now, ids), loaded.fitted)

    def write(self, append: Callable[[Sequence[Line]], Any]) -> None:
        """Writes what was noted; what cannot be written waits on."""
        self.waiting.write(append)

    def sweep(self, log: Log) -> int:
        """Answers that are too old leave the log."""
        return log.drop_answers(datetime.now(UTC) - timedelta(days=self.impressions.days))

    def forget(self, user_ids: Sequence[str]) -> None:
        """What is not yet written of some customers never is; nothing is ordered by what they chose."""
        self.waiting.forget(user_ids)
        if self.learner is not None:
            self.learner.forget()
