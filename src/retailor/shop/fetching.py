"""Pictures fetched from the network: from public addresses alone, bounded in size, time and number, and kept.

A shop's table is data of somebody: an address in it must not make this machine ask its own network.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from retailor.models.pictures.decoding import MAX_BYTES

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]
MAX_REDIRECTS = 3
MAX_URL = 2000
CHUNK = 65_536
_PLAIN = "!#$%&'()*+,/:;=?@[]~"
"""What stays as it is in an address beside letters and digits; the rest is sent as its bytes in UTF-8."""
_OPEN = ip_network("2000::/3")
_LEADS_ON = tuple(map(ip_network, ("2001::/23", "2002::/16", "3fff::/20")))
"""Of IPv6, all that is given out lies in the first; the others hold an IPv4 address, or are for examples."""
ACCEPTED = {
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "User-Agent": "retailor",
    "Connection": "close",
}


class Dead(Exception):
    """A picture that could not be fetched; its text is the reason, without the address."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the open network: no loopback, private, link-local or reserved one.

    Of IPv6 addresses that hold one of IPv4 (mapped, 6to4, Teredo, NAT64) only a mapped one is looked into.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _OPEN or any(address in each for each in _LEADS_ON):
            return False
    return address.is_global and not address.is_multicast


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass
class Fetcher:
    """Fetches addresses into `folder`, each once: what is there is not asked for again.

    After `max_fetched` addresses, or `max_s` seconds, nothing more is asked for. `allowed` says which
    addresses may be connected to; a host is connected to at the very address that was looked at.
    """

    folder: Path
    max_fetched: int = 10_000
    max_s: float = 3600.0
    timeout_s: float = 10.0
    allowed: Callable[[Address], bool] = is_public
    resolve: Resolve = resolved
    n_fetched: int = 0
    started: float = field(default_factory=time.monotonic)

    def bytes_of(self, url: str) -> bytes:
        """The bytes at an address. Raises Dead with the reason."""
        path = self.folder / hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
        if path.is_file():
            return path.read_bytes()
        if self.n_fetched >= self.max_fetched:
            raise Dead(f"not asked for: {self.max_fetched:,} addresses were")
        if time.monotonic() - self.started > self.max_s:
            raise Dead(f"not asked for: {self.max_s:g} s were over")
        self.n_fetched += 1
        data = self._followed(url)
        self.folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_bytes(data)
        new.replace(path)
        return data

    def _followed(self, url: str) -> bytes:
        deadline = time.monotonic() + self.timeout_s
        for _ in range(MAX_REDIRECTS + 1):
            try:
                found = self._asked(url, deadline)
            except Dead:
                raise
            except TimeoutError:
                raise Dead(f"no answer within {self.timeout_s:g} s") from None
            except (OSError, http.client.HTTPException, ValueError):
                raise Dead("the host does not answer as it should") from None
            if isinstance(found, bytes):
                return found
            url = found
        raise Dead(f"it was led on more than {MAX_REDIRECTS} times")

    def _asked(self, url: str, deadline: float) -> bytes | str:
        """The bytes, or the address that it is led on to."""
        parts = urlsplit(url)
        if (
            len(url) > MAX_URL
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or "@" in parts.netloc
        ):
            raise Dead("no address of the web")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), _PLAIN)
        connection = http.client.HTTPConnection(parts.hostname, port)
        sock = connection.sock = self._connected(parts.hostname, port, parts.scheme == "https", deadline)
        # A host that sends a byte now and then would never meet the timeout of a single read.
        stop = threading.Timer(max(deadline - time.monotonic(), 0), _shut, (sock,))
        stop.start()
        try:
            connection.request("GET", target, headers=ACCEPTED)
            reply = connection.getresponse()
            _left(deadline)
            if reply.status in (301, 302, 303, 307, 308):
                return urljoin(url, reply.headers.get("Location", ""))
            if reply.status != 200:
                raise Dead(f"HTTP {reply.status}")
            return _body(reply, deadline)
        except (OSError, http.client.HTTPException):
            _left(deadline)  # shut for being late
            raise
        finally:
            stop.cancel()
            connection.close()
            sock.close()

    def _connected(self, host: str, port: int, secure: bool, deadline: float) -> socket.socket:
        """A socket to an address of the host that is allowed. Of a host with others too none is taken."""
        try:
            addresses = [ip_address(each.partition("%")[0]) for each in self.resolve(host, port)]
        except (OSError, ValueError, UnicodeError):
            raise Dead("no such host") from None
        if not addresses or not all(map(self.allowed, addresses)):
            raise Dead("a host that is not on the open network")
        plain = socket.create_connection((str(addresses[0]), port), timeout=_left(deadline))
        if not secure:
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


def _body(reply: http.client.HTTPResponse, deadline: float) -> bytes:
    data = bytearray()
    while part := reply.read1(CHUNK):
        data += part
        if len(data) > MAX_BYTES:
            raise Dead(f"more than {MAX_BYTES:,} bytes")
    _left(deadline)
    return bytes(data)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    """The seconds that are left. Raises TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
