"""The HTTP door of a service: routes, and a server that stops cleanly. No logic."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import anyio.to_thread
import uvicorn
from fastapi import FastAPI, Header, Query, Response

from retailor.errors import ConfigError, RetailorError
from retailor.serve import replies
from retailor.serve.bodies import (
    AnswerReply,
    CustomersBody,
    CustomersReply,
    DialogueBody,
    Health,
    ItemsBody,
    ItemsReply,
    Problem,
    QuestionUrl,
    Ready,
    RecommendBody,
    RecommendReply,
    RecommendUrl,
    ReviewBody,
    ReviewReply,
    SearchBody,
    SearchReply,
    SearchUrl,
    SentimentBody,
    SentimentReply,
    SentimentUrl,
)
from retailor.serve.connections import bounded_connections
from retailor.serve.guard import Guard
from retailor.serve.memory import few_arenas, give_memory_back
from retailor.serve.metrics import CONTENT_TYPE, Metrics
from retailor.serve.problems import install, problem
from retailor.serve.reference import described, reference_page
from retailor.serve.service import Loaders, Service
from retailor.serve.settings import ServeSettings
from retailor.store.artifact import retailor_version
from retailor.tasks.reasons import language_of

__all__ = ["ServeSettings", "make_app", "serve"]

BACKLOG = 2048
"""Connections that the system holds until we accept them."""
AT_ONCE = 16
"""Connections accepted before one of them is looked at: more could use up the file handles."""
TRIM_EVERY_S = 10.0
PAGE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON."},
    401: {"model": Problem, "description": "The API key is missing or wrong."},
    404: {"model": Problem, "description": "The item or customer asked for by id does not exist."},
    408: {"model": Problem, "description": "The request took too long to arrive."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"model": Problem, "description": "The body is not sent as JSON."},
    421: {"model": Problem, "description": "The server does not answer to this host name."},
    422: {"model": Problem, "description": "A field is unknown, missing or out of bounds."},
    429: {"model": Problem, "description": "Busy: come again after `Retry-After` seconds."},
    501: {"model": Problem, "description": "The run that is served does not have this task."},
    503: {"model": Problem, "description": "Not ready: come again after `Retry-After` seconds."},
    504: {"model": Problem, "description": "The answer took too long."},
}
_TEXT = (
    "Recommendations, search, answers, sentiment and review drafts from one shop's fitted tasks. "
    "Where the server asks for a key, send it as `X-API-Key` or `Authorization: Bearer`."
)
Spoken = Annotated[str, Header(description="The language of the reasons: English (the default) or Chinese.")]
_log = logging.getLogger("retailor.serve")


def make_app(service: Service, settings: ServeSettings | None = None) -> FastAPI:
    """The ASGI app of a service. Closing the service is up to the caller.

    Raises ConfigError when the settings name an API key that is not set.
    """
    settings = settings or service.settings
    metrics = Metrics(service)
    app = FastAPI(
        title="Retailor",
        version=retailor_version(),
        description=_TEXT,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
        lifespan=_lifespan(settings),
        generate_unique_id_function=lambda route: route.name,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_middleware(Guard, settings=settings, key=settings.api_key(), saw=metrics.saw)
    install(app)
    _add_tasks(app, service, metrics)
    _add_shop(app, service)
    _add_state(app, service, metrics)
    _add_page(app, settings)
    _add_reference(app, settings)
    return app


def _lifespan(settings: ServeSettings) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.threads
        trimming = asyncio.create_task(give_memory_back(TRIM_EVERY_S))
        yield
        trimming.cancel()

    return lifespan


def _add_tasks(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.post("/recommend", tags=["tasks"])
    def recommend(body: RecommendBody, accept_language: Spoken = "") -> RecommendReply:
        """Items for a customer, best first."""
        return replies.recommended(service, service.recommend(body.query()), language_of(accept_language))

    @app.get("/recommend", tags=["tasks"])
    def recommend_by_url(
        body: Annotated[RecommendUrl, Query()], accept_language: Spoken = ""
    ) -> RecommendReply:
        """Items for a customer, best first."""
        return recommend(body, accept_language)

    @app.post("/search", tags=["tasks"])
    def search(body: SearchBody, accept_language: Spoken = "") -> SearchReply:
        """Items found by words, best first."""
        return replies.found(service, service.search(body.query()), language_of(accept_language))

    @app.get("/search", tags=["tasks"])
    def search_by_url(body: Annotated[SearchUrl, Query()], accept_language: Spoken = "") -> SearchReply:
        """Items found by words, best first."""
        return search(body, accept_language)

    @app.post("/answer", tags=["tasks"])
    def answer(body: DialogueBody) -> AnswerReply:
        """An answer from the shop's own text, with its evidence, or that there is none."""
        return replies.answered(service, service.answer(body.query()))

    @app.get("/answer", tags=["tasks"])
    def answer_by_url(body: Annotated[QuestionUrl, Query()]) -> AnswerReply:
        """An answer from the shop's own text, with its evidence, or that there is none."""
        return replies.answered(service, service.answer(body.query()))

    @app.post("/sentiment", tags=["tasks"])
    def sentiment(body: SentimentBody) -> SentimentReply:
        """Whether a text is negative, neutral or positive, with calibrated probabilities."""
        return replies.read(service.sentiment(body.query()))

    @app.get("/sentiment", tags=["tasks"])
    def sentiment_by_url(body: Annotated[SentimentUrl, Query()]) -> SentimentReply:
        """Whether a text is negative, neutral or positive, with calibrated probabilities."""
        return sentiment(body)

    @app.post("/review", tags=["tasks"])
    def review(body: ReviewBody, response: Response) -> ReviewReply:
        """A drafted review; it and the header `X-Generated` say that a machine wrote it."""
        reply = replies.drafted(service.review(body.query()))
        response.headers["X-Generated"] = "true"
        metrics.drafts.inc()
        return reply


