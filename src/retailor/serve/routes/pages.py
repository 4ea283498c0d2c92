"""The page at `/`: its files, and what it must know of the tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Response

from retailor.serve.door.problems import problem
from retailor.serve.settings import ServeSettings
from retailor.tasks.entry import Entry, Panel, Said

PAGE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_CHAT = Panel(
    Said("Chat", "对话"),
    draws="chat",
    examples=(Said("What is popular?", "有什么热销的？"), Said("I want to talk to a person", "转人工客服")),
)
"""The panel that is of no task: it uses the tools of several."""


def add_page(app: FastAPI, settings: ServeSettings, entries: Mapping[str, Entry]) -> None:
    """Serves `/`, `/merchant` and the files that it asks for under `/page/`."""
    headers = _headers(settings)
    page = {**_files(), "tasks.js": (_tasks(entries), PAGE_TYPES[".js"])}
    index = page["index.html"][0].replace(
        b'data-remote-images="false"', f'data-remote-images="{str(settings.remote_images).lower()}"'.encode()
    )

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return Response(index, media_type="text/html", headers=headers)

    @app.get("/merchant", include_in_schema=False)
    async def merchant() -> Response:
        return Response(page["merchant.html"][0], media_type="text/html", headers=headers)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        if name not in page:
            return problem(404, "there is no such file.")
        return Response(page[name][0], media_type=page[name][1], headers=headers)


def _headers(settings: ServeSettings) -> dict[str, str]:
    # blob: is what the page itself made, of a picture that it may not ask for without its key.
    images = "'self' data: blob: https:" if settings.remote_images else "'self' data: blob:"
    return {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {images}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-cache",
    }


def _files() -> dict[str, tuple[bytes, str]]:
    """File name to bytes and media type."""
    return {
        each.name: (each.read_bytes(), PAGE_TYPES[Path(each.name).suffix])
        for each in files("retailor.serve").joinpath("page").iterdir()
        if Path(each.name).suffix in PAGE_TYPES
    }


def _tasks(entries: Mapping[str, Entry]) -> bytes:
    """A script with the tasks' panels, in order: the tabs of the page."""
    panels = [{"name": name, **asdict(entry.panel)} for name, entry in entries.items()]
    panels.append({"name": "chat", **asdict(_CHAT)})
    return f"export const TASKS = {json.dumps(panels)};\n".encode()
