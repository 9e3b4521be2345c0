"""What the others do near a mover's path: whether its way and its speed are usual there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streammon.validation.staging.cast import Mover

USUAL_SHARE = 0.2
"""A way or a speed that more than this share of the moves nearby have is usual, and staging it shows nothing odd."""

NEARBY = 0.75
LEAST_NEARBY = 20.0
"""In sizes of the mover, and at least in pixels: how near to its path another's counts."""

SAME_WAY = 0.5
"""Cosine of the angle, 60 degrees, within which two go the same way."""


class Company:
    """Every move of a cast: where, and how fast in x and y.

    Attributes:
        places: (M, 2) x, y in pixels.
        velocities: (M, 2) pixels per second.
    """

    def __init__(self, cast: Sequence[Mover]) -> None:
        moves = [_moves(mover) for mover in cast]
        self.places = np.concatenate([places for places, _ in moves] or [np.empty((0, 2))])
        self.velocities = np.concatenate([velocities for _, velocities in moves] or [np.empty((0, 2))])

    def near(self, mover: Mover) -> NDArray[np.float64]:
        """(K, 2) velocities of the moves near a mover's path, its own among them."""
        path = mover.path()
        away = np.hypot(*(self.places[:, None] - path[None, ::2]).transpose(2, 0, 1)).min(axis=1)
        return np.asarray(self.velocities[away <= max(NEARBY * mover.size, LEAST_NEARBY)], np.float64)

    def goes_back(self, mover: Mover) -> bool:
        """Whether it is usual near its path to go the other way."""
        near = self.near(mover)
        lengths = np.maximum(np.hypot(*near.T) * np.hypot(*mover.velocity), 1e-9)
        opposite = near @ mover.velocity / lengths < -SAME_WAY
        return bool(opposite.mean() > USUAL_SHARE)

    def is_as_fast(self, mover: Mover, speed: float) -> bool:
        """Whether it is usual near its path to go at `speed` times its own speed, or nearly."""
        fast = np.hypot(*self.near(mover).T) > 0.8 * speed * np.hypot(*mover.velocity)
        return bool(fast.mean() > USUAL_SHARE)


def _moves(mover: Mover) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    path = mover.path()
    steps_s = np.diff(mover.times_s)[:, None]
    return (path[1:] + path[:-1]) / 2, np.diff(path, axis=0) / steps_s
