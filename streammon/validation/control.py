"""The control: a mover pasted in unchanged at another time. Nothing but the pasting is abnormal."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streammon.validation.footage import Segment
from streammon.validation.staging import AnomalyKind, Mover, StagedSegment, stage
from streammon.validation.staging.paths import MoverPath, PlacedCutout
from streammon.validation.staging.placement import LEAST_SHOWN, STARTS, Placement, faded, least_crowded
from streammon.validation.staging.scenery import Backdrop

CONTROL = "unchanged"
"""Name of the control among the kinds of anomalies."""

KINDS = (*(str(kind) for kind in AnomalyKind), CONTROL)
"""All kinds of anomalies, the control last."""

APART_S = 1.0
"""Minimum seconds between a mover's own start and the pasted one: at the same time nothing would change."""


def staged_segment(
    kind: str,
    segment: Segment,
    cast: Sequence[Mover],
    traffic: NDArray[np.float32],
    rng: np.random.Generator,
) -> StagedSegment | None:
    """The segment with one anomaly, or the control, pasted in; None where the segment doesn't allow it."""
    if kind == CONTROL:
        return paste_unchanged(segment, cast, rng)
    return stage(AnomalyKind(kind), segment.pictures, segment.times_s, cast, traffic, rng)


def paste_unchanged(segment: Segment, cast: Sequence[Mover], rng: np.random.Generator) -> StagedSegment | None:
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
        placements = [Placement(int(start), _poses(mover, times_s[start:] - times_s[start])) for start in starts]
        if placement := least_crowded(placements, segment.pictures, times_s, backdrop):
            return placement.pasted(CONTROL, segment.pictures)
    return None


def _poses(mover: Mover, elapsed_s: NDArray[np.float64]) -> list[PlacedCutout]:
    """Placed cut-out of a mover in each frame, faded in and out as staged anomalies are."""
    path = MoverPath(mover)
    elapsed_s = elapsed_s[elapsed_s <= mover.duration_s + 1e-6]
    return faded([path.pose(float(at)) for at in elapsed_s], elapsed_s)
