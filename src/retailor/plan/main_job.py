"""The stages of the main job: read, look, clean, split, adapt, fit, evaluate, compress, …, report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from retailor.config import as_dict
from retailor.errors import MissingTable
from retailor.insight.files import write_insight
from retailor.insight.insight import find_insight
from retailor.insight.polarity import open_reader
from retailor.metrics.interval import differences
from retailor.models.formats.archives import SUFFIXES
from retailor.models.local import LocalGenerator, load_encoder, load_generator
from retailor.models.shapes import Encoder, Generator
from retailor.models.weights import Kind, load_model
from retailor.plan.compressing import compress_stage
from retailor.plan.encoder import encoder_for, encoder_note
from retailor.plan.pictures import picture_note, picture_stages, seeing
from retailor.plan.settings import Plan
from retailor.plan.shop_stages import files_key, shop_stages
from retailor.plan.summary import read_json, report_data
from retailor.plan.versions import versions
from retailor.prove.ledger import prove
from retailor.prove.picture import write_ledger
from retailor.report.page import write_report
from retailor.shop.pseudonyms import personal_note
from retailor.shop.tables import Shop, open_shop
from retailor.store import artifact
from retailor.store.stages import Stage, is_made, write_json
from retailor.tasks.registry import TASKS, code_of
from retailor.tasks.shapes import Refittable
from retailor.text.fields import texts
from retailor.text.pairs import shop_pairs
from retailor.text.terms import mine_terms
from retailor.train.adapt import adapt_with_log, general_texts

Inputs = Mapping[str, Path]

LEAST_TEXTS = 10
"""As `train.adapt` needs them."""


def stages_of(plan: Plan) -> list[Stage]:
    """The stages of a plan, in order; what `skip` names is left out."""
    tasks = [name for name in TASKS if name not in plan.head.skip]
    steps = [*shop_stages(plan), *_adapt_stages(plan), *picture_stages(plan)]
    for name in tasks:
        steps += _task_stages(plan, name)
    if "compress" not in plan.head.skip:
        readers = [name for name in tasks if TASKS[name].uses_encoder]
        key = _model_key(plan, plan.sections["models"].encoder)
        steps.append(compress_stage(plan, readers, partial(_encoder, plan), key))
    steps += _prove_stages(plan)
    if "insight" not in plan.head.skip:
        steps.append(_insight_stage(plan))
    needs = tuple(stage.name for stage in steps)
    made = partial(_report, plan)
    steps.append(Stage("report", "report", made, needs, key=(plan.to_dict(),), takes_absent=True))
    return steps


# the models ---------------------------------------------------------------------------------------


def _adapt_stages(plan: Plan) -> list[Stage]:
    settings, models = plan.sections["adapt"], plan.sections["models"]
    stages = []
    steps: tuple[tuple[str, Kind, str], ...] = (
        ("adapt", "encoder", models.encoder),
        ("adapt-generator", "generator", models.generator),
    )
    for name, kind, model in steps:
        if name in plan.head.skip:
            continue
        if name == "adapt-generator" and not any(_uses_generator(plan, task) for task in TASKS):
            continue
        make = partial(_adapt, plan, kind)
        key = (as_dict(settings), _model_key(plan, model), general_texts(settings, plan.folder))
        stages.append(Stage(name, "adapted", make, ("split",), key, may_be_absent=True, away=True))
    return stages


def _uses_generator(plan: Plan, name: str) -> bool:
    return name not in plan.head.skip and TASKS[name].uses_generator(plan.sections[name])


def _model_key(plan: Plan, name: str) -> Any:
    """A folder or an archive is known by its bytes, anything else by its name."""
    path = plan.folder / name
    if path.is_dir():
        return dict(files_key(path))
    return artifact.file_sha256(path) if path.is_file() and name.endswith(SUFFIXES) else name


def _adapt(plan: Plan, kind: Kind, inputs: Inputs, folder: Path, work: Path) -> None:
    train = open_shop(inputs["split"] / "train")
    said = texts(train)
    n_texts = len(set(said))
    if n_texts < LEAST_TEXTS:
        raise MissingTable(
            f"adapting needs {LEAST_TEXTS} different texts, and this shop has {n_texts}: "
            "the model stays as it came."
        )
    model = _as_it_came(plan, kind, train)
    adapted: Any
    settings = plan.sections["adapt"]
    pairs = shop_pairs(train, settings.pairs) if kind == "encoder" and settings.pairs != "none" else None
    general = general_texts(settings, plan.folder)
    adapted, log = adapt_with_log(model, said, settings, pairs=pairs, general=general, work=work)
    with artifact.writing(folder, "adapted", settings=as_dict(plan.sections["adapt"])) as new:
        adapted.save(new / "model")
        write_json(new / "log.json", log.to_dict())


def _encoder(plan: Plan, inputs: Inputs) -> Encoder:
    if is_made(inputs, "adapt"):
        return load_encoder(inputs["adapt"] / "model")
    made: Encoder = _as_it_came(plan, "encoder", open_shop(inputs["split"] / "train"))
    return made


def _as_it_came(plan: Plan, kind: Kind, train: Shop) -> Any:
    """The model that the plan names, before anything has changed it."""
    named = getattr(plan.sections["models"], kind)
    name = encoder_for(named, train) if kind == "encoder" else named
    return load_model(plan.model(name), kind=kind)


def _generator(plan: Plan, inputs: Inputs) -> Generator:
    made: Generator
    if is_made(inputs, "adapt-generator"):
        made = load_generator(inputs["adapt-generator"] / "model")
    else:
        made = _as_it_came(plan, "generator", open_shop(inputs["split"] / "train"))
    if isinstance(made, LocalGenerator):
        made.runtime = plan.sections["models"].runtime
    return made


# the tasks ----------------------------------------------------------------------------------------


def _task_stages(plan: Plan, name: str) -> list[Stage]:
    models = plan.sections["models"]
    used = [("adapt", models.encoder)] if TASKS[name].uses_encoder else []
    used += [("adapt-generator", models.generator)] if _uses_generator(plan, name) else []
    needs = ("split", *(adapt for adapt, _ in used if adapt not in plan.head.skip))
    if TASKS[name].with_pictures is not None:
        needs = (*needs, *(stage.name for stage in picture_stages(plan)))
    key: tuple[Any, ...] = (
        as_dict(plan.sections[name]),
        *_file_keys(plan, name),
        *(_model_key(plan, model) for _, model in used),
    )
    if _uses_generator(plan, name) and models.runtime != "torch":
        key = (*key, models.runtime)
    if code := code_of(TASKS[name]):
        key = (*key, code)
    fit = Stage(
        f"fit-{name}", name, partial(_fit, plan, name), needs, key,
        may_be_absent=True, may_fail=True, takes_absent=True, away=True,
    )  # fmt: skip
    evaluate = Stage(
        f"evaluate-{name}", "evaluation", partial(_evaluate, plan, name), ("split", f"fit-{name}"),
        (plan.head.seed,), may_be_absent=True, may_fail=True, away=True,
    )  # fmt: skip
    if "refit" in plan.head.skip:
        return [fit, evaluate]
    # What is served comes last, and has seen the held-out part too; the figures are of the fit before.
    refit = Stage(f"refit-{name}", name, partial(_refit, plan, name), (*needs, "clean", f"fit-{name}"), key,
                  may_be_absent=True, may_fail=True, takes_absent=True, away=True)  # fmt: skip
    return [fit, evaluate, refit]


def _file_keys(plan: Plan, name: str) -> list[str]:
    """What is in the files that a task's settings name; a file that is not there fails in the fit."""
    named = [getattr(plan.section(name), each) for each in TASKS[name].files]
    paths = [Path(path) for path in named if path is not None]
    return [artifact.file_sha256(path) if path.is_file() else str(path) for path in paths]


