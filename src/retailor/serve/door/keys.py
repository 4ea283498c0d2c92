"""Who may do what: three roles, each with a key, and each may do what those before it may.

`ask`: questions, items, what is served. `write`: events, items and stock as well. `administer`: everything,
such as forgetting a customer, the merchant's figures, and which run answers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal, Self

from retailor.serve.settings import ServeSettings

Role = Literal["ask", "write", "administer"]
ROLES: tuple[Role, ...] = ("ask", "write", "administer")
WRITES = "/events"
"""The path that is written to by POST; whoever sends PUT and DELETE writes as well."""
OF_ADMINISTRATORS = ("/merchant/", "/customers/")
"""What lies below is for who may administer, also to be read; `/customers` itself is asked."""
_DIGEST = re.compile("sha256:([0-9a-fA-F]{64})")


def role_for(method: str, path: str) -> Role:
    """The role that a request needs; `path` is without the version."""
    if path.startswith(OF_ADMINISTRATORS):
        return "administer"
    return "write" if method in ("PUT", "DELETE") or path == WRITES else "ask"


@dataclass(frozen=True)
class Keys:
    """The sha256 of each role's key; None: no key is asked for."""

    ask: bytes | None = None
    write: bytes | None = None
    administer: bytes | None = None

    @classmethod
    def of(cls, settings: ServeSettings) -> Self:
        """The keys in the environment. ConfigError where one is not set, or anyone could write."""
        return cls(*map(_digest, (settings.api_key(), settings.write_key(), settings.admin_key())))

    def allow(self, role: Role, given: str) -> bool:
        """Whether a key lets in who wants to act in a role. The time it takes does not tell how nearly."""
        if getattr(self, role) is None:
            return True
        mine = hashlib.sha256(given.encode("latin-1", "replace")).digest()
        good = [getattr(self, each) for each in ROLES[ROLES.index(role) :]]
        return sum(hmac.compare_digest(mine, each) for each in good if each is not None) > 0

    def named(self, role: Role) -> str:
        """What the key that a role needs is called."""
        lowest = next(each for each in ROLES if getattr(self, each) == getattr(self, role))
        return "the API key" if lowest == "ask" else f"the key of who may {lowest}"


def _digest(key: str | None) -> bytes | None:
    """The sha256 of a key that is given in clear, or as `sha256:` and its 64 hexadecimal digits."""
    if key is None:
        return None
    hashed = _DIGEST.fullmatch(key)
    return bytes.fromhex(hashed[1]) if hashed else hashlib.sha256(key.encode()).digest()
