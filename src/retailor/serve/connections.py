"""Connections that end: no wait for a request is endless, and a full house turns out who only waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from retailor.serve.settings import ServeSettings

HANDLES_KEPT = 160
"""File handles that are not for connections: files, caches, threads, and those that are being accepted."""
LEAST_CONNECTIONS = 16
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
    waiting: dict[H11Protocol, None] = field(default_factory=dict)


class BoundedConnection(H11Protocol):
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

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self._house.n_most:
            oldest = next(iter(self._house.waiting), self)
            self._house.waiting.pop(oldest, None)
            oldest.transport.abort()
        if not self.transport.is_closing():
            self._await_request()

    def data_received(self, data: bytes) -> None:
        self._has_sent = True
        super().data_received(data)
        self._look()

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
