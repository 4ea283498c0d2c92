"""Lines that wait to be written to the log by a thread: they are not acknowledged to anybody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from retailor.live.shapes import Line


class Unwritten:
    """Safe from any thread. More than `most` lines are not held: the oldest go, and are counted."""

    def __init__(self, most: int) -> None:
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._lines: deque[Line] = deque(maxlen=most)
        self.n_lost = 0

    def add(self, line: Line) -> None:
        with self._lock:
            self.n_lost += len(self._lines) == self._lines.maxlen
            self._lines.append(line)

    def write(self, append: Callable[[Sequence[Line]], Any]) -> None:
        """Writes what waits, behind whoever is writing; what cannot be written waits on."""
        with self._writing:
            self._write(append)

    def _write(self, append: Callable[[Sequence[Line]], Any]) -> None:
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
        try:
            if lines:
                append(lines)
        except BaseException:
            with self._lock:
                room = (self._lines.maxlen or 0) - len(self._lines)
                self.n_lost += max(0, len(lines) - room)
                self._lines.extendleft(reversed(lines[max(0, len(lines) - room) :]))
            raise

    def forget(self, user_ids: Collection[str]) -> None:
        """What waits of some customers is never written; what is being written is in the log by then."""
        with self._writing, self._lock:
            left = [each for each in self._lines if each.user_id not in user_ids]
            self._lines.clear()
            self._lines.extend(left)
