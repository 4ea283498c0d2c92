"""Work that a thread does again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from retailor.errors import RetailorError
from retailor.serve.logged import kept

_log = logging.getLogger("retailor.serve")


class Every:
    """Calls `work` every so many seconds until it is closed; what fails is told in the log."""

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self.name = name
        self._seconds, self._work = seconds, work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=kept(self._run), name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._work()
            except RetailorError as error:
                _log.error("%s: %s", self.name, error)
            except BaseException as error:  # the thread must live, and the words may be a customer's
                _log.error("%s: %s", self.name, type(error).__name__)

    def close(self, timeout_s: float) -> None:
        """Ends the thread, when what it does is done."""
        self._stop.set()
        self._thread.join(timeout_s)
