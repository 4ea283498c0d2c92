"""An insight: everything that a shop's reviews and questions say to its merchant, counted and cited."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from retailor.insight.aspects import Aspects, find_aspects
from retailor.insight.changes import STARS, Change, Changes, changes_of
from retailor.insight.complaints import Complaint, complaints_of
from retailor.insight.figures import (
    categories_of,
    figures_of,
    opinions_of,
    period_of,
    periods_of,
    placed,
    quotable,
)
from retailor.insight.polarity import Reader, read_polarity
from retailor.insight.questions import Questions, questions_of
from retailor.insight.settings import InsightSettings
from retailor.insight.summaries import Summary, summaries_of
from retailor.insight.voices import Voices, mentions_of, voices_of
from retailor.models.shapes import Encoder
from retailor.shop.tables import Shop
from retailor.text.clean_text import clean_text

MAX_LINES = 5


@dataclass(frozen=True)
class Insight:
    """What was found; figures, mentions and periods are tables, the rest plain records."""

    aspects: Aspects
    voices: Voices
    mentions: pl.DataFrame
    """A row a sentence and aspect: row, aspect, words, sentence, negative, positive, and the review's own."""
    figures: pl.DataFrame
    periods: pl.DataFrame
    period: str
    complaints: tuple[Complaint, ...]
    changes: Changes
    questions: Questions
    summaries: tuple[Summary, ...]
    titles: Mapping[str, str]
    read_by: str
    n_clauses: int
    settings: InsightSettings
    seconds: Mapping[str, float]

    def lines(self) -> list[str]:
        """The most important of it, a line each."""
        found = [
            f"{len(self.voices.table):,} reviews, {len(self.aspects.all)} aspects, read by: {self.read_by}"
        ]
        for change in [change for change in self.changes.found if change.worse][:MAX_LINES]:
            counts = (
                f"{change.k_after} of {change.n_after} complain, {change.k_before} of {change.n_before} did"
            )
            found.append(
                f"worse since {change.since}: {self._name(change.aspect)}, {self._place(change)}: {counts}"
            )
        if not self.changes.timed:
            found.append("the reviews have no times: no change can be seen")
        for level in ("shop", "item"):
            for each in [each for each in self.complaints if each.level == level][:MAX_LINES]:
                counts = f"{each.n_negative} of {each.n} who wrote about it complain"
                found.append(f"{self._place(each)}: {self._name(each.aspect)}: {counts}")
        for gap in self.questions.gaps[:MAX_LINES]:
            found.append(
                f"{self.titles.get(gap.item_id, gap.item_id)}: {gap.kind} asked for {gap.n} times, untold"
            )
        return found

    def _name(self, aspect: int) -> str:
        return "low stars" if aspect == STARS else self.aspects.all[aspect].english

    def _place(self, each: Change | Complaint) -> str:
        return "the whole shop" if each.level == "shop" else self.titles.get(each.key, each.key)


def find_insight(
    shop: Shop,
    settings: InsightSettings | None = None,
    *,
    reader: Reader | None = None,
    encoder: Encoder | None = None,
) -> Insight:
    """The insight of a shop; a table that is empty leaves its part empty.

    `reader` is the fitted sentiment reader of a run, `encoder` what joins near terms. Without a reader one of
    words is fitted on the shop's own stars.
    """
    settings = settings or InsightSettings()
    watch = _Watch()
    titles, categories, voices = titles_of(shop.items), categories_of(shop.items), voices_of(shop)
    of_titles = [titles.get(item_id, "") for item_id in voices.table["item_id"]]
    aspects = find_aspects(
        voices.table["text"].to_list(), of_titles, settings, names=names_of(shop.items), encoder=encoder
    )
    watch.lap("aspects")
    read = read_polarity(mentions_of(voices.table, aspects), shop, settings, reader)
    watch.lap("reading")
    in_place = voices.table.join(categories, on="item_id", how="left", maintain_order="left")
    opinions, quoted = placed(opinions_of(read.mentions), in_place), quotable(read.mentions, in_place)
    figures = figures_of(opinions)
    complaints = complaints_of(figures, opinions, quoted, settings)
    watch.lap("figures and complaints")
    changes = changes_of(in_place, opinions, quoted, settings.false_alarms, settings.n_quotes)
    watch.lap("changes")
    questions = questions_of(shop, categories)
    watch.lap("questions")
    summaries = summaries_of(quoted, opinions, settings.summary_sentences)
    watch.lap("summaries")
    return Insight(
        aspects, voices, quoted, figures, periods_of(opinions, voices.table), period_of(voices.table),
        tuple(complaints), changes, questions, tuple(summaries), titles, read.by, read.n_clauses, settings,
        watch.seconds,
    )  # fmt: skip


def titles_of(items: pl.DataFrame) -> dict[str, str]:
    """Item id to title, cleaned; to the id where nothing readable is left."""
    rows = items.select("item_id", "title").iter_rows()
    return {item_id: clean_text(title or "") or item_id for item_id, title in rows}


def names_of(items: pl.DataFrame) -> list[str]:
    """What products are called: brands, categories, and the words of categories that most items have."""
    brands = items["brand"].drop_nulls().unique().to_list()
    categories = items.select(pl.col("category").explode().drop_nulls()).to_series()
    counts = categories.value_counts().iter_rows()
    common = [word for name, n in counts if 2 * n > len(items) for word in name.split()]
    return [*brands, *categories.unique().to_list(), *common]


class _Watch:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = clock.perf_counter()

    def lap(self, name: str) -> None:
        now = clock.perf_counter()
        self.seconds[name] = round(now - self._last, 2)
        self._last = now
