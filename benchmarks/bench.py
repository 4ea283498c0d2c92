"""The door of every benchmark: its dials, its kept stages, and its file of results.

    parser = parser_of(__doc__)
    parser.add_argument("--steps", type=int, default=400)
    bench = begin(parser, canary={"steps": 2})
    found = bench.store.tensors("fit", lambda work: fit(bench.given.steps, work))
    bench.write(rows_of(found), seeds=[0])

Only a command of `runs.RUNS` writes into `results/`, from a clean tree; every other one is a rehearsal and
writes into `--out`. `--canary` runs the same code in small and says whether its figures are those committed.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import canaries
import runs
from keeping import Store, code_of, now

from retailor.metrics.scores import Score
from retailor.store import keys
from retailor.store.memo import files_sha256

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COLUMNS = ("row", "metric", "value", "low", "high", "n", "seconds")
NO_DIALS = ("data", "work", "out", "canary")
SEEDS = ("seed", "seeds", "control_seeds")
"""Not in the key of the stages: each stage names its own."""
UNITS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
WATCHED = ("src", "benchmarks", ":!benchmarks/results", ":!benchmarks/canaries")
"""What must be as committed when a result is written."""


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of data sets")
    parser.add_argument("--work", type=Path, help="where stages are kept: build/NAME unless given")
    parser.add_argument("--out", type=Path, help="a rehearsal: figures go to this folder, from any tree")
    parser.add_argument("--canary", action="store_true", help="in small, and compare with canaries/NAME.json")
    return parser


def begin(
    parser: argparse.ArgumentParser,
    *,
    canary: Mapping[str, Any],
    no_key: Sequence[str] = (),
    argv: Sequence[str] | None = None,
) -> Bench:
    """The benchmark with its dials. `canary` are the dials of a run of seconds; `no_key` those that change
    nothing that is kept. Ends the process where data are missing or a committed result cannot be written."""
    name, given_argv = Path(sys.argv[0]).stem, list(sys.argv[1:] if argv is None else argv)
    given = parser.parse_args(given_argv)
    if given.canary:
        canaries.in_one_thread()
        parser.set_defaults(**canary)
        given = parser.parse_args(given_argv)
    table = [run for run in runs.RUNS if run.benchmark == name]
    dials = _dials(given)
    run = next((run for run in table if _dials(parser.parse_args(shlex.split(run.arguments))) == dials), None)
    data = table[0].data if table else ()
    lacking = [folder for folder in data if not (given.data / folder).exists()]
    if lacking:
        sys.exit(f"{name}: there is no {', '.join(lacking)} in {given.data}; name the folder with --data")
    bench = Bench(name, given, dials, data, None if given.out or given.canary else run, tuple(no_key))
    bench.refuse_other_code()
    if bench.run is not None:  # before the hours, not after them
        bench.canary = canaries.of_today(name, given.data)
    return bench


def _dials(given: argparse.Namespace) -> dict[str, Any]:
    return {key: value for key, value in vars(given).items() if key not in NO_DIALS}


def _keyed(dials: Mapping[str, Any], no_key: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in dials.items() if name not in (*SEEDS, *no_key)}


@dataclass
class Bench:
    """One call of a benchmark."""

    name: str
    given: argparse.Namespace
    dials: dict[str, Any]
    data: tuple[str, ...]
    run: runs.Run | None
    """The line of `runs.RUNS` that this is; None for a rehearsal and a canary."""
    no_key: tuple[str, ...] = ()
    canary: str | None = None
    """What a result keeps of the figures that its canary gives today."""

    def __post_init__(self) -> None:
        self.started, self.head, self.code = time.perf_counter(), commit(), code_of(self.name)
        self.sources = sources()
        keys.code_sha256()  # as it is now, whatever is edited while this runs

    @cached_property
    def data_sha256(self) -> dict[str, str]:
        """A hash of each data set, by content."""
        return {folder: files_sha256([self.given.data / folder]) for folder in self.data}

    @cached_property
    def store(self) -> Store:
        """The stages that are kept: keyed by dials, data, and the code of benchmark and package."""
        work = self.given.work or ROOT / "build" / self.name
        return Store(work, self.name, _keyed(self.dials, self.no_key), self.data_sha256, self.code)

    def beside(
        self, name: str, parser: argparse.ArgumentParser, canary: Mapping[str, Any]
    ) -> tuple[argparse.Namespace, Store]:
        """The dials (as they come, or of its canary in a canary) and the store of another benchmark."""
        parser.set_defaults(**(canary if self.given.canary else {}))
        given = parser.parse_args(["--data", str(self.given.data)])
        data = {folder: files_sha256([given.data / folder]) for folder in runs.of_benchmark(name).data}
        root = self.given.work / name if self.given.work else ROOT / "build" / name
        store = Store(root, name, _keyed(_dials(given), ()), data, code_of(name))
        store.stages = self.store.stages
        return given, store

    def refuse_other_code(self) -> None:
        """Ends the process where a result would not come from the commit it names."""
        if self.run is None:
            return
        if self.head == "unknown" or self.head.endswith("+"):
            sys.exit(
                f"{self.name}: package or benchmarks differ from the commit ({self.head}), so no result can "
                "name what made it: commit first, or rehearse with --out FOLDER"
            )
        if (commit(), code_of(self.name), sources()) != (self.head, self.code, self.sources):
            sys.exit(f"{self.name}: the code was changed while this ran; give the command again")

    @property
    def command(self) -> str:
        """The command that makes this file."""
        if self.run is not None:
            return self.run.command
        told = [part for key, value in self.dials.items() for part in _argument(key, value)]
        canary = ["--canary"] if self.given.canary else told
        return shlex.join(["python", f"benchmarks/{self.name}.py", *canary])

    def write(self, rows: Iterable[Score | Mapping[str, Any]], seeds: Sequence[int]) -> Path:
        """The path of the results, written whole or not at all; of a canary, whose figures are compared.

        A row is a Score, or a mapping with `row`, `metric` and `value` (KeyError without); `low`, `high`, `n`
        and `seconds` are null where they are not given, further keys (`bucket`, say) stay, and `made` says
        whether it was made now or from stages that were kept.
        """
        self.refuse_other_code()
        made = self.store.made()
        full = [{"made": made, **_row(row)} for row in rows]
        if self.given.canary:
            return canaries.finish(self.name, self.command, full, self.head, processor(), self.given.out)
        document = {
            "benchmark": self.name if self.run is None else self.run.name,
            "command": self.command,
            "commit": self.head,
            "dials": {key: _plain(value) for key, value in self.dials.items()},
            "data": self.data_sha256,
            "seeds": list(seeds),
            "machine": machine(),
            "libraries": keys.made_by(),
            "date": now(),
            "seconds": round(time.perf_counter() - self.started, 1),
            "stages": self.store.stages,
            "canary": self.canary,
            "rows": full,
        }
        folder = RESULTS if self.run is not None else self.given.out or ROOT / "build" / "rehearsals"
        path = folder / f"{document['benchmark']}.json"
        canaries.write_json(path, document)
        return path


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for a while, on the project's disk: the system's may be memory, where no write waits."""
    (ROOT / "build").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=ROOT / "build")


