"""Adversarial training as loss wrappers: loss function in, loss function out.

The word embeddings of a batch are disturbed on their way into the network, so nothing is written into the
weights, and frozen embeddings are no obstacle: what is attacked is their output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retailor.config import Field, settings
from retailor.errors import ConfigError
from retailor.train.losses.domain_adversarial import (
    Contested,
    DomainSettings,
    GradientReversal,
    domain_adversarial,
)
from retailor.train.losses.hooks import (
    Batch,
    Loss,
    Place,
    changing,
    dice,
    drops,
    place_in,
    reading,
    throw_again,
)
from retailor.train.losses.hooks import word_embedding as word_embedding

__all__ = [
    "AdversarialSettings",
    "Contested",
    "DomainSettings",
    "GradientReversal",
    "adversarial",
    "check_adversarial",
    "domain_adversarial",
    "word_embedding",
]

Method = Literal["none", "fgm", "pgd", "freelb", "r-drop"]
Attack = Callable[[Loss, nn.Module, Batch, "AdversarialSettings", nn.Module], Tensor]
TINY = 1e-12


@settings
class AdversarialSettings:
    """How to make a training harder than its data."""

    method: Method = "none"
    """'fgm' is one step up the loss, 'pgd' several, 'freelb' several that count, 'r-drop' two dropouts."""
    epsilon: float = Field(default=0.01, gt=0, le=1)
    """Longest disturbance of a text, as a share of the length of its word embeddings."""
    steps: int = Field(default=3, ge=1, le=20)
    """Steps of 'pgd' and 'freelb'; each costs a pass."""
    step_size: float = Field(default=0.4, gt=0, le=2)
    """Length of one of these steps, as a share of `epsilon`."""
    weight: float = Field(default=1.0, gt=0)
    """How much the disturbed text counts beside the clean one (fgm, pgd), or agreeing does (r-drop)."""


def adversarial(
    loss: Loss,
    settings: AdversarialSettings,
    *,
    embedding: Place = word_embedding,
    logits: Place | None = None,
) -> Loss:
    """The loss with the method's term added; `loss` itself for 'none', and where no gradient is taken.

    `embedding` names the module whose output is disturbed; `logits`, for 'r-drop' alone, the one whose output
    [B, C] the loss takes as logits. Every pass over a batch but R-Drop's second throws the same dice, so a
    disturbance meets the dropout that it was made for. The disturbances themselves get no gradient.
    'r-drop' does not go over `mixup`, whose two passes would mix different rows.

    'fgm': clean + weight · loss(e + ε g/‖g‖), Miyato et al., ICLR 2017. 'pgd': the same after `steps`
    projected steps from the clean text, Madry et al., ICLR 2018. 'freelb': the mean loss over `steps` steps
    from a random start, Zhu et al., ICLR 2020. 'r-drop': mean of two passes + weight · symmetric KL between
    them, Liang et al., NeurIPS 2021.

    Raises ConfigError now when 'r-drop' has no `logits`, and at the first batch when the step cannot act
    (see `check_adversarial`).
    """
    if settings.method == "none":
        return loss
    if settings.method == "r-drop":
        return _r_drop(loss, settings, _given(logits))
    attack = ATTACKS[settings.method]

    def hardened(network: nn.Module, batch: Batch) -> Tensor:
        if not torch.is_grad_enabled():
            return loss(network, batch)
        return attack(loss, network, batch, settings, place_in(network, embedding, "embedding"))

    return hardened


def check_adversarial(
    network: nn.Module, settings: AdversarialSettings, *, embedding: Place = word_embedding
) -> None:
    """Raises ConfigError when the method cannot act on this network: call it before any work starts.

    It cannot without a module that embeds words, and R-Drop cannot where nothing is ever dropped.
    """
    if settings.method == "none":
        return
    if settings.method != "r-drop":
        place_in(network, embedding, "embedding")
    elif not drops(network):
        raise ConfigError(
            f"'r-drop' compares two dropouts, and {type(network).__name__} drops nothing: "
            "set a dropout above 0 or choose another method.",
            key="method",
            value=settings.method,
        )


def _given(logits: Place | None) -> Place:
    if logits is None:
        raise ConfigError("'r-drop' needs to know which module gives the logits.", key="logits")
    return logits


# disturbed embeddings -----------------------------------------------------------------------------


class _Disturbed:
    """The loss of a batch as a function of what is added to the embeddings, dropout held fixed."""

    def __init__(self, loss: Loss, network: nn.Module, batch: Batch, module: nn.Module) -> None:
        self.loss, self.network, self.batch, self.module = loss, network, batch, module
        self.dice = dice(network)
        self.outputs: list[Tensor] = []

    def at(self, start: Callable[[int, Tensor], Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The loss, and the disturbances: `start(i, output)` is what the i-th embedded text gets."""
        self.outputs = []
        added: list[Tensor] = []

        def disturb(output: Tensor) -> Tensor:
            more = start(len(added), output.detach()).requires_grad_()
            self.outputs.append(output.detach())
            added.append(more)
            return output + more

        throw_again(self.dice)
        with changing(self.module, disturb):
            return self.loss(self.network, self.batch), added

    def ascended(self, value: Tensor, added: list[Tensor], step: float, radius: float) -> list[Tensor]:
        """The disturbances after one step up the loss, back within the radius."""
        slopes = _slopes(value, added)
        moved = []
        for more, slope, output in zip(added, slopes, self.outputs, strict=True):
            real = slope.abs().sum(-1, keepdim=True) > 0  # padding has no slope, and must not lend its length
            length = _length(output * real)
            moved.append(_within(more.detach() * real + step * length * _unit(slope), radius * length))
        return moved


