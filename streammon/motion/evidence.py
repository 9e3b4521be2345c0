"""Evidence of a frame: distances of its motion from the learned statistics, not yet tail probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import GRID, Motion
from streammon.motion.gaussians import PlacedGaussians, chosen_width
from streammon.motion.objects import MovingObject
from streammon.motion.observe import Observation
from streammon.motion.settings import SETTINGS
from streammon.motion.statistics import (
    DIRECTIONS,
    MotionSums,
    cell_speeds,
    direction_positions,
    moving_places,
    object_places,
    object_shapes,
)
from streammon.motion.view import LearnedView
from streammon.records import Channel

OBJECT_CHANNELS = (Channel.DIRECTION, Channel.PLACE, Channel.SHAPE)
"""Channels with one value per object, not per cell."""

LEAST_WIDTHS = {"speed": SETTINGS.evidence.least_speed_width}
"""Least width of the pooling kernel in cells, by name of the sums; 0 for the others."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Distances of one frame from the learned statistics.

    Attributes:
        cells: (N,) int16, flat indices of the moving cells.
        speed: (N,) float16, (speed - mean) / standard deviation, at least `slowest`, averaged over the moving cells
            of the neighbourhood. Positive where things are faster than usual.
        looks: (N,) float16, Mahalanobis distance of the features of the object in the cell, the largest where
            several touch it; 0 without an object.
        change: (N,) float16, Mahalanobis distance of the embedding's rate of change; 0 where the embedding a lag ago
            or the Gaussian is unknown.
        direction: How rare the direction of an object is: the mean over its moving cells of r * speed / usual speed.
            r = -log10(8 p), where p is the share of the cell's traffic in that direction: 0 if all directions are
            equally usual, below 0 for a usual one. The largest over objects, at least 0.
        place: How rare motion is where an object is: the mean over its moving cells of -log10 of the share of frames
            in which something moved there. The largest over objects.
        shape: Mahalanobis distance of an object's shape. The largest over objects.
        likeness: Likeness to the learned view (`LearnedView.likeness`); 1 without an embedding.
    """

    cells: NDArray[np.int16]
    speed: NDArray[np.float16]
    looks: NDArray[np.float16]
    change: NDArray[np.float16]
    direction: float = 0.0
    place: float = 0.0
    shape: float = 0.0
    likeness: float = 1.0


def chosen_widths(halves: tuple[MotionSums, MotionSums]) -> dict[str, float]:
    """Width of each Gaussian's pooling kernel, by cross-validation and name; none where too little moved."""
    widths = {}
    for name, one in halves[0].placed.items():
        other = halves[1].placed[name]
        if one.count.sum() + other.count.sum() >= SETTINGS.gaussians.least_observations:
            widths[name] = chosen_width((one, other), LEAST_WIDTHS.get(name, 0.0))
    return widths


