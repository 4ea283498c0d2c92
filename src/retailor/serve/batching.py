"""Requests for one task are collected for a few milliseconds and predicted together."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from retailor.errors import RetailorError, ServeError
from retailor.serve.logged import place_of

Q = TypeVar("Q")
A = TypeVar("A")
_log = logging.getLogger(__name__)


@dataclass
class Tally:
    """What happened to the requests of one task; it outlives a reload. Guarded by its own lock."""

    n_requests: int = 0
    n_hits: int = 0
    n_rejected: int = 0
    n_late: int = 0
    n_failed: int = 0
    n_joined: int = 0
    batch_sizes: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, name: str) -> None:
        """Counts one more of what `name` names."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)

    def add_hit(self) -> None:
        """Counts one more request that was answered from the cache."""
        with self.lock:
            self.n_requests += 1
            self.n_hits += 1

    def add_batch(self, size: int) -> None:
        """Counts one batch of that size."""
        with self.lock:
            self.batch_sizes[size] += 1


@dataclass(eq=False)
class _Waiting(Generic[Q, A]):
    key: str
    query: Q
    future: Future[A]
    n: int = 1
    """How many wait for it."""


class Batcher(Generic[Q, A]):
    """One thread that predicts for many: the queue is bounded, every wait ends, none fails for another.

    It begins with the first question: a batcher that was never asked holds nothing and need not be closed.
    """

    def __init__(
        self,
        name: str,
        predict: Callable[[Sequence[Q]], list[A]],
        *,
        max_batch: int = 32,
        wait_s: float = 0.002,
        max_queue: int = 256,
        timeout_s: float = 30.0,
        query_s: float = 0.05,
        tally: Tally | None = None,
    ) -> None:
        """`query_s` is how long a query is thought to take until some have been answered."""
        self.name = name
        self.tally = tally or Tally()
        self._predict = predict
        self._max_batch, self._wait_s = max_batch, wait_s
        self._max_queue, self._timeout_s = max_queue, timeout_s
        self._queue: deque[_Waiting[Q, A]] = deque()
        self._flying: dict[str, _Waiting[Q, A]] = {}
        """By key, what waits or is being predicted."""
        self._changed = threading.Condition()
        self._closed = False
        self._query_s = query_s
        self._running: tuple[float, int] | None = None
        """When the batch at work was begun, and its size."""
        self._thread: threading.Thread | None = None
        self._context = copy_context()
        """Of whoever opens the run, and not of whoever asks first: it says whose what is logged is."""

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    def is_busy(self) -> bool:
        """Whether a request waits or is being answered."""
        return bool(self._queue) or self._running is not None

    def ask(self, query: Q, key: str) -> A:
        """The answer to one query; while one of a key waits or is predicted, others of it wait for the same.

        Raises ServeError: 429 when the queue is full or too long to be answered in time, 503 after close,
        504 when the answer takes too long, 500 when the task broke; and the task's own RetailorError.
        """
        waiting = self._enqueue(query, key)
        try:
            return waiting.future.result(self._timeout_s)
        except TimeoutError:
            self._leave(waiting)
            self.tally.add("n_late")
            raise ServeError(
                f"'{self.name}' took longer than {self._timeout_s:g} s; ask again later.",
                status=504,
                retry_after_s=self._retry_after_s(),
            ) from None

    def _enqueue(self, query: Q, key: str) -> _Waiting[Q, A]:
        waiting: _Waiting[Q, A] = _Waiting(key, query, Future())
        with self._changed:
            if self._closed:
                raise ServeError(f"'{self.name}' is stopping; ask again.", status=503, retry_after_s=1.0)
            same = self._flying.get(key)
            if same is not None:
                same.n += 1
                self.tally.add("n_joined")
                return same
            n_wait, wait_s = len(self._queue), self._expected_wait_s()
            # Whoever comes first is always let in: only an answer tells how long an answer takes.
            hopeless = wait_s > self._timeout_s and (n_wait or self._running)
            if n_wait >= self._max_queue or hopeless:
                self.tally.add("n_rejected")
                raise ServeError(
                    f"'{self.name}' is busy: {n_wait} requests wait, {wait_s:.0f} s or so; ask again later.",
                    status=429,
                    retry_after_s=self._retry_after_s(),
                )
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._context.run, args=(self._work,), name=f"batch-{self.name}", daemon=True
                )
                self._thread.start()
            self._queue.append(waiting)
            self._flying[key] = waiting
            if len(self._queue) in (1, self._max_batch):  # at others the thread would wake to wait again
                self._changed.notify_all()
        return waiting

    def _leave(self, waiting: _Waiting[Q, A]) -> None:
        """One who waits no longer; where nobody else does either, it need not be predicted."""
        with self._changed:
            waiting.n -= 1
            if not waiting.n and waiting.future.cancel():
                self._land(waiting)

    def _land(self, waiting: _Waiting[Q, A]) -> None:
        if self._flying.get(waiting.key) is waiting:
            del self._flying[waiting.key]

    def _expected_wait_s(self) -> float:
        """How long one more request would wait for its answer, by those before; a long run tells too."""
        query_s, n_ahead = self._query_s, len(self._queue) + 1
        if self._running is not None:
            began, size = self._running
            elapsed_s = time.monotonic() - began
            query_s = max(query_s, elapsed_s / size)
            return max(0.0, query_s * size - elapsed_s) + query_s * n_ahead
        return query_s * n_ahead

    def _retry_after_s(self) -> float:
        return max(1.0, round(self._query_s * len(self._queue), 1))

    def _work(self) -> None:
        while batch := self._collect():
            started = time.monotonic()
            self._running = started, len(batch)
            self._answer(batch)
            self._running = None
            self._query_s += 0.2 * ((time.monotonic() - started) / len(batch) - self._query_s)

    def _collect(self) -> list[_Waiting[Q, A]]:
        """The next batch; empty only after close, when nobody waits any more."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return []
                self._changed.wait()
            self._changed.wait_for(
                lambda: len(self._queue) >= self._max_batch or self._closed, timeout=self._wait_s
            )
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]

    def _answer(self, batch: list[_Waiting[Q, A]]) -> None:
        live = [waiting for waiting in batch if waiting.future.set_running_or_notify_cancel()]
        queries = {waiting.key: waiting.query for waiting in live}
        if not queries:
            return
        self.tally.add_batch(len(queries))
        answers = self._answers(list(queries.values()))
        by_key = dict(zip(queries, answers, strict=True))
        with self._changed:
            for waiting in live:
                self._land(waiting)
        for waiting in live:
            answer = by_key[waiting.key]
            if isinstance(answer, RetailorError):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)

    def _answers(self, queries: list[Q]) -> list[A | RetailorError]:
        """One answer or error a query; when the batch fails each is tried alone, so none spoils another."""
        try:
            answers = self._predict(queries)
            if len(answers) != len(queries):
                raise RuntimeError(f"{len(answers)} answers to {len(queries)} queries")
            return list(answers)
        except BaseException as error:  # a panic of a library in Rust is no Exception: the thread must live
            if len(queries) > 1:
                return [self._answers([query])[0] for query in queries]
            self.tally.add("n_failed")
            return [self._own_or_500(error)]

    def _own_or_500(self, error: BaseException) -> RetailorError:
        if isinstance(error, RetailorError):
            return error
        # The message of a foreign error may hold the customer's words, so only its place goes to the log.
        _log.error("'%s' failed with %s at %s", self.name, type(error).__name__, place_of(error))
        return ServeError(f"'{self.name}' failed on this request; the server's log says where.", status=500)

    def close(self, timeout_s: float = 30.0) -> None:
        """Takes no more requests, answers those that wait, ends the thread; 503 for what is still left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._changed:
            left = list(self._queue)
            self._queue.clear()
            self._flying.clear()
        for waiting in left:
            if waiting.future.set_running_or_notify_cancel():
                waiting.future.set_exception(ServeError(f"'{self.name}' has stopped.", status=503))
