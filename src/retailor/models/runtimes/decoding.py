"""Many prompts continued at once by one graph, in a batch that rows join and leave at any step.

Calls of several threads share the batch: what comes while others are being continued is read, and goes on
with them from the next step (iteration-level scheduling; Yu et al., Orca, OSDI 2022). Rows that have ended
leave at once. Rows that begin alike are read once so far, in one call and in later ones.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.models.hardware import Precision
from retailor.models.runtimes.openvino_package import core, openvino
from retailor.models.runtimes.prefixes import LEAST, Prefixes, States, in_common

MOST_ROWS = 32
"""Rows that are continued at once; a call that has more of them flies alone."""
_INTERRUPTED = "the call that stepped for this one was interrupted; ask again."
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


@dataclass
class Job:
    """One call: its prompts, and what has been made of them."""

    rows: Sequence[Sequence[int]]
    max_tokens: int
    ends: Sequence[int]
    pad: int
    processors: Sequence[Any] = ()
    """They change the logits [rows, V] as in transformers."""
    made: list[list[int]] = field(default_factory=list)
    n_left: int = 0
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.made, self.n_left = [[] for _ in self.rows], len(self.rows)

    def failed(self, error: BaseException) -> None:
        """Nothing more is made of it; whoever waits is told why."""
        self.error, self.n_left = error, 0

    def picked(self, places: Sequence[int], logits: F32) -> I64:
        """The next id of the rows at `places`, from their logits [n, V]."""
        if not self.processors:
            return np.asarray(logits.argmax(-1))
        scores = torch.zeros(len(self.rows), logits.shape[1])
        scores[list(places)] = torch.from_numpy(logits)
        last = [[made[-1]] if made else [row[-1]] for made, row in zip(self.made, self.rows, strict=True)]
        for processor in self.processors:
            scores = processor(torch.tensor(last), scores)
        return np.asarray(scores[list(places)].argmax(-1).numpy())


@dataclass
class Flight:
    """The rows that are being continued: of each its job, what it attends to, and its next id."""

    slots: list[tuple[Job, int]]
    """The job of each row, and its place there."""
    mask: I64
    """[B, T] of what the graph's states have."""
    ids: I64
    """[B], to be read next."""
    rows: NDArray[np.int32]
    """Where in the graph's states each row lies [B]."""


