"""A living shop in a server: many requests written together, and what is new taken in by a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retailor.errors import RetailorError
from retailor.live.events.reading import read_events
from retailor.live.settings import DriftSettings
from retailor.live.shapes import Line, Refused, Taken
from retailor.serve.events.every import Every
from retailor.serve.events.group_commit import GroupCommit
from retailor.serve.events.trial import Trial
from retailor.serve.logged import kept
from retailor.shop.gone import Note
from retailor.tasks.entry import Entry

if TYPE_CHECKING:
    from retailor.live.news import News
    from retailor.live.shop import LiveShop
    from retailor.serve.events.showing import Showing
    from retailor.serve.events.watch import Watch
    from retailor.serve.served import Loaded, ServedRun
    from retailor.serve.settings import ServeSettings

SWEEP_EVERY_S = 3600.0
LOOK_EVERY_S = 1.0
READ_AT_ONCE = 50
"""Events; more of them in one request are read by a thread, beside other requests and not before them."""
_log = logging.getLogger("retailor.serve")


class Living:
    """Takes in events and changes, and calls `absorb` where there is something that tasks do not know.

    A changed item is absorbed at once, alone; events, and all that changed again, every `absorb_s` seconds.
    """

    def __init__(
        self,
        shop: LiveShop,
        absorb: Callable[[bool], None],
        *,
        absorb_s: float,
        max_queue: int,
        timeout_s: float,
        trial: Trial | None = None,
        showing: Showing | None = None,
        watch: Watch | None = None,
        is_answering: Callable[[], bool] = lambda: False,
    ) -> None:
        self.shop, self.trial, self.showing, self.watch = shop, trial, showing, watch
        self._absorb, self._absorb_s = absorb, absorb_s
        self._writer = GroupCommit(
            shop.take, max_waiting=max_queue, timeout_s=timeout_s, is_answering=is_answering
        )
        shop.forgot = self._drop
        self._wake, self._to_absorb, self._closed = threading.Event(), threading.Event(), False
        self._known = (0, 0)
        self._absorbed_at = time.monotonic()
        # Two threads: while tasks take in what is new, which may be long, the log is read on.
        self._threads = [
            threading.Thread(target=kept(self._again), args=(wake, work), name=name, daemon=True)
            for name, wake, work in (
                ("living", self._wake, self._follow), ("absorbing", self._to_absorb, self._look)
            )
        ]  # fmt: skip
        for thread in self._threads:
            thread.start()
        self._beside: list[Every] = []

    def beside(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        """Has a thread of its own do some work every so many seconds, until this is closed."""
        self._beside.append(Every(name, seconds, work))

    async def take(self, rows: Sequence[Any], own: Callable[[str | None], str | None]) -> Taken:
        """Writes what was sent; what became of it, once it is on the disk. `own` gives a customer's id."""
        read = _read(rows, own) if len(rows) <= READ_AT_ONCE else await asyncio.to_thread(_read, rows, own)
        lines, refused = read
        done = await self._writer.take(lines)
        # The places among all that was sent, not among those that could be read.
        bad = {each.place for each in refused}
        good = [place for place in range(len(rows)) if place not in bad]
        later = [Refused(good[each.place], each.reason) for each in done.refused]
        every = sorted([*refused, *later], key=lambda each: each.place)
        return Taken(done.n_accepted, done.n_repeated, tuple(every))

    def forget(self, user_ids: Sequence[str]) -> int:
        """Forgets what some customers did; how many lines of the log that was."""
        self._drop(user_ids)
        n = self.shop.forget(user_ids)
        if self.showing is not None:
            self.showing.forget(user_ids)  # again: meanwhile the log may have been read once more
        return n

    def notes(self, kind: str) -> bool:
        """Whether each answer of a task that is shown is written down, and may be ordered anew."""
        return self.showing is not None and kind in self.showing.impressions.tasks

    def soon(self) -> None:
        """An item has changed: look now."""
        self._wake.set()

    def _again(self, wake: threading.Event, work: Callable[[], None]) -> None:
        while not self._closed:
            wake.wait(LOOK_EVERY_S)
            wake.clear()
            if self._closed:
                return
            try:
                work()
            except RetailorError as error:
                _log.error("what is new could not be taken in: %s", error)
            except BaseException as error:  # a panic of Polars too: the thread must live, and tries again
                _log.error("what is new could not be taken in: %s", type(error).__name__)

    def _follow(self) -> None:
        self._tell()
        self.shop.catch_up()
        self._to_absorb.set()

    def _drop(self, user_ids: Sequence[str]) -> None:
        """What waits to be written of some customers is not."""
        for each in self._writers():
            each.forget(user_ids)

    def _writers(self) -> list[Trial | Showing]:
        return [each for each in (self.trial, self.showing) if each is not None]

    def _tell(self) -> None:
        for each in self._writers():
            each.write(self.shop.log.append)

    def _look(self) -> None:
        changes, number = self.shop.recent.n_changes, self.shop.recent.number
        waited_s = time.monotonic() - self._absorbed_at
        with_events = number != self._known[1] and waited_s >= self._absorb_s
        if changes != self._known[0] or with_events:
            # Before the work: one that fails is not tried again every second.
            self._known = changes, number if with_events else self._known[1]
            if with_events:
                self._absorbed_at = time.monotonic()
            self._absorb(with_events)

    def close(self, timeout_s: float) -> None:
        """Writes what waits, stops the thread and lets go of the log."""
        self._writer.close(timeout_s)
        self._closed = True
        for wake in (self._wake, self._to_absorb):
            wake.set()
        for thread in self._threads:
            thread.join(timeout_s)
        for each in self._beside:
            each.close(timeout_s)
        try:
            self._tell()
        except RetailorError as error:
            _log.error("who was answered by which arm, and what was shown, could not be written: %s", error)
        self.shop.close()


