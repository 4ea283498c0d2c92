"""What a sentiment reader reads: labelled texts out of a shop, and the part of a text about one aspect."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.scripts import CJK
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop, label_of_rating
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.text.clean_shop import clean_text, language_of

_SENTENCE = re.compile(r"(?<=[.!?。！？；;])\s*|\n+")
_CLAUSE = re.compile(
    r"(?<=[,，、])\s*|\s+[-–—]+\s+|\s+(?=(?:but|however|although|though|whereas|while|yet)\b)"
    r"|(?=但是|不过|可是|然而|只是)|(?<!不)(?=但(?!是))",
    re.IGNORECASE,
)
# "[link]" and its like stand for what cleaning took out.
_MASK = re.compile(r"\[(?:link|email|phone)\]")
_EMOTICON = re.compile(r"[:;=8][-'o^]?[()\[\]{}|/\\*<>]|[()][-'o^]?[:;=8]|<3|\^[_.-]?\^|>[_.]<|-_-")
# The text a site writes for a customer who left the title empty: it tells the stars, not an opinion.
_AUTOMATIC_TITLE = re.compile(r"(?:one|two|three|four|five|[1-5]) stars?[.!]?", re.IGNORECASE)
_UNIT = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)+", re.UNICODE)

_EMPTY_WORDS = frozenset(re.findall(r"[a-z]+", """
    a an the this that these those my your our its their of as for and but so also however though although yet
    whereas while
