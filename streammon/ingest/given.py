"""Frames of pictures that a program gives: NumPy arrays or PyAV's frames, one stream's in order of time."""

import math
from collections.abc import Iterable, Iterator
from itertools import repeat

import av
import numpy as np
from av.video.frame import VideoFrame

from streammon.errors import FootageError
from streammon.ingest.detail import DetailBuffer
from streammon.ingest.faults import FLAT_REMEDY, StreamFault
from streammon.ingest.images import Scaler, Size
from streammon.ingest.timing import FrameThinning
from streammon.records import Frame, Picture

GivenPicture = Picture | VideoFrame
"""(H, W, 3) uint8 RGB, or a frame as PyAV decodes it."""


class GivenPictures:
    """Makes frames of the pictures of one stream: scaled, thinned and with details, as `Clip.frames` does of a file.

    PyAV's frames are taken as stored: neither turned upright nor given square pixels.

    Args:
        name: Name of the stream, for `Frame.camera` and messages.
        size: Size of the frames' pictures.
        detail: Add a `Detail` to each frame.
        fps: Largest number of frames a second; None for all pictures.
        picture_fps: Pictures a second, for those that come without a time.
    """

    def __init__(self, name: str, size: Size, *, detail: bool, fps: float | None, picture_fps: float) -> None:
        self._name = name
        self._scaler = Scaler(size)
        self._buffer = DetailBuffer() if detail else None
        self._thinning = None if fps is None else FrameThinning(fps)
        self._picture_fps = picture_fps
        self._seq = 0
        self._first_s = 0.0  # time of the first picture
        self._time_s = -math.inf

    def frame(self, picture: GivenPicture, time_s: float | None = None, *, taken: bool = True) -> Frame | None:
        """The frame of the next picture; None if it isn't taken, or the thinning leaves it out.

        A picture that is left out may be the earlier picture of a later frame's detail.

        Args:
            picture: The picture.
            time_s: Time of the picture in seconds, by any clock; default: that of PyAV's frame, else by its number.
            taken: False to leave the picture out.

        Raises:
            FootageError: It is no picture, too flat for motion, or not later than the one before.
        """
        decoded = picture if isinstance(picture, VideoFrame) else self._video_frame(picture)
        time_s = self._stream_time_s(decoded, time_s)
        seq, self._seq = self._seq, self._seq + 1
        try:
            if self._buffer is not None:
                self._buffer.add(decoded, time_s)
            if not taken or (self._thinning is not None and not self._thinning.keeps(time_s)):
                return None
            return Frame(
                camera=self._name,
                seq=seq,
                picture=self._scaler.scale(decoded),
                source_size=(decoded.width, decoded.height),
                stream_time_s=time_s,
                wall_time_s=time_s,
                detail=None if self._buffer is None else self._buffer.detail(),
                pts=decoded.pts,
            )
        except StreamFault as fault:
            raise FootageError(self._where(seq), fault.reason, FLAT_REMEDY) from None

    def frames(
        self, pictures: Iterable[GivenPicture], times_s: Iterable[float] | None = None, every: int = 1
    ) -> Iterator[Frame]:
        """The frames of the next pictures: the first of each `every`, of which the thinning leaves some out.

        Raises:
            FootageError: One is no picture, too flat for motion, or not later than the one before.
            ValueError: There are fewer or more times than pictures.
        """
        timed: Iterable[tuple[GivenPicture, float | None]] = (
            zip(pictures, repeat(None), strict=False) if times_s is None else zip(pictures, times_s, strict=True)
        )
        for number, (picture, time_s) in enumerate(timed):
            frame = self.frame(picture, time_s, taken=number % every == 0)
            if frame is not None:
                yield frame

    def _video_frame(self, picture: Picture) -> VideoFrame:
        given = np.asarray(picture)
        if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3 or not given.size:
            found = f"it is {given.dtype} {given.shape}"
            raise FootageError(self._where(self._seq), found, "give (H, W, 3) uint8 RGB, or a frame of PyAV")
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(given), "rgb24")

    def _stream_time_s(self, decoded: VideoFrame, given_s: float | None) -> float:
        """Seconds since the first picture."""
        own_s: float | None = decoded.time
        if given_s is None:
            given_s = self._seq / self._picture_fps if own_s is None else own_s
        if self._seq == 0:
            self._first_s = given_s
        time_s = given_s - self._first_s
        if not self._time_s < time_s < math.inf:
            after = f", after {self._first_s + self._time_s:g} s" if self._seq else ""
            found = f"its time is {given_s:g} s{after}"
            raise FootageError(self._where(self._seq), found, "give pictures in order of time")
        self._time_s = time_s
        return time_s

    def _where(self, seq: int) -> str:
        return f"picture {seq} of {self._name!r}"
