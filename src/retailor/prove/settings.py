"""The dials of a ledger, and the rows of each task, from cheap to dear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from retailor.config import Field, settings
from retailor.errors import ConfigError, nearest
from retailor.train.settings import TrainSettings


@dataclass(frozen=True)
class Step:
    """A row of a ledger."""

    name: str
    has_model: bool = True
    """Whether a pretrained language model is in it. The best row without one is the control."""


ADDED = ("domain adaptation", "augmentation", "adversarial", "layer-wise rates")
"""Rows of sentiment that are added to all those before them; the others are systems of their own."""
RANKED = (
    Step("bm25", has_model=False),
    Step("words, learned ranker", has_model=False),
    Step("frozen encoder"),
    Step("domain adaptation"),
    Step("learned ranker"),
)
ROWS: dict[str, tuple[Step, ...]] = {
    "recommend": (
        Step("popularity", has_model=False),
        Step("collaborative filter", has_model=False),
        Step("with words", has_model=False),
        Step("everything without a model", has_model=False),
        Step("frozen encoder"),
        Step("domain adaptation"),
        Step("fine-tuned on behaviour"),
        Step("weights averaged"),
        Step("customers' reviews"),
        Step("everything blended"),
    ),
    "search": RANKED,
    "answer": RANKED,
    "sentiment": (
        Step("cheap baseline", has_model=False),
        Step("from scratch", has_model=False),
        Step("pretrained, frozen"),
        Step("fine-tuned"),
        *(Step(name) for name in ADDED),
    ),
    "review": (
        Step("template", has_model=False),
        Step("nearest review", has_model=False),
        Step("prompt only"),
        Step("domain adaptation"),
        Step("fine-tuned"),
    ),
}
"""Task to its rows. A row is compared with the one above it."""


@settings
class ProveSettings:
    """What a ledger compares, on how much data, and how long each training may be."""

    tasks: tuple[Literal["recommend", "search", "answer", "sentiment", "review"], ...] = Field(
        default=("recommend", "search", "answer", "sentiment"), min_length=1
    )
    """Of a plan: which have a ledger, where the shop has the tables. 'review' tunes and asks a generator,
    which takes long."""
    steps: tuple[str, ...] = ()
    """Rows by name; empty: all of a task. They stand in their own order, each compared with the one above."""
    labels: tuple[int, ...] = Field(default=(64, 512, 0), min_length=1)
    """Sizes of the training part of sentiment, as many of each label as there are; 0 is all of it."""
    shares: tuple[float, ...] = ()
    """Shares of the events, judged queries, questions, reviews or labels to learn from, such as 0.1 and 1.0;
    empty: all, and of sentiment `labels`."""
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    """Each draws its own part of the data and its own training."""
    test: float = Field(default=0.2, gt=0, lt=0.9)
    """Share held out, where the shop is not split yet."""
    max_test: int = Field(default=2000, ge=20)
    train: TrainSettings = Field(
        default_factory=lambda: TrainSettings(
            epochs=3.0, learning_rate=5e-5, layer_decay=0.9, validate_every=100, patience=3
        )
    )
    """Every training of a network on labels. `layer_decay` is that of the row 'layer-wise rates', those
    before it treat all layers alike; `max_steps` bounds every row."""
    min_steps: int = Field(default=40, ge=1)
    """Few labels get more epochs, so that a training has so many steps."""
    scratch_times: int = Field(default=2, ge=1)
    """A network that knows nothing gets so many times the steps, at `scratch_rate`."""
    scratch_rate: float = Field(default=3e-4, gt=0, lt=1)
    adversarial: Literal["fgm", "pgd", "freelb", "r-drop"] = "fgm"
    max_tokens: int = Field(default=128, ge=8, le=8192)
    adapt_steps: int | None = Field(default=500, ge=1)
    adapt_texts: int = Field(default=20_000, ge=10)
    behaviour_steps: int = Field(default=200, ge=1)
    """Of fine-tuning the encoder on what customers choose after what."""
    averaged: float = Field(default=0.5, gt=0, lt=1)
    """The share of the fine-tuned weights in the row 'weights averaged'."""

    def __post_init__(self) -> None:
        known = list(dict.fromkeys(step.name for task in self.tasks for step in ROWS[task]))
        for name in self.steps:
            if name not in known:
                raise ConfigError(
                    f"steps: '{name}' is no row of {', '.join(self.tasks)}; known: {', '.join(known)}.",
                    key="steps",
                    value=name,
                    nearest=nearest(name, known),
                )
        if self.train.layer_decay == 1:
            raise ConfigError(
                "train.layer_decay = 1.0: the row 'layer-wise rates' needs one below 1.",
                key="train.layer_decay",
                value=1.0,
            )
        for share in self.shares:
            if not 0 < share <= 1:
                raise ConfigError(
                    f"shares: {share:g} is no share of the data: it is above 0 and at most 1.",
                    key="shares",
                    value=share,
                )


def bounded(max_steps: int | None, **dials: Any) -> ProveSettings:
    """The settings with no training longer than `max_steps`; None leaves all as long as they are."""
    given = ProveSettings(**dials)
    if max_steps is None:
        return given
    return replace(
        given,
        train=replace(given.train, max_steps=max_steps),
        adapt_steps=max_steps,
        behaviour_steps=min(given.behaviour_steps, max_steps),
    )
