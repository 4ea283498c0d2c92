"""What a benchmark makes once: memos of its stages, under the key of everything that made them."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.store.memo import memo_folder, memo_name

HERE = Path(__file__).parent
HARNESS = ("bench", "canaries", "keeping", "make_again", "readme_table", "runs")
"""Modules that decide no figure."""

Tensors = Mapping[str, NDArray[Any]]


def code_of(benchmark: str) -> str:
    """A sha256 (hex) over the benchmark's file and those of this folder that it imports, and they in turn."""
    hashed = hashlib.sha256()
    for name in sorted(_imported(benchmark, set())):
        hashed.update(name.encode() + (HERE / f"{name}.py").read_bytes())
    return hashed.hexdigest()


def _imported(name: str, found: set[str]) -> set[str]:
    if name in found or name in HARNESS or not (HERE / f"{name}.py").is_file():
        return found
    found.add(name)
    for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        for other in [*names, *([node.module] if isinstance(node, ast.ImportFrom) and node.module else [])]:
            _imported(other, found)
    return found


class Store:
    """Stages by label, each made once.

    The key of a stage holds `key` (the benchmark's dials, data and code), what the call adds (a seed, say),
    the package's code and the libraries.
    """

    def __init__(self, root: Path, *key: object) -> None:
        self.root, self.key = root, key
        self.stages: dict[str, dict[str, Any]] = {}
        """What was made or found in this process: whether, when and in how many seconds."""

    def folder(self, label: str, make: Callable[[Path, Path], None], *key: object) -> Path:
        """The folder that `make(folder, work)` fills; a killed call finds its `work` again."""
        whole = (*self.key, *key)
        work = self.root / "work" / memo_name(label, whole)

        def fill(folder: Path) -> None:
            started = time.perf_counter()
            work.mkdir(parents=True, exist_ok=True)
            make(folder, work)
            told = {"seconds": round(time.perf_counter() - started, 1), "date": now()}
            (folder / "stage.json").write_text(json.dumps(told), encoding="utf-8")

        found, was_there = memo_folder(self.root, label, whole, fill)
        shutil.rmtree(work, ignore_errors=True)
        told = json.loads((found / "stage.json").read_text(encoding="utf-8"))
        self.stages.setdefault(label, {"made": "kept" if was_there else "now", **told})
        return found

    def tensors(self, label: str, make: Callable[[Path], Tensors], *key: object) -> Tensors:
        """The arrays that `make(work)` gives."""

        def fill(folder: Path, work: Path) -> None:
            arrays = {name: np.ascontiguousarray(values) for name, values in make(work).items()}
            save_file(arrays, folder / "arrays.safetensors")

        return load_file(self.folder(label, fill, *key) / "arrays.safetensors")

    def value(self, label: str, make: Callable[[Path], Any], *key: object) -> Any:
        """The JSON-able value that `make(work)` gives."""

        def fill(folder: Path, work: Path) -> None:
            (folder / "value.json").write_text(json.dumps(make(work)), encoding="utf-8")

        return json.loads((self.folder(label, fill, *key) / "value.json").read_text(encoding="utf-8"))

    def made(self, *labels: str) -> str:
        """'now', or 'kept' where one of the stages (all, if none is named) was found."""
        found = [self.stages[label]["made"] for label in labels or self.stages]
        return "kept" if "kept" in found else "now"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
