"""Stages as artifacts: made when missing, skipped when their fingerprint matches, safe to kill."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from retailor.errors import DataError, MissingExtra, MissingTable, ModelError, RetailorError
from retailor.extras import naming_extras
from retailor.runner import elsewhere, is_away
from retailor.store import artifact
from retailor.store.buckets import Bucket
from retailor.store.keys import key_of, made_by, what_changed

ABSENT = "absent"
"""The kind of a stage's artifact when the shop's data do not allow the stage."""
AT_ONCE = 32
"""Stages that are away at once, at most."""
PASSED = "passed"
"""The kind of the artifact of a passing stage when what it held has been passed on, and is gone."""


@dataclass(frozen=True)
class Stage:
    """One step of a run. `make(inputs, folder, work)` writes the artifact `folder`."""

    name: str
    kind: str
    make: Callable[[Mapping[str, Path], Path, Path], None]
    """Takes the folders of the stages it needs by name, its own, and one for checkpoints."""
    needs: tuple[str, ...] = ()
    key: tuple[Any, ...] = ()
    """Everything beside the needed stages that the result depends on, JSON-able."""
    may_be_absent: bool = False
    """A missing table makes this stage absent, with the reason kept, instead of ending the run."""
    may_fail: bool = False
    """Neither does a shop or a model that it cannot be made with; a broken file still ends the run."""
    takes_absent: bool = False
    """A stage it needs may be absent, or passed: `make` looks for itself. Otherwise it is absent too."""
    away: bool = False
    """It reads nothing but the folders it is given: on a cluster it goes to a machine of its own, beside
    others that need none of what it makes."""
    passing: bool = False
    """Its artifact is emptied when the stages that need it stand, for it is not to be kept; it is made again
    when one of them must be made again."""


@dataclass(frozen=True)
class Done:
    """A stage that has its artifact."""

    name: str
    kind: str
    folder: str
    fingerprint: str
    seconds: float
    skipped: bool
    reason: str = ""
    asked: str = ""
    """The fingerprint but for code and libraries: what it is made of, and how."""


def run_stages(
    stages: Sequence[Stage],
    out: Path,
    tell: Callable[[str], None] = lambda line: None,
    *,
    forget: bool = False,
    bucket: Bucket | None = None,
) -> list[Done]:
    """Every stage in order, made or found; `tell` gets a line a stage.

    What is not here and is in the `bucket` is fetched, and what has been made is published there at once.

    With `forget` the artifacts of other settings, which are kept for the day these come back, are removed;
    those of a passing stage always are.

    Raises DataError when another run holds the folder. A stage's own error passes through, with its name.
    """
    with _locked(out):
        _sweep(out)
        done: dict[str, Done] = {}
        known = {stage.name: stage for stage in stages}
        given = _Given(out, known, tell, bucket)
        for stage in _side_by_side(given, stages, done) if is_away() else stages:
            if stage.name not in done:
                done[stage.name] = _one(given, stage, done)
            for name in _passed(known, done):
                done[name] = _emptied(given, done[name])
        places = {Path(each.folder).name for each in done.values()}
        _forget(out, known, places, everything=forget)
        if bucket is not None and forget:
            bucket.keep_only("stages", places)
        shutil.rmtree(out / "work", ignore_errors=True)  # also of stages that an earlier plan never ended
        return [done[stage.name] for stage in stages]


@dataclass(frozen=True)
class _Given:
    """What all stages of a run share."""

    out: Path
    known: Mapping[str, Stage]
    tell: Callable[[str], None]
    bucket: Bucket | None


def _side_by_side(given: _Given, stages: Sequence[Stage], done: dict[str, Done]) -> Iterator[Stage]:
    """The stages as they can be made here, in order; those that are away are made meanwhile, each as soon as
    what it needs is there, and are passed on when they are done.

    The first error ends the rest: what is under way is waited for, so that nothing writes here afterwards.
    """
    left, under_way = list(stages), dict[Future[Done], Stage]()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while left or under_way:
            ready = [stage for stage in left if all(name in done for name in stage.needs)]
            for stage in (each for each in ready if each.away):
                under_way[threads.submit(_one, given, stage, dict(done))] = stage
                left.remove(stage)
            here = next((stage for stage in ready if not stage.away), None)
            if here is None and not under_way:
                here = left[0]  # it needs what is no stage, and says so
            if here is not None:
                left.remove(here)
                yield here
                continue
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                stage = under_way.pop(future)
                done[stage.name] = future.result()
                yield stage


def _passed(known: Mapping[str, Stage], done: Mapping[str, Done]) -> list[str]:
    """Passing stages that still hold what every stage that needs it has taken."""
    return [
        name
        for name, one in done.items()
        if known[name].passing and one.kind not in (PASSED, ABSENT)
        and all(each.name in done for each in known.values() if name in each.needs and not each.takes_absent)
    ]  # fmt: skip


def _emptied(given: _Given, done: Done) -> Done:
    with artifact.writing(given.out / done.folder, PASSED, settings={"was": done.kind}):
        pass
    _publish(given, done.folder)
    return replace(done, kind=PASSED)


def _forget(out: Path, known: Mapping[str, Stage], kept: set[str], *, everything: bool) -> None:
    for folder in list((out / "stages").iterdir()):
        stage = known.get(folder.name.rpartition("-")[0])
        if not folder.is_dir() or folder.name in kept:
            continue
        if everything or (stage is not None and stage.passing):
            shutil.rmtree(folder, ignore_errors=True)


def _publish(given: _Given, place: str) -> None:
    if given.bucket is not None:
        given.bucket.push(given.out / place, place)
        given.bucket.put((given.out / place).with_suffix(".json"), f"{place}.json")


def _fetch(given: _Given, place: str) -> None:
    """Of a stage that is not here, what another machine has published."""
    if given.bucket is not None and not (given.out / place).exists():
        try:
            if given.bucket.pull(place, given.out / place):
                given.bucket.get(f"{place}.json", (given.out / place).with_suffix(".json"))
        except DataError as error:
            given.tell(f"{place}: made again, because {error}")


def _one(given: _Given, stage: Stage, done: dict[str, Done], *, full: bool = False) -> Done:
    """The stage, made or found; `full` does not take one that has been emptied."""
    out, known, tell = given.out, given.known, given.tell
    asked = artifact.fingerprint(stage.name, stage.key, [done[name].asked for name in stage.needs])
    fingerprint = key_of(asked)
    place = f"{stage.name}-{fingerprint[:12]}"
    folder = out / "stages" / place
    _fetch(given, f"stages/{place}")
    found = _found(stage, folder, tell, full)
    if found is not None:
        seconds = float(_record(folder).get("seconds", 0.0))
        tell(f"{stage.name}: nothing changed, kept" + (f" ({found})" if found else ""))
        if not stage.passing:
            _publish(given, f"stages/{place}")
        return _done(stage, folder, out, fingerprint, asked, seconds, skipped=True)
    started = time.monotonic()
    why = _why_again(stage, out, asked, fingerprint)
    tell(f"{stage.name}: " + (f"made again, because {why} …" if why else "…"))
    work = out / "work" / place
    work.mkdir(parents=True, exist_ok=True)
    for name in stage.needs:
        if done[name].kind == PASSED and not stage.takes_absent:
            done[name] = _one(given, known[name], done, full=True)
    reason = _make(stage, out, done, folder, work)
    artifact.share_files(folder, [out / each.folder for each in done.values()])
    seconds = round(time.monotonic() - started, 2)
    write_json(
        folder.with_suffix(".json"),
        {"seconds": seconds, "asked": asked, "fingerprint": fingerprint, "made_by": made_by()},
    )
    shutil.rmtree(work, ignore_errors=True)
    if not stage.passing:  # it is published when it has been emptied
        _publish(given, f"stages/{place}")
    tell(f"{stage.name}: " + (f"left out: {reason}" if reason else f"{seconds:.1f} s"))
    return _done(stage, folder, out, fingerprint, asked, seconds, skipped=False)


def _why_again(stage: Stage, out: Path, asked: str, fingerprint: str) -> str:
    """What has changed in code and libraries since the same was last made of the same; '' if it never was."""
    notes = sorted((out / "stages").glob(f"{stage.name}-*.json"), key=lambda path: path.stat().st_mtime)
    records = [_record(path) for path in notes]
    made = [one for one in records if one.get("asked") == asked and one.get("fingerprint") != fingerprint]
    return what_changed(made[-1]["made_by"]) if made else ""


def _make(stage: Stage, out: Path, done: Mapping[str, Done], folder: Path, work: Path) -> str:
    """Writes the stage's artifact; returns why it is absent, or ''."""
    for name in stage.needs:
        if done[name].kind == ABSENT and not stage.takes_absent:
            return _write_absent(folder, done[name].reason)
    inputs = {name: out / done[name].folder for name in stage.needs}
    try:
        with naming_extras():
            elsewhere(stage.make, inputs, folder, work) if stage.away else stage.make(inputs, folder, work)
    except MissingTable as error:
        if not stage.may_be_absent:
            raise
        return _write_absent(folder, str(error))
    except (DataError, ModelError, MissingExtra) as error:
        about_a_file = isinstance(error, DataError) and error.path is not None  # corrupt, or the disk is full
        if not stage.may_fail or about_a_file:
            error.add_note(f"in the stage '{stage.name}'")
            raise
        return _write_absent(folder, str(error))
    except RetailorError as error:
        error.add_note(f"in the stage '{stage.name}'")
        raise
    return ""