class Measure:
    """Measures evidence of frames by Gaussians and rates, which are computed from the sums of normal footage.

    Args:
        halves: Sums of the two cross-validation halves. Sums without any motion are valid: motion is then rare
            everywhere, and speed, looks, change and shape have no Gaussian and give 0.
        widths: What `chosen_widths` gives for these halves, where it is known: choosing takes a second.

    Attributes:
        widths: Standard deviation of each Gaussian's pooling kernel, in places of its grid.
        rarity: (GRID, GRID) -log10 of the share of frames in which something moves at each place, with a prior of
            `prior_frames`: the weights of still places. `place` has a larger prior.
    """

    def __init__(self, halves: tuple[MotionSums, MotionSums], widths: Mapping[str, float] | None = None) -> None:
        """Solve the Gaussians and rates.

        Shares of directions and of motion have a prior worth `prior_turns` windows of 15 s of average footage (so
        `prior_turns * frames / turns` frames), evenly spread over the directions, half of it with motion. Otherwise
        the frames of one minute, which show the same few people, would make a direction or place certain.
        """
        whole = MotionSums(halves[0].looks.total.shape[-1])
        for half in halves:
            whole.merge(half)
        self.widths = dict(chosen_widths(halves) if widths is None else widths)
        self._gaussians: dict[str, PlacedGaussians | None] = {
            name: sums.pooled(self.widths[name]) if name in self.widths else None
            for name, sums in whole.placed.items()
        }
        self._view = LearnedView(whole.view)
        chosen, turns = SETTINGS.evidence, max(whole.turns, 1)
        total, squares = float(whole.speed.total.sum()), float(whole.speed.products.sum())
        # weighted by speed, so that whole objects outweigh their slow edges
        self._usual_speed = chosen.pace * squares / total if total else 1.0
        ways = _smoothed(whole.directions)  # (GRID, GRID, 8)
        ways += max(
            chosen.prior_turns * _traffic_weighted_mean(ways.sum(-1)) / turns / DIRECTIONS, chosen.least_prior
        )
        self._directions = -np.log10(ways / ways.mean(-1, keepdims=True)).reshape(-1, DIRECTIONS)
        moves = _smoothed(whole.speed.count)
        self.rarity = _surprise_of_motion(moves, whole.frames, chosen.prior_frames)
        prior_frames = max(chosen.prior_turns * whole.frames / turns, chosen.prior_frames)
        self._places = _surprise_of_motion(moves, whole.frames, prior_frames)

    def scoring_bytes(self) -> int:
        """Memory of the Gaussians and of the rates of directions, in bytes."""
        gaussians = [each for each in self._gaussians.values() if each is not None]
        return int(sum(each.mean.nbytes + each.triangles.nbytes for each in gaussians) + self._directions.nbytes)

    def evidence(self, seen: Observation) -> Evidence:
        """Evidence of one frame."""
        likeness = 1.0 if seen.embedding is None else self._view.likeness(seen.embedding)
        if seen.motion is None or not (seen.objects or seen.motion.cells.any()):
            nothing = np.zeros(0, np.float16)
            return Evidence(np.zeros(0, np.int16), nothing, nothing, nothing, likeness=likeness)
        cells, speeds = cell_speeds(seen.motion)
        looks = np.zeros(GRID * GRID, np.float32)
        if seen.objects:
            distances = self._distances("looks", object_places(seen.objects), seen.features)
            touched, owners = _touched(seen.objects)
            np.maximum.at(looks, touched, distances[owners])
        strangest = {
            channel: float(each.max(initial=0)) for channel, each in self._of_objects(seen, cells, speeds).items()
        }
        return Evidence(
            cells=cells.astype(np.int16),
            speed=self._speed(cells, speeds).astype(np.float16),
            looks=looks[cells].astype(np.float16),
            change=self._change(seen, seen.motion, cells).astype(np.float16),
            direction=strangest[Channel.DIRECTION],
            place=strangest[Channel.PLACE],
            shape=strangest[Channel.SHAPE],
            likeness=likeness,
        )

    def most_unusual_object_cells(self, seen: Observation, channel: Channel) -> NDArray[np.int64]:
        """Cells (N,), moving or not, of the object with the largest value of a channel; none without objects.

        Args:
            seen: Observation of the frame.
            channel: One of `OBJECT_CHANNELS`.
        """
        if seen.motion is None or not seen.objects:
            return np.zeros(0, np.int64)
        values = self._of_objects(seen, *cell_speeds(seen.motion))[channel]
        return seen.objects[int(values.argmax())].cells

    def _of_objects(
        self, seen: Observation, cells: NDArray[np.int64], speeds: NDArray[np.float32]
    ) -> dict[Channel, NDArray[np.float32]]:
        """Direction, place and shape (N,) of N objects, by the moving cells and their speeds."""
        assert seen.motion is not None
        objects = seen.objects
        if not objects:
            return dict.fromkeys(OBJECT_CHANNELS, np.zeros(0, np.float32))
        rarity = self._direction_rarity(direction_positions(seen.motion, cells), cells)
        against = rarity * speeds[:, 0] / self._usual_speed
        direction, place = _means(objects, cells, np.stack([against, self._places.reshape(-1)[cells]]))
        return {
            Channel.DIRECTION: direction,
            Channel.PLACE: place,
            Channel.SHAPE: self._distances("shape", object_places(objects), object_shapes(objects)),
        }

    def _direction_rarity(self, ways: NDArray[np.float32], cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """-log10 (N,) of the share of each cell's direction over an even share of 1/8.

        Interpolated linearly between the two nearest direction bins.

        Args:
            ways: (N,) directions in eighths of the circle.
            cells: (N,) flat indices.
        """
        before = np.floor(ways).astype(np.int64)
        share = ways - before
        lower, upper = (self._directions[cells, each % DIRECTIONS] for each in (before, before + 1))
        return np.asarray((1 - share) * lower + share * upper, np.float32)

    def _speed(self, cells: NDArray[np.int64], speeds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Excess speed (N,) in standard deviations, averaged over the moving cells of the neighbourhood."""
        gaussians = self._gaussians["speed"]
        if gaussians is None:
            return np.zeros(len(cells), np.float32)
        chosen = SETTINGS.evidence
        faster, moving = np.zeros((2, GRID * GRID), np.float32)
        faster[cells], moving[cells] = gaussians.whitened(cells, speeds)[:, 0].clip(min=chosen.slowest), 1.0
        side = (chosen.neighbourhood, chosen.neighbourhood)
        near, there = (cv2.blur(each.reshape(GRID, GRID), side).reshape(-1)[cells] for each in (faster, moving))
        return np.asarray(near / there, np.float32)

    def _distances(self, name: str, places: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mahalanobis distances (N,) of values (N, D) at places (N,); 0 without a Gaussian."""
        gaussians = self._gaussians[name]
        if gaussians is None:
            return np.zeros(len(values), np.float32)
        lengths: NDArray[np.float32] = np.linalg.norm(gaussians.whitened(places, values), axis=1)
        return lengths

    def _change(self, seen: Observation, motion: Motion, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """Mahalanobis distances (N,) of the embedding's rate of change at the places of moving cells (N,)."""
        distances = np.zeros(CHANGE_GRID * CHANGE_GRID, np.float32)
        if seen.change is not None and self._gaussians["change"] is not None:
            places = moving_places(motion)
            distances[places] = self._distances("change", places, seen.change.reshape(-1, CHANGE_CHANNELS)[places])
        per = SETTINGS.cells_per_place
        of_cells: NDArray[np.float32] = distances[cells // GRID // per * CHANGE_GRID + cells % GRID // per]
        return of_cells


def _smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts (GRID, GRID, …) smoothed over neighbouring cells."""
    width = SETTINGS.evidence.count_width
    return np.asarray(cv2.GaussianBlur(counts, (0, 0), width, borderType=cv2.BORDER_REFLECT), np.float64)


def _traffic_weighted_mean(traffic: NDArray[np.float64]) -> float:
    """Mean traffic of a place weighted by traffic, sum(t^2) / sum(t); 0 without traffic."""
    total = float(traffic.sum())
    return float((traffic**2).sum()) / total if total else 0.0


def _surprise_of_motion(moves: NDArray[np.float64], frames: int, prior: float) -> NDArray[np.float32]:
    """-log10 (GRID, GRID) of the share of frames with motion, (moves + prior) / (frames + 2 prior).

    The prior counts as `prior` frames with motion and as many without. Smoothed counts may exceed the frames.
    """
    share = (moves + prior) / (frames + 2 * prior)
    return np.asarray(-np.log10(share.clip(max=1.0)), np.float32)


def _touched(objects: list[MovingObject]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat indices (M,) of the cells that N objects touch, object by object, and the object (M,) of each cell."""
    counts = [len(each.cells) for each in objects]
    return np.concatenate([each.cells for each in objects]), np.repeat(np.arange(len(objects)), counts)


def _means(
    objects: list[MovingObject], cells: NDArray[np.int64], surprises: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean surprises (K, N) of N objects over their moving cells; 0 for an object without moving cells.

    Args:
        objects: N objects.
        cells: (M,) flat indices of the moving cells.
        surprises: (K, M) K kinds of surprise of each moving cell.
    """
    numbers = np.full(GRID * GRID, -1)
    numbers[cells] = np.arange(len(cells))
    touched, owners = _touched(objects)
    moving = numbers[touched]
    moving, owners = moving[moving >= 0], owners[moving >= 0]
    counts = np.maximum(np.bincount(owners, minlength=len(objects)), 1)
    totals = [np.bincount(owners, each[moving], len(objects)) for each in surprises]
    return np.asarray(np.stack(totals) / counts, np.float32)
