"""Runs every benchmark in small, and says which results a change of code has made stale.

    python benchmarks/canaries.py [NAME …] [--data ../shared/data] [--check]

The figures of a canary are committed in `canaries/NAME.json`. Where today's differ, the file is written anew
(with --check it is not, and the exit status is 1); results that were made with other figures are then stale,
which `readme_table.py` marks. A figure that is a speed is not compared: its canary holds that it is there,
and n. Everything runs in one thread, so that figures repeat on one type of processor; on another type
differences are told and nothing is written, unless --write is given. A benchmark without its data is skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import runs

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = ROOT / "benchmarks" / "canaries"
RESULTS = ROOT / "benchmarks" / "results"
TODAY = ROOT / "build" / "canaries"
RAW = argparse.RawDescriptionHelpFormatter
TOLERANCE = 1e-6
"""Absolute. In one thread of one type of processor a canary repeats bit by bit, bf16 included."""
SECONDS = 60
SPEED = re.compile(
    r"(_ms|_s|_cpu_s|seconds|ratio|gib|bytes_per_s|times_faster.*|times_one_by_one|speed.*|.*_times_faster)$"
)
"""Metrics that say how fast or how large in memory: not compared."""
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def in_one_thread() -> None:
    """Starts this process again with one thread, unless it has one: libraries read that at their import."""
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})


# figures ------------------------------------------------------------------------------------------


def figures_of(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """[row, bucket, metric, value, n] of each row; the value of a speed is null."""
    return [[row["row"], row.get("bucket", "all"), row["metric"], _exact(row), row["n"]] for row in rows]


def _exact(row: Mapping[str, Any]) -> Any:
    return None if SPEED.search(row["metric"]) else row["value"]


def differences(before: Sequence[Sequence[Any]], after: Sequence[Sequence[Any]]) -> list[str]:
    """What differs between two lists of figures, a line each."""
    old, new = ({tuple(one[:3]): one[3:] for one in some} for some in (before, after))
    told = [f"{' '.join(key)}: is no more" for key in old if key not in new]
    told += [f"{' '.join(key)}: is new" for key in new if key not in old]
    for key in (key for key in old if key in new):
        (a, n), (b, m) = old[key], new[key]
        far = (a is None) != (b is None) or (a is not None and abs(a - b) > TOLERANCE)
        if far or n != m:
            told.append(f"{' '.join(key)}: {a} of {n} → {b} of {m}")
    return told


def digest(figures: Sequence[Sequence[Any]]) -> str:
    """What a result keeps of its canary."""
    return hashlib.sha256(json.dumps(figures, ensure_ascii=False).encode()).hexdigest()[:16]


def read_json(path: Path) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes the document whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".json.new")
    new.write_text(_text(document) + "\n", encoding="utf-8")
    new.replace(path)


def _text(value: Any, deep: int = 0) -> str:
    """JSON with a row or a figure a line."""
    nested = isinstance(value, Mapping) or (
        isinstance(value, list) and any(isinstance(one, dict | list) for one in value)
    )
    if deep == 2 or not nested or not value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        inner = [f"{json.dumps(key)}: {_text(one, deep + 1)}" for key, one in value.items()]
    else:
        inner = [_text(one, deep + 1) for one in value]
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    pad = " " * (deep + 1)
    return f"{opening}\n{pad}" + f",\n{pad}".join(inner) + f"\n{pad[1:]}{closing}"


# one canary ---------------------------------------------------------------------------------------


def finish(
    name: str, command: str, rows: Sequence[Mapping[str, Any]], commit: str, processor: str, out: Path | None
) -> Path:
    """Writes the figures of a canary that has just run beside those of others of today."""
    path = (out or TODAY) / f"{name}.json"
    figures = figures_of(rows)
    document = {"benchmark": name, "command": command, "commit": commit, "processor": processor}
    write_json(path, {**document, "processor_s": sum(os.times()[:4]), "figures": figures})
    committed = read_json(COMMITTED / f"{name}.json")
    told = ["no figures are committed"] if committed is None else differences(committed["figures"], figures)
    print("\n".join(told) or f"{name}: its {len(figures)} figures are those committed")
    return path


def run(name: str, data: Path) -> dict[str, Any]:
    """Today's canary of a benchmark, run in a process of its own. Raises CalledProcessError."""
    (TODAY / f"{name}.json").unlink(missing_ok=True)
    work = TODAY / "work" / f"{name}-{time.time_ns()}"
    script, own = str(ROOT / "benchmarks" / f"{name}.py"), {**os.environ, **ONE_THREAD}
    command = [sys.executable, script, "--canary", "--data", str(data.resolve()), "--work", str(work)]
    try:
        subprocess.run(command, cwd=ROOT, env=own, check=True, capture_output=True, text=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    found = read_json(TODAY / f"{name}.json")
    assert found is not None
    return found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return differences(before["figures"], after["figures"])


def settle(name: str, today: Mapping[str, Any], *, write: bool, force: bool = False) -> list[str]:
    """What differs between today's canary and the committed one, which gives way to it if `write`."""
    committed = read_json(COMMITTED / f"{name}.json")
    told = (
        ["none was committed"] if committed is None else differences(committed["figures"], today["figures"])
    )
    other = committed is not None and committed["processor"] != today["processor"]
    if told and write and (force or not other):
        write_json(COMMITTED / f"{name}.json", {key: today[key] for key in today if key != "processor_s"})
    if told and other:
        told.append(f"(committed on {committed['processor']}, today on {today['processor']})")  # type: ignore[index]
    return told


def of_today(name: str, data: Path) -> str:
    """What a result keeps of its benchmark's canary, which is run now and committed if it differs."""
    settle(name, run(name, data), write=True)
    committed = read_json(COMMITTED / f"{name}.json")
    assert committed is not None
    return digest(committed["figures"])


# staleness ----------------------------------------------------------------------------------------


def stale(result: Mapping[str, Any]) -> str:
    """Why a result may not be what today's code gives, in words for a table; '' where it stands."""
    known = runs.BY_NAME.get(result["benchmark"])
    if not result.get("canary"):
        return "made before canaries"
    if known is None or result["command"] != known.command:
        return "made by another command"
    committed = read_json(COMMITTED / f"{known.benchmark}.json")
    if committed is None:
        return "its canary is gone"
    if digest(committed["figures"]) != result["canary"]:
        return f"the figures changed at {committed['commit']}"
    return ""


def stale_results() -> dict[str, str]:
    """By file of results: why it is stale, '' where it is not, 'absent' where there is none."""
    found = {run.name: read_json(RESULTS / f"{run.name}.json") for run in runs.RUNS}
    return {name: "absent" if result is None else stale(result) for name, result in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RAW)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all unless given")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit with 1 where figures differ"
    )
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time, of one thread each")
    parser.add_argument(
        "--write", action="store_true", help="write also what another type of processor gives"
    )
    given = parser.parse_args()
    unknown = set(given.names) - set(runs.BENCHMARKS)
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(sorted(unknown))}; known: {', '.join(runs.BENCHMARKS)}")
    names, started = given.names or list(runs.BENCHMARKS), time.perf_counter()
    with ThreadPoolExecutor(given.jobs) as pool:
        made = [pool.submit(_one, name, given) for name in names]
        for i, done in enumerate(as_completed(made), 1):
            print(f"{i}/{len(names)} {done.result()[1]}", flush=True)
    print(f"{time.perf_counter() - started:.0f} s")
    for name, why in stale_results().items():
        print(f"results/{name}.json: {why or 'stands'}")
    found = {done.result()[0] for done in made}
    sys.exit(1 if "failed" in found or (given.check and "other" in found) else 0)


def _one(name: str, given: argparse.Namespace) -> tuple[str, str]:
    """How a canary went ('skipped', 'failed', 'other' figures, 'same'), and what to tell of it."""
    lacking = [one for one in runs.of_benchmark(name).data if not (given.data / one).exists()]
    if lacking:
        return "skipped", f"{name}: skipped, there is no {', '.join(lacking)} in {given.data}"
    try:
        today = run(name, given.data)
    except subprocess.CalledProcessError as error:
        return "failed", f"{name}: failed:\n{error.stderr[-3000:]}"
    told = settle(name, today, write=not given.check, force=given.write)
    late = f", longer than {SECONDS} s" if today["processor_s"] > SECONDS else ""
    head = f"{name}: {today['processor_s']:.0f} s of one core{late}, {len(today['figures'])} figures"
    return "other" if told else "same", "\n    ".join([f"{head}, {len(told) or 'none'} differ", *told[:5]])


if __name__ == "__main__":
    main()
