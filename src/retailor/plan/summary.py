"""Everything the report shows, gathered from the artifacts of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retailor.metrics.scores import Scores
from retailor.plan.settings import Plan
from retailor.report.data import ReportData
from retailor.store import artifact
from retailor.store.stages import ABSENT
from retailor.text.terms import Term

Inputs = Mapping[str, Path]


def report_data(
    plan: Plan,
    inputs: Inputs,
    terms: Sequence[Term],
    versions: Mapping[str, str],
    commands: Sequence[str],
    *,
    notes: Sequence[str] = (),
) -> ReportData:
    """The report of a run whose stages' folders are `inputs`, by stage name; `notes` come before its own."""
    made = {name: folder for name, folder in inputs.items() if artifact.read_manifest(folder).kind != ABSENT}
    evaluated = {
        name.removeprefix("evaluate-"): folder
        for name, folder in made.items()
        if name.startswith("evaluate-")
    }
    logs = {name: read_json(folder / "log.json") for name, folder in _with_log(made)}
    return ReportData(
        title=plan.head.name,
        scores={name: Scores.from_dicts(read_json(path / "scores.json")) for name, path in evaluated.items()},
        paired={name: Scores.from_dicts(read_json(path / "paired.json")) for name, path in evaluated.items()},
        profile=read_json(made["look"] / "profile.json"),
        curves=dict(_curves(logs, "curve")),
        validations=dict(_curves(logs, "validations")),
        coverage={name: log["coverage"] for name, log in logs.items() if "coverage" in log},
        compression=read_json(made["compress"] / "report.json") if "compress" in made else None,
        ledgers=[
            read_json(folder / "ledger.json") for name, folder in made.items() if name.startswith("prove-")
        ],
        examples={name: read_json(path / "examples.json") for name, path in evaluated.items()},
        settings=plan.to_dict(),
        commands=commands,
        versions=versions,
        seeds={"plan": plan.head.seed},
        stages={name: _seconds(folder) for name, folder in inputs.items()},
        notes=[*notes, *_notes(plan, inputs, logs)],
        terms=[term.text for term in terms],
    )


def _with_log(made: Inputs) -> Iterator[tuple[str, Path]]:
    for name, folder in made.items():
        # A task's log is read beside its figures; the fitted task may hold a copy.
        if not name.startswith("fit-") and (folder / "log.json").exists():
            yield name.removeprefix("evaluate-"), folder


def _curves(logs: Mapping[str, Any], key: str) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Every non-empty list under `key`, however deep in a log, as named (step, value) points."""
    for task, log in logs.items():
        for path, points in _found(log, key, (task,)):
            yield " · ".join(path), [(int(point[0]), float(point[1])) for point in points]


def _found(value: Any, key: str, path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, Mapping):
        return
    for name, inner in value.items():
        if name == key and isinstance(inner, list) and inner and isinstance(inner[0], list):
            yield path, inner
        else:
            yield from _found(inner, key, (*path, str(name)))


def _notes(plan: Plan, inputs: Inputs, logs: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing a figure."""
    notes = [f"Leak: {line}" for line in read_json(inputs["leaks"] / "leaks.json")["lines"]]
    if plan.sections["shop"].reader == "demo":
        notes.append("This shop is simulated: its figures show that the road works, not what a shop gains.")
    if plan.head.skip:
        notes.append(f"The plan skips: {', '.join(plan.head.skip)}.")
    for name, folder in inputs.items():
        manifest = artifact.read_manifest(folder)
        if manifest.kind == ABSENT:
            notes.append(f"{name} was left out: {manifest.settings['reason']}")
    if any(name.startswith("refit-") for name in inputs):
        notes.append(
            "What is served was fitted again, with what was chosen, on the whole shop with its test part; "
            "the figures are those of the fit before, which had not seen that part."
        )
    for task, log in logs.items():
        if parts := log.get("dropped_parts"):
            notes.append(
                f"{task} is no better on held-out customers with these parts, dropped: {', '.join(parts)}."
            )
        for key in ("dropped", "notes", "note"):
            found = log.get(key)
            if found and not (isinstance(found, Mapping) and not any(found.values())):
                notes.append(f"{task}, {key}: {_said(found)}")
    return notes


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(inner)}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _seconds(folder: Path) -> float:
    path = folder.with_suffix(".json")
    return float(read_json(path)["seconds"]) if path.exists() else 0.0


def read_json(path: Path) -> Any:
    """The value of a JSON file of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))
