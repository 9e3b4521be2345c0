"""The closer look at a kept frame: its moment larger, and the picture shortly before it."""

from collections import deque
from dataclasses import dataclass
from typing import cast

import cv2
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from streammon.ingest.faults import translated
from streammon.ingest.images import Scaler
from streammon.records import Detail, Grey, Picture

DETAIL_SIDE = 480
"""Pixels of the longer side: what is narrower, as UCSD Ped2 is, keeps every pixel."""

LAG_S = 0.1
LAG_TOLERANCE_S = 0.01
"""Timestamps jitter, and 30 frames a second in whole milliseconds are 33, 33 and 34 apart."""

ROUNDING_S = 1e-6
SHORTEST_LAG_S = LAG_S - LAG_TOLERANCE_S - ROUNDING_S

GAP_S = 0.5
"""A picture older than this shows another moment: people walk out of themselves."""

HOLD_EVERY_S = 0.015
"""At 60 frames a second every picture is held, at 240 each fourth: the lag is met as well, the memory is bounded."""

SUBSAMPLED = frozenset(("yuv420p", "yuvj420p"))


@dataclass(slots=True)
class _Seen:
    """One picture of the stream; once it was kept or used, what is left of it is small and grey."""

    time_s: float
    picture: VideoFrame | Grey


class CloserLook:
    """Makes the `Detail` of each kept frame of one connection.

    It holds the last pictures as they were decoded, no more than may still be `earlier` for one to come: those of
    the last 0.09 s and the one before, so 4 at 25 frames a second and 8 at the most. What becomes part of a detail
    is scaled, and nothing else: a camera whose frames are scored now and then costs no more for its many others.

    Both pictures of a pair come the same way, YUV to small RGB to grey (`COLOR_RGB2GRAY`), so that what stands
    still is equal in both; FFmpeg's own grey of the same picture is 1 to 2 levels off.
    """

    def __init__(self) -> None:
        self._before: deque[_Seen] = deque()
        self._newest: _Seen | None = None
        self._source_size = (0, 0)
        self._detail_scaler = DetailScaler((1, 1))

    @property
    def held(self) -> int:
        """How many pictures it holds."""
        return len(self._before) + (self._newest is not None)

    def see(self, picture: VideoFrame, time_s: float, afresh: bool = False) -> None:
        """The next decoded picture, whether or not its frame will be kept.

        Args:
            picture: As it was decoded.
            time_s: Its stream time in seconds. A step back begins afresh, and so does another picture size.
            afresh: Nothing is known about the time since the picture before.
        """
        source_size = (picture.width, picture.height)
        if source_size != self._source_size:
            self._source_size, self._detail_scaler, afresh = source_size, DetailScaler(source_size), True
        if self._newest is not None and (afresh or time_s < self._newest.time_s):
            self.close()
        if self._newest is not None and self._is_due(self._newest.time_s):
            self._before.append(self._newest)
        self._newest = _Seen(time_s, picture)
        self._forget()

    def detail(self) -> Detail:
        """The detail of the picture seen last; to be asked for once.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        newest = self._newest
        assert newest is not None
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
        """Let go of the pictures, before their source is closed: those of a capture device lie in its memory."""
        self._before.clear()
        self._newest = None

    def _is_due(self, time_s: float) -> bool:
        return not self._before or time_s - self._before[-1].time_s >= HOLD_EVERY_S - ROUNDING_S

    def _forget(self) -> None:
        """Drop what a younger one replaces for good, and what lies before a gap."""
        assert self._newest is not None
        now_s = self._newest.time_s
        while len(self._before) > 1 and now_s - self._before[1].time_s >= SHORTEST_LAG_S:
            self._before.popleft()
        if self._before and now_s - self._before[0].time_s > GAP_S + ROUNDING_S:
            self._before.popleft()


class DetailScaler:
    """Scales the pictures of one source to the size of its details.

    Args:
        source_size: Their width and height.
    """

    def __init__(self, source_size: tuple[int, int]) -> None:
        self._source_size = source_size
        self.size = detail_size(source_size)
        self._reducer = VideoReformatter()
        self._scaler = Scaler(self.size)

    def scale(self, picture: VideoFrame) -> Picture:
        """(H, W, 3) uint8 RGB.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        if self.size != self._source_size and picture.format.name in SUBSAMPLED:
            # First smaller, then RGB: a third of the time that FFmpeg takes for both at once.
            width, height = self.size
            reduce = self._reducer.reformat
            picture = translated(reduce, picture, width, height, interpolation="BICUBIC", threads=1)
        return self._scaler.scale(picture)


def detail_size(source_size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a detail: the source's proportions, the longer side at most `DETAIL_SIDE`.

    >>> [detail_size(size) for size in ((1920, 1080), (1080, 1920), (360, 240), (4000, 2))]
    [(480, 270), (270, 480), (360, 240), (480, 1)]
    """
    width, height = source_size
    longer = max(width, height, DETAIL_SIDE)
    return max(1, round(width * DETAIL_SIDE / longer)), max(1, round(height * DETAIL_SIDE / longer))


def _grey(picture: Picture) -> Grey:
    return cast(Grey, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
