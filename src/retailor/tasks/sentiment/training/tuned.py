"""Fine-tuning of an encoder to read sentiment: its batches and its loss; the loop is `train.loop`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from retailor.metrics.classify import accuracy, log_loss_cases, macro_f1
from retailor.models.hardware import device_of
from retailor.models.shapes import TrainableEncoder
from retailor.seeds import derive, stream
from retailor.tasks.sentiment.readers.heads import Floats, Head, Labels, calibration, softmax, temperature_of
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import Examples
from retailor.text.augmentation.edits import AugmentSettings, augmented
from retailor.train.loop import TrainLog, TrainSettings, train
from retailor.train.lora import Bits, merged, set_aside, with_lora
from retailor.train.losses.adversarial import AdversarialSettings, adversarial
from retailor.train.losses.domain_adversarial import Contested, DomainSettings, domain_adversarial
from retailor.train.losses.functions import cross_entropy, n_labels
from retailor.train.losses.mixup import MixupSettings, mixup

# The length of a random head's rows: long enough for confident logits over unit vectors, whose
# directions then do the learning (a step of 2e-5 could not grow the head itself).
_ROW_LENGTH = 10.0
UNLABELLED = -100
"""What cross-entropy looks away from."""
Batch = Mapping[str, torch.Tensor]
Collate = Callable[[Sequence[tuple[str, int]]], Batch]
Loss = Callable[[nn.Module, Batch], torch.Tensor]


class Classifier(nn.Module):
    """An encoder's network and a linear head over its unit vectors, for the classes that occur."""

    def __init__(self, encoder: TrainableEncoder, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder.network
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.dim, n_classes)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits [B, C] of pooled vectors [B, dim]."""
        return self.head(self.dropout(nn.functional.normalize(vectors, dim=-1)))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Tuning:
    """How to fine-tune; the fields are those of SentimentSettings."""

    train: TrainSettings
    max_tokens: int
    dropout: float
    label_smoothing: float
    stop_by: str
    paired: bool
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    adversarial: AdversarialSettings = field(default_factory=AdversarialSettings)
    mixup: float = 0.0
    domain_weight: float = 0.0
    lora_rank: int = 0
    lora_bits: Bits = 32

    @property
    def seed(self) -> int:
        return self.train.seed or 0


@dataclass(frozen=True)
class FineTuned:
    """The calibrated reader, how it was trained, and its logits [n, C] and figures on the held-out texts."""

    reader: VectorReader
    log: TrainLog
    held_logits: Floats
    figures: dict[str, float]


def fine_tune(
    encoder: TrainableEncoder,
    start: Head | None,
    examples: Examples,
    held: Examples,
    weights: Floats,
    tuning: Tuning,
    work: Path | None,
    others: Sequence[str] = (),
) -> FineTuned:
    """A reader with weights of its own; `held` calibrates it, and chooses between weights by `stop_by`.

    The head starts at `start`, or at random rows. `weights` are class weights [C] over all labels; classes
    without examples get no row in training and probability zero after it. `others` are unlabelled texts, of
    another domain maybe: with a `domain_weight` a critic must not tell them from the labelled ones. With a
    `lora_rank` only adapters and the head train; the reader has them added into its weights.
    """
    rank = tuning.lora_rank
    plain = encoder
    encoder = with_lora(plain, rank, seed=tuning.seed, bits=tuning.lora_bits) if rank else plain.copy()
    present, n_classes = np.unique(examples.y), len(weights)
    network = _started(encoder, start, present, tuning)
    reader = VectorReader(encoder, _head_of(network, present, n_classes), tuning.max_tokens, tuning.paired)
    rows = _rows_to_learn(reader, examples, present, tuning, others)
    held_texts = reader.inputs(held.queries)
    by_class = torch.tensor(weights[present], dtype=torch.float32)
    trained, loss = _loss(network, encoder, by_class, tuning, contested=rows.n_unlabelled > 0)

    def validate() -> float:
        vectors = reader.vectors(held_texts, exact=False)
        return _figure(held.y, _head_of(network, present, n_classes).logits(vectors), tuning.stop_by)

    with set_aside(plain, tuning.lora_bits):
        log = train(
            trained,
            rows.examples,
            _collate(encoder, contested=rows.n_unlabelled > 0),
            loss,
            replace(tuning.train, batch_size=rows.batch_size(tuning.train.batch_size)),
            validate=validate if len(held) and tuning.stop_by != "last" else None,
            lengths=[len(text) for text, _ in rows.examples],
            weigh=lambda batch: n_labels(batch["labels"], weights=by_class),
            work=work,
            label="sentiment",
            dials=(str(tuning), held_texts, held.y.tolist()),
        )
    tuned = replace(reader, encoder=merged(encoder, plain), head=_head_of(network, present, n_classes))
    return _calibrated(tuned, log, held_texts, held.y)


@dataclass(frozen=True)
class _Rows:
    """(text, number of its class among those that occur, or UNLABELLED): the labelled ones first."""

    examples: list[tuple[str, int]]
    n_unlabelled: int

    def batch_size(self, n_labelled: int) -> int:
        """The size of a batch with as many labelled texts as there would be without the others."""
        n = len(self.examples)
        return round(n_labelled * n / (n - self.n_unlabelled))


def _rows_to_learn(
    reader: VectorReader, examples: Examples, present: Labels, tuning: Tuning, others: Sequence[str]
) -> _Rows:
    """The labelled texts with their copies; with a `domain_weight` half as many of the others."""
    labels = np.searchsorted(present, examples.y).tolist()
    texts, labels = augmented(reader.inputs(examples.queries), labels, tuning.augment, seed=tuning.seed)
    labelled = list(zip(texts, labels, strict=True))
    if not (tuning.domain_weight and others):
        return _Rows(labelled, 0)
    order = stream(tuning.seed, "sentiment", "domain").permutation(len(others))
    drawn = np.sort(order[: max(len(labelled) // 2, 1)])
    unlabelled = reader.inputs([SentimentQuery(others[i]) for i in drawn])
    return _Rows([*labelled, *((text, UNLABELLED) for text in unlabelled)], len(unlabelled))


def _collate(encoder: TrainableEncoder, *, contested: bool) -> Collate:
    """Batches of tokens and labels, and where the encoder is contested which texts have none."""

    def collate(rows: Sequence[tuple[str, int]]) -> Batch:
        batch = encoder.tokens([text for text, _ in rows], role="query")
        labels = torch.tensor([label for _, label in rows])
        return {**batch, "labels": labels, **({"domain": (labels == UNLABELLED).long()} if contested else {})}

    return collate


def _loss(
    network: Classifier, encoder: TrainableEncoder, by_class: torch.Tensor, tuning: Tuning, *, contested: bool
) -> tuple[nn.Module, Loss]:
    """The network to train and its loss: cross-entropy, with mixup, a critic and disturbances as asked."""

    def classify(module: nn.Module, batch: Batch) -> torch.Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits = module(encoder.vectors(inputs)).float()
        classes = by_class.to(logits.device)
        return cross_entropy(logits, batch["labels"], smoothing=tuning.label_smoothing, weights=classes)

    loss = mixup(classify, MixupSettings(alpha=tuning.mixup), representation=_representation)
    trained: nn.Module = network
    if contested:
        loss = domain_adversarial(loss, features=_representation)
        trained = _contested(network, encoder.dim, tuning)
    return trained, adversarial(loss, tuning.adversarial, logits=lambda module: _logits(_inner(module)))


def _calibrated(reader: VectorReader, log: TrainLog, texts: Sequence[str], y: Labels) -> FineTuned:
    """The trained reader at the temperature that fits the held-out texts best."""
    logits = reader.head.logits(reader.vectors(texts))
    figures = calibration(logits, y)
    head = replace(reader.head, temperature=figures["temperature"])
    return FineTuned(replace(reader, head=head), log, logits, figures)


def _started(encoder: TrainableEncoder, start: Head | None, present: Labels, tuning: Tuning) -> Classifier:
    """The encoder's network under a head that starts at `start`, or at random rows."""
    network = Classifier(encoder, len(present), tuning.dropout).to(device_of(encoder.network)).eval()
    _start(network.head, None if start is None else _rows_of(start, present), tuning.seed)
    return network


