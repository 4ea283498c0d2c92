"""Commands that talk to a run's shop: chat, and mcp for other assistants."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from retailor.cli.options import Folder, say
from retailor.errors import RetailorError


def chat(
    folder: Folder,
    model: Annotated[
        str, typer.Option(help="A model such as https://host/v1#name in the planner's place.")
    ] = "",
) -> None:
    """A conversation with the shop, a line a turn; an empty line ends it. Reads a pipe as well."""
    from retailor.dialogue.chat import talker
    from retailor.dialogue.shapes import State
    from retailor.serve.service import Service
    from retailor.tasks.registry import TASKS

    talk, state = talker(model), State()
    service = Service.load(folder, TASKS)
    try:
        for line in _lines():
            try:
                reply = talk(line, state, service)
            except RetailorError as error:
                say(f"retailor: {error}", err=True)
                continue
            state = reply.state
            say(reply.text)
            if reply.handover is not None:
                say("\n".join(f"  | {each}" for each in reply.handover.summary.splitlines()))
    finally:
        service.close()


def _lines() -> Iterator[str]:
    """What is typed until an empty line, or the lines of a pipe."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            return
        if not line:
            return
        yield line


def mcp(folder: Folder) -> None:
    """The shop's tools over the Model Context Protocol, on standard input and output."""
    from retailor.dialogue.mcp import serve_stdio
    from retailor.serve.service import Service
    from retailor.tasks.registry import TASKS

    service = Service.load(folder, TASKS)
    try:
        serve_stdio(service)
    finally:
        service.close()
