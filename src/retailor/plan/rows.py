"""The rows of a plan's databases, lakes and buckets, taken before its stages, whose key they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from retailor.errors import DataError
from retailor.plan.settings import Plan
from retailor.shop.read import called, columns_of
from retailor.shop.sources.door import take
from retailor.store import artifact

ROWS = "rows"
"""In a run's folder, while it is made: rows that are not kept elsewhere."""


@contextmanager
def with_rows(plan: Plan, out: Path, tell: Callable[[str], None]) -> Iterator[Plan]:
    """The plan with the rows of its addresses on the disk; what no source keeps is gone at the end."""
    if not any(source.is_remote for source in plan.sources()):
        yield plan
        return
    place = out / ROWS
    lock = artifact.owned(out / ".rows.lock")
    if lock is None:
        raise DataError("another run is at work in this folder; wait for it.", path=out)
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed
    taken = {}
    try:
        for i, source in enumerate(plan.sources()):
            if source.is_remote:
                tell(f"taking {called(source)} …")
                taken[i] = take(source, place / str(i), columns_of(source))
        yield replace(plan, taken=taken)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()
