"""The control: a mover pasted in unchanged at another time. Nothing but the pasting is abnormal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.footage import Segment
from streammon.validation.staging import Kind, Mover, stage
from streammon.validation.staging.paths import Path, Pose, paste
from streammon.validation.staging.scenery import Backdrop
from streammon.validation.staging.stage import LEAST_SHOWN, LEAST_SHOWN_S, RAMP_S, STARTS

CONTROL = "unchanged"
"""Name of the control among the kinds of anomalies."""

ACTS = (*(str(kind) for kind in Kind), CONTROL)
"""All kinds of anomalies, the control last."""

APART_S = 1.0
"""Minimum seconds between a mover's own start and the pasted one: at the same time nothing would change."""


@dataclass(frozen=True, eq=False)
class Pasted:
    """Footage with one object pasted in.

    Attributes:
        act: Kind of anomaly, or the control.
        pictures: (H, W, 3) uint8 RGB each.
        masks: (H, W) bool each, the touched pixels.
    """

    act: str
    pictures: Sequence[Picture]
    masks: Sequence[NDArray[np.bool_]]


def pasted(
    act: str,
    segment: Segment,
    cast: Sequence[Mover],
    traffic: NDArray[np.float32],
    rng: np.random.Generator,
) -> Pasted | None:
    """The segment with one anomaly, or the control, pasted in; None where the segment doesn't allow it."""
    if act == CONTROL:
        return unchanged(segment, cast, rng)
    staged = stage(Kind(act), segment.pictures, segment.times_s, cast, traffic, rng)
    return None if staged is None else Pasted(act, staged.pictures, staged.masks)


def unchanged(segment: Segment, cast: Sequence[Mover], rng: np.random.Generator) -> Pasted | None:
    """The segment with a mover pasted in unchanged, at the random start time with the least overlap with others."""
    times_s = np.asarray(segment.times_s)
    if len(times_s) < LEAST_SHOWN or not cast:
        return None
    backdrop = Backdrop(segment.pictures)
    for index in rng.permutation(len(cast)):
        mover = cast[int(index)]
        latest = int(np.searchsorted(times_s, times_s[-1] - mover.duration_s, side="right")) - 1
        possible = np.flatnonzero(np.abs(times_s[: max(0, latest) + 1] - mover.times_s[0]) >= APART_S)
        if not len(possible):
            continue
        starts = np.unique(rng.choice(possible, min(STARTS, len(possible)), replace=False))
        acts = [(int(start), _poses(mover, times_s[start:] - times_s[start])) for start in starts]
        acts = [(start, poses) for start, poses in acts if _lasts(poses, times_s[start:])]
        if acts:
            return _performed(segment, *min(acts, key=lambda act: _crowding(segment, backdrop, *act)))
    return None


def _lasts(poses: list[Pose], times_s: NDArray[np.float64]) -> bool:
    return len(poses) >= LEAST_SHOWN and times_s[len(poses) - 1] - times_s[0] >= LEAST_SHOWN_S - 1e-6


def _poses(mover: Mover, elapsed_s: NDArray[np.float64]) -> list[Pose]:
    """Pose of a mover in each frame, faded in and out as staged anomalies are."""
    path, end_s = Path(mover), mover.duration_s
    shown_s = elapsed_s[elapsed_s <= end_s + 1e-6]
    step_s = float(elapsed_s[1] - elapsed_s[0]) if len(elapsed_s) > 1 else 0.0
    inside_s = np.minimum(shown_s, shown_s[-1] - shown_s) + step_s
    shares = np.minimum(1.0, inside_s / RAMP_S)
    return [path.pose(float(at)).faded(float(share)) for at, share in zip(shown_s, shares, strict=True)]


def _crowding(segment: Segment, backdrop: Backdrop, start: int, poses: list[Pose]) -> float:
    """Mean share of the pasted pixels that overlap foreground, over up to five frames."""
    met = []
    for offset in np.unique(np.linspace(0, len(poses) - 1, 5).round().astype(int)):
        picture = segment.pictures[start + offset]
        touched = paste(picture, poses[offset])[1]
        met.append(float(backdrop.foreground(picture)[touched].mean()) if touched.any() else 0.0)
    return float(np.mean(met))


def _performed(segment: Segment, start: int, poses: list[Pose]) -> Pasted:
    pictures = list(segment.pictures)
    masks = [np.zeros(picture.shape[:2], np.bool_) for picture in pictures]
    for offset, pose in enumerate(poses):
        pictures[start + offset], masks[start + offset] = paste(pictures[start + offset], pose)
    return Pasted(CONTROL, pictures, masks)
