"""Statistics of a scene's motion: sums by place, exactly mergeable.

Windows of 15 s (`turn_s`) of the footage go in turn to one and the other of two halves, so that the width of the
pooling kernel can be chosen by cross-validation. The sums of the two halves add up to the sums of all footage.
"""

import numpy as np
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import GRID, Motion
from streammon.motion.gaussians import PlacedSums
from streammon.motion.objects import MovingObject
from streammon.motion.observe import Observation
from streammon.motion.settings import SETTINGS

OBJECT_GRID = SETTINGS.statistics.object_grid
DIRECTIONS = SETTINGS.statistics.directions


def cell_speeds(motion: Motion) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Flat indices (N,) of the moving cells, and their speeds (N, 1), in longer sides per second.

    Speeds rather than their logarithms, which would exaggerate slow cells: they are mostly the edges of objects.
    """
    cells = np.flatnonzero(motion.cells)
    return cells, motion.speed.reshape(-1)[cells, None]


def direction_positions(motion: Motion, cells: NDArray[np.int64]) -> NDArray[np.float32]:
    """Direction (N,) of each cell's mean velocity in eighths of a turn, not rounded, -4 to 4.

    0 is rightwards (and what has no velocity), 2 downwards, -2 upwards.
    """
    velocity = motion.velocity.reshape(-1, 2)[cells]
    return np.asarray(np.arctan2(velocity[:, 1], velocity[:, 0]) / (2 * np.pi) * DIRECTIONS, np.float32)


def direction_bins(motion: Motion, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Direction bin (N,) of each cell, 0 to 7; 0 is rightwards, 2 downwards."""
    bins: NDArray[np.int64] = np.round(direction_positions(motion, cells)).astype(np.int64) % DIRECTIONS
    return bins


def moving_places(motion: Motion) -> NDArray[np.int64]:
    """Flat indices (N,) of the places of the change grid in which some cell moves."""
    per = SETTINGS.cells_per_place
    some = motion.cells.reshape(CHANGE_GRID, per, CHANGE_GRID, per).any((1, 3))
    return np.flatnonzero(some)


def object_places(objects: list[MovingObject]) -> NDArray[np.int64]:
    """Flat indices (N,) of the objects' centres on the object grid."""
    places = [
        min(int(row * OBJECT_GRID), OBJECT_GRID - 1) * OBJECT_GRID + min(int(column * OBJECT_GRID), OBJECT_GRID - 1)
        for row, column in (each.place for each in objects)
    ]
    return np.array(places, np.int64)


def object_shapes(objects: list[MovingObject]) -> NDArray[np.float32]:
    """Natural logarithms (N, 3) of width, height and area, in pixels of the detail."""
    shapes = [(each.box[2], each.box[3], np.count_nonzero(each.mask)) for each in objects]
    return np.log(np.array(shapes, np.float32).reshape(-1, 3))


class MotionSums:
    """Sums of motion over some footage, for the Gaussians and rates by place.

    Args:
        dimensions: D, number of an object's features.

    Attributes:
        frames: Number of frames with an earlier picture, moving or not.
        turns: Number of windows of at most 15 s that the frames are from; counted by the caller (`Halves.turn`).
        speed: Sums of speeds, by cell.
        looks: Sums of object features, by place.
        shape: Sums of object shapes, by place.
        change: Sums of the embedding's rate of change at moving places. Still places are left out: their rates are
            noise, and every walker would be an outlier of that noise.
        directions: (GRID, GRID, 8) sum of the speeds of each cell in each direction, so that the noisy directions of
            slow cells count less.
        view: (16, 16, 32) sum of the embeddings of all frames, also of those without an earlier picture.
    """

    def __init__(self, dimensions: int) -> None:
        self.frames = 0
        self.turns = 0
        self.speed = PlacedSums(GRID, 1)
        self.looks = PlacedSums(OBJECT_GRID, dimensions)
        self.shape = PlacedSums(OBJECT_GRID, 3)
        self.change = PlacedSums(CHANGE_GRID, CHANGE_CHANNELS)
        self.directions = np.zeros((GRID, GRID, DIRECTIONS))
        self.view = np.zeros((CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS))

    @property
    def placed(self) -> dict[str, PlacedSums]:
        """Sums of the four Gaussians, by name."""
        return {"speed": self.speed, "looks": self.looks, "shape": self.shape, "change": self.change}

    def update(self, seen: Observation) -> None:
        """Add one normal frame."""
        if seen.embedding is not None:
            self.view += seen.embedding
        if seen.motion is None:
            return
        if seen.change is not None:
            places = moving_places(seen.motion)
            self.change.update(places, seen.change.reshape(-1, CHANGE_CHANNELS)[places])
        self.frames += 1
        cells, speeds = cell_speeds(seen.motion)
        self.speed.update(cells, speeds)
        ways = cells, direction_bins(seen.motion, cells)
        np.add.at(self.directions.reshape(-1, DIRECTIONS), ways, speeds[:, 0].astype(np.float64))
        if seen.objects:
            places = object_places(seen.objects)
            self.looks.update(places, seen.features)
            self.shape.update(places, object_shapes(seen.objects))

    def merge(self, other: "MotionSums") -> None:
        """Add the frames of another fit.

        Raises:
            ValueError: The two differ in the number of an object's features; nothing is then added.
        """
        mine, others = (sums.looks.total.shape[-1] for sums in (self, other))
        if mine != others:  # all other shapes are fixed
            raise ValueError(f"{mine} features of an object against {others}")
        self.frames += other.frames
        self.turns += other.turns
        for name, sums in self.placed.items():
            sums.merge(other.placed[name])
        self.directions += other.directions
        self.view += other.view

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All sums by name, for a file."""
        named = {
            "frames": np.array(float(self.frames)),
            "turns": np.array(float(self.turns)),
            "directions": self.directions,
            "view": self.view,
        }
        for name, sums in self.placed.items():
            named |= {f"{name}.count": sums.count, f"{name}.total": sums.total, f"{name}.products": sums.products}
        return named

    def restore(self, named: dict[str, NDArray[np.float64]]) -> None:
        """Replace all sums by the arrays that `arrays` returned.

        Raises:
            KeyError: An array is missing.
            ValueError: An array has another shape.
        """
        for name, mine in self.arrays().items():
            if named[name].shape != mine.shape:
                raise ValueError(f"its {name} is {named[name].shape}, not {mine.shape}")
            mine[...] = named[name]
        self.frames, self.turns = int(named["frames"]), int(named["turns"])


class Halves:
    """Assigns frames to the two cross-validation halves, alternating every 15 s and at each new stream.

    Attributes:
        last: Half of the last frame, 0 or 1; the next stream goes to the other half.
    """

    def __init__(self) -> None:
        self.last = 1
        self._stream: str | None = None
        self._since_s = 0.0

    def turn(self, seen: Observation) -> tuple[int, bool]:
        """Half of a frame, 0 or 1, and whether the frame begins a new window of that half."""
        elapsed = seen.time_s - self._since_s
        begins = seen.stream != self._stream or not 0 <= elapsed < SETTINGS.statistics.turn_s
        if begins:
            self.last = 1 - self.last
            self._stream, self._since_s = seen.stream, seen.time_s
        return self.last, begins
