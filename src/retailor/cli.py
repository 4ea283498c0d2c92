"""The command line: parse, call one function, print. Heavy imports wait inside each command."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from retailor.errors import ConfigError, RetailorError
from retailor.extras import naming_extras

app = typer.Typer(
    name="retailor",
    help="Tailors a pretrained language model to a shop, and proves on the shop's own data that it paid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from retailor.store.artifact import retailor_version

        _print(f"retailor {retailor_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


Folder = Annotated[Path, typer.Argument(help="The folder of a finished run.")]
ShopFolder = Annotated[Path, typer.Argument(help="A shop's folder, as `retailor read` wrote it.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the result.")]
Files = Annotated[list[Path], typer.Argument(help="The raw files, in any order.")]
Count = Annotated[int, typer.Option("-k", help="How many.")]
MaxRejects = Annotated[
    str | None,
    typer.Option(
        "--max-rejects", help="More unreadable rows than this are an error: a number, or a share such as 5%."
    ),
]
Columns = Annotated[
    Path | None,
    typer.Option("--columns", help="TOML file with the column maps of reader 'tabular', one a table."),
]


# the shop -----------------------------------------------------------------------------------------


@app.command()
def read(
    reader: Annotated[str, typer.Argument(help="Format of the files; a wrong name lists them all.")],
    files: Files,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the shop's tables.")] = Path(
        "out/shop"
    ),
    max_rejects: MaxRejects = None,
    columns: Columns = None,
) -> None:
    """Reads raw files into a shop: canonical tables as Parquet, unreadable rows counted and kept."""
    from retailor.shop.joins import gaps_in
    from retailor.shop.read import limit_of, read_into

    limit = None if max_rejects is None else limit_of(max_rejects)
    count = read_into(reader, files, out, max_rejects=limit, tables=_columns(columns))
    _print("\n".join([str(count), *(f"  {gap}" for gap in gaps_in(out))]))
    _print(f"written to {out}; look at it with: retailor look {out}")


@app.command()
def look(
    shop: ShopFolder,
    picture: Annotated[Path | None, typer.Option(help="Also draw it: a .png or .svg file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Profiles a shop: sizes, sparsity, languages, missing fields, duplicates, cold items, time span."""
    from retailor.shop import look as looking
    from retailor.shop.tables import open_shop

    profile = looking.look(open_shop(shop))
    _print(json.dumps(profile.to_dict(), ensure_ascii=False, indent=1) if as_json else str(profile))
    if picture is not None:
        looking.picture(profile, picture)
        _print(f"drawn to {picture}")


@app.command()
def terms(
    shop: ShopFolder,
    n: Annotated[int, typer.Option("-n", help="How many terms.", min=1)] = 50,
) -> None:
    """Mines the shop's domain terms, English and Chinese, best first."""
    from retailor.shop.tables import open_shop
    from retailor.text.fields import texts
    from retailor.text.terms import mine_terms

    for term in mine_terms(texts(open_shop(shop)), n_terms=n):
        _print(f"{term.score:8.3f}  {term.count:7,}  {term.language}  {term.text}")


@app.command()
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
    import shutil

    from retailor.models.weights import load_model
    from retailor.plan.encoder import encoder_for
    from retailor.plan.settings import changed
    from retailor.shop.tables import open_shop
    from retailor.text.fields import texts
    from retailor.text.pairs import shop_pairs
    from retailor.train.adapt import AdaptSettings, adapt_with_log

    given: dict[str, Any] = {"objective": objective}
    if steps is not None:
        given |= {"max_steps": steps, "head_steps": min(AdaptSettings().head_steps, steps)}
    settings = changed(AdaptSettings, given, _changes(change or [], "setting=value"), "retailor adapt")
    tables = open_shop(shop)
    pairs = None if settings.pairs == "none" else shop_pairs(tables, settings.pairs)
    work = out.with_name(f".{out.name}.work")
    adapted, log = adapt_with_log(
        load_model(encoder_for(model, tables)), texts(tables), settings, pairs=pairs, work=work
    )
    adapted.save(out)
    shutil.rmtree(work, ignore_errors=True)
    _print(f"{log}\nwritten to {out}")


# the main job -------------------------------------------------------------------------------------


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(help="The plan, a TOML file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run (default: out/NAME).")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, e.g. --set sentiment.epochs=2")
    ] = None,
) -> None:
    """Runs the main job: from files to a served model. Again, it makes only what changed."""
    from retailor.plan.run import run as run_plan
    from retailor.report.verdicts import verdict

    done = run_plan(plan, out, overrides=_changes(change or []), tell=lambda line: _print(line, err=True))
    for task, scores in done.scores.items():
        _print(f"\n{task}: {verdict(task, scores, paired=done.paired[task]).text}\n{scores}")
    if done.verdicts:
        _print("\nwhat each step was worth\n" + "\n".join(done.verdicts))
    for note in done.notes:
        _print(f"\nnote: {note}")
    for name, reason in done.absent().items():
        _print(f"\nleft out: {name}: {reason}")
    _print(f"\nreport: {done.report}\nserve it: retailor serve {done.out}")


