"""Figures of several workers as those of one server: Prometheus's own way, files that any of them can sum.

Counters and histograms of the workers are summed, those that have died included, so that none goes back. A
gauge is what its `_GAUGES` says; one that is not there stands a worker with the label `pid`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, multiprocess
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

FILES = "metrics"
"""Where they lie in the folder of the workers."""
_GAUGES = {
    "retailor_queue": "livesum",
    "retailor_ready": "livemin",
    "retailor_experiment_customers": "max",
    "retailor_experiment_events": "max",
    "retailor_drift": "livemostrecent",
    "retailor_drift_alarm": "livemostrecent",
    "retailor_bandit_choice_share": "livemostrecent",
    "retailor_bandit_answers": "livemostrecent",
    "retailor_bandit_stopped": "livemostrecent",
}
"""What all workers know from the log of events is theirs together: it is not summed."""
_OF_THE_LOG = ("retailor_experiment_events",)
"""Counters that every worker reads from the log."""


class Written:
    """What a worker writes of figures that are counted elsewhere; the client library writes its own."""

    def __init__(self, folder: Path, pid: int) -> None:
        self._folder, self._pid = folder, pid
        self._files: dict[str, MmapedDict] = {}
        self._lock = Lock()

    def write(self, families: Iterable[Metric]) -> None:
        """The figures as they are now."""
        at = time.time()
        with self._lock:
            for family in families:
                if family.type == "gauge" or family.name in _OF_THE_LOG:
                    kind = f"gauge_{_GAUGES.get(family.name, 'liveall')}_{self._pid}"
                else:
                    kind = f"{family.type}_counted_{self._pid}"
                for sample in _apart(family):
                    names, values = [*sample.labels], [*sample.labels.values()]
                    key = mmap_key(family.name, sample.name, names, values, family.documentation)
                    self._file(kind).write_value(key, sample.value, at)  # type: ignore[no-untyped-call]

    def _file(self, kind: str) -> MmapedDict:
        if kind not in self._files:
            self._files[kind] = MmapedDict(str(self._folder / f"{kind}.db"))  # type: ignore[no-untyped-call]
        return self._files[kind]


def _apart(family: Metric) -> Iterator[Sample]:
    """Samples as the files have them: a bucket is what is in it alone, and a count follows from them."""
    if family.type != "histogram":
        yield from family.samples
        return
    before: dict[tuple[tuple[str, str], ...], float] = {}
    for each in family.samples:
        if each.name.endswith("_bucket"):
            own = tuple(sorted((k, v) for k, v in each.labels.items() if k != "le"))
            yield each._replace(value=each.value - before.get(own, 0.0))
            before[own] = each.value
        elif each.name.endswith("_sum"):
            yield each


class Summed(Collector):
    """What all workers have written."""

    def __init__(self, folder: Path) -> None:
        self._found: Any = multiprocess.MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        for family in self._found.collect():
            if family.name in _OF_THE_LOG:
                family.type = "counter"
            yield family

    def registry(self) -> CollectorRegistry:
        made = CollectorRegistry()
        made.register(self)
        return made


def forget_worker(folder: Path, pid: int) -> None:
    """Of a worker that has ended, what it counted stays; what it has is no more."""
    multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
