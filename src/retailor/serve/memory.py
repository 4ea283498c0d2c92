"""Memory that a burst of requests took is given back, and what stays is not looked at again and again."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from typing import Any

_M_ARENA_MAX = -8
"""`mallopt`'s name for it, in glibc's malloc.h."""
N_ARENAS = 2


def few_arenas() -> None:
    """New threads share two heaps; glibc would give each its own, and keep what a burst left in it."""
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, N_ARENAS)


def leave_alone_what_is_loaded() -> None:
    """Collections of garbage pass over what there is now: models and libraries, a million objects that stay.

    Each would look at all of them, in the thread of a request. Call it again after a reload: what was left
    alone then is looked at once more.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def give_memory_back(every_s: float) -> None:
    """Gives free memory back to the system again and again, until it is cancelled."""
    library = _glibc()
    while library is not None:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(library.malloc_trim, 0)


def _glibc() -> Any:
    """The C library, where it is one that keeps memory and can be told not to."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
