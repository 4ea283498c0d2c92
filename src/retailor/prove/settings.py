"""The dials of a ledger, and its rows in the order in which they build on each other."""

from __future__ import annotations

from typing import Literal, get_args

from retailor.config import Field, settings

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
    epochs: float = Field(default=3.0, gt=0)
    min_steps: int = Field(default=40, ge=1)
    """Few labels get more epochs, so that a training has so many steps."""
    max_steps: int | None = Field(default=None, ge=1)
    """At most so many steps a training, of every row."""
    scratch_times: int = Field(default=2, ge=1)
    """A network that knows nothing gets so many times the steps, at `scratch_rate`."""
    scratch_rate: float = Field(default=3e-4, gt=0, lt=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    layer_decay: float = Field(default=0.9, gt=0, lt=1)
    """Of the row 'layer-wise rates'; the rows before it treat all layers alike."""
    adversarial: Literal["fgm", "pgd", "freelb", "r-drop"] = "fgm"
    max_tokens: int = Field(default=128, ge=8, le=8192)
    adapt_steps: int | None = Field(default=500, ge=1)
    adapt_texts: int = Field(default=20_000, ge=10)
    freeze_embeddings: bool | None = None
    """When not given: only for a vocabulary over 100,000."""
