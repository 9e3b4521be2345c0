"""What a frame's motion is worth against what was learned: distances, before they become probabilities."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import GRID, Motion
from streammon.motion.gaussians import PlacedGaussians, chosen_width
from streammon.motion.objects import MovingObject
from streammon.motion.observe import Observation
from streammon.motion.statistics import (
    DIRECTIONS,
    MotionSums,
    cell_speeds,
    eighths,
    moving_places,
    object_places,
    object_shapes,
)
from streammon.motion.view import View
from streammon.records import Channel

SLOWEST = -3.0  # standard deviations below the mean; slower is not more normal
NEIGHBOURHOOD = 5  # cells a side over which the speeds of those that move are averaged: a lone cell is noise
COUNT_WIDTH = 1.5  # cells, pooling directions and presence
PRIOR_FRAMES = 1.0
LEAST_PRIOR = 1e-6  # where nothing ever went any way

PACE = 0.5
"""Of the mean speed at which distance is covered in a scene. Directions count by speed against that: who stands sways
every way, a thousand frames long, and has gone nowhere. (So do things far away, which cross the picture slowly.)"""

PRIOR_TURNS = 1.0
"""Of something moving at each place, and of nothing, and of the scene's usual traffic going every way, before any was
seen: someone who walks all through a quarter of a minute is one passer-by, however many frames show him. So minutes
of footage make no place and no way certain."""

WHOLE_OBJECTS = (Channel.DIRECTION, Channel.PLACE, Channel.SHAPE)
"""What is told of whole objects, not cell by cell."""

LEAST_WIDTHS = {"speed": 3.0}
"""Cells, of kernels that pool: cells finer than the things that move see a thing's edges, not its speed."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one frame shows, measured.

    Attributes:
        cells: (N,) int16, flat indices of the cells that move.
        speed: (N,) float16, how many standard deviations too fast.
        looks: (N,) float16, Mahalanobis distance of the object there; 0 where no object is.
        change: (N,) float16, Mahalanobis distance of the embeddings' difference there; 0 without a difference.
        direction: Of the object that goes most against the rule, the mean over its cells of how much rarer than any
            direction theirs is there, in decades, times their speed against the scene's pace; 0 where none does.
        place: Of the object in the rarest place, the mean over its cells of -log10 of the probability that something
            moves there at all.
        shape: Of the object of the strangest size and shape, its Mahalanobis distance.
        likeness: To the view that was learned, as `View` has it; 1 where nobody looked.
    """

    cells: NDArray[np.int16]
    speed: NDArray[np.float16]
    looks: NDArray[np.float16]
    change: NDArray[np.float16]
    direction: float = 0.0
    place: float = 0.0
    shape: float = 0.0
    likeness: float = 1.0


class Measure:
    """Gaussians and rates solved from the sums of two halves of normal footage.

    Args:
        halves: What was learned. Where nothing ever moved, whatever moves later is out of place.

    Attributes:
        widths: Cells, standard deviation of the kernel that each kind of Gaussian is pooled with.
        rarity: (GRID, GRID) how rare it is that something moves at each place: -log10 of its share of the frames.
    """

    def __init__(self, halves: tuple[MotionSums, MotionSums]) -> None:
        whole = MotionSums(halves[0].looks.total.shape[-1])
        for half in halves:
            whole.merge(half)
        self.widths: dict[str, float] = {}
        solved: dict[str, PlacedGaussians | None] = {}
        for name, sums in whole.placed.items():
            if sums.count.sum() < 2:
                solved[name] = None
                continue
            self.widths[name] = chosen_width(
                (halves[0].placed[name], halves[1].placed[name]), LEAST_WIDTHS.get(name, 0.0)
            )
            solved[name] = sums.pooled(self.widths[name])
        self._gaussians = solved
        self._view = View(whole.view)
        turns = max(whole.turns, 1)
        covered, squares = float(whole.speed.total.sum()), float(whole.speed.products.sum())
        self._pace = PACE * squares / covered if covered else 1.0
        ways = _pooled(whole.directions)
        ways += max(PRIOR_TURNS * _usual(ways.sum(-1)) / turns / DIRECTIONS, LEAST_PRIOR)
        self._directions = -np.log10(ways / ways.mean(-1, keepdims=True)).reshape(-1, DIRECTIONS)
        moves = _pooled(whole.speed.count)
        self.rarity = _surprise_of_motion(moves, whole.frames, PRIOR_FRAMES)
        self._places = _surprise_of_motion(moves, whole.frames, max(PRIOR_TURNS * whole.frames / turns, PRIOR_FRAMES))

    def evidence(self, seen: Observation) -> Evidence:
        """Measure one frame."""
        likeness = 1.0 if seen.embedding is None else self._view.likeness(seen.embedding)
        if seen.motion is None:
            nothing = np.zeros(0, np.float16)
            return Evidence(np.zeros(0, np.int16), nothing, nothing, nothing, likeness=likeness)
        cells, speeds = cell_speeds(seen.motion)
        looks = np.zeros(GRID * GRID, np.float32)
        if seen.objects:
            distances = self._distances("looks", object_places(seen.objects), seen.features)
            for each, distance in zip(seen.objects, distances, strict=True):
                looks[each.cells] = np.maximum(looks[each.cells], distance)
        strangest = {
            channel: float(each.max(initial=0)) for channel, each in self._of_objects(seen, cells, speeds).items()
        }
        return Evidence(
            cells=cells.astype(np.int16),
            speed=self._speed(cells, speeds).astype(np.float16),
            looks=looks[cells].astype(np.float16),
            change=self._change(seen, seen.motion).reshape(-1)[cells].astype(np.float16),
            direction=strangest[Channel.DIRECTION],
            place=strangest[Channel.PLACE],
            shape=strangest[Channel.SHAPE],
            likeness=likeness,
        )

    def culprit(self, seen: Observation, channel: Channel) -> NDArray[np.int64]:
        """(N,) the cells of the object that direction, place or shape speak of; those of none where there is none."""
        if seen.motion is None or not seen.objects:
            return np.zeros(0, np.int64)
        each = self._of_objects(seen, *cell_speeds(seen.motion))[channel]
        return seen.objects[int(each.argmax())].cells

    def _of_objects(
        self, seen: Observation, cells: NDArray[np.int64], speeds: NDArray[np.float32]
    ) -> dict[Channel, NDArray[np.float32]]:
        """What is told of whole objects, (N,) for each channel, by their moving cells."""
        assert seen.motion is not None
        objects = seen.objects
        if not objects:
            return dict.fromkeys(WHOLE_OBJECTS, np.zeros(0, np.float32))
        against = self._against(eighths(seen.motion, cells), cells) * speeds[:, 0] / self._pace
        return {
            Channel.DIRECTION: _means(objects, cells, against),
            Channel.PLACE: _means(objects, cells, self._places.reshape(-1)[cells]),
            Channel.SHAPE: self._distances("shape", object_places(objects), object_shapes(objects)),
        }

    def _against(self, ways: NDArray[np.float32], cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N,) decades by which each cell's way is rarer than any, between the two directions next to it."""
        before = np.floor(ways).astype(np.int64)
        share = ways - before
        lower, upper = (self._directions[cells, each % DIRECTIONS] for each in (before, before + 1))
        return np.asarray((1 - share) * lower + share * upper, np.float32)

    def _speed(self, cells: NDArray[np.int64], speeds: NDArray[np.float32]) -> NDArray[np.float32]:
        gaussians = self._gaussians["speed"]
        if gaussians is None:
            return np.zeros(len(cells), np.float32)
        faster, moving = np.zeros((2, GRID * GRID), np.float32)
        faster[cells], moving[cells] = gaussians.whitened(cells, speeds)[:, 0].clip(min=SLOWEST), 1.0
        side = (NEIGHBOURHOOD, NEIGHBOURHOOD)
        near, there = (cv2.blur(each.reshape(GRID, GRID), side).reshape(-1)[cells] for each in (faster, moving))
        return np.asarray(near / there, np.float32)

    def _distances(self, name: str, places: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
        gaussians = self._gaussians[name]
        if gaussians is None:
            return np.zeros(len(values), np.float32)
        lengths: NDArray[np.float32] = np.linalg.norm(gaussians.whitened(places, values), axis=1)
        return lengths

    def _change(self, seen: Observation, motion: Motion) -> NDArray[np.float32]:
        """(GRID, GRID) distances, 0 where nothing moves, and without a difference."""
        distances = np.zeros(CHANGE_GRID * CHANGE_GRID, np.float32)
        if seen.change is not None and self._gaussians["change"] is not None:
            places = moving_places(motion)
            distances[places] = self._distances("change", places, seen.change.reshape(-1, CHANGE_CHANNELS)[places])
        per = GRID // CHANGE_GRID
        return np.kron(distances.reshape(CHANGE_GRID, CHANGE_GRID), np.ones((per, per), np.float32))


def _pooled(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each place and its neighbours; (GRID, GRID) or (GRID, GRID, …)."""
    return np.asarray(cv2.GaussianBlur(counts, (0, 0), COUNT_WIDTH, borderType=cv2.BORDER_REFLECT), np.float64)


def _usual(traffic: NDArray[np.float64]) -> float:
    """The traffic of a place where it goes: the mean over all that goes, not over all places."""
    total = float(traffic.sum())
    return float((traffic**2).sum()) / total if total else 0.0


def _surprise_of_motion(moves: NDArray[np.float64], frames: int, prior: float) -> NDArray[np.float32]:
    """(GRID, GRID) -log10 of the share of frames in which something moves, `prior` more of either kind beside."""
    share = (moves + prior) / (frames + 2 * prior)
    return np.asarray(-np.log10(share.clip(max=1.0)), np.float32)


def _means(
    objects: list[MovingObject], cells: NDArray[np.int64], surprise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N,) of N objects, each the mean surprise over its moving cells; 0 where it has none."""
    grid = np.full(GRID * GRID, math.nan, np.float32)
    grid[cells] = surprise
    known = (inside[~np.isnan(inside)] for inside in (grid[each.cells] for each in objects))
    return np.array([inside.mean() if len(inside) else 0.0 for inside in known], np.float32)