def _add_shop(app: FastAPI, service: Service) -> None:
    @app.get("/items", tags=["shop"])
    def items(body: Annotated[ItemsBody, Query()]) -> ItemsReply:
        """Items by id, or by words with the most popular first."""
        return replies.items(service, body)

    @app.get("/customers", tags=["shop"])
    def customers(body: Annotated[CustomersBody, Query()]) -> CustomersReply:
        """A customer's history, or customers with the longest history first. Personal data."""
        return replies.customers(service, body)


def _add_state(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/health", tags=["state"])
    async def health() -> Health:
        """That the process is alive."""
        return Health()

    @app.get("/ready", tags=["state"])
    async def ready(response: Response) -> Ready:
        """Whether questions can be answered (else 503), and what is served."""
        state = Ready(**service.ready())
        response.status_code = 200 if state.ready else 503
        return state

    @app.get("/metrics", tags=["state"], response_class=Response)
    async def metrics_text() -> Response:
        """Counts and times, for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_page(app: FastAPI, settings: ServeSettings) -> None:
    images = "'self' data: https:" if settings.remote_images else "'self' data:"
    headers = {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {images}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-cache",
    }
    page = {
        each.name: (each.read_bytes(), PAGE_TYPES[Path(each.name).suffix])
        for each in files("retailor.serve").joinpath("page").iterdir()
        if Path(each.name).suffix in PAGE_TYPES
    }
    index = page["index.html"][0].replace(
        b'data-remote-images="false"', f'data-remote-images="{str(settings.remote_images).lower()}"'.encode()
    )

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return Response(index, media_type="text/html", headers=headers)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        if name not in page:
            return problem(404, "there is no such file.")
        return Response(page[name][0], media_type=page[name][1], headers=headers)


def _add_reference(app: FastAPI, settings: ServeSettings) -> None:
    plain = app.openapi
    keyed = settings.api_key_env is not None

    def openapi() -> dict[str, Any]:
        return plain() if app.openapi_schema else described(plain(), asks_for_key=keyed)

    app.openapi = openapi  # type: ignore[method-assign]
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'"}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(reference_page(app.openapi()), media_type="text/html", headers=headers)


# the server ---------------------------------------------------------------------------------------


def serve(folder: Path, loaders: Loaders, settings: ServeSettings | None = None) -> None:
    """Serves a run folder, or a saved task, until SIGTERM or Ctrl-C; requests in flight are finished first.

    SIGHUP loads the folder anew without a pause. Raises ConfigError when the port is taken or the API key
    is not set, DataError when there is nothing to serve.
    """
    settings = settings or ServeSettings()
    settings.api_key()
    few_arenas()
    with (
        _bind(settings) as listener,
        _stops() as serving,
        closing(Service.load(Path(folder), loaders, settings)) as service,
    ):
        _reload_on_hangup(service)
        server = _Server(_uvicorn(make_app(service, settings), settings))
        serving.append(server)
        with _naming_the_address(settings):
            listener.listen(BACKLOG)
        _log_start(service, settings, listener.getsockname()[1])
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which accepts few at once though many may wait: it knows one number for both."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)


def _bind(settings: ServeSettings) -> socket.socket:
    """A socket on the address, so that a taken port is known before models are loaded."""
    with _naming_the_address(settings):
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        return listener


@contextmanager
def _naming_the_address(settings: ServeSettings) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror or error}); "
            "choose another host or port.",
            key="port",
            value=settings.port,
        ) from None


def _uvicorn(app: FastAPI, settings: ServeSettings) -> uvicorn.Config:
    log = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "loggers": {
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "retailor": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }
    # uvicorn's own access log has whole addresses in it, and those hold customers' ids and words.
    return uvicorn.Config(
        app,
        log_config=log,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.stop_timeout_s,
        http=bounded_connections(settings),
        backlog=AT_ONCE,
        h11_max_incomplete_event_size=64 * 1024,
    )


def _log_start(service: Service, settings: ServeSettings, port: int) -> None:
    state = service.ready()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    _log.info("serving '%s' (%s) on http://%s:%d", state["name"], ", ".join(state["tasks"]), host, port)
    for kind, reason in state["absent"].items():
        _log.info("left out: %s: %s", kind, reason)
    if not settings.is_local() and settings.api_key_env is None:
        _log.warning("anyone who reaches %s can read customers' histories; ask for a key.", settings.host)


@contextmanager
def _stops() -> Iterator[list[uvicorn.Server]]:
    """A list for the server that stop signals end; while it is empty they do what they did before.

    From before the first word in the log until all is closed: uvicorn listens later, and raises the signal
    that stopped it once more when it is done, either of which would end the process in the middle.
    """
    serving: list[uvicorn.Server] = []
    if threading.current_thread() is not threading.main_thread():
        yield serving
        return

    def stop(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if serving:
            serving[0].should_exit = True
        elif callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)

    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield serving
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reload_on_hangup(service: Service) -> None:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
        return

    def reload() -> None:
        try:
            service.reload()
            _log.info("serving '%s' anew", service.ready()["name"])
        except RetailorError as error:
            _log.error("not reloaded: %s", error)

    signal.signal(signal.SIGHUP, lambda number, frame: threading.Thread(target=reload).start())
