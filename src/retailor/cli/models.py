"""Commands about models before and beside a run: adapt, prove, choose. Heavy imports wait inside each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from retailor.cli.options import ShopFolder, changes, say
from retailor.errors import ModelError


def adapt(
    shop: ShopFolder,
    model: Annotated[
        str, typer.Option(help="Name, folder, hub name or address; auto: by the shop's languages.")
    ] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the adapted model.")] = Path(
        "out/model"
    ),
    objective: Annotated[
        str, typer.Option(help="masked, order or contrastive (encoders); causal or span (generators).")
    ] = "auto",
    steps: Annotated[int | None, typer.Option(help="At most this many steps a training.", min=1)] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of [adapt], e.g. --set term_boost=3")
    ] = None,
) -> None:
    """Adapts a pretrained model to the shop's texts; a killed call goes on where it stopped."""
    from retailor.models.weights import load_model
    from retailor.plan.encoder import encoder_for
    from retailor.plan.settings import changed
    from retailor.shop.tables import open_shop
    from retailor.text.fields import texts
    from retailor.text.pairs import shop_pairs
    from retailor.train.adapt import AdaptSettings, adapt_with_log

    given: dict[str, Any] = {"objective": objective}
    if steps is not None:
        given |= {"train": {"max_steps": steps}, "head_steps": min(AdaptSettings().head_steps, steps)}
    settings = changed(AdaptSettings, given, changes(change or [], "setting=value"), "retailor adapt")
    tables = open_shop(shop)
    pairs = None if settings.pairs == "none" else shop_pairs(tables, settings.pairs)
    work = out.with_name(f".{out.name}.work")
    adapted, log = adapt_with_log(
        load_model(encoder_for(model, tables)), texts(tables), settings, pairs=pairs, work=work
    )
    adapted.save(out)
    shutil.rmtree(work, ignore_errors=True)
    say(f"{log}\nwritten to {out}")


def prove(
    source: Annotated[Path, typer.Argument(help="A shop's folder, a run's folder, or a plan (.toml).")],
    task: Annotated[
        str, typer.Option(help="What to prove it on: recommend, search, answer, review or sentiment.")
    ] = "sentiment",
    model: Annotated[
        str | None, typer.Option(help="Encoder (default: the plan's, or by the shop's languages).")
    ] = None,
    generator: Annotated[str, typer.Option(help="Generator, for review.")] = "smollm2",
    labels: Annotated[
        list[int] | None, typer.Option(help="Labels to learn from, may be repeated; 0 is all.")
    ] = None,
    shares: Annotated[
        list[float] | None,
        typer.Option(help="Share of the data to learn from, e.g. 0.1; may be repeated: a transfer curve."),
    ] = None,
    rows: Annotated[
        list[str] | None, typer.Option("--row", help="A row of the ledger, may be repeated (default: all).")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds.", min=1)] = 3,
    steps: Annotated[int | None, typer.Option(help="At most this many steps a training.", min=1)] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for table and picture.")] = Path(
        "out/ledger"
    ),
) -> None:
    """Proves what each step of transfer is worth: a table, a picture, a verdict; a killed call goes on."""
    from retailor.plan.shops import shop_and_split
    from retailor.prove.ledger import prove as make_ledger
    from retailor.prove.picture import write_ledger
    from retailor.prove.settings import bounded
    from retailor.prove.trials.table import trial_of

    trial_of(task)
    from retailor.models.weights import load_model

    found = shop_and_split(source)
    settings = bounded(
        steps, tasks=(task,), steps=tuple(rows or ()), shares=tuple(shares or ()), seeds=tuple(range(seeds)),
        **({"labels": tuple(labels)} if labels else {}),
    )  # fmt: skip
    writes = task == "review"
    ledger = make_ledger(
        task, found.train, None if writes else load_model(model or found.encoder, kind="encoder"), settings,
        generator=load_model(generator, kind="generator") if writes else None, work=out / "work",
        test=found.test, dials=found.dials.get(task), tell=lambda line: say(line, err=True),
    )  # fmt: skip
    write_ledger(ledger, out)
    say(f"{ledger}\n\nwritten to {out}; {out / 'work'} keeps what more seeds or shares can go on from")


