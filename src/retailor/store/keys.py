"""Keys of what is made once: what a caller names, the package's code, and the libraries that compute."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable

LIBRARIES = (
    "numpy", "scipy", "polars", "pyarrow", "scikit-learn", "torch", "transformers", "tokenizers", "peft",
    "accelerate", "onnxruntime", "implicit", "usearch", "rjieba", "ftfy", "selectolax", "safetensors",
    "gguf", "sacrebleu", "openvino",
)  # fmt: skip
"""Each can change a figure; what only serves, draws or stores is left out."""


def made_by() -> dict[str, str]:
    """What makes things in this process: Python's version, `code`, and the libraries by name."""
    return {"python": platform.python_version(), "code": code_sha256(), **library_versions()}


@cache
def code_sha256() -> str:
    """A sha256 (hex) over the sources of the installed package, read once a process.

    A wheel and a checkout of the same sources agree. Code that changes later does not change it: what runs
    is what was there at the start.
    """
    return sources_sha256(files("retailor"))


def sources_sha256(folder: Traversable) -> str:
    """A sha256 (hex) over names and bytes of the files below, without what Python or an editor leaves."""
    found = hashlib.sha256()
    for name, file in sorted(_sources(folder, ""), key=lambda pair: pair[0]):
        content = file.read_bytes().replace(b"\r\n", b"\n")
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _sources(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")) or path.name.endswith((".pyc", "~")):
            continue
        if path.is_dir():
            yield from _sources(path, f"{above}{path.name}/")
        else:
            yield above + path.name, path


@cache
def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that compute, by name; nothing is imported."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def what_changed(before: dict[str, str]) -> str:
    """What differs between `before`, as `made_by` gave it, and now, in words; '' for nothing."""
    now = made_by()
    told = ["Retailor's code has changed"] if before.get("code") != now["code"] else []
    for name in sorted((before.keys() | now.keys()) - {"code"}):
        if before.get(name) != now.get(name):
            told.append(f"{name} {before.get(name, 'absent')} → {now.get(name, 'absent')}")
    return ", ".join(told)


def key_of(*parts: object) -> str:
    """A sha256 (hex) over JSON-able parts and all of `made_by`: the name of what is made once."""
    text = json.dumps((made_by(), parts), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
