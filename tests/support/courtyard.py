"""Clips of a made-up courtyard: a wall's texture and the sensor's noise, and now and then a large orange box."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from support.cameras import has_gstreamer

FPS = 10
SIZE = (320, 240)
NOISE_SIGMA = 4.0
LASTING_S = 8 if has_gstreamer() else 40  # aio-rtsp-toolkit doesn't loop
BOX = (90, 110)


def courtyard(seconds: float, box_s: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> list[NDArray[np.uint8]]:
    """The pictures, (H, W, 3) uint8 RGB; from `box_s[0]` to `box_s[1]` seconds the box moves through them."""
    width, height = SIZE
    blocks = np.random.default_rng(0).uniform(40, 170, (height // 12, width // 12, 3))  # the same in every clip
    wall = cv2.resize(blocks, SIZE, interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(seed)
    pictures = []
    for number in range(round(seconds * FPS)):
        picture = wall + rng.normal(0, NOISE_SIGMA, wall.shape)
        if box_s[0] <= number / FPS < box_s[1]:
            x = 20 + number * 9 % (width - BOX[0] - 40)
            picture[70 : 70 + BOX[1], x : x + BOX[0]] = (250, 120, 10)
        pictures.append(picture.clip(0, 255).astype(np.uint8))
    return pictures


def encode(path: Path, pictures: list[NDArray[np.uint8]], fps: int = FPS) -> Path:
    """An H.264 clip with a keyframe each second and no B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = fps
        stream.bit_rate = 1_500_000
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
