"""Placement of an object in consecutive frames of the footage, and its pasting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.paths import PlacedCutout, paste
from streammon.validation.staging.scenery import MASKED, Backdrop

RAMP_S = 0.3
"""Seconds in which a moving object fades in and out: without fading, the object would be caught for its sudden
appearance and not for its motion."""

LEAST_SHOWN_S = 0.5
LEAST_SHOWN = 5
"""Minimum duration of an anomaly, in seconds and in frames; a shorter anomaly is not informative."""

STARTS = 6
"""Random start times compared, to find one at which the pasted object overlaps others least."""


@dataclass(frozen=True, eq=False)
class StagedSegment:
    """Footage with one object pasted in.

    Attributes:
        kind: AnomalyKind of the anomaly, or the control.
        pictures: (H, W, 3) uint8 RGB each; pictures without the object are the original ones.
        masks: (H, W) bool each, the touched pixels; all False without the object.
    """

    kind: str
    pictures: list[Picture]
    masks: list[MASKED]


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Poses of an object in consecutive frames.

    Attributes:
        start: Index of the frame at which the object enters.
        poses: PlacedCutout in each frame from there on.
    """

    start: int
    poses: list[PlacedCutout]

    def is_long_enough(self, times_s: NDArray[np.float64]) -> bool:
        """True if the object is shown for `LEAST_SHOWN` frames and `LEAST_SHOWN_S` seconds."""
        shown_s = times_s[self.start : self.start + len(self.poses)]
        return len(shown_s) >= LEAST_SHOWN and bool(shown_s[-1] - shown_s[0] >= LEAST_SHOWN_S - 1e-6)

    def crowding(self, pictures: Sequence[Picture], backdrop: Backdrop) -> float:
        """Mean share of the pasted pixels that overlap foreground, over up to five frames."""
        shares = []
        for offset in np.unique(np.linspace(0, len(self.poses) - 1, 5).round().astype(int)):
            picture = pictures[self.start + offset]
            touched = paste(picture, self.poses[offset])[1]
            shares.append(float(backdrop.foreground(picture)[touched].mean()) if touched.any() else 0.0)
        return float(np.mean(shares))

    def pasted(self, kind: str, pictures: Sequence[Picture]) -> StagedSegment:
        """The footage with the object pasted in."""
        shown = list(pictures)
        masks = [np.zeros(picture.shape[:2], np.bool_) for picture in pictures]
        for index, pose in enumerate(self.poses, self.start):
            shown[index], masks[index] = paste(pictures[index], pose)
        return StagedSegment(kind, shown, masks)


def least_crowded(
    placements: Sequence[Placement], pictures: Sequence[Picture], times_s: NDArray[np.float64], backdrop: Backdrop
) -> Placement | None:
    """The placement that overlaps other objects least, of those that are long enough; None if there is none."""
    long = [placement for placement in placements if placement.is_long_enough(times_s)]
    return min(long, key=lambda placement: placement.crowding(pictures, backdrop), default=None)


def faded(poses: list[PlacedCutout], elapsed_s: NDArray[np.float64]) -> list[PlacedCutout]:
    """The poses of a moving object, faded in and out.

    Args:
        poses: N poses.
        elapsed_s: Seconds since the object entered, of at least N frames.
    """
    if len(poses) < 2:
        return poses
    shown_s = elapsed_s[: len(poses)]
    inside_s = np.minimum(shown_s, shown_s[-1] - shown_s) + (shown_s[1] - shown_s[0])
    shares = np.minimum(1.0, inside_s / RAMP_S)
    return [pose.faded(float(share)) for pose, share in zip(poses, shares, strict=True)]
