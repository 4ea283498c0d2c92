"""The command bench: how fast a run answers here. Heavy imports wait inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from retailor.cli.options import say


def bench(
    places: Annotated[
        list[Path], typer.Argument(help="The folder of a run; or two and more tables that --json wrote.")
    ],
    queries: Annotated[
        Path | None, typer.Option(help="A file of queries, a line each, as `serve --warm` takes them.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each task is asked in each way.", min=0.01)] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Times a run's answers on this machine, by task; or compares the tables of several machines."""
    from retailor.errors import ConfigError
    from retailor.serve.bench import Bench, compared
    from retailor.serve.bench import bench as time_run
    from retailor.tasks.registry import TASKS

    if len(places) == 1 and places[0].is_dir():
        found = time_run(places[0], TASKS, queries=queries, seconds=seconds)
        say(json.dumps(found.to_dict(), ensure_ascii=False, indent=1) if as_json else str(found))
        return
    if len(places) < 2:
        raise ConfigError(
            f"{places[0]} is no folder of a run; to compare, give two tables or more.",
            key="places",
            value=str(places[0]),
        )
    say(compared([Bench.read(path) for path in places]))
