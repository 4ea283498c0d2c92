"""Commands that make a run, show it and serve it: run, report, serve. Heavy imports wait inside each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retailor.cli.options import Folder, changes, say


def run(
    plan: Annotated[Path, typer.Argument(help="The plan, a TOML file.")],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Folder of the run (default: out/NAME), or a URL.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, e.g. --set sentiment.train.epochs=2")
    ] = None,
    on: Annotated[
        str, typer.Option(help="Where: local, ray (the cluster of this machine) or ray://HOST:PORT.")
    ] = "local",
) -> None:
    """Runs the main job: from files to a served model. Again, it makes only what changed."""
    from retailor.plan.run import run as run_plan
    from retailor.report.verdicts import verdict
    from retailor.store.buckets import is_url

    done = run_plan(plan, out, overrides=changes(change or []), on=on, tell=lambda line: say(line, err=True))
    for task, scores in done.scores.items():
        say(f"\n{task}: {verdict(task, scores, paired=done.paired[task]).text}\n{scores}")
    if done.verdicts:
        say("\nwhat each step was worth\n" + "\n".join(done.verdicts))
    for note in done.notes:
        say(f"\nnote: {note}")
    for name, reason in done.absent().items():
        say(f"\nleft out: {name}: {reason}")
    served = out if out is not None and is_url(out) else done.out
    say(f"\nreport: {done.report}\nserve it: retailor serve {served}")


def plan_size(
    plan: Annotated[Path, typer.Argument(help="The plan, a TOML file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder that the run will have (default: out/NAME).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, e.g. --set sentiment.train.epochs=2")
    ] = None,
) -> None:
    """Says before a run what time, memory and disk each stage will need here, and where it will not fit."""
    import json

    from retailor.plan.settings import read_plan
    from retailor.plan.size import forecast, measured

    read = read_plan(plan, changes(change or []))
    found = forecast(
        measured(read, out or Path("out") / read.head.name, tell=lambda line: say(line, err=True))
    )
    say(json.dumps(found.to_dict(), indent=1) if as_json else str(found))


def report(
    folder: Folder,
    to: Annotated[Path, typer.Option("--to", help="Where to copy the HTML file.")] = Path("report.html"),
) -> None:
    """Copies a run's report out: one self-contained HTML file."""
    import shutil

    from retailor.plan.run import open_run

    shutil.copyfile(open_run(folder).report, to)
    say(f"written to {to}")


def serve(
    place: Annotated[
        str | None,
        typer.Argument(help="The folder or the URL of a finished run, or a TOML file of several shops."),
    ] = None,
    shop: Annotated[
        list[str] | None,
        typer.Option(help="NAME=RUN, once for each of several shops, served below /shops/NAME/."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)] = None,
    cache: Annotated[str | None, typer.Option(help="memory:, lmdb:FOLDER or redis://HOST:PORT/N")] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the API key; unset means no key.")
    ] = None,
    events: Annotated[
        str | None, typer.Option(help="Where events are kept, such as sqlite:///shop.db; unset takes none.")
    ] = None,
    warm: Annotated[
        str | None, typer.Option(help="A file of queries, a line each, to answer before anyone asks.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that answer, behind one port.", min=1, max=64)
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of [serve], e.g. --set memory_mb=256")
    ] = None,
) -> None:
    """Serves a run over HTTP, with a page at /, by the section [serve] of its plan and the options.

    Several shops are served side by side, none of which can see another's.
    """
    from retailor.cli.shops import serve_asked
    from retailor.config import as_dict
    from retailor.plan.settings import changed, read_plan
    from retailor.serve.server import serve as serve_folder
    from retailor.serve.settings import ServeSettings
    from retailor.serve.shops.settings import asked_for
    from retailor.store.buckets import fetched_run, is_url

    options = {
        "host": host, "port": port, "cache_url": cache, "api_key_env": key_env, "events_url": events,
        "warm_file": warm, "workers": workers,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    overrides = changes(change or [], "setting=value")
    if shop or place is None or place.endswith(".toml"):
        serve_asked(asked_for(place, shop or []), given, overrides)
        return
    folder = fetched_run(place) if is_url(place) else Path(place)
    plan = folder / "plan.toml"
    sections = read_plan(plan).sections if plan.is_file() else {}
    planned = as_dict(sections["serve"]) if sections else {}
    settings = changed(ServeSettings, {**planned, **given}, overrides, "retailor serve")
    serve_folder(folder, "retailor.tasks.registry:TASKS", settings, sections.get("drift"))
