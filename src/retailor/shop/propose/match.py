"""Which column of a sample is which of ours, and which table the sample is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from retailor.shop.propose.names import Words, is_of_item, is_of_order, nothing, scores, words_of
from retailor.shop.propose.profile import Profile
from retailor.shop.propose.values import NEVER, fit
from retailor.shop.propose.words import NAMES

LEAST = 0.36
"""A column that fits less is not taken; one that fits less than SURE is, with a word of doubt."""
SURE = 0.6
_NOT_JOINED = 0.4
"""What a name of an id loses where another column is the one that joins."""
_NAME, _VALUES, _FILLED = 0.75, 0.55, 0.8
_WEIGHTS: dict[str, dict[str, float]] = {
    "items": {
        "item_id": 1.0, "title": 1.0, "description": 0.6, "brand": 0.6, "category": 0.6, "price": 0.7,
        "image": 0.6, "attributes": 0.3, "currency": 0.2, "language": 0.1,
        "in_stock": 0.2,
    },
    "events": {"user_id": 1.0, "item_id": 1.0, "kind": 0.8, "time": 0.8, "rating": 0.5},
    "reviews": {
        "text": 1.3, "rating": 0.7, "label": 0.6, "user_id": 0.4, "item_id": 0.4, "title": 0.4,
        "helpful": 0.4, "review_id": 0.4, "time": 0.4, "language": 0.1,
    },
    "questions": {
        "question": 1.5, "answer": 1.0, "item_id": 0.4, "question_id": 0.5, "time": 0.2, "language": 0.1,
    },
    "judgments": {"query": 1.3, "item_id": 0.7, "grade": 1.3},
}  # fmt: skip
"""What it says for a table that a column was found, by how well it fits."""
_NEEDS = {
    "items": ("item_id", "title"),
    "events": ("user_id", "item_id"),
    "reviews": ("text",),
    "questions": ("question",),
    "judgments": ("query", "item_id", "grade"),
}
_BY_VALUES = {
    "items": {"image": 0.35, "price": 0.35, "description": 0.3},
    "events": {"time": 0.4, "kind": 0.4, "rating": 0.4},
    "reviews": {"text": 0.3, "time": 0.4, "label": 0.3, "rating": 0.4},
    "questions": {"question": 0.4},
    "judgments": {},
}
"""Columns that values alone can tell, and what they must say for it."""

Likeness = Callable[[str, str], Mapping[str, float]]
"""Our columns of a table to how like a header is to them, from 0 to 1: what an encoder says."""


@dataclass(frozen=True)
class Hints:
    """What is known of a sample beyond its own columns."""

    item_ids: Mapping[str, float] = field(default_factory=dict)
    """Column to how sure it is, from 0 to 1, that its values are ids of items: of a join with a catalogue."""
    likeness: Likeness | None = None
    is_path: bool = False
    """Names are paths into JSON."""
    has_names: bool = True


@dataclass(frozen=True)
class Match:
    """A sample as one of our tables."""

    table: str
    columns: Mapping[str, str]
    """Our column to the sample's."""
    scores: Mapping[str, float]
    """How well each of them fits, from 0 to 1."""
    fit: float


def score(table: str, ours: str, column: str, seen: Profile, hints: Hints) -> float:
    """How well a column fits one of ours, from 0 to 1."""
    said = fit(table, ours, seen)
    if said == NEVER or not seen.n:
        return 0.0
    words = words_of(column, is_path=hints.is_path)
    named = scores(table, words).get(ours, 0.0) if hints.has_names else 0.0
    if (table, ours) == ("reviews", "title") and is_of_item(words):
        return 0.0
    if hints.likeness is not None and named < 0.5 and nothing(words) < 0.8:
        named = max(named, 0.7 * hints.likeness(table, column).get(ours, 0.0))
    joined = hints.item_ids.get(column, 0.0)
    if ours == "item_id":
        best = max(hints.item_ids.values(), default=0.0)
        named = max(named + 0.25 * joined, 0.75 * joined) - _NOT_JOINED * (best - joined)
    elif ours in ("user_id", "review_id", "question_id") and joined > 0.5:
        named *= 0.6
    if named >= 0.4:
        made = _NAME * named + (_VALUES * said if said >= 0 else said / 2)
        return min(1.0, made) * (_FILLED + (1 - _FILLED) * seen.filled)
    by_values = _BY_VALUES[table].get(ours)
    if by_values is None or said < by_values or (hints.has_names and nothing(words) >= 0.75):
        return 0.0
    if ours == "rating" and hints.has_names:
        return 0.0  # a quantity looks the same
    return said


