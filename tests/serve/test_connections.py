"""Connections on the wire: what comes behind what, what is refused, and no request is taken for another."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from retailor.serve.door.connections import LONGEST_HEAD, MOST_IN_LINE, bounded_connections
from retailor.serve.settings import ServeSettings

HOST = b"Host: localhost\r\n"
GET = b"GET /%s HTTP/1.1\r\n" + HOST + b"\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
seen: list[dict[str, Any]] = []
"""The scopes of requests, as they were when the body was there."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Tells the path and the body of each request; `/refuse` does not read it, `/slow` takes its time."""
    if scope["type"] != "http":
        return
    body = b""
    while scope["path"] != "/refuse":
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            seen.append({**scope, "left": True})
            return
        if not message.get("more_body"):
            break
    if scope["path"] == "/wait":
        seen.append({**scope, "left": (await receive())["type"] == "http.disconnect"})
        return
    if scope["path"].startswith("/slow"):
        await asyncio.sleep(0.2)
    seen.append(scope)
    told = b"[%b %b]" % (scope["path"].encode(), body[:100])
    status = 403 if scope["path"] == "/refuse" else 200
    head = [(b"content-length", b"%d" % len(told))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": told})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    settings = ServeSettings(header_timeout_s=2, body_timeout_s=2)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none",
        http=bounded_connections(settings),  # type: ignore[arg-type]
    )  # fmt: skip
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def talk(port: int, *parts: bytes, wait_s: float = 0.5, pause_s: float = 0.05) -> tuple[list[str], str, bool]:
    """Statuses, bodies, and whether the server closed; parts are sent apart."""
    received, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for i, part in enumerate(parts):
            time.sleep(pause_s if i else 0)
            with suppress(OSError):
                connection.sendall(part)
        connection.settimeout(wait_s)
        with suppress(TimeoutError, ConnectionResetError):
            while part := connection.recv(65_536):
                received += part
            closed = True
    bodies = "".join(re.findall(r"\[[^\]]*\]", received.decode()))
    return re.findall(r"HTTP/1.1 (\d+)", received.decode()), bodies, closed


def post(path: bytes, body: bytes = b"abc", more: bytes = b"", *, chunked: bool = False) -> bytes:
    head = b"POST /%b HTTP/1.1\r\n" % path + HOST + more
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("offer", [OFFER, b"Connection: Upgrade\r\nUpgrade: websocket\r\n"])
def test_an_offer_of_another_protocol_is_passed_over(port: int, offer: bytes, chunked: bool) -> None:
    """Also with a body, in whatever parts it comes: none of it is taken for a request of its own."""
    one, two = post(b"one", b"GET /no HTTP/1.1", offer, chunked=chunked), GET % b"two"
    both = (["200", "200"], "[/one GET /no HTTP/1.1][/two ]", False)
    assert talk(port, one + two) == both
    assert talk(port, one, two) == both
    head = one.index(b"\r\n\r\n") + 4
    for cut in (5, head - 20, head - 1, head, head + 3, len(one) - 1):
        assert talk(port, one[:cut], one[cut:] + two) == both, cut
    assert talk(port, (GET % b"a")[:-2] + offer + b"\r\n" + two)[:2] == (["200", "200"], "[/a ][/two ]")


def test_of_an_offer_nothing_is_left_and_all_else_is(port: int) -> None:
    seen.clear()
    more = b"X-Mine: 1\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\nCookie: a=b\r\n"
    assert talk(port, post(b"one", b"abc", more))[2], "it asked for the end of the connection"
    (scope,) = seen
    told = [(b"host", b"localhost"), (b"x-mine", b"1"), (b"connection", b"close"), (b"cookie", b"a=b")]
    assert scope["headers"] == [*told, (b"content-length", b"3")]


def test_a_trailer_is_no_header(port: int) -> None:
    seen.clear()
    trailer = post(b"one", chunked=True)[:-2] + b"X-API-Key: secret\r\nHost: elsewhere\r\n\r\n"
    assert talk(port, trailer + GET % b"two")[:2] == (["200", "200"], "[/one abc][/two ]")
    assert b"secret" not in str(seen).encode() and b"elsewhere" not in str(seen).encode()


