"""`refresh`: a run fitted anew on what has happened since, judged, and promoted by the plan's rule.

Killed at any moment, the same call goes on where it was: what it is about is written down first, the stages
of the new run are resumed, and the champion is only ever read. Whose turn it is changes in one rename.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from retailor.config import as_dict
from retailor.errors import DataError
from retailor.live.events.history import newest_events
from retailor.live.events.recent import CHOSEN
from retailor.live.settings import RefreshSettings
from retailor.live.shapes import NUMBER
from retailor.live.standing import (
    BEGUN,
    RECEIPT,
    RUN,
    place_of,
    refreshes_of,
    run_of,
    set_standing,
    standing_number,
    standing_run,
)
from retailor.plan.judging import Judged, Stages, judge
from retailor.plan.rows import with_rows
from retailor.plan.run import Run, open_run, run
from retailor.plan.settings import Plan, read_plan
from retailor.plan.summary import read_json
from retailor.shop.gone import Note
from retailor.shop.read import read_sources
from retailor.shop.split import instant
from retailor.shop.tables import open_shop
from retailor.store import artifact
from retailor.store.stages import ABSENT, write_json
from retailor.tasks.registry import TASKS

TIMED = ("events", "reviews", "questions")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Begun:
    """What a refresh is about: fixed when it begins, so that a killed one goes on with the same."""

    number: int
    champion: int
    """The number of the refresh that answers, 0 for the run itself."""
    began: str
    log_until: int
    """The number of the last line of the log that is learned from."""
    cut: str
    """The instant from which on the events are those that both are judged by."""


def refresh(
    folder: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    tell: Tell = lambda line: None,
) -> dict[str, Any] | None:
    """The receipt of a new run beside the one in `folder`, judged and promoted or not; None: nothing is new.

    Raises DataError where there is no finished run, no log, or another refresh at work.
    """
    folder, started = Path(folder), time.monotonic()
    open_run(folder)
    home = refreshes_of(folder)
    home.mkdir(exist_ok=True)
    lock = artifact.owned(home / ".lock")
    if lock is None:
        raise DataError("another refresh of this run is at work; wait for it.", path=home)
    try:
        plan = read_plan(folder / "plan.toml", overrides)
        begun = _begun(folder, plan, tell)
        if begun is None:
            return None
        receipt = _refreshed(folder, plan, begun, started, tell)
        _sweep(folder, plan.sections["refresh"].kept)
        return receipt
    finally:
        lock.release()


def _begun(folder: Path, plan: Plan, tell: Tell) -> Begun | None:
    """The refresh that was begun and not ended, or a new one; None where there is nothing to judge by."""
    champion, last = standing_number(folder), _last(folder)
    place = place_of(folder, last)
    if last and not (place / RECEIPT).exists():
        found = Begun(**read_json(place / BEGUN)) if (place / BEGUN).exists() else None
        if found is not None and champion in (found.champion, found.number):
            tell(f"refresh {last}: going on")
            return found
        shutil.rmtree(place)
        last -= 1
    done = open_run(standing_run(folder))
    shop = open_shop(_stages(done)["clean"][1])
    newest = (shop.tables()[name]["time"].max() for name in TIMED)
    seen = max(
        (each for each in newest if isinstance(each, datetime)), default=datetime(1970, 1, 1, tzinfo=UTC)
    )
    number, times = _new_times(folder, plan, seen, tell)
    settings: RefreshSettings = plan.sections["refresh"]
    if not times:
        tell(f"nothing is new: there is no event after {seen.isoformat()}.")
        return None
    cut = max(seen + (times[-1] - seen) / 2, times[-1] - timedelta(days=settings.days))
    n_after = sum(each >= cut for each in times)
    if n_after < settings.least_cases:
        tell(
            f"too little is new: {n_after} events after {cut.isoformat()} to judge by, and the plan asks for "
            f"{settings.least_cases}."
        )
        return None
    begun = Begun(last + 1, champion, _now(), number, cut.isoformat())
    place_of(folder, begun.number).mkdir(parents=True, exist_ok=True)
    write_json(place_of(folder, begun.number) / BEGUN, asdict(begun))
    return begun


def _new_times(folder: Path, plan: Plan, seen: datetime, tell: Tell) -> tuple[int, list[datetime]]:
    """The number of the log's last line, and the times, ascending, of what customers chose after an instant:
    by the log, and by the databases and lakes that the shop is read from."""
    remote = any(source.is_remote for source in plan.sources())
    url = _url(plan, needed=not remote)
    number, times = (0, []) if url is None else newest_events(url, since=seen)
    if remote:
        with tempfile.TemporaryDirectory(dir=refreshes_of(folder), prefix=".rows-") as place:
            with with_rows(plan, Path(place), tell) as whole:
                read_sources(whole.sources(), Path(place) / "shop", taken=whole.taken)
            events = Note.read(folder).without(open_shop(Path(place) / "shop")).events
        new = events.filter((pl.col("time") > seen) & pl.col("kind").is_in(list(CHOSEN)))
        times = sorted([*times, *new["time"]])
    return number, times


def _refreshed(folder: Path, plan: Plan, begun: Begun, started: float, tell: Tell) -> dict[str, Any]:
    settings: RefreshSettings = plan.sections["refresh"]
    place = place_of(folder, begun.number)
    new = _made(folder, _plan_of(plan, begun), place / RUN, tell)
    champion, challenger = _stages(open_run(run_of(folder, begun.champion))), _stages(new)
    judged = judge(champion, challenger, TASKS, settings)
    lost = sorted(_tasks(champion).keys() - _tasks(challenger).keys())
    reasons = _against(judged, lost, settings)
    receipt = {
        "number": begun.number,
        "began": begun.began,
        "ended": _now(),
        "seconds": round(time.monotonic() - started, 1),
        "decision": "kept" if reasons else "promoted",
        "reasons": reasons,
        "rule": as_dict(settings),
        "cut": begun.cut,
        "champion": {"number": begun.champion, **_about(champion)},
        "challenger": {"number": begun.number, **_about(challenger)},
        "forgotten": sorted(Note.read(place / RUN).people),
        "judged": [each.to_dict() for each in judged],
    }
    # The turn first: a call that is killed in between finds no receipt, judges again and comes to the same.
    if not reasons:
        set_standing(folder, begun.number)
    write_json(place / RECEIPT, receipt)
    return receipt


def _made(folder: Path, plan: Plan, place: Path, tell: Tell) -> Run:
    """The new run, of nobody who was forgotten: also not while it was made."""
    while True:
        note = Note.read(folder)
        place.mkdir(parents=True, exist_ok=True)
        if note.people:
            note.write(place)
        new = run(plan, place, tell=tell)
        if Note.read(folder).people == note.people:
            return new
        tell("somebody was forgotten meanwhile: made again without them")
        shutil.rmtree(place)


def _against(judged: list[Judged], lost: list[str], settings: RefreshSettings) -> list[str]:
    """Why the champion stays, a sentence each; none: it does not."""
    reasons = [f"the new run has no task '{task}'" for task in lost]
    reasons += [
        f"{each.task}: its {each.metric} may change by {each.lower:+.4f}, and the plan allows "
        f"{settings.worst:g}"
        for each in judged
        if each.decides and not each.passes(settings.worst)
    ]
    if not any(each.decides for each in judged):
        reasons.append("no task has enough cases to decide by")
    return reasons


def _plan_of(plan: Plan, begun: Begun) -> Plan:
    """The plan of the challenger: the shop until a line of the log, the newest days held out."""
    cut, url = instant(begun.cut).isoformat(), _url(plan, needed=False)
    shop = replace(plan.sections["shop"], events_url=url, events_until=begun.log_until if url else None)
    split = replace(plan.sections["split"], by="time", since=cut)
    return Plan(plan.head, {**plan.sections, "shop": shop, "split": split}, plan.folder)


def _url(plan: Plan, *, needed: bool) -> str | None:
    url: str | None = plan.sections["shop"].events_url or plan.sections["serve"].events_url
    if url is None and needed:
        raise DataError(
            "this run's plan names no log of events, and no database or lake; give `--set "
            "shop.events_url=sqlite:///shop.db`, or "
            "write it there.",
            path=plan.folder / "plan.toml",
        )
    return url


def _stages(done: Run) -> Stages:
    return {each.name: (each.kind, done.out / each.folder) for each in done.stages}


def _tasks(stages: Stages) -> dict[str, Path]:
    """Task to the artifact that is served."""
    return {kind: folder for kind, folder in stages.values() if kind in TASKS and kind != ABSENT}


def _about(stages: Stages) -> dict[str, Any]:
    clean = artifact.read_manifest(stages["clean"][1])
    shop = open_shop(stages["clean"][1])
    tasks = {task: artifact.read_manifest(path).fingerprint for task, path in _tasks(stages).items()}
    sizes = {name: len(shop.tables()[name]) for name in ("items", "events", "reviews")}
    return {"log_until": int(clean.settings.get(NUMBER, 0)), "sizes": sizes, "fingerprints": tasks}


def _last(folder: Path) -> int:
    """The number of the last refresh, ended or not."""
    return max((int(each.name) for each in refreshes_of(folder).glob("[0-9]" * 4)), default=0)


def _sweep(folder: Path, kept: int) -> None:
    """Removes the runs of old refreshes, never that which answers nor the one to go back to."""
    standing = standing_number(folder)
    spared = {standing}
    if standing:
        spared.add(int(read_json(place_of(folder, standing) / BEGUN)["champion"]))
    runs = sorted(refreshes_of(folder).glob(f"{'[0-9]' * 4}/{RUN}"), reverse=True)
    rest = [each for each in runs if int(each.parent.name) not in spared]
    for each in rest[max(0, kept - 1) :]:
        shutil.rmtree(each, ignore_errors=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
