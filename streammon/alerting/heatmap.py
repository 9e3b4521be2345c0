"""An anomaly map as a picture with the same meaning on every camera."""

import cv2
import numpy as np

from streammon.records import AnomalyMap

THRESHOLD_GREY = 128
MIN_THRESHOLD = 1e-6  # a bank of one repeated picture is surprised by nothing and by everything


def heatmap_png(anomaly_map: AnomalyMap, threshold: float) -> bytes:
    """The map as an 8-bit grey PNG: 0 is distance 0, 128 the opening threshold, 255 about twice that and more.

    Grey is linear in distance, so a reader gets it back as `grey / 128 * threshold`, to half a grey step.

    Args:
        anomaly_map: (H, W) float32 distances, >= 0.
        threshold: Distance at which an alert opens; below 1e-6 it counts as that.

    Returns:
        A PNG file of W x H pixels.

    >>> png = heatmap_png(np.array([[0.0, 3.0, 6.0, 60.0]], np.float32), threshold=6.0)
    >>> cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).tolist()
    [[0, 64, 128, 255]]
    """
    grey_per_distance = np.float32(THRESHOLD_GREY / max(threshold, MIN_THRESHOLD))
    grey = np.clip(np.rint(anomaly_map * grey_per_distance), 0, 255).astype(np.uint8)
    _, png = cv2.imencode(".png", grey)
    return png.tobytes()
