"""Answers that are likely to be asked for, made and remembered before anyone asks: a file of queries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retailor.errors import ConfigError, RetailorError
from retailor.serve.logged import kept
from retailor.serve.queries import lines_in, query_of, reason_of
from retailor.serve.service import Service
from retailor.tasks.entry import Entry

_log = logging.getLogger("retailor.serve")


@dataclass(frozen=True)
class Warmed:
    """What became of a file of queries."""

    n_asked: int
    n_refused: int
    first: str = ""
    """Line and reason of the first that was refused; never its words."""

    def __str__(self) -> str:
        refused = f"; {self.n_refused:,} lines were no queries ({self.first})" if self.n_refused else ""
        return f"{self.n_asked:,} answers are made before anyone asks{refused}"


class Warmer:
    """Asks the queries of a file one after another, so that a customer never waits for more than one.

    For the lines of the file see `serve.queries`; the first are asked first, and nothing is noted of anybody.
    """

    def __init__(self, service: Service, entries: Mapping[str, Entry], path: Path) -> None:
        """Raises ConfigError for a file that cannot be opened."""
        self._service, self._entries, self._path = service, entries, path
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._changing, self._closed = threading.Lock(), False
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"the queries to warm up with cannot be read from {path} ({error.strerror}).",
                key="warm_file",
                value=str(path),
            ) from None

    def start(self) -> None:
        """Begins anew, in a thread of its own; the one before ends. Any thread may call it; nothing begins
        once it is closed, as after a reload that comes with the stop of a server."""
        with self._changing:
            if self._closed:
                return
            self._end()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=kept(self._run), args=(self._stop,), name="warm", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Ends after the answer that is being made, for good."""
        self._stop.set()
        with self._changing:
            self._closed = True
            self._end()

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._service.settings.timeout_s)

    def _run(self, stop: threading.Event) -> None:
        try:
            _log.info("%s", self.warm(stop))
        except OSError as error:
            _log.error("%s: no longer to be read (%s): nothing is made before.", self._path, error.strerror)

    def warm(self, stop: threading.Event | None = None) -> Warmed:
        """Asks all of them."""
        n_asked = n_refused = 0
        first = ""
        for number, line in lines_in(self._path):
            if stop is not None and stop.is_set():
                break
            try:
                self._service.warm(*query_of(line, self._entries))
                n_asked += 1
            except (RetailorError, ValueError) as error:
                n_refused += 1
                first = first or f"first line {number}: {reason_of(error)}"
        return Warmed(n_asked, n_refused, first)