def matches(profiles: Mapping[str, Profile], hints: Hints) -> list[Match]:
    """The tables that the columns can be, the likeliest first."""
    found = {table: _assigned(table, profiles, hints) for table in NAMES}
    of_orders = sum(is_of_order(words_for(name, hints)) for name in profiles)
    made = []
    for table, (columns, fits) in found.items():
        if not all(need in columns for need in _NEEDS[table]):
            continue
        total = sum(_WEIGHTS[table][ours] * fits[ours] for ours in columns) - _against(table, found)
        if table in ("items", "events"):
            total += (0.5 if table == "events" else -1.0) * min(of_orders, 2) / 2
        if table == "questions" and "answer" not in columns:
            total -= 1.5 * (profiles[columns["question"]].question < 0.3)
        made.append(Match(table, columns, fits, total))
    return sorted((match for match in made if match.fit > 0), key=lambda match: -match.fit)


def _against(table: str, found: Mapping[str, tuple[Mapping[str, str], Mapping[str, float]]]) -> float:
    """What other tables' finds say against this one: a catalogue names no customer, a log no long text."""
    of_users, of_texts = found["events"][1].get("user_id", 0.0), found["reviews"][1].get("text", 0.0)
    stars = found["reviews"][1].get("rating", 0.0)
    if table == "items":
        return 1.6 * (of_users >= 0.55) + 0.8 * (stars >= 0.7 and of_texts >= 0.6)
    if table == "events":
        return 1.0 * (of_texts >= SURE)
    if table == "reviews":
        return 1.0 * (not of_users and stars < 0.5 and not found["reviews"][1].get("label"))
    return 0.0


def _assigned(
    table: str, profiles: Mapping[str, Profile], hints: Hints
) -> tuple[dict[str, str], dict[str, float]]:
    """Our columns to the sample's, each at most once, so that the sum of their scores is the largest."""
    ours, names = list(NAMES[table]), list(profiles)
    if not names:
        return {}, {}
    worth = np.array([[score(table, one, name, profiles[name], hints) for name in names] for one in ours])
    if not hints.has_names:
        _guess_ids(table, ours, names, profiles, worth)
    if table == "items":
        _guess_item(ours, names, profiles, worth)
    worth[worth < LEAST] = 0.0
    first = 1e-4 * np.arange(len(names))[::-1] / len(names)  # of two that fit alike the first is meant
    rows, columns = linear_sum_assignment(worth * (worth + 1) + first * (worth > 0), maximize=True)
    pairs = [
        (ours[i], names[j], float(worth[i, j])) for i, j in zip(rows, columns, strict=True) if worth[i, j]
    ]
    return {one: name for one, name, _ in pairs}, {one: value for one, _, value in pairs}


def _guess_ids(
    table: str, ours: list[str], names: list[str], profiles: Mapping[str, Profile], worth: np.ndarray
) -> None:
    """Of a log without names: the first column of ids is the customer, the second the item."""
    if table != "events" or not worth[[ours.index("time"), ours.index("kind")]].max() > 0:
        return
    free = [
        j
        for j, name in enumerate(names)
        if not worth[:, j].any()
        and fit("events", "user_id", profiles[name]) != NEVER
        and profiles[name].id > 0.9
    ]
    taken = worth[ours.index("item_id")].max() > 0
    for one, j in zip(["user_id"] if taken else ["user_id", "item_id"], free, strict=False):
        worth[ours.index(one), j] = LEAST


def _guess_item(
    ours: list[str], names: list[str], profiles: Mapping[str, Profile], worth: np.ndarray
) -> None:
    """Of a catalogue that names no id: the first column whose values are all different and may be one."""
    at = ours.index("item_id")
    if worth[at].max() >= LEAST or worth[ours.index("title")].max() < SURE:
        return
    for j, name in enumerate(names):
        seen = profiles[name]
        if (
            seen.distinct == 1
            and seen.id > 0.9
            and not worth[:, j].any()
            and fit("items", "item_id", seen) > 0
        ):
            worth[at, j] = LEAST
            return


def words_for(column: str, hints: Hints) -> Words:
    """The words of a column's name; none where the file has no names."""
    return words_of(column, is_path=hints.is_path) if hints.has_names else ()
