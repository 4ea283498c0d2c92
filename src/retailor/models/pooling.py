"""From hidden states to a vector: the poolings of sentence-transformers, and the layers after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Pooling = str
"""One of POOLINGS, or several joined by '+', whose vectors stand one after another."""
POOLINGS = ("mean", "cls", "last", "max", "mean_sqrt_len_tokens", "weightedmean")
ACTIVATIONS = (
    "Identity", "Tanh", "ReLU", "ReLU6", "GELU", "SiLU", "Sigmoid", "LeakyReLU", "ELU", "SELU", "Mish",
    "Softplus", "Softsign", "Hardswish", "Hardtanh", "CELU", "LogSigmoid", "Tanhshrink",
)  # fmt: skip


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Float32 vectors [B, n · dim] of hidden states [B, T, dim], over the tokens of the mask [B, T].

    A row whose mask is empty gives its first token, or zeros.
    """
    parts = [_pool(hidden, mask, mode) for mode in pooling.split("+")]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def _pool(hidden: Tensor, mask: Tensor, mode: str) -> Tensor:
    rows = torch.arange(len(hidden), device=hidden.device)
    if mode == "cls":
        return hidden[rows, mask.argmax(dim=1)].float()
    if mode == "last":
        places = torch.arange(mask.shape[1], device=mask.device)
        last = (mask * places).argmax(dim=1)  # right-most real token, whichever side the padding is on
        return hidden[rows, last].float()
    real = mask.unsqueeze(-1).to(torch.float32)
    if mode == "max":
        lowest = hidden.float().masked_fill(real == 0, float("-inf")).amax(dim=1)
        return lowest.masked_fill(real.sum(1) == 0, 0.0)
    if mode == "weightedmean":  # Muennighoff, SGPT, 2022: a token weighs what its place is
        real = real * torch.arange(1, mask.shape[1] + 1, device=mask.device).view(1, -1, 1)
    weight = real.sum(1).clamp(min=1e-9)
    return (hidden.float() * real).sum(1) / (weight.sqrt() if mode == "mean_sqrt_len_tokens" else weight)


class Dense(nn.Module):
    """A linear layer and an activation, as sentence-transformers has it after its pooling."""

    def __init__(self, n_in: int, n_out: int, *, bias: bool, activation: str, residual: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out, bias=bias)
        self.activation = activation
        self.residual = nn.Linear(n_in, n_out, bias=False) if residual and n_in != n_out else None
        self.adds = residual

    def forward(self, vectors: Tensor) -> Tensor:
        made: Tensor = getattr(nn, self.activation)()(self.linear(vectors))
        if not self.adds:
            return made
        return made + (vectors if self.residual is None else self.residual(vectors))

    def described(self) -> dict[str, Any]:
        """The config.json of its folder."""
        name = "linear.Identity" if self.activation == "Identity" else f"activation.{self.activation}"
        return {
            "in_features": self.linear.in_features,
            "out_features": self.linear.out_features,
            "bias": self.linear.bias is not None,
            "activation_function": f"torch.nn.modules.{name}",
            **({"use_residual": True} if self.adds else {}),
        }


class Normed(nn.Module):
    """Layer normalisation of a pooled vector."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.norm(vectors)  # type: ignore[no-any-return]

    def described(self) -> dict[str, Any]:
        return {"dimension": self.norm.normalized_shape[0]}


class Unit(nn.Module):
    """Vectors of length one, in the middle of a head."""

    def forward(self, vectors: Tensor) -> Tensor:
        return nn.functional.normalize(vectors, dim=-1)

    def described(self) -> dict[str, Any]:
        return {}


NAMES: Mapping[type[nn.Module], str] = {Dense: "Dense", Normed: "LayerNorm", Unit: "Normalize"}


class Head(nn.Module):
    """What follows the pooling: layers in order, then the first `truncate_dim` numbers of the vector."""

    def __init__(self, steps: list[nn.Module], truncate_dim: int | None = None) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.truncate_dim = truncate_dim

    def forward(self, vectors: Tensor) -> Tensor:
        for step in self.steps:
            vectors = step(vectors)
        return vectors[:, : self.truncate_dim]

    def dim(self, pooled: int) -> int:
        """Numbers of a vector, when the pooling gives `pooled`."""
        for step in self.steps:
            pooled = step.linear.out_features if isinstance(step, Dense) else pooled
        return min(pooled, self.truncate_dim or pooled)

    def named_steps(self) -> Iterator[tuple[str, Any]]:
        """Each step with the name of its module in sentence-transformers."""
        for step in self.steps:
            yield NAMES[type(step)], step
