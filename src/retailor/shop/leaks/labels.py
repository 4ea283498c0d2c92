"""Leaks of labels and targets: ids, the order of rows, and customers that carry them."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import polars as pl

from retailor.shop.leaks.naming import labelled
from retailor.shop.leaks.shapes import Leak, shown
from retailor.shop.leaks.texts import folded
from retailor.shop.tables import Shop

LEAST = 50
"""Rows below which an id or an order that fits may well be chance."""
LIFT = 0.5
"""Share of what guessing gets wrong that an id, or a customer, sets right."""
LIFT_OF_ORDER = 0.8
"""The same of the order of rows: shops and collections keep what happened together together."""
Rows = Sequence[tuple[str, str]]


# ids ----------------------------------------------------------------------------------------------

_PARTS: dict[str, Callable[[str], str]] = {
    "the letters at its beginning": lambda text: re.split(r"[\d_\-:. ]", text, maxsplit=1)[0].lower(),
    "its first character": lambda text: text[:1].lower(),
    "its last character": lambda text: text[-1:].lower(),
    "its last two characters": lambda text: text[-2:].lower(),
    "the words in it": lambda text: " ".join(re.findall(r"[^\W\d_]{3,}", text.lower())),
}


def in_ids(train: Shop, test: Shop) -> Iterator[Leak]:
    """Leaks of ids: of reviews by the label, of queries and customers by the item that they mean."""
    reviews = pl.concat([labelled(train), labelled(test)])
    for column in ("review_id", "user_id", "item_id"):
        told = [(one, label) for one, label in reviews.select(column, "label").drop_nulls().iter_rows()]
        yield from _by_form(told, column)
    yield from _naming_items(train, test)


def _by_form(told: Rows, column: str) -> Iterator[Leak]:
    if len(told) < LEAST:
        return
    for part, of in _PARTS.items():
        share, guess = _guessed(told, of)
        if share - guess > LIFT * (1 - guess):
            detail = f"{part} of {column} tells the label in {_told(share, guess)}"
            yield Leak("id", "reviews", round(share * len(told)), len(told), detail, shown(told))
            return
    share, guess = _ranked([(one, label) for one, label in told])
    if share - guess > LIFT * (1 - guess):
        detail = f"{column} in its order tells the label in {_told(share, guess)}"
        yield Leak("id", "reviews", round(share * len(told)), len(told), detail, shown(told))


def _guessed(told: Rows, of: Callable[[str], str]) -> tuple[float, float]:
    """How often the commonest label of a part of other ids is right, and of all rows.

    An id is judged by others alone: what is liked or who likes is told by the id itself, and no leak.
    """
    half: list[dict[str, Counter[str]]] = [{}, {}]
    for one, label in told:
        half[_side(one)].setdefault(of(one), Counter())[label] += 1
    common = Counter(label for _, label in told).most_common(1)[0]
    right = 0
    for one, label in told:
        seen = half[1 - _side(one)].get(of(one))
        right += label == (seen.most_common(1)[0][0] if seen else common[0])
    return right / len(told), common[1] / len(told)


def _side(one: str) -> int:
    """0 or 1, the same for the same id."""
    return zlib.crc32(one.encode()) & 1


def _ranked(told: Rows) -> tuple[float, float]:
    """How often two neighbours in the order of their ids have one label, and how often any two rows do.

    Where one id stands in several rows, its rows are one.
    """
    by_id = dict(told)
    if len(by_id) < LEAST:
        return 0.0, 0.0
    order = sorted(by_id, key=lambda one: (len(one), one))
    return _alike([by_id[one] for one in order])


def _alike(labels: Sequence[str]) -> tuple[float, float]:
    """The share of neighbours that are alike, and what it is in a random order."""
    same = sum(one == other for one, other in pairwise(labels)) / max(len(labels) - 1, 1)
    counts = Counter(labels)
    return same, sum((n / len(labels)) ** 2 for n in counts.values())


def _naming_items(train: Shop, test: Shop) -> Iterator[Leak]:
    """Queries that hold the id of an item that answers them, and customers whose id holds what they chose."""
    for table, column in (("judgments", "query"), ("events", "user_id"), ("questions", "question_id")):
        rows = pl.concat([shop.tables()[table] for shop in (train, test)])
        if table == "judgments":
            rows = rows.filter(pl.col("grade") > 0)
        pairs = rows.select(column, "item_id").drop_nulls().unique(maintain_order=True)
        # A short number is in many a text by chance.
        inside = pairs.filter(
            pl.col("item_id").str.len_chars() >= 4,
            pl.col(column).str.contains(pl.col("item_id"), literal=True),
        )
        if len(inside) >= max(3, 0.02 * len(pairs)):
            detail = f"{column} holds the id of the item that it means"
            yield Leak("id", table, len(inside), len(pairs), detail, shown(inside.head(5).iter_rows()))


def _told(share: float, chance: float) -> str:
    return f"{share:.0%} of the rows ({chance:.0%} by chance)"


# order --------------------------------------------------------------------------------------------


def in_order(train: Shop, test: Shop) -> Iterator[Leak]:
    """Leaks of the order of rows: of reviews by label, of a question's passages by relevance."""
    for part in (train, test):
        reviews = labelled(part)
        labels = reviews["label"].to_list()
        if len(labels) < LEAST:
            continue
        same, chance = _alike(labels)
        by_turns = chance - same > LIFT_OF_ORDER * chance and chance < 0.9
        if by_turns or same - chance > LIFT_OF_ORDER * (1 - chance):
            detail = f"neighbours have one label in {_told(same, chance)}"
            rows = shown((i, label) for i, label in _changes(labels))
            yield Leak("row order", "reviews", len(labels), len(labels), detail, rows)
            break
    yield from _sorted(train, test)
    yield from _passages(pl.concat([train.questions, test.questions]))


