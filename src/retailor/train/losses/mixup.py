"""Mixup of representations as a loss wrapper: each text's vector is a mean of its own and another's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from retailor.config import Field, settings
from retailor.train.losses.hooks import Batch, Loss, Place, changing, place_in

__all__ = ["MixupSettings", "mixup"]


@settings
class MixupSettings:
    """How much to mix."""

    alpha: float = Field(default=0.0, ge=0, le=10)
    """Shape of the Beta distribution of the parts; 0 mixes nothing, 1 draws all parts alike."""


def mixup(loss: Loss, settings: MixupSettings, *, representation: Place) -> Loss:
    """The loss over mixed representations; `loss` itself when alpha is 0, and where no gradient is taken.

    `representation` names the module whose output [B, …] is mixed with that of another row of the batch.
    Zhang et al., ICLR 2018, mix the labels too. Here every row keeps its own label and its own part is drawn
    from Beta(alpha + 1, alpha) instead of Beta(alpha, alpha): over random pairs that is the same expected
    loss wherever the loss is linear in the label, as cross entropy is, and any loss can be wrapped.
    """
    if settings.alpha == 0:
        return loss

    def mix(output: Tensor) -> Tensor:
        n = len(output)
        own = torch.distributions.Beta(settings.alpha + 1, settings.alpha).sample((n,))
        other = torch.randperm(n).to(output.device)
        part = own.view(-1, *[1] * (output.ndim - 1)).to(output)
        return part * output + (1 - part) * output[other]

    def mixed(network: nn.Module, batch: Batch) -> Tensor:
        if not torch.is_grad_enabled():
            return loss(network, batch)
        with changing(place_in(network, representation, "representation"), mix):
            return loss(network, batch)

    return mixed
