"""Addresses of pictures: what is asked for, what never is, and what comes of a host that misbehaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop import fetching
from retailor.shop.fetching import Dead, Fetcher, is_public
from retailor.shop.images import images_of

ASKED: list[str] = []


class Host(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ASKED.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(30):
                self.wfile.write(b"x")
                time.sleep(0.05)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b"x" * 1000)
        elif self.path == "/good.png":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a picture")
        else:
            self.send_error(404)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None: ...

    server = Quiet(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def local(folder: Path, **dials: Any) -> Fetcher:
    """A fetcher that may ask this machine, where the test's host is."""
    return Fetcher(folder, allowed=lambda _: True, resolve=lambda host, port: ["127.0.0.1"], **dials)


def test_what_is_fetched_is_kept_and_asked_for_once(port: int, tmp_path: Path) -> None:
    url = f"http://shop.example:{port}/good.png"
    ASKED.clear()
    assert local(tmp_path).bytes_of(url) == b"a picture"
    again = local(tmp_path, max_fetched=0)
    assert again.bytes_of(url) == b"a picture" and ASKED == ["/good.png"]
    assert local(tmp_path).bytes_of(f"http://shop.example:{port}/to//to//good.png") == b"a picture"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/gone", "HTTP 404"), ("/to//to//to//to//to//gone", "led on more than 3 times"),
        ("/to/file:///etc/passwd", "no address of the web"), ("/slow", "no answer within 0.3 s"),
        ("/endless", "more than 30,000 bytes"), ("/to/", "led on more than 3 times"),
    ],
)  # fmt: skip
def test_a_dead_link_says_why(
    port: int, tmp_path: Path, path: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_BYTES", 30_000)
    with pytest.raises(Dead, match=why):
        local(tmp_path, timeout_s=0.3).bytes_of(f"http://shop.example:{port}{path}")
    assert not list(tmp_path.glob("*"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_this_machine_is_never_asked(port: int, tmp_path: Path, host: str) -> None:
    ASKED.clear()
    with pytest.raises(Dead, match="not on the open network"):
        Fetcher(tmp_path).bytes_of(f"http://{host}:{port}/good.png")
    assert not ASKED


def test_a_name_that_points_inside_or_leads_inside_is_not_followed(port: int, tmp_path: Path) -> None:
    mixed = Fetcher(tmp_path, resolve=lambda host, port: ["93.184.216.34", "10.0.0.7"])
    with pytest.raises(Dead, match="not on the open network"):
        mixed.bytes_of("http://two-faced.example/x.png")
    to_inside = Fetcher(
        tmp_path,
        allowed=lambda address: str(address) == "127.0.0.1",
        resolve=lambda host, port: ["169.254.169.254"] if host == "meta.example" else ["127.0.0.1"],
    )
    with pytest.raises(Dead, match="not on the open network"):
        to_inside.bytes_of(f"http://shop.example:{port}/to/http://meta.example/latest")


@pytest.mark.parametrize(
    "inside",
    ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.8.8.8", "0.0.0.0",
     "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fc00::1", "ff02::1", "::", "::ffff:10.0.0.1",
     "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::", "fec0::1",
     "2001:0:a00:1::", "2001:db8::1", "3fff::1", "5f00::1"],
)  # fmt: skip
def test_private_addresses_are_not_public(inside: str) -> None:
    assert not is_public(ip_address(inside))


@pytest.mark.parametrize(
    "outside", ["93.184.216.34", "::ffff:93.184.216.34", "2606:2800:220:1::1", "2a00::1"]
)
def test_addresses_of_the_open_network_are_public(outside: str) -> None:
    assert is_public(ip_address(outside))


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_this_machine_by_another_spelling_is_never_asked(port: int, tmp_path: Path, host: str) -> None:
    ASKED.clear()
    with pytest.raises(Dead, match=r"not on the open network|no such host"):
        Fetcher(tmp_path).bytes_of(f"http://{host}:{port}/good.png")
    assert not ASKED


@pytest.mark.parametrize("name", ["u@", ":p@", "u:p@", "@"])
def test_an_address_with_a_name_in_it_is_not_asked_for(port: int, tmp_path: Path, name: str) -> None:
    with pytest.raises(Dead, match="no address of the web"):
        local(tmp_path).bytes_of(f"http://{name}shop.example:{port}/good.png")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/图片/红 杯.png", "/%E5%9B%BE%E7%89%87/%E7%BA%A2%20%E6%9D%AF.png"),
        ("/a%20b.png?x=1&y=é", "/a%20b.png?x=1&y=%C3%A9"),
        ("/x\r\nHost:y", "/xHost:y"), ("/\0.png", "/%00.png"),
    ],
)  # fmt: skip
def test_letters_that_no_request_may_have_are_sent_as_a_browser_sends_them(
    port: int, tmp_path: Path, path: str, sent: str
) -> None:
    ASKED.clear()
    with pytest.raises(Dead, match="HTTP 404"):
        local(tmp_path).bytes_of(f"http://shop.example:{port}{path}")
    assert [sent] == ASKED


def test_no_time_is_left_once_a_host_is_connected(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Fetcher._connected

    def slowly(*given: Any) -> Any:
        made = whole(*given)
        time.sleep(0.1)
        return made

    monkeypatch.setattr(Fetcher, "_connected", slowly)
    with pytest.raises(Dead, match=r"no answer within 0\.1 s"):
        local(tmp_path, timeout_s=0.1).bytes_of(f"http://shop.example:{port}/good.png")


@given(st.text(max_size=60))
def test_any_text_is_fetched_or_dead(text: str) -> None:
    fetcher = Fetcher(Path("/nonexistent"), resolve=lambda host, port: ["10.0.0.1"])
    for url in (text, "http://" + text, "https://a.example/" + text):
        with pytest.raises(Dead):
            fetcher.bytes_of(url)


def test_dead_links_are_counted_by_reason(port: int, tmp_path: Path) -> None:
    urls = [f"http://shop.example:{port}/{name}" for name in ("good.png", "gone", "gone2", "good.png?2")]
    items = pl.DataFrame({"item_id": list("abcd"), "image": urls})
    seen = list(images_of(items, tmp_path, local(tmp_path / "kept", max_fetched=3)))
    assert [each.data for each in seen] == [b"a picture", b"", b"", b""]
    assert [each.why for each in seen[1:]] == [
        "dead link: HTTP 404", "dead link: HTTP 404", "dead link: not asked for: 3 addresses were",
    ]  # fmt: skip
