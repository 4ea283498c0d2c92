"""Direct preference optimisation (Rafailov et al., 2023) of a generator: the drafts that people liked better.

Of two texts under one prompt the chosen one shall gain on the rejected one, beside the generator as it was:
-log σ(β [(log π(c) - log π₀(c)) - (log π(r) - log π₀(r))]). A share of the chosen text's own loss a token is
added (Pang et al., 2024), or both texts may grow unlikely together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from retailor.metrics.generation import tokens
from retailor.models.shapes import TrainableGenerator
from retailor.tasks.review.learning.tune import IGNORED, Adapter, Pair, losses, taken, token_losses, with_lora
from retailor.tasks.review.marks import body_of
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import prompt_of, rounded_length
from retailor.tasks.review.settings import PreferenceSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.text.clean_text import clean_text
from retailor.train.loop import TrainLog, TrainSettings, train


@dataclass(frozen=True)
class Preference:
    """Two texts under one prompt, the first of them liked better; and whose item they are about."""

    prompt: str
    chosen: str
    rejected: str
    item_id: str


def preferences_of(table: pl.DataFrame, past: Past) -> tuple[list[Preference], dict[str, int]]:
    """What can be learned from a shop's table of preferences, and how many rows cannot be used, by reason.

    The visible line of a draft is no part of what was liked. The prompt asks for the length of the rejected
    text, which was the draft.
    """
    found: list[Preference] = []
    dropped: Counter[str] = Counter()
    for row in table.iter_rows(named=True):
        chosen, rejected = (clean_text(body_of(row[name] or "")) for name in ("chosen", "rejected"))
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
    return found, dict(dropped)


def prefer(
    generator: TrainableGenerator,
    learned: Sequence[Preference],
    held_out: Sequence[Preference],
    settings: PreferenceSettings,
    *,
    train_settings: TrainSettings,
    max_tokens: int,
    work: Path | None,
) -> tuple[TrainableGenerator, Adapter, TrainLog]:
    """A copy that prefers as people did (adapter merged in), the adapter alone, and the log.

    What the generator itself makes of the texts is worked out once, before the first step. The loop stops by
    the same loss on `held_out`, and puts back the best weights.
    """
    tuned = generator.copy()
    network = with_lora(tuned, settings.rank, 2 * settings.rank, train_settings.seed or 0)
    before = _likelihoods(generator, learned, max_tokens)  # [n, 2]
    before_held_out = _likelihoods(generator, held_out, max_tokens)

    def collate(some: Sequence[int]) -> Mapping[str, torch.Tensor]:
        chosen = [learned[i] for i in some]
        prompts = [each.prompt for each in chosen] * 2
        texts = [each.chosen for each in chosen] + [each.rejected for each in chosen]
        batch = dict(tuned.pairs(prompts, texts, max_tokens=max_tokens))
        given = torch.tensor(before[list(some)].T.reshape(-1), dtype=torch.float32)
        return {**batch, "reference": given.to(batch["labels"].device)}

    def loss(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        given = batch["reference"]
        found, labels = token_losses(model, {k: v for k, v in batch.items() if k != "reference"})
        n_tokens = (labels != IGNORED).sum(1).clamp(min=1)
        told = dpo_loss(-found.sum(1), given, settings.beta)
        half = len(given) // 2
        return told + settings.keep * (found.sum(1) / n_tokens)[:half].mean()

    def validate() -> float:
        now = _likelihoods(tuned, held_out, max_tokens, network=network)
        flat = [torch.tensor(each.T.reshape(-1), dtype=torch.float32) for each in (now, before_held_out)]
        return -float(dpo_loss(flat[0], flat[1], settings.beta))

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
        dials=(settings.beta, settings.keep, settings.rank, max_tokens, list(map(str, held_out))),
    )
    adapter = taken(network, generator.name)
    network.merge_and_unload()
    return tuned, adapter, log


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


def _likelihoods(
    generator: TrainableGenerator,
    some: Sequence[Preference],
    max_tokens: int,
    *,
    network: torch.nn.Module | None = None,
) -> NDArray[np.float64]:
    """Log-likelihood (nats) of the chosen and the rejected text of each: [n, 2]."""
    sums, _ = _losses(generator, some, max_tokens, network=network)
    return np.asarray(-sums.reshape(2, -1).T)


def _losses(
    generator: TrainableGenerator,
    some: Sequence[Preference],
    max_tokens: int,
    *,
    network: torch.nn.Module | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the chosen texts, then of the rejected ones: two arrays [2 n]."""
    pairs = [Pair(one.prompt, one.chosen) for one in some] + [Pair(one.prompt, one.rejected) for one in some]
    return losses(generator, pairs, max_tokens, network=network)