def compress(
    source: Annotated[Path, typer.Argument(help="A shop's folder, a run's folder, or a plan (.toml).")],
    model: Annotated[
        str | None,
        typer.Option(help="Encoder (default: the run's own, the plan's, or by the shop's languages)."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the smaller encoder.")] = Path(
        "out/small"
    ),
    keep: Annotated[
        float, typer.Option(help="The share to keep of the ten nearest texts (in a plan: of each score).")
    ] = 0.99,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of [compress], e.g. --set budget_mb=30")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Searches for the fastest encoder that keeps a share of the score, and shows all that was tried."""
    from retailor.compress.frontier import search
    from retailor.compress.settings import CompressSettings
    from retailor.models.weights import load_model
    from retailor.plan.settings import changed
    from retailor.plan.shops import shop_and_split
    from retailor.shop.split import split_at_random
    from retailor.text.fields import texts

    given = {"keep": keep}
    settings = changed(CompressSettings, given, changes(change or [], "setting=value"), "retailor compress")
    found = shop_and_split(source)
    train, held_out = (found.train, found.test) if found.test else split_at_random(found.train)
    work = out.with_name(f".{out.name}.work")
    result = search(
        load_model(model or str(found.adapted or found.encoder), kind="encoder"), out, texts=texts(train),
        held_out=texts(held_out), settings=settings, work=work,
    )  # fmt: skip
    shutil.rmtree(work, ignore_errors=True)
    say(
        json.dumps(result.to_dict(), ensure_ascii=False, indent=1)
        if as_json
        else f"{result}\nwritten to {out}"
    )


def distill(
    shop: ShopFolder,
    teacher: Annotated[
        str, typer.Option(help="Any encoder: a name, folder, archive, handle or address; it stays as it is.")
    ],
    model: Annotated[str, typer.Option(help="The student: an encoder whose network is here.")] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the student.")] = Path("out/student"),
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the lessons, e.g. --set layers_steps=600")
    ] = None,
) -> None:
    """Teaches a model that can be trained what a frozen one makes of the shop's texts."""
    from retailor.compress.settings import StudentSettings
    from retailor.compress.student import distilled
    from retailor.models.encoder import LocalEncoder
    from retailor.models.weights import load_model
    from retailor.plan.encoder import encoder_for
    from retailor.plan.settings import changed
    from retailor.shop.tables import open_shop
    from retailor.text.fields import texts

    settings = changed(StudentSettings, {}, changes(change or [], "setting=value"), "retailor distill")
    tables = open_shop(shop)
    student = load_model(encoder_for(model, tables), kind="encoder")
    if not isinstance(student, LocalEncoder):
        raise ModelError(f"'{model}' has no network here that could be taught.", asked=model)
    work = out.with_name(f".{out.name}.work")
    made = distilled(load_model(teacher, kind="encoder"), student, texts(tables), settings, work)
    made.save(out)
    shutil.rmtree(work, ignore_errors=True)
    say(f"{made.name}\nwritten to {out}")


def choose(
    source: Annotated[Path, typer.Argument(help="A shop's folder, a run's folder, or a plan (.toml).")],
    models: Annotated[list[str], typer.Option("--models", help="A candidate; may be repeated.")],
    task: Annotated[
        str, typer.Option(help="What to choose for: recommend, search, answer, sentiment, review.")
    ] = "sentiment",
    sample: Annotated[int, typer.Option(help="Cases of the task to look at.", min=20)] = 500,
    by: Annotated[str, typer.Option(help="The figure that ranks; unless given the first of the task.")] = "",
    work: Annotated[
        Path | None, typer.Option(help="Folder that keeps what is found of each model, to go on there.")
    ] = None,
    on: Annotated[
        str,
        typer.Option(help="Where: local, or ray or ray://HOST:PORT, with a --work that all machines see."),
    ] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ranks models for a task before any is trained: transfer, tokenizer, speed, size and licence."""
    from retailor.choose.rank import choose as rank
    from retailor.choose.shapes import ChooseSettings
    from retailor.errors import ConfigError
    from retailor.plan.shops import shop_and_split
    from retailor.runner import LOCAL, running

    if on != LOCAL and work is None:
        raise ConfigError(f"--on {on} needs --work, a folder that all machines see.", key="work")
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    shop, given = shop_and_split(source).train, ChooseSettings(sample=sample, by=by)
    with running(on, work or Path()):
        found = rank(shop, models, given, task=task, work=work)
    say(json.dumps(found.to_dict(), ensure_ascii=False, indent=1) if as_json else str(found))
