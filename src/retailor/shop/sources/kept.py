"""Rows that were taken before, and what is new since: nothing is counted twice, and late rows are found.

The rule. With W the newest time of the last call (or now, where that lies ahead) less `late_h`: rows before W
are settled, kept for good and never asked for again. All from W on, and those without a time, are asked for
again in every call and take the place of what was kept of them. So a row that comes late is found while its
time is no more than `late_h` behind the newest; what comes later still is counted and said. With `row_id` a
row that comes again, under a newer time, takes the place of the older one.

Parquet files are never changed, and `state.json` names those that count. It is replaced in one rename, so
that a kill leaves the old rows or the new ones.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from retailor.errors import DataError
from retailor.shop.sources.instants import Newest, as_times, from_json, settled_before, to_json
from retailor.shop.sources.origin import Origin
from retailor.shop.sources.settings import Source
from retailor.shop.sources.spool import read_batches, spool
from retailor.store import artifact
from retailor.store.stages import write_json

STATE = "state.json"


@dataclass(frozen=True)
class State:
    """What is kept: the files of settled rows, the one of rows that are asked for again, and W."""

    about: dict[str, Any]
    settled: tuple[str, ...] = ()
    open: str | None = None
    before: Any = None
    """W, as JSON."""
    n_settled: int = 0
    """Rows that were settled, also those that other ones or a request to forget took out since."""
    number: int = 0
    """Of the call that wrote it."""


@dataclass(frozen=True)
class Taken:
    """Files to be read as the rows of a source, and what to say of them."""

    files: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()


def take_new(source: Source, origin: Origin, now: dt.datetime | None = None) -> Taken:
    """All rows of the source that are there by now; only what is new is asked for.

    Raises DataError where the folder keeps rows of something else, or another call is at work there.
    """
    assert source.keep is not None and source.time_column is not None
    folder = Path(source.keep)
    folder.mkdir(parents=True, exist_ok=True)
    lock = artifact.owned(folder / ".lock")
    if lock is None:
        raise DataError("another call takes rows into this folder; wait for it.", path=folder)
    try:
        state = _state(folder, _about(source, origin))
        _sweep(folder, state)
        before = from_json(state.before)
        n_before = None if before is None else origin.n_before(before)
        new, n_again = _taken(source, origin, state, folder, now or dt.datetime.now(dt.UTC))
        remarks = [] if n_before is None else _missed(source, origin, state, n_before, n_again)
        _sweep(folder, new)
        return Taken(tuple(folder / name for name in _files(new)), tuple(remarks))
    finally:
        lock.release()


def kept_files(folder: Path) -> list[Path]:
    """The files that count in a folder of kept rows; none where it is no such folder."""
    if not (folder / STATE).is_file():
        return []
    return [folder / name for name in _files(_read(folder))]


def _about(source: Source, origin: Origin) -> dict[str, Any]:
    return {
        "of": origin.name,
        "query": source.query,
        "time_column": source.time_column,
        "row_id": source.row_id,
    }


def _state(folder: Path, about: dict[str, Any]) -> State:
    if not (folder / STATE).exists():
        strange = [each.name for each in folder.iterdir() if not each.name.startswith((".", "rows-"))]
        if strange:
            raise DataError(
                f"this folder holds other things ({', '.join(sorted(strange)[:3])}): name another one in "
                "'keep'.",
                path=folder,
            )
        return State(about)
    state = _read(folder)
    changed = [name for name, value in about.items() if state.about.get(name) != value]
    if changed:
        raise DataError(
            f"this folder keeps the rows of another '{changed[0]}' ({state.about.get(changed[0])!r}): "
            "name another "
            "one in 'keep', or delete it to take all rows anew.",
            path=folder,
        )
    return state


def _read(folder: Path) -> State:
    try:
        found = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return State(**{**found, "settled": tuple(found["settled"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"what says which rows are kept is corrupt ({error}): delete the folder, and all rows are "
            "taken anew.",
            path=folder / STATE,
        ) from None


def _files(state: State) -> list[str]:
    return [*state.settled, *([state.open] if state.open else [])]


def _sweep(folder: Path, state: State) -> None:
    """Removes what a killed call left, and what counts no more."""
    known = set(_files(state))
    for path in folder.glob("rows-*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in known:
            path.unlink(missing_ok=True)


def _missed(source: Source, origin: Origin, state: State, n_before: int, n_again: int) -> list[str]:
    """What to say where rows before W came or went since they were settled, but for those that came again."""
    n_taken = state.n_settled - n_again
    if n_before == n_taken:
        return []
    return [
        f"{origin.name}: {n_before:,} rows have a {source.time_column} before {from_json(state.before)}, and "
        f"{n_taken:,} were taken: others came or went more than {source.late_h:g} hours late, and are not "
        "taken; "
        f"give a longer late_h, a row_id where rows change, or delete {source.keep} to take all anew"
    ]


def _taken(source: Source, origin: Origin, state: State, folder: Path, now: dt.datetime) -> tuple[State, int]:
    """The state after a call, written down, and how many settled rows came again."""
    time = source.time_column or ""
    newest = Newest(time, origin.name)
    raw = folder / f"rows-{state.number + 1:05d}-new"
    shutil.rmtree(raw, ignore_errors=True)
    paths = spool(_watched(origin, from_json(state.before), newest, source.row_id), raw)
    before = settled_before(newest.value, source.late_h, now) if newest.value is not None else None
    old = from_json(state.before)
    if before is None or (old is not None and before < old):
        before = old
    number = state.number + 1
    settled = _written(_part(paths, time, before, settled=True), folder / f"rows-{number:05d}.parquet")
    fresh = _written(_part(paths, time, before, settled=False), folder / f"rows-{number:05d}-open.parquet")
    if settled is None and state.number and _same(fresh, folder, state):
        return state, 0  # nothing is new: the files stay those that they were
    kept, n_gone = state.settled, 0
    if source.row_id is not None:
        kept, n_gone = _without(kept, paths, source.row_id, folder, number)
    n_new = _n_rows(folder, settled)
    new = replace(
        state, settled=(*kept, *([settled] if settled else [])), open=fresh, before=to_json(before),
        n_settled=state.n_settled - n_gone + n_new, number=number,
    )  # fmt: skip
    write_json(folder / STATE, asdict(new))
    return new, n_gone


def _watched(origin: Origin, since: Any, newest: Newest, row_id: str | None) -> Iterator[Any]:
    for batch in origin.batches(since):
        if row_id is not None and row_id not in batch.schema.names:
            raise DataError(
                f"there is no column '{row_id}', which row_id names; it has {', '.join(batch.schema.names)}.",
                path=origin.name,
                column=row_id,
            )
        newest.see(batch)
        yield batch


def _part(paths: Sequence[Path], time: str, before: Any, *, settled: bool) -> Iterator[Any]:
    """The batches of the rows before a time, or of all others; without a time all are others."""
    import pyarrow.compute as pc

    for batch in read_batches(paths):
        if before is None:
            if not settled:
                yield batch
            continue
        times = as_times(batch.column(batch.schema.get_field_index(time)))
        early = pc.fill_null(pc.less(times, before), False)
        yield batch.filter(early if settled else pc.invert(early))


def _written(batches: Iterable[Any], path: Path) -> str | None:
    """The name of a file with the rows of the batches; none for no rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    try:
        for batch in batches:
            if not batch.num_rows:
                continue
            writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
            writer.write_table(pa.table(batch))
    finally:
        if writer is not None:
            writer.close()
    return None if writer is None else path.name


