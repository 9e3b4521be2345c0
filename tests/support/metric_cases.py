"""Maps and masks on which the pixel figures are compared with other implementations."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""(S, S) map in 0..1, and (S, S) mask."""

SIDE = 128


def random_images(seed: int = 0, count: int = 8) -> list[Image]:
    """Smooth maps, every other one with one to three regions of any size that score somewhat higher."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
        for _ in range(number % 2 * int(generator.integers(1, 4))):
            top, left = generator.integers(0, SIDE - 30, 2)
            height, width = generator.integers(2, 30, 2)
            mask[top : top + height, left : left + width] = True
        found.append((_scores(mask, generator), mask))
    return found


def tied_images(levels: int = 12) -> list[Image]:
    """The random images with a few values only, so that most pixels are tied with others."""
    images = random_images(1)
    return [(np.asarray(np.floor(scores * levels) / levels, dtype=np.float32), mask) for scores, mask in images]


def separated_images() -> list[Image]:
    """Every abnormal pixel above every normal one."""
    return [(np.asarray((scores + mask) / 2, dtype=np.float32), mask) for scores, mask in random_images(2)]


def inverted_images() -> list[Image]:
    """Every abnormal pixel below every normal one."""
    return [(np.asarray(1 - scores, dtype=np.float32), mask) for scores, mask in separated_images()]


def constant_images() -> list[Image]:
    """The same value everywhere."""
    return [(np.full_like(scores, 0.5), mask) for scores, mask in random_images(3)]


def lone_pixel_images() -> list[Image]:
    """A single abnormal pixel in all images."""
    images = [(scores, np.zeros_like(mask)) for scores, mask in random_images(4)]
    images[1][1][SIDE // 2, SIDE // 3] = True
    return images


def touching_images() -> list[Image]:
    """Regions that touch at a corner or at the border, one that covers half of an image, and holes in regions."""
    images = [(scores, np.zeros_like(mask)) for scores, mask in random_images(5)]
    images[1][1][:20, :20] = images[1][1][20:40, 20:40] = True
    images[3][1][: SIDE // 2] = True
    images[5][1][30:90, 30:90] = True
    images[5][1][40:80, 40:80] = False
    images[5][1][50:70, 50:70] = True
    return images


MADE_UP: dict[str, Callable[[], list[Image]]] = {
    "random": random_images,
    "tied": tied_images,
    "separated": separated_images,
    "inverted": inverted_images,
    "constant": constant_images,
    "one abnormal pixel": lone_pixel_images,
    "touching regions": touching_images,
}


def hazelnut_images(shared_data: Path) -> list[Image]:
    """Real masks of a category, with maps that are made up, and as many images without a mask."""
    generator = np.random.default_rng(6)
    files = sorted((shared_data / "hazelnut" / "ground_truth").glob("*/*.png"))
    found = []
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        assert picture is not None, file
        mask = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT) > 0
        empty = np.zeros_like(mask)
        found += [(_scores(mask, generator), mask), (_scores(empty, generator), empty)]
    return found


def _scores(mask: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.float32]:
    """(S, S) smooth map in 0..1, higher in and around the mask."""
    rough = generator.random(mask.shape) + np.where(mask, 0.12, 0.0)
    smooth = cv2.GaussianBlur(rough, (0, 0), 2.0)
    return np.asarray((smooth - smooth.min()) / 1.2, dtype=np.float32).clip(0, 1)
