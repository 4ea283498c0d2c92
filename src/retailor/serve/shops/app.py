"""The ASGI app of several shops: what lies below `/shops/NAME` goes to that shop's app, and to no other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from retailor.serve.app import TRIM_EVERY_S, make_app
from retailor.serve.door.guard import OPEN, Guard
from retailor.serve.door.keys import Keys
from retailor.serve.door.problems import install
from retailor.serve.logged import of_shop
from retailor.serve.memory import give_memory_back
from retailor.serve.metrics import CONTENT_TYPE, ByShop
from retailor.serve.routes.bodies import Health
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.store.artifact import retailor_version

_PLACE = re.compile(r"(?:/v1)?/shops/([^/]+)(/.*)?", re.DOTALL)
_TEXT = "A server of several shops. Each has its own addresses, below `/shops/NAME/`, and its own keys."


class AllReady(BaseModel):
    """Whether every shop can be asked. Which shops there are, it does not say: each says of itself what it
    serves at its own `/ready`, to who has a key of it."""

    ready: bool


class ShopState(BaseModel):
    """A shop, as the operator of the server sees it."""

    name: str
    ready: bool
    run: str
    tasks: list[str]


class ShopsReply(BaseModel):
    """The shops of this server."""

    shops: list[ShopState]


class Shops:
    """Gives a request to the shop whose name stands in its path, and all others to the lobby."""

    def __init__(self, lobby: ASGIApp, shops: Mapping[str, ASGIApp]) -> None:
        self._lobby, self._shops = lobby, shops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PLACE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        app = None if found is None else self._shops.get(found[1])
        if found is None or app is None:
            await self._lobby(scope, receive, send)
        elif found[2] is None:
            await RedirectResponse(f"{found[1]}/", status_code=307)(scope, receive, send)
        else:
            # No `root_path`: routers would take it off the path once more, behind the guard's back.
            with of_shop(found[1]):
                await app({**scope, "path": found[2], "raw_path": found[2].encode()}, receive, send)


class Share:
    """An ASGI app around another, of which at most `n` requests are worked on at once: nobody's crowd takes
    the threads of another shop. What needs no key needs no thread either, and waits for nobody: whoever asks
    whether the shop is well must not be told by its crowd."""

    def __init__(self, app: ASGIApp, n: int) -> None:
        self._app, self._free = app, asyncio.Semaphore(n)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or scope["path"].startswith("/page/"):
            await self._app(scope, receive, send)
            return
        async with self._free:
            await self._app(scope, receive, send)


def make_shops_app(services: Mapping[str, Service], settings: ServeSettings, operator: Keys) -> ASGIApp:
    """The ASGI app of shops by name. Closing the services is up to the caller.

    `settings` are the server's: host names, threads. Raises ConfigError as `make_app`.
    """
    apps: dict[str, FastAPI] = {}
    registries: dict[str, CollectorRegistry] = {}
    keyed = False
    for name, service in services.items():
        apps[name] = make_app(service, shop=name)
        # The innermost: who is refused, or sends slowly, takes nobody's place.
        apps[name].user_middleware.append(Middleware(Share, n=settings.threads))
        registries[name] = apps[name].state.registry
        keyed = keyed or Keys.of(service.settings) != Keys()
    lobby = _lobby(services, settings, operator)
    if operator != Keys() or not keyed:
        _add_figures(lobby, services, registries)
    return Shops(lobby, apps)


def _lobby(services: Mapping[str, Service], settings: ServeSettings, operator: Keys) -> FastAPI:
    lobby = FastAPI(
        title="Retailor", version=retailor_version(), description=_TEXT, docs_url=None, redoc_url=None,
        lifespan=_lifespan(settings.threads * len(services)),
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    lobby.add_middleware(Guard, settings=settings, keys=operator, saw=lambda *seen: None, opened=OPEN)
    install(lobby)

    @lobby.get("/health")
    async def health() -> Health:
        """That the process is alive."""
        return Health()

    @lobby.get("/ready", responses={503: {"model": AllReady, "description": "A shop cannot be asked yet."}})
    async def ready(response: Response) -> AllReady:
        """Whether every shop can be asked (else 503)."""
        state = AllReady(ready=all(each.ready()["ready"] for each in services.values()))
        response.status_code = 200 if state.ready else 503
        return state

    return lobby


def _add_figures(
    lobby: FastAPI, services: Mapping[str, Service], registries: Mapping[str, CollectorRegistry]
) -> None:
    """What only the operator may see: figures and names of all shops."""
    every = CollectorRegistry()
    every.register(ByShop(registries))
    ProcessCollector(registry=every)

    @lobby.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts and times of all shops and of the process, for Prometheus."""
        return Response(generate_latest(every), media_type=CONTENT_TYPE)

    @lobby.get("/shops")
    async def shops() -> ShopsReply:
        """The shops, and what each of them serves."""
        return ShopsReply(shops=[_state(name, service.ready()) for name, service in services.items()])


def _state(name: str, state: Mapping[str, Any]) -> ShopState:
    return ShopState(name=name, ready=state["ready"], run=state["name"], tasks=sorted(state["tasks"]))


def _lifespan(n_threads: int) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = n_threads
        trimming = asyncio.create_task(give_memory_back(TRIM_EVERY_S))
        yield
        trimming.cancel()

    return lifespan


def operator_keys(variable: str | None) -> Keys:
    """The key of who runs the server. Raises ConfigError where the variable is named and not set."""
    return Keys.of(ServeSettings(api_key_env=variable))
