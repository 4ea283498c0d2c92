"""Losses as plain functions: tensors in, a scalar tensor out.

Each docstring says what the loss needs, what it takes and when to use it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = -100


def n_labels(labels: Tensor, *, weights: Tensor | None = None) -> float:
    """How many labels a mean loss is over, each counted by the weight of its class where there are `weights`.

    `labels` of any shape, −100 for none; `weights` [C]. What the training loop weighs a batch by.
    """
    known = labels[labels != IGNORED]
    return float(len(known) if weights is None else weights[known].double().sum())


def masked_lm(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy at the masked places.

    Needs: texts alone. Takes: logits [B, T, V]; labels [B, T], −100 where nothing was masked.
    When: adapting an encoder to a shop's texts. Devlin et al., BERT, NAACL 2019.
    """
    return _mean_nll(logits.flatten(0, -2), labels.flatten())


def causal_lm(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of each token given those before it.

    Needs: texts, or prompts with completions. Takes: logits [B, T, V]; labels [B, T] unshifted, −100 where
    the loss must not look. When: adapting or fine-tuning a decoder. Radford et al., GPT, 2018.
    """
    return _mean_nll(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def seq2seq_lm(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of each label; the decoder's input is shifted by the network itself.

    Needs: pairs of texts, or texts with spans cut out. Takes: logits [B, T, V]; labels [B, T], −100 on
    padding. When: training an encoder-decoder. Raffel et al., T5, JMLR 2020.
    """
    return _mean_nll(logits.flatten(0, 1), labels.flatten())


def _mean_nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Zero with a gradient, instead of NaN, when a batch has no label at all."""
    total = F.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)


def contrastive(
    left: Tensor,
    right: Tensor,
    *,
    negatives: Tensor | None = None,
    temperature: float = 0.05,
    symmetric: bool = True,
    same: Tensor | None = None,
) -> Tensor:
    """InfoNCE over the batch: row i of `left` belongs to row i of `right`, and to no other.

    Needs: pairs of texts that belong together. Takes: left and right [B, D], not normalised; `negatives`
    [N, D] are further wrong answers for every row of `left`; `same` [B, B] is true where row i and column j
    belong together although i ≠ j (two pairs of one item), which is then no negative. When: search, item
    similarity, keeping a vector space in order. van den Oord et al., 2018; symmetric form: Radford et al.,
    CLIP, ICML 2021.
    """
    left, right = F.normalize(left.float(), dim=-1), F.normalize(right.float(), dim=-1)
    scores = left @ right.T / temperature  # [B, B]
    if same is not None:
        diagonal = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(same & ~diagonal, float("-inf"))
    target = torch.arange(len(scores), device=scores.device)
    forth = scores
    if negatives is not None and len(negatives):
        hard = left @ F.normalize(negatives.float(), dim=-1).T / temperature  # [B, N]
        forth = torch.cat([scores, hard], dim=1)
    loss = F.cross_entropy(forth, target)
    return (loss + F.cross_entropy(scores.T, target)) / 2 if symmetric else loss


def cross_entropy(
    logits: Tensor, labels: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy over classes, with label smoothing and class weights.

    Needs: labelled examples. Takes: logits [B, C]; labels [B], −100 for unknown; smoothing in [0, 1) moves
    that part of the target to all classes alike; weights [C] multiply the classes. When: classification;
    weights where classes are rare, smoothing where labels are noisy. Szegedy et al., CVPR 2016. Zero, with a
    gradient, where nothing is labelled.
    """
    total = F.cross_entropy(
        logits.float(), labels, weight=weights, label_smoothing=smoothing, ignore_index=IGNORED,
        reduction="sum",
    )  # fmt: skip
    n = n_labels(labels, weights=weights)
    return total / n if n else total * 0.0


def distillation(student: Tensor, teacher: Tensor, *, temperature: float = 2.0) -> Tensor:
    """KL divergence of the student's softened distribution from the teacher's, times temperature².

    Needs: a teacher's logits on any texts, labelled or not. Takes: both logits [B, C]. When: a small model
    learns from a large one. Hinton et al., 2015.
    """
    target = F.log_softmax(teacher.float() / temperature, dim=-1)
    given = F.log_softmax(student.float() / temperature, dim=-1)
    return F.kl_div(given, target, log_target=True, reduction="batchmean") * temperature**2


def similarity_distillation(student: Tensor, teacher: Tensor, *, temperature: float = 0.05) -> Tensor:
    """How far the student's neighbourhoods in the batch are from the teacher's: KL over softmaxed cosines.

    Needs: texts alone, and a teacher's vectors of them. Takes: student [B, D], teacher [B, E], not
    normalised; the dimensions may differ. When: the vectors may move but who is near whom must not.
    Fang et al., SEED, ICLR 2021, over the batch. Zero for fewer than three rows.
    """
    if len(student) < 3:
        return student.sum() * 0.0
    return distillation(_cosines(student) / temperature, _cosines(teacher) / temperature, temperature=1.0)


def _cosines(vectors: Tensor) -> Tensor:
    """Cosines [B, B − 1] of each row with all others."""
    unit = F.normalize(vectors.float(), dim=-1)
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return (unit @ unit.T)[others].view(len(unit), -1)
