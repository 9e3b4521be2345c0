"""Agreement of feature maps: those of two engines, and those of a backbone and of the one that fitted a bank."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

MOST_DIFFERENCE = 0.1
"""Largest relative difference between feature maps that counts as agreement; bfloat16 alone makes 0.01 to 0.06."""

PROBE_SIDE = 256
PROBE_VALUES = 64
"""Number of values of each of three maps that a probe consists of."""


def probe_pictures(count: int) -> Tensor:
    """Made-up pictures (count, 256, 256, 3) uint8 of blotches of four sizes, the same at every call."""
    rng = np.random.default_rng(0)
    total = np.full((count, PROBE_SIDE, PROBE_SIDE, 3), 128.0)
    for blotch in (64, 16, 4, 1):
        coarse = rng.normal(0, 30, (count, PROBE_SIDE // blotch, PROBE_SIDE // blotch, 3))
        total += coarse.repeat(blotch, 1).repeat(blotch, 2)
    return torch.from_numpy(total.clip(0, 255).astype(np.uint8))


def probe_values(maps: Sequence[Tensor]) -> tuple[float, ...]:
    """Values of three maps (1, C, h, w), 64 of each, at scattered places that are the same at every call."""
    rng = np.random.default_rng(0)
    values = []
    for each in maps:
        flat = each.float().cpu().reshape(-1)
        values += flat[torch.from_numpy(rng.integers(0, len(flat), PROBE_VALUES))].tolist()
    return tuple(float(f"{value:.6g}") for value in values)


def probes_agree(one: Sequence[float], other: Sequence[float]) -> bool:
    """True if the values of each map agree, so that the maps do; False for another number of values."""
    if len(one) != len(other):
        return False
    values, others = (torch.tensor(each).view(-1, PROBE_VALUES).unbind() for each in (one, other))
    return difference(values, others) <= MOST_DIFFERENCE


def difference(maps: Sequence[Tensor], reference: Sequence[Tensor]) -> float:
    """Largest relative difference of a map from the reference's, |a - b| / |b|."""
    pairs = [(one.cpu(), other.cpu()) for one, other in zip(maps, reference, strict=True)]
    return float(torch.stack([(one - other).norm() / other.norm() for one, other in pairs]).max())  # nan stays nan
