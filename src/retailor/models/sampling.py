"""Sampling whose noise belongs to a prompt, so that its draft does not depend on the batch it is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor import seeds


class GumbelNoise:
    """A transformers logits processor that makes the greedy choice a sample at `temperature`.

    The arg max of log-probabilities plus Gumbel noise is a draw from the distribution (Gumbel-max trick;
    Maddison et al., A* Sampling, NeurIPS 2014). Each row has a random stream of its own.
    """

    def __init__(self, streams: Sequence[np.random.Generator], temperature: float, top_p: float) -> None:
        self.streams = streams
        self.temperature = temperature
        self.top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scaled = (scores.float() / self.temperature).log_softmax(-1)  # [B, V]
        if self.top_p < 1:
            scaled = nucleus(scaled, self.top_p)
        noise = np.stack([_gumbel(stream, scores.shape[-1]) for stream in self.streams])
        return scaled + torch.from_numpy(noise).to(scaled)


def _gumbel(stream: np.random.Generator, n: int) -> NDArray[np.float32]:
    return stream.gumbel(size=n).astype(np.float32)


def nucleus(log_probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The same rows with everything outside the smallest set of mass `top_p` at −∞; the likeliest stays.

    Holtzman et al., The Curious Case of Neural Text Degeneration, ICLR 2020.
    """
    ordered, places = log_probabilities.sort(dim=-1, descending=True)
    before = ordered.exp().cumsum(-1) - ordered.exp()
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return torch.empty_like(ordered).scatter(-1, places, ordered)


def sampler(prompts: Sequence[str], temperature: float, top_p: float, seed: int) -> list[Any]:
    """The logits processors for a batch of prompts: none when temperature is 0."""
    if temperature <= 0:
        return []
    streams = [seeds.stream(seed, "generate", prompt) for prompt in prompts]
    return [GumbelNoise(streams, temperature, top_p)]
