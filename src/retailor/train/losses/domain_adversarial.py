"""Domain-adversarial training: features from which nobody can tell the source shop from the target shop."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retailor.config import Field, settings
from retailor.errors import ConfigError
from retailor.train.losses.hooks import Batch, Loss, Place, place_in, reading
from retailor.train.losses.shared import gathered

__all__ = ["Contested", "DomainSettings", "GradientReversal", "domain_adversarial", "reverse"]

STEEPNESS = 10.0


@settings
class DomainSettings:
    """How hard features are pressed to be the same in both domains."""

    weight: float = Field(default=0.3, gt=0)
    """Strength of the reversed gradient once the ramp is over; the critic itself always learns at 1."""
    ramp_steps: int = Field(default=100, ge=0)
    """Batches over which that strength grows, as a young critic's gradient is noise."""
    hidden: int = Field(default=128, ge=1)
    """Units of the critic's one hidden layer."""


class GradientReversal(torch.autograd.Function):
    """The identity, whose gradient is −strength times what comes from above."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return -ctx.strength * gradients[0], None


def reverse(features: Tensor, strength: float = 1.0) -> Tensor:
    """`features`, with the gradient reversed."""
    return cast(Tensor, GradientReversal.apply(features, strength))  # type: ignore[no-untyped-call]


class Contested(nn.Module):
    """A network and the critic that tries to tell the domains of its features apart: train the two together.

    The network is trained in place, so nothing has to be taken out afterwards. `seen` counts the batches for
    the ramp, and is a buffer so that a resumed training goes on with it.
    """

    seen: Tensor

    def __init__(self, network: nn.Module, dim: int, settings: DomainSettings, *, n_domains: int = 2) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.critic = nn.Sequential(
            nn.Linear(dim, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, n_domains)
        )
        self.register_buffer("seen", torch.zeros(()))

    def strength(self) -> float:
        """λ of Ganin et al.: from 0 to `weight` along 2 / (1 + exp(−10 p)) − 1 over the ramp."""
        gone = min(1.0, self.seen.item() / max(1, self.settings.ramp_steps))
        if self.settings.ramp_steps == 0:
            gone = 1.0
        return self.settings.weight * (2 / (1 + math.exp(-STEEPNESS * gone)) - 1)

    def told_apart(self, features: Tensor) -> Tensor:
        """The critic's logits [B, n_domains] of features [B, dim], gradient reversed below it."""
        return cast(Tensor, self.critic(reverse(features, self.strength())))


def domain_adversarial(loss: Loss, *, features: Place) -> Loss:
    """A loss for a `Contested` network: the task's loss, plus the critic's over gradient reversal.

    `loss` is the task's, of the inner network; `features` names the module of the inner network whose output
    [B, dim] must not tell the domain. A batch has a further entry `domain` [B], 0 for the source; rows of
    other domains have no label (−100, which the task's loss must skip). Make such batches by training on the
    examples of both domains as one list. Ganin et al., JMLR 2016.

    Raises ConfigError when the batch names no domain or the network is not `Contested`.
    """

    def contested(network: nn.Module, batch: Batch) -> Tensor:
        if not isinstance(network, Contested):
            raise ConfigError(
                "domain-adversarial training needs a Contested(network, dim, settings).", key="network"
            )
        if "domain" not in batch:
            raise ConfigError("the batch has no 'domain': 0 for the source, 1 for the target.", key="domain")
        domain = batch["domain"]
        inner = {name: value for name, value in batch.items() if name != "domain"}
        with reading(place_in(network.network, features, "features")) as seen:
            value = loss(network.network, inner)
        vectors = torch.cat(seen)
        if not (domain == 0).any():
            value = vectors.sum() * 0.0  # a mean over no label at all would be NaN
        told = network.told_apart(vectors)
        if torch.is_grad_enabled():
            network.seen += 1
        return value + F.cross_entropy(gathered(told), gathered(domain))

    return contested
