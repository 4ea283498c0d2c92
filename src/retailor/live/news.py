"""What the workers of a server must know before they answer again: a word of memory that all of them see."""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Callable
from pathlib import Path

from retailor.errors import RetailorError

LONGEST_S = 1.0
"""How long a question waits for news that are slow to be read; the next ones do not, until they are."""
_log = logging.getLogger("retailor.serve")


class News:
    """The number of the newest line of the log that changes what may be shown to anybody.

    Each worker writes at its own place of a small file in memory and reads those of all: nobody waits.
    """

    def __init__(self, path: Path, place: int, n_places: int) -> None:
        """`place` from 0; the file is made where there is none."""
        with path.open("ab") as file:
            file.truncate(8 * n_places)
        with path.open("r+b") as file:
            self._places = memoryview(mmap.mmap(file.fileno(), 8 * n_places)).cast("q")
        self._own = place

    def tell(self, number: int) -> None:
        """That the others must know the log as far as this line."""
        self._places[self._own] = number

    def newest(self) -> int:
        """The line that must be known; 0 where nobody has told of any."""
        return max(self._places)


class Follower:
    """One thread reads the log for all who must know it before they answer, and nobody waits for it long.

    A database that is slow or down would else hold up every question: each would read for itself, one behind
    the other.
    """

    def __init__(
        self, read: Callable[[], None], is_behind: Callable[[], bool], *, wait_s: float = LONGEST_S
    ) -> None:
        """`read` reads the log on; `is_behind` says whether there is something that must be read."""
        self._read, self._is_behind, self._wait_s = read, is_behind, wait_s
        self._changed = threading.Condition()
        self._wanted, self._is_late, self._closed = False, False, False
        self._thread = threading.Thread(target=self._work, name="following", daemon=True)
        self._thread.start()

    def know(self) -> None:
        """Returns when all is read, or cannot be in time."""
        if not self._is_behind():
            return
        with self._changed:
            self._wanted = True
            self._changed.notify_all()
            if not self._is_late and not self._changed.wait_for(self._is_over, self._wait_s):
                self._is_late = True

    def _is_over(self) -> bool:
        return self._is_late or self._closed or not self._is_behind()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._closed)
                if self._closed:
                    return
                self._wanted = False
            is_late = False
            try:
                self._read()
            except RetailorError as error:
                is_late = True
                _log.error("what another worker has told of could not be read: %s", error)
            except BaseException as error:  # the thread must live, and the words may be a customer's
                is_late = True
                _log.error("what another worker has told of could not be read: %s", type(error).__name__)
            with self._changed:
                self._is_late = is_late
                self._changed.notify_all()

    def close(self, timeout_s: float) -> None:
        """Lets go of who waits, and ends the thread when what it reads is read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
