"""The dials of a ledger, and its rows in the order in which they build on each other."""

from __future__ import annotations

from typing import Literal, get_args

from retailor.config import Field, settings
from retailor.errors import ConfigError
from retailor.train.settings import TrainSettings

Step = Literal[
    "cheap baseline",
    "from scratch",
    "pretrained, frozen",
    "fine-tuned",
    "domain adaptation",
    "augmentation",
    "adversarial",
    "layer-wise rates",
]
STEPS: tuple[Step, ...] = get_args(Step)
ADDED = frozenset(STEPS[4:])
"""Steps that are added to all those before them; the first four are systems of their own."""


@settings
class ProveSettings:
    """What a ledger compares, on how many labels, and how long each training may be."""

    steps: tuple[Step, ...] = Field(default=STEPS, min_length=1)
    """Rows, in this order; a row is compared with the one above it."""
    labels: tuple[int, ...] = Field(default=(64, 512, 0), min_length=1)
    """Sizes of the training part, as many of each label as there are; 0 is all of it."""
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    """Each draws its own labelled texts and its own training."""
    test: float = Field(default=0.2, gt=0, lt=0.9)
    """Share held out, where the shop is not split yet."""
    max_test: int = Field(default=2000, ge=20)
    metric: Literal["accuracy"] = "accuracy"
    train: TrainSettings = Field(
        default_factory=lambda: TrainSettings(
            epochs=3.0, learning_rate=5e-5, layer_decay=0.9, validate_every=100, patience=3
        )
    )
    """Every training of a network. `layer_decay` is that of the row 'layer-wise rates', those before it treat
    all layers alike; `max_steps` bounds every row."""
    min_steps: int = Field(default=40, ge=1)
    """Few labels get more epochs, so that a training has so many steps."""
    scratch_times: int = Field(default=2, ge=1)
    """A network that knows nothing gets so many times the steps, at `scratch_rate`."""
    scratch_rate: float = Field(default=3e-4, gt=0, lt=1)
    adversarial: Literal["fgm", "pgd", "freelb", "r-drop"] = "fgm"
    max_tokens: int = Field(default=128, ge=8, le=8192)
    adapt_steps: int | None = Field(default=500, ge=1)
    adapt_texts: int = Field(default=20_000, ge=10)

    def __post_init__(self) -> None:
        if self.train.layer_decay == 1:
            raise ConfigError(
                "train.layer_decay = 1.0: the row 'layer-wise rates' needs one below 1.",
                key="train.layer_decay",
                value=1.0,
            )
