"""Footage that asks to be displayed otherwise than stored: turned, mirrored, or with oblong pixels."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray
from PIL import Image

UPRIGHT = np.array([[20, 200, 90], [140, 60, 235]], np.uint8)
"""Grey levels of the six blocks of the upright picture; no two turns or mirrorings of it are equal."""

MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""(a, b, c, d) of a `tkhd` matrix with the effect of each EXIF orientation."""


def as_stored(blocks: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The blocks of which an EXIF orientation makes `blocks` again."""
    return {
        1: blocks,
        2: blocks[:, ::-1],
        3: blocks[::-1, ::-1],
        4: blocks[::-1],
        5: blocks.T,
        6: np.rot90(blocks),
        7: np.rot90(blocks, 2).T,
        8: np.rot90(blocks, -1),
    }[orientation]


def stored_picture(orientation: int, block: tuple[int, int] = (32, 32)) -> NDArray[np.uint8]:
    """(H, W, 3) of the six blocks as stored; `block` is the width and height of a stored block."""
    grey = np.repeat(np.repeat(as_stored(UPRIGHT, orientation), block[1], 0), block[0], 1)
    return np.repeat(grey[..., None], 3, axis=-1)


def blocks_in(picture: NDArray[np.uint8]) -> list[list[int]]:
    """The six grey levels in a picture, each rounded to the nearest that exists."""
    height, width, _ = picture.shape
    rows = [int((row + 0.5) * height / 2) for row in range(2)]
    columns = [int((column + 0.5) * width / 3) for column in range(3)]
    levels = UPRIGHT.ravel().tolist()
    return [[min(levels, key=lambda level: abs(level - int(picture[y, x].mean()))) for x in columns] for y in rows]


def encode_pictures(
    path: Path,
    picture: NDArray[np.uint8],
    frames: int = 10,
    codec: str = "libx264",
    aspect: Fraction | None = None,
    gop: int = 5,
) -> Path:
    """A video of one picture at 25 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = gop
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn_track(path: Path, matrix: Sequence[float]) -> Path:
    """Write (a, b, c, d) into the display matrix of an MP4's only track (ISO 14496-12, 8.3.2)."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version and flags, times, ids, duration, layer, group, volume: version 0
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def with_orientation_message(source: Path, target: Path, turn: str) -> Path:
    """A copy of an H.264 stream with a display orientation message (H.264, D.1.27), such as `rotate=90`."""
    with av.open(str(source)) as pictures, av.open(str(target), "w") as container:
        video = pictures.streams.video[0]
        stream = container.add_stream_from_template(video)
        messages = BitStreamFilterContext(f"h264_metadata={turn}:display_orientation=insert", video)
        for packet in pictures.demux(video):
            if packet.dts is None:
                continue
            for turned in messages.filter(packet):
                turned.stream = stream
                container.mux(turned)
    return target


def save_image(path: Path, picture: NDArray[np.uint8], orientation: int) -> Path:
    """An image file with an EXIF orientation; the path's ending says in which format."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(path, exif=exif)
    return path


def with_pixel_aspect(path: Path, width: int, height: int) -> Path:
    """Write a pixel aspect into the sample description of an MP4's only track, H.264 (ISO 14496-12, 12.1.4)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"avc1", content.index(b"stsd")) - 4
    (size,) = struct.unpack_from(">I", content, start)
    content[start + size : start + size] = struct.pack(">I4s2I", 16, b"pasp", width, height)
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):  # the data lies before them
        at = content.rindex(box) - 4
        struct.pack_into(">I", content, at, struct.unpack_from(">I", content, at)[0] + 16)
    path.write_bytes(content)
    return path
