"""What stands before the app: limits, the key, the host, headers, one log line a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retailor.serve.door.keys import Keys, role_for
from retailor.serve.door.problems import problem
from retailor.serve.logged import place_of
from retailor.serve.settings import ServeSettings

OPEN = ("/", "/merchant", "/health", "/ready", "/openapi.json", "/docs")
"""Paths that need no key and are answered however busy the server is; so is all under `/page/`."""
BODIES: Mapping[str, tuple[str, ...]] = {"/events": ("application/json", "application/x-ndjson")}
"""Path to the types that its body may be sent as, where that is not JSON alone."""
VERSION = "/v1"
"""What may stand before every path; the paths without it are the same."""
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
WITH_BODY = ("POST", "PUT")
REFUSALS = (400, 401, 408, 413, 415, 421, 429, 499, 503)
REFUSALS_TOLD = 20
"""Lines a second in the log about requests that were refused."""
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SAFE = [(name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
_log = logging.getLogger("retailor.serve")
Saw = Callable[[str, str, int, float], None]


class _ClientGone(Exception):
    """The client left before its request was complete."""


class Guard:
    """An ASGI app around another one. It logs method, route, status and time: no ids, words or keys."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        keys: Keys,
        saw: Saw,
        base: str = "",
        opened: Collection[str] = OPEN,
    ) -> None:
        """`base`: what stands before the paths, for the log; `opened`: those that need no key."""
        self._app = app
        self._settings = settings
        self._keys = keys
        self._hosts = settings.allowed_hosts()
        self._saw = saw
        self._base, self._opened = base, opened
        self._n_in_flight = 0
        self._second = self._n_refused = 0
        self._n_sending: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, seen = time.monotonic(), _Seen(send, with_body=scope["method"] != "HEAD")
        scope = _plain(scope)
        try:
            await self._let_in(scope, receive, seen)
        except _ClientGone:
            seen.status = 499
        except (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of a library in Rust is no Exception
            _log.error("a request failed with %s at %s", type(error).__name__, place_of(error))
            if seen.status == 0:
                failed = problem(500, "the server failed on this request; its log says where.")
                await failed(scope, receive, seen)
        finally:
            seconds = time.monotonic() - started
            route = str(getattr(scope.get("route"), "path", "other"))
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._saw(route, method, seen.status, seconds)
            self._tell(f"{method} {self._base}{route}", seen.status, seconds)

    def _tell(self, what: str, status: int, seconds: float) -> None:
        """One line a request; of those refused so many a second, and then how many more there were."""
        second = int(time.monotonic())
        if second != self._second:
            if self._n_refused > REFUSALS_TOLD:
                _log.info("%d more requests were refused", self._n_refused - REFUSALS_TOLD)
            self._second, self._n_refused = second, 0
        self._n_refused += status in REFUSALS
        if status not in REFUSALS or self._n_refused <= REFUSALS_TOLD:
            _log.info("%s %d %.0f ms", what, status, 1000 * seconds)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_open = scope["path"] in self._opened or scope["path"].startswith("/page/")
        refusal = self._refusal(scope, headers, is_open)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        if is_open:
            await self._app(scope, receive, send)
            return
        if scope["method"] in WITH_BODY:
            body = await self._body_of(scope, receive, headers)
            if isinstance(body, Response):
                await body(scope, receive, send)
                return
            receive = _replay(body, receive)
        self._n_in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._n_in_flight -= 1

    async def _body_of(self, scope: Scope, receive: Receive, headers: Headers) -> bytes | Response:
        """The body or a refusal. While it comes the request is not in flight, so slow ones delay nobody."""
        client = str((scope.get("client") or ("",))[0])
        if self._n_sending[client] >= self._settings.max_bodies_per_client:
            return problem(
                429, "too many requests of this address are on their way; ask again later.",
                retry_after_s=1.0, headers={"Connection": "close"},
            )  # fmt: skip
        self._n_sending[client] += 1
        try:
            body = await self._body(receive, headers)
        finally:
            self._n_sending[client] -= 1
            if not self._n_sending[client]:
                del self._n_sending[client]
        return self._busy() if self._n_in_flight >= self._settings.max_in_flight else body

    def _busy(self) -> Response:
        return problem(429, "the server is busy; ask again later.", retry_after_s=1.0)

    def _refusal(self, scope: Scope, headers: Headers, is_open: bool) -> Response | None:
        """The response for a request that may not come in, or None."""
        if self._hosts and _host(headers.get("host", "")) not in self._hosts:
            return problem(421, "this server does not answer to this host name; add it to 'hosts'.")
        if "transfer-encoding" in headers and "content-length" in headers:
            # Two lengths are how a request is smuggled past a proxy (RFC 9112, 6.3).
            return problem(
                400, "a request has a Content-Length or a Transfer-Encoding, not both.",
                headers={"Connection": "close"},
            )  # fmt: skip
        if is_open:
            return None
        role = role_for(scope["method"], scope["path"])
        if not self._keys.allow(role, _key_in(headers)):
            told = f"send {self._keys.named(role)} as 'X-API-Key' or 'Authorization: Bearer'."
            return problem(401, told, headers={"WWW-Authenticate": "Bearer"})
        if self._n_in_flight >= self._settings.max_in_flight:
            return self._busy()
        if scope["method"] in WITH_BODY:
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in BODIES.get(scope["path"], ("application/json",)):
                return problem(415, "the body must be JSON, with 'Content-Type: application/json'.")
            length = headers.get("content-length", "0")
            if length.isdecimal() and int(length[:20]) > self._settings.max_body_bytes:
                return self._too_large()
        return None

    async def _body(self, receive: Receive, headers: Headers) -> bytes | Response:
        """The whole body, however it was sent, or the refusal of one that is too large or too slow."""
        try:
            body = await asyncio.wait_for(self._collect(receive), self._settings.body_timeout_s)
        except TimeoutError:
            return problem(
                408,
                f"the request took longer than {self._settings.body_timeout_s:g} s to arrive.",
                headers={"Connection": "close"},
            )
        return self._too_large() if body is None else body

    async def _collect(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            body += message.get("body", b"")
            if len(body) > self._settings.max_body_bytes:
                return None
            if not message.get("more_body"):
                return bytes(body)

    def _too_large(self) -> Response:
        size = self._settings.max_body_bytes
        return problem(
            413,
            f"the body is larger than the {size:,} bytes of max_body_bytes; send less.",
            headers={"Connection": "close"},
        )


class _Seen:
    """A send that adds the safe headers where the response has none of its own, and remembers the status."""

    def __init__(self, send: Send, *, with_body: bool) -> None:
        self._send = send
        self._with_body = with_body
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"] = list(message.get("headers", ()))
            own = {name for name, _ in headers}
            headers += [each for each in _SAFE if each[0] not in own]
        elif not self._with_body:
            message = {**message, "body": b""}
        await self._send(message)


def _key_in(headers: Headers) -> str:
    given = headers.get("x-api-key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if not given and scheme.lower() == "bearer":
        given = token.strip()
    return given


def _plain(scope: Scope) -> Scope:
    """The request as the routes know it: without the version, a HEAD as a GET."""
    path: str = scope["path"]
    if path == VERSION or path.startswith(f"{VERSION}/"):
        path = path.removeprefix(VERSION) or "/"
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "path": path, "raw_path": path.encode(), "method": method}


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """A receive that gives the body once, and then what really comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


def _host(header: str) -> str:
    """The host name of a Host header, without port and brackets, in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()
