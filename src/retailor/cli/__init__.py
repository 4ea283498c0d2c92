"""The command line: parse, call one function, print."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from retailor.cli.ask import command_of
from retailor.cli.bench import bench
from retailor.cli.chat import chat, mcp
from retailor.cli.doctor import doctor
from retailor.cli.insight import insight
from retailor.cli.living import drift, experiment, export, forget, refresh
from retailor.cli.models import adapt, choose, compress, distill, prove
from retailor.cli.options import say
from retailor.cli.policy import evaluate_policy
from retailor.cli.runs import plan_size, report, run, serve
from retailor.cli.shop import init, look, read, terms
from retailor.errors import RetailorError
from retailor.extras import naming_extras
from retailor.tasks.registry import REFUSED, TASKS

__all__ = ["app", "main"]

app = typer.Typer(
    name="retailor",
    help="Tailors a pretrained language model to a shop, and proves on the shop's own data that it paid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in (
    init, read, look, terms, adapt, plan_size, run, report, insight, prove, choose, compress, distill,
    serve, refresh, experiment, evaluate_policy, drift, forget, export, chat, mcp, bench, doctor,
):  # fmt: skip
    app.command()(_command)
for _name, _entry in TASKS.items():
    app.command(_name)(command_of(_entry))
    for _extra in _entry.extras:
        app.command(_extra.name)(command_of(_entry, _extra))


def _version(asked: bool) -> None:
    if asked:
        from retailor.store.artifact import retailor_version

        say(f"retailor {retailor_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    for name, reason in REFUSED.items():
        say(f"retailor: another package's task '{name}' is left out: {reason}", err=True)


def main() -> NoReturn:
    """The `retailor` command: exit status 0, 1 for an error (one line), 130 when interrupted."""
    try:
        with naming_extras():
            app(standalone_mode=True)
    except RetailorError as error:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
        say(f"retailor: {error}{notes}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # a full disk, a folder where a file should be, no right to write
        place = "" if error.filename is None else f"{error.filename}: "
        say(f"retailor: {place}{(error.strerror or str(error)).lower()}.", err=True)
        sys.exit(1)
    sys.exit(0)
