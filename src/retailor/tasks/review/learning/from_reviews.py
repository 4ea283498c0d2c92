"""A generator learns from a shop's reviews, and keeps it where held-out ones have become likelier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from retailor.models.shapes import TrainableGenerator
from retailor.seeds import stream
from retailor.tasks.review.learning.learn import Learned, n_held_out
from retailor.tasks.review.learning.tune import Pair, tune
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import prompt_of, rounded_length
from retailor.tasks.review.settings import RATE, ReviewSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.text.terms import mine_terms
from retailor.train.loop import TrainSettings

N_TERMS = 200


def from_reviews(
    generator: TrainableGenerator, past: Past, settings: ReviewSettings, work: Path | None
) -> Learned:
    """What came of tuning on `past` [n > 1], the newest of which only measure when to stop."""
    n_out = n_held_out(settings, len(past))
    n_train = len(past) - n_out
    rows = picked(past, settings, n_train)
    named = aspects_of(past, settings, rows)
    pairs = [pair_of(past, row, some) for row, some in zip(rows, named, strict=True)]
    tuned, adapter, log, before, after = tune(
        generator,
        pairs,
        [pair_of(past, row) for row in range(n_train, len(past))],
        _train_settings(settings, len(pairs)),
        rank=settings.rank,
        alpha=2 * settings.rank,
        max_tokens=settings.max_train_tokens,
        work=work,
        bits=settings.lora_bits,
    )
    told = {
        **log.to_dict(),
        "n_examples": len(pairs),
        "n_held_out": n_out,
        "loss_before": before,
        "loss_after": after,
        "tuned": after < before,
    }
    return Learned(told, tuned, adapter) if after < before else Learned(told)


def picked(past: Past, settings: ReviewSettings, n_train: int) -> list[int]:
    """The rows to learn from: as many as the steps can use, each sentiment as likely as the others."""
    given = settings.train
    used = n_train if given.max_steps is None else min(n_train, given.max_steps * given.batch_size)
    labels = past.labels()[:n_train]
    counts = Counter(labels)
    # In a shop where nearly all give five stars a model would not learn how the others sound.
    chances = np.array([1 / (len(counts) * counts[label]) for label in labels])
    drawn = stream(settings.seed, "review", "pairs").choice(n_train, used, replace=False, p=chances)
    return sorted(int(row) for row in drawn)


def aspects_of(past: Past, settings: ReviewSettings, rows: Sequence[int]) -> list[tuple[str, ...]]:
    """For half of the reviews, up to two of the shop's own terms in them: what 'write about' means."""
    texts = [past.texts[row] for row in rows]
    terms = [term.text for term in mine_terms(texts, n_terms=N_TERMS)]
    named = stream(settings.seed, "review", "aspects").random(len(rows)) < 0.5
    return [
        tuple(term for term in terms if term in text.lower())[:2] if tell else ()
        for text, tell in zip(texts, named, strict=True)
    ]


def pair_of(past: Past, row: int, aspects: tuple[str, ...] = ()) -> Pair:
    """A training example: what could be known before the review was written, its length and aspects."""
    query = ReviewQuery(
        past.reviews["item_id"][row],
        rating=float(past.stars[row]),
        aspects=aspects,
        user_id=past.users[row],
        language=past.languages[row],
    )
    wanted = past.wanted(query, before=row)
    # The length is told as it was: the model then learns to keep to the one it is asked for.
    length = rounded_length(past.size(row))
    return Pair(prompt_of(replace(wanted, n_words=length)), past.texts[row])


def _train_settings(settings: ReviewSettings, n_pairs: int) -> TrainSettings:
    given = settings.train.resolved(rate=RATE, seed=settings.seed)
    n_steps = max(1, round(given.epochs * n_pairs / given.batch_size))
    n_steps = min(n_steps, given.max_steps or n_steps)
    return replace(given, validate_every=given.validate_every or max(1, n_steps // 4))
