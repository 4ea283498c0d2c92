"""Drafting reviews: how well a generator foresees the shop's own reviews."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from retailor.choose.shapes import ChooseSettings, Probe
from retailor.errors import DataError, ModelError
from retailor.models.shapes import TrainableGenerator
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import prompt_of
from retailor.tasks.review.settings import ReviewSettings
from retailor.tasks.review.shapes import ReviewQuery

LEAST, MOST = 20, 100
"""Reviews; a generator reads a few a second."""


@dataclass(frozen=True)
class _Asked:
    prompts: tuple[str, ...]
    reviews: tuple[str, ...]


def review_probe(shop: Shop, given: ChooseSettings) -> Probe:
    """Bits a character of the shop's reviews behind the prompts of their drafts, as −bits: greater is better.

    Bits a character compare models of different tokenizers. At most 100 reviews are read. Beside them stands
    what the frequencies of characters alone would tell. Raises DataError with fewer than 20 reviews with
    text, stars and a known item.
    """
    asked = _asked(shop, given)
    base = ReviewSettings()

    def look(generator: Any) -> Mapping[str, float]:
        from retailor.tasks.review.learning.tune import Pair, losses

        if not isinstance(generator, TrainableGenerator):
            raise ModelError(
                "choose reads likelihoods, which an endpoint does not tell: name a local generator.",
                asked="review",
            )
        pairs = [Pair(prompt, text) for prompt, text in zip(asked.prompts, asked.reviews, strict=True)]
        nats, tokens = losses(generator, pairs, base.max_train_tokens)
        n_characters = sum(map(len, asked.reviews))
        return {
            "-bits a character": -float(nats.sum()) / math.log(2) / n_characters,
            "-bits a token": -float(nats.sum()) / math.log(2) / float(tokens.sum()),
        }

    return Probe(
        "review", "reviews", len(asked.reviews), asked.reviews, ("-bits a character", "-bits a token"), look,
        kind="generator", beside="frequencies of characters",
        control={"-bits a character": -_entropy("".join(asked.reviews))},
    )  # fmt: skip


def _asked(shop: Shop, given: ChooseSettings) -> _Asked:
    past, _ = Past.of(shop, max_reviews=ReviewSettings().max_reviews)
    if len(past) < LEAST:
        raise DataError(
            f"choose needs {LEAST} reviews with text, stars and a known item; there are {len(past)}."
        )
    drawn = np.sort(stream(given.seed, "choose", "reviews").permutation(len(past))[: min(given.sample, MOST)])
    prompts = []
    for row in drawn.tolist():
        told = past.reviews.row(row, named=True)
        query = ReviewQuery(
            told["item_id"], float(told["rating"]), user_id=told["user_id"], language=told["language"]
        )
        prompts.append(prompt_of(past.wanted(query, before=row)))
    return _Asked(tuple(prompts), tuple(past.texts[row] for row in drawn.tolist()))


def _entropy(text: str) -> float:
    """Bits a character, of frequencies alone."""
    counts = np.unique(list(text), return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