def _fit(plan: Plan, name: str, inputs: Inputs, folder: Path, work: Path) -> None:
    _made(plan, name, inputs).fit(open_shop(inputs["split"] / "train"), work=work).save(folder)


def _refit(plan: Plan, name: str, inputs: Inputs, folder: Path, work: Path) -> None:
    """The task as it is served: of the whole shop, with what the fit on the training part chose."""
    if not is_made(inputs, f"fit-{name}"):
        raise MissingTable(f"there is no fit-{name} to go on from.")
    task, shop = _made(plan, name, inputs), open_shop(inputs["clean"])
    before: Any = TASKS[name].load(inputs[f"fit-{name}"])
    if isinstance(task, Refittable):
        task.refit(shop, before, work=work)
    else:
        task.fit(shop, work=work)
    task.save(folder)


def _made(plan: Plan, name: str, inputs: Inputs) -> Any:
    """The task of the plan, not fitted yet."""
    entry = TASKS[name]
    encoder = _encoder(plan, inputs) if entry.uses_encoder else None
    generator = _generator(plan, inputs) if _uses_generator(plan, name) else None
    return seeing(entry, entry.make(encoder, generator, plan.section(name)), inputs)


def _evaluate(plan: Plan, name: str, inputs: Inputs, folder: Path, work: Path) -> None:
    task = TASKS[name].load(inputs[f"fit-{name}"])
    train, test = (open_shop(inputs["split"] / part) for part in ("train", "test"))
    scores = task.evaluate(test)
    with artifact.writing(folder, "evaluation") as new:
        write_json(new / "scores.json", scores.to_dicts())
        write_json(new / "paired.json", differences(scores).to_dicts())
        write_json(new / "examples.json", TASKS[name].examples(task, train, test, plan.head.seed))
        write_json(new / "log.json", getattr(task, "log", {}))


