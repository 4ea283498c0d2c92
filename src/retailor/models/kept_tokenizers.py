"""Tokenizers that are read once for several processes: those of many languages take half a gigabyte.

`keep` is called in the process that the workers of a server are forked from (`serve/workers/preloaded`); what
it has read they share until one writes to it, which nobody does. In every other process nothing is kept.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from retailor.store.artifact import file_sha256

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_kept: dict[str, Any] = {}
"""By content: the tokenizer of a folder."""
_splitters: dict[int, tuple[Any, int | None]] = {}
"""By tokenizer: another one of the same words, and where it cuts, once somebody has said so."""
_lock = threading.Lock()


def keep(folder: Path, made: Any) -> None:
    """Keeps the tokenizer of a folder for all processes that are forked from this one."""
    from tokenizers import Tokenizer

    backend = getattr(made, "backend_tokenizer", None)
    if isinstance(backend, Tokenizer):
        _splitters[id(made)] = Tokenizer.from_str(backend.to_str()), None
    _kept[_key(folder)] = made


def kept(folder: Path) -> Any:
    """The tokenizer that was read of files with this content; None where none was."""
    return _kept.get(_key(folder)) if _kept else None


def splitter_of(tokenizer: Any, max_tokens: int) -> Any:
    """What splits texts as a kept tokenizer does, cut at `max_tokens`; None where there is no such."""
    with _lock:
        found, cut = _splitters.get(id(tokenizer), (None, None))
        if found is None or cut not in (None, max_tokens):
            return None
        if cut is None:
            found.no_padding()
            found.enable_truncation(max_tokens)
            _splitters[id(tokenizer)] = found, max_tokens
        return found


def _key(folder: Path) -> str:
    return " ".join(file_sha256(folder / name) if (folder / name).is_file() else "" for name in FILES)
