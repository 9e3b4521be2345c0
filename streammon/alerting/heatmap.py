"""Anomaly map as a PNG file."""

import cv2

from streammon.heatmap import heatmap_grey
from streammon.records import AnomalyMap


def heatmap_png(anomaly_map: AnomalyMap, threshold: float) -> bytes:
    """The map as an 8-bit grey PNG of its own size, in the greys of `heatmap_grey`.

    Args:
        anomaly_map: (H, W) float32 scores, >= 0: distances or surprise, as the method gives them.
        threshold: Score at which an alert opens.

    Returns:
        A PNG file of W x H pixels.

    >>> import numpy as np
    >>> png = heatmap_png(np.array([[0.0, 3.0, 6.0, 60.0]], np.float32), threshold=6.0)
    >>> cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).tolist()
    [[0, 64, 128, 255]]
    """
    _, png = cv2.imencode(".png", heatmap_grey(anomaly_map, threshold))
    return png.tobytes()
