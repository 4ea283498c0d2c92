"""The settings of compression."""

from __future__ import annotations

from typing import Literal

from retailor.compress.graph import Embeddings
from retailor.config import Field, settings

Weights = Literal["dynamic", "blocks", "blocks4", "float32"]


@settings
class StudentSettings:
    """How a student is taught."""

    max_texts: int = Field(default=20_000, ge=2)
    """Texts to learn from, drawn from the shop's."""
    layers_steps: int = Field(default=300, ge=1)
    """Optimiser steps of a student with half of the layers; one with fewer takes as many more of them as they
    are cheaper."""
    layers_rate: float = Field(default=2e-4, gt=0, le=1)
    table_epochs: float = Field(default=20.0, gt=0)
    """Passes over the texts of a table of word vectors."""
    table_rate: float = Field(default=2e-3, gt=0, le=1)
    n_pairs: int = Field(default=20_000, ge=0)
    """Pairs of word pieces that have vectors of their own in the second table; 0 leaves that one out."""
    batch_size: int = Field(default=32, ge=1)
    seed: int = 0


@settings
class CompressSettings:
    """How an encoder is made smaller and faster."""

    weights: Weights = "dynamic"
    """int8 with a scale for each output channel and each batch, or one for every block of both.

    'dynamic' is the fastest; 'blocks' stays nearer to the original and gives a text one vector in any batch,
    at about the speed of float32. 'blocks4' is 'blocks' in four bits: half the file.
    """
    block_size: Literal[16, 32, 64, 128, 256] = 32
    per_channel: bool = True
    """With 'dynamic': a scale for each output channel rather than for each matrix."""
    reduce_range: bool = False
    """With 'dynamic': seven bits, for processors without VNNI, whose eight-bit sums can overflow."""
    embeddings: Embeddings = "int8"
    """Word embeddings; int8 has a scale for every word, int4 one for every 32 of its numbers."""
    keep: float | None = Field(default=None, gt=0, le=1)
    """Search for the fastest encoder that keeps this share of every task's score: 0.99.

    Tried besides `weights`: int8 by scales that are measured on the shop's texts, OpenVINO where it is
    installed, the word pieces that the shop needs alone, fewer layers and a table of word
    vectors, both taught on the shop's texts. Takes minutes. When not given, `weights` is what is made.
    """
    budget_ms: float | None = Field(default=None, gt=0)
    """With `keep`: at most so many milliseconds for a text alone, at the median."""
    budget_mb: float | None = Field(default=None, gt=0)
    """With `keep`: a file of at most so many megabytes."""
    n_calibration: int = Field(default=64, ge=1)
    """With `keep`: texts that fixed scales of activations are measured on."""
    student: StudentSettings = Field(default_factory=StudentSettings)
    """With `keep`: how smaller encoders are taught."""
    n_parity: int = Field(default=256, ge=2)
    """Texts to compare vectors on."""
    n_speed: int = Field(default=128, ge=1)
    """Texts to measure speed on."""
    rounds: int = Field(default=3, ge=1)
    """How often each runtime is timed, in turn; the best time counts."""
    seed: int = 0
