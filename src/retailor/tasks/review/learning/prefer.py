"""Direct preference optimisation (Rafailov et al., 2023) of a generator: the drafts that people liked better.

Of two texts under one prompt the chosen one shall gain on the rejected one, beside the generator as it was:
-log σ(β [(log π(c) - log π₀(c)) - (log π(r) - log π₀(r))]). A share of the chosen text's own loss a token is
added (Pang et al., 2024), or both texts may grow unlikely together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from retailor.metrics.generation import tokens
from retailor.models.shapes import TrainableGenerator
from retailor.tasks.review.learning.tune import (
    IGNORED,
    Adapter,
    Pair,
    learner,
    losses,
    taken,
    token_losses,
)
from retailor.tasks.review.marks import body_of
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import prompt_of, rounded_length
from retailor.tasks.review.settings import PreferenceSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.review.text import private_free
from retailor.text.clean_text import clean_text
from retailor.train.loop import TrainLog, TrainSettings, in_half, train
from retailor.train.lora import Bits, merged, set_aside
from retailor.train.losses.hooks import undropped


@dataclass(frozen=True)
class Preference:
    """Two texts under one prompt, the first of them liked better; and whose item they are about."""

    prompt: str
    chosen: str
    rejected: str
    item_id: str


def preferences_of(
    table: pl.DataFrame, past: Past, *, max_per_customer: int
) -> tuple[list[Preference], dict[str, int]]:
    """What can be learned from a shop's table of preferences, and how many rows cannot be used, by reason.

    Of each customer the newest `max_per_customer` that can be used. The visible line of a draft and sentences
    with contacts are no part of what was liked. The prompt asks for the length of the rejected text, which
    was the draft.
    """
    found: list[Preference] = []
    whose: list[tuple[str | None, datetime | None]] = []
    dropped: Counter[str] = Counter()
    for row in table.iter_rows(named=True):
        chosen, rejected = (
            private_free(clean_text(body_of(row[name] or ""))) for name in ("chosen", "rejected")
        )
        if not (row["item_id"] and past.has_item(row["item_id"])):
            dropped["of unknown items"] += 1
        elif row["rating"] is None or not 1 <= row["rating"] <= 5:
            dropped["without stars"] += 1
        elif not chosen or not rejected:
            dropped["without both texts"] += 1
        elif chosen == rejected:
            dropped["of two equal texts"] += 1
        else:
            query = ReviewQuery(row["item_id"], float(row["rating"]), language=row["language"])
            wanted = past.wanted(query)
            wanted = replace(wanted, n_words=rounded_length(max(1, len(tokens(rejected)))))
            found.append(Preference(prompt_of(wanted), chosen, rejected, row["item_id"]))
            whose.append((row["user_id"], row["time"]))
    kept = _newest(whose, max_per_customer)
    if len(kept) < len(found):
        dropped[f"older than the newest {max_per_customer} of a customer"] = len(found) - len(kept)
    return [found[i] for i in kept], dict(dropped)


def _newest(whose: Sequence[tuple[str | None, datetime | None]], most: int) -> list[int]:
    """The rows, in order, that are among the newest so many of their customer; all that name nobody."""
    rows = range(len(whose))
    newest_first = sorted(rows, key=lambda i: (whose[i][1] is not None, whose[i][1] or 0, i), reverse=True)
    counts: Counter[str] = Counter()
    kept = []
    for i in newest_first:
        user_id = whose[i][0]
        if user_id is not None:
            counts[user_id] += 1
        if user_id is None or counts[user_id] <= most:
            kept.append(i)
    return sorted(kept)


def prefer(
    generator: TrainableGenerator,
    learned: Sequence[Preference],
    held_out: Sequence[Preference],
    settings: PreferenceSettings,
    *,
    train_settings: TrainSettings,
    max_tokens: int,
    work: Path | None,
    bits: Bits = 32,
) -> tuple[TrainableGenerator, Adapter, TrainLog]:
    """A copy that prefers as people did (adapter merged in), the adapter alone, and the log.

    What the generator itself makes of the texts is worked out once, before the first step, in the precision
    that the loop computes in and without dropout, so that the first step finds no difference. The loop stops
    by the same loss, all of it, on `held_out`, and puts back the best weights. With 4 `bits` the generator
    itself is the quantised one.
    """
    tuned = learner(generator, settings.rank, 2 * settings.rank, train_settings.seed or 0, bits)
    network: Any = tuned.network
    half = in_half(train_settings, network)
    as_it_was = partial(_losses, tuned, max_tokens=max_tokens, half=half)  # adapters add 0
    before = as_it_was(learned)[0].reshape(2, -1)
    before_held_out, _ = as_it_was(held_out)

    def collate(some: Sequence[int]) -> Mapping[str, torch.Tensor]:
        chosen = [learned[i] for i in some]
        prompts = [each.prompt for each in chosen] * 2
        texts = [each.chosen for each in chosen] + [each.rejected for each in chosen]
        batch = dict(tuned.pairs(prompts, texts, max_tokens=max_tokens))
        given = torch.tensor(before[:, list(some)].reshape(-1), dtype=torch.float32)
        return {**batch, "reference": given.to(batch["labels"].device)}

    def loss(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        given = batch["reference"]
        found, labels = token_losses(model, {k: v for k, v in batch.items() if k != "reference"})
        return _loss(found.sum(1), (labels != IGNORED).sum(1), given, settings)

    def validate() -> float:
        told = (*_losses(tuned, held_out, max_tokens, half=half), before_held_out)
        now, n_tokens, then = (torch.from_numpy(each) for each in told)
        return -float(_loss(now, n_tokens, then, settings))

    with undropped(network), set_aside(generator, bits):
        log = train(
            network,
            range(len(learned)),
            collate,
            loss,
            train_settings,
            validate=validate,
            lengths=[len(one.prompt) + max(len(one.chosen), len(one.rejected)) for one in learned],
            by_rows=False,
            work=work,
            label="preferences",
            dials=(settings.beta, settings.keep, settings.rank, max_tokens, bits, list(map(str, held_out))),
        )
    adapter = taken(network, generator.name)
    return merged(tuned, generator), adapter, log


def _loss(
    now: torch.Tensor, n_tokens: torch.Tensor, before: torch.Tensor, settings: PreferenceSettings
) -> torch.Tensor:
    """All that is learned by: the preference, and the liked texts' own loss a token. Negative log-likelihoods
    (nats) [2 n] of now and before, and how many tokens they are of, the chosen texts in the first half."""
    own = (now / n_tokens.clamp(min=1))[: len(now) // 2].mean()
    return dpo_loss(-now, -before, settings.beta) + settings.keep * own


def dpo_loss(now: torch.Tensor, before: torch.Tensor, beta: float) -> torch.Tensor:
    """The loss of log-likelihoods [2 n] (nats), the chosen texts in the first half, under both models."""
    gained = now - before
    half = len(gained) // 2
    return -torch.nn.functional.logsigmoid(beta * (gained[:half] - gained[half:])).mean()


def liked(
    generator: TrainableGenerator, held_out: Sequence[Preference], max_tokens: int
) -> NDArray[np.float64]:
    """For each preference 1 where the chosen text is the likelier one a token, else 0: [n]."""
    sums, counts = _losses(generator, held_out, max_tokens)
    a_token = (sums / np.maximum(counts, 1)).reshape(2, -1)
    return np.asarray(a_token[0] < a_token[1], dtype=np.float64)


def _losses(
    generator: TrainableGenerator,
    some: Sequence[Preference],
    max_tokens: int,
    *,
    half: bool | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """See `losses`: of the chosen texts, then of the rejected ones, two arrays [2 n]."""
    pairs = [Pair(one.prompt, one.chosen) for one in some] + [Pair(one.prompt, one.rejected) for one in some]
    return losses(generator, pairs, max_tokens, half=half)
