"""How fast a run answers on this machine, task by task, and how two machines compare."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from retailor.errors import ConfigError, DataError, RetailorError
from retailor.machine import n_cores, processor
from retailor.progress import track
from retailor.serve.opening import contents_of
from retailor.serve.queries import lines_in, of_shop, query_of, reason_of
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop, open_shop
from retailor.store.artifact import retailor_version
from retailor.tasks.entry import Entry

N_QUERIES = 64
"""Made from the shop, a task."""
AT_ONCE = 8
_IN_VAIN = 5
"""So many failures one after another end a timing."""
_PATIENT = ServeSettings(timeout_s=300.0)


@dataclass(frozen=True)
class Timing:
    """One task asked in one way; `ok` of the `n` questions were answered."""

    task: str
    how: str
    """'alone': one after another; '8 at once': by so many threads; 'remembered': asked a second time."""
    n: int
    ok: int
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: str = ""
    """Why the first that failed did."""


@dataclass(frozen=True)
class Bench:
    """A table of timings, and what they are of."""

    machine: str
    version: str
    run: str
    fingerprints: Mapping[str, str]
    """Of what answered, a task each."""
    queries: str
    """Where the questions came from."""
    load_s: float
    rows: tuple[Timing, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self:
        """A table that was written as JSON. Raises DataError for a file that holds none."""
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**about, "rows": tuple(Timing(**row) for row in about["rows"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"this is no table of `retailor bench` ({error!r}).", path=path) from None

    def __str__(self) -> str:
        lines = [
            f"{self.run} on {self.machine}; loaded in {self.load_s:.1f} s; {self.queries}",
            f"{'task':12}{'how':14}{'n':>6}{'a second':>11}{'p50 ms':>10}{'p99 ms':>10}",
        ]
        lines += [
            f"{row.task:12}{row.how:14}{row.n:>6}{row.per_s:>11.4g}{row.p50_ms:>10.4g}{row.p99_ms:>10.4g}"
            + (f"  {row.n - row.ok} failed: {row.failed}" if row.ok < row.n else "")
            for row in self.rows
        ]
        return "\n".join(lines)


def bench(
    folder: Path,
    entries: Mapping[str, Entry],
    settings: ServeSettings | None = None,
    *,
    queries: Path | None = None,
    seconds: float = 3.0,
) -> Bench:
    """The table of a run, asked in this process as a server asks it: batched, remembered, no HTTP.

    Each task is asked for about `seconds` in each way, by the file `queries` (see `serve.queries`) or by
    questions made of the run's own shop: its customers, the first words of its titles, its questions and
    reviews. Nothing remembered answers but where it says so. Raises DataError where nothing can be asked.
    """
    started = time.perf_counter()
    service = Service.load(folder, entries, settings or _PATIENT)
    load_s = time.perf_counter() - started
    try:
        asked, told = _asked(folder, entries, queries)
        tasks: Mapping[str, str] = service.ready()["tasks"]
        rows = [
            row
            for kind in track([kind for kind in tasks if asked.get(kind)], "timing")
            for row in _timings(service, kind, asked[kind], seconds)
        ]
        if not rows:
            raise DataError(
                f"there is nothing to ask: the queries are for {', '.join(asked) or 'no task'}, and this run "
                f"has {', '.join(tasks)}.",
                path=queries or folder,
            )
        name = str(service.ready()["name"])
    finally:
        service.close()
    return Bench(machine(), retailor_version(), name, dict(tasks), told, load_s, tuple(rows))


def machine() -> str:
    """The processor, and how many cores of it this process may use."""
    cores = n_cores()
    return f"{processor()}, {cores} {'core' if cores == 1 else 'cores'}"


def _asked(folder: Path, entries: Mapping[str, Entry], path: Path | None) -> tuple[dict[str, list[Any]], str]:
    """Queries a task, and where they came from."""
    if path is None:
        shop = contents_of(folder, entries).shop
        bodies = of_shop(Shop.of() if shop is None else open_shop(shop), N_QUERIES)
        lines: Iterable[tuple[int, bytes]] = enumerate((json.dumps(body).encode() for body in bodies), 1)
    else:
        try:
            lines = list(lines_in(path))
        except OSError as error:
            raise ConfigError(
                f"the queries cannot be read from {path} ({error.strerror}).", key="queries", value=str(path)
            ) from None
    asked: dict[str, dict[str, Any]] = {}
    refused: list[str] = []
    for number, line in lines:
        try:
            kind, query = query_of(line, entries)
            asked.setdefault(kind, {}).setdefault(repr(query), query)  # asked again, it is remembered
        except ValueError as error:
            refused.append(f"line {number}: {reason_of(error)}")
    source = "questions made of its shop" if path is None else f"questions of {path.name}"
    left = f", {len(refused)} lines of it no queries (first {refused[0]})" if refused else ""
    return {kind: list(queries.values()) for kind, queries in asked.items()}, source + left


def _timings(service: Service, kind: str, queries: Sequence[Any], seconds: float) -> list[Timing]:
    _ask(service, kind, queries[0])  # what is made at the first question
    service.cache.clear()
    alone = _timed(kind, "alone", _one_by_one(service, kind, queries, seconds))
    # Of fewer questions some would be asked twice at once, and equal ones are answered together.
    round_of = queries[: max(AT_ONCE, int(1e3 * seconds / alone.p50_ms))]
    at_once = _at_once(service, kind, round_of, seconds) if len(queries) >= AT_ONCE and alone.ok else []
    remembered = _remembered(service, kind, queries, seconds)
    return [
        alone,
        *([_timed(kind, f"{AT_ONCE} at once", at_once)] if at_once else []),
        *([_timed(kind, "remembered", remembered)] if remembered else []),
    ]


@dataclass(frozen=True)
class _Asked:
    """One question: when it was put, when it was answered, and why it was not, or ''."""

    start: float
    end: float
    failed: str = ""

    @property
    def ok(self) -> bool:
        return not self.failed


def _ask(service: Service, kind: str, query: Any) -> _Asked:
    start = time.perf_counter()
    try:
        service.ask(kind, query)
        failed = ""
    except RetailorError as error:
        failed = str(error)
    return _Asked(start, time.perf_counter(), failed)


def _one_by_one(service: Service, kind: str, queries: Sequence[Any], seconds: float) -> list[_Asked]:
    found: list[_Asked] = []
    until = time.perf_counter() + seconds
    while not found or time.perf_counter() < until:
        found.append(_ask(service, kind, queries[len(found) % len(queries)]))
        service.cache.clear()
        if len(found) >= _IN_VAIN and not any(one.ok for one in found[-_IN_VAIN:]):
            break
    return found


def _at_once(service: Service, kind: str, queries: Sequence[Any], seconds: float) -> list[_Asked]:
    """Rounds over all queries; the rounds' clocks are joined, so that emptying the cache is not in them."""
    found: list[_Asked] = []
    spent = 0.0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while spent < seconds:
            service.cache.clear()
            begun = time.perf_counter()
            made = list(pool.map(lambda query: _ask(service, kind, query), queries))
            found += [_Asked(one.start - begun + spent, one.end - begun + spent, one.failed) for one in made]
            spent += time.perf_counter() - begun
    return found


