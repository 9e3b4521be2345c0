"""Footage on disk: the clips in files and folders, and the frames of each clip in order."""

import logging
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from streammon.errors import FootageError
from streammon.ingest.detail import DetailBuffer
from streammon.ingest.faults import StreamFault, call_translated
from streammon.ingest.images import (
    Scaler,
    Size,
    decode_image,
    images_in,
    is_image,
    mean_fps,
    natural_key,
    recorded_times,
)
from streammon.ingest.stream import video_stream
from streammon.ingest.timing import FrameThinning, StreamClock
from streammon.records import Frame
from streammon.storage import TIMES_FILE

VIDEO_SUFFIXES = frozenset((".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".ts", ".mpg", ".mpeg", ".wmv", ".flv"))
DEFAULT_IMAGE_FPS = 25.0
TIMES_REMEDY = "give each image a line with its name and time, in order, or remove the file and say --image-fps"
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

    def frame_count(self) -> int | None:
        """Number of frames: exact for images, from the file's header for video, None if the header has none.

        Raises:
            FootageError: The file can't be opened as video.
        """
        if self.images:
            return len(self.images)
        try:
            with call_translated(av.open, str(self.path.absolute())) as container:
                stream = video_stream(container)
                if stream.frames:
                    return stream.frames
                if container.duration is None or not stream.average_rate:
                    return None
                return round(container.duration / 1_000_000 * float(stream.average_rate))
        except StreamFault as fault:
            raise _unreadable(self.path, fault) from None

    def counted_frames(self) -> int:
        """Number of frames: `frame_count`, or, if that is None, counted by decoding the whole file once.

        Raises:
            FootageError: The file can't be read as video.
        """
        count = self.frame_count()
        return sum(1 for _ in self.frames(16)) if count is None else count

    def seconds(self) -> float:
        """Approximate duration in seconds: frames / fps, or a video file's announced duration.

        The fps of images are the mean rate in `times.csv`, or `image_fps` without it.

        Raises:
            FootageError: The file can't be opened as video.
        """
        if self.images:
            return len(self.images) / mean_fps(self.times_s, self.image_fps)
        try:
            with call_translated(av.open, str(self.path.absolute())) as container:
                rate = video_stream(container).average_rate
                if container.duration is not None:
                    return container.duration / 1_000_000
        except StreamFault as fault:
            raise _unreadable(self.path, fault) from None
        return self.counted_frames() / float(rate or DEFAULT_IMAGE_FPS)

    def frames(self, size: Size, every: int = 1, detail: bool = False, fps: float | None = None) -> Iterator[Frame]:
        """Every frame in order, or the first of each `every`, scaled to `size` without crop.

        With `fps`, at most that many of them a second, thinned as a live camera's frames are. `Frame.seq` is the
        index among the frames that `every` selects, before thinning. With `detail`, each frame has a `Detail`, whose
        earlier picture may be that of a frame left out.

        Raises:
            FootageError: A file can't be read as video or picture.
            ValueError: `every` is below 1.
        """
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1")
        scaler = Scaler(size)
        buffer = DetailBuffer() if detail else None
        pictures = self._image_pictures(every, buffer) if self.images else self._video_pictures(every, buffer)
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
                )
        except StreamFault as fault:
            raise _unreadable(self.path, fault) from None

    def _image_pictures(self, every: int, buffer: DetailBuffer | None) -> Iterator[tuple[VideoFrame, float]]:
        for index in range(0, len(self.images), 1 if buffer is not None else every):
            try:
                picture = decode_image(self.images[index])
            except StreamFault as fault:
                raise _unreadable(self.images[index], fault) from None
            time_s = self.times_s[index] if self.times_s else index / self.image_fps
            if buffer is not None:
                buffer.add(picture, time_s)
            if index % every == 0:
                yield picture, time_s

    def _video_pictures(self, every: int, buffer: DetailBuffer | None) -> Iterator[tuple[VideoFrame, float]]:
        with call_translated(av.open, str(self.path.absolute())) as container:
            for index, (picture, time_s) in enumerate(_decoded(container, self.name, buffer)):
                if index % every == 0:
                    yield picture, time_s


def _decoded(container: InputContainer, name: str, buffer: DetailBuffer | None) -> Iterator[tuple[VideoFrame, float]]:
    """Every frame of a video file with its stream time; undecodable packets are skipped and logged."""
    stream = video_stream(container)
    interval_s = 1.0 / float(stream.average_rate) if stream.average_rate else 1.0 / DEFAULT_IMAGE_FPS
    clock = StreamClock()
    packets, frames, undecodable = container.demux(stream), 0, 0
    while (packet := call_translated(next, packets, None)) is not None:
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            undecodable += 1
            continue
        for picture in pictures:
            frames += 1
            time_s = clock.advance(picture.time, interval_s)
            if buffer is not None:
                buffer.add(picture, time_s, clock.broke)
            yield picture, time_s
    if not frames:
        raise StreamFault("no picture in it")
    if undecodable or frames < 0.99 * stream.frames - 1:
        logger.warning(
            "clip '%s': %d frames read, %d announced, %d undecodable; it is damaged or cut short",
            name,
            frames,
            stream.frames,
            undecodable,
        )


@dataclass(frozen=True)
class Pace:
    """Selection of frames of footage.

    Attributes:
        every: N, to select the first of every N frames.
        fps: Largest number of these a second; None for all.
    """

    every: int = 1
    fps: float | None = None

    def count(self, frames: int, seconds: float) -> int:
        """Approximate number of frames selected from `frames` frames that last `seconds`.

        >>> Pace(fps=5.0).count(frames=100, seconds=4.0), Pace(every=3).count(frames=100, seconds=4.0)
        (20, 34)
        """
        left = -(-frames // self.every)
        return left if self.fps is None else min(left, max(1, round(self.fps * seconds)))


def batched(frames: Iterable[Frame], size: int) -> Iterator[tuple[Frame, ...]]:
    """Frames in order, `size` at a time, the last batch shorter (itertools.batched, which Python 3.11 lacks)."""
    waiting = iter(frames)
    while batch := tuple(islice(waiting, size)):
        yield batch


def clips(path: Path, image_fps: float = DEFAULT_IMAGE_FPS) -> list[Clip]:
    """The clips at a path, in natural order.

    A video file or a folder of images is one clip. In a folder of videos or of folders of images, each is a clip.
    Folders that end in `_gt` hold ground truth in UCSD's layout and are left out.

    Args:
        path: File or folder.
        image_fps: Frames a second of image folders without `times.csv`.

    Raises:
        FootageError: The path doesn't exist, has no video or images, or a `times.csv` doesn't fit its images.
    """
    try:
        return _clips(path, image_fps)
    except StreamFault as fault:
        raise _unreadable(path, fault) from None


def _clips(path: Path, image_fps: float) -> list[Clip]:
    if not stat.S_ISDIR(call_translated(path.stat).st_mode):
        return [_clip_of_file(path, image_fps)]
    if images := images_in(path):
        return [_clip_of_images(path.resolve().name, path, images, image_fps)]
    found = []
    for entry in sorted(call_translated(lambda: list(path.iterdir())), key=lambda entry: natural_key(entry.name)):
        if entry.name.startswith("."):
            continue
        if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file():
            found.append(Clip(entry.stem, entry))
        elif entry.is_dir() and not entry.name.endswith("_gt") and (images := images_in(entry)):
            found.append(_clip_of_images(entry.name, entry, images, image_fps))
    if not found:
        raise StreamFault("no video and no images in it")
    return found


def _clip_of_images(name: str, folder: Path, images: tuple[Path, ...], image_fps: float) -> Clip:
    """The images of a folder as a clip, with the times in its `times.csv`, if any.

    Raises:
        FootageError: The folder's `times.csv` can't be read or doesn't fit the images.
    """
    try:
        return Clip(name, folder, images, image_fps, recorded_times(folder, images))
    except StreamFault as fault:
        raise FootageError(str(folder / TIMES_FILE), fault.reason, TIMES_REMEDY) from None


def _clip_of_file(path: Path, image_fps: float) -> Clip:
    """A single file as a clip; a video is opened once, so that a file without video fails before the work begins."""
    if call_translated(path.stat).st_size == 0:
        raise StreamFault("empty file")
    if is_image(path):
        return Clip(path.stem, path, (path,), image_fps)
    with call_translated(av.open, str(path.absolute())) as container:
        video_stream(container)
    return Clip(path.stem, path)


def _unreadable(path: Path, fault: StreamFault) -> FootageError:
    return FootageError(str(path), f"it can't be read as footage ({fault.reason})", REMEDY)