def _read(rows: Sequence[Any], own: Callable[[str | None], str | None]) -> tuple[list[Line], list[Refused]]:
    lines, refused = read_events(rows, datetime.now(UTC))
    return [replace(each, user_id=own(each.user_id)) for each in lines], refused


def living_of(
    settings: ServeSettings,
    entries: Mapping[str, Entry],
    absorb: Callable[[bool], None],
    served: Callable[[], ServedRun | None],
    drift: DriftSettings,
    news: News | None = None,
) -> Living | None:
    """What the settings ask for, at work; None where no events are kept. `served` gives the run of now,
    `news` is what the workers of a server tell each other by."""
    if settings.events_url is None:
        return None
    from retailor.live.shop import LiveShop
    from retailor.serve.events.showing import Showing
    from retailor.serve.events.watch import Watch

    trial = Trial(settings.experiment, entries) if settings.experiment.name else None
    shop = LiveShop.open(settings.events_url, news)
    showing = Showing(shop.log, settings.impressions, settings.bandit) if settings.impressions.tasks else None
    watch = Watch(shop, served, drift, settings.experiment)
    made = Living(
        shop,
        absorb,
        absorb_s=settings.absorb_s,
        max_queue=settings.max_queue,
        timeout_s=settings.timeout_s,
        trial=trial,
        showing=showing,
        watch=watch,
        is_answering=lambda: (run := served()) is not None and run.is_answering(),
    )
    made.beside("counting", settings.watch_s, watch.count)
    if showing is not None:
        made.beside("sweeping", SWEEP_EVERY_S, lambda: showing.sweep(shop.log))
        if showing.learner is not None:
            made.beside(
                "learning", settings.bandit.learn_s, lambda: showing.learn(_task(served(), showing.task))
            )
    return made


def mend_log(url: str, folder: Path, run: ServedRun) -> None:
    """Makes a log from a backup fit for the run of now, and says so; it changes nothing of any other."""
    from retailor.live.events.log import Log
    from retailor.live.events.restored import restored

    log = Log.open(url)
    try:
        done = restored(log, run.number, Note.read(folder))
    finally:
        log.close()
    if done.goes_on_at is not None:
        _log.warning(
            "the log of events ends before what the run was fitted on: is it a backup? It goes on at line %d",
            done.goes_on_at,
        )
    if done.n_forgotten:
        _log.warning("%d lines of people who had been forgotten are deleted again", done.n_forgotten)


def _task(run: ServedRun | None, kind: str) -> Loaded | None:
    return None if run is None else run.tasks.get(kind)
