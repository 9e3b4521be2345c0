"""Picture of an alert with its abnormal regions marked."""

from collections.abc import Sequence

import cv2
import numpy as np

from streammon.records import Box

RED = (40, 40, 230)  # BGR
LINE_SHARE = 1 / 240  # of the picture's width


def with_boxes(jpeg: bytes, boxes: Sequence[Box], size: tuple[int, int], quality: int) -> bytes:
    """A JPEG with boxes drawn on it.

    Args:
        jpeg: The picture, of any size.
        boxes: Abnormal regions, in pixels of the stream that is scored.
        size: Width and height of that stream.
        quality: JPEG quality of the result, 1 to 100.
    """
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height, width = picture.shape[:2]
    line = max(2, round(width * LINE_SHARE))
    for box in boxes:
        left, right = (round(x * width / size[0]) for x in (box.x, box.x + box.width))
        top, bottom = (round(y * height / size[1]) for y in (box.y, box.y + box.height))
        cv2.rectangle(picture, (left, top), (right, bottom), RED, line)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
