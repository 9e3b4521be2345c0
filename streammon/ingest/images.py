"""Still images: listing, ordering and decoding them, by FFmpeg as for live pictures."""

import contextlib
import csv
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

import av
import cv2
import numpy as np
from av.codec import CodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from streammon.ingest.faults import StreamFault, call_translated
from streammon.ingest.image_tags import COMPRESSION, PHOTOMETRIC, TILE_WIDTH, exif_orientation, tiff_tag
from streammon.ingest.upright import BY_EXIF, SQUARE, UprightPictures
from streammon.records import Picture
from streammon.storage import TIMES_FILE, TIMES_HEADER

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))

Decoder = Literal["mjpeg", "png", "bmp", "tiff", "webp"]

SIGNATURES: tuple[tuple[bytes, Decoder], ...] = (
    (b"\xff\xd8", "mjpeg"),
    (b"\x89PNG", "png"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"RIFF", "webp"),
)
"""First bytes of a file and FFmpeg's decoder for it; the extension of the file's name may be wrong."""

FFMPEG_TIFF_COMPRESSIONS = frozenset((None, 1, 2, 3, 4, 5, 8, 32773, 32946))
"""Compressions that FFmpeg decodes: none, fax, LZW, deflate, PackBits. JPEG (6 and 7) becomes black."""

TIFF_YCBCR = 6

Size = int | tuple[int, int] | None
"""Width and height to scale to, one number for a square, None for the source's own size."""


NAME_PARTS = re.compile(r"(?P<id>\b[0-9a-f]{32}\b)|(?P<number>[0-9]+)|(?:(?!\b[0-9a-f]{32}\b)[^0-9])+", re.DOTALL)
"""An id, a number, or what is between them."""


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that orders names by the numbers in them, padded with zeros or not.

    Ids of 32 hexadecimal digits, such as those of alerts, are compared as text: theirs is the order of time.

    >>> sorted(["10.jpg", "9.jpg", "frame_2.jpg", "frame_10.jpg", "001.jpg"], key=natural_key)
    ['001.jpg', '9.jpg', '10.jpg', 'frame_2.jpg', 'frame_10.jpg']
    """
    return tuple(
        (0, int(part[0]), part[0]) if part["number"] else (1, 0, part[0].lower())
        for part in NAME_PARTS.finditer(name)
    )


def is_image(path: Path) -> bool:
    """True if a file has the extension of an image and isn't hidden.

    >>> [is_image(Path(name)) for name in ("001.JPG", "._001.jpg", "Thumbs.db")]
    [True, False, False]
    """
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def images_in(folder: Path) -> tuple[Path, ...]:
    """The image files directly in a folder, in natural order.

    Raises:
        StreamFault: The folder can't be read.
    """
    entries = call_translated(lambda: list(folder.iterdir()))
    return tuple(sorted(filter(is_image, entries), key=lambda path: natural_key(path.name)))


def recorded_times(folder: Path, images: Sequence[Path]) -> tuple[float, ...]:
    """Time of each image of a folder from its `times.csv`, in seconds since the first; empty without that file.

    Args:
        folder: The folder.
        images: The folder's images in order.

    Raises:
        StreamFault: `times.csv` can't be read, or doesn't fit the images.
    """
    file = folder / TIMES_FILE
    if not file.exists():
        return ()
    try:
        text = call_translated(file.read_bytes).decode("utf-8-sig")
        lines = [line for line in csv.reader(text.splitlines()) if line]
    except (UnicodeDecodeError, csv.Error):
        raise StreamFault("it is no table of text") from None
    if not lines or tuple(lines.pop(0)) != TIMES_HEADER:
        raise StreamFault(f"its first line is not {','.join(TIMES_HEADER)}")
    if len(lines) != len(images):
        raise StreamFault(f"it has {len(lines)} times for {len(images)} images")
    times_s = [_recorded_time(line, image.name) for line, image in zip(lines, images, strict=True)]
    for (before_s, time_s), image in zip(pairwise(times_s), images[1:], strict=True):
        if time_s <= before_s:
            raise StreamFault(f"the time of {image.name} is not after the one before")
    return tuple(time_s - times_s[0] for time_s in times_s)


def mean_fps(times_s: Sequence[float], default_fps: float) -> float:
    """Mean frames a second of images at these times, the first at 0; the default for fewer than two.

    >>> mean_fps((0.0, 0.1, 0.5), 25.0), mean_fps((), 25.0)
    (4.0, 25.0)
    """
    return (len(times_s) - 1) / times_s[-1] if len(times_s) > 1 else default_fps


def _recorded_time(line: Sequence[str], name: str) -> float:
    """The time in a line of `times.csv`, which must be the line of the image `name`.

    Raises:
        StreamFault: The line names another image, or has no finite time.
    """
    if line[0] != name:
        raise StreamFault(f"it has a line for {line[0]} where {name} comes next")
    try:
        time_s = float(line[1])
    except (IndexError, ValueError):
        time_s = math.nan
    if len(line) != len(TIMES_HEADER) or not math.isfinite(time_s):
        raise StreamFault(f"{name} has no time in seconds")
    return time_s


def decode_image(path: Path) -> VideoFrame:
    """Decode an image file, upright by its EXIF orientation and with square pixels.

    Raises:
        StreamFault: The file can't be read, is no image, is damaged, or is of a kind that no decoder reads right.
    """
    encoded = call_translated(path.read_bytes)
    if not encoded:
        raise StreamFault("empty file")
    name = next((name for signature, name in SIGNATURES if encoded.startswith(signature)), None)
    if name is None:
        raise StreamFault("not a picture")
    aspect = SQUARE
    if name == "tiff" and not _is_common_tiff(encoded):
        picture = _decoded_tiff(encoded)
    else:
        picture, aspect = _decoded(encoded, name)
    return UprightPictures().turned(picture, BY_EXIF[exif_orientation(encoded)], aspect)


def _decoded(encoded: bytes, name: Decoder) -> tuple[VideoFrame, Fraction]:
    """An image decoded by FFmpeg's decoder `name`, and the width / height of its pixels."""
    codec = CodecContext.create(name, "r")  # a new one for each: the PNG decoder blends images into previous ones
    codec.thread_count = 1  # with more threads, a picture is returned only after the next packet
    if name == "mjpeg":  # without this, the rest of a truncated JPEG is grey, without an error
        codec.options = {"err_detect": "explode"}
    frames: list[VideoFrame] = []
    with contextlib.suppress(StreamFault):
        frames = call_translated(codec.decode, av.Packet(encoded))
    if not frames or frames[0].is_corrupt:
        raise StreamFault("damaged picture")
    return frames[0], codec.sample_aspect_ratio or SQUARE


