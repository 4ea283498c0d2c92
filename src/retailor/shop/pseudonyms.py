"""Pseudonyms: ids of people as a keyed hash, the same for the same key; without it nothing leads back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from retailor.errors import ConfigError
from retailor.shop.tables import SCHEMAS, Shop
from retailor.store import artifact
from retailor.text.private import mask

LEAST_KEY = 16
"""Characters of a key: a shorter one can be guessed, and every id with it."""
COLUMNS = {
    "events": ("user_id",), "reviews": ("user_id", "review_id"), "questions": ("question_id",),
    "preferences": ("user_id",),
}  # fmt: skip
"""What is hashed: who did it, and what is called after who did it."""
_PSEUDONYM = re.compile(r"p-[a-z2-7]{26}")
CHANCE = 0.2
_LIKELY = r"@|^\s*[+\d(][\d ()./\-]{6,22}[\dXx]\s*$|^[A-Za-z]{2}\d\d[ \dA-Za-z]{11,}$"
_WHOLE = re.compile(r"\[(email|phone|account|id)\]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True)
class Pseudonyms:
    """What makes an id a pseudonym: HMAC-SHA256 under the key of a shop, 128 bits of it."""

    key_env: str
    key: bytes = field(repr=False)

    @classmethod
    def of_env(cls, key_env: str) -> Pseudonyms:
        """With the key in an environment variable. Raises ConfigError when it is not there or too short."""
        key = os.environ.get(key_env, "").strip()
        if len(key) < LEAST_KEY:
            told = "is not set" if not key else f"has {len(key)} characters"
            raise ConfigError(
                f"the environment variable '{key_env}' should hold the key of the pseudonyms, {LEAST_KEY} "
                f"characters or more, and {told}; make one with `openssl rand -hex 32` and keep it.",
                key="pseudonym_key_env",
                value=key_env,
            )
        return cls(key_env, key.encode())

    def of(self, value: str) -> str:
        """The pseudonym of an id; one that is a pseudonym stays as it is."""
        if _PSEUDONYM.fullmatch(value):
            return value
        found = hmac.digest(self.key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return "p-" + base64.b32encode(found[:16]).decode().rstrip("=").lower()

    def fingerprint(self) -> str:
        """What tells one key from another, and is no help to find it."""
        return hmac.digest(self.key, b"retailor: which key", hashlib.sha256).hex()[:16]

    def shop(self, shop: Shop) -> Shop:
        """The shop with the ids of `COLUMNS` as pseudonyms, and nothing that a reject quotes."""
        tables = {
            name: shop.tables()[name].with_columns(
                self._column(shop.tables()[name][each]) for each in columns
            )
            for name, columns in COLUMNS.items()
        }
        return without_quotes(shop.with_tables(**tables))

    def _column(self, values: pl.Series) -> pl.Series:
        old = values.drop_nulls().unique()
        new = pl.Series([self.of(each) for each in old], dtype=pl.String)
        return values.replace_strict(old, new, return_dtype=pl.String) if len(old) else values

    def about(self) -> dict[str, Any]:
        """What a folder says of them: where the key is, and which it is; never the key."""
        return {"pseudonyms": {"key_env": self.key_env, "key": self.fingerprint()}}


def without_quotes(shop: Shop) -> Shop:
    """The shop whose reading says what was wrong without the values, of which one may be an id."""
    quiet = pl.col("reason").map_elements(lambda reason: _QUOTED.sub("…", reason), return_dtype=pl.String)
    none = pl.lit([], SCHEMAS["unread"]["examples"]).alias("examples")
    return shop.with_tables(
        rejects=shop.rejects.with_columns(quiet), unread=shop.unread.with_columns(quiet, none)
    )


def pseudonyms_of(folder: Path) -> Pseudonyms | None:
    """What asks a saved shop for a customer by the shop's own id; None where ids are as they came, or where
    the key is not in this environment: then the pseudonym is the id.

    Raises ConfigError when the variable holds another key: nobody would be known by it.
    """
    about = artifact.read_manifest(folder).settings.get("pseudonyms")
    if about is None or not os.environ.get(about["key_env"], "").strip():
        return None
    found = Pseudonyms.of_env(about["key_env"])
    if found.fingerprint() != about["key"]:
        raise ConfigError(
            f"the environment variable '{found.key_env}' holds another key than the one that this shop's "
            "pseudonyms were made with; set that one, or unset it and ask by pseudonyms.",
            key="pseudonym_key_env",
            value=found.key_env,
        )
    return found


def ids_of(folder: Path, user_id: str) -> tuple[str, ...]:
    """The ids that a saved shop, its files and its log may know a customer by: the given one, its pseudonym.

    Raises ConfigError where the shop has pseudonyms, this is none, and the key is not here.
    """
    found = pseudonyms_of(folder)
    if found is not None:
        return tuple(dict.fromkeys((user_id, found.of(user_id))))
    about = artifact.read_manifest(folder).settings.get("pseudonyms")
    if about is not None and not _PSEUDONYM.fullmatch(user_id):
        raise ConfigError(
            f"customers of this shop go by pseudonyms: set the environment variable '{about['key_env']}', or "
            "give the pseudonym.",
            key="pseudonym_key_env",
            value=about["key_env"],
        )
    return (user_id,)


def personal_ids(shop: Shop) -> dict[str, int]:
    """How many customers' ids are e-mail addresses, phone numbers and the like, by the mark that masks them.

    Numbers without a `+` are phones only where a fifth of the ids are: others may be numbered so by chance.
    """
    ids = pl.concat([shop.events["user_id"], shop.reviews["user_id"]]).drop_nulls().unique()
    counts: Counter[str] = Counter()
    for value in ids.filter(ids.str.contains(_LIKELY)):
        mark = _WHOLE.fullmatch(mask(value.strip()))
        if mark:
            counts[mark[1] if mark[1] != "phone" or value.startswith("+") else "plain phone"] += 1
    plain = counts.pop("plain phone", 0)
    if plain >= CHANCE * len(ids):
        counts["phone"] += plain
    return {kind: n for kind, n in sorted(counts.items()) if n}


def personal_note(counts: dict[str, int], key_env: str | None) -> str:
    """What to say of customers' ids that reach a person; '' where there is nothing to say."""
    if key_env is not None:
        return f"Customers' ids are pseudonyms, under the key in the environment variable '{key_env}'."
    if not counts:
        return ""
    words = {
        "email": "e-mail addresses",
        "phone": "phone numbers",
        "account": "account numbers",
        "id": "identity numbers",
    }
    told = " and ".join(f"{n:,} {words[kind]}" for kind, n in counts.items())
    return (
        f"PERSONAL DATA: {told} stand as customers' ids, in every table and in what is served. "
        "Set [shop] pseudonym_key_env = 'NAME_OF_A_VARIABLE' to have a keyed hash in their place."
    )
