"""People forgotten: taken out of every artifact of a run and of its refreshes, and noted without a name.

What stays are sums over all customers and trained weights, until the next refresh. Each artifact is edited in
a copy and replaced whole; the shops, which say what was theirs, come last, so that a call that was killed can
be made again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from retailor.errors import ServeError
from retailor.live.people.kept_rows import forget_kept
from retailor.live.people.scrubbed import SCRUBBERS
from retailor.live.standing import RUN, place_of, refreshes_of, standing_number, standing_run
from retailor.shop.gone import Gone, Note
from retailor.shop.tables import Shop, open_shop
from retailor.store import artifact
from retailor.store.stages import write_json
from retailor.tasks.entry import Entry

LOCK = ".forgetting.lock"
"""In the folder of the refreshes: whoever forgets somebody in the run holds it."""
LONGEST_WAIT_S = 600.0
RECEIPTS = "forgotten"
"""In the folder of the refreshes."""
TOLD = ("evaluation", "insight", "report", "profile", "leaks", "ledger", "absent", "passed")
"""Kinds of artifacts that may quote people in files that are read by people."""


@dataclass(frozen=True)
class Receipt:
    """That somebody was forgotten; it does not name them."""

    at: str
    who: tuple[str, ...]
    """What the note knows their ids by."""
    n_rows: Mapping[str, int]
    """Rows of the shop that is served, of the log, and of those that its sources keep, that were theirs."""
    artifacts: tuple[str, ...]
    """Those that had something of them."""
    left: str = "sums over all customers and trained weights, until the next refresh is promoted"


@contextmanager
def one_at_a_time(folder: Path, *, wait_s: float = LONGEST_WAIT_S) -> Iterator[None]:
    """Lets one forget at a time in a run, of all threads and processes: each reads the note and artifacts and
    writes them without what it knows of, so that two at once would bring back whom the other forgot.

    Within a thread it may be held twice. ServeError 503 where the others take longer than `wait_s`; a holder
    that was killed holds nothing.
    """
    place = refreshes_of(folder)
    place.mkdir(parents=True, exist_ok=True)
    held: BaseFileLock = FileLock(place / LOCK, is_singleton=True)
    try:
        held.acquire(timeout=wait_s)
    except Timeout:
        raise ServeError(
            "somebody else is being forgotten in this run; ask again later.", status=503, retry_after_s=10.0
        ) from None
    try:
        yield
    finally:
        held.release()


def forget_in(
    folder: Path, user_ids: Iterable[str], entries: Mapping[str, Entry], *, n_log: int = 0
) -> Receipt:
    """Takes people out of the run in a folder, and out of its refreshes; `user_ids` are all their ids.

    A refresh that was begun and not ended is given up; one that is at work sees the note when it is done.
    Others who forget somebody in the run are waited for, as `one_at_a_time` says.
    """
    with one_at_a_time(folder):
        return _forget_in(folder, user_ids, entries, n_log)


def _forget_in(folder: Path, user_ids: Iterable[str], entries: Mapping[str, Entry], n_log: int) -> Receipt:
    folder, ids, at = Path(folder), sorted(set(user_ids)), datetime.now(UTC)
    note = Note.read(folder).with_people(ids, at)
    note.write(folder)
    _give_up(folder)
    kept = forget_kept(folder, ids)
    runs = [folder, *sorted(refreshes_of(folder).glob(f"[0-9]*/{RUN}"))]
    places = [each for run in runs for each in _artifacts(run)]
    shops = [shop for each in places for shop in _shops(each)]
    gone = Gone.of(ids, shops)
    served = _served(standing_run(folder))
    left = gone.shop(served)
    n_rows = {
        name: n
        for name in ("events", "reviews", "preferences")
        if (n := len(served.tables()[name]) - len(left.tables()[name])) or name != "preferences"
    }
    changed = [str(each) for each in _shops_last(places) if _edited(each, gone, entries)]
    for run in runs[1:]:
        note.write(run)
    note.write(folder)  # again: a server that saw it written loaded what was not yet changed
    receipt = Receipt(
        at.isoformat(timespec="seconds"),
        tuple(map(note.hash_of, ids)),
        {**n_rows, "log": n_log, **({"kept": sum(kept.values())} if kept else {})},
        (*changed, *kept),
    )
    place = refreshes_of(folder) / RECEIPTS
    place.mkdir(parents=True, exist_ok=True)
    write_json(place / f"{at.strftime('%Y%m%dT%H%M%S%f')}.json", asdict(receipt))
    return receipt


def _give_up(folder: Path) -> None:
    home = refreshes_of(folder)
    lock = artifact.owned(home / ".lock") if home.is_dir() else None
    if lock is None:
        return
    try:
        # One that was killed between its turn and its receipt answers: it is edited as the others are.
        answers = place_of(folder, standing_number(folder))
        for place in home.glob("[0-9]*"):
            if place != answers and not (place / "receipt.json").exists():
                shutil.rmtree(place, ignore_errors=True)
    finally:
        lock.release()


def _artifacts(run: Path) -> Iterator[Path]:
    for path in sorted((run / "stages").glob("*")):
        if (path / artifact.MANIFEST).is_file() and not path.name.startswith("."):
            yield path


def _shops(place: Path) -> Iterator[Shop]:
    kind = artifact.read_manifest(place).kind
    if kind == "shop":
        yield open_shop(place)
    elif kind == "split":
        yield from (open_shop(place / part) for part in ("train", "test"))


def _served(run: Path) -> Shop:
    """The cleaned shop of a run, and not the parts that it was split into."""
    stages = json.loads((run / "run.json").read_text(encoding="utf-8"))["stages"]
    folders = [run / each["folder"] for each in stages if each["kind"] == "shop"]
    return open_shop(folders[-1]) if folders else Shop.of()


def _shops_last(places: Iterable[Path]) -> list[Path]:
    return sorted(places, key=lambda each: artifact.read_manifest(each).kind in ("shop", "split"))


def _edited(place: Path, gone: Gone, entries: Mapping[str, Entry]) -> bool:
    """Whether the artifact had something of them; then it is another one now."""
    manifest = artifact.read_manifest(place)
    edit = _edit_of(manifest.kind, entries)
    if edit is None:
        return False
    work = place.with_name(f".{place.name}.forgetting")
    shutil.rmtree(work, ignore_errors=True)
    try:
        # Links, for most of it are weights: who edits a file makes a new one.
        shutil.copytree(place, work, copy_function=_linked)
        if not edit(work, gone):
            return False
        with artifact.writing(place, manifest.kind, settings=manifest.settings) as new:
            for path in work.iterdir():
                if path.name != artifact.MANIFEST:
                    path.rename(new / path.name)
        return True
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _edit_of(kind: str, entries: Mapping[str, Entry]) -> Callable[[Path, Gone], bool] | None:
    if kind == "shop":
        return _of_shop
    if kind == "split":
        return _of_split
    if kind in TOLD:
        return _of_words
    return entries[kind].forget if kind in entries else None


def _of_shop(folder: Path, gone: Gone) -> bool:
    shop = Shop.of({each.stem: _frame(each) for each in folder.glob("*.parquet")})
    left = gone.shop(shop)
    changed = [name for name, frame in left.tables().items() if not frame.equals(shop.tables()[name])]
    for name in changed:
        (folder / f"{name}.parquet").unlink(missing_ok=True)
        left.tables()[name].write_parquet(folder / f"{name}.parquet")
    return bool(changed)


def _frame(path: Path) -> Any:
    import polars as pl

    return pl.read_parquet(path)


def _of_split(folder: Path, gone: Gone) -> bool:
    found = False
    for part in ("train", "test"):
        shop = open_shop(folder / part)
        left = gone.shop(shop)
        if any(len(a) != len(b) for a, b in zip(left.tables().values(), shop.tables().values(), strict=True)):
            settings = artifact.read_manifest(folder / part).settings
            left.save(folder / part, settings=settings)
            found = True
    return found


def _of_words(folder: Path, gone: Gone) -> bool:
    found = False
    for path in sorted(folder.rglob("*")):
        scrub = SCRUBBERS.get(path.suffix)
        if scrub is None or path.name == artifact.MANIFEST:
            continue
        text = path.read_text(encoding="utf-8")
        better = scrub(text, gone)
        if better != text:
            path.unlink()
            path.write_text(better, encoding="utf-8")
            found = True
    return found


def receipts_of(folder: Path) -> list[dict[str, Any]]:
    """The receipts of all who were forgotten, the oldest first."""
    paths = sorted((refreshes_of(folder) / RECEIPTS).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
