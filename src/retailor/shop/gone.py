"""People who are to be forgotten: who they are, what is theirs, and a note of it that does not name them.

The note (`forgotten.json`, in a run's folder) has a keyed hash of each id and the time. It keeps the shop's
files, read again, from bringing back what was before that time; who comes again after it is somebody new.
Whoever has the file and guesses an id can see that it is there.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import polars as pl

from retailor.errors import DataError
from retailor.scripts import HAN
from retailor.shop.tables import Shop
from retailor.store.stages import write_json

NOTE = "forgotten.json"
LEAST_CHARS = 15
"""A shorter piece of a text is too common to be somebody's."""
WINDOW_CHARS = 30
_PIECE = re.compile(r"(?<=[.!?。！？；])\s*|[\n\r|…]+|\.\.\.")
_START = re.compile(rf"(?<!\w)\w|[{HAN}]")
_WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Gone:
    """The ids that data know them by, those of their reviews, and what they wrote."""

    user_ids: frozenset[str]
    review_ids: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    """Those that nobody else wrote."""

    @classmethod
    def of(cls, user_ids: Iterable[str], shops: Iterable[Shop]) -> Self:
        """With all reviews of theirs in some shops."""
        ids, shops = frozenset(user_ids), list(shops)
        theirs = [shop.reviews.filter(pl.col("user_id").is_in(list(ids))) for shop in shops]
        reviews = {each for frame in theirs for each in frame["review_id"].drop_nulls()}
        said = {text for frame in theirs for name in ("title", "text") for text in frame[name].drop_nulls()}
        texts = tuple(sorted(filter(None, map(_plain, said))))
        own = set(_WORD.findall(" ".join(texts)))
        for shop in shops if own else ():
            others = shop.reviews.filter(~pl.col("user_id").is_in(list(ids)).fill_null(False))
            for name in ("title", "text"):
                own -= set(_WORD.findall(" ".join(others[name].drop_nulls()).lower()))
        return cls(ids, frozenset(reviews), texts, frozenset(own))

    def wrote(self, text: str) -> bool:
        """Whether a text quotes them: it is one of theirs, or has a longer piece in common with one."""
        plain = _plain(text)
        if not plain:
            return False
        if plain in self.texts or any(each in plain for each in self.texts if len(each) >= LEAST_CHARS):
            return True
        pieces = [piece for each in _PIECE.split(text) if len(piece := _plain(each or "")) >= LEAST_CHARS]
        if any(piece in each for piece in pieces for each in self.texts):
            return True
        return any(each in plain for each in self._windows)

    @cached_property
    def _windows(self) -> frozenset[str]:
        """Pieces that begin at a word or a character of Han: what is quoted inside other words has one."""
        return frozenset(
            each[start : start + WINDOW_CHARS]
            for each in self.texts
            for start in (match.start() for match in _START.finditer(each))
            if start + WINDOW_CHARS <= len(each)
        )

    def names(self, text: str) -> bool:
        """Whether a text has one of their ids in it, as a word."""
        return any(
            re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", text)
            for each in (*self.user_ids, *self.review_ids)
        )

    def shop(self, shop: Shop) -> Shop:
        """The shop without them: events, reviews, and what rejects and unread cells quote of them."""
        other = ~pl.col("user_id").is_in(list(self.user_ids)).fill_null(False)
        quiet = pl.col("reason").map_elements(self.scrubbed, return_dtype=pl.String)
        examples = pl.col("examples").list.eval(
            pl.element().map_elements(self.scrubbed, return_dtype=pl.String)
        )
        return shop.with_tables(
            events=shop.events.filter(other),
            reviews=shop.reviews.filter(other),
            rejects=shop.rejects.with_columns(quiet),
            unread=shop.unread.with_columns(quiet, examples) if len(shop.unread) else shop.unread,
        )

    def scrubbed(self, text: str) -> str:
        """The text, or a mark in its place where it names or quotes them."""
        return "[forgotten]" if self.names(text) or self.wrote(text) else text


def noted_at(folder: Path) -> int:
    """When the note of a run's folder was written, in nanoseconds; 0 where there is none."""
    try:
        return (Path(folder) / NOTE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip(" \t\n.…!?。！？").lower()


def hash_of(user_id: str, salt: str) -> str:
    """A keyed hash (hex) of an id; the key is a salt in hex."""
    return hashlib.blake2b(user_id.encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Note:
    """Hash of an id to the time at which its person was forgotten, in UTC."""

    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    people: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The note of a run's folder; an empty one where there is none. DataError where it is corrupt."""
        path = Path(folder) / NOTE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(found["salt"]), {str(k): str(v) for k, v in found["people"].items()})
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"this note is corrupt ({error!r}); restore it from a backup.", path=path
            ) from None

    def write(self, folder: Path) -> None:
        write_json(Path(folder) / NOTE, {"salt": self.salt, "people": dict(self.people)})

    def hash_of(self, user_id: str) -> str:
        """What the note knows an id by."""
        return hash_of(user_id, self.salt)

    def with_people(self, user_ids: Iterable[str], at: datetime) -> Self:
        return replace(
            self, people={**self.people, **{self.hash_of(each): at.isoformat() for each in user_ids}}
        )

    def without(self, shop: Shop) -> Shop:
        """The shop without what those people did and wrote until then, and without what has no time."""
        if not self.people:
            return shop
        tables = {
            name: shop.tables()[name].filter(self._kept(shop.tables()[name]))
            for name in ("events", "reviews")
        }
        return shop.with_tables(**tables)

    def _kept(self, frame: pl.DataFrame) -> pl.Series:
        ids = frame["user_id"].drop_nulls().unique()
        until = {each: at for each in ids if (at := self.people.get(self.hash_of(each))) is not None}
        if not until:
            return pl.Series([True] * len(frame), dtype=pl.Boolean)
        times = {each: datetime.fromisoformat(at).astimezone(UTC) for each, at in until.items()}
        limit = pl.col("user_id").replace_strict(times, default=None, return_dtype=frame["time"].dtype)
        return frame.select((limit.is_null() | (pl.col("time") > limit).fill_null(False)).alias("kept"))[
            "kept"
        ]
