"""What to write into a description: what customers keep asking for that the catalogue does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from retailor.shop.tables import Shop
from retailor.tasks.answer.evidence.passages import passages
from retailor.tasks.answer.question.kinds import KINDS, Kind, asked, gives_number, tells, wants_number
from retailor.text.clean_text import clean_text

OF_CATALOGUE = ("title", "attribute", "description")
OF_SHOP = ("delivery", "service")
"""Kinds of opinions about the shop, which no description tells."""
MAX_FACTS, MAX_ASKED = 3, 5


@dataclass(frozen=True)
class Fact:
    """What an earlier answer or a review tells: the words, and where they stand.

    `source` is 'answer' with the question's id, or 'review' with the row of a review that says it.
    """

    text: str
    source: str
    question_id: str | None
    row: int | None


@dataclass(frozen=True)
class Gap:
    """`n` questions for one kind of thing about an item that its page does not tell."""

    item_id: str
    kind: str
    n: int
    questions: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Asked:
    """How often a kind of thing is asked for in a category, and of how many items the page does not tell."""

    category: str
    kind: str
    n: int
    n_items: int
    n_untold: int


@dataclass(frozen=True)
class Questions:
    """The gaps, most asked first; kinds by category; and how many questions ask for what."""

    gaps: tuple[Gap, ...]
    by_category: tuple[Asked, ...]
    n_questions: int
    n_told: int
    """Asked though the page tells it: customers do not find it there."""
    n_other: int
    """Questions for nothing that the table of kinds knows."""
    n_rules: int
    """For the shop's own matters (delivery, returns, service): no description's business."""


def questions_of(shop: Shop, categories: pl.DataFrame) -> Questions:
    """What is asked of each item, by kind, where title, attributes and description do not tell it.

    A fact of the same kind out of earlier answers and reviews stands beside it, with its source.
    """
    rows = shop.questions.filter(pl.col("item_id").is_not_null() & pl.col("question").is_not_null())
    known = _Told(shop, rows["item_id"].unique().to_list())
    by_pair: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    n_other = n_rules = n_told = 0
    for item_id, question in rows.select("item_id", "question").iter_rows():
        question = clean_text(question)
        kinds = asked(question)
        of_item = [kind for kind in kinds if kind.sort != "rule" and kind.name not in OF_SHOP]
        n_other += not kinds
        n_rules += bool(kinds) and not of_item
        told = {kind.name: known.in_catalogue(item_id, kind, question) for kind in of_item}
        n_told += any(told.values())
        for name, is_told in told.items():
            by_pair.setdefault((item_id, name), []).append((question, is_told))
    gaps = [gap for pair, said in by_pair.items() if (gap := _gap(*pair, said, known))]
    gaps.sort(key=lambda gap: (-gap.n, not gap.facts, gap.item_id, gap.kind))
    return Questions(tuple(gaps), _by_category(by_pair, categories), len(rows), n_told, n_other, n_rules)


def _gap(item_id: str, name: str, said: Sequence[tuple[str, bool]], known: _Told) -> Gap | None:
    untold = [question for question, is_told in said if not is_told]
    if not untold:
        return None
    different = tuple(dict.fromkeys(untold))
    return Gap(item_id, name, len(untold), different[:MAX_ASKED], known.facts(item_id, _KIND[name], untold))


def _by_category(
    by_pair: Mapping[tuple[str, str], Sequence[tuple[str, bool]]], categories: pl.DataFrame
) -> tuple[Asked, ...]:
    place = dict(categories.iter_rows())
    counts: dict[tuple[str, str], list[int]] = {}
    for (item_id, kind), said in by_pair.items():
        if category := place.get(item_id):
            row = counts.setdefault((category, kind), [0, 0, 0])
            row[0] += len(said)
            row[1] += 1
            row[2] += not all(is_told for _, is_told in said)
    found = (Asked(*pair, *row) for pair, row in counts.items())
    return tuple(sorted(found, key=lambda a: (-a.n, -a.n_untold, a.category, a.kind)))


class _Told:
    """What the catalogue tells of each item, and what answers and reviews tell."""

    def __init__(self, shop: Shop, item_ids: Iterable[str]) -> None:
        only = pl.col("item_id").is_in([*item_ids])
        part = shop.with_tables(
            items=shop.items.filter(only),
            questions=shop.questions.filter(only),
            reviews=shop.reviews.with_columns(
                text=pl.when(only).then(pl.col("text"))  # rows keep their numbers
            ),
        )
        table = passages(part, max_per_item=400, max_review_sentences=200, max_chars=300)
        self._catalogue: dict[str, list[str]] = {}
        self._said: dict[str, list[Fact]] = {}
        # A passage names its reviews by id, or by row where they have none.
        ids = list(shop.reviews["review_id"])
        rows = {f"row {row}" if name is None else name: row for row, name in reversed([*enumerate(ids)])}
        columns = table.select("item_id", "source", "text", "question_id", "reviews")
        for item_id, source, text, question_id, reviews in columns.iter_rows():
            if source in OF_CATALOGUE:
                self._catalogue.setdefault(item_id, []).append(text)
            else:
                fact = Fact(clean_text(text), source, question_id, rows[reviews[0]] if reviews else None)
                self._said.setdefault(item_id, []).append(fact)

    def in_catalogue(self, item_id: str, kind: Kind, question: str) -> bool:
        return any(_answers(kind, question, text) for text in self._catalogue.get(item_id, ()))

    def facts(self, item_id: str, kind: Kind, questions: Sequence[str]) -> tuple[Fact, ...]:
        """Answers first, for they were asked for; then what reviews say."""
        told = [
            fact
            for fact in self._said.get(item_id, ())
            if fact.text and any(_answers(kind, question, fact.text) for question in questions)
        ]
        told.sort(key=lambda fact: fact.source != "answer")
        once = {fact.text.casefold(): fact for fact in reversed(told)}
        return tuple([fact for fact in told if once[fact.text.casefold()] is fact][:MAX_FACTS])


def _answers(kind: Kind, question: str, text: str) -> bool:
    measured = bool(kind.dimensions) and wants_number(question)
    return tells(kind, question, text) and (not measured or gives_number(text))


_KIND = {kind.name: kind for kind in KINDS}
