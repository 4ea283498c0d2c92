"""Runs loaded anew while they are served: on a signal, by a promotion, when somebody is forgotten."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retailor.errors import RetailorError
from retailor.live.standing import standing_run
from retailor.serve.logged import of_shop, place_of
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.serve.warm import Warmer
from retailor.shop.gone import noted_at
from retailor.tasks.entry import Entry

LOOK_EVERY_S = 1.0
_log = logging.getLogger("retailor.serve")


@contextmanager
def warms(service: Service, entries: Mapping[str, Entry], settings: ServeSettings) -> Iterator[Warmer | None]:
    """What makes answers before anyone asks, where the settings name a file of queries."""
    if settings.warm_file is None:
        yield None
        return
    warmer = Warmer(service, entries, Path(settings.warm_file))
    try:
        yield warmer
    finally:
        warmer.close()


@dataclass(frozen=True)
class Served:
    """A service of a server, and what makes answers for it before anyone asks."""

    service: Service
    warmer: Warmer | None = None
    shop: str = ""
    """Which of several shops it is of."""


@contextmanager
def reloads(served: Sequence[Served]) -> Iterator[None]:
    """Each folder is loaded anew on SIGHUP, and when another run of it was promoted."""
    ended = threading.Event()

    def reload_all() -> None:
        for each in served:
            with of_shop(each.shop):
                _reload(each.service, each.warmer)

    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: threading.Thread(target=reload_all).start())
    watching = [
        threading.Thread(target=_watch, args=(each, ended), name="standing", daemon=True) for each in served
    ]
    for thread in watching:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in watching:
            thread.join()


def _watch(served: Served, ended: threading.Event) -> None:
    with of_shop(served.shop):
        _watch_one(served.service, served.warmer, ended)


def _watch_one(service: Service, warmer: Warmer | None, ended: threading.Event) -> None:
    known = service.standing, noted_at(service.folder)
    while not ended.wait(LOOK_EVERY_S):
        try:
            now = standing_run(service.folder), noted_at(service.folder)
        except (RetailorError, OSError) as error:
            _log.error("it cannot be told which run answers: %s", error)
            continue
        except BaseException as error:  # the thread must live
            _log.error("it cannot be told which run answers: %s", type(error).__name__)
            continue
        if now != known:
            forgot, known = now[1] != known[1], now  # what does not load is not tried again every second
            _reload(service, warmer, forgot=forgot)


def _reload(service: Service, warmer: Warmer | None, *, forgot: bool = False) -> None:
    """Whatever a run fails of, the old one goes on, and so does who calls: other shops are loaded too."""
    try:
        service.reload()
        _log.info("serving '%s' anew", service.ready()["name"])
    except RetailorError as error:
        _log.error("not reloaded: %s", error)
    except BaseException as error:  # of a library, whose words may be a customer's: a panic too
        _log.error("not reloaded: %s at %s", type(error).__name__, place_of(error))
    if forgot:
        service.clear()  # answers of before, which nobody can reach but which are still there
    if warmer is not None:
        warmer.start()
