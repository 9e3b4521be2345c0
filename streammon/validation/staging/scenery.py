"""What of a fixed camera's picture stays, and what moves in front of it."""

from collections.abc import Iterator, Sequence
from typing import Any

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

SMOOTHING = 0.8
"""Pixels: against the noise of single ones."""

OWN_STRENGTH = 0.25
"""Of how far a thing stands out: what around it stands out less is its shadow or glow."""

MASKED = NDArray[np.bool_]

WHOLE = (slice(None), slice(None))


def background(pictures: Sequence[Picture], samples: int = BACKGROUND_SAMPLES) -> Picture:
    """The scene without what moves through it: the median in time of a subsample.

    What stands at one place for more than half of the time belongs to it.

    Args:
        pictures: (H, W, 3) uint8 each, of one fixed camera.
        samples: Most pictures to take the median of, evenly spread.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: There is no picture.
    """
    ranked = np.sort(_spread(pictures, samples), axis=0)
    return np.asarray(ranked[len(ranked) // 2], np.uint8)


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
        self._smooth = cv2.GaussianBlur(self.picture, (0, 0), SMOOTHING).astype(np.float32)
        chosen = _spread(pictures, BACKGROUND_SAMPLES // 2)
        spread = np.median([self.difference(picture) for picture in chosen], axis=0)
        noise = 1.4826 * np.minimum(spread, MOST_NOISE * max(float(np.median(spread)), 0.5))  # MAD to deviation
        self.threshold = np.maximum(LEAST_CONTRAST, NOISE_FACTOR * noise).astype(np.float32)

    def difference(self, picture: Picture, here: tuple[slice, slice] = WHOLE) -> NDArray[np.uint8]:
        """(H, W) grey levels of difference, lightly smoothed, without the change of the whole picture's light."""
        gain = self._light(picture[::8, ::8].astype(np.float32))  # a cloud, or the camera's own exposure
        lit = cv2.convertScaleAbs(self._smooth[here] * gain)
        apart = cv2.absdiff(cv2.GaussianBlur(picture[here], (0, 0), SMOOTHING), lit)
        return most_of_colours(np.asarray(apart, np.uint8))

    def _light(self, thinned: NDArray[np.float32]) -> NDArray[np.float32]:
        """(3,) how much lighter each colour of the whole picture is than in the background."""
        usual = self.picture[::8, ::8].astype(np.float32)
        ratios = [thinned[..., colour][usual[..., colour] > 48] for colour in range(3)]
        bases = [usual[..., colour][usual[..., colour] > 48] for colour in range(3)]
        gains = [np.median(now / base) if now.size else 1.0 for now, base in zip(ratios, bases, strict=True)]
        return np.clip(gains, 0.5, 2.0).astype(np.float32)

    def foreground(self, picture: Picture) -> MASKED:
        """(H, W) where something is that doesn't belong to the background: specks gone, gaps closed."""
        difference = self.difference(picture)
        there = cv2.morphologyEx((difference > self.threshold).astype(np.uint8), cv2.MORPH_OPEN, _disc(2))
        _trim_glow(there, difference)
        return cv2.morphologyEx(there, cv2.MORPH_CLOSE, _disc(max(3, picture.shape[1] // 80))).astype(np.bool_)

    def outline(self, picture: Picture, box: tuple[int, int, int, int]) -> MASKED:
        """(h, w) where something stands out within a box of x, y, w, h: tighter than `foreground`, gaps left open."""
        x, y, w, h = box
        here = slice(y, y + h), slice(x, x + w)
        difference = self.difference(picture, here)
        strong = (difference > self.threshold[here]).astype(np.uint8)
        return cv2.morphologyEx(strong, cv2.MORPH_CLOSE, _disc(3)).astype(np.bool_)

    def foregrounds(self, pictures: Sequence[Picture]) -> Iterator[MASKED]:
        """`foreground` of each picture, in order."""
        return (self.foreground(picture) for picture in pictures)


def most_of_colours(picture: Picture) -> NDArray[np.uint8]:
    """(H, W) the largest of each pixel's three values."""
    red, green, blue = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _trim_glow(there: NDArray[Any], difference: NDArray[np.uint8]) -> None:
    """Takes from each thing, in place, what stands out much less than the thing does."""
    count, labels, figures, _ = cv2.connectedComponentsWithStats(there, connectivity=8)
    for label in range(1, count):
        x, y, w, h, area = (int(figure) for figure in figures[label])
        if area < 20:
            continue
        box = slice(y, y + h), slice(x, x + w)
        own = labels[box] == label
        values = difference[box][own]
        strength = float(np.partition(values, values.size * 3 // 4)[values.size * 3 // 4])
        there[box][own & (difference[box] < OWN_STRENGTH * strength)] = 0


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
