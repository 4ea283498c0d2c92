"""Several processes behind one port: who starts them, watches them and ends them. No requests.

All accept from one socket, so that a connection that nobody has taken yet is not lost with a worker. They are
forked from a clean process that has imported what they need and started nothing; each then loads the run, its
files mapped (`store/shared`).
"""

from __future__ import annotations

import logging
import logging.config
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, RetailorError
from retailor.live.news import News
from retailor.live.standing import standing_run
from retailor.machine import n_cores
from retailor.serve.logged import log_settings
from retailor.serve.opening import Contents, contents_of
from retailor.serve.server import Place, entries_of, log_start, serve_as
from retailor.serve.workers.figures import FILES, forget_worker
from retailor.serve.workers.graphs import graphs_of
from retailor.serve.workers.preloaded import TOKENIZERS
from retailor.store.artifact import MANIFEST, WHOLE, verify
from retailor.store.shared import SHARED

PRELOADED = ("retailor.serve.workers.crew", "retailor.live.events.log")
WITH_MODELS = ("retailor.models.local", "transformers", "sklearn.linear_model", "lightgbm")
"""What a worker imports, once, in the process that it is forked from; the rest where there are weights."""
WHOLE_FILES = "whole"
"""In the folder that workers share: which files have been held against their sha256."""
LONGEST_DELAY_S = 30.0
YOUNG_S = 10.0
"""A worker that ends sooner waits before it is started again, twice as long each time."""
GRACE_S = 10.0
"""Beside the settings' own times: how long a worker may take to end."""
_log = logging.getLogger("retailor.serve")


@dataclass(frozen=True)
class Worker:
    """One of the processes, as it sees itself; it travels there by pickle."""

    number: int
    """From 1."""
    n: int
    folder: Path
    """What the workers share: metrics, news, and what they compute for each other."""
    pipe: Connection
    """To the parent: ('ready', state) or ('failed', error)."""

    @property
    def metrics(self) -> Path:
        return self.folder / FILES

    def news(self) -> News:
        return News(self.folder / "news", self.number - 1, self.n)

    def tell(self, state: Mapping[str, Any]) -> None:
        """That it answers."""
        with suppress(OSError):
            self.pipe.send(("ready", dict(state)))


