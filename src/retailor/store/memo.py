"""Memos: what takes long is made once, and kept in a work folder under the key of everything that made it.

A key holds what the caller names (dials, data by content, seeds), and by itself the code of the package and
the versions of the libraries that compute (`keys.key_of`): nothing made by other code is ever found.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from retailor.errors import DataError
from retailor.store import artifact
from retailor.store.keys import key_of, made_by

Tensors = Mapping[str, NDArray[Any]]
UNUSED_S = 6 * 3600.0
"""Seconds after which a memo that nobody asked for may be swept away: a server opens its own before."""


def memo_tensors(work: Path | None, label: str, key: str, make: Callable[[], Tensors]) -> Tensors:
    """What `make` gives: from `work` where a call with the same label and key has left it, else made now.

    Written whole or not at all; a corrupt file is made again. Without `work` there is no memo.
    """
    if work is None:
        return make()
    path = memo_path(work, label, key)
    if path.exists():
        try:
            return load_file(path)
        except (SafetensorError, OSError):
            path.unlink()
    tensors = {name: np.ascontiguousarray(values) for name, values in make().items()}
    work.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{uuid.uuid4().hex[:8]}.new")
    save_file(tensors, new)
    new.replace(path)
    return tensors


def memo_json(path: Path, make: Callable[[], Any]) -> Any:
    """What `make` gives, which JSON must hold: read where a call has left it at `path`, else made now.

    Written whole or not at all; a corrupt file is made again.
    """
    with suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{uuid.uuid4().hex[:8]}.new")
    new.write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    new.replace(path)
    return made


def memo_path(work: Path, label: str, key: object) -> Path:
    """Where `memo_tensors` keeps what it makes."""
    return work / f"{memo_name(label, key)}.safetensors"


def memo_folder(work: Path, label: str, key: object, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder that `make` fills, and whether it was there: a call with the same label and key left it.

    `key` is anything JSON-able. Written whole or not at all; one that is corrupt is made again. Of processes
    and threads that ask at once one makes it, and the others wait.
    """
    from filelock import FileLock

    folder = work / memo_name(label, key)
    if _is_whole(folder):
        return folder, True
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")) as lock:
        try:
            if _is_whole(folder):
                return folder, True
            with artifact.writing(folder, "memo", settings={"label": label, "made_by": made_by()}) as new:
                make(new)
        finally:
            with suppress(OSError):  # a system that keeps open files
                Path(lock.lock_file).unlink()
    return folder, False


def _is_whole(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        artifact.verify(folder, "memo")
    except DataError:
        return False
    with suppress(OSError):  # not ours to write to
        os.utime(folder)
    return True


def sweep(work: Path, label: str, newest: Path, kept: int) -> None:
    """Takes away the memos of a label that nobody has asked for in `UNUSED_S`, but for the `kept` latest."""
    folders = [path for path in work.glob(f"{label}-*") if path.is_dir() and path != newest]
    times = {path: path.stat().st_mtime for path in folders}
    for old in sorted(folders, key=times.__getitem__, reverse=True)[max(0, kept - 1) :]:
        if time.time() - times[old] > UNUSED_S:
            shutil.rmtree(old, ignore_errors=True)


def memo_name(label: str, key: object) -> str:
    """The name of a memo: the label, and the key together with code and libraries."""
    return f"{label.replace(' ', '-').replace('/', '-')}-{key_of(key)[:16]}"


def digest(*arrays: NDArray[Any]) -> str:
    """A sha256 over the bytes of some arrays."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def files_sha256(paths: Iterable[Path]) -> str:
    """A sha256 (hex) over the content of files, and of all files in folders, by their names there."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                name = file.relative_to(path).as_posix() if path.is_dir() else file.name
                found.update(f"{name} {artifact.file_sha256(file)}\n".encode())
    return found.hexdigest()
