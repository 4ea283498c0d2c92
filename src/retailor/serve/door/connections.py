"""Connections that end: no wait for a request is endless, and a full house turns out who only waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from retailor.serve.settings import ServeSettings

HANDLES_KEPT = 160
"""File handles that are not for connections: files, caches, threads, and those that are being accepted."""
LEAST_CONNECTIONS = 16
LONGEST_HEAD = 64 * 1024
"""Bytes of a request before its body."""
MOST_IN_LINE = 32
"""Requests that a connection may send before the first of them is answered."""
_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def most_connections(settings: ServeSettings) -> int:
    """How many connections may be open at once: the setting, or what the process's file handles allow."""
    try:
        import resource
    except ImportError:  # not on every system, and neither is its limit
        return settings.max_connections
    handles = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if handles == resource.RLIM_INFINITY:
        return settings.max_connections
    return max(LEAST_CONNECTIONS, min(settings.max_connections, handles - HANDLES_KEPT))


def bounded_connections(settings: ServeSettings) -> Callable[..., BoundedConnection]:
    """What uvicorn makes its connections with: `BoundedConnection`s that share one house."""
    house = House(most_connections(settings))
    return partial(BoundedConnection, settings, house)


@dataclass
class House:
    """How many connections may be open at once, and those that wait for a request, the longest first."""

    n_most: int
    waiting: dict[HttpToolsProtocol, None] = field(default_factory=dict)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, with an end to every wait.

    A connection that does not send the whole head of a request within `header_timeout_s` is closed, be it the
    first or a later one, silent or slow; so is one that does not take its response within `body_timeout_s`.
    Where as many as `most_connections` are open, a new one takes the place of the one that has waited
    longest without a request; if all have one it is closed itself.
    """

    def __init__(self, settings: ServeSettings, house: House, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._settings, self._house = settings, house
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._has_sent = False
        self._in_head, self._n_head, self._has_ended = False, 0, False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self._house.n_most:
            oldest = next(iter(self._house.waiting), self)
            self._house.waiting.pop(oldest, None)
            oldest.transport.abort()
        if not self.transport.is_closing():
            self._await_request()

    def data_received(self, data: bytes) -> None:
        self._has_sent, self._has_ended = True, False
        super().data_received(data)
        # Where a request has ended, a long body of it came with the head of the next.
        if self._in_head and not self._has_ended:
            self._n_head += len(data)
            if self._n_head > LONGEST_HEAD:
                self._refuse()
        self._look()

    def on_message_begin(self) -> None:
        self._in_head, self._n_head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuses what the parser lets pass: a head that is too long, no host or several, a long line."""
        self._in_head = False
        if self.transport.is_closing():
            return
        n_head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        n_hosts = sum(name == b"host" for name, _ in self.headers)
        is_old = self.parser.get_http_version() == "1.0"
        if n_head > LONGEST_HEAD or n_hosts > 1 or (not n_hosts and not is_old):
            self._refuse()
        elif len(self.pipeline) >= MOST_IN_LINE:
            self.transport.abort()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            super().on_message_complete()
        self._has_ended = True

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")

    def on_response_complete(self) -> None:
        self._has_sent = False
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._later(self._settings.body_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _look(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._timer is None and not self.transport.is_closing():
            self._await_request()

    def _await_request(self) -> None:
        self._house.waiting[self] = None
        self._timer = self._later(self._settings.header_timeout_s, self._too_late)

    def _stop_waiting(self) -> None:
        self._house.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        if not self.transport.is_closing():
            if self._has_sent:
                self.transport.write(_LATE)
            self.transport.close()

    def _later(self, seconds: float, what: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, what)
