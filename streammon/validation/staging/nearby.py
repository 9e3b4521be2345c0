"""Usual directions and speeds near a mover's path, from all movers of a cast."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streammon.validation.staging.cast import Mover

USUAL_SHARE = 0.2
"""Share of the moves nearby above which a direction or speed is usual, so that staging it would be no anomaly."""

NEARBY = 0.75
LEAST_NEARBY = 20.0
"""Radius around a mover's path in which moves count as nearby: `NEARBY` sizes of the mover, at least `LEAST_NEARBY`
pixels."""

SAME_WAY = 0.5
"""Minimum cosine between two velocities of the same direction (60 degrees)."""


class NearbyMotion:
    """Position and velocity of every move of a cast, from one frame to the next.

    Attributes:
        places: (M, 2) x, y in pixels.
        velocities: (M, 2) pixels per second.
    """

    def __init__(self, cast: Sequence[Mover]) -> None:
        moves = [_moves(mover) for mover in cast]
        self.places = np.concatenate([places for places, _ in moves] or [np.empty((0, 2))])
        self.velocities = np.concatenate([velocities for _, velocities in moves] or [np.empty((0, 2))])

    def near(self, mover: Mover) -> NDArray[np.float64]:
        """(K, 2) velocities of the moves near a mover's path, the mover's own among them."""
        path = mover.path()
        away = np.hypot(*(self.places[:, None] - path[None, ::2]).transpose(2, 0, 1)).min(axis=1)
        return np.asarray(self.velocities[away <= max(NEARBY * mover.size, LEAST_NEARBY)], np.float64)

    def is_opposite_usual(self, mover: Mover) -> bool:
        """True if the opposite direction is usual near the mover's path."""
        near = self.near(mover)
        lengths = np.maximum(np.hypot(*near.T) * np.hypot(*mover.velocity), 1e-9)
        opposite = near @ mover.velocity / lengths < -SAME_WAY
        return bool(opposite.mean() > USUAL_SHARE)

    def is_speed_usual(self, mover: Mover, speed: float) -> bool:
        """True if speeds above 0.8 * `speed` times the mover's own are usual near its path."""
        fast = np.hypot(*self.near(mover).T) > 0.8 * speed * np.hypot(*mover.velocity)
        return bool(fast.mean() > USUAL_SHARE)


def _moves(mover: Mover) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    path = mover.path()
    steps_s = np.diff(mover.times_s)[:, None]
    return (path[1:] + path[:-1]) / 2, np.diff(path, axis=0) / steps_s
