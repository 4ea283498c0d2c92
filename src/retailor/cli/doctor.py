"""The command doctor: what is installed, what is missing. Heavy imports wait inside."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from retailor.cli.options import say


def doctor(
    need: Annotated[
        list[str] | None,
        typer.Option("--need", help="An extra or model that must be there; may be repeated."),
    ] = None,
    network: Annotated[bool, typer.Option("--network", help="Also ask the registry and the hub.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Says what is installed and what is missing: extras, device, weights. Exit 1 where it is needed."""
    from retailor.doctor import examine

    found = examine(need or [], network=network)
    say(json.dumps(found.to_dict(), ensure_ascii=False, indent=1) if as_json else str(found))
    if not found.is_fine:
        raise typer.Exit(1)
