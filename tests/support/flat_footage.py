"""Footage of any shape: a texture that moves, as MJPEG with full colour, the way strips come from a line camera."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

FPS = 10


def textured(path: Path, size: tuple[int, int], seconds: float = 3.0, codec: str = "mjpeg") -> Path:
    """A clip of `size` (width, height), 10 frames a second; MJPEG in yuvj444p, or H.264 in yuv420p."""
    width, height = size
    noise = np.random.default_rng(5).integers(0, 256, (height, width + 512, 3), np.uint8)
    texture = np.asarray(cv2.blur(noise, (min(5, width), min(5, height))), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options={"tune": "zerolatency"} if codec != "mjpeg" else {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj444p" if codec == "mjpeg" else "yuv420p"
        for number in range(round(seconds * FPS)):
            left = 4 * number % 512
            shown = np.ascontiguousarray(texture[:, left : left + width])
            frame = av.VideoFrame.from_ndarray(shown, "rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
