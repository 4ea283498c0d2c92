"""Suggestions while somebody types: earlier queries, categories, brands and titles of the shop.

Every place where a word begins (in Chinese every character) is an entry: the letters that follow it, cut at
KEY_BYTES, and the phrase that it is in. Entries are sorted, so that all that go on from what was typed are
one slice of an array; phrases are numbered best first, so that the best of a slice are its smallest numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import save_file

from retailor.errors import DataError
from retailor.scripts import HAN
from retailor.shop.tables import Shop
from retailor.store.shared import load_arrays
from retailor.tasks.search.shapes import Kind, Suggestion, Suggestions, Typed
from retailor.tasks.search.spelling import english_words
from retailor.text.clean_shop import clean_text

KINDS = get_args(Kind)
"""The best first."""
KEY_BYTES = 16
MAX_CHARS = 100
"""So much of a title is kept, and of what was typed is read."""
LARGE = 2_000
"""The best of a longer slice are worked out when the entries are made."""
N_KEPT = 200
"""Of so many of the best those that begin with what was typed are put first."""
MANY = 4
"""So many times N_KEPT entries nearly always have N_KEPT phrases."""
N_TRIED = 20
_START = re.compile(rf"[{HAN}]|(?<![^\W{HAN}])[^\W_{HAN}]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MENDABLE = re.compile(r"[a-z][a-z '-]{3,}")
_MARKUP = re.compile("[<&]")
_ACCENTS, _GAPS = "[\u0300-\u036f]+", r"[\s\u2010-\u2013-]+"
_ARRAYS, _PHRASES = "suggest.safetensors", "suggest.parquet"
_SCHEMA = {"text": pl.String, "kind": pl.String, "n": pl.Int64, "item_id": pl.String, "weight": pl.Int64}
Keys = NDArray[np.bytes_]


class Suggester:
    """Phrases [P], best first, and their entries [E], sorted."""

    def __init__(
        self, phrases: pl.DataFrame, keys: Keys, owners: NDArray[np.int32], folded: list[str] | None = None
    ) -> None:
        """`folded`: the phrases as entries are compared, where they are known."""
        self._phrases, self._keys, self._owners = phrases, keys, owners
        self._folded: list[str] = _folded_of(phrases) if folded is None else folded
        english_words()  # a tenth of a second that the first who types should not wait
        self._best = {place: _smallest(owners[slice(*place)]) for place in _large_slices(keys)}

    @classmethod
    def of(cls, shop: Shop) -> Self:
        """The phrases of the shop: of one text the best kind; of a kind the most frequent first."""
        phrases = pl.DataFrame(list(_phrases(shop)), schema=_SCHEMA, orient="row")
        rank = {kind: i for i, kind in enumerate(KINDS)}
        phrases = (
            phrases.with_columns(
                _kind=pl.col("kind").replace_strict(rank, return_dtype=pl.Int8),
                _folded=_folded_all(pl.col("text")),
            )
            .sort(["_kind", "weight", "_folded", "text"], descending=[False, True, False, False])
            .unique("_folded", keep="first", maintain_order=True)
            .drop("_kind", "_folded", "weight")
        )
        folded = _folded_of(phrases)
        return cls(phrases, *_entries(folded), folded)

    def with_titles(self, titles: Mapping[str, str]) -> Self:
        """The suggestions with other titles of some items, behind all others; item id to title."""
        gone = self._phrases["item_id"].is_in(list(titles)).fill_null(False)
        left = ["" if lost else text for text, lost in zip(self._folded, gone, strict=True)]
        known = set(left)
        new = [(_shortened(title), "item", None, item_id) for item_id, title in titles.items()]
        new = [row for row in new if row[0] and _folded(row[0]) not in known]
        added = pl.DataFrame(new, schema=self._phrases.schema, orient="row")
        # A phrase that is gone keeps its number and its empty text, and no entry leads to it.
        text = pl.when(gone).then(pl.lit("")).otherwise("text").alias("text")
        phrases = pl.concat([self._phrases.with_columns(text), added])
        kept = ~gone.to_numpy()[self._owners]
        keys, owners = self._keys[kept], self._owners[kept]
        folded = _folded_of(added)
        more, of = _entries(folded)
        at = np.searchsorted(keys, more, side="right")  # of equal keys the new numbers are the largest
        owners = np.insert(owners, at, of + np.int32(len(self._phrases)))
        return type(self)(phrases, np.insert(keys, at, more), owners, left + folded)

    def __len__(self) -> int:
        return len(self._phrases)

    def suggest(self, typed: Typed) -> Suggestions:
        """The best k phrases that go on from what was typed, those that begin with it before the others.

        Where there is none, what was typed is mended by one letter (not the first, and in a word of three or
        more) to what most phrases go on from. Raises DataError for k below 1.
        """
        if typed.k < 1:
            raise DataError(f"k = {typed.k}; at least one has to be asked for.", column="k", value=typed.k)
        start = _folded(typed.text).lstrip()[:MAX_CHARS]
        if not start:
            return Suggestions(())
        found, mended = self._going_on(start), ""
        if not found and (better := self._mended(start)):
            found, mended = self._going_on(better), better
        best = sorted(found, key=lambda ix: not self._folded[ix].startswith(mended or start))
        return Suggestions(tuple(map(self._shown, best[: typed.k])), mended)

    def _shown(self, ix: int) -> Suggestion:
        return Suggestion(**self._phrases.row(ix, named=True))

    def _going_on(self, start: str) -> list[int]:
        """The numbers of phrases in which a word begins with `start`, ascending."""
        lows, highs = _slices(self._keys, [start])
        place = int(lows[0]), int(highs[0])
        if len(start.encode()) > KEY_BYTES:
            among = np.unique(self._owners[slice(*place)]).tolist()
            return list(islice((ix for ix in among if start in self._folded[ix]), N_KEPT))
        found = self._best[place] if place in self._best else _smallest(self._owners[slice(*place)])
        return found.tolist()  # type: ignore[no-any-return]

    def _mended(self, start: str) -> str | None:
        """What is one letter away, the first one kept, and goes on to most phrases; None without any."""
        if not _MENDABLE.fullmatch(start) or set(start.split()) <= english_words():
            return None
        # One or two letters may be the beginning of anything: they are not what is wrong.
        last = start.rpartition(" ")[2]
        near: list[str] = sorted(
            each for each in _one_edit(start) if len(last) > 2 or each.endswith(f" {last}")
        )
        lows, highs = _slices(self._keys, near)
        order: list[int] = np.argsort(lows - highs, kind="stable")[:N_TRIED].tolist()
        good = (near[i] for i in order if highs[i] > lows[i] and self._going_on(near[i]))
        return next(good, None)

    def save(self, folder: Path) -> None:
        """Writes two files into `folder`."""
        table = np.frombuffer(self._keys.tobytes(), dtype=np.uint8).reshape(-1, KEY_BYTES)
        save_file({"keys": table, "owners": self._owners}, folder / _ARRAYS)
        self._phrases.write_parquet(folder / _PHRASES)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The saved suggestions."""
        arrays: dict[str, Any] = load_arrays(folder / _ARRAYS)
        keys = np.ascontiguousarray(arrays["keys"]).view(f"S{KEY_BYTES}").reshape(-1)
        return cls(pl.read_parquet(folder / _PHRASES), keys, arrays["owners"])


