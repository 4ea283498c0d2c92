"""Replies that are remembered whole: what was asked before is sent without being made again.

An answer out of the cache is still a query to parse, a reply to fill and JSON to write, in a thread of its
own: many times what it takes to send it. So the bytes of a reply are kept, under all that made them (see
`Service.remembered`), and what the address or body of a request asks is known without parsing it again.
"""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retailor.errors import RetailorError
from retailor.serve.service import Service
from retailor.tasks.reasons import Language, language_of

LONGEST = 1024
"""Bytes of an address or a body that is remembered."""
LANGUAGES = 64
"""Different `Accept-Language` headers whose meaning is remembered."""


@dataclass
class Slip:
    """Goes with a request to the route of its task, which writes on it what was asked and answered."""

    query: Any = None
    key: str | None = None
    """What the reply may be remembered by; None: it may not."""


SLIP: ContextVar[Slip | None] = ContextVar("slip", default=None)


@dataclass(frozen=True)
class _Named:
    """What log and metrics call the route that would have answered."""

    path: str


class Remembered:
    """An ASGI app around another one, which makes what is not remembered.

    Anything out of the ordinary (a task that notes what it shows, an item that is unknown, a body that is
    large) goes to the other app, which knows what to say of it.
    """

    def __init__(self, app: ASGIApp, service: Service, kinds: Collection[str]) -> None:
        self._app, self._service = app, service
        self._kinds = {f"/{kind}": kind for kind in kinds}
        self._named = {path: _Named(path) for path in self._kinds}
        self._languages: dict[str, Language] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._kinds.get(scope["path"]) if scope["type"] == "http" else None
        if kind is None or scope["method"] not in ("GET", "POST"):
            await self._app(scope, receive, send)
            return
        raw: bytes = scope["query_string"]
        if scope["method"] == "POST":
            message = await receive()
            raw, receive = message.get("body", b""), _again(message, receive)
        asked = (scope["path"], scope["method"], raw)
        language = self._language(scope)
        body = self._found(kind, asked, language)
        if body is not None:
            scope["route"] = self._named[scope["path"]]
            headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        slip, sent = Slip(), _Sent(send)
        token = SLIP.set(slip)
        try:
            await self._app(scope, receive, sent)
        finally:
            SLIP.reset(token)
        if len(raw) <= LONGEST and slip.query is not None:
            self._service.known_queries.put(asked, slip.query)
            if slip.key is not None and sent.body is not None:
                self._service.keep_reply(slip.key, language, sent.body)

    def _found(self, kind: str, asked: tuple[str, str, bytes], language: Language) -> bytes | None:
        query = self._service.known_queries.get(asked)
        if query is None:
            return None
        try:
            return self._service.remembered(kind, query, language)
        except RetailorError:
            return None  # the route says it

    def _language(self, scope: Scope) -> Language:
        accepted = Headers(scope=scope).get("accept-language", "")
        found = self._languages.get(accepted)
        if found is None:
            found = language_of(accepted)
            if len(accepted) < 100 and len(self._languages) < LANGUAGES:
                self._languages[accepted] = found
        return found


class _Sent:
    """A send that keeps the body of a reply, where it is JSON in one piece that was found."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_plain = False
        self.body: bytes | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            names = dict(message["headers"])
            self._is_plain = (
                message["status"] == 200
                and names.keys() == {b"content-length", b"content-type"}
                and names[b"content-type"] == b"application/json"
            )
        elif self._is_plain and not message.get("more_body"):
            self.body = message.get("body", b"")
        await self._send(message)


def _again(message: Message, receive: Receive) -> Receive:
    """A receive that gives a message once more, and then what really comes."""
    left = [message]

    async def received() -> Message:
        return left.pop() if left else await receive()

    return received