def _n_rows(folder: Path, name: str | None) -> int:
    import pyarrow.parquet as pq

    return 0 if name is None else int(pq.read_metadata(folder / name).num_rows)


def _same(fresh: str | None, folder: Path, state: State) -> bool:
    """Whether the open rows are those that there were, byte for byte."""
    if fresh is None or state.open is None:
        return fresh is state.open
    return artifact.file_sha256(folder / fresh) == artifact.file_sha256(folder / state.open)


def _without(
    kept: Sequence[str], new: Sequence[Path], row_id: str, folder: Path, number: int
) -> tuple[tuple[str, ...], int]:
    """The settled files without the rows whose id is among the new ones, and how many these were."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = [batch.column(batch.schema.get_field_index(row_id)) for batch in read_batches(new)]
    if not ids:
        return tuple(kept), 0
    again = pc.unique(pa.chunked_array(ids).cast(pa.string()))
    left, n_gone = [], 0
    for i, name in enumerate(kept):

        def other(batch: Any) -> Any:
            own = batch.column(batch.schema.get_field_index(row_id)).cast(pa.string())
            return pc.invert(pc.is_in(own, value_set=again))

        n_here = sum(
            batch.num_rows - (pc.sum(other(batch)).as_py() or 0) for batch in read_batches([folder / name])
        )
        if not n_here:
            left.append(name)
            continue
        n_gone += n_here
        mended = (batch.filter(other(batch)) for batch in read_batches([folder / name]))
        made = _written(mended, folder / f"rows-{number:05d}-of-{i:05d}.parquet")
        left += [made] if made else []
    return tuple(left), n_gone


def forget_rows(folder: Path, columns: Sequence[str], ids: Sequence[str]) -> int:
    """Takes the rows out in which one of some columns is one of some ids; how many there were."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (folder / STATE).is_file():
        return 0
    lock = artifact.owned(folder / ".lock")
    if lock is None:
        raise DataError("another call takes rows into this folder; wait for it.", path=folder)
    try:
        state, wanted, n_gone = _read(folder), pa.array(list(ids), pa.string()), 0
        number, names = state.number + 1, dict[str, str | None]()
        for i, name in enumerate(_files(state)):

            def others(batch: Any) -> Any:
                mine = pa.array([False] * batch.num_rows)
                for column in columns:
                    at = batch.schema.get_field_index(column)
                    if at >= 0:
                        own = batch.column(at).cast(pa.string())
                        mine = pc.or_(mine, pc.fill_null(pc.is_in(own, value_set=wanted), False))
                return pc.invert(mine)

            n_all = _n_rows(folder, name)
            left = (batch.filter(others(batch)) for batch in read_batches([folder / name]))
            made = _written(left, folder / f"rows-{number:05d}-less-{i:05d}.parquet")
            n_gone += n_all - _n_rows(folder, made)
            names[name] = made
        if n_gone:
            new = replace(
                state, number=number, open=names.get(state.open) if state.open else None,
                settled=tuple(made for name in state.settled if (made := names[name])),
            )  # fmt: skip
            write_json(folder / STATE, asdict(new))
            state = new
        _sweep(folder, state)
        return n_gone
    finally:
        lock.release()
