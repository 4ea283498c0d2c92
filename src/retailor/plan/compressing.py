"""The stage that makes the encoder smaller: one way, or the fastest of many that keeps the tasks' scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from retailor.compress.frontier import search
from retailor.compress.onnx import compress
from retailor.compress.tasks import answers_by, evaluated, judge_of, loss_after, task_loss
from retailor.config import as_dict
from retailor.errors import MissingTable
from retailor.metrics.scores import Scores
from retailor.models.local import load_encoder
from retailor.models.shapes import Encoder
from retailor.plan.settings import Plan
from retailor.plan.summary import read_json
from retailor.report.verdicts import lower_is_better, main_metric
from retailor.shop.split import split_at_random
from retailor.shop.tables import Shop, open_shop
from retailor.store import artifact
from retailor.store.stages import Stage, is_made, write_json
from retailor.tasks.registry import TASKS
from retailor.text.fields import texts

Inputs = Mapping[str, Path]
Told = tuple[dict[str, Any], dict[str, Scores]]
"""The report, and the scores before and after, a task each."""


def compress_stage(
    plan: Plan, tasks: Sequence[str], encoder_of: Callable[[Inputs], Encoder], model_key: object
) -> Stage:
    """The stage 'compress' over the tasks that use an encoder, after all of them are fitted and evaluated."""
    needs = ("split",) if "adapt" in plan.head.skip else ("split", "adapt")
    fitted = tuple(f"{step}-{name}" for name in tasks for step in ("fit", "evaluate"))
    key = (as_dict(plan.sections["compress"]), model_key)
    make = partial(_compress, plan, tasks, encoder_of)
    return Stage(
        "compress",
        "compressed",
        make,
        needs + fitted,
        key,
        may_be_absent=True,
        takes_absent=True,
        away=True,
    )


def _compress(
    plan: Plan,
    tasks: Sequence[str],
    encoder_of: Callable[[Inputs], Encoder],
    inputs: Inputs,
    folder: Path,
    work: Path,
) -> None:
    """The shop's encoder made smaller, and what that costs each task that can take another encoder."""
    test = open_shop(inputs["split"] / "test")
    said = _said(test)
    if len(said) < 2:
        raise MissingTable("compressing needs two different texts in the test part to compare vectors on.")
    settings, encoder = plan.sections["compress"], encoder_of(inputs)
    about: dict[str, Any] = {**as_dict(settings), "stands_for": []}
    with artifact.writing(folder, "compressed", settings=about) as new:
        if settings.keep is None:
            report = compress(encoder, new / "encoder", texts=said, settings=settings).to_dict()
            small: Encoder | None = load_encoder(new / "encoder")
        else:
            report, small = {}, None
        over: dict[str, Any] = {}
        scores: dict[str, Scores] = {}
        for name in (name for name in tasks if is_made(inputs, f"fit-{name}")):
            fitted, is_evaluated = inputs[f"fit-{name}"], is_made(inputs, f"evaluate-{name}")
            task = TASKS[name].load(fitted)
            if answers_by(task, encoder, said):
                # A server then puts the smaller encoder in its place: this is the one measured here.
                about["stands_for"].append(artifact.read_manifest(fitted / "encoder").fingerprint)
                over |= {name: task} if small is None else {}
            if small is not None and is_evaluated:
                before = Scores.from_dicts(read_json(inputs[f"evaluate-{name}"] / "scores.json"))
                scores[name] = task_loss(task, test, before, small, encoder, texts=said, settings=settings)
        if small is None:
            report, scores = _searched(plan, over, inputs, encoder, new / "encoder", work)
        about["stands_for"] = sorted(set(about["stands_for"]))
        told = {name: found.to_dicts() for name, found in scores.items() if found}
        write_json(new / "report.json", {**report, "scores": told})


def _said(shop: Shop) -> list[str]:
    return list(dict.fromkeys(text for text in texts(shop) if text.strip()))


def _searched(
    plan: Plan, over: Mapping[str, Any], inputs: Inputs, encoder: Encoder, folder: Path, work: Path
) -> Told:
    """What the search for a smaller encoder found, and what each task over it lost.

    One half of the test part chooses and the other half tells: the best of many is flattered by what chose.
    A task that reads by the encoder and cannot be judged asks that the nearest texts stay.
    """
    train = open_shop(inputs["split"] / "train")
    choosing, telling = split_at_random(open_shop(inputs["split"] / "test"), test=0.5, seed=plan.head.seed)
    judge, judged = judge_of(over, choosing, _metric_of)
    found = search(
        encoder, folder, texts=_said(train), held_out=_said(choosing), settings=plan.sections["compress"],
        judge=judge if judged else None, unjudged=[name for name in over if name not in judged], work=work,
    )  # fmt: skip
    small = load_encoder(folder)
    before = {name: evaluated(over[name], telling) for name in judged}
    return found.report(encoder.name), {
        name: loss_after(over[name], small, telling, scores) for name, scores in before.items() if scores
    }


def _metric_of(scores: Scores) -> str:
    """The metric of a task's verdict, '' where less of it is better: a share of that would say nothing."""
    metric = main_metric(scores)
    return "" if lower_is_better(metric) else metric
