"""Frames of the painted street as the scorer takes them: with their details, without a camera or a clip."""

from collections.abc import Sequence

import cv2
import numpy as np

from streammon.padim import INPUT_SIZE
from streammon.records import Detail, Frame, Picture
from support.staging_street import FPS, HEIGHT, WALK_Y, WIDTH, Walker, street

LAP = 90
"""Frames that a walker takes along the street, at 3 pixels a frame."""


def walkers(frames: int) -> list[Walker]:
    """One after the other to the right, and as many below them to the left, for so many frames."""
    to_right = [Walker(start, 0, WALK_Y, 3) for start in range(-LAP, frames, 40)]
    to_left = [Walker(start, WIDTH - 20, WALK_Y + 40, -3) for start in range(-LAP - 20, frames, 40)]
    return to_right + to_left


def walking(first: int, end: int, strangers: Sequence[Walker] = ()) -> list[Picture]:
    """The street's pictures from `first` up to `end`: normal walkers, and strangers among them."""
    return street([*walkers(end), *strangers], end)[first:]


def frames_of(
    pictures: Sequence[Picture], camera: str = "street", fps: float = FPS, began_s: float = 1000.0
) -> list[Frame]:
    """The frames of one stream, `fps` a second; each sees the picture before unless a second lies between."""
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8) for picture in pictures]
    frames = []
    for seq, picture in enumerate(pictures):
        earlier = greys[seq - 1] if seq and fps > 1 else None
        frames.append(
            Frame(
                camera=camera,
                seq=seq,
                picture=cv2.resize(picture, (INPUT_SIZE, INPUT_SIZE)).astype(np.uint8),
                source_size=(WIDTH, HEIGHT),
                stream_time_s=seq / fps,
                wall_time_s=began_s + seq / fps,
                detail=Detail(picture, earlier, 1 / fps if earlier is not None else 0.0),
            )
        )
    return frames
