"""Names and shapes in torchvision's published weights files, and files of the same layout with random values.

The layouts follow from the papers (arXiv:1605.07146, arXiv:1905.11946) and torchvision's names, without torchvision.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Layout = dict[str, tuple[int, ...]]
"""Shape of each tensor by its name, in the order of the file."""


@dataclass(frozen=True)
class Published:
    """A published file.

    Attributes:
        file: Its name.
        parameters: Number of parameters that torchvision states, without the running moments.
        layout: Makes the layout.
    """

    file: str
    parameters: int
    layout: Callable[[], Layout]


def _norm(name: str, channels: int) -> Layout:
    moments = {f"{name}.{each}": (channels,) for each in ("weight", "bias", "running_mean", "running_var")}
    return moments | {f"{name}.num_batches_tracked": ()}


def wide_resnet50_2() -> Layout:
    """3, 4, 6 and 3 bottlenecks, whose inner width is twice that of ResNet50."""
    layout: Layout = {"conv1.weight": (64, 3, 7, 7), **_norm("bn1", 64)}
    before = 64
    for number, blocks in enumerate((3, 4, 6, 3)):
        width, after = 128 * 2**number, 256 * 2**number
        for block in range(blocks):
            name = f"layer{number + 1}.{block}"
            layout[f"{name}.conv1.weight"] = (width, before, 1, 1)
            layout |= _norm(f"{name}.bn1", width)
            layout[f"{name}.conv2.weight"] = (width, width, 3, 3)
            layout |= _norm(f"{name}.bn2", width)
            layout[f"{name}.conv3.weight"] = (after, width, 1, 1)
            layout |= _norm(f"{name}.bn3", after)
            if block == 0:
                layout[f"{name}.downsample.0.weight"] = (after, before, 1, 1)
                layout |= _norm(f"{name}.downsample.1", after)
            before = after
    return layout | {"fc.weight": (1000, before), "fc.bias": (1000,)}


B5_LEVELS = (
    # expansion, kernel, channels and blocks: EfficientNet-B0's, 1.6 times as wide and 2.2 times as deep
    (1, 3, 24, 3),
    (6, 3, 40, 5),
    (6, 5, 64, 5),
    (6, 3, 128, 7),
    (6, 5, 176, 7),
    (6, 5, 304, 9),
    (6, 3, 512, 3),
)


def efficientnet_b5() -> Layout:
    """A stem, seven levels of inverted residual blocks with squeeze-and-excitation, and a last convolution."""
    layout: Layout = {"features.0.0.weight": (48, 3, 3, 3), **_norm("features.0.1", 48)}
    before = 48
    for number, (expansion, kernel, after, blocks) in enumerate(B5_LEVELS, 1):
        for block in range(blocks):
            layout |= _inverted_residual(f"features.{number}.{block}.block", before, after, expansion, kernel)
            before = after
    layout |= {"features.8.0.weight": (2048, before, 1, 1), **_norm("features.8.1", 2048)}
    return layout | {"classifier.1.weight": (1000, 2048), "classifier.1.bias": (1000,)}


def _inverted_residual(name: str, before: int, after: int, expansion: int, kernel: int) -> Layout:
    """Expansion (if any), depthwise convolution, squeeze-and-excitation, projection."""
    layout: Layout = {}
    hidden, squeezed, part = before * expansion, before // 4, 0
    if expansion > 1:
        layout[f"{name}.0.0.weight"] = (hidden, before, 1, 1)
        layout |= _norm(f"{name}.0.1", hidden)
        part = 1
    layout[f"{name}.{part}.0.weight"] = (hidden, 1, kernel, kernel)
    layout |= _norm(f"{name}.{part}.1", hidden)
    for each, shape in (("fc1", (squeezed, hidden, 1, 1)), ("fc2", (hidden, squeezed, 1, 1))):
        layout |= {f"{name}.{part + 1}.{each}.weight": shape, f"{name}.{part + 1}.{each}.bias": shape[:1]}
    layout[f"{name}.{part + 2}.0.weight"] = (after, hidden, 1, 1)
    return layout | _norm(f"{name}.{part + 2}.1", after)


PUBLISHED = {
    "wide_resnet50_2": Published("wide_resnet50_2-95faca4d.pth", 68_883_240, wide_resnet50_2),
    "efficientnet_b5": Published("efficientnet_b5_lukemelas-1a07897c.pth", 30_389_784, efficientnet_b5),
}


def parameters(layout: Layout) -> int:
    """Number of parameters, without the running moments and counters of batch norms."""
    moments = ("running_mean", "running_var", "num_batches_tracked")
    return sum(math.prod(shape) for name, shape in layout.items() if not name.endswith(moments))


def random_state(layout: Layout, seed: int) -> dict[str, Tensor]:
    """Random tensors of a layout that neither vanish nor explode in the network."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _random(name, shape, generator) for name, shape in layout.items()}


def _random(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    values = torch.randn(shape, generator=generator)
    if len(shape) > 1:
        return values * math.sqrt(1 / math.prod(shape[1:]))
    if name.endswith(("running_var", "weight")):
        return 0.75 + 0.25 * values.clamp(-1, 1)
    return 0.1 * values
