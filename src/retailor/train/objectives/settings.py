"""How to adapt, and what an adaptation did."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from retailor.config import Field, settings
from retailor.errors import ConfigError
from retailor.train.settings import RATE, TrainLog, TrainSettings

Objective = Literal["masked", "order", "contrastive", "causal", "span"]
HEAD_EPOCHS = 20.0
LEARNING_RATES = {
    "masked": 3e-5, "contrastive": 2e-5, "causal": 2e-5, "span": 1e-4, "lora": 2e-4, "head": 1e-3,
}  # fmt: skip


@settings
class AdaptSettings:
    """How to adapt a model to a shop's texts."""

    objective: Literal["auto", "masked", "order", "contrastive", "causal", "span"] = "auto"
    """'auto' is masked words for an encoder, next words for a decoder, spans for an encoder-decoder.

    'order' is masked words and which half of a text comes first; 'contrastive' tells a text's partner (its
    pair, or itself under another dropout) from those of other texts.
    """
    mask_rate: float = Field(default=0.15, gt=0, lt=1)
    """Part of the tokens that is hidden (masked, order, span)."""
    whole_words: bool = True
    term_boost: float = Field(default=1.0, ge=1)
    """How much likelier the shop's own terms are hidden than other words; 1 treats all alike."""
    keep: float = Field(default=1.0, ge=0)
    """Weight of staying near the encoder as it came: who is whose neighbour may change little; 0 lets go.

    1 where vectors are compared as they are (search, recommendation), 0 where a head is fitted on them.
    """
    head_steps: int = Field(default=100, ge=0)
    """Steps in which only the new head learns, so that its first errors do not reach the encoder; fewer
    where a shop has so few texts that each would be read more than twenty times."""
    pairs: Literal["none", "descriptions", "reviews", "all"] = "none"
    """Which texts of the shop are partners (contrastive): title and description, review and item, or both.

    'none' takes a text and itself under another dropout. A plan reads the pairs off its shop; in Python give
    them to `adapt`, as `text.pairs.shop_pairs` makes them.
    """
    temperature: float = Field(default=0.05, gt=0, le=1)
    """Of the contrastive loss: lower presses harder on the nearest wrong partners."""
    grow_terms: int = Field(default=0, ge=0, le=20_000)
    """Give so many of the shop's own words a piece of their own in the encoder's vocabulary, at most."""
    general_share: float = Field(default=0.2, ge=0, lt=1)
    """Part of the texts to learn from that is general text, against forgetting, where such text is given."""
    general_file: str | None = None
    """A file of general text, one a line, for `general_share` and for measuring what was forgotten."""
    packed: bool = False
    """Join texts to rows of full length: nothing is padded (causal)."""
    lora_rank: int = Field(default=0, ge=0, le=1024)
    """Train low-rank adapters of this rank instead of all weights; 0 trains all."""
    lora_bits: Literal[32, 4] = 32
    """Bits of the weights under the adapters while these train: 4 (QLoRA: NF4, products in bf16) takes an
    eighth of the memory of the linear layers, needs a GPU and the extra `quantised`. The adapters are then
    added to the plain weights, so what comes out is as plain as any."""
    max_tokens: int = Field(default=128, ge=8)
    max_texts: int | None = Field(default=50_000, ge=1)
    """Adapt on a random sample of so many texts when there are more."""
    held_out: float = Field(default=0.05, gt=0, le=0.5)
    """Part of the texts, at most 512, that is only for measuring."""
    train: TrainSettings = Field(default_factory=lambda: TrainSettings(patience=3))
    """How it trains. The learning rate, when not given: 3e-5 masked and order, 2e-5 contrastive and causal,
    1e-4 span, 2e-4 with adapters. Validations are on held-out shop text."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.lora_bits == 4 and not self.lora_rank:
            raise ConfigError(
                "lora_bits = 4 is for adapters, and lora_rank = 0 trains all weights: set lora_rank, 8 for "
                "example.",
                key="lora_bits",
                value=4,
            )


@dataclass(frozen=True)
class AdaptLog:
    """What an adaptation did; perplexities are on the same held-out texts, hidden the same way.

    A token's, but for 'contrastive' a partner's: of a perplexity of 3 the right one is as hard to tell as one
    of three. For 'masked', 'before' is with a head that was fitted to the encoder as it came, and both are
    over the tokens that occur in the shop's texts. `neighbours_kept` is the mean part of a held-out text's
    ten nearest held-out texts that stayed among its ten nearest; None for generators. `general_…` are the
    same perplexities on general text that was not learned from; None where none was given.
    """

    objective: str
    n_texts: int
    n_held_out: int
    perplexity_before: float
    perplexity_after: float
    neighbours_kept: float | None
    seconds: float
    train: TrainLog
    n_general: int = 0
    general_before: float | None = None
    general_after: float | None = None
    n_new_pieces: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        """What it did, in a few sentences."""
        said = [
            f"Adapted by '{self.objective}' on {self.n_texts:,} texts in {self.seconds:.0f} s: on "
            f"{self.n_held_out:,} held-out texts perplexity went from {self.perplexity_before:.3g} to "
            f"{self.perplexity_after:.3g}."
        ]
        if not self.train.best_step:
            said.append("No step was better than the model as it came, so it stays as it was.")
        if self.neighbours_kept is not None:
            said.append(f"{self.neighbours_kept:.0%} of the ten nearest texts stayed the same.")
        if self.general_before is not None and self.general_after is not None:
            said.append(
                f"On general text perplexity went from {self.general_before:.3g} to {self.general_after:.3g}."
            )
        if self.n_new_pieces:
            said.append(f"The vocabulary grew by {self.n_new_pieces:,} pieces.")
        return " ".join(said)


@dataclass(frozen=True)
class Texts:
    """What to learn from (general texts last), and what to measure on."""

    learned: list[str]
    held_out: list[str]
    general: list[str]
    """General texts that are held out."""
    n_general: int
    """How many of `learned` are general."""


@dataclass(frozen=True)
class Outcome:
    """An adapted model, and the mean losses before and after."""

    model: Any
    before: float
    after: float
    train: TrainLog
    neighbours_kept: float | None = None
    general_before: float | None = None
    general_after: float | None = None
    n_new_pieces: int = 0


def perplexity(loss: float) -> float:
    """The exponential of a mean loss."""
    return math.exp(min(loss, 700.0))


def training_of(given: AdaptSettings, objective: str, vocabulary_size: int) -> TrainSettings:
    """The loop's settings for an objective; new pieces must learn, however large their vocabulary."""
    rate = LEARNING_RATES["lora" if given.lora_rank else objective]
    size = 0 if given.grow_terms else vocabulary_size
    return given.train.resolved(rate=rate, seed=given.seed, vocabulary_size=size)


def head_training_of(given: AdaptSettings) -> TrainSettings:
    """The loop's settings for a new head alone: `head_steps` at a rate of its own, no text more than
    HEAD_EPOCHS times."""
    return replace(
        given.train.resolved(rate=RATE, seed=given.seed),
        learning_rate=LEARNING_RATES["head"],
        epochs=HEAD_EPOCHS,
        max_steps=given.head_steps,
        accumulate=1,
        patience=None,
        validate_every=None,
        unfreeze_every=None,
    )
