"""A function of one text over many texts; on a cluster blocks of them are its tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from retailor.runner import is_away, over_shards
from retailor.store.artifact import fingerprint
from retailor.store.memo import memo_json, memo_name

BLOCK = 4096
"""Texts of a task."""


def by_blocks(
    each: Callable[[str], Any], texts: Sequence[str], label: str, work: Path | None = None
) -> list[Any]:
    """`each` of every text, in order; it gives what JSON holds, and `label` says which function it is.

    On a cluster, and with `work`, each block is kept there under its content. A plain loop otherwise.
    """
    if work is None or not is_away():
        return [each(text) for text in texts]
    folder = work.resolve()
    blocks = [list(texts[start : start + BLOCK]) for start in range(0, len(texts), BLOCK)]
    named = [(folder / f"{memo_name(label, fingerprint(label, block))}.json", block) for block in blocks]
    made = over_shards(partial(_kept, each), named, label)
    return [one for path, (_, block) in zip(made, named, strict=True) for one in _read(each, path, block)]


def _kept(each: Callable[[str], Any], shard: tuple[Path, list[str]]) -> Path:
    """The file with what a block gives, made where it is not there."""
    path, block = shard
    _read(each, path, block)
    return path


def _read(each: Callable[[str], Any], path: Path, block: Sequence[str]) -> list[Any]:
    found: list[Any] = memo_json(path, lambda: [each(text) for text in block])
    return found
