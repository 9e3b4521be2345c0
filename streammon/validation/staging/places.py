"""Places in the picture where nothing moved."""

import cv2
import numpy as np
from numpy.typing import NDArray

QUIET_SHARE = 0.002
"""Of the frames: what moved at a pixel less often never moved there; a speck of noise did."""


def quiet_shifts(
    covered: NDArray[np.uint8], corner: tuple[int, int], traffic: NDArray[np.float32], margin: int
) -> NDArray[np.int64]:
    """How a footprint may be shifted so that all of it lies in the picture where nothing moved.

    Args:
        covered: (h, w) uint8, 1 where the footprint is.
        corner: x, y of its top left in the picture.
        traffic: (H, W) share of the frames in which something moved.
        margin: Pixels to keep from where something did.

    Returns:
        (K, 2) x, y shifts; none where there is no such place.
    """
    h, w = covered.shape
    if h > traffic.shape[0] or w > traffic.shape[1]:
        return np.empty((0, 2), np.int64)
    around = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    busy = cv2.dilate((traffic > QUIET_SHARE).astype(np.uint8), around)
    crossed = cv2.matchTemplate(busy.astype(np.float32), covered.astype(np.float32), cv2.TM_CCORR)
    rows, columns = np.nonzero(crossed < 0.5)
    return np.stack([columns - corner[0], rows - corner[1]], axis=1).astype(np.int64)


def likely_shift(shifts: NDArray[np.int64], rng: np.random.Generator) -> tuple[int, int]:
    """One of the shifts, drawn from the quarter that moves least up or down: there its size stays believable."""
    height = np.abs(shifts[:, 1])
    level = shifts[height <= np.quantile(height, 0.25)]
    x, y = level[rng.integers(len(level))]
    return int(x), int(y)