def _argument(key: str, value: Any) -> list[str]:
    name = f"--{key.replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [name]
    return [name, *map(str, value)] if isinstance(value, list | tuple) else [name, str(value)]


def _row(row: Score | Mapping[str, Any]) -> dict[str, Any]:
    given = dict(vars(row)) if isinstance(row, Score) else dict(row)
    given.pop("draws", None)  # it serves to pair scores in memory
    for key in ("row", "metric", "value"):
        if key not in given:
            raise KeyError(key)
    full = {**dict.fromkeys(COLUMNS), **given}
    return {key: _plain(value) for key, value in full.items()}


def _plain(value: Any) -> Any:
    """JSON has no NaN, no paths and no numpy numbers; six digits are more than any of our figures has."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def commit() -> str:
    """The commit checked out, '+' when package or benchmarks differ from it; 'unknown' outside git."""
    try:
        head = _git(ROOT, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(ROOT, "status", "--porcelain", "--", *WATCHED) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def sources() -> str:
    """A hash of the package's sources as they are now."""
    return keys.sources_sha256(Path(keys.__file__).parent)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> str:
    """The processor's name and the cores and threads this process may use; no host name."""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return f"{processor()}, {len(os.sched_getaffinity(0))} cores, threads: {threads}"


def processor() -> str:
    """The processor's name, and which of the units it has that decide the last digits of a product."""
    path = Path("/proc/cpuinfo")
    told = [line.partition(":") for line in path.read_text().splitlines()] if path.exists() else []
    first = {key.strip(): value.strip() for key, _, value in reversed(told)}
    units = [unit for unit in UNITS if unit in first.get("flags", "").split()]
    name = first.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(units)})" if units else name