def _slopes(value: Tensor, added: Sequence[Tensor]) -> list[Tensor]:
    if not added or not value.requires_grad:
        found: Sequence[Tensor | None] = [None]
    else:
        found = torch.autograd.grad(value, list(added), retain_graph=True, allow_unused=True)
    if all(slope is None for slope in found):
        raise ConfigError(
            "the adversarial step cannot act: this loss does not depend on the word embeddings "
            "(the network below the head may be left out of the gradient).",
            key="method",
        )
    return [torch.zeros_like(a) if slope is None else slope for slope, a in zip(found, added, strict=True)]


def _length(rows: Tensor) -> Tensor:
    """Length of each text's embeddings, shaped to multiply them: [B, 1, 1] for [B, T, D]."""
    lengths: Tensor = torch.linalg.vector_norm(rows.flatten(1).float(), dim=1)
    return lengths.view(-1, *[1] * (rows.ndim - 1))


def _unit(rows: Tensor) -> Tensor:
    return rows / _length(rows).clamp(min=TINY)


def _within(rows: Tensor, radius: Tensor) -> Tensor:
    return rows * (radius / _length(rows).clamp(min=TINY)).clamp(max=1.0)


def _nothing(_: int, output: Tensor) -> Tensor:
    return torch.zeros_like(output)


def _as_given(moved: Sequence[Tensor]) -> Callable[[int, Tensor], Tensor]:
    return lambda i, _: moved[i]


def _pgd(
    loss: Loss, network: nn.Module, batch: Batch, given: AdversarialSettings, module: nn.Module
) -> Tensor:
    disturbed = _Disturbed(loss, network, batch, module)
    one = given.method == "fgm"
    step = given.epsilon * (1.0 if one else given.step_size)
    clean, added = disturbed.at(_nothing)
    value = clean
    for _ in range(1 if one else given.steps):
        moved = disturbed.ascended(value, added, step, given.epsilon)
        value, added = disturbed.at(_as_given(moved))
    return clean + given.weight * value


def _freelb(
    loss: Loss, network: nn.Module, batch: Batch, given: AdversarialSettings, module: nn.Module
) -> Tensor:
    disturbed = _Disturbed(loss, network, batch, module)
    noise = _noise(network)

    def start(_: int, output: Tensor) -> Tensor:
        typical = output.float().pow(2).mean(-1, keepdim=True).sqrt()  # a token's own size
        even = torch.rand(output.shape, generator=noise) * 2 - 1
        return given.epsilon * typical * even.to(output.device)

    value, added = disturbed.at(start)
    total = value
    for _ in range(given.steps - 1):
        moved = disturbed.ascended(value, added, given.epsilon * given.step_size, given.epsilon)
        value, added = disturbed.at(_as_given(moved))
        total = total + value
    return total / given.steps


def _noise(network: nn.Module) -> torch.Generator:
    """Noise of its own, which the loop's seed of this step decides and which leaves dropout's dice alone."""
    states = dice(network)
    seed = int(torch.randint(1 << 62, ()).item())
    throw_again(states)
    return torch.Generator().manual_seed(seed)


ATTACKS: dict[str, Attack] = {"fgm": _pgd, "pgd": _pgd, "freelb": _freelb}


# two dropouts -------------------------------------------------------------------------------------


def _r_drop(loss: Loss, given: AdversarialSettings, logits: Place) -> Loss:
    def agreeing(network: nn.Module, batch: Batch) -> Tensor:
        if not torch.is_grad_enabled():
            return loss(network, batch)
        check_adversarial(network, given)
        with reading(place_in(network, logits, "logits")) as seen:
            first, second = loss(network, batch), loss(network, batch)
        half = len(seen) // 2
        apart = [_divergence(a, b) for a, b in zip(seen[:half], seen[half:], strict=True)]
        if not apart:
            raise ConfigError("the module that 'logits' names is not used by the loss.", key="logits")
        return (first + second) / 2 + given.weight * torch.stack(apart).mean()

    return agreeing


def _divergence(a: Tensor, b: Tensor) -> Tensor:
    """Mean over rows of the symmetric KL divergence between two softmaxes of logits [..., C]."""
    p, q = (F.log_softmax(rows.float().flatten(0, -2), dim=-1) for rows in (a, b))
    return ((p.exp() - q.exp()) * (p - q)).sum(-1).mean() / 2
