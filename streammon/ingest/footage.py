"""Footage on disk: the clips in files and folders, and the frames of each clip in order."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streammon.errors import FootageError
from streammon.ingest.clocks import file_times
from streammon.ingest.contents import (
    FileVersion,
    Length,
    Pace,
    listed_at_start,
    listed_frames,
    nominal_interval_s,
    video_length,
)
from streammon.ingest.detail import DetailBuffer
from streammon.ingest.faults import FLAT_REMEDY, FaultKind, StreamFault, call_translated
from streammon.ingest.images import Scaler, Size, decode_image, mean_fps
from streammon.ingest.opening import has_timestamps
from streammon.ingest.stream import video_stream
from streammon.ingest.timing import FrameThinning
from streammon.ingest.upright import SQUARE, UprightPictures, pixel_aspect
from streammon.records import Frame

DEFAULT_IMAGE_FPS = 25.0
ALL_FRAMES = Pace()
REMEDY = "give a video file, a folder of images, or a folder of such clips"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of footage: a video file, or the images of one folder.

    Attributes:
        name: The file's name without its ending, or the folder's name.
        path: The file or folder.
        images: The folder's images in order; empty for a video file.
        image_fps: Frames a second of the images, for `Frame.stream_time_s`.
        times_s: Time of each image from the folder's `times.csv`, for `Frame.stream_time_s` instead of `image_fps`;
            empty without that file.
    """

    name: str
    path: Path
    images: tuple[Path, ...] = field(default=(), repr=False)
    image_fps: float = DEFAULT_IMAGE_FPS
    times_s: tuple[float, ...] = field(default=(), repr=False)

    def frame_count(self) -> int:
        """Number of frames: `listed_frames` or, where that is None, of packets, a few of which may lack a frame.

        Raises:
            FootageError: The file can't be opened as video.
        """
        return self.length().frames

    def listed_frames(self) -> int | None:
        """Exact number of frames: of the images, or as an MP4, MOV or AVI lists them; None for other video.

        Raises:
            FootageError: The file can't be opened as video.
        """
        if self.images:
            return len(self.images)
        try:
            with call_translated(av.open, str(self.path.absolute())) as container:
                return listed_at_start(container, video_stream(container))
        except StreamFault as fault:
            raise unreadable(self.path, fault) from None

    def length(self, pace: Pace = ALL_FRAMES) -> Length:
        """Frames and seconds of the clip, and how many of the frames a pace selects, without decoding.

        The fps of images are the mean rate in `times.csv`, or `image_fps` without it.

        Raises:
            FootageError: The file can't be opened as video.
        """
        if self.images:
            seconds = len(self.images) / mean_fps(self.times_s, self.image_fps)
            return Length(len(self.images), sum(map(pace.selector(), self._image_times_s)), seconds)
        try:
            found = call_translated(self.path.stat)
            file = FileVersion(str(self.path.absolute()), found.st_size, found.st_mtime_ns)
            return video_length(file, pace)
        except StreamFault as fault:
            raise unreadable(self.path, fault) from None

    def seconds(self) -> float:
        """Seconds from the first frame to the end of the last.

        Raises:
            FootageError: The file can't be opened as video.
        """
        return self.length().seconds

    def frames(
        self,
        size: Size,
        every: int = 1,
        detail: bool = False,
        fps: float | None = None,
        warn: Callable[[str], None] = logger.warning,
    ) -> Iterator[Frame]:
        """Every frame in order, or the first of each `every`, scaled to `size` without crop.

        With `fps`, at most that many of them a second, thinned as a live camera's frames are. `Frame.seq` is the
        index among the frames that `every` selects, before thinning. With `detail`, each frame has a `Detail`, whose
        earlier picture may be that of a frame left out. `warn` is called with what is missing of a damaged file.

        Raises:
            FootageError: A file can't be read as video or picture.
            ValueError: `every` is below 1.
        """
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1")
        scaler = Scaler(size)
        buffer = DetailBuffer() if detail else None
        pictures = self._image_pictures(every, buffer) if self.images else self._video_pictures(every, buffer, warn)
        thinning = None if fps is None else FrameThinning(fps)
        try:
            for seq, (picture, time_s) in enumerate(pictures):
                if thinning is not None and not thinning.keeps(time_s):
                    continue
                yield Frame(
                    camera=self.name,
                    seq=seq,
                    picture=scaler.scale(picture),
                    source_size=(picture.width, picture.height),
                    stream_time_s=time_s,
                    wall_time_s=time.time(),
                    detail=buffer.detail() if buffer is not None else None,
                    pts=None if self.images else picture.pts,
                )
        except StreamFault as fault:
            raise unreadable(self.path, fault) from None

    @property
    def _image_times_s(self) -> Sequence[float]:
        return self.times_s or [index / self.image_fps for index in range(len(self.images))]

    def _image_pictures(self, every: int, buffer: DetailBuffer | None) -> Iterator[tuple[VideoFrame, float]]:
        times_s = self._image_times_s
        for index in range(0, len(self.images), 1 if buffer is not None else every):
            try:
                picture = decode_image(self.images[index])
            except StreamFault as fault:
                raise unreadable(self.images[index], fault) from None
            time_s = times_s[index]
            if buffer is not None:
                buffer.add(picture, time_s)
            if index % every == 0:
                yield picture, time_s

    def _video_pictures(
        self, every: int, buffer: DetailBuffer | None, warn: Callable[[str], None]
    ) -> Iterator[tuple[VideoFrame, float]]:
        with call_translated(av.open, str(self.path.absolute())) as container:
            stream, tally = video_stream(container), _Tally()
            timed = file_times(_decoded(container, stream, tally), nominal_interval_s(container, stream))
            for index, (picture, time_s, broke) in enumerate(timed):
                tally.time_s = time_s
                if buffer is not None:
                    buffer.add(picture, time_s, broke)
                if index % every == 0:
                    yield picture, time_s
            if damage := tally.damage(listed_frames(container, stream)):
                warn(f"clip '{self.name}': {damage}; it is damaged or cut short")


