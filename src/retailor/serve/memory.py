"""Memory that a burst of requests took is given back, and what stays is not looked at again and again."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

_M_ARENA_MAX = -8
"""`mallopt`'s name for it, in glibc's malloc.h."""
N_ARENAS = 2
LOOK_AFTER_S = (1.0, 5.0, 30.0, 60.0)
"""When what was not yet let go is looked for again."""
_leaves_alone = False


def few_arenas() -> None:
    """New threads share two heaps; glibc would give each its own, and keep what a burst left in it."""
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, N_ARENAS)


def leave_alone_what_is_loaded() -> None:
    """Collections of garbage pass over what there is now: models and libraries, a million objects that stay.

    Each would look at all of them, in the thread of a request. From now on `let_go` keeps it so.
    """
    global _leaves_alone
    _leaves_alone = True
    _look_at_all()
    gc.freeze()


def let_go(gone: Sequence[weakref.ref[Any]]) -> None:
    """Collects what was left alone and is not served any more; then what is served is left alone.

    What somebody still answers with, or waits for, is collected later, by a thread: left alone while it lives
    it would stay for good. `gone` tells whether it lives. Where nothing was left alone nothing is done.
    """
    if not _leaves_alone:
        return
    _look_at_all()
    if _all_dead(gone):
        gc.freeze()
    else:
        threading.Thread(target=_look_later, args=(gone,), name="letting-go", daemon=True).start()


def _look_later(gone: Sequence[weakref.ref[Any]]) -> None:
    for seconds in LOOK_AFTER_S:
        time.sleep(seconds)
        _look_at_all()
        if _all_dead(gone):
            break
    gc.freeze()


def _look_at_all() -> None:
    gc.unfreeze()
    gc.collect()


def _all_dead(gone: Sequence[weakref.ref[Any]]) -> bool:
    return all(each() is None for each in gone)


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
