"""Where readers put their rows: batches go to Parquet at once, so memory does not grow with the files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.shop.tables import SCHEMAS, conform, empty
from retailor.shop.unread import Unread
from retailor.text.private import mask

_REJECTS_A_BATCH = 20_000
_REASON_LENGTH = 300
_VALUE = re.compile(r"'[^']*'|\d[\d.,:+TZ-]*")
_N_REASONS = 100
_HOPELESS = 4_500_000  # more than the lines of a block: what is good in it is added after its rejects


class Sink:
    """One Parquet file a table under `folder`, written as rows come; counts of rows and rejects.

    Memory: two batches, and 8 bytes a distinct item. Use it in a `with`, which also writes the empty tables.
    """

    def __init__(self, folder: Path, max_rejects: int | None = None) -> None:
        self.rows: Counter[str] = Counter()
        self.names: dict[str, str] = {}
        """Path to what messages call it, of files that are none of the shop's own."""
        self.unread = Unread(self.names)
        self.repeats = 0
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._folder = folder
        self._max_rejects = max_rejects
        self._writers: dict[str, Any] = {}
        self._rejects: list[tuple[str, int, str]] = []
        self._first: list[str] = []
        self._since_good = 0
        self._seen = _Seen()
        self._thread = ThreadPoolExecutor(1)  # packing one batch while the next is read
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._thread:
                if error is None:
                    self._flush()
                    self._write("unread", self.unread.frame())
                    self._wait()
                    for table in SCHEMAS:
                        if table not in self._writers:
                            self._write(table, empty(table))
                    self._wait()
        finally:
            self._close(quietly=error is not None)

    def add(self, table: str, frame: pl.DataFrame) -> None:
        """Appends rows; absent columns are null."""
        if len(frame):
            self._since_good = 0
            self.rows[table] += len(frame)
            self._write(table, conform(table, frame))

    def add_later(self, table: str, n_rows: int, make: Callable[[], pl.DataFrame]) -> None:
        """Appends what `make` gives, which another thread calls while the next rows are read."""
        if n_rows:
            self._since_good = 0
            self.rows[table] += n_rows
            self._submit(table, lambda: conform(table, make()))

    def add_items(self, path: str, frame: pl.DataFrame, lines: pl.Series | None) -> None:
        """Appends items with a new `item_id`; a repeat is a reject, or nothing if `lines` is None."""
        fresh = self._seen.fresh(frame["item_id"])
        self.add("items", frame.filter(fresh))
        if lines is not None:
            again = frame.select("item_id", line=lines).filter(~fresh)
            self.repeats += len(again)
            for item, line in again.iter_rows():
                self.reject(path, line, f"item '{item}' was already described: the first row is kept")

    def reject(self, path: str, line: int, reason: str) -> None:
        """Records a row that cannot be read. Raises DataError when there are more than `max_rejects`, or
        nothing else for long."""
        path, reason = self.names.get(path, path), mask(" ".join(reason.split()))
        if len(reason) > _REASON_LENGTH:
            reason = reason[: _REASON_LENGTH - 1] + "…"
        self.rows["rejects"] += 1
        kind = _VALUE.sub("…", reason)
        if kind in self._kinds or len(self._kinds) < _N_REASONS:
            self._kinds[kind] += 1
            self._examples.setdefault(kind, f"{Path(path).name} line {line}: {reason}")
        if len(self._first) < 3:
            self._first.append(f"{path} line {line}: {reason}")
        if self._max_rejects is not None and self.rows["rejects"] > self._max_rejects:
            raise DataError(
                f"{self.rows['rejects']} rows could not be read, and max_rejects is {self._max_rejects}; "
                f"first: {'; '.join(self._first)}",
                path=path,
                row=line,
            )
        self._since_good += 1
        if self._since_good >= _HOPELESS:
            raise DataError(
                f"none of the last {_HOPELESS:,} rows could be read: is this the right reader? "
                f"First: {'; '.join(self._first)}",
                path=path,
                row=line,
            )
        self._rejects.append((path, line, reason))
        if len(self._rejects) >= _REJECTS_A_BATCH:
            self._flush()

    def n_good(self) -> int:
        """Rows in all tables but the rejects."""
        return self.rows.total() - self.rows["rejects"]

    def reasons(self) -> dict[str, int]:
        """The first reject of each kind to the number of such rejects, most frequent first."""
        return {self._examples[kind]: n for kind, n in self._kinds.most_common()}

    def first_rejects(self) -> str:
        """The first reasons, for a message."""
        return "; ".join(self._first)

    def _flush(self) -> None:
        if self._rejects:
            self._write("rejects", pl.DataFrame(self._rejects, schema=SCHEMAS["rejects"], orient="row"))
            self._rejects = []

    def _write(self, table: str, frame: pl.DataFrame) -> None:
        self._submit(table, lambda: frame)

    def _submit(self, table: str, make: Callable[[], pl.DataFrame]) -> None:
        self._wait()
        self._writing = self._thread.submit(self._pack, table, make)

    def _pack(self, table: str, make: Callable[[], pl.DataFrame]) -> None:
        import pyarrow.parquet as pq

        frame = make()
        batch = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if table not in self._writers:
            path = self._folder / f"{table}.parquet"
            self._writers[table] = pq.ParquetWriter(
                path, batch.schema, compression="zstd", write_statistics=False
            )
        self._writers[table].write_table(batch)

    def _close(self, *, quietly: bool) -> None:
        """Closes every file; an error of one (the disk is full) is raised unless another is on its way."""
        failed: Exception | None = None
        for writer in self._writers.values():
            try:
                writer.close()
            except Exception as error:
                failed = failed or error
        if failed is not None and not quietly:
            raise failed

    def _wait(self) -> None:
        """Raises what the last write raised: a full disk, say."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()


class _Seen:
    """A set of strings by 64-bit hash: sorted runs, a smaller one merged into its equal, 8 bytes a string."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def fresh(self, keys: pl.Series) -> pl.Series:
        """True for each key that was neither seen before nor stands earlier in `keys`."""
        hashes = keys.hash(seed=0).to_numpy()
        unique, first = np.unique(hashes, return_index=True)
        known = np.zeros(len(unique), dtype=bool)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, unique), len(run) - 1)
            known |= run[at] == unique
        fresh = np.zeros(len(hashes), dtype=bool)
        fresh[first[~known]] = True
        self._push(unique[~known])
        return pl.Series(fresh)

    def _push(self, run: NDArray[np.uint64]) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate((self._runs.pop(), run)), kind="stable")
        self._runs.append(run)
