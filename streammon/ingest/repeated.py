"""Detection of a camera that sends one and the same picture for ever."""

import zlib
from collections import OrderedDict

import numpy as np
from av.video.frame import VideoFrame

REMEMBERED = 8
"""Different pictures that count as one: an encoder renders a still picture a little differently in the first frames
after each keyframe."""


class RepeatedPicture:
    """Duration for which a camera has sent one and the same picture, bit by bit in its brightness.

    A sensor's noise is never the same twice, and is encoded anew with each keyframe at the latest. The picture of an
    encoder whose sensor hangs is.
    """

    def __init__(self) -> None:
        self._checksums: OrderedDict[int, None] = OrderedDict()
        self._since_s = 0.0

    def seconds(self, picture: VideoFrame, now_s: float) -> float:
        """Seconds since a new picture came; `now_s` may be of any monotonic clock."""
        checksum = luma_checksum(picture)
        if checksum not in self._checksums:
            self._since_s = now_s
        self._checksums[checksum] = None
        self._checksums.move_to_end(checksum)
        if len(self._checksums) > REMEMBERED:
            self._checksums.popitem(last=False)
        return now_s - self._since_s


def luma_checksum(picture: VideoFrame) -> int:
    """CRC-32 of a picture's first plane (the brightness, or all of a packed format), without the rows' padding."""
    if picture.planes[0].line_size < 0:  # rows from the bottom to the top, as in raw AVI
        picture = picture.reformat(format="gray")
    plane = picture.planes[0]
    layout = picture.format
    bits = layout.components[0].bits if layout.is_planar else layout.padded_bits_per_pixel
    row_bytes = min(plane.line_size, plane.width * -(-bits // 8))
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, :row_bytes]
    return zlib.crc32(rows.tobytes())