@app.command()
def report(
    folder: Folder,
    to: Annotated[Path, typer.Option("--to", help="Where to copy the HTML file.")] = Path("report.html"),
) -> None:
    """Copies a run's report out: one self-contained HTML file."""
    import shutil

    from retailor.plan.run import open_run

    shutil.copyfile(open_run(folder).report, to)
    _print(f"written to {to}")


@app.command()
def prove(
    source: Annotated[Path, typer.Argument(help="A shop's folder, a run's folder, or a plan (.toml).")],
    task: Annotated[str, typer.Option(help="What to prove it on: sentiment.")] = "sentiment",
    model: Annotated[
        str | None, typer.Option(help="Encoder (default: the plan's, or by the shop's languages).")
    ] = None,
    labels: Annotated[
        list[int] | None, typer.Option(help="Labels to learn from, may be repeated; 0 is all.")
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
    from retailor.prove.settings import ProveSettings

    if task != "sentiment":
        raise ConfigError(f"prove: '{task}' is no task it knows; known: sentiment.", key="task", value=task)
    from retailor.models.weights import load_model

    found = shop_and_split(source)
    usual = ProveSettings()
    settings = ProveSettings(
        labels=tuple(labels or usual.labels),
        seeds=tuple(range(seeds)),
        max_steps=steps,
        adapt_steps=steps or usual.adapt_steps,
    )
    encoder = load_model(model or found.encoder, kind="encoder")
    ledger = make_ledger(
        found.train, encoder, settings, work=out / "work", test=found.test,
        tell=lambda line: _print(line, err=True),
    )  # fmt: skip
    write_ledger(ledger, out)
    _print(f"{ledger}\n\nwritten to {out}; {out / 'work'} keeps what more seeds or labels can go on from")


@app.command()
def choose(
    source: Annotated[Path, typer.Argument(help="A shop's folder, a run's folder, or a plan (.toml).")],
    models: Annotated[list[str], typer.Option("--models", help="A candidate; may be repeated.")],
    task: Annotated[str, typer.Option(help="What to choose for: sentiment.")] = "sentiment",
    sample: Annotated[int, typer.Option(help="Labelled reviews to look at.", min=20)] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ranks encoders for the shop before any is trained: transfer, tokenizer, speed, size and licence."""
    from retailor.choose.rank import ChooseSettings
    from retailor.choose.rank import choose as rank
    from retailor.plan.shops import shop_and_split

    if task != "sentiment":
        raise ConfigError(f"choose: '{task}' is no task it knows; known: sentiment.", key="task", value=task)
    found = rank(shop_and_split(source).train, models, ChooseSettings(sample=sample))
    _print(json.dumps(found.to_dict(), ensure_ascii=False, indent=1) if as_json else str(found))


@app.command()
def serve(
    folder: Folder,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)] = None,
    cache: Annotated[str | None, typer.Option(help="memory:, lmdb:FOLDER or redis://HOST:PORT/N")] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the API key; unset means no key.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of [serve], e.g. --set memory_mb=256")
    ] = None,
) -> None:
    """Serves a run over HTTP, with a page at /, by the section [serve] of its plan and the options."""
    from retailor.config import as_dict
    from retailor.plan.settings import changed, read_plan
    from retailor.serve.app import ServeSettings
    from retailor.serve.app import serve as serve_folder
    from retailor.tasks.registry import LOADERS

    options = {"host": host, "port": port, "cache_url": cache, "api_key_env": key_env}
    plan = folder / "plan.toml"
    planned = as_dict(read_plan(plan).sections["serve"]) if plan.is_file() else {}
    values = {**planned, **{name: value for name, value in options.items() if value is not None}}
    settings = changed(ServeSettings, values, _changes(change or [], "setting=value"), "retailor serve")
    serve_folder(folder, LOADERS, settings)


# asking a finished run ----------------------------------------------------------------------------


@app.command()
def recommend(
    folder: Folder,
    user: Annotated[str | None, typer.Option(help="A customer's id.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item seen just now; may be repeated.")] = None,
    text: Annotated[str | None, typer.Option(help="Words: I am looking for …")] = None,
    k: Count = 10,
    by: Annotated[
        Literal["customer", "similar", "together"],
        typer.Option(help="Or what is similar to the last --item, or chosen together with it."),
    ] = "customer",
    diversity: Annotated[float, typer.Option(help="0, the plain order, to 1, all unlike.")] = 0.0,
) -> None:
    """Recommends items to a customer, known or new."""
    from retailor.tasks.recommend.shapes import RecommendQuery

    query = RecommendQuery(
        user_id=user, item_ids=tuple(item or ()), text=text, k=k, by=by, diversity=diversity
    )
    titles = _titles(folder)
    for each in _ask(folder, "recommend", query).items:
        _print(f"{each.score:9.4f}  {each.item_id}  {titles.get(each.item_id, '')}  ({each.reason})")


@app.command()
def search(
    folder: Folder, words: Annotated[str, typer.Argument(help="What to find.")], k: Count = 10
) -> None:
    """Finds items by words."""
    from retailor.tasks.search.shapes import SearchQuery

    titles = _titles(folder)
    for each in _ask(folder, "search", SearchQuery(words, k)).items:
        _print(f"{each.score:9.4f}  {each.item_id}  {titles.get(each.item_id, '')}")


@app.command()
def answer(
    folder: Folder,
    question: Annotated[str, typer.Argument(help="The customer's question.")],
    item: Annotated[str | None, typer.Option(help="The item it is about.")] = None,
) -> None:
    """Answers a question from the catalogue, with its evidence, or says that it does not know."""
    from retailor.tasks.answer.shapes import AnswerQuery

    found = _ask(folder, "answer", AnswerQuery(question, item))
    _print(found.text)
    for each in found.evidence:
        _print(f"  [{each.source}, {each.item_id}, {each.score:.3f}] {each.text}")


@app.command()
def sentiment(folder: Folder, text: Annotated[str, typer.Argument(help="A review, or any text.")]) -> None:
    """Reads the sentiment of a text."""
    from retailor.tasks.sentiment.shapes import SentimentQuery

    found = _ask(folder, "sentiment", SentimentQuery(text))
    _print(found.label + "  " + "  ".join(f"{name} {p:.3f}" for name, p in found.probabilities.items()))


@app.command()
def review(
    folder: Folder,
    item: Annotated[str, typer.Argument(help="The item's id.")],
    stars: Annotated[float, typer.Option(min=1, max=5, help="1 to 5.")] = 5,
    aspect: Annotated[list[str] | None, typer.Option(help="Something to mention; may be repeated.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose style to follow.")] = None,
) -> None:
    """Drafts a review as JSON, marked as generated."""
    from retailor.tasks.review import mark
    from retailor.tasks.review.shapes import ReviewQuery

    draft = _ask(folder, "review", ReviewQuery(item, stars, tuple(aspect or ()), user))
    _print(json.dumps(mark(draft), ensure_ascii=False, indent=1))


def _ask(folder: Path, name: str, query: Any) -> Any:
    """The answer of one task of a run to one query."""
    from dataclasses import replace

    from retailor.plan.run import open_run
    from retailor.shop.pseudonyms import pseudonyms_of
    from retailor.tasks.registry import LOADERS

    done = open_run(folder)
    clean = next((stage.folder for stage in done.stages if stage.name == "clean"), None)
    hidden = pseudonyms_of(done.out / clean) if clean else None
    if hidden and getattr(query, "user_id", None):
        query = replace(query, user_id=hidden.of(query.user_id))
    for stage in reversed(done.stages):  # the last of a kind is the one that is served
        if stage.kind == name:
            return LOADERS[name](done.out / stage.folder).predict([query])[0]
    reason = done.absent().get(f"fit-{name}", "the plan left it out")
    raise RetailorError(f"this run has no task '{name}': {reason.rstrip('.')}.")


def _titles(folder: Path) -> dict[str, str]:
    from retailor.plan.run import open_run
    from retailor.shop.tables import open_shop

    done = open_run(folder)
    clean = next(stage for stage in done.stages if stage.name == "clean")
    items = open_shop(done.out / clean.folder).items
    return {item_id: title or "" for item_id, title in items.select("item_id", "title").iter_rows()}


# the door -----------------------------------------------------------------------------------------


def _columns(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--columns: cannot read {path}: {error}", key="columns", value=str(path)) from None


def _changes(pairs: Sequence[str], form: str = "section.setting=value") -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--set takes {form}, not '{pair}'.", key="set", value=pair)
    return dict(pair.split("=", 1) for pair in pairs)


def _print(text: str, *, err: bool = False) -> None:
    typer.echo(text, err=err)


def main() -> NoReturn:
    """The `retailor` command: exit status 0, 1 for an error (one line), 130 when interrupted."""
    try:
        with naming_extras():
            app(standalone_mode=True)
    except RetailorError as error:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
        _print(f"retailor: {error}{notes}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # a full disk, a folder where a file should be, no right to write
        place = "" if error.filename is None else f"{error.filename}: "
        _print(f"retailor: {place}{(error.strerror or str(error)).lower()}.", err=True)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
