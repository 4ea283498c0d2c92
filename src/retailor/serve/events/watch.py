"""What a merchant wants to know and takes long to count: drift and arms, counted now and then by a thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from retailor.errors import DataError
from retailor.live.settings import DriftSettings, ExperimentSettings
from retailor.live.shop import LiveShop
from retailor.live.watch.drift import Day, drift
from retailor.live.watch.experiment import Outcome, outcome_of
from retailor.serve.served import ServedRun


class Watch:
    """Written by one thread, read by any."""

    def __init__(
        self,
        shop: LiveShop,
        served: Callable[[], ServedRun | None],
        drift: DriftSettings,
        experiment: ExperimentSettings,
    ) -> None:
        self._shop, self._served = shop, served
        self._drift, self.experiment = drift, experiment
        self.counted_at: datetime | None = None
        self.days: list[Day] = []
        self.no_drift = ""
        """Why nothing can be said of drift; '' where it can."""
        self.outcome: Outcome | None = None

    def count(self) -> None:
        """Counts anew. Of drift, the events that are in memory: those of the last 31 days at most."""
        now, run = datetime.now(UTC), self._served()
        if run is None:
            return
        try:
            since = self._shop.recent.events(run.number)
            self.days, self.no_drift = drift(run.shop.events, since, run.shop.items, self._drift), ""
        except DataError as error:
            self.days, self.no_drift = [], str(error)
        if self.experiment.name:
            lines = self._shop.log.reached(self.experiment.goal)
            self.outcome = outcome_of((line for _, line in lines), self.experiment, now)
        self.counted_at = now
