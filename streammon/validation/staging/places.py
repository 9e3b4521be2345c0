"""Places in the picture where nothing moved."""

import cv2
import numpy as np
from numpy.typing import NDArray

QUIET_SHARE = 0.002
"""Largest share of frames with motion at a pixel that still counts as no motion: so little is noise."""


def quiet_shifts(
    covered: NDArray[np.uint8], corner: tuple[int, int], traffic: NDArray[np.float32], margin: int
) -> NDArray[np.int64]:
    """Shifts of a footprint to places in the picture where nothing moved.

    Args:
        covered: (h, w) uint8, 1 where the footprint is.
        corner: x, y of the footprint's top left corner in the picture.
        traffic: (H, W) share of the frames in which something moved.
        margin: Minimum distance of the footprint from motion, in pixels.

    Returns:
        (K, 2) x, y shifts; empty where there is no such place.
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
    """A random shift of the quarter with the least vertical part, where the object's size remains plausible."""
    height = np.abs(shifts[:, 1])
    level = shifts[height <= np.quantile(height, 0.25)]
    x, y = level[rng.integers(len(level))]
    return int(x), int(y)