def _phrases(shop: Shop) -> Iterable[tuple[str, Kind, int | None, str | None, int]]:
    """The rows of _SCHEMA; the last is what a phrase comes before others of its kind by."""
    asked = shop.judgments.filter(pl.col("grade") > 0)["query"].drop_nulls()
    for query, n in Counter(asked).items():
        yield _shortened(query), "query", None, None, n
    steps = Counter(
        step for path in shop.items["category"].drop_nulls().to_list() for step in set(path) if step
    )
    for step, n in steps.items():
        yield _shortened(step), "category", n, None, n
    for brand, n in Counter(shop.items["brand"].drop_nulls()).items():
        yield _shortened(brand), "brand", n, None, n
    chosen = Counter(shop.events["item_id"].drop_nulls())
    for item_id, title in shop.items.select("item_id", "title").drop_nulls().iter_rows():
        yield _shortened(title), "item", None, item_id, chosen[item_id]


def _shortened(text: str) -> str:
    """Clean, and cut between words at MAX_CHARS."""
    text = " ".join((clean_text(text) if _MARKUP.search(text) else text).split())
    if len(text) <= MAX_CHARS:
        return text
    return text[:MAX_CHARS].rpartition(" ")[0] or text[:MAX_CHARS]


def _folded(text: str) -> str:
    """As entries are compared: width, case, accents, and hyphens or runs of space make no difference."""
    bare = re.sub(_ACCENTS, "", unicodedata.normalize("NFKD", text).lower())
    return re.sub(_GAPS, " ", unicodedata.normalize("NFKC", bare))


