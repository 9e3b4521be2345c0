"""What of a fixed camera's picture stays, and what moves in front of it."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture

BACKGROUND_SAMPLES = 41
"""Pictures the median is taken over: enough that what passes by is outvoted, few enough to hold."""

LEAST_CONTRAST = 12.0
"""Grey levels; smaller differences from the background are compression and light, on any camera."""

NOISE_FACTOR = 4.0
"""Standard deviations of a pixel's own noise that a thing has to stand out by."""

MOST_NOISE = 4.0
"""Where much passes by, the spread is traffic and not noise: no pixel counts as noisier than this many medians."""

MASKED = NDArray[np.bool_]


def background(pictures: Sequence[Picture], samples: int = BACKGROUND_SAMPLES) -> Picture:
    """The scene without what moves through it: the median in time of a subsample.

    Args:
        pictures: (H, W, 3) uint8 each, of one fixed camera.
        samples: Most pictures to take the median of.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: There is no picture.
    """
    return np.asarray(np.median(_spread(pictures, samples), axis=0), np.uint8)


def _spread(pictures: Sequence[Picture], samples: int) -> NDArray[np.uint8]:
    if not len(pictures):
        raise ValueError("a background needs at least one picture")
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(samples, len(pictures))).round().astype(int))
    return np.stack([pictures[index] for index in chosen])


class Backdrop:
    """A scene's background with how much each pixel of it flickers.

    Attributes:
        picture: (H, W, 3) uint8, the background.
        threshold: (H, W) float32, the difference in grey levels above which something is there.
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.picture = background(pictures)
        chosen = _spread(pictures, BACKGROUND_SAMPLES // 2)
        spread = np.median([self.difference(picture) for picture in chosen], axis=0)
        noise = 1.4826 * np.minimum(spread, MOST_NOISE * max(float(np.median(spread)), 0.5))  # MAD to deviation
        self.threshold = np.maximum(LEAST_CONTRAST, NOISE_FACTOR * noise).astype(np.float32)

    def difference(self, picture: Picture) -> NDArray[np.float32]:
        """(H, W) grey levels of difference, lightly smoothed, without the change of the whole picture."""
        signed = picture.astype(np.float32) - self.picture
        signed -= np.median(signed[::4, ::4], axis=(0, 1))  # a cloud, or the camera's own exposure
        smooth = cv2.GaussianBlur(signed, (0, 0), 0.8)
        return np.asarray(np.abs(smooth).max(axis=2), np.float32)

    def foreground(self, picture: Picture) -> MASKED:
        """(H, W) where something is that doesn't belong to the background: specks gone, gaps closed."""
        there = (self.difference(picture) > self.threshold).astype(np.uint8)
        opened = cv2.morphologyEx(there, cv2.MORPH_OPEN, _disc(2))
        closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _disc(max(3, picture.shape[1] // 80)))
        return closed.astype(np.bool_)

    def foregrounds(self, pictures: Sequence[Picture]) -> Iterator[MASKED]:
        """`foreground` of each picture, in order."""
        return (self.foreground(picture) for picture in pictures)


def _disc(diameter: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)), np.uint8)


def traffic(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """How often something moved at each pixel.

    Args:
        pictures: (H, W, 3) uint8 each, normal footage of one fixed camera.

    Returns:
        (H, W) float32, the share of the pictures in which something stood out from the background there, 0 to 1.

    Raises:
        ValueError: There is no picture.
    """
    backdrop = Backdrop(pictures)
    seen = np.zeros(backdrop.threshold.shape, np.float32)
    for there in backdrop.foregrounds(pictures):
        seen += there
    return (seen / len(pictures)).astype(np.float32)
