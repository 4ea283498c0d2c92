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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import polars as pl

from retailor.errors import DataError
from retailor.scripts import CJK
from retailor.shop.tables import Shop
from retailor.store.stages import write_json

NOTE = "forgotten.json"
LEAST_WIDTH = 15
"""A narrower piece of a text is too common to be somebody's. A character of Chinese is two letters wide."""
WINDOW_WIDTH = 30
_PIECE = re.compile(r"(?<=[.!?。！？；])\s*|[\n\r|…“”「」\"：]+|\.\.\.|:\s")
_CJK = re.compile(rf"[{CJK}]")
_START = re.compile(rf"(?<!\w)\w|[{CJK}]")
_WORD = re.compile(rf"[{CJK}]+|[^\W{CJK}]+")
_SPACE = re.compile(r"\s+")
_PERSON = r"(?:['\"“‘「]|(?i:user|customer|client|review|用户|顾客|客户|买家|评论)(?i:[_ ]?id)?\W{0,3})"


@dataclass(frozen=True)
class Gone:
    """The ids that data know them by, those of their reviews, and what they wrote."""

    user_ids: frozenset[str]
    review_ids: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    """Those that nobody else wrote; of Chinese, runs of one to three characters."""
    alike: tuple[str, ...] = ()
    """Ids of others that would be taken for one of theirs: `u1@x.org` beside `u1`."""
    common: frozenset[str] = frozenset()
    """Pieces of what they wrote that others wrote as well."""
    shared_ids: frozenset[str] = frozenset()
    """Ids of reviews of theirs that reviews of others have, too: these name nobody."""

    @classmethod
    def of(cls, user_ids: Iterable[str], shops: Iterable[Shop]) -> Self:
        """With all reviews of theirs in some shops."""
        ids, shops = frozenset(user_ids), list(shops)
        theirs = [shop.reviews.filter(pl.col("user_id").is_in(list(ids))) for shop in shops]
        reviews = {each for frame in theirs for each in frame["review_id"].drop_nulls()}
        said = {text for frame in theirs for name in ("title", "text") for text in frame[name].drop_nulls()}
        liked = [shop.preferences.filter(pl.col("user_id").is_in(list(ids))) for shop in shops]
        # What they made of a draft is theirs; the draft itself is not.
        said |= {text for frame in liked for text in frame["chosen"].drop_nulls()}
        texts = tuple(sorted(filter(None, map(_plain, said))))
        own = set(_terms(" ".join(texts)))
        pieces = {_plain(each or "") for text in said for each in _PIECE.split(text)} | set(texts)
        common, shared = set[str](), set[str]()
        for shop in shops:
            others = shop.reviews.filter(~pl.col("user_id").is_in(list(ids)).fill_null(False))
            shared |= reviews & set(others["review_id"].drop_nulls())
            for name in ("title", "text") if texts else ():
                rest = _SPACE.sub(" ", " ".join(others[name].drop_nulls())).lower()
                common |= {each for each in pieces if each in rest}
                own -= set(_WORD.findall(rest))
                own = {term for term in own if not (_CJK.match(term) and term in rest)}
        found = cls(
            ids, frozenset(reviews - shared), texts, frozenset(own), common=frozenset(common),
            shared_ids=frozenset(shared),
        )  # fmt: skip
        return replace(found, alike=found._alike_in(shops))

    def _alike_in(self, shops: Iterable[Shop]) -> tuple[str, ...]:
        columns = [
            frame[name]
            for shop in shops
            for frame, name in (
                (shop.events, "user_id"), (shop.reviews, "user_id"), (shop.preferences, "user_id"),
                (shop.reviews, "review_id"),
            )
        ]  # fmt: skip
        others = {each for column in columns for each in column.drop_nulls().unique()}
        others -= self.user_ids | self.review_ids | self.shared_ids
        # The longest first: one may be a part of another.
        return tuple(sorted(filter(self.names, others), key=lambda each: (-len(each), each)))

    def wrote(self, text: str) -> bool:
        """Whether a text quotes them: it is one of theirs, or has a longer piece in common with one."""
        plain = _plain(text)
        if not plain or plain in self.common:
            return False
        if plain in self.texts or any(each in plain for each in self.texts if _width(each) >= LEAST_WIDTH):
            return True
        pieces = [piece for each in _PIECE.split(text) if _width(piece := _plain(each or "")) >= LEAST_WIDTH]
        if any(piece in each for piece in pieces for each in self.texts):
            return True
        return any(each in plain for each in self._windows)

    @cached_property
    def _windows(self) -> frozenset[str]:
        """Pieces from a word or a character of Chinese on: what is quoted inside other words has one."""
        return frozenset(
            window
            for each in self.texts
            for match in _START.finditer(each)
            if (window := _window(each, match.start()))
        )

    def names(self, text: str) -> bool:
        """Whether a text has one of their ids in it, as a word and not as a part of somebody else's id."""
        for each in self.alike:
            text = text.replace(each, " ")
        return any(each in text and pattern.search(text) for each, pattern in self._patterns)

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(each, _naming(each)) for each in sorted(self.user_ids | self.review_ids)]

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
            preferences=shop.preferences.filter(other),
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


def _naming(user_id: str) -> re.Pattern[str]:
    """What finds an id in a text. A bare number is a figure, unless it is quoted or said to be a person's."""
    if user_id.isdecimal():
        return re.compile(rf"{_PERSON}{user_id}(?![\w-]|[.,]\d)")
    # Chinese has no spaces: an id ends where it begins. But 客 alone is a part of 顾客, and no id there.
    before, after = (
        r"[\w-]" if len(user_id) < 3 and _CJK.match(edge) else rf"(?:[^\W{CJK}]|-)"
        for edge in (user_id[:1], user_id[-1:])
    )
    return re.compile(rf"(?<!{before}){re.escape(user_id)}(?!{after})")


def _terms(text: str) -> Iterator[str]:
    """Words; of Chinese, where a word is not told from its neighbours, runs of one to three characters."""
    for part in _WORD.findall(text):
        if _CJK.match(part):
            yield from (part[i : i + size] for size in (1, 2, 3) for i in range(len(part) - size + 1))
        else:
            yield part


def _width(text: str) -> int:
    return len(text) + len(_CJK.findall(text))


def _window(text: str, start: int) -> str:
    """The piece of that width from a place on; '' where the rest is narrower."""
    width = 0
    for end in range(start, min(len(text), start + WINDOW_WIDTH)):
        width += _width(text[end])
        if width >= WINDOW_WIDTH:
            return text[start : end + 1]
    return ""


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
            for name in ("events", "reviews", "preferences")
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
