"""The HTTP door of a service: one app of the routes of tasks, shop, state, page and reference. No logic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio.to_thread
from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse

from retailor.dialogue.chat import talker
from retailor.serve.door.guard import OPEN, Guard
from retailor.serve.door.keys import Keys
from retailor.serve.door.problems import install
from retailor.serve.memory import give_memory_back
from retailor.serve.metrics import CONTENT_TYPE, Metrics
from retailor.serve.reference import described, reference_page
from retailor.serve.routes import replies
from retailor.serve.routes.bodies import (
    CustomersBody,
    CustomersReply,
    Health,
    ItemsBody,
    ItemsReply,
    PictureBody,
    Problem,
    Ready,
)
from retailor.serve.routes.chat import add_chat
from retailor.serve.routes.hot import Remembered
from retailor.serve.routes.live import Written, add_live
from retailor.serve.routes.merchant import add_merchant
from retailor.serve.routes.pages import add_page
from retailor.serve.routes.tasks import add_tasks
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.store.artifact import retailor_version

__all__ = ["ServeSettings", "make_app"]

TRIM_EVERY_S = 10.0
INSIGHT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PICTURE_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
_JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "The picture."},
    204: {"description": "There is no picture of this item here."},
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON."},
    401: {"model": Problem, "description": "The API key is missing or wrong."},
    404: {"model": Problem, "description": "The item or customer asked for by id does not exist."},
    408: {"model": Problem, "description": "The request took too long to arrive."},
    413: {"model": Problem, "description": "The body is larger than `max_body_bytes`, which it says."},
    415: {"model": Problem, "description": "The body is not sent as JSON."},
    421: {"model": Problem, "description": "The server does not answer to this host name."},
    422: {"model": Problem, "description": "A field is unknown, missing or out of bounds."},
    429: {"model": Problem, "description": "Busy: come again after `Retry-After` seconds."},
    501: {"model": Problem, "description": "The run that is served does not have this task."},
    503: {"model": Problem, "description": "Not ready: come again after `Retry-After` seconds."},
    504: {"model": Problem, "description": "The answer took too long."},
}
_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Ready, "description": "Not ready: nothing can be asked yet."}
}
_TEXT = (
    "Conversations, recommendations, search, answers, sentiment, review drafts: from a shop's fitted tasks. "
    "Where the server asks for a key, send it as `X-API-Key` or `Authorization: Bearer`."
)


def make_app(
    service: Service,
    settings: ServeSettings | None = None,
    metrics: Metrics | None = None,
    *,
    shop: str = "",
) -> FastAPI:
    """The ASGI app of a service. Closing the service is up to the caller.

    `shop` is its name where it is one of several: they lie below `/shops/NAME`, and what each of them has is
    told to nobody without its key. Raises ConfigError when the settings name an API key that is not set.
    """
    settings = settings or service.settings
    metrics = metrics or Metrics(service, shop=shop)
    base = f"/shops/{shop}" if shop else ""
    app = FastAPI(
        title="Retailor",
        version=retailor_version(),
        description=_TEXT,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
        lifespan=_lifespan(settings),
        # It would name an address outside of the shop, or of the version.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.base, app.state.registry = base, metrics.registry
    # The last one added stands before the others.
    app.add_middleware(Written, service=service)
    app.add_middleware(Remembered, service=service, kinds=[*service.entries])
    app.add_middleware(
        Guard, settings=settings, keys=Keys.of(settings), saw=metrics.saw, base=base,
        opened=tuple(path for path in OPEN if not shop or path != "/ready"),
    )  # fmt: skip
    install(app)
    add_tasks(app, service, metrics)
    add_chat(app, service, talker(settings.chat_model))
    _add_shop(app, service)
    add_live(app, service)
    add_merchant(app, service, metrics)
    _add_state(app, service, metrics)
    add_page(app, settings, service.entries)
    _add_reference(app, settings, base)
    return app


def _lifespan(settings: ServeSettings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.threads
        trimming = asyncio.create_task(give_memory_back(TRIM_EVERY_S))
        yield
        trimming.cancel()

    return lifespan


def _add_shop(app: FastAPI, service: Service) -> None:
    @app.get("/items", tags=["shop"])
    def items(body: Annotated[ItemsBody, Query()]) -> ItemsReply:
        """Items by id, or by words with the most popular first."""
        return replies.items(service, body)

    @app.get("/picture", tags=["shop"], response_class=Response, responses=_JPEG)
    def picture(body: Annotated[PictureBody, Query()]) -> Response:
        """A small JPEG of an item, made from the file that its column `image` names; 204 without one."""
        found = service.picture(body.item_id)
        if found is None:
            return Response(status_code=204, headers=PICTURE_HEADERS)
        return Response(found, media_type="image/jpeg", headers=PICTURE_HEADERS)

    @app.get("/customers", tags=["shop"])
    def customers(body: Annotated[CustomersBody, Query()]) -> CustomersReply:
        """A customer's history, or customers with the longest history first. Personal data."""
        return replies.customers(service, body)

    @app.get("/insight", tags=["shop"], response_class=HTMLResponse)
    def insight() -> HTMLResponse:
        """What customers praise, complain of and ask for, as one page for the merchant."""
        return HTMLResponse(service.insight(), headers={"Content-Security-Policy": INSIGHT_POLICY})


def _add_state(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/health", tags=["state"])
    async def health() -> Health:
        """That the process is alive."""
        return Health()

    @app.get("/ready", tags=["state"], responses=_NOT_READY)
    async def ready(response: Response) -> Ready:
        """Whether questions can be answered (else 503), and what is served."""
        state = Ready(**service.ready())
        response.status_code = 200 if state.ready else 503
        return state

    @app.get("/metrics", tags=["state"], response_class=Response)
    async def metrics_text() -> Response:
        """Counts and times, for Prometheus; of all workers together."""
        return Response(await asyncio.to_thread(metrics.text), media_type=CONTENT_TYPE)


def _add_reference(app: FastAPI, settings: ServeSettings, base: str) -> None:
    plain = app.openapi
    keyed = settings.api_key_env is not None

    def openapi() -> dict[str, Any]:
        return plain() if app.openapi_schema else described(plain(), asks_for_key=keyed, base=base)

    app.openapi = openapi  # type: ignore[method-assign]
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'"}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(reference_page(app.openapi()), media_type="text/html", headers=headers)
