"""Anomaly maps as grey images on a scale that is the same for every camera."""

import numpy as np
from numpy.typing import NDArray

from streammon.records import AnomalyMap

THRESHOLD_GREY = 128
MIN_THRESHOLD = 1e-6  # avoids a division by zero: a bank fitted on one repeated picture may have threshold 0


def heatmap_grey(anomaly_map: AnomalyMap, threshold: float) -> NDArray[np.uint8]:
    """Convert an anomaly map to greys: 0 is score 0, 128 the opening threshold, 255 about twice that or more.

    grey = min(round(128 * score / threshold), 255), so score = grey / 128 * threshold to half a grey step below 255.

    Args:
        anomaly_map: (H, W) float32 scores, >= 0.
        threshold: Score at which an alert opens; values below 1e-6 are raised to 1e-6.

    Returns:
        (H, W) uint8.

    >>> heatmap_grey(np.array([[0.0, 3.0, 6.0, 60.0]], np.float32), threshold=6.0)
    array([[  0,  64, 128, 255]], dtype=uint8)
    """
    grey_per_distance = np.float32(THRESHOLD_GREY / max(threshold, MIN_THRESHOLD))
    grey: NDArray[np.uint8] = np.clip(np.rint(anomaly_map * grey_per_distance), 0, 255).astype(np.uint8)
    return grey
