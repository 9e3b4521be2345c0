"""Clips whose pictures carry their own number, so that a test sees which frames came, and in which order."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def numbered_picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 3) a grey gradient with 12 black or white blocks along the top: the number in binary."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = np.linspace(60, 180, width, dtype=np.uint8)[None, :, None]
    block = width // 12
    for bit in range(12):
        picture[: height // 4, bit * block : (bit + 1) * block] = 255 * (number >> bit & 1)
    x = number * 7 % (width - 24)
    picture[height // 2 : height // 2 + 24, x : x + 24] = (200, 40, 40)
    return picture


def number_in(picture: NDArray[np.uint8]) -> int:
    """The number of a `numbered_picture`, at whatever size it is now."""
    height, width, _ = picture.shape
    middles = [int((bit + 0.5) * (width // 12 * 12) / 12) for bit in range(12)]
    return sum(int(picture[height // 8, x].mean() > 128) << bit for bit, x in enumerate(middles))


def encode(
    path: Path,
    frames: int = 75,
    size: tuple[int, int] = (320, 240),
    fps: int = 25,
    gop: int = 25,
    codec: str = "libx264",
) -> Path:
    """A clip of numbered pictures; the path's ending says in which container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.bit_rate = 2_000_000
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number, *size), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
