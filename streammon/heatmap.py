"""An anomaly map in greys that mean the same on every camera."""

import numpy as np
from numpy.typing import NDArray

from streammon.records import AnomalyMap

THRESHOLD_GREY = 128
MIN_THRESHOLD = 1e-6  # a bank of one repeated picture is surprised by nothing and by everything


def heatmap_grey(anomaly_map: AnomalyMap, threshold: float) -> NDArray[np.uint8]:
    """The map in greys: 0 is distance 0, 128 the opening threshold, 255 about twice that and more.

    Grey is linear in distance, so a reader gets it back as `grey / 128 * threshold`, to half a grey step.

    Args:
        anomaly_map: (H, W) float32 distances, >= 0.
        threshold: Distance at which an alert opens; below 1e-6 it counts as that.

    Returns:
        (H, W) uint8.

    >>> heatmap_grey(np.array([[0.0, 3.0, 6.0, 60.0]], np.float32), threshold=6.0)
    array([[  0,  64, 128, 255]], dtype=uint8)
    """
    grey_per_distance = np.float32(THRESHOLD_GREY / max(threshold, MIN_THRESHOLD))
    grey: NDArray[np.uint8] = np.clip(np.rint(anomaly_map * grey_per_distance), 0, 255).astype(np.uint8)
    return grey
