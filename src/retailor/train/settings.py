"""How to train: the settings and the log that every training shares."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from retailor.config import Field, settings

RATE = 2e-5
LARGE_VOCABULARY = 100_000
"""With more pieces the word embeddings are most of a network, and training them most of its time."""


Strategy = Literal["auto", "ddp", "fsdp"]


@settings
class DeviceSettings:
    """[train]: on what every training of a plan runs, unless the section's own `train` says otherwise."""

    devices: int = Field(default=1, ge=1)
    """GPUs, or processes where networks are on the processor, that share each batch."""
    hosts: int = Field(default=1, ge=1)
    """Machines of the cluster (`--on ray`) that share each batch, with so many `devices` each."""
    strategy: Strategy = "auto"
    """'auto' is plain PyTorch on one device, and 'ddp' on several: each holds the whole network. With 'fsdp'
    each holds a share of every weight, gradient and moment: for a network that does not fit on one."""


@settings
class TrainSettings:
    """The dials of one training. In a task's settings they are a table of their own, `train`."""

    epochs: float = Field(default=1.0, gt=0)
    """Passes over the examples; a fraction is a part of one."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimiser steps, whatever `epochs` says."""
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    """When not given: what the task or objective takes, and 2e-5 where there is none."""
    weight_decay: float = Field(default=0.01, ge=0)
    """On matrices only: biases and norms are never decayed."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Part of the steps in which the learning rate rises from zero."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after warm-up."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor on the learning rate for every layer further from the output; 1 treats all alike."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients make one optimiser step, that of one batch with all their examples."""
    clip: float = Field(default=1.0, ge=0)
    """Longest gradient norm; 0 does not clip."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """'auto' is bf16 for a network of a million weights or more where the hardware has it, else float32."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many validations in a row without a new best."""
    validate_every: int | None = Field(default=None, ge=1)
    """Optimiser steps between validations; once an epoch when not given."""
    freeze_embeddings: bool | None = None
    """Leave the word embeddings as they are. When not given, the sentiment reader and adaptation do so with
    over 100,000 of them: there they are most of the network, and of the time that it trains."""
    freeze_layers: int = Field(default=0, ge=0)
    """Leave so many of the lowest layers as they are, and all embeddings with them."""
    unfreeze_every: int | None = Field(default=None, ge=1)
    """Gradual unfreezing: the top learns first, and one layer more after every so many steps."""
    gradient_checkpointing: bool = False
    """Compute the layers' activations again on the way back: a third more time, and much less memory."""
    devices: int = Field(default=1, ge=1)
    """GPUs, or processes where the network is on the processor, that share each batch. `batch_size` is that
    of all together, so the training is the same as on one. More than 1 needs the extra `devices`."""
    hosts: int = Field(default=1, ge=1)
    """Machines of the cluster (`--on ray`) that share each batch, with so many `devices` each."""
    strategy: Strategy = "auto"
    """'auto' is plain PyTorch on one device, and 'ddp' on several: each holds the whole network. With 'fsdp'
    each holds a share of every weight, gradient and moment: for a network that does not fit on one."""
    seed: int | None = None
    """When not given: from the seed of the task or of the adaptation, and 0 where there is none."""

    def resolved(self, *, rate: float, seed: int, vocabulary_size: int = 0) -> TrainSettings:
        """These, with what was not given filled in."""
        return replace(
            self,
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            freeze_embeddings=(
                vocabulary_size > LARGE_VOCABULARY
                if self.freeze_embeddings is None
                else self.freeze_embeddings
            ),
            seed=seed if self.seed is None else self.seed,
        )


@dataclass(frozen=True)
class TrainLog:
    """What a training did; the same after a kill and a resume, but for `seconds`."""

    curve: tuple[tuple[int, float, float], ...]
    """(step, mean loss since the last point, learning rate), at most about 500 points."""
    validations: tuple[tuple[int, float], ...]
    """(step, value); step 0 is the network as it came."""
    seconds: float
    examples_seen: int
    n_parameters_trained: int
    best_step: int
    """The step whose weights the network has now."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)