def test_trailers_end(port: int) -> None:
    """Many, a long one that never ends, and a chunk whose size does not: each is refused."""
    start = post(b"one", chunked=True)[:-2]
    many = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(LONGEST_HEAD // 900))
    assert talk(port, start + many + b"\r\n" + GET % b"two") == (["400"], "", True)
    parts = [b"b" * 20_000] * (LONGEST_HEAD // 20_000 + 2)
    assert talk(port, start + b"X: ", *parts)[0] == ["400"]
    assert talk(port, start[:-3] + b"3;a=", *parts)[0] == ["400"]
    few = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(10))
    assert talk(port, start + few + b"\r\n")[0] == ["200"]


def test_a_long_body_in_chunks_is_no_long_trailer(port: int) -> None:
    chunks = b"".join(b"1000\r\n" + b"x" * 0x1000 + b"\r\n" for _ in range(40))
    head = b"POST /one HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert talk(port, head + chunks[:50_000], chunks[50_000:], b"0\r\n\r\n")[0] == ["200"]
    one = b"40000\r\n" + b"x" * 0x40000 + b"\r\n0\r\n\r\n"
    assert talk(port, head, one[:100_000], one[100_000:])[0] == ["200"]


@pytest.mark.parametrize(
    "bad",
    [
        b"\x00\x01\r\n\r\n", b"GET /no HTTP/1.1\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /no HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /no HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
def test_what_came_before_a_bad_request_is_answered_first(port: int, bad: bytes) -> None:
    """A refusal that overtakes an answer is taken for it."""
    good = (GET % b"slow1") + (GET % b"slow2")
    assert talk(port, good + bad + GET % b"behind", wait_s=2) == (
        ["200", "200", "400"], "[/slow1 ][/slow2 ]", True,
    )  # fmt: skip
    assert talk(port, bad, wait_s=2)[::2] == (["400"], True)


def test_a_body_that_breaks_off_is_refused_and_nobody_waits_for_it(port: int) -> None:
    seen.clear()
    start = b"POST /one HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    assert talk(port, start, b"zz\r\n") == (["400"], "", True)
    assert [each.get("left") for each in seen] == [True]


def test_many_in_line_are_answered_and_then_the_connection_ends(port: int) -> None:
    sent = (GET % b"slow") + (GET % b"a") * (MOST_IN_LINE + 10)
    statuses, _, closed = talk(port, sent, wait_s=3)
    assert statuses == ["200"] * (MOST_IN_LINE + 1) and closed


def test_a_body_that_was_held_back_is_not_waited_for(port: int) -> None:
    """Refused before it was asked for, it may come or not: the next bytes are nobody's request."""
    held = post(b"refuse", b"x" * 40, b"Expect: 100-continue\r\n")[:-40]
    assert talk(port, held, GET % b"no") == (["403"], "[/refuse ]", True)
    asked = post(b"one", b"abc", b"Expect: 100-continue\r\n")
    assert talk(port, asked[:-3], b"abc", GET % b"two")[:2] == (["100", "200", "200"], "[/one abc][/two ]")
    assert talk(port, asked, GET % b"two")[:2] == (["200", "200"], "[/one abc][/two ]")
    old = asked.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert talk(port, old[:-3], b"abc") == (["200"], "[/one abc]", True)


@pytest.mark.parametrize(
    "more",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 3\r\nContent-Length: 3\r\n",
        b"Content-Length: 3, 3\r\n", b"Content-Length: +3\r\n", b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding:\r\n chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
    ],
)  # fmt: skip
def test_a_body_whose_length_is_in_doubt_is_refused(port: int, more: bytes) -> None:
    body = b"3\r\nabc\r\n0\r\n\r\n"
    statuses, bodies, closed = talk(
        port, b"POST /no HTTP/1.1\r\n" + HOST + more + b"\r\n" + body + GET % b"no"
    )
    assert (statuses, bodies, closed) == (["400"], "", True)


@pytest.mark.parametrize(
    "line", [b"GET /no HTTP/2.0", b"GET /no HTTP/0.9", b"PRI * HTTP/2.0", b"GET http://a HTTP/1.1"]
)
def test_what_is_no_request_of_ours_is_refused(port: int, line: bytes) -> None:
    assert talk(port, line + b"\r\n" + HOST + b"\r\n")[::2] == (["400"], True)


def test_the_end_that_a_client_asks_for(port: int) -> None:
    close = b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert talk(port, close + GET % b"no") == (["200"], "[/a ]", True)
    assert talk(port, b"GET /a HTTP/1.0\r\n\r\n", GET % b"no") == (["200"], "[/a ]", True)
    assert talk(port, GET % b"a", GET % b"b")[::2] == (["200", "200"], False)


def test_a_head_has_no_body(port: int) -> None:
    assert talk(port, (GET % b"a").replace(b"GET", b"HEAD") + GET % b"b")[:2] == (["200", "200"], "[/b ]")


def test_who_leaves_is_told_to_what_answers(port: int) -> None:
    """Also where another request came behind the one that is being answered."""
    seen.clear()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(GET % b"wait" + GET % b"b")
        time.sleep(0.1)
    for _ in range(100):
        if seen:
            break
        time.sleep(0.02)
    assert [(each["path"], each["left"]) for each in seen] == [("/wait", True)]
