"""Answers that are likely to be asked for, made and remembered before anyone asks: a file of queries."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from retailor.errors import ConfigError, RetailorError
from retailor.serve.service import Service
from retailor.tasks.entry import Entry

MOST_QUERIES = 10_000
"""Lines that are read; the rest is left."""
WORDS_TASK = "search"
"""The task of a line that is no JSON: its words."""
_LONGEST = 1 << 20
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

    A line is the JSON body of a request with the name of its task besides, `{"task": "recommend",
    "user_id": "u1"}`, or words alone, which are searched for. The first are asked first.
    """

    def __init__(self, service: Service, entries: Mapping[str, Entry], path: Path) -> None:
        """Raises ConfigError for a file that cannot be opened."""
        self._service, self._entries, self._path = service, entries, path
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"the queries to warm up with cannot be read from {path} ({error.strerror}).",
                key="warm_file",
                value=str(path),
            ) from None

    def start(self) -> None:
        """Begins anew, in a thread of its own; the one before ends."""
        self.stop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="warm", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the answer that is being made."""
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
        for number, line in _lines(self._path):
            if stop is not None and stop.is_set():
                break
            try:
                kind, query = self._query(line)
                self._service.ask(kind, query)
                n_asked += 1
            except (RetailorError, ValueError) as error:
                n_refused += 1
                first = first or f"first line {number}: {_reason(error)}"
        return Warmed(n_asked, n_refused, first)

    def _query(self, line: bytes) -> tuple[str, Any]:
        """Task and query. Raises ValueError and pydantic's ValidationError."""
        text = line.decode("utf-8")
        body = orjson.loads(text) if text.startswith("{") else {"task": WORDS_TASK, "text": text}
        kind = body.pop("task", None)
        if not isinstance(kind, str) or kind not in self._entries:
            raise ValueError(f"'task' is none of {', '.join(self._entries)}")
        return kind, self._entries[kind].http.body.model_validate(body).query()  # type: ignore[attr-defined]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line that is not blank."""
    with path.open("rb") as file:
        lines = enumerate(iter(lambda: file.readline(_LONGEST), b""), 1)
        filled = ((number, line.strip()) for number, line in lines if line.strip())
        yield from itertools.islice(filled, MOST_QUERIES)


def _reason(error: Exception) -> str:
    """What is wrong, without the words of a customer."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors()[:2])
    if isinstance(error, RetailorError):
        return f"{getattr(error, 'status', type(error).__name__)}"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).split(":")[0]
