"""`run`: a plan in, a folder out that can be served; again, and only what changed is made."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w
import torch

from retailor.errors import DataError
from retailor.metrics.scores import Scores
from retailor.plan.main_job import stages_of
from retailor.plan.rows import with_rows
from retailor.plan.settings import Plan, read_plan
from retailor.plan.summary import read_json
from retailor.plan.versions import versions
from retailor.runner import LOCAL, machines, running
from retailor.store.buckets import NOTES, Bucket, is_url
from retailor.store.stages import ABSENT, Done, as_record, run_stages, write_json
from retailor.train.devices import check_devices
from retailor.train.lora import check_bits
from retailor.train.settings import DeviceSettings, TrainSettings


@dataclass(frozen=True)
class Run:
    """What a run left: its stages, its scores by task, and where the report is."""

    out: Path
    stages: tuple[Done, ...]
    scores: Mapping[str, Scores]
    paired: Mapping[str, Scores]
    """Differences from our own row, case by case."""
    report: Path
    notes: tuple[str, ...] = ()
    """What to know before believing a figure, as the report has it."""
    verdicts: tuple[str, ...] = ()
    """Where to stop, and what each step of transfer was worth, where the plan has a section [prove]."""

    def absent(self) -> dict[str, str]:
        """Stage name to the reason why the shop's data do not allow it."""
        return {done.name: done.reason for done in self.stages if done.kind == ABSENT}


def run(
    plan: Plan | str | Path,
    out: str | Path | None = None,
    *,
    overrides: Mapping[str, str] | None = None,
    on: str = LOCAL,
    tell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Runs a plan (or the plan in a TOML file) into the folder `out` (default: `out/NAME`).

    `out` may be a URL, s3://bucket/name: the work is done in `out/NAME`, each stage is published there when
    it ends, and what another machine has published is fetched and not made again.

    Killed at any moment, the same call goes on; with nothing changed it makes nothing again. `on` is where:
    'local', 'ray' (the cluster this machine is in) or ray://host:port; all machines then share the folder,
    and ConfigError says before any work which of them cannot take part.
    Writes `plan.toml` (resolved), `versions.json` and, when all stages stand, `run.json`.
    """
    plan = plan if isinstance(plan, Plan) else read_plan(Path(plan), overrides)
    bucket = Bucket(str(out).rstrip("/")) if out is not None and is_url(out) else None
    folder = Path("out") / plan.head.name if out is None or bucket else Path(out)
    if on != LOCAL:  # a relative path begins elsewhere on another machine
        folder, plan = folder.resolve(), replace(plan, folder=plan.folder.resolve())
    folder.mkdir(parents=True, exist_ok=True)
    if bucket is not None:
        bucket.check()
    with running(on, folder):
        _check_devices(plan)
        with with_rows(plan, folder, tell) as whole:
            stages = stages_of(whole)
            if any(train.hosts > 1 for train in _trainings(plan).values()):
                # a training of several machines waits for all of them, and so must hold none itself
                stages = [replace(stage, away=False) for stage in stages]
            (folder / "plan.toml").write_text(resolved_toml(plan.settled()), encoding="utf-8")
            write_json(folder / "versions.json", versions())
            # What an earlier run left may hold the ids as they came.
            hidden = plan.sections["shop"].pseudonym_key_env is not None
            done = run_stages(stages, folder, tell, forget=hidden, bucket=bucket)
    for line in _found_in_shop(folder, done):
        tell(line)
    write_json(
        folder / "run.json",
        {"name": plan.head.name, "seed": plan.head.seed, "stages": [as_record(each) for each in done]},
    )
    if bucket is not None:
        for name in NOTES:
            bucket.put(folder / name, name)
    return _result(folder, done)


def _check_devices(plan: Plan) -> None:
    """Raises ConfigError where a training of the plan asks for more devices or hosts than there are, or for
    four bits where no GPU is; MissingExtra without what packs them."""
    for name, train in _trainings(plan).items():
        check_devices(train, torch.device("cpu") if name == "recommend" else None)
    within = machines()
    if within is None or not within.gpus_a_node:  # what a machine of the cluster has it says itself
        for name, section in plan.sections.items():
            if name not in plan.head.skip:
                check_bits(getattr(section, "lora_bits", 32))


def _trainings(plan: Plan) -> dict[str, DeviceSettings | TrainSettings]:
    """The settings of each section's training, of those that are not skipped."""
    sections = {name: each for name, each in plan.sections.items() if name not in plan.head.skip}
    return {name: each.train for name, each in sections.items() if getattr(each, "train", None) is not None}


def _found_in_shop(folder: Path, done: list[Done]) -> list[str]:
    """What was lost in reading, what does not join, and what the split gives away, a line each."""
    looks = [read_json(folder / each.folder / "profile.json") for each in done if each.kind == "profile"]
    lines = [
        f"shop: {line}" for profile in looks for key in ("unread", "gaps") for line in profile.get(key, [])
    ]
    leaks = [read_json(folder / each.folder / "leaks.json") for each in done if each.kind == "leaks"]
    return lines + [f"leak: {line}" for found in leaks for line in found["lines"]]


def _result(folder: Path, done: list[Done]) -> Run:
    scores, paired = (
        {
            each.name.removeprefix("evaluate-"): Scores.from_dicts(read_json(folder / each.folder / name))
            for each in done
            if each.kind == "evaluation"
        }
        for name in ("scores.json", "paired.json")
    )
    report = next(each for each in done if each.name == "report")
    ledgers = [read_json(folder / each.folder / "ledger.json") for each in done if each.kind == "ledger"]
    verdicts = tuple(said for ledger in ledgers for said in (*ledger["advice"], *ledger["verdicts"]))
    notes = tuple(read_json(folder / report.folder / "notes.json"))
    return Run(folder, tuple(done), scores, paired, folder / report.folder / "report.html", notes, verdicts)


def open_run(out: str | Path) -> Run:
    """The finished run in a folder. Raises DataError when there is none, or its record is corrupt."""
    folder = Path(out)
    try:
        record: dict[str, Any] = read_json(folder / "run.json")
    except FileNotFoundError:
        raise DataError("no finished run here; make one with `retailor run`.", path=folder) from None
    except ValueError as error:
        raise DataError(f"the record is corrupt ({error}); run it again.", path=folder / "run.json") from None
    return _result(folder, [Done(**row) for row in record["stages"]])


def resolved_toml(plan: Plan) -> str:
    """The plan with every default written out; it reads back as the same plan."""
    text = tomli_w.dumps(_without_none(plan.to_dict()))
    assert tomllib.loads(text)
    return text


def _without_none(value: Any) -> Any:
    """TOML has no null: a setting that is None is left out, which reads back as None."""
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_none(each) for each in value]
    return value