def _contested(network: Classifier, dim: int, tuning: Tuning) -> Contested:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(tuning.seed, "sentiment", "critic"))
        made = Contested(network, dim, DomainSettings(weight=tuning.domain_weight))
    return made.to(device_of(network.encoder)).eval()


def _inner(network: nn.Module) -> nn.Module:
    return network.network if isinstance(network, Contested) else network


def _representation(network: nn.Module) -> nn.Module:
    return network.dropout  # type: ignore[return-value]


def _logits(network: nn.Module) -> nn.Module:
    return network.head  # type: ignore[return-value]


def _figure(y: Labels, logits: Floats, name: str) -> float:
    """More is better; the log loss is that after the best temperature, and counts below zero."""
    if name == "log_loss":
        return -float(log_loss_cases(y, softmax(logits / temperature_of(logits, y))).mean())
    predicted = logits.argmax(axis=1)
    return accuracy(y, predicted) if name == "accuracy" else macro_f1(y, predicted, logits.shape[1])


def _rows_of(head: Head, present: Labels) -> Head:
    """The head with the rows of the classes in `present` alone."""
    return replace(head, weight=head.weight[present], bias=head.bias[present])


def _start(linear: nn.Linear, head: Head | None, seed: int) -> None:
    with torch.no_grad():
        if head is None:
            rng = torch.Generator().manual_seed(derive(seed, "sentiment", "head"))
            rows = torch.randn(linear.weight.shape, generator=rng)
            linear.weight.copy_(nn.functional.normalize(rows, dim=-1) * _ROW_LENGTH)
            linear.bias.zero_()
        else:
            linear.weight.copy_(torch.tensor(head.weight))
            linear.bias.copy_(torch.tensor(head.bias))


def _head_of(network: Classifier, present: Labels, n_classes: int) -> Head:
    """The head as plain arrays over all classes."""
    weight = np.zeros((n_classes, network.head.in_features))
    bias = np.full(n_classes, -1e9)
    weight[present] = network.head.weight.detach().float().cpu().numpy()
    bias[present] = network.head.bias.detach().float().cpu().numpy()
    return Head(weight, bias)
