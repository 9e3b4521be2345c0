"""Composition of a stream's pictures in YUV: camera picture, heatmap over it, or heatmap alone."""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from streammon.heatmap import heatmap_grey
from streammon.preview.streams.colours import heat_opacity, heat_yuv
from streammon.records import AnomalyMap

NO_MAP_YUV = (48, 128, 128)
"""Colour of a missing heatmap: a dark grey that no score is shown in."""

Number = TypeVar("Number", np.uint8, np.uint16)

MAX_HEIGHT = 4096  # of H.264 at level 5.2, the highest that browsers decode; x264 refuses more than 16384
HD_HEIGHT = 720  # an unspecified matrix is BT.709 from this height on, as players assume


class Heat:
    """One anomaly map, with its greys computed on first use.

    Attributes:
        anomaly_map: (H, W) float32 distances.
        threshold: Distance at which an alert opens.
    """

    def __init__(self, anomaly_map: AnomalyMap, threshold: float) -> None:
        self.anomaly_map = anomaly_map
        self.threshold = threshold
        self._grey: NDArray[np.uint8] | None = None

    @property
    def grey(self) -> NDArray[np.uint8]:
        """(H, W) `heatmap_grey` of the map."""
        if self._grey is None:
            self._grey = heatmap_grey(self.anomaly_map, self.threshold)
        return self._grey


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Newest picture and heatmap of one camera.

    Attributes:
        picture: The picture as decoded; shared between threads, so it must not be modified.
        stream_time_s: Seconds since the first picture of its connection.
        heat: The newest anomaly map, of this picture or an earlier one; None if there is none.
        of_main: The picture is of the main stream, and the anomaly map of the sub-stream.
    """

    picture: av.VideoFrame
    stream_time_s: float
    heat: Heat | None = field(default=None)
    of_main: bool = False


class Planes(NamedTuple):
    """The three planes of a yuv420p picture, as arrays that share its memory."""

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Planes":
        """Views of a frame's planes without their padding."""
        return cls(
            *(
                np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
                for plane in frame.planes
            )
        )


def shown_size(width: int, height: int, max_width: int) -> tuple[int, int]:
    """Size of a picture scaled down to `max_width` and `MAX_HEIGHT`, with even width and height.

    >>> shown_size(1920, 1080, 960), shown_size(641, 361, 960), shown_size(100, 2000, 960), shown_size(90, 9000, 960)
    ((960, 540), (640, 360), (100, 2000), (40, 4000))
    """
    shown = min(width, max_width, max(1, width * MAX_HEIGHT // height))
    return max(16, shown // 2 * 2), max(16, round(height * shown / width) // 2 * 2)


def matrix_of(picture: av.VideoFrame) -> int:
    """Colour matrix of a picture: 601 for BT.601, 709 for BT.709."""
    if picture.colorspace == Colorspace.ITU709:
        return 709
    is_bt601 = picture.colorspace in (4, 5, 6, 7)  # AVColorSpace: FCC, BT.470 BG, SMPTE 170M and 240M
    return 709 if not is_bt601 and picture.height >= HD_HEIGHT else 601


def jpeg(frame: av.VideoFrame, quality: int) -> bytes:
    """A composed picture as JPEG."""
    bgr = VideoReformatter().reformat(frame, format="bgr24", threads=1)
    ok, encoded = cv2.imencode(".jpg", bgr.to_ndarray(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return encoded.tobytes()


def _coloured(grey: NDArray[np.uint8], table: NDArray[Number]) -> NDArray[Number]:
    """Table entry of each grey."""
    return cast(NDArray[Number], cv2.LUT(grey, table))


def _upsampled(grey: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return cast(NDArray[np.uint8], cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR))


class _Tint:
    """Blending of one anomaly map at one size, per plane: (picture * keeps + adds) >> 8.

    With opacity in 256ths, keeps = 256 - opacity and adds = opacity * colour + 128.
    """

    def __init__(self, heat: Heat, size: tuple[int, int], matrix: int) -> None:
        width, height = size
        colours, opacity = heat_yuv(matrix), heat_opacity()
        full, half = _upsampled(heat.grey, width, height), _upsampled(heat.grey, width // 2, height // 2)
        self.greys = (full, half, half)
        self.keeps = [_coloured(grey, 256 - opacity) for grey in self.greys]
        self.adds = [
            _coloured(grey, opacity * colours[:, channel] + np.uint16(128)) for channel, grey in enumerate(self.greys)
        ]
        self.colours = colours


class Composer:
    """Composes the pictures of one stream. A composer caches state between pictures, so each thread needs its own.

    Args:
        stream: "picture", "blended" or "heatmap".
        max_width: Wider pictures are scaled down to it.
    """

    def __init__(self, stream: str, max_width: int) -> None:
        self._stream = stream
        self._max_width = max_width
        self._reformatter = VideoReformatter()
        self._tint: _Tint | None = None
        self._tint_key: tuple[Heat, tuple[int, int], int] | None = None

    def compose(self, moment: Moment) -> av.VideoFrame:
        """Compose a new yuv420p picture in video range."""
        picture = moment.picture
        size = shown_size(picture.width, picture.height, self._max_width)
        matrix = matrix_of(picture)
        if self._stream == "heatmap":
            frame = self._heatmap(moment.heat, size, matrix)
        else:
            frame = self._scaled(picture, size, matrix)
            if self._stream == "blended" and moment.heat is not None:
                self._blend(frame, self._tint_of(moment.heat, size, matrix))
        frame.colorspace = 1 if matrix == 709 else 6
        frame.color_range = ColorRange.MPEG
        return frame

    def _scaled(self, picture: av.VideoFrame, size: tuple[int, int], matrix: int) -> av.VideoFrame:
        # No source colorspace is passed: reformat would write it into the source frame for the duration of the call,
        # while the reader's thread scales the same frame for scoring.
        rgb = picture.format.is_rgb or picture.format.has_palette
        scaled = self._reformatter.reformat(
            picture,
            *size,
            "yuv420p",
            dst_colorspace=(Colorspace.ITU709 if matrix == 709 else Colorspace.ITU601) if rgb else None,
            dst_color_range=ColorRange.MPEG,
            interpolation="BILINEAR",
            threads=1,
        )
        if scaled is not picture:
            return scaled
        own = av.VideoFrame(*size, "yuv420p")
        for mine, its in zip(Planes.of(own), Planes.of(picture), strict=True):
            mine[:] = its
        return own

    def _tint_of(self, heat: Heat, size: tuple[int, int], matrix: int) -> _Tint:
        key = (heat, size, matrix)
        if self._tint is None or self._tint_key != key:
            self._tint, self._tint_key = _Tint(heat, size, matrix), key
        return self._tint

    @staticmethod
    def _blend(frame: av.VideoFrame, tint: _Tint) -> None:
        for plane, keep, add in zip(Planes.of(frame), tint.keeps, tint.adds, strict=True):
            plane[:] = (plane * keep + add) >> 8

    def _heatmap(self, heat: Heat | None, size: tuple[int, int], matrix: int) -> av.VideoFrame:
        frame = av.VideoFrame(*size, "yuv420p")
        planes = Planes.of(frame)
        if heat is None:
            for plane, value in zip(planes, NO_MAP_YUV, strict=True):
                plane[:] = value
            return frame
        tint = self._tint_of(heat, size, matrix)
        for channel, (plane, grey) in enumerate(zip(planes, tint.greys, strict=True)):
            plane[:] = _coloured(grey, tint.colours[:, channel])
        return frame