def _remembered(service: Service, kind: str, queries: Sequence[Any], seconds: float) -> list[_Asked]:
    """Only of what was answered within the time, so that a slow task is not asked all over again."""
    until = time.perf_counter() + seconds
    known = []
    for query in queries:
        if _ask(service, kind, query).ok and service.ask(kind, query).cached:
            known.append(query)
        if time.perf_counter() > until:
            break
    return [_ask(service, kind, query) for query in known]


def _timed(kind: str, how: str, found: Sequence[_Asked]) -> Timing:
    took_ms = np.array([one.end - one.start for one in found]) * 1e3
    if how.endswith("at once"):
        spent = max(one.end for one in found) - min(one.start for one in found)
    else:
        spent = float(took_ms.sum()) / 1e3
    median, late = np.quantile(took_ms, [0.5, 0.99])
    n_ok = sum(one.ok for one in found)
    failed = next((one.failed for one in found if not one.ok), "")
    return Timing(kind, how, len(found), n_ok, n_ok / spent, float(median), float(late), failed)


def compared(tables: Sequence[Bench]) -> str:
    """Two or more tables beside each other: how many times as fast as the first each of the others is."""
    first, *others = tables
    lines = [f"1: {first.run} on {first.machine}"]
    lines += [f"{i}: {one.run} on {one.machine}{_differs(first, one)}" for i, one in enumerate(others, 2)]
    heads = "".join(f"{f'{i} / 1':>10}" for i in range(2, len(tables) + 1))
    lines.append(f"{'task':12}{'how':14}{'1, a second':>13}{heads}")
    known = [{(row.task, row.how): row for row in one.rows} for one in others]
    for row in first.rows:
        beside = [rows.get((row.task, row.how)) for rows in known]
        ratios = "".join(
            f"{'–' if one is None or not row.ok else f'{one.per_s / row.per_s:.2f} ×':>10}" for one in beside
        )
        lines.append(f"{row.task:12}{row.how:14}{row.per_s:>13.4g}{ratios}")
    return "\n".join(lines)


def _differs(first: Bench, other: Bench) -> str:
    """What makes the figures those of more than the machine."""
    told: list[tuple[str, Callable[[Bench], Any]]] = [
        ("other artifacts", lambda one: one.fingerprints),
        ("other questions", lambda one: one.queries),
        ("another version", lambda one: one.version),
    ]
    found = [name for name, of in told if of(first) != of(other)]
    return f" ({', '.join(found)})" if found else ""
