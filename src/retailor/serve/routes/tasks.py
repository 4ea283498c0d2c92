"""The routes of tasks: each is asked at its name, by POST and, where it has a form for it, by GET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Response
from pydantic import BaseModel

from retailor.serve.metrics import Metrics
from retailor.serve.routes.hot import SLIP
from retailor.serve.service import Service
from retailor.tasks.entry import Entry, Extra, Http
from retailor.tasks.http import Served
from retailor.tasks.reasons import language_of

Spoken = Annotated[str, Header(description="The language of the reasons: English (the default) or Chinese.")]


def add_tasks(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """Adds `/NAME` for every task that the service knows, whether or not the run has it."""
    for name, entry in service.entries.items():
        asked = _asker(entry, service, metrics)
        about: dict[str, Any] = {
            "tags": ["tasks"],
            "description": entry.http.summary,
            "response_model": entry.http.reply,
        }
        by_body = _endpoint(asked, entry.http, entry.http.body)
        app.post(f"/{name}", name=name, summary=_heading(name), **about)(by_body)
        if entry.http.url is not None:
            by_url = _endpoint(asked, entry.http, Annotated[entry.http.url, Query()])
            more = f"{name}_by_url"
            app.get(f"/{name}", name=more, summary=_heading(more), **about)(by_url)
        for extra in entry.extras:
            _add_extra(app, service, entry, extra, metrics)


def _add_extra(app: FastAPI, service: Service, entry: Entry, extra: Extra, metrics: Metrics) -> None:
    def asked(body: Any, response: Response, accept_language: str) -> BaseModel:
        answered = service.ask_extra(entry.name, extra, body.query())
        _mark(extra.http, response, metrics)
        return extra.http.shown(answered.answer, Served(answered.view, False, language_of(accept_language)))

    by_url = _endpoint(asked, extra.http, Annotated[extra.http.body, Query()])
    app.get(
        f"/{extra.name}",
        name=extra.name,
        summary=_heading(extra.name),
        tags=["tasks"],
        description=extra.http.summary,
        response_model=extra.http.reply,
    )(by_url)


def _heading(name: str) -> str:
    return name.replace("_", " ").title()


Asked = Callable[[Any, Response, str], BaseModel]


def _asker(entry: Entry, service: Service, metrics: Metrics) -> Asked:
    """A function from a body to the reply: what both routes of a task do."""

    def asked(body: Any, response: Response, accept_language: str) -> BaseModel:
        query = body.query()
        answered = service.ask(entry.name, query, is_shown=True)
        served = Served(
            answered.view, answered.cached, language_of(accept_language), answered.notes, answered.query_id
        )
        reply = entry.http.shown(answered.answer, served)
        _mark(entry.http, response, metrics)
        slip = SLIP.get()
        if slip is not None and not entry.http.is_generated:
            slip.query, slip.key = query, answered.key if answered.cached else None
        return reply

    return asked


def _mark(http: Http, response: Response, metrics: Metrics) -> None:
    """Says in a header that a machine wrote the answer, and counts it."""
    if http.is_generated:
        response.headers["X-Generated"] = "true"
        metrics.drafts.inc()


def _endpoint(asked: Asked, http: Http, body_type: Any) -> Callable[..., BaseModel]:
    """The function of a route. FastAPI reads from its annotations what the request must be."""

    def with_reasons(body: Any, response: Response, accept_language: str = "") -> BaseModel:
        return asked(body, response, accept_language)

    def without(body: Any, response: Response) -> BaseModel:
        return asked(body, response, "")

    made: Callable[..., BaseModel] = with_reasons if http.has_reasons else without
    made.__annotations__ = {"body": body_type, "response": Response, "return": http.reply}
    if http.has_reasons:
        made.__annotations__["accept_language"] = Spoken
    return made
