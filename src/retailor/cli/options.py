"""Options that more than one command has, and how a command says something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from retailor.errors import ConfigError

Folder = Annotated[Path, typer.Argument(help="The folder of a finished run.")]
ShopFolder = Annotated[Path, typer.Argument(help="A shop's folder, as `retailor read` wrote it.")]


def changes(pairs: Sequence[str], form: str = "section.setting=value") -> dict[str, str]:
    """The pairs of `--set`, as setting to text. Raises ConfigError on one without '='."""
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--set takes {form}, not '{pair}'.", key="set", value=pair)
    return dict(pair.split("=", 1) for pair in pairs)


def say(text: str, *, err: bool = False) -> None:
    """Prints a text, to stderr where `err` is."""
    typer.echo(text, err=err)
