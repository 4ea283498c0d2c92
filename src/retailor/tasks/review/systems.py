"""The rows of an evaluation: what each system writes for held-out reviews, and what that is worth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from retailor.errors import DataError
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Score, Scores
from retailor.models.shapes import Generator, TrainableGenerator
from retailor.progress import track
from retailor.seeds import stream
from retailor.shop.tables import Shop, label_of_rating
from retailor.tasks.review.checks import Judge
from retailor.tasks.review.draft import Drafter, Written
from retailor.tasks.review.evaluate import Case, figures, own_figures, perplexity_score
from retailor.tasks.review.learning.tune import Pair, losses
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import Wanted, prompt_of
from retailor.tasks.review.settings import ReviewSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.review.templates import template

BASE, TUNED = "retailor before tuning", "retailor"
UNTAUGHT = "retailor before preferences"


@dataclass(frozen=True)
class Asked:
    """Held-out reviews as questions, what a draft of each should be like, and the reviews themselves."""

    queries: Sequence[ReviewQuery]
    wanted: Sequence[Wanted]
    cases: Sequence[Case]

    @classmethod
    def of(cls, shop: Shop, past: Past, settings: ReviewSettings) -> Self:
        """At most `max_evaluated` reviews of a shop, drawn; their items may be those of `past`.

        Raises DataError where none can be used.
        """
        shop.require("evaluating review", "reviews")
        usable, dropped = Past.of(shop.with_tables(items=past.items), max_reviews=settings.max_reviews)
        if not len(usable):
            raise DataError(f"no held-out review has text, stars and a known item: {dropped}.")
        n = min(len(usable), settings.max_evaluated)
        drawn = stream(settings.seed, "review", "evaluate").choice(len(usable), n, replace=False)
        rows = [int(row) for row in sorted(drawn)]
        frame = usable.reviews[rows].with_columns(label=label_of_rating(pl.col("rating")))
        told = list(frame.iter_rows(named=True))
        queries = [
            ReviewQuery(
                row["item_id"], float(row["rating"]), user_id=row["user_id"], language=row["language"]
            )
            for row in told
        ]
        return cls(
            queries,
            [past.wanted(query) for query in queries],
            [Case(row["user_id"], row["label"], row["text"]) for row in told],
        )


def systems(
    asked: Asked, past: Past, generators: Sequence[tuple[str, Generator]], drafter: Drafter
) -> Iterator[tuple[str, list[Written], float]]:
    """Each system's name, what it wrote, and its seconds: two without a model, then the generators."""
    both = list(zip(asked.queries, asked.wanted, strict=True))
    started = time.perf_counter()
    templates = [Written(template(want, query.seed)) for query, want in both]
    yield "template", templates, time.perf_counter() - started
    started = time.perf_counter()
    rows = [past.nearest(want, query) for query, want in both]
    near = [Written(past.texts[found[0]] if found else "") for found in rows]
    yield "nearest review", near, time.perf_counter() - started
    for row, generator in track(generators, "drafting"):
        started = time.perf_counter()
        written = drafter.write(generator, asked.queries, asked.wanted)
        yield row, written, time.perf_counter() - started


def scored(
    asked: Asked,
    past: Past,
    written: Iterable[tuple[str, list[Written], float]],
    judge: Judge,
    generators: Sequence[tuple[str, Generator]],
    settings: ReviewSettings,
) -> Scores:
    """The figures of every system, those of the real reviews, and the perplexity of these by generator."""
    scores: list[Score] = []
    for row, some, seconds in written:
        texts = [one.body for one in some]
        scores += figures(row, texts, asked.cases, past, judge, seconds, settings.seed)
        if row in (BASE, UNTAUGHT, TUNED):
            fell_back = [float(bool(one.fallback)) for one in some]
            scores.append(score_mean(row, "fell_back", fell_back, seed=settings.seed))
    real = [case.text for case in asked.cases]
    for metric, values in own_figures(real, asked.cases, past, judge).items():
        scores.append(score_mean("real review", metric, values, seed=settings.seed))
    return Scores((*scores, *_perplexities(asked, generators, settings)))


def _perplexities(
    asked: Asked, generators: Sequence[tuple[str, Generator]], settings: ReviewSettings
) -> Iterator[Score]:
    pairs = [Pair(prompt_of(want), case.text) for want, case in zip(asked.wanted, asked.cases, strict=True)]
    for row, generator in generators:
        if isinstance(generator, TrainableGenerator):
            sums, counts = losses(generator, pairs, settings.max_train_tokens)
            yield perplexity_score(row, sums, counts, seed=settings.seed)
