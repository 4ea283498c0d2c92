"""Writes the result of a benchmark as tidy JSON: every figure of the project comes from such a file.

A script in this folder says `from schema import write_results`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retailor.metrics.scores import Score

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("row", "metric", "value", "low", "high", "n", "seconds")


def write_results(
    name: str,
    rows: Iterable[Score | Mapping[str, Any]],
    seeds: Sequence[int],
    command: str,
    *,
    folder: Path = RESULTS,
) -> Path:
    """The path of `results/NAME.json`, written whole or not at all.

    A row is a Score, or a mapping with `row`, `metric` and `value` (KeyError without); `low`, `high`, `n` and
    `seconds` are null where they are not given, and further keys (`bucket`, say) stay.
    """
    document = {
        "benchmark": name,
        "command": command,
        "commit": commit(),
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": list(seeds),
        "rows": [_row(row) for row in rows],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    new = path.with_suffix(".json.new")
    new.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(path)
    return path


def _row(row: Score | Mapping[str, Any]) -> dict[str, Any]:
    given = dict(vars(row)) if isinstance(row, Score) else dict(row)
    given.pop("draws", None)  # it serves to pair scores in memory
    for key in ("row", "metric", "value"):
        if key not in given:
            raise KeyError(key)
    full = {**dict.fromkeys(COLUMNS), **given}
    return {key: _plain(value) for key, value in full.items()}


def _plain(value: Any) -> Any:
    """JSON has no NaN and no numpy numbers; six digits are more than any of our figures has."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def commit() -> str:
    """The commit checked out, '+' when the package differs from it; 'unknown' outside git."""
    here = Path(__file__).parent.parent
    try:
        head = _git(here, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "-uno", "--", "src") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> str:
    """The processor's name and the number of cores this process may use; no host name."""
    return f"{_processor()}, {len(os.sched_getaffinity(0))} cores"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
