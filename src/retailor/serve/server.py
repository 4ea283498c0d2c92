"""A server that listens, stops cleanly and reloads: sockets, signals and uvicorn. No routes."""

from __future__ import annotations

import logging
import logging.config
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp

from retailor.errors import ConfigError
from retailor.live.settings import DriftSettings
from retailor.serve.app import make_app
from retailor.serve.door.connections import bounded_connections
from retailor.serve.events.every import Every
from retailor.serve.logged import log_settings
from retailor.serve.memory import few_arenas, leave_alone_what_is_loaded
from retailor.serve.metrics import Metrics
from retailor.serve.reloading import Served, reloads, warms
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.tasks.entry import Entry

if TYPE_CHECKING:
    from retailor.serve.workers.crew import Worker

BACKLOG = 2048
"""Connections that the system holds until we accept them."""
AT_ONCE = 16
"""Connections accepted before one of them is looked at: more could use up the file handles."""
LOOK_EVERY_S = 1.0
SWITCH_S = 0.001
"""How long a thread that computes keeps the interpreter from one that waits for it (Python's own is 0.005):
the thread of all connections gives it up at each read and write, and would wait so long to go on."""
_log = logging.getLogger("retailor.serve")


def serve(
    folder: Path,
    entries: Mapping[str, Entry] | str,
    settings: ServeSettings | None = None,
    drift: DriftSettings | None = None,
) -> None:
    """Serves a run folder, or a saved task, until SIGTERM or Ctrl-C; requests in flight are finished first.

    `entries`: the tasks, or where they are imported from, as `module:NAME`, which several workers need.
    SIGHUP loads the folder anew without a pause. Raises ConfigError when the port is taken or the API key
    is not set, DataError when there is nothing to serve.
    """
    settings = settings or ServeSettings()
    settings.api_key()
    place = Place(Path(folder), settings, drift)
    if settings.workers == 1:
        listen(settings, lambda: _opened(place, entries_of(entries)))
        return
    if not isinstance(entries, str):
        raise ConfigError(
            "several workers import the tasks themselves: name them as 'module:NAME'.", key="entries"
        )
    from retailor.serve.workers.crew import serve_by_workers

    with _bind(settings) as listener:
        serve_by_workers(place, listener, entries)


def entries_of(entries: Mapping[str, Entry] | str) -> Mapping[str, Entry]:
    """The tasks, imported where they are named."""
    if not isinstance(entries, str):
        return entries
    module, _, name = entries.partition(":")
    found: Mapping[str, Entry] = getattr(import_module(module), name)
    return found


@dataclass(frozen=True)
class Place:
    """What is served, and how."""

    folder: Path
    settings: ServeSettings
    drift: DriftSettings | None = None


@dataclass(frozen=True)
class Opened:
    """What a socket leads to, once it is open, and what is told and begun when it listens on a port."""

    app: ASGIApp
    begin: Callable[[int], None]


def listen(settings: ServeSettings, opened: Callable[[], AbstractContextManager[Opened]]) -> None:
    """Serves what `opened` opens until a stop signal, and closes it. Raises ConfigError for a taken port."""
    _set_up_process()
    logging.config.dictConfig(log_settings())  # opening has things to say
    with _bind(settings) as listener, _stops() as serving, opened() as ready:
        server = _Server(_uvicorn(ready.app, settings))
        leave_alone_what_is_loaded()
        serving.append(server)
        with _naming_the_address(settings):
            listener.listen(BACKLOG)
        ready.begin(listener.getsockname()[1])
        server.run(sockets=[listener])


def serve_as(worker: Worker, place: Place, listener: socket.socket, entries: Mapping[str, Entry]) -> None:
    """Serves in this process, which is one of a server's workers, on the socket that all of them have."""
    _set_up_process()
    with _stops() as serving, _opened(place, entries, worker) as ready:
        server = _Server(_uvicorn(ready.app, place.settings, worker))
        leave_alone_what_is_loaded()
        server.told = partial(ready.begin, listener.getsockname()[1])
        serving.append(server)
        server.run(sockets=[listener])