""")) | frozenset("的这那个款我它但是不过可而且只就")  # fmt: skip


@dataclass(frozen=True)
class AspectReview:
    """A text and what it says about one aspect of its product: negative, neutral or positive."""

    text: str
    aspect: str
    label: str


@dataclass(frozen=True)
class Examples:
    """Labelled queries: `y` [n] indexes LABELS; `rating` [n] is nan where there is none."""

    queries: tuple[SentimentQuery, ...]
    y: NDArray[np.int64]
    rating: NDArray[np.float64]
    language: tuple[str, ...]
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """The examples at `rows`, in that order."""
        return Examples(
            tuple(self.queries[i] for i in rows),
            self.y[rows],
            self.rating[rows],
            tuple(self.language[i] for i in rows),
            self.dropped,
        )

    def counts(self) -> dict[str, int]:
        """How many examples each label has; labels without any are 0."""
        return {label: int((self.y == i).sum()) for i, label in enumerate(LABELS)}


def read_examples(shop: Shop, aspects: Sequence[AspectReview] = (), *, once: bool) -> Examples:
    """The labelled reviews of a shop, cleaned, then the aspect reviews; with `once`, no text comes twice.

    The label is the `label` column, or else follows from the stars. Reviews without either, and empty
    ones, are left out and counted in `dropped`.
    """
    label = pl.coalesce(pl.col("label"), label_of_rating(pl.col("rating"))).alias("label")
    rows = shop.reviews.select("title", "text", "rating", "language", label)
    labelled = rows.filter(pl.col("label").is_in(LABELS))
    found: list[tuple[SentimentQuery, str, float, str]] = []
    for row in labelled.iter_rows(named=True):
        text = review_text(row["title"], row["text"])
        stars = float("nan") if row["rating"] is None else float(row["rating"])
        found.append((SentimentQuery(text), row["label"], stars, row["language"] or language_of(text)))
    for given in aspects:
        _check_label(given)
        text = clean_text(given.text)
        query = SentimentQuery(text, clean_text(given.aspect))
        found.append((query, given.label, float("nan"), language_of(text)))
    kept = [row for row in found if row[0].text]
    dropped = {"unlabelled": len(rows) - len(labelled), "empty": len(found) - len(kept)}
    if once:
        # A dictionary keeps the last label of a repeated text, so read backwards to keep the first.
        unique = list({row[0]: row for row in reversed(kept)}.values())[::-1]
        dropped["repeated"] = len(kept) - len(unique)
        kept = unique
    return _examples(kept, dropped)


def says_something(text: str) -> bool:
    """Whether there is anything to read: a letter, a number, an emoji or another sign, or an emoticon."""
    rest = _MASK.sub(" ", text)
    kinds = {unicodedata.category(char) for char in rest}
    return any(kind[0] in "LN" or kind == "So" for kind in kinds) or bool(_EMOTICON.search(rest))


def unlabelled_texts(shop: Shop) -> list[str]:
    """The different clean texts of the reviews that have neither a label nor stars, in their order."""
    label = pl.coalesce(pl.col("label"), label_of_rating(pl.col("rating")))
    rows = shop.reviews.filter(~label.is_in(LABELS).fill_null(False)).select("title", "text")
    texts = (review_text(title, text) for title, text in rows.iter_rows())
    return list(dict.fromkeys(filter(None, texts)))


def _examples(rows: list[tuple[SentimentQuery, str, float, str]], dropped: dict[str, int]) -> Examples:
    return Examples(
        tuple(row[0] for row in rows),
        np.array([LABELS.index(row[1]) for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        tuple(row[3] for row in rows),
        dropped,
    )


def _check_label(given: AspectReview) -> None:
    if given.label not in LABELS:
        raise DataError(
            f"an aspect review has the label {given.label!r}; it must be one of {', '.join(LABELS)}.",
            column="label",
            value=given.label,
        )


def review_text(title: str | None, text: str | None) -> str:
    """Title and text of a review as one clean text; titles that only tell the stars are left out."""
    head, body = clean_text(title or ""), clean_text(text or "")
    if not head or _AUTOMATIC_TITLE.fullmatch(head) or body.lower().startswith(head.lower()):
        return body
    if not body:
        return head
    gap = "" if re.search(rf"[{CJK}]$", head) else " "
    end = "。" if not gap else "."
    return f"{head}{gap}{body}" if head[-1] in ".!?。！？…" else f"{head}{end}{gap}{body}"


def about(text: str, aspect: str) -> str:
    """The clauses of `text` (English or Chinese) that mention `aspect`; the whole text when none does.

    A clause that says nothing but the aspect ("The battery, however, …") takes the next one with it.
    """
    mentions = _mention(aspect)
    kept: list[str] = []
    for sentence in filter(None, _SENTENCE.split(text)):
        grows = False
        for clause in filter(None, map(str.strip, _CLAUSE.split(sentence))):
            if grows or mentions.search(clause):
                kept.append(clause)
                rest = _UNIT.findall(mentions.sub(" ", clause.lower()))
                grows = all(unit in _EMPTY_WORDS for unit in rest)
    return " ".join(kept) or text


def _mention(aspect: str) -> re.Pattern[str]:
    words = re.escape(aspect.strip())
    if re.search(rf"[{CJK}]", aspect):
        return re.compile(words, re.IGNORECASE)
    stem = words[:-1] if words.endswith("s") and not words.endswith("ss") else words
    return re.compile(rf"(?<!\w){stem}(?:e?s)?(?!\w)", re.IGNORECASE)


class MiddleCut:
    """Texts without their middles, so that a number of tokens holds them: opinions sit at both ends.

    `tokenizer` is a transformers or tokenizers one; with None, a word or a Chinese character counts as one.
    """

    def __init__(self, tokenizer: Any) -> None:
        # A copy: encoders share theirs between threads, and cutting must not see their own truncation.
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        self._splitter: Any = None
        if hasattr(backend, "to_str"):
            self._splitter = type(backend).from_str(backend.to_str())
            self._splitter.no_truncation()
            self._splitter.no_padding()

    def __call__(self, text: str, max_tokens: int) -> str:
        if len(text) <= max_tokens:
            return text
        spans = self._spans(text)
        if len(spans) <= max_tokens:
            return text
        head = (max_tokens + 1) // 2
        tail = max_tokens - head
        return text[: spans[head - 1][1]] + " " + (text[spans[-tail][0] :] if tail else "")

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """The (start, end) of each token in the text."""
        if self._splitter is None:
            return [match.span() for match in _UNIT.finditer(text)]
        return list(self._splitter.encode(text, add_special_tokens=False).offsets)


def stratified(y: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and rows to validate on: `share` of every class, at least one where it has two."""
    rng = stream(seed, "validation")
    train, held = [], []
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        n = min(max(round(share * len(rows)), 1), len(rows) - 1)
        held.append(rows[:n])
        train.append(rows[n:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(held))


def folds(y: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """A fold number for each case [n], spread evenly over every class."""
    rng = stream(seed, "folds")
    number = np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        number[rows] = np.arange(len(rows)) % n_folds
    return number
