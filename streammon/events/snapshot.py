"""Picture of an alert's peak with its boxes."""

from collections.abc import Iterable

import cv2

from streammon.records import Box, Picture

QUALITY = 90  # evidence: fine enough to recognise what is in a box
BOX_COLOUR = (255, 64, 32)  # RGB
LINE_SHARE = 0.003  # of the picture's longer side, at least 2 pixels: JPEG halves the resolution of colours


def snapshot_jpeg(picture: Picture, boxes: Iterable[Box]) -> bytes:
    """A picture with boxes drawn around its abnormal regions, as JPEG.

    Args:
        picture: (H, W, 3) uint8 RGB.
        boxes: Regions in pixels of the picture.
    """
    drawn = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    thickness = max(2, round(LINE_SHARE * max(picture.shape)))
    for box in boxes:
        corners = (box.x, box.y), (box.x + box.width - 1, box.y + box.height - 1)
        cv2.rectangle(drawn, *corners, BOX_COLOUR[::-1], thickness)
    _, jpeg = cv2.imencode(".jpg", drawn, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    return jpeg.tobytes()