def _set_up_process() -> None:
    few_arenas()
    _log_little()
    sys.setswitchinterval(SWITCH_S)


@contextmanager
def _opened(place: Place, entries: Mapping[str, Entry], worker: Worker | None = None) -> Iterator[Opened]:
    settings = place.settings
    news = None if worker is None else worker.news()
    with ExitStack() as stack:
        loaded = Service.load(place.folder, entries, settings, place.drift, news)
        service = stack.enter_context(closing(loaded))
        warmer = stack.enter_context(warms(service, entries, settings))
        stack.enter_context(reloads([Served(service, warmer)]))
        metrics = Metrics(service, None if worker is None else worker.metrics)
        if worker is not None:
            metrics.write()
            every = Every("metrics", LOOK_EVERY_S, metrics.write)
            stack.callback(every.close, LOOK_EVERY_S)

        def begin(port: int) -> None:
            if worker is None:
                log_start(service.ready(), settings, port)
            else:
                worker.tell(service.ready())
            if warmer is not None:
                warmer.start()

        yield Opened(make_app(service, settings, metrics), begin)


class _Server(uvicorn.Server):
    """uvicorn's server, which accepts few at once though many may wait: it knows one number for both."""

    told: Callable[[], None] | None = None
    """Called when it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)
        if self.told is not None:
            self.told()


def _bind(settings: ServeSettings) -> socket.socket:
    """A socket on the address, so that a taken port is known before models are loaded."""
    with _naming_the_address(settings):
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        return listener


@contextmanager
def _naming_the_address(settings: ServeSettings) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror or error}); "
            "choose another host or port.",
            key="port",
            value=settings.port,
        ) from None


def _log_little() -> None:
    """A line of the log names no place in the code, no thread and no process: looking these up would take a
    tenth of a hot request."""
    logging._srcfile = None  # type: ignore[assignment]  # the documented way, as are the others
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if hasattr(logging, "logAsyncioTasks"):  # from Python 3.12
        logging.logAsyncioTasks = False


def _uvicorn(app: ASGIApp, settings: ServeSettings, worker: Worker | None = None) -> uvicorn.Config:
    # uvicorn's own access log has whole addresses in it, and those hold customers' ids and words.
    return uvicorn.Config(
        app,
        log_config=log_settings(None if worker is None else worker.number),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.stop_timeout_s,
        http=bounded_connections(settings),  # type: ignore[arg-type]  # it is only ever called
        # A worker that took many connections at once would leave the others none.
        backlog=AT_ONCE if worker is None else 1,
        ws="none",
    )


def log_start(state: Mapping[str, Any], settings: ServeSettings, port: int, path: str = "") -> None:
    """Says in the log what is served where, what was left out, and who could reach it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    _log.info(
        "serving '%s' (%s) on http://%s:%d%s", state["name"], ", ".join(state["tasks"]), host, port, path
    )
    for kind, reason in state["absent"].items():
        _log.info("left out: %s: %s", kind, reason)
    if state["n_sold_out"]:
        level = logging.WARNING if 2 * state["n_sold_out"] > state["n_items"] else logging.INFO
        _log.log(
            level,
            "%d of %d items are not shown: the catalogue has none of them",
            state["n_sold_out"],
            state["n_items"],
        )
    if not settings.is_local() and settings.api_key_env is None:
        _log.warning("anyone who reaches %s can read customers' histories; ask for a key.", settings.host)


@contextmanager
def _stops() -> Iterator[list[uvicorn.Server]]:
    """A list for the server that stop signals end; while it is empty they do what they did before.

    From before the first word in the log until all is closed: uvicorn listens later, and raises the signal
    that stopped it once more when it is done, either of which would end the process in the middle.
    """
    serving: list[uvicorn.Server] = []
    if threading.current_thread() is not threading.main_thread():
        yield serving
        return

    def stop(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if serving:
            serving[0].should_exit = True
        elif callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)

    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield serving
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
