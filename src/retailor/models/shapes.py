"""What a task may ask of a model. A task asks for a capability, never for a model family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Role = Literal["query", "passage"]
"""What a text is for: some encoders put a different prefix before a query and a passage."""


@runtime_checkable
class Encoder(Protocol):
    """Texts in, unit vectors out."""

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`; [0, dim] for no texts."""
        ...

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'encoder' that `models.local.load_encoder(folder)` opens."""
        ...


OpenEncoder = Callable[[Path], Encoder]
"""What opens the encoder in a folder of a saved task: `models.local.load_encoder`, or a server's own door."""


@runtime_checkable
class ExactEncoder(Encoder, Protocol):
    """An encoder that can read in float32 whatever precision `encode` takes for speed."""

    def encode_exactly(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim] that do not depend on what else is in the batch by more than about 1e-6."""
        ...


@runtime_checkable
class TrainableEncoder(Encoder, Protocol):
    """An encoder with a network inside that a loss can reach."""

    @property
    def network(self) -> torch.nn.Module: ...
    @property
    def tokenizer(self) -> Any: ...
    def tokens(self, texts: Sequence[str], *, role: Role = "passage") -> Mapping[str, torch.Tensor]:
        """input_ids and attention_mask [B, T] (and what else the network takes), padded and truncated."""
        ...

    def vectors(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Pooled vectors [B, dim], with gradient, not normalised."""
        ...

    def copy(self) -> Self:
        """An encoder with weights of its own, equal to these."""
        ...


@runtime_checkable
class PictureEncoder(Protocol):
    """Pictures in, unit vectors out."""

    @property
    def name(self) -> str: ...
    @property
    def dim(self) -> int: ...
    def encode_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Unit rows [n, dim] of pixels as `models.pictures.decoding` gives them, in their order."""
        ...

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'picture-encoder' that `models.pictures.opening` opens."""
        ...


@runtime_checkable
class ImageTextEncoder(PictureEncoder, Encoder, Protocol):
    """Pictures and texts in one space: a text lies near the pictures that it describes."""


@runtime_checkable
class Generator(Protocol):
    """Prompts in, continuations out."""

    @property
    def name(self) -> str: ...
    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[str]:
        """One continuation a prompt, in order. A chat model wraps each prompt in its own template."""
        ...


@runtime_checkable
class TrainableGenerator(Generator, Protocol):
    """A generator with a network inside that a loss can reach."""

    @property
    def network(self) -> torch.nn.Module: ...
    @property
    def tokenizer(self) -> Any: ...
    def pairs(
        self, prompts: Sequence[str], completions: Sequence[str], *, max_tokens: int
    ) -> Mapping[str, torch.Tensor]:
        """input_ids, attention_mask, labels [B, T]; labels are −100 where the loss must not look."""
        ...

    def copy(self) -> Self: ...
    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'generator' that `models.local.load_generator(folder)` opens."""
        ...
