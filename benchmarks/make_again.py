"""Makes results again: those that are stale, or those named; the cheap ones first.

    python benchmarks/make_again.py [NAME …] [--data ../shared/data] [--from-nothing] [--background]

Needs a clean tree, as every result names its commit. What was killed goes on: a stage that is done is kept,
and a result that stands is not made again. A benchmark that fails does not stop the others. Logs lie in
build/make_again. With --background it goes on when the terminal is closed, at the lowest priority.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import canaries
import runs

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "make_again"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=canaries.RAW)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all that are stale unless given")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--from-nothing", action="store_true", help="also throw away the stages that are kept"
    )
    parser.add_argument("--background", action="store_true")
    given = parser.parse_args()
    unknown = set(given.names) - set(runs.BY_NAME)
    if unknown:
        sys.exit(f"there is no result {', '.join(sorted(unknown))}; known: {', '.join(runs.BY_NAME)}")
    if given.background:
        print(f"process {in_background()}, log {LOGS / 'all.log'}")
        return
    state = canaries.stale_results()
    chosen = [run for run in runs.RUNS if (run.name in given.names if given.names else state[run.name])]
    if given.from_nothing:
        for run in chosen:
            shutil.rmtree(ROOT / "build" / run.benchmark, ignore_errors=True)
    failed = [run.name for i, run in enumerate(chosen, 1) if not made(f"{i}/{len(chosen)}", run, given.data)]
    subprocess.run([sys.executable, str(ROOT / "benchmarks" / "readme_table.py")], cwd=ROOT, check=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def in_background() -> int:
    """The number of a process of its own that does the same."""
    LOGS.mkdir(parents=True, exist_ok=True)
    again = [sys.executable, "-u", *(one for one in sys.argv if one != "--background")]
    with (LOGS / "all.log").open("ab") as log:
        told = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(again, start_new_session=True, **told).pid


def made(head: str, run: runs.Run, data: Path) -> bool:
    """Whether the command of a result came to its end."""
    LOGS.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *shlex.split(run.command)[1:], "--data", str(data)]
    print(f"{head} {run.name}: about {run.minutes:g} minutes …", end="", flush=True)
    start = time.perf_counter()
    with (LOGS / f"{run.name}.log").open("wb") as log:
        nice = ["nice", "-n", "10"] if os.name == "posix" else []
        done = subprocess.run([*nice, *command], cwd=ROOT, stdout=log, stderr=log)
    took = (time.perf_counter() - start) / 60
    print(
        f" {took:.1f} minutes" if done.returncode == 0 else f" failed, see {LOGS / run.name}.log", flush=True
    )
    return done.returncode == 0


if __name__ == "__main__":
    main()
