"""Pictures of alerts with boxes around the abnormal regions."""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Box

COLOUR = (32, 64, 255)  # BGR
LINE_SHARE = 0.003  # of the picture's longer side, at least 2 pixels: JPEG halves the resolution of colours


def jpeg_with_boxes(picture: NDArray[Any], boxes: Iterable[Box], size: tuple[int, int], quality: int) -> bytes:
    """A picture with boxes drawn on it, as JPEG.

    Args:
        picture: (H, W, 3) uint8 BGR; drawn on.
        boxes: Regions, in pixels of a picture of `size`.
        size: Width and height of the picture that the boxes are of.
        quality: JPEG quality, 1 to 100.
    """
    height, width = picture.shape[:2]
    line = max(2, round(LINE_SHARE * max(width, height)))
    for box in boxes:
        left, right = (round(x * width / size[0]) for x in (box.x, box.x + box.width))
        top, bottom = (round(y * height / size[1]) for y in (box.y, box.y + box.height))
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), COLOUR, line)
    _, jpeg = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(jpeg).tobytes()


def with_boxes(jpeg: bytes, boxes: Iterable[Box], size: tuple[int, int], quality: int) -> bytes:
    """A JPEG with boxes drawn on it; see `jpeg_with_boxes`."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return jpeg_with_boxes(picture, boxes, size, quality)
