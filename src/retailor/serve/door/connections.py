"""Connections that end: no wait for a request is endless, and a full house turns out who only waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from retailor.serve.settings import ServeSettings

HANDLES_KEPT = 160
"""File handles that are not for connections: files, caches, threads, and those that are being accepted."""
LEAST_CONNECTIONS = 16
LONGEST_HEAD = 64 * 1024
"""Bytes of a request before its body; as many behind a chunked one, which are no headers."""
MOST_IN_LINE = 32
"""Requests that a connection may send before the first of them is answered."""
OFFER = (b"upgrade", b"http2-settings")
"""What makes an offer of another protocol: headers, and the options of `Connection` that name them."""
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

    Nothing is read behind a request that is refused; those before it are answered first, in their order. An
    offer to change to another protocol is passed over.
    """

    def __init__(self, settings: ServeSettings, house: House, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._settings, self._house = settings, house
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._has_sent = self._has_ended = False
        self._in_head, self._in_body, self._has_moved, self._offers = False, False, False, False
        self._n_head = self._n_trailer = 0
        self._may_stay = False
        """Whether the connection goes on where the body, which the client holds back, does come."""
        self._answered: RequestResponseCycle | None = None
        """What is being answered; `cycle` is what came last."""
        self._is_last, self._is_refused = False, False
        """Nothing more is read; and what came last is refused when all before it is answered."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self._house.n_most:
            oldest = next(iter(self._house.waiting), self)
            self._house.waiting.pop(oldest, None)
            oldest.transport.abort()
        if not self.transport.is_closing():
            self._await_request()

    def data_received(self, data: bytes) -> None:
        if self._is_last:
            return
        self._has_sent, self._has_ended, self._has_moved = True, False, False
        self._unset_keepalive_if_required()
        left = data
        while left and not self._is_last:
            left = self._fed(left)
        # Where a request has ended, a long body of it came with the head of the next.
        if self._in_head and not self._has_ended:
            self._n_head += len(data)
        if self._in_body and not self._has_moved:
            self._n_trailer += len(data)
        if max(self._n_head, self._n_trailer) > LONGEST_HEAD:
            self._refuse()
        self._look()

    def _fed(self, data: bytes) -> bytes:
        """What the parser left of the data: it stops behind a head with an offer, though a body follows."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse()
        except httptools.HttpParserUpgrade as stopped:
            if self._is_last:
                return b""
            head, self._offers = self._without_offer(), False
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            return head + data[stopped.args[0] :]
        return b""

    def _without_offer(self) -> bytes:
        """The head that was read, as a client would send it that knows no other protocol."""
        head = [b"%b %b HTTP/1.1\r\n" % (self.scope["method"].encode(), self.url)]
        for name, value in self.headers:
            if name == b"connection":
                options = [each.strip() for each in value.split(b",")]
                value = b", ".join(each for each in options if each.lower() not in OFFER)
            if name not in OFFER and (value or name != b"connection"):
                head.append(b"%b: %b\r\n" % (name, value))
        return b"".join([*head, b"\r\n"])

    def on_message_begin(self) -> None:
        self._in_head, self._in_body, self._n_head, self._n_trailer = True, False, 0, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
        else:  # behind the body: whatever its name, nobody that let the request in has seen it
            self._n_trailer += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        """Refuses what the parser lets pass: a head that is too long, no host or several, a long line, an
        encoding or a version of HTTP that nobody here knows."""
        self._in_head = False
        if self._is_last:
            return
        version, method = self.parser.get_http_version(), self.parser.get_method()
        n_head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        n_hosts = sum(name == b"host" for name, _ in self.headers)
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if (
            n_head > LONGEST_HEAD
            or n_hosts > 1
            or (not n_hosts and version == "1.1")
            or version not in ("1.0", "1.1")
            or codings not in ([], [b"chunked"])
            or method == b"CONNECT"
        ):
            self._refuse()
        elif self.parser.should_upgrade():
            self.scope["method"], self._offers = method.decode("ascii"), True
        elif len(self.pipeline) >= MOST_IN_LINE:
            self._end_with(self.cycle)
        else:
            super().on_headers_complete()
            self._in_body = True
            self._wait_for_body(is_old=version == "1.0")

    def _wait_for_body(self, *, is_old: bool) -> None:
        """Where a client waits to be told to send its body and is told no, it may send the body or not: what
        comes next could be either, so nothing may come."""
        if is_old:
            self.cycle.waiting_for_100_continue = False
        self._may_stay = self.cycle.waiting_for_100_continue and self.cycle.keep_alive
        if self.cycle.waiting_for_100_continue:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        self._has_moved, self._n_trailer = True, 0

    def on_body(self, body: bytes) -> None:
        self._has_moved = True
        if not self._is_last:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._offers:
            return
        if self._n_trailer > LONGEST_HEAD:
            self._refuse()
        self._has_ended, self._in_body = True, False
        if not self._is_last:
            if self._may_stay and not self.cycle.response_started:
                self.cycle.keep_alive = True
            self.cycle.waiting_for_100_continue = False
            super().on_message_complete()

    def _refuse(self) -> None:
        """Answers with a 400 whatever came last, in its turn, and reads nothing more."""
        if self._is_last:
            return
        is_asked = self._in_body and self.cycle is not None
        if is_asked and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # its turn has not come, and does not
            before = self.pipeline[0][0] if self.pipeline else self._answered
            assert before is not None, "what waits for its turn stands behind something"
            self.cycle, is_asked = before, False
        self._is_last = True
        if is_asked:
            # What answers it is told that nobody is there.
            has_begun, self.cycle.disconnected = self.cycle.response_started, True
            self.cycle.message_event.set()
            self.transport.close() if has_begun else self._say_400()
        elif self.cycle is None or self.cycle.response_complete:
            self._say_400()
        else:
            self._is_refused = True
            self.flow.resume_reading()

    def _end_with(self, cycle: RequestResponseCycle) -> None:
        """Nothing is read behind a request; its reply says that it is the last."""
        self._is_last, cycle.keep_alive = True, False

    def _say_400(self) -> None:
        if not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")

    def shutdown(self) -> None:
        self._may_stay = False
        super().shutdown()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._has_sent = False
        super().on_response_complete()
        if self._is_refused and self.cycle.response_complete:
            self._say_400()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
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
