"""The command about what customers say: insight. Heavy imports wait inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retailor.cli.options import changes, say


def insight(
    source: Annotated[Path, typer.Argument(help="The folder of a finished run, or a shop's folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the files (default: out/insight).")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of [insight], e.g. --set false_alarms=0.01"),
    ] = None,
) -> None:
    """Tells the merchant what customers praise, complain of and ask for: HTML, CSV and JSON."""
    from retailor.insight.files import write_insight
    from retailor.insight.insight import find_insight
    from retailor.plan.insight import insight_source

    found = insight_source(source, changes(change or [], "setting=value"))
    made = find_insight(found.shop, found.settings, reader=found.reader, encoder=found.encoder)
    paths = write_insight(made, out or Path("out/insight"), found.name)
    for line in made.lines():
        say(line)
    say(f"\nwritten to {paths[0]}, with tables (.csv) and records (.json) beside it")