class Decoder:
    """A graph in memory, continuing the prompts of all that call."""

    def __init__(self, graph: Path, precision: Precision, *, least: int = LEAST) -> None:
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0 if precision == "32" else 32,
        }
        compiled = core().compile_model(graph, "CPU", settings)
        self._main, self._spare = compiled.create_infer_request(), compiled.create_infer_request()
        self.prefixes, self._least = Prefixes(), least
        self.n_read = 0
        """Tokens of prompts that the graph has read: fewer than there were, where beginnings were known."""
        self.n_steps = 0
        self._flight: Flight | None = None
        self._waiting: list[Job] = []
        self._reading: list[Job] = []
        self._changed, self._led = threading.Condition(), False

    def continued(self, job: Job) -> list[list[int]]:
        """New ids a row, up to an end mark and without it. Any number of threads may call at once.

        What goes wrong with one job alone (its processors, the reading of its prompts) is raised for it
        alone; what goes wrong with a step, for all that take it. Where the thread that steps for others is
        interrupted, those in flight with it end with a ModelError.
        """
        if not job.rows:
            return []
        with self._changed:
            self._waiting.append(job)
            try:
                while self._led and job.n_left:
                    self._changed.wait()
            except BaseException as error:  # nobody waits for it any more
                self._waiting = [one for one in self._waiting if one is not job]
                job.failed(error)
                raise
            lead = bool(job.n_left) and job.error is None
            self._led = self._led or lead
        if lead:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return job.made

    def _lead(self, job: Job) -> None:
        """Steps for all until the job is done; whoever waits goes on from there."""
        try:
            while job.n_left:
                self._admit()
                if self._flight is not None:
                    self._step(self._flight)
        except BaseException as error:
            flying = {id(one): one for one, _ in self._flight.slots} if self._flight else {}
            self._flight = None
            for one in (*flying.values(), *self._reading):
                one.failed(error if isinstance(error, Exception) else ModelError(_INTERRUPTED))
            job.failed(error)
            raise
        finally:
            with self._changed:
                self._waiting = [one for one in self._waiting if one.n_left]
                self._led = False
                self._changed.notify_all()

    def _admit(self) -> None:
        """Reads the prompts of the jobs that wait, as long as there is room."""
        while True:
            with self._changed:
                flying = len(self._flight.slots) if self._flight else 0
                if not self._waiting or (flying and flying + len(self._waiting[0].rows) > MOST_ROWS):
                    return
                job = self._waiting.pop(0)
            self._reading = [job]
            try:
                mask, logits = self._read(job.rows, job.pad)
            except Exception as error:
                with self._changed:
                    job.failed(error)
                    self._changed.notify_all()
            else:
                self._join(job, mask, logits)
            self._reading = []

    def _join(self, job: Job, mask: I64, logits: F32) -> None:
        """Puts the rows just read, whose states the spare request has, beside those in flight."""
        new = Flight(
            [(job, i) for i in range(len(job.rows))], mask, np.zeros(len(mask), np.int64),
            np.arange(len(mask), dtype=np.int32),
        )  # fmt: skip
        left = self._moved_on(new, logits)
        if left is None:
            return
        if self._flight is None:
            self._main, self._spare = self._spare, self._main
            self._flight = left
            return
        old = self._flight
        width = max(_width(old.mask), _width(left.mask))
        parts = [
            {name: _fitted(values[flight.rows], width) for name, values in _states(request).items()}
            for request, flight in ((self._main, old), (self._spare, left))
        ]
        _set(self._main, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        masks = [_fitted(flight.mask, width, axis=1) for flight in (old, left)]
        slots, ids = [*old.slots, *left.slots], np.concatenate([old.ids, left.ids])
        self._flight = Flight(slots, np.concatenate(masks), ids, np.arange(len(slots), dtype=np.int32))

    def _step(self, flight: Flight) -> None:
        flight.mask = np.concatenate([flight.mask, np.ones((len(flight.mask), 1), np.int64)], axis=1)
        self.n_steps += 1
        logits = _infer(self._main, flight.ids[:, None], flight.mask, flight.rows)
        flight.rows = np.arange(len(flight.slots), dtype=np.int32)
        self._flight = self._moved_on(flight, logits)

    def _moved_on(self, flight: Flight, logits: F32) -> Flight | None:
        """The rows that go on, with their next ids; what has ended is told to its job."""
        picked, jobs = np.zeros(len(flight.slots), np.int64), {id(job): job for job, _ in flight.slots}
        for job in jobs.values():
            some = [i for i, (other, _) in enumerate(flight.slots) if other is job]
            if job.error is not None:
                continue
            try:
                picked[some] = job.picked([flight.slots[i][1] for i in some], logits[some])
            except Exception as error:
                job.failed(error)
        left = []
        for i, (job, place) in enumerate(flight.slots):
            if job.error is not None:
                continue
            ended = int(picked[i]) in job.ends
            if not ended:
                job.made[place].append(int(picked[i]))
            if ended or len(job.made[place]) >= job.max_tokens:
                job.n_left -= 1
            else:
                left.append(i)
        if any(not job.n_left for job in jobs.values()):
            with self._changed:
                self._changed.notify_all()
        if not left:
            return None
        return Flight([flight.slots[i] for i in left], flight.mask[left], picked[left], flight.rows[left])

    def _read(self, rows: Sequence[Sequence[int]], pad: int) -> tuple[I64, F32]:
        """Mask [B, T] and the logits [B, V] after the rows, which the spare request has read."""
        request, n_alike = self._spare, in_common(rows)
        request.reset_state()
        n, known = self.prefixes.longest(rows[0][:n_alike])
        if n < self._least:
            n = 0
        else:
            _set(request, known)
        if len(rows) > 1 and n_alike - n >= self._least:
            self._infer_new(np.array([rows[0][n:n_alike]]), np.ones((1, n_alike), np.int64), np.zeros(1))
            n = n_alike
            self.prefixes.keep(rows[0][:n], _states(request))
        width = max(map(len, rows)) - n
        ids = np.full((len(rows), width), pad, np.int64)
        mask = np.zeros((len(rows), n + width), np.int64)
        mask[:, :n] = 1
        for i, row in enumerate(rows):
            ids[i, width - len(row) + n :] = row[n:]
            mask[i, width - len(row) + 2 * n :] = 1
        logits = self._infer_new(ids, mask, np.zeros(len(rows)) if n else np.arange(len(rows)))
        if len(rows) == 1 and len(rows[0]) >= self._least:
            self.prefixes.keep(rows[0], _states(request))
        return mask, logits

    def _infer_new(self, ids: I64, mask: I64, rows: NDArray[Any]) -> F32:
        self.n_read += ids.size
        return _infer(self._spare, ids, mask, rows.astype(np.int32))

    def logits(self, rows: Sequence[Sequence[int]], forced: Sequence[Sequence[int]]) -> list[F32]:
        """Logits [B, V] after the rows, and after each of the forced ids; nothing may be in flight."""
        mask, last = self._read(rows, 0)
        found, places = [last], np.arange(len(rows), dtype=np.int32)
        for step in range(len(forced[0])):
            mask = np.concatenate([mask, np.ones((len(mask), 1), np.int64)], axis=1)
            ids = np.array([[row[step]] for row in forced])
            found.append(_infer(self._spare, ids, mask, places))
        return found


def _infer(request: Any, ids: I64, mask: I64, rows: NDArray[np.int32]) -> F32:
    """Logits [B, V] of the last of the ids [B, new], whose states join those at `rows`."""
    positions = np.maximum(mask.cumsum(1) - 1, 0)[:, -ids.shape[1] :]
    given = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "beam_idx": rows}
    return np.array(request.infer(given)["logits"][:, -1], dtype=np.float32)


def _states(request: Any) -> dict[str, F32]:
    return {one.name: np.array(one.state.data, dtype=np.float32) for one in request.query_state()}


def _set(request: Any, states: States) -> None:
    tensor = openvino().Tensor
    for one in request.query_state():
        one.state = tensor(np.ascontiguousarray(states[one.name]))


def _width(mask: I64) -> int:
    """Columns from the first on that any row attends to."""
    return int(mask.shape[1]) - int(mask.any(axis=0).argmax())


def _fitted(values: NDArray[Any], width: int, *, axis: int = 2) -> NDArray[Any]:
    """The last `width` places along the axis, zeros before them where there are fewer."""
    n = values.shape[axis]
    if n >= width:
        return np.take(values, range(n - width, n), axis=axis)
    shape: Mapping[int, int] = dict(enumerate(values.shape))
    empty = np.zeros([width - n if i == axis else size for i, size in shape.items()], values.dtype)
    return np.concatenate([empty, values], axis=axis)
