"""What Prometheus reads at `/metrics`. Labels are routes and task kinds, never ids or words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from retailor.serve.batching import Tally
from retailor.serve.service import Service
from retailor.serve.workers.figures import Summed, Written

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_COUNTS = {
    "requests": ("n_requests", "Questions put to a task."),
    "cache_hits": ("n_hits", "Questions answered from the cache."),
    "joined": ("n_joined", "Questions answered together with an equal one that was being answered."),
    "rejected": ("n_rejected", "Questions refused because the queue was full."),
    "late": ("n_late", "Questions whose answer took too long."),
    "failed": ("n_failed", "Questions on which the task failed."),
}


class Metrics:
    """The metrics of one app, in a registry of their own; those of all workers where this is one of some."""

    def __init__(self, service: Service, files: Path | None = None, *, shop: str = "") -> None:
        """`files`: the folder of the workers' figures (see `worker_metrics`); `shop`: which of several."""
        self._service, self._shop = service, shop
        self._written = None if files is None else Written(files, os.getpid())
        self._summed = None if files is None else Summed(files)
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "retailor_http_requests", "HTTP requests.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "retailor_http_request_seconds", "Time to answer.", ("route",),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.drafts = Counter(
            "retailor_generated_drafts", "Generated drafts handed out.", registry=self.registry
        )
        # What the process takes is nobody's of several shops.
        self._counted: tuple[Any, ...] = (_ServiceMetrics(service),)
        if not shop:
            self._counted += (ProcessCollector(registry=None),)
        for each in self._counted:
            self.registry.register(each)

    def saw(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one HTTP request."""
        counter = self._children.get((route, method, status))
        if counter is None:  # a route, a method and a status each: they are few
            counter = self._children[route, method, status] = (
                self._requests.labels(route, method, str(status)), self._seconds.labels(route)
            )  # fmt: skip
        counter[0].inc()
        counter[1].observe(seconds)

    def text(self) -> bytes:
        """All of them in the Prometheus text format; those of one of several shops say which."""
        if self._summed is None:
            return generate_latest(ByShop({self._shop: self.registry}) if self._shop else self.registry)
        self.write()
        return generate_latest(self._summed.registry())

    def write(self) -> None:
        """Has the other workers know what is counted here."""
        if self._written is not None:
            self._written.write(family for each in self._counted for family in each.collect())

    def n_shown(self) -> int:
        """How many answers were noted, by all workers."""
        showing = self._service.showing()
        if self._summed is None:
            return 0 if showing is None else showing.n_shown
        self.write()
        samples = (one for family in self._summed.collect() for one in family.samples)
        return int(sum(one.value for one in samples if one.name == "retailor_shown_total"))


class ByShop(Collector):
    """The figures of several registries with the label `shop`: each family once, as Prometheus asks."""

    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for shop, registry in self._registries.items():
            for each in registry.collect():
                family = families.setdefault(each.name, Metric(each.name, each.documentation, each.type))
                family.samples += [
                    sample._replace(labels={"shop": shop, **sample.labels}) for sample in each.samples
                ]
        yield from families.values()


class _ServiceMetrics:
    """Reads the service's own counts at the moment they are asked for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        tallies = self._service.tallies
        for name, (field, text) in _COUNTS.items():
            counts = CounterMetricFamily(f"retailor_task_{name}", text, labels=["task"])
            for kind, tally in tallies.items():
                counts.add_metric([kind], getattr(tally, field))
            yield counts
        sizes = HistogramMetricFamily("retailor_batch_size", "Queries predicted together.", labels=["task"])
        for kind, tally in tallies.items():
            buckets, total = _buckets(tally)
            sizes.add_metric([kind], buckets, total)
        yield sizes
        queued = GaugeMetricFamily("retailor_queue", "Questions that wait.", labels=["task"])
        for kind, n in self._service.queued().items():
            queued.add_metric([kind], n)
        yield queued
        yield CounterMetricFamily(
            "retailor_cache_failures", "Cache calls that failed and were a miss.",
            value=self._service.cache.n_failures,
        )  # fmt: skip
        yield from self._of_arms()
        yield from self._of_drift()
        yield from self._of_what_is_shown()
        ready = self._service.ready()["ready"]
        yield GaugeMetricFamily("retailor_ready", "1 when questions can be answered.", value=float(ready))

    def _of_arms(self) -> Iterator[Metric]:
        recent = self._service.recent()
        if recent is None:
            return
        customers = GaugeMetricFamily(
            "retailor_experiment_customers", "Customers in an arm.", labels=["experiment", "arm"]
        )
        events = CounterMetricFamily(
            "retailor_experiment_events", "What they did since.", labels=["experiment", "arm", "kind"]
        )
        for (experiment, arm, kind), n in sorted(recent.n_by_arm.copy().items()):
            if kind == "customers":
                customers.add_metric([experiment, arm], n)
            else:
                events.add_metric([experiment, arm, kind], n)
        yield customers
        yield events

    def _of_drift(self) -> Iterator[Metric]:
        watch = self._service.watch()
        if watch is None or not watch.days:
            return
        day = watch.days[-1]
        figures = GaugeMetricFamily(
            "retailor_drift", "A figure of the newest day with events.", labels=["figure"]
        )
        outside = GaugeMetricFamily(
            "retailor_drift_alarm", "1 where that figure is outside its limits.", labels=["figure"]
        )
        alarms = {each.figure for each in day.alarms}
        for name, value in day.figures.items():
            figures.add_metric([name], value)
            outside.add_metric([name], float(name in alarms))
        yield figures
        yield outside

    def _of_what_is_shown(self) -> Iterator[Metric]:
        showing = self._service.showing()
        if showing is None:
            return
        yield CounterMetricFamily("retailor_shown", "Answers noted.", value=showing.n_shown)
        yield CounterMetricFamily(
            "retailor_shown_lost", "Answers that the log was too slow for.", value=showing.waiting.n_lost
        )
        if showing.learner is None:
            return
        state = showing.learner.state
        shares = GaugeMetricFamily(
            "retailor_bandit_choice_share", "Share of answers with a choice.", labels=["order"]
        )
        for order, share in (("held", state.held), ("ordered", state.ordered)):
            if share is not None:
                shares.add_metric([order], share)
        yield shares
        yield GaugeMetricFamily("retailor_bandit_answers", "Answers learned from.", value=state.n_answers)
        yield GaugeMetricFamily(
            "retailor_bandit_stopped", "1 where it was worse than it may be.", value=float(state.is_stopped)
        )


def _buckets(tally: Tally) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by upper bound, and the sum of all sizes."""
    with tally.lock:
        seen = dict(tally.batch_sizes)
    bounds = [0, *SIZES]
    inside = [
        sum(n for size, n in seen.items() if low < size <= high)
        for low, high in zip(bounds, SIZES, strict=False)
    ]
    counts = [(str(float(high)), float(n)) for high, n in zip(SIZES, accumulate(inside), strict=True)]
    return [*counts, ("+Inf", float(sum(seen.values())))], float(sum(size * n for size, n in seen.items()))
