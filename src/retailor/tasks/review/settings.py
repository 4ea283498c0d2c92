"""The settings of a review writer."""

from __future__ import annotations

from typing import Literal

from retailor.config import Field, settings
from retailor.train.settings import TrainSettings

RATE = 3e-4
PREFERENCE_RATE = 3e-4


@settings
class PreferenceSettings:
    """What is learned from drafts that people liked, threw away or edited, and what that may not cost."""

    learn: bool = True
    """Whether the generator learns from the table `preferences`, where it can be trained."""
    least: int = Field(default=50, ge=2)
    """Preferences below which nothing is learned."""
    max_per_customer: int = Field(default=10, ge=1)
    """The newest so many of one customer are used, or a few busy ones would say what a good draft is."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the preferences that only measure; an item's are all on one side."""
    beta: float = Field(default=0.1, gt=0)
    """How much a step away from the generator as it was must be worth: small values go far."""
    keep: float = Field(default=1.0, ge=0)
    """Weight of the liked text's own loss a token, beside the preference."""
    rank: int = Field(default=8, ge=1)
    """Of the LoRA matrices; their scale is 2."""
    train: TrainSettings = Field(
        default_factory=lambda: TrainSettings(
            max_steps=60, batch_size=4, learning_rate=PREFERENCE_RATE, weight_decay=0.0, patience=2
        )
    )
    """How it learns; it validates four times where `validate_every` is not given."""
    n_checked: int = Field(default=24, ge=1)
    """Reviews that are drafted with and without what was learned, and read by a model of the real ones."""
    max_fall: float = Field(default=0.05, ge=0, le=1)
    """How far the share of those drafts that sound like their stars, or that invent no fact, may fall."""
    max_loss_rise: float = Field(default=0.05, ge=0)
    """How far the loss a token (nats) of real reviews may rise."""


@settings
class ReviewSettings:
    """How the writer learns and how it drafts. Nothing here removes the mark."""

    tune: bool = True
    """Whether the generator learns from the shop's reviews, where it can be trained."""
    train: TrainSettings = Field(
        default_factory=lambda: TrainSettings(
            max_steps=40, batch_size=4, learning_rate=RATE, weight_decay=0.0, patience=2
        )
    )
    """How it learns; it validates four times where `validate_every` is not given."""
    rank: int = Field(default=8, ge=1)
    """Of the LoRA matrices; their scale is 2."""
    lora_bits: Literal[32, 4] = 32
    """Bits of the generator's weights while adapters are learned over them, preferences too: 4 (QLoRA) needs
    a GPU and the extra `quantised`, and takes an eighth of the memory of the linear layers."""
    max_train_tokens: int = Field(default=224, ge=32)
    """Prompt and review together, in tuning; longer ones are cut."""
    preferences: PreferenceSettings = Field(default_factory=PreferenceSettings)
    """Learning from what people made of earlier drafts."""
    max_held_out: int = Field(default=24, ge=1)
    """Newest training reviews that only measure when to stop."""
    max_reviews: int = Field(default=20_000, ge=1)
    """The newest training reviews that are kept for style, neighbours and copy checks."""
    n_examples: int = Field(default=2, ge=0)
    """Real reviews shown in the prompt of a generator that cannot be tuned."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=96, ge=8, le=1024)
    """Of a draft, as the generator counts them."""
    max_chars: int = Field(default=800, ge=40)
    max_copied_tokens: int = Field(default=7, ge=4)
    """The longest run of words that a draft may share with somebody else's review; twice that in Chinese."""
    n_drafts: int = Field(default=3, ge=1, le=5)
    """How many are made at once, of different lengths; the best of those that pass is taken."""
    max_tries: int = Field(default=3, ge=1, le=10)
    """How often that is done until one passes; then a template stands in, and says so."""
    only_own_purchases: bool = False
    """Whether a draft may be asked for only by a customer who bought the item."""
    max_evaluated: int = Field(default=32, ge=1)
    seed: int = Field(default=0, ge=0)
