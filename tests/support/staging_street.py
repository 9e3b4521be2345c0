"""A painted street whose walkers are known: who goes where, how fast, and how they look."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from streammon.records import Picture

WIDTH, HEIGHT = 320, 200
FPS = 10.0
WALK_Y = 120


@dataclass(frozen=True)
class Walker:
    """A striped thing of 14 by 30 pixels; its left half is darker, so that one sees which way it faces."""

    first_frame: int
    x: float
    y: int
    pixels_a_frame: float


def street(walkers: Sequence[Walker], frames: int = 80, seed: int = 0, noise: float = 1.5) -> list[Picture]:
    """Each frame of it, with a camera's noise."""
    rng = np.random.default_rng(seed)
    ground = cv2.GaussianBlur(rng.uniform(90, 190, (HEIGHT, WIDTH, 3)), (0, 0), 6).astype(np.float32)
    pictures = []
    for frame in range(frames):
        picture = ground + rng.normal(0, noise, ground.shape)
        for walker in walkers:
            x = round(walker.x + walker.pixels_a_frame * (frame - walker.first_frame))
            if frame >= walker.first_frame and x >= 0 and x + 14 <= WIDTH:
                picture[walker.y : walker.y + 30, x : x + 7] = (20, 20, 60)
                picture[walker.y : walker.y + 30, x + 7 : x + 14] = (235, 60, 40)
        pictures.append(np.clip(picture.round(), 0, 255).astype(np.uint8))
    return pictures


def paint_street(folder: Path, seed: int, frames: int) -> None:
    """A clip of images: one after the other goes along the street, each a little faster than the one before."""
    folder.mkdir(parents=True)
    walkers = [Walker(first, 5, WALK_Y + 2 * seed, 10.0 + seed) for first in range(2, frames, 14)]
    for number, picture in enumerate(street(walkers, frames, seed)):
        cv2.imwrite(str(folder / f"{number:03}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def times_s(frames: int) -> list[float]:
    """When each was taken."""
    return [frame / FPS for frame in range(frames)]