def serve_by_workers(place: Place, listener: socket.socket, entries: str) -> None:
    """Serves with `place.settings.workers` processes until SIGTERM or Ctrl-C.

    One that dies is started again; SIGHUP has all load the folder anew. `entries`: `module:NAME`. Raises what
    `serve` raises; where no worker comes up, what the first one failed of.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise ConfigError("this system cannot fork, so there is one worker.", key="workers")
    contents = contents_of(
        standing_run(place.folder), entries_of(entries)
    )  # what cannot be served is said now
    has_weights = any(any(path.rglob("*.safetensors")) for path in contents.tasks.values())
    preloaded = (*PRELOADED, *(WITH_MODELS if has_weights else ()), "retailor.serve.workers.preloaded")
    folders = [*contents.tasks.values(), *contents.compressed.values()]
    logging.config.dictConfig(log_settings())
    graphs = graphs_of(folders, place.settings.backend, place.settings.provider)
    read = {path.parent for folder in folders for path in folder.rglob("tokenizer.json")}
    tokenizers = sorted({graphs.get(folder, folder) for folder in read})
    with (
        tempfile.TemporaryDirectory(prefix="retailor-") as folder,
        _environment(Path(folder), place, tokenizers),
    ):
        _check(contents)
        crew = _Crew(place, listener, entries, Path(folder), preloaded)
        with _heard(crew):
            crew.run()


def _check(contents: Contents) -> None:
    """Holds each file against its sha256, once for all workers. DataError names what is corrupt."""
    shop = [] if contents.shop is None else [contents.shop]
    for folder in [*contents.tasks.values(), *contents.compressed.values(), *shop]:
        for path in sorted(folder.rglob(MANIFEST)):
            verify(path.parent)


@dataclass
class _Member:
    process: Any
    pipe: Connection
    began: float
    is_ready: bool = False


class _Crew:
    """The workers of a server, as the parent knows them."""

    def __init__(
        self, place: Place, listener: socket.socket, entries: str, folder: Path, preloaded: Sequence[str]
    ) -> None:
        self._place, self._listener, self._entries, self._folder = place, listener, entries, folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preloaded))
        self._members: dict[int, _Member] = {}
        self._due: dict[int, float] = {}
        """When each worker that has ended is started again."""
        self._delays: dict[int, float] = {}
        self._is_told = False
        self._ear, self.mouth = os.pipe()
        """What a signal writes to has the parent look up."""
        self._stopping = False

    def run(self) -> None:
        """Until a stop signal. Raises what the first worker failed of."""
        self._due = dict.fromkeys(range(1, self._place.settings.workers + 1), 0.0)
        try:
            while not self._stopping:
                self._start_due()
                self._look()
        finally:
            self._end()

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, at in self._due.items() if at <= now]:
            del self._due[number]
            ours, theirs = self._context.Pipe(duplex=False)
            worker = Worker(number, self._place.settings.workers, self._folder, theirs)
            process = self._context.Process(
                target=_work,
                args=(self._place, self._listener, self._entries, worker),
                name=f"worker-{number}",
            )
            process.start()
            theirs.close()
            self._members[number] = _Member(process, ours, now)

    def _look(self) -> None:
        """Waits until something happens, and acts on it."""
        soon = min([at - time.monotonic() for at in self._due.values()], default=60.0)
        pipes = {each.pipe: number for number, each in self._members.items()}
        ends = {each.process.sentinel: number for number, each in self._members.items()}
        happened = wait([self._ear, *pipes, *ends], timeout=max(0.0, soon))
        for one in happened:
            if one in pipes:
                self._hear(self._members[pipes[one]])
        for one in happened:
            if one in ends:
                self._replace(ends[one])
        if self._ear in happened:
            for number in os.read(self._ear, 64):
                self._act(signal.Signals(number))

    def _hear(self, member: _Member) -> None:
        try:
            what, told = member.pipe.recv()
        except (EOFError, OSError):
            return  # its end is seen by itself
        if what == "failed":
            if not self._is_told:
                raise told
            _log.error("a worker did not start: %s", told)
            return
        member.is_ready = True
        if not self._is_told:
            self._is_told = True
            log_start(told, self._place.settings, self._listener.getsockname()[1])
        if not self._due and all(each.is_ready for each in self._members.values()):
            _log.info("%d workers answer", len(self._members))

    def _replace(self, number: int) -> None:
        member = self._members.pop(number)
        if member.pipe.poll():
            self._hear(member)
        member.process.join()
        member.pipe.close()
        forget_worker(self._folder / FILES, member.process.pid)
        lived_s = time.monotonic() - member.began
        delay = 0.0 if lived_s > YOUNG_S else min(LONGEST_DELAY_S, 2 * self._delays.get(number, 0.5))
        self._delays[number], self._due[number] = delay, time.monotonic() + delay
        code = member.process.exitcode
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        _log.error("worker %d ended %s after %.0f s; another takes its place", number, how, lived_s)

    def _act(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
        else:
            self._signal(number)

    def _signal(self, number: int) -> None:
        for member in self._members.values():
            with suppress(ProcessLookupError):
                os.kill(member.process.pid, number)

    def _end(self) -> None:
        """Lets every worker finish what it has; one that does not end is killed."""
        self._signal(signal.SIGTERM)
        self._listener.close()
        settings = self._place.settings
        until = time.monotonic() + settings.stop_timeout_s + settings.timeout_s + GRACE_S
        for member in self._members.values():
            member.process.join(max(0.0, until - time.monotonic()))
            if member.process.is_alive():
                _log.error("a worker did not end in time and is killed")
                member.process.kill()
                member.process.join()


def _work(place: Place, listener: socket.socket, entries: str, worker: Worker) -> None:
    """A worker's life."""
    logging.config.dictConfig(log_settings(worker.number))
    _follow_the_parent()
    try:
        serve_as(worker, place, listener, entries_of(entries))
    except RetailorError as error:
        with suppress(OSError):
            worker.pipe.send(("failed", error))
        sys.exit(1)


def _follow_the_parent() -> None:
    """A worker whose parent is gone stops as if it was told to: nobody would."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


@contextmanager
def _heard(crew: _Crew) -> Iterator[None]:
    """Signals wake the parent, which acts on them when it is back in its loop."""
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in numbers}
    for each in numbers:
        signal.signal(each, lambda number, frame: os.write(crew.mouth, bytes([number])) and None)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _environment(folder: Path, place: Place, tokenizers: Sequence[Path]) -> Iterator[None]:
    """The environment that workers start in: where they share, and how many threads each computes with."""
    for name in (FILES, WHOLE_FILES):
        (folder / name).mkdir()
    threads = str(max(1, n_cores() // place.settings.workers))
    wanted = {SHARED: str(folder), "PROMETHEUS_MULTIPROC_DIR": str(folder / FILES)}
    wanted[WHOLE] = str(folder / WHOLE_FILES)
    wanted[TOKENIZERS] = os.pathsep.join(map(str, tokenizers))
    for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"):
        wanted[name] = os.environ.get(name) or threads
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