def _changes(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where runs of one label begin."""
    before = None
    for i, label in enumerate(labels):
        if label != before:
            yield f"row {i + 1:,}", label
        before = label


def _sorted(train: Shop, test: Shop) -> Iterator[Leak]:
    """Judgments sorted by grade, and events sorted by stars, from the first row of a table to the last."""
    for table, column in (("judgments", "grade"), ("events", "rating")):
        for part in (train, test):
            frame = part.tables()[table].drop_nulls(column)
            values = frame[column]
            if (
                len(values) >= LEAST
                and values.n_unique() > 1
                and (_rises(values) or _rises(values.reverse()))
            ):
                rows = frame.unique(column, keep="first", maintain_order=True).select(column, "item_id")
                detail = f"sorted by {column}"
                yield Leak("row order", table, len(values), len(values), detail, shown(rows.iter_rows()))
                break


def _rises(values: pl.Series) -> bool:
    return bool((values.diff().drop_nulls() >= 0).all())


def _passages(questions: pl.DataFrame) -> Iterator[Leak]:
    """Questions whose relevant passages all stand first, or all last."""
    n, first, last, chance, rows = 0, 0, 0, 0.0, []
    for question, evidence in questions.select("question", "evidence").iter_rows():
        good = [bool((one["relevance"] or 0) > 0) for one in evidence or ()]
        k = sum(good)
        if not 0 < k < len(good):
            continue
        n += 1
        chance += k / len(good)
        first += good[0]
        last += good[-1]
        rows.append((question, ", ".join("yes" if one else "no" for one in good[:8])))
    for where, count in (("first", first), ("last", last)):
        if n >= LEAST and count / n - chance / n > LIFT_OF_ORDER * (1 - chance / n):
            detail = f"the {where} passage is relevant in {_told(count / n, chance / n)}"
            yield Leak("row order", "questions", count, n, detail, shown(rows))


# customers ----------------------------------------------------------------------------------------


def on_both_sides(train: Shop, test: Shop) -> Iterator[Leak]:
    """Customers whose training reviews tell the label of their test reviews, or are of the same item."""
    known, asked = (
        labelled(part).drop_nulls(["user_id"]).select("user_id", "item_id", "label", "text")
        for part in (train, test)
    )
    yield from _same_item(known, asked)
    habit: dict[str, Counter[str]] = {}
    for user, label in known.select("user_id", "label").iter_rows():
        habit.setdefault(user, Counter())[label] += 1
    told = [
        (user, habit[user].most_common(1)[0][0], label)
        for user, label in asked.select("user_id", "label").iter_rows()
        if user in habit
    ]
    if len(told) < 20:
        return
    right = sum(said == label for _, said, label in told) / len(told)
    guess = max(Counter(label for _, _, label in told).values()) / len(told)
    if right - guess > LIFT * (1 - guess) and guess < 0.95:
        detail = f"a customer's training reviews tell the label in {_told(right, guess)}"
        yield Leak("customer on both sides", "reviews", len(told), len(asked), detail, shown(told))


def _same_item(known: pl.DataFrame, asked: pl.DataFrame) -> Iterator[Leak]:
    """Reviews of one customer about one item on both sides."""
    pairs = known.select("user_id", "item_id").drop_nulls().unique()
    again = asked.join(pairs, on=["user_id", "item_id"], how="semi")
    if len(again) >= max(2, 0.02 * len(asked)):
        detail = "the customer has reviewed the same item in training"
        rows = shown((user, item, label, folded(text or "")) for user, item, label, text in again.iter_rows())
        yield Leak("customer on both sides", "reviews", len(again), len(asked), detail, rows)
