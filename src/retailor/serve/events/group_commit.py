"""Group commit: what many requests bring is written in one transaction; while it is, the next gather."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from retailor.errors import RetailorError, ServeError
from retailor.live.shapes import Line, Taken
from retailor.serve.logged import kept

MAX_REQUESTS = 256
"""Of one transaction."""
GIVE_WAY_S = 0.1
"""How long a transaction waits while questions are being answered; more events gather meanwhile. A stream of
single events would else keep the interpreter from the thread that answers, which gives it up every moment."""
LOOK_S = 0.001
Write = Callable[[Sequence[Sequence[Line]]], list[Taken]]
_log = logging.getLogger("retailor.serve")


@dataclass(frozen=True)
class _Waiting:
    lines: Sequence[Line]
    done: asyncio.Future[Taken]


class GroupCommit:
    """One thread writes for all. No request has a thread of its own, and an event loop is woken once a
    transaction: to hand an event from thread to thread costs more than what is done with it."""

    def __init__(
        self,
        write: Write,
        *,
        max_waiting: int,
        timeout_s: float,
        is_answering: Callable[[], bool] = lambda: False,
    ) -> None:
        """`write` takes the lines of some requests; it returns what became of each, all being on the disk.
        `is_answering` says whether a question is being answered, which goes first.
        """
        self._is_answering = is_answering
        self._write, self._max_waiting, self._timeout_s = write, max_waiting, timeout_s
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=kept(self._work), name="group-commit", daemon=True)
        self._thread.start()

    async def take(self, lines: Sequence[Line]) -> Taken:
        """What became of a request's lines, once they are on the disk.

        ServeError: 429 when too many wait, 503 after close or when the log does not answer, 504 when it takes
        too long; then some may have been written.
        """
        one = _Waiting(lines, asyncio.get_running_loop().create_future())
        self._enqueue(one)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await one.done
        except TimeoutError:
            raise ServeError(
                f"the log of events took longer than {self._timeout_s:g} s; send them again.",
                status=504,
                retry_after_s=2.0,
            ) from None

    def _enqueue(self, one: _Waiting) -> None:
        with self._changed:
            if self._closed:
                raise ServeError(
                    "the log of events is closing; send them again.", status=503, retry_after_s=1.0
                )
            if len(self._queue) >= self._max_waiting:
                raise ServeError(
                    f"{len(self._queue)} requests wait for the log of events; send them again later.",
                    status=429,
                    retry_after_s=1.0,
                )
            self._queue.append(one)
            self._changed.notify()

    def _work(self) -> None:
        while batch := self._collect():
            _settle(batch, self._outcomes([each.lines for each in batch], time.monotonic() + self._timeout_s))

    def _collect(self) -> list[_Waiting]:
        """What waits; empty only after close, when nobody does any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
        self._give_way()
        with self._changed:
            return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_REQUESTS))]

    def _give_way(self) -> None:
        until = time.monotonic() + GIVE_WAY_S
        while not self._closed and self._is_answering() and time.monotonic() < until:
            time.sleep(LOOK_S)

    def _outcomes(self, requests: Sequence[Sequence[Line]], until: float) -> list[Taken | RetailorError]:
        """What became of each. When a transaction fails each is tried alone, so that none spoils another."""
        try:
            return list(self._write(requests))
        except BaseException as error:  # a panic of a library in Rust is no Exception: the thread must live
            if len(requests) > 1 and time.monotonic() < until:
                return [self._outcomes([each], until)[0] for each in requests]
            return [_told(error)] * len(requests)

    def close(self, timeout_s: float) -> None:
        """Takes no more, writes what waits and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)


def _told(error: BaseException) -> RetailorError:
    if isinstance(error, RetailorError):
        return error
    # Its message may have a customer's words in it.
    _log.error("events could not be written: %s", type(error).__name__)
    return ServeError("the server failed on these events; its log says how.", status=500)


def _settle(batch: Sequence[_Waiting], outcomes: Sequence[Taken | RetailorError]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Taken | RetailorError]]] = defaultdict(list)
    for one, outcome in zip(batch, outcomes, strict=True):
        by_loop[one.done.get_loop()].append((one, outcome))
    for loop, some in by_loop.items():
        with suppress(RuntimeError):  # it has ended, and with it whoever waited
            loop.call_soon_threadsafe(_tell, some)


def _tell(some: Sequence[tuple[_Waiting, Taken | RetailorError]]) -> None:
    for one, outcome in some:
        if one.done.done():
            continue
        if isinstance(outcome, RetailorError):
            one.done.set_exception(outcome)
        else:
            one.done.set_result(outcome)