def _decoded(
    container: InputContainer, stream: VideoStream, tally: "_Tally"
) -> Iterator[tuple[VideoFrame, float | None]]:
    """Every frame of a video file, upright, with its timestamp in seconds or None; skips undecodable packets."""
    stamped, aspect = has_timestamps(container), pixel_aspect(stream)
    upright, packets = UprightPictures(), container.demux(stream)
    while (packet := call_translated(next, packets, None)) is not None:
        tally.cut_off += packet.is_corrupt
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            tally.undecodable += 1
            continue
        for decoded in pictures:
            tally.frames += 1
            picture = upright.of_packet(decoded, packet, aspect or stream.codec_context.sample_aspect_ratio or SQUARE)
            yield picture, decoded.time if stamped else None
    if not tally.frames:
        raise StreamFault("no picture in it")


@dataclass
class _Tally:
    """Counts of a video file's reading.

    Attributes:
        frames: Frames decoded.
        undecodable: Packets without a frame.
        cut_off: Packets of which a part is missing.
        time_s: Stream time of the last frame.
    """

    frames: int = 0
    undecodable: int = 0
    cut_off: int = 0
    time_s: float = 0.0

    def damage(self, announced: int | None) -> str:
        """Missing and damaged frames in words, by the number that the file lists, if any; empty without damage.

        >>> _Tally(frames=40, undecodable=1, time_s=1.56).damage(announced=None)
        '40 frames read to 1.56 s, 1 undecodable'
        >>> _Tally(frames=75, time_s=2.96).damage(announced=75)
        ''
        """
        short = announced is not None and self.frames < 0.99 * announced - 1
        if not (short or self.undecodable or self.cut_off):
            return ""
        parts = [f"{self.frames} frames read to {self.time_s:.2f} s"]
        parts += [] if announced is None else [f"{announced} announced"]
        parts += [f"{self.undecodable} undecodable"] if self.undecodable else []
        parts += [f"{self.cut_off} cut off"] if self.cut_off else []
        return ", ".join(parts)


def batched(frames: Iterable[Frame], size: int) -> Iterator[tuple[Frame, ...]]:
    """Frames in order, `size` at a time, the last batch shorter (itertools.batched, which Python 3.11 lacks)."""
    waiting = iter(frames)
    while batch := tuple(islice(waiting, size)):
        yield batch


def unreadable(path: Path, fault: StreamFault) -> FootageError:
    """The error for a file or folder that can't be read as footage."""
    remedy = FLAT_REMEDY if fault.kind is FaultKind.FLAT else REMEDY
    return FootageError(str(path), f"it can't be read as footage ({fault.reason})", remedy)