def _write_absent(folder: Path, reason: str) -> str:
    with artifact.writing(folder, ABSENT, settings={"reason": reason}):
        pass
    return reason


def _found(stage: Stage, folder: Path, tell: Callable[[str], None], full: bool) -> str | None:
    """None when the stage must be made; else why it is absent, or ''."""
    if not folder.exists():
        return None
    try:
        manifest = artifact.verify(folder)
    except DataError as error:
        tell(f"{stage.name}: made again, because {error}")
        return None
    if manifest.kind == PASSED and (full or not stage.passing):
        return None
    return str(manifest.settings.get("reason", "")) if manifest.kind == ABSENT else ""


def _done(
    stage: Stage, folder: Path, out: Path, fingerprint: str, asked: str, seconds: float, *, skipped: bool
) -> Done:
    manifest = artifact.read_manifest(folder)
    reason = str(manifest.settings.get("reason", "")) if manifest.kind == ABSENT else ""
    kind = manifest.kind if manifest.kind in (ABSENT, PASSED) else stage.kind
    place = folder.relative_to(out).as_posix()
    return Done(stage.name, kind, place, fingerprint, seconds, skipped, reason, asked)


def _record(folder: Path) -> dict[str, Any]:
    """What is noted beside a stage's artifact; nothing where the note is missing or broken."""
    try:
        return dict(json.loads(folder.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    lock = artifact.owned(out / ".lock")
    if lock is None:
        raise DataError("another run is at work in this folder; wait for it.", path=out)
    try:
        yield
    finally:
        lock.release()


def _sweep(out: Path) -> None:
    """Removes half-written folders that a kill left behind; nothing else can own them under the lock."""
    for path in (out / "stages").glob(".*"):
        if path.is_dir() and path.suffix in (".new", ".old"):
            shutil.rmtree(path, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a kill leaves the old file or the new one."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False, default=str)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def is_made(inputs: Mapping[str, Path], name: str) -> bool:
    """Whether the stage `name` is among the inputs and has its artifact: it is not absent."""
    return name in inputs and artifact.read_manifest(inputs[name]).kind != ABSENT


def as_record(done: Done) -> dict[str, Any]:
    """A stage as a row of run.json."""
    return asdict(done)
