"""What the workers of a server must know before they answer again: a word of memory that all of them see."""

from __future__ import annotations

import mmap
from pathlib import Path


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
