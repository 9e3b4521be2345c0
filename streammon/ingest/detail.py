"""Details of kept frames: the picture at up to 480 pixels, and the picture about 0.1 s before it."""

from collections import deque
from dataclasses import dataclass
from typing import cast

import cv2
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from streammon.ingest.faults import FaultKind, StreamFault, call_translated
from streammon.ingest.images import Scaler
from streammon.records import Detail, Grey, Picture, has_flow_size

DETAIL_SIDE = 480
"""Largest side of a detail in pixels. Smaller sources, such as UCSD Ped2 (360x240), keep their size."""

LAG_S = 0.1
LAG_TOLERANCE_S = 0.01
"""Tolerance for jitter of timestamps: in whole milliseconds, 30 frames a second are 33, 33 and 34 ms apart."""

ROUNDING_S = 1e-6
SHORTEST_LAG_S = LAG_S - LAG_TOLERANCE_S - ROUNDING_S

GAP_S = 0.5
"""Largest age of the earlier picture. In a longer time, people walk farther than their own width."""

BUFFER_STEP_S = 0.015
"""Shortest time between two buffered pictures, which bounds the memory: at 60 fps all, at 240 fps every fourth."""

SUBSAMPLED = frozenset(("yuv420p", "yuvj420p"))


@dataclass(slots=True)
class _BufferedPicture:
    """One buffered picture: as decoded, or small and grey once a detail has used it."""

    time_s: float
    picture: VideoFrame | Grey


class DetailBuffer:
    """Makes the `Detail` of each kept frame of one connection.

    It buffers the decoded pictures that may still become `earlier` for a later picture: those of the last 0.09 s and
    the one before them, 4 at 25 frames a second and at most 8. Only pictures that become part of a detail are scaled,
    so the other pictures of a camera that is scored at a low rate cost nothing.

    Both pictures of a pair are converted alike, YUV to small RGB to grey (`COLOR_RGB2GRAY`), so that static regions
    are equal in both. FFmpeg's own grey of the same picture differs by 1 to 2 levels.
    """

    def __init__(self) -> None:
        self._before: deque[_BufferedPicture] = deque()
        self._newest: _BufferedPicture | None = None
        self._source_size = (0, 0)
        self._detail_scaler: DetailScaler | None = None

    @property
    def buffered(self) -> int:
        """Number of buffered pictures."""
        return len(self._before) + (self._newest is not None)

    def add(self, picture: VideoFrame, time_s: float, afresh: bool = False) -> None:
        """Add the next decoded picture, kept for scoring or not.

        Args:
            picture: The picture as decoded.
            time_s: Stream time of the picture in seconds. A step back, or another picture size, clears the buffer.
            afresh: Clear the buffer, since the time from the previous picture is unknown.

        Raises:
            StreamFault: The picture is too small or too flat for optical flow.
        """
        source_size = (picture.width, picture.height)
        if source_size != self._source_size:
            self._source_size, self._detail_scaler, afresh = source_size, DetailScaler(source_size), True
        if self._newest is not None and (afresh or time_s < self._newest.time_s):
            self.close()
        if self._newest is not None and self._is_due(self._newest.time_s):
            self._before.append(self._newest)
        self._newest = _BufferedPicture(time_s, picture)
        self._forget()

    def detail(self) -> Detail:
        """The detail of the latest picture. Callable once per picture.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        newest = self._newest
        assert newest is not None
        assert self._detail_scaler is not None
        assert isinstance(newest.picture, VideoFrame)
        picture = self._detail_scaler.scale(newest.picture)
        newest.picture = _grey(picture)
        if not self._before or newest.time_s - self._before[0].time_s < SHORTEST_LAG_S:
            return Detail(picture)
        earlier = self._before[0]
        if isinstance(earlier.picture, VideoFrame):
            earlier.picture = _grey(self._detail_scaler.scale(earlier.picture))
        return Detail(picture, earlier.picture, newest.time_s - earlier.time_s)

    def close(self) -> None:
        """Release the pictures, before their source is closed: those of a capture device are in its memory."""
        self._before.clear()
        self._newest = None

    def _is_due(self, time_s: float) -> bool:
        return not self._before or time_s - self._before[-1].time_s >= BUFFER_STEP_S - ROUNDING_S

    def _forget(self) -> None:
        """Drop pictures that a later one replaces as `earlier`, and pictures before a gap."""
        assert self._newest is not None
        now_s = self._newest.time_s
        while len(self._before) > 1 and now_s - self._before[1].time_s >= SHORTEST_LAG_S:
            self._before.popleft()
        if self._before and now_s - self._before[0].time_s > GAP_S + ROUNDING_S:
            self._before.popleft()


class DetailScaler:
    """Scales the pictures of one source to the size of its details.

    Args:
        source_size: Width and height of the source's pictures.

    Raises:
        StreamFault: The pictures are too small or too flat for optical flow.
    """

    def __init__(self, source_size: tuple[int, int]) -> None:
        require_detail(source_size)
        self._source_size = source_size
        self.size = detail_size(source_size)
        self._reducer = VideoReformatter()
        self._scaler = Scaler(self.size)

    def scale(self, picture: VideoFrame) -> Picture:
        """Scale a picture to (H, W, 3) uint8 RGB.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        if self.size != self._source_size and picture.format.name in SUBSAMPLED:
            # Scaling first and then converting to RGB takes a third of the time of both in one call.
            width, height = self.size
            reduce = self._reducer.reformat
            picture = call_translated(reduce, picture, width, height, interpolation="BICUBIC", threads=1)
        return self._scaler.scale(picture)


def detail_size(source_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a detail: the source's aspect ratio, the longer side at most `DETAIL_SIDE`.

    >>> [detail_size(size) for size in ((1920, 1080), (1080, 1920), (360, 240), (4000, 2))]
    [(480, 270), (270, 480), (360, 240), (480, 1)]
    """
    width, height = source_size
    longer = max(width, height, DETAIL_SIDE)
    return max(1, round(width * DETAIL_SIDE / longer)), max(1, round(height * DETAIL_SIDE / longer))


def require_detail(source_size: tuple[int, int]) -> None:
    """Refuse pictures whose detail would be too small for optical flow.

    Raises:
        StreamFault: They are too small, too flat or too narrow, of kind `FLAT`.

    >>> require_detail((1281, 33))
    Traceback (most recent call last):
    streammon.ingest.faults.StreamFault: pictures of 1281x33 pixels are too flat to watch for motion
    """
    (width, height), detail = source_size, detail_size(source_size)
    if has_flow_size(*detail):
        return
    shape = "small" if max(source_size) < 40 else "flat" if height < width else "narrow"
    raise StreamFault(f"pictures of {width}x{height} pixels are too {shape} to watch for motion", FaultKind.FLAT)


def _grey(picture: Picture) -> Grey:
    return cast(Grey, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
