"""Anomaly maps of frames, smoothed from distances on the patch grid, and the frame score of each map.

PaDiM section III-C: the anomaly map is the grid of distances, upsampled (bicubic) and blurred (Gaussian, sigma 4).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA = 4.0  # pixels of the model's input, as in the paper
TRUNCATE = 4.0  # radius of the blur's kernel in sigmas, as in scipy.ndimage.gaussian_filter
WORST_FRACTION = 0.01


class MapSmoother:
    """Upsamples and blurs anomaly maps: two small matrix products a map.

    Bicubic upsampling and a Gaussian blur are both linear and separable, so for a fixed size the two together are
    one matrix per side: map = V grid H^T. The map equals upsampling, then blurring, up to float rounding.
    """

    def __init__(self, grid: tuple[int, int], size: tuple[int, int], device: torch.device) -> None:
        self._vertical = _upsample_and_blur(grid[0], size[0]).to(device)
        self._horizontal = _upsample_and_blur(grid[1], size[1]).to(device)

    def __call__(self, distances: Tensor) -> Tensor:
        """Anomaly maps (B, H, W) of distances (B, h, w)."""
        return self._vertical @ distances @ self._horizontal.T


def _upsample_and_blur(cells: int, pixels: int) -> Tensor:
    """Matrix (pixels, cells) of bicubic upsampling from `cells` values to `pixels`, then the Gaussian blur."""
    identity = torch.eye(cells, dtype=torch.float64)[None, None]  # each column is one cell's unit impulse
    upsampled = F.interpolate(identity, size=(pixels, cells), mode="bicubic", align_corners=False)[0, 0]
    radius = int(TRUNCATE * SIGMA + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    mirrored = _mirror(torch.arange(-radius, pixels + radius), pixels)  # border mode `reflect` of scipy
    windows = upsampled[mirrored].unfold(0, len(kernel), 1)  # (pixels, cells, kernel)
    return (windows @ (kernel / kernel.sum())).float()


def _mirror(indices: Tensor, length: int) -> Tensor:
    """Indices with those beyond the ends folded back, the edge repeated: d c b a | a b c d | d c b a."""
    folded = indices % (2 * length)
    return torch.where(folded < length, folded, 2 * length - 1 - folded)


def frame_scores(maps: Tensor, method: str = "max") -> Tensor:
    """Score of each map: the maximum, as in the paper, or the mean of the largest 1 % of its pixels.

    Args:
        maps: (B, H, W) anomaly maps.
        method: `max` or `worst_percent`.

    Returns:
        (B,) scores, in the map's unit.

    >>> frame_scores(torch.tensor([[[1.0, 5.0]]]))
    tensor([5.])
    """
    pixels = maps.flatten(1)
    if method == "max":
        return pixels.amax(1)
    worst = max(1, round(pixels.shape[1] * WORST_FRACTION))
    return pixels.topk(worst, dim=1, sorted=False).values.mean(1)