# the rest -----------------------------------------------------------------------------------------


def _prove_stages(plan: Plan) -> list[Stage]:
    """A ledger for each task that [prove] names."""
    if "prove" not in plan.sections or "prove" in plan.head.skip:
        return []
    models, given = plan.sections["models"], plan.sections["prove"]
    stages = []
    dials = {name: value for name, value in as_dict(given).items() if name != "tasks"}
    for task in given.tasks:
        key: tuple[Any, ...] = (dials, _model_key(plan, models.encoder), as_dict(plan.sections[task]))
        if task == "review":
            key = (*key, _model_key(plan, models.generator))
        stages.append(
            Stage(
                f"prove-{task}", "ledger", partial(_prove, plan, task), ("split",), key,
                may_be_absent=True, may_fail=True, away=True,
            )
        )  # fmt: skip
    return stages


def _prove(plan: Plan, task: str, inputs: Inputs, folder: Path, work: Path) -> None:
    """The ledger of the models as they came; it adapts for itself, as each of its rows is one step more."""
    train, test = (open_shop(inputs["split"] / part) for part in ("train", "test"))
    # Its cells outlive the stage's own folder: another seed or share of the data costs only itself.
    writes = task == "review"
    ledger = prove(
        task, train, None if writes else _as_it_came(plan, "encoder", train), plan.sections["prove"],
        work=work.parent / "prove", test=test, dials=plan.sections[task],
        generator=_as_it_came(plan, "generator", train) if writes else None,
    )  # fmt: skip
    with artifact.writing(folder, "ledger", settings=as_dict(plan.sections["prove"])) as new:
        write_ledger(ledger, new)


def _insight_stage(plan: Plan) -> Stage:
    refit = "fit" if "refit" in plan.head.skip else "refit"
    reading = () if "sentiment" in plan.head.skip else (f"{refit}-sentiment",)
    needs = ("clean", *reading, *(() if "adapt" in plan.head.skip else ("adapt",)))
    key = (as_dict(plan.sections["insight"]), plan.head.name)
    return Stage(
        "insight", "insight", partial(_insight, plan), needs, key,
        may_be_absent=True, may_fail=True, takes_absent=True, away=True,
    )  # fmt: skip


def _insight(plan: Plan, inputs: Inputs, folder: Path, work: Path) -> None:
    """What the shop's reviews and questions say, read by the reader that is served."""
    shop = open_shop(inputs["clean"])
    if not len(shop.reviews) and not len(shop.questions):
        raise MissingTable("an insight needs reviews or questions, and this shop has neither.")
    settings = plan.sections["insight"]
    fitted = next((name for name in ("refit-sentiment", "fit-sentiment") if is_made(inputs, name)), None)
    reader = open_reader(inputs[fitted]) if fitted and settings.reader != "words" else None
    encoder = load_encoder(inputs["adapt"] / "model") if is_made(inputs, "adapt") else None
    found = find_insight(shop, settings, reader=reader, encoder=encoder)
    with artifact.writing(folder, "insight", settings=as_dict(settings)) as new:
        write_insight(found, new, plan.head.name)


def _report(plan: Plan, inputs: Inputs, folder: Path, work: Path) -> None:
    train = open_shop(inputs["split"] / "train")
    terms = mine_terms(texts(train), n_terms=40, work=work)
    profile = read_json(inputs["look"] / "profile.json")
    found = (
        personal_note(profile["personal_ids"], plan.sections["shop"].pseudonym_key_env),
        encoder_note(plan.sections["models"].encoder, train),
        picture_note(inputs),
    )
    out = folder.parent.parent
    commands = (f"retailor run {out / 'plan.toml'} --out {out}", f"retailor serve {out}")
    data = report_data(plan, inputs, terms, versions(), commands, notes=[note for note in found if note])
    with artifact.writing(folder, "report") as new:
        write_report(data, new / "report.html")
        write_json(new / "notes.json", data.notes)