def _is_common_tiff(encoded: bytes) -> bool:
    """True for a TIFF that FFmpeg decodes right; of the others it makes black or other pictures, without an error."""
    return (
        tiff_tag(encoded, COMPRESSION) in FFMPEG_TIFF_COMPRESSIONS
        and tiff_tag(encoded, PHOTOMETRIC) != TIFF_YCBCR
        and tiff_tag(encoded, TILE_WIDTH) is None
    )


def _decoded_tiff(encoded: bytes) -> VideoFrame:
    """A TIFF decoded by OpenCV, without its orientation applied."""
    verbosity = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    finally:
        cv2.utils.logging.setLogLevel(verbosity)
    if pixels is None:
        raise StreamFault(
            f"damaged picture, or a TIFF of an unknown kind (compression {tiff_tag(encoded, COMPRESSION)})"
        )
    return VideoFrame.from_ndarray(cast(Picture, pixels), "rgb24")


class ImageSequence:
    """A folder of images as a source, in natural order, at the times in `times.csv` or at a constant rate.

    Args:
        folder: The folder.
        fps: Frames a second of images without `times.csv`.

    Raises:
        StreamFault: The folder has no images, the first can't be decoded, or `times.csv` doesn't fit them.
    """

    codec = "images"
    stamped = True
    in_bursts = False

    def __init__(self, folder: Path, fps: float) -> None:
        self._images = images_in(folder)
        if not self._images:
            raise StreamFault("no images in the folder")
        try:
            times_s = recorded_times(folder, self._images)
        except StreamFault as fault:
            raise StreamFault(f"{TIMES_FILE}: {fault.reason}") from None
        fps = mean_fps(times_s, fps)
        self.fps: float | None = fps
        self.interval_s = 1.0 / fps
        self._times_s = times_s or tuple(index * self.interval_s for index in range(len(self._images)))
        decode_image(self._images[0])  # a folder of undecodable images fails at once
        self._next = 0
        self.damaged = 0

    def read(self) -> list[tuple[VideoFrame, float | None]] | None:
        """The next image with its time; an empty list if it is damaged, None after the last."""
        if self._next == len(self._images):
            return None
        index, self._next = self._next, self._next + 1
        try:
            return [(decode_image(self._images[index]), self._times_s[index])]
        except StreamFault:
            self.damaged += 1
            return []

    def close(self) -> None:
        """Do nothing: no file stays open."""


class Scaler:
    """Scales decoded pictures to RGB of one size, directly from YUV, bicubic, without crop."""

    def __init__(self, size: Size) -> None:
        self._size = (size, size) if isinstance(size, int) else size
        self._reformatter = VideoReformatter()  # reuses its tables while size and format stay the same

    def scale(self, frame: VideoFrame) -> Picture:
        """Scale a picture to (H, W, 3) uint8 RGB of the scaler's size.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        width, height = self._size or (frame.width, frame.height)
        reformatter = self._reformatter
        scaled = call_translated(
            reformatter.reformat,
            frame,
            width,
            height,
            "rgb24",
            interpolation="BICUBIC",
            threads=1,  # by default each scaler keeps one thread per CPU
        )
        return cast(Picture, scaled.to_ndarray())
