"""What the patches show where nothing moves: a bag that was left, someone who stands or lies where nobody does.

What moves is told by its speed and its looks, object by object. Its patches would only add that each new walker
looks new, which drowns what the patches are best at. So they speak for the rest of the picture, and of what came:
light and shadows wander with the hours, and no footage has shown all of them. Each place is compared with how it was
before. A thing that came and stays grows conspicuous within seconds, so that a walker's short halt is no news, and
remains so for minutes.

It counts by how rarely anything moves there: someone who waits where people walk is one of them, on the lawn not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.motion.observe import Observation
from streammon.motion.streams import RecentStreams

Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]

REACH = 1 / 8
"""Of the picture's side, around what moves: so far a moving thing shows in patches, whose features see wide."""

BLUR = 1 / 64
"""Of the picture's side, standard deviation; as PaDiM smooths its maps."""

RISE_S = 300.0
"""In which what came, and stays, becomes how a place was before."""

FALL_S = 1.0
"""In which a place counts as free again."""

NOISE = 2.0
"""Distance by which a place wanders by itself: patches are normal vectors, whose length does."""

DWELL_S = 3.0
"""In which what came, and stays, becomes conspicuous."""

LEAST_WEIGHT = 0.1
"""Of a place where things move all the time, against one where nothing ever did."""


class StillPatches:
    """One number a frame: by how much a still place is further from normal than it was before; the largest of all.

    Args:
        rarity: (G, G) how rare it is that something moves at each place, -log10 of its share of normal frames. Each
            rise is multiplied by its share of the rarest.
    """

    def __init__(self, rarity: Grid) -> None:
        self._weights = np.maximum(rarity / (float(rarity.max()) or 1.0), LEAST_WEIGHT).astype(np.float32)
        self._streams = RecentStreams(_StreamState)

    def heights(self, observations: Sequence[Observation], distances: Grid) -> list[float]:
        """What B frames show, each stream's in their order.

        Where motion can't be read, as in pictures seconds apart, all places count as still; but not in the first
        frame and the first after a gap, which are followed by others.

        Args:
            observations: Of the frames.
            distances: (B, g, g) of their patches.
        """
        return [self._height(seen, grid) for seen, grid in zip(observations, distances, strict=True)]

    def _height(self, seen: Observation, grid: Grid) -> float:
        still = np.ones(grid.shape, bool)
        state = self._streams[seen.stream]
        first_unread, state.unread = not state.unread, seen.motion is None
        if seen.motion is not None:
            still = ~_reached(seen.motion.cells, len(grid))
        elif first_unread:
            return 0.0
        smooth = cv2.GaussianBlur(grid, (0, 0), BLUR * len(grid), borderType=cv2.BORDER_REFLECT)
        if state.places is None or seen.time_s <= state.places.time_s:
            unknown = np.full(grid.shape, np.nan, np.float32)
            state.places = _Places(seen.time_s, unknown, np.zeros_like(unknown))
        dwelling = state.places.compare(np.asarray(smooth, np.float32), still, seen.time_s)
        weights = cv2.resize(self._weights, dwelling.shape[::-1], interpolation=cv2.INTER_AREA)
        return max(0.0, float((weights * dwelling).max()))


@dataclass(eq=False)
class _Places:
    """How one stream's places were before.

    Attributes:
        time_s: Of the last frame.
        before: (g, g) distances; nan where nothing was ever still.
        dwelling: (g, g) rise over `before` of what stays; what moves nearby hides a place.
    """

    time_s: float
    before: Grid
    dwelling: Grid

    def compare(self, distances: Grid, still: Mask, time_s: float) -> Grid:
        """The rise over before of what stays, 0 where something moves; then this frame belongs to before as well."""
        elapsed_s = time_s - self.time_s
        rise = np.where(still & ~np.isnan(self.before), distances - self.before, 0)
        grown = self.dwelling + (1 - np.exp(-elapsed_s / DWELL_S)) * (rise - self.dwelling)
        self.dwelling = np.where(still, np.minimum(rise, grown), self.dwelling).astype(np.float32)
        share = 1 - np.exp(-elapsed_s / np.where(rise > 0, RISE_S, FALL_S))
        begun = np.where(still & np.isnan(self.before), distances, self.before)
        self.before, self.time_s = (begun + share * rise).astype(np.float32), time_s
        return np.where(still, self.dwelling, 0).astype(np.float32)


@dataclass(eq=False)
class _StreamState:
    """State of one stream.

    Attributes:
        places: Its still places; None before its first frame.
        unread: Whether its last frame came without readable motion.
    """

    places: _Places | None = None
    unread: bool = False


def _reached(cells: Mask, side: int) -> Mask:
    """(side, side) where something moves or is within its reach."""
    moving = cv2.resize(cells.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    reach = 2 * round(REACH * side) + 1
    return np.asarray(cv2.dilate(moving, np.ones((reach, reach), np.uint8)) > 0)
