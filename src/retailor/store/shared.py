"""Arrays that the workers of one server share: one copy in the page cache, however many processes read it.

Only where `SHARED` names a folder of the group (`serve/workers/crew` sets it for its processes): files are
then mapped and not read, and what is computed from them is written there once, by who comes first, and mapped
by all. Elsewhere everything is loaded as ever.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.store.artifact import fingerprint

SHARED = "RETAILOR_SHARED"
"""The environment variable of the group's folder."""
Tensors = Mapping[str, NDArray[Any]]
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
"""Of safetensors, to those of numpy."""


def shared_folder() -> Path | None:
    """Where this process and its siblings share what they compute; None where it has none."""
    given = os.environ.get(SHARED)
    return Path(given) if given else None


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file: mapped in a worker, else read. Raises as safetensors does."""
    return load_file(path) if shared_folder() is None else mapped(path)


def load_floats(path: Path, name: str) -> NDArray[np.float32]:
    """One array of a safetensors file in float32; in a worker the group has it once."""

    def made() -> Tensors:
        return {name: load_file(path)[name].astype(np.float32)}

    about = path.stat()
    return shared_tensors("floats", [str(path.resolve()), about.st_mtime_ns, about.st_size, name], made)[name]


def shared_tensors(label: str, key: object, make: Callable[[], Tensors]) -> Tensors:
    """What `make` gives. In a worker: as the first of the group made it under this label and key, mapped."""
    folder = shared_folder()
    if folder is None:
        return make()
    from filelock import FileLock

    path = folder / f"{label}-{fingerprint(key)[:32]}.safetensors"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            new = path.with_suffix(f".{uuid.uuid4().hex[:8]}.new")
            save_file({each: np.ascontiguousarray(values) for each, values in make().items()}, new)
            new.replace(path)
    return mapped(path)


def mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file as views of the file. A page that is written to becomes the process's
    own; the file never changes. Of a file with a type that numpy lacks, all arrays are read."""
    with path.open("rb") as file:
        n_head = int.from_bytes(file.read(8), "little")
        if n_head > path.stat().st_size - 8:
            return load_file(path)  # which says what is wrong with it
        head = json.loads(file.read(n_head))
    head.pop("__metadata__", None)
    if any(each["dtype"] not in _DTYPES for each in head.values()):
        return load_file(path)
    data = (
        np.memmap(path, np.uint8, mode="c", offset=8 + n_head) if path.stat().st_size > 8 + n_head else None
    )
    found = {}
    for name, each in head.items():
        start, end = each["data_offsets"]
        dtype = np.dtype(_DTYPES[each["dtype"]])
        part = np.empty(0, np.uint8) if data is None else np.asarray(data)[start:end]
        if start % dtype.itemsize or (8 + n_head) % dtype.itemsize:
            part = part.copy()  # numpy's own routines may want it where the processor does not
        found[name] = part.view(dtype).reshape(each["shape"])
    return found


def is_on_the_disk(array: NDArray[Any]) -> bool:
    """Whether an array is a view of a file."""
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None
