"""Where in the picture it is abnormal."""

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import AnomalyMap, Box

MAX_REGIONS = 10
PEAK_FRACTION = 0.9


def regions(anomaly_map: AnomalyMap, threshold: float, source_size: tuple[int, int]) -> tuple[Box, ...]:
    """Boxes around the connected regions at or above a threshold, the worst first, at most ten.

    Where nothing reaches the threshold (an alert that fades, or a frame score which is not the map's maximum),
    the one box is around the peak, down to nine tenths of it: the map is blurred, so every peak is a hill,
    and that contour is its top whatever its height.

    No region is dropped for being small: on a blurred map a speck is the tip of a hill, not noise.

    Args:
        anomaly_map: (H, W) float32 scores, >= 0: distances or surprise, as the method gives them.
        threshold: Score at which a pixel is abnormal.
        source_size: Width and height of the camera's own picture, in pixels.

    Returns:
        Boxes in pixels of the camera's own picture, none smaller than one pixel;
        empty where the map is zero everywhere.

    >>> anomaly_map = np.zeros((4, 8), np.float32)
    >>> anomaly_map[1:3, 2:4] = 5
    >>> regions(anomaly_map, threshold=3.0, source_size=(80, 40))
    (Box(x=20, y=10, width=20, height=20, peak=5.0),)
    """
    peak = float(anomaly_map.max())
    if peak <= 0:
        return ()
    whole = peak >= threshold
    labels, corners, peaks = _components(anomaly_map, threshold if whole else PEAK_FRACTION * peak)
    if whole:
        worst_first = np.argsort(-peaks, kind="stable")[:MAX_REGIONS]
    else:
        worst_first = np.array([labels.flat[int(anomaly_map.argmax())] - 1])
    return tuple(
        _box(corners[region], float(peaks[region]), anomaly_map.shape, source_size) for region in worst_first
    )


def _components(
    anomaly_map: AnomalyMap, threshold: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Labels (H, W) from 1, corners (N, 4) as x, y, width, height in map cells, and peaks (N,)."""
    mask = anomaly_map >= threshold
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = found.astype(np.int32, copy=False)
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, labels[mask], anomaly_map[mask])
    return (
        labels,
        stats[1:, : cv2.CC_STAT_AREA].astype(np.int32, copy=False),
        peaks[1:],
    )  # component 0 is what lies below the threshold


def _box(corner: NDArray[np.int32], peak: float, map_shape: tuple[int, ...], source_size: tuple[int, int]) -> Box:
    """A component's corner on the map as a box in the camera's picture: every pixel the cells touch."""
    (rows, columns), (source_width, source_height) = map_shape, source_size
    x, y, width, height = (int(cells) for cells in corner)
    left, top = x * source_width // columns, y * source_height // rows  # whole numbers: a float may end outside
    right, bottom = -(-(x + width) * source_width // columns), -(-(y + height) * source_height // rows)
    return Box(left, top, right - left, bottom - top, peak)