def _folded_all(texts: pl.Expr) -> pl.Expr:
    """The same of a column."""
    bare = texts.str.normalize("NFKD").str.to_lowercase().str.replace_all(_ACCENTS, "")
    return bare.str.normalize("NFKC").str.replace_all(_GAPS, " ")


def _folded_of(phrases: pl.DataFrame) -> list[str]:
    return phrases.select(_folded_all(pl.col("text")))["text"].to_list()


def _entries(folded_texts: Iterable[str]) -> tuple[Keys, NDArray[np.int32]]:
    """The sorted keys [E] and the number of the phrase of each."""
    keys: list[bytes] = []
    owners: list[int] = []
    for ix, folded in enumerate(folded_texts):
        places = [match.start() for match in _START.finditer(folded)]
        keys += [folded[place : place + KEY_BYTES].encode()[:KEY_BYTES] for place in places]
        owners += [ix] * len(places)
    table = pl.DataFrame({"key": keys, "owner": owners}, schema={"key": pl.Binary, "owner": pl.Int32})
    table = table.sort("key", "owner")
    return np.array(table["key"].to_list(), dtype=f"S{KEY_BYTES}"), table["owner"].to_numpy()


def _slices(keys: Keys, starts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """From where to where the keys begin with each of `starts`."""
    cut = [start.encode()[:KEY_BYTES] for start in starts]
    lows = np.searchsorted(keys, np.array(cut, dtype=keys.dtype))
    last = np.array([start.ljust(KEY_BYTES, b"\xff") for start in cut], dtype=keys.dtype)
    return lows, np.searchsorted(keys, last, side="right")


def _large_slices(keys: Keys) -> Iterable[tuple[int, int]]:
    """The slices of all beginnings that more than LARGE keys have."""
    letters = keys.view(np.uint8).reshape(len(keys), KEY_BYTES)
    is_other = letters[1:] != letters[:-1]
    in_common = np.where(is_other.any(axis=1), is_other.argmax(axis=1), KEY_BYTES)
    for size in range(1, KEY_BYTES + 1):
        edges = np.concatenate(([0], np.flatnonzero(in_common < size) + 1, [len(keys)]))
        long = np.flatnonzero(np.diff(edges) > LARGE)
        if not len(long):
            return
        yield from ((int(edges[i]), int(edges[i + 1])) for i in long)


def _smallest(owners: NDArray[np.int32]) -> NDArray[np.int32]:
    """The N_KEPT smallest of them, each once, ascending."""
    if len(owners) > MANY * N_KEPT:  # to sort all of a long slice takes ten times as long
        found = np.unique(np.partition(owners, MANY * N_KEPT)[: MANY * N_KEPT])
        if len(found) >= N_KEPT:
            return found[:N_KEPT]
    return np.unique(owners)[:N_KEPT]


def _one_edit(word: str) -> set[str]:
    """All that is one letter left out, put in, replaced, or swapped with the next; the first letter stays."""
    cuts = [(word[:i], word[i:]) for i in range(1, len(word) + 1)]
    left_out = {left + right[1:] for left, right in cuts if len(right) > 1}  # the last may be a beginning
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    replaced = {left + letter + right[1:] for left, right in cuts if right for letter in _LETTERS}
    put_in = {left + letter + right for left, right in cuts for letter in _LETTERS}
    return (left_out | swapped | replaced | put_in) - {word}
