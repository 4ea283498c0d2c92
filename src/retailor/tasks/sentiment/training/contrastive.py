"""Contrastive tuning of an encoder on a few labelled texts: those of one label together, others apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from retailor.models.shapes import TrainableEncoder
from retailor.tasks.sentiment.readers.heads import Labels
from retailor.train.loop import TrainLog, TrainSettings, train
from retailor.train.losses.shared import gathered

TEMPERATURE = 0.1


def label_contrast(vectors: Tensor, labels: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Mean over texts and their partners of −log softmax(cosine / temperature); vectors [B, D], labels [B].

    A partner has the same label. Zero, with a gradient, when no text of the batch has one. Khosla et al.,
    Supervised Contrastive Learning, NeurIPS 2020 (their L_out).
    """
    unit = nn.functional.normalize(vectors.float(), dim=-1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    logits = (unit @ unit.T / temperature).masked_fill(itself, float("-inf"))  # [B, B]
    partner = (labels[:, None] == labels[None]) & ~itself
    logs = torch.log_softmax(logits, dim=-1).masked_fill(~partner, 0.0)
    n_partners = partner.sum(1)
    paired = n_partners > 0
    if not paired.any():
        return vectors.float().sum() * 0.0
    return -(logs.sum(1)[paired] / n_partners[paired]).mean()


def contrast_tuned(
    encoder: TrainableEncoder, texts: Sequence[str], y: Labels, settings: TrainSettings
) -> tuple[TrainableEncoder, TrainLog]:
    """A copy of the encoder, trained so that texts of one label lie together. Put a head on it afterwards.

    As in SetFit (Tunstall et al., 2022), with a loss over whole batches instead of over pairs.
    """
    made = encoder.copy()

    def collate(rows: Sequence[tuple[str, int]]) -> Mapping[str, Tensor]:
        batch = made.tokens([text for text, _ in rows], role="query")
        return {**batch, "labels": torch.tensor([label for _, label in rows])}

    def loss(_: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        return label_contrast(gathered(made.vectors(inputs)), gathered(batch["labels"]))

    log = train(
        made.network, list(zip(texts, y.tolist(), strict=True)), collate, loss, settings, label="contrast"
    )
    return made, log
