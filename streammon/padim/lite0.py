"""EfficientNet-Lite0 up to level 5, with the tensor names of the packaged weights.

Source: table 1 of arXiv:1905.11946 (EfficientNet-B0) without squeeze-and-excitation and with ReLU6, which is what
TensorFlow's `efficientnet/lite` is. The weights were trained with TensorFlow's padding.

Written here, since a model library takes seconds to import, which every command would wait for.
"""

from collections import OrderedDict
from itertools import pairwise
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

STEM_CHANNELS = 32
NORM_EPSILON = 1e-3


class NetworkLevel(NamedTuple):
    """A level of the network: consecutive blocks, of which the first may halve the grid.

    Attributes:
        expansion: Factor by which a block widens its input.
        kernel: Side of the depthwise convolution's kernel.
        stride: Stride of the first block.
        channels: Number of channels of the output.
        blocks: Number of blocks.
    """

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


LEVELS = (
    NetworkLevel(1, 3, 1, 16, 1),
    NetworkLevel(6, 3, 2, 24, 2),
    NetworkLevel(6, 5, 2, 40, 2),
    NetworkLevel(6, 3, 2, 80, 3),
    NetworkLevel(6, 5, 1, 112, 3),
)


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow does: ceil(side / stride) outputs, the odd pixel at the right and bottom."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        pads: list[int] = []
        for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = (side - 1) // stride * stride + kernel - side
            if kernel < stride:  # else it is never below 0, and OpenVINO converts no maximum of sides
                total = max(total, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


class Block(nn.Sequential):
    """Inverted residual: 1x1 expansion, depthwise convolution and 1x1 projection, each followed by batch norm."""

    def __init__(self, inputs: int, level: NetworkLevel, stride: int) -> None:
        wide = inputs * level.expansion
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if level.expansion > 1:
            parts["_expand_conv"] = _convolution(inputs, wide, 1)
            parts["_bn0"] = nn.BatchNorm2d(wide, NORM_EPSILON)
            parts["_expanded"] = nn.ReLU6(inplace=True)
        parts["_depthwise_conv"] = _convolution(wide, wide, level.kernel, stride, groups=wide)
        parts["_bn1"] = nn.BatchNorm2d(wide, NORM_EPSILON)
        parts["_filtered"] = nn.ReLU6(inplace=True)
        parts["_project_conv"] = _convolution(wide, level.channels, 1)
        parts["_bn2"] = nn.BatchNorm2d(level.channels, NORM_EPSILON)
        super().__init__(parts)
        self.is_residual = stride == 1 and inputs == level.channels

    def forward(self, x: Tensor) -> Tensor:
        """Output (B, C', H', W') of an input (B, C, H, W)."""
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return y + x if self.is_residual else y


class Lite0(nn.Module):
    """The network's stem and blocks, without weights; `stages` makes them callable."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _convolution(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, NORM_EPSILON)
        inputs, blocks = STEM_CHANNELS, []
        for level in LEVELS:
            for number in range(level.blocks):
                blocks.append(Block(inputs, level, 1 if number else level.stride))
                inputs = level.channels
        self._blocks = nn.ModuleList(blocks)

    def stages(self) -> list[nn.Module]:
        """Three stages that end with levels 3, 4 and 5."""
        ends = [sum(level.blocks for level in LEVELS[:count]) for count in (3, 4, 5)]
        stem = nn.Sequential(self._conv_stem, self._bn0, nn.ReLU6(inplace=True), *self._blocks[: ends[0]])
        return [stem, *(nn.Sequential(*self._blocks[begin:end]) for begin, end in pairwise(ends))]
