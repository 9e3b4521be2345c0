"""Bounding boxes of the abnormal regions of an anomaly map."""

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import AnomalyMap, Box

MAX_REGIONS = 10
PEAK_FRACTION = 0.9


def regions(anomaly_map: AnomalyMap, threshold: float, source_size: tuple[int, int]) -> tuple[Box, ...]:
    """Boxes around the connected regions at or above a threshold, the highest peak first, at most ten.

    If the map's maximum is below the threshold (a fading alert, or a frame score that is not the map's maximum), the
    only box surrounds the maximum: the connected region of cells >= 0.9 * maximum. The map is blurred, so this
    contour encloses the top of the peak whatever its height.

    Small regions are kept: on a blurred map a small region is the tip of a peak, not noise.

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
    """Connected regions at or above the threshold.

    Returns:
        labels (H, W), 0 below the threshold and from 1 in the N regions; corners (N, 4) as x, y, width, height in
        map cells; peaks (N,), the largest score of each region.
    """
    mask = anomaly_map >= threshold
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = found.astype(np.int32, copy=False)
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, labels[mask], anomaly_map[mask])
    return (
        labels,
        stats[1:, : cv2.CC_STAT_AREA].astype(np.int32, copy=False),
        peaks[1:],
    )  # component 0 is the background, below the threshold


def _box(corner: NDArray[np.int32], peak: float, map_shape: tuple[int, ...], source_size: tuple[int, int]) -> Box:
    """A region of the map as a box in the camera's picture, rounded outwards to every pixel its cells touch."""
    (rows, columns), (source_width, source_height) = map_shape, source_size
    x, y, width, height = (int(cells) for cells in corner)
    left, top = x * source_width // columns, y * source_height // rows  # in integers: a rounded float may lie outside
    right, bottom = -(-(x + width) * source_width // columns), -(-(y + height) * source_height // rows)
    return Box(left, top, right - left, bottom - top, peak)
