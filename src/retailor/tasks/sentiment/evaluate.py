"""The figures of a fitted reader beside a majority vote and the baselines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from retailor.metrics.classify import score_classes
from retailor.metrics.scores import Scores
from retailor.tasks.sentiment.answers import probabilities
from retailor.tasks.sentiment.fit import AnyReader, Fit
from retailor.tasks.sentiment.fitting import ALONE, FROZEN
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import Floats
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import Examples


def scores_of(fit: Fit, examples: Examples) -> Scores:
    """Every row of the reader on labelled texts, in all buckets."""
    scores = Scores()
    for row, (found, seconds) in readings(fit, examples.queries).items():
        scores += score_classes(row, examples.y, found, seconds=seconds)
        for bucket, inside in _buckets(examples).items():
            wanted = ("accuracy",) if bucket.startswith("rating") else ("accuracy", "macro_f1")
            part = score_classes(row, examples.y[inside], found[inside], bucket=bucket)
            scores += Scores(tuple(score for score in part if score.metric in wanted))
    return scores


def readings(fit: Fit, queries: Sequence[SentimentQuery]) -> dict[str, tuple[Floats, float]]:
    """By row of `evaluate`: unrounded probabilities [n, 3] over LABELS, and the seconds they took."""
    found: dict[str, tuple[Floats, float]] = {}
    readers = _rows(fit)
    for row, reader in readers.items():
        start = time.perf_counter()
        if row == "retailor" and (same := [name for name in found if readers[name] is reader]):
            found[row] = found[same[0]]
            continue
        known = None
        if isinstance(reader, BlendedReader):
            known = found[fit.row_of(reader.words)][0], found[ALONE][0]
        rows = probabilities(reader, queries, fit.prior, known)
        found[row] = rows, time.perf_counter() - start
    return found


def _rows(fit: Fit) -> dict[str, AnyReader | None]:
    rows: dict[str, AnyReader | None] = {"majority": None, **fit.words}
    if fit.frozen is not None:
        rows[FROZEN] = fit.frozen
    if isinstance(fit.reader, BlendedReader):
        rows[ALONE] = fit.reader.tuned
    return {**rows, "retailor": fit.reader}


def _buckets(examples: Examples) -> dict[str, Any]:
    """Rows of each bucket that has company: a single language says nothing that 'all' does not."""
    by_language = {
        f"language {name}": np.array(examples.language) == name for name in sorted(set(examples.language))
    }
    stars = np.unique(np.round(examples.rating[~np.isnan(examples.rating)]))
    by_rating = {f"rating {star:.0f}": np.round(examples.rating) == star for star in stars}
    return {
        name: np.flatnonzero(inside)
        for group in (by_language, by_rating)
        if len(group) > 1
        for name, inside in group.items()
    }
