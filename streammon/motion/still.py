"""Rise of PaDiM's distances at still places: a bag left behind, a person lying where people usually don't.

Moving objects are measured by their speed and features. Patch distances at moving objects would only report that each
new walker looks new, so places within reach of motion are left out. Light and shadows change with the hours, and no
footage contains all of them, so each still place is compared with its own recent past instead of a fixed level, and
the factor that all places share is divided out. The rise approaches its full height with the time constant `dwell_s`,
so that a walker's short halt hardly counts. What stays becomes usual with the time constant `rise_s`, and the rise
is then over.

The rise is weighted by how rarely anything moves at the place: waiting is usual where people walk, but not on a lawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.calibration import LONGEST_STEP_S, RecentRecordings
from streammon.motion.observe import Observation
from streammon.motion.settings import SETTINGS

Grid = NDArray[np.float32]
PatchMask = NDArray[np.bool_]

NOISE = SETTINGS.still.noise
"""Least scale of heights, for their tail (`streammon.scene.fusion`)."""


class StillPatches:
    """Largest weighted rise of the patch distance over the still places of a frame.

    height = max over places of weight * dwelling rise, with weight = max(rarity / max(rarity), least_weight).

    Args:
        rarity: (G, G) -log10 of the share of normal frames in which something moves at each cell of the flow's grid.
    """

    def __init__(self, rarity: Grid) -> None:
        weights = np.maximum(rarity / (float(rarity.max()) or 1.0), SETTINGS.still.least_weight)
        self._weights = weights.astype(np.float32)
        self._streams = RecentRecordings(_StreamState)

    def heights(self, observations: Sequence[Observation], distances: Grid) -> list[float]:
        """Height of each of B frames, which must come in order within each stream.

        In a frame without optical flow (as of pictures seconds apart) all places count as still. The first such frame
        (of a stream, or after frames with flow) has height 0: it may follow a gap, and motion in it is unknown.

        Args:
            observations: Observations of the frames.
            distances: (B, g, g) Mahalanobis distances of the patches, on the bank's grid.

        Returns:
            B heights >= 0: weighted Mahalanobis distances.
        """
        return [self._height(seen, grid) for seen, grid in zip(observations, distances, strict=True)]

    def _height(self, seen: Observation, grid: Grid) -> float:
        """Height of one frame with patch distances (g, g)."""
        still = np.ones(grid.shape, bool)
        state = self._streams[seen.stream]
        had_flow, state.had_flow = state.had_flow, seen.motion is not None
        if seen.motion is not None:
            still = ~_reached(seen.motion.cells, len(grid))
        elif had_flow:
            return 0.0
        smooth = cv2.GaussianBlur(grid, (0, 0), SETTINGS.still.blur * len(grid), borderType=cv2.BORDER_REFLECT)
        if state.places is None or seen.time_s <= state.places.time_s:
            unknown = np.full(grid.shape, np.nan, np.float32)
            state.places = _Places(seen.time_s, unknown, np.zeros_like(unknown))
        dwelling = state.places.compare(np.asarray(smooth, np.float32), still, seen.time_s)
        weights = cv2.resize(self._weights, dwelling.shape[::-1], interpolation=cv2.INTER_AREA)
        return max(0.0, float((weights * dwelling).max()))


@dataclass(eq=False)
class _Places:
    """Recent past of the places of one stream.

    Attributes:
        time_s: Time of the last frame.
        before: (g, g) usual distance of each place; nan where a place was never still.
        dwelling: (g, g) rise over `before`, low-pass filtered; unchanged while motion hides a place.
    """

    time_s: float
    before: Grid
    dwelling: Grid

    def compare(self, distances: Grid, still: PatchMask, time_s: float) -> Grid:
        """Filtered rise (g, g) of each place, 0 within reach of motion; also adds the frame to the recent past.

        A change of light multiplies the distances of all places by about the same factor, ambient >= 1 (a picture
        that becomes plainer hides nothing, so it raises no place). With r = distance - ambient * before:
        dwelling += (1 - exp(-dt / dwell_s)) (r - dwelling), at most r, so that it ends with what caused it. With
        s = distance - before: before += (1 - exp(-dt / tau)) s, where tau = rise_s for s > 0 and fall_s otherwise.
        Over a pause nothing dwells: nobody saw whether what is there now stayed.

        Args:
            distances: (g, g) smoothed distances of the frame.
            still: (g, g) bool: places out of reach of motion.
            time_s: Time of the frame.
        """
        chosen = SETTINGS.still
        elapsed_s = time_s - self.time_s
        dwelt_s = elapsed_s if elapsed_s <= LONGEST_STEP_S else 0.0
        comparable = still & ~np.isnan(self.before)
        local = np.where(comparable, distances - self._ambient(distances, comparable) * self.before, 0)
        grown = self.dwelling + (1 - np.exp(-dwelt_s / chosen.dwell_s)) * (local - self.dwelling)
        self.dwelling = np.where(still, np.minimum(local, grown), self.dwelling).astype(np.float32)
        rise = np.where(comparable, distances - self.before, 0)
        share = 1 - np.exp(-elapsed_s / np.where(rise > 0, chosen.rise_s, chosen.fall_s))
        begun = np.where(still & np.isnan(self.before), distances, self.before)
        self.before, self.time_s = (begun + share * rise).astype(np.float32), time_s
        return np.where(still, self.dwelling, 0).astype(np.float32)

    def _ambient(self, distances: Grid, comparable: PatchMask) -> float:
        """Ratio, at least 1, of the median distance to the usual one; 1 if few places can be compared."""
        if comparable.mean() < SETTINGS.still.least_comparable:
            return 1.0
        usual = float(np.median(self.before[comparable]))
        return max(1.0, float(np.median(distances[comparable])) / usual) if usual > 0 else 1.0


@dataclass(eq=False)
class _StreamState:
    """State of one stream.

    Attributes:
        places: Recent past of the stream's places; None before the first frame.
        had_flow: True if the stream's last frame had optical flow, and before its first frame.
    """

    places: _Places | None = None
    had_flow: bool = True


def _reached(cells: PatchMask, side: int) -> PatchMask:
    """Mask (side, side) of the patches within reach of moving cells (G, G)."""
    moving = cv2.resize(cells.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    reach = 2 * round(SETTINGS.still.reach * side) + 1
    return np.asarray(cv2.dilate(moving, np.ones((reach, reach), np.uint8)) > 0)
