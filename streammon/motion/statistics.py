"""What is learned of a scene's motion: sums by place, exactly mergeable.

The footage is dealt into two halves, a quarter of a minute each in turn, so that how far places borrow from their
neighbours can be chosen by the likelihood of one half under the other. Together they are the whole.
"""

import numpy as np
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import GRID, Motion
from streammon.motion.gaussians import PlacedSums
from streammon.motion.objects import MovingObject
from streammon.motion.observe import Observation

OBJECT_GRID = 16
DIRECTIONS = 8
TURN_S = 15.0  # a half's turn; long enough that the halves are not each other's neighbours


def cell_speeds(motion: Motion) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Flat indices (N,) of the cells that move, and their speed (N, 1).

    Not its logarithm: people's paces differ by about a fifth either way, and what seems slow is mostly only the edge
    of something, of which a logarithm makes much.
    """
    cells = np.flatnonzero(motion.cells)
    return cells, motion.speed.reshape(-1)[cells, None]


def eighths(motion: Motion, cells: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N,) which way each cell moves, in eighths of the circle, -4 to 4; 0 is rightwards, 2 downwards."""
    velocity = motion.velocity.reshape(-1, 2)[cells]
    return np.asarray(np.arctan2(velocity[:, 1], velocity[:, 0]) / (2 * np.pi) * DIRECTIONS, np.float32)


def direction_bins(motion: Motion, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) in which of the 8 directions each cell moves; 0 is rightwards, 2 downwards."""
    bins: NDArray[np.int64] = np.round(eighths(motion, cells)).astype(np.int64) % DIRECTIONS
    return bins


def moving_places(motion: Motion) -> NDArray[np.int64]:
    """(N,) flat indices of the change grid's places in which some cell moves."""
    per = GRID // CHANGE_GRID
    some = motion.cells.reshape(CHANGE_GRID, per, CHANGE_GRID, per).any((1, 3))
    return np.flatnonzero(some)


def object_places(objects: list[MovingObject]) -> NDArray[np.int64]:
    """(N,) flat indices of the objects' places on the objects' grid."""
    places = [
        min(int(row * OBJECT_GRID), OBJECT_GRID - 1) * OBJECT_GRID + min(int(column * OBJECT_GRID), OBJECT_GRID - 1)
        for row, column in (each.place for each in objects)
    ]
    return np.array(places, np.int64)


def object_shapes(objects: list[MovingObject]) -> NDArray[np.float32]:
    """(N, 3) logarithms of width, height and area, in pixels of the detail."""
    shapes = [(each.box[2], each.box[3], each.mask.sum()) for each in objects]
    return np.log(np.array(shapes, np.float32).reshape(-1, 3))


class MotionSums:
    """All sums of some footage.

    Attributes:
        frames: With motion to read, moving or not.
        turns: Quarter minutes that they are from, or what there was of them.
        speed: Speeds, by cell.
        looks: Features of moving objects, by place.
        shape: Their shapes.
        change: Differences of embeddings where something moves: where nothing does they are noise, and a place
            that was still while it was learned would find every walker strange.
        directions: (G, G, 8) the cells' speeds in the frames in which they moved that way, added up.
        view: (16, 16, 32) the embeddings of all frames, added up.
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
        """The Gaussians' sums by name."""
        return {"speed": self.speed, "looks": self.looks, "shape": self.shape, "change": self.change}

    def update(self, seen: Observation) -> None:
        """Take in one normal frame."""
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
        """Take in what another fit saw.

        Raises:
            ValueError: The two differ in channels.
        """
        self.frames += other.frames
        self.turns += other.turns
        for name, sums in self.placed.items():
            sums.merge(other.placed[name])
        self.directions += other.directions
        self.view += other.view

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All of it by name, for a file."""
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
        """Go on from `arrays` of sums made alike.

        Raises:
            KeyError: One is missing.
            ValueError: One has another shape.
        """
        for name, mine in self.arrays().items():
            if named[name].shape != mine.shape:
                raise ValueError(f"its {name} is {named[name].shape}, not {mine.shape}")
            mine[...] = named[name]
        self.frames, self.turns = int(named["frames"]), int(named["turns"])


class Halves:
    """Whose turn it is: a change of stream or of a quarter minute gives the turn away.

    Attributes:
        last: Whose turn it was, 0 or 1; the next stream goes to the other.
    """

    def __init__(self) -> None:
        self.last = 1
        self._stream: str | None = None
        self._since_s = 0.0

    def turn(self, seen: Observation) -> tuple[int, bool]:
        """The half that a frame goes to, 0 or 1, and whether its turn begins."""
        elapsed = seen.time_s - self._since_s
        begins = seen.stream != self._stream or not 0 <= elapsed < TURN_S
        if begins:
            self.last = 1 - self.last
            self._stream, self._since_s = seen.stream, seen.time_s
        return self.last, begins
