"""Whole pictures of a scene: what normal footage showed of brightness, focus and edges, and what is wrong with one.

Judged are black and over-exposed pictures, a covered lens, a camera out of focus and one that was turned or moved. A
single picture proves nothing: `alerting.health` waits until most pictures of 20 s are judged alike.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import RecentRecordings
from streammon.ingest import Glance, glance_at, likeness
from streammon.records import Condition, Frame
from streammon.scene.settings import SETTINGS

CHOSEN = SETTINGS.pictures

NUMBERS = ("brightness", "white", "contrast", "sharpness", "likeness")
"""Numbers of a picture whose mean and spread are learned; the likeness is to the pictures learned before it."""


class PictureSums:
    """Running sums over the pictures of normal footage, once a second; sums of several fits add up.

    Attributes:
        moments: (5, 3) count, sum and sum of squares of each of `NUMBERS`.
        edges: (2, 32, 32) sum of the edge strengths; empty before the first picture.
    """

    def __init__(self) -> None:
        self.moments = np.zeros((len(NUMBERS), 3))
        self.edges: NDArray[np.float64] = np.zeros(0)
        self._last_s = RecentRecordings(lambda: [-math.inf])

    def learn(self, frame: Frame) -> None:
        """Take in the next frame of its recording, if a second has passed since the last one taken."""
        last = self._last_s[frame.camera]
        if 0 <= frame.stream_time_s - last[0] < CHOSEN.every_s:
            return
        last[0] = frame.stream_time_s
        self.add(glance_at(frame.picture))

    def add(self, glance: Glance) -> None:
        """Take in one glance."""
        values = [glance.brightness, glance.white, glance.contrast, glance.sharpness]
        if self.edges.size:
            values.append(likeness(self.edges, glance.edges))
        for number, value in enumerate(values):
            self.moments[number] += (1.0, value, value**2)
        self.edges = self.edges + glance.edges if self.edges.size else glance.edges.astype(np.float64)

    def merge(self, other: "PictureSums") -> None:
        """Add the sums of another fit."""
        self.moments += other.moments
        if other.edges.size:
            self.edges = self.edges + other.edges if self.edges.size else other.edges.copy()

    def normal(self) -> "NormalPictures | None":
        """Statistics of normal pictures; None after too few."""
        count, total, squares = self.moments.T
        if count[-1] < CHOSEN.least_pictures:
            return None
        mean = total / count
        spread = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        numbers = {name: (float(mean[at]), float(spread[at])) for at, name in enumerate(NUMBERS)}
        return NormalPictures(self.edges / count[0], **numbers)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The sums by name, for a file."""
        return {"moments": self.moments, "edges": self.edges}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Inverse of `arrays`.

        Raises:
            KeyError: One is missing.
            ValueError: One has another shape.
        """
        sums = cls()
        if arrays["moments"].shape != sums.moments.shape:
            raise ValueError("its moments have another shape")
        sums.moments, sums.edges = arrays["moments"].astype(np.float64), arrays["edges"].astype(np.float64)
        return sums


MeanAndSpread = tuple[float, float]


@dataclass(frozen=True, eq=False)
class NormalPictures:
    """Statistics of a scene's normal pictures.

    Attributes:
        edges: (2, 32, 32) mean edge strengths.
        brightness: Mean and standard deviation of `Glance.brightness`.
        white: The same of `Glance.white`.
        contrast: The same of `Glance.contrast`.
        sharpness: The same of `Glance.sharpness`.
        likeness: The same of the likeness to `edges`.
    """

    edges: NDArray[np.float64]
    brightness: MeanAndSpread
    white: MeanAndSpread
    contrast: MeanAndSpread
    sharpness: MeanAndSpread
    likeness: MeanAndSpread

    def fault(self, glance: Glance) -> tuple[Condition, str] | None:
        """Fault of a picture, and its description; None if there is none."""
        if glance.brightness < min(CHOSEN.black, lowest(self.brightness, 0.5)):
            return Condition.BLACK, "the picture is black"
        if glance.white > self.white[0] + max(CHOSEN.white, CHOSEN.spreads * self.white[1]):
            return Condition.OVEREXPOSED, "the picture is over-exposed"
        if glance.contrast < lowest(self.contrast, CHOSEN.covered):
            return Condition.COVERED, "far less contrast than normal, as of a covered lens"
        if glance.white > self.white[0] + max(CHOSEN.too_white, CHOSEN.spreads * self.white[1]):
            return None
        if likeness(self.edges, glance.edges) < lowest(self.likeness, CHOSEN.another_view):
            return Condition.VIEW, "edges elsewhere than normal, as of a camera that was turned or moved"
        if glance.sharpness < lowest(self.sharpness, CHOSEN.blurred):
            return Condition.BLURRED, "less sharp than normal, as out of focus"
        return None


def lowest(normal: MeanAndSpread, share: float) -> float:
    """A share of the mean, or `spreads` standard deviations below it where that is less."""
    mean, spread = normal
    return min(share * mean, mean - CHOSEN.spreads * spread)
