"""Surprise of a value: -log10 of the probability that normal footage reaches it.

Surprise is the common scale on which kinds of evidence are compared and added. Up to the 98th percentile the
probability is counted. Beyond it the tail is exponential with the mean excess as its scale (peaks over threshold).
The scale is uncertain; averaged over its posterior the exponential becomes (1 + excess / (k scale))^-k, as in
`calibration.rates` for whole frames, so that the surprise of a value far out of its range grows ever more slowly.

Normal footage drifts from one stretch to the next, so the tail is that of the values under all likely shifts
(`calibration.drift`); otherwise the channel that drifts most would seem the most certain. Speeds, directions,
patches measured against their own past, the likeness to the learned view, and the sum over moving cells (a surprise
already) have plain exponential tails (`EXPONENTIAL`, k = infinity): with heavy tails at each step a running person
could not reach a high score.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streammon.calibration.drift import DISTANCES, Guess, shifted
from streammon.calibration.settings import SETTINGS

CHOSEN = SETTINGS.tails
EXPONENTIAL = math.inf
"""k of a plain exponential tail."""


@dataclass(frozen=True, eq=False)
class Tail:
    """Surprise as a function of a value.

    Attributes:
        knots: (K,) values, ascending, at evenly spaced probabilities up to the tail's start.
        scale: Mean excess beyond the last knot.
        weight: k, how many peaks the scale is worth.
    """

    knots: NDArray[np.float64]
    scale: float
    weight: float = CHOSEN.weight

    @classmethod
    def of(
        cls,
        values: NDArray[np.floating],
        stretches: NDArray[np.int64] | None = None,
        least_scale: float = CHOSEN.least_decade,
        weight: float = CHOSEN.weight,
        guess: Guess = DISTANCES,
    ) -> Self:
        """The tail of values seen in normal footage.

        Args:
            values: (N,) of them.
            stretches: (N,) which stretch of the footage each is from; None where that is all one.
            least_scale: Of the tail: by so much the value wanders by itself.
            weight: k, how many peaks the scale is worth.
            guess: How much stretches differ, before any was seen.

        Raises:
            ValueError: Fewer than 10 values.
        """
        seen = np.asarray(values, np.float64)
        if len(seen) < CHOSEN.least_values:
            raise ValueError(f"{len(seen)} values; a tail needs at least {CHOSEN.least_values}")
        if stretches is not None:
            seen = shifted(seen, stretches, 1 - CHOSEN.share, guess)
        knots = np.quantile(seen, np.linspace(0, 1 - CHOSEN.share, CHOSEN.knots))
        beyond = seen[seen > knots[-1]] - knots[-1]
        scale = float(beyond.mean()) if len(beyond) else 0.0
        return cls(knots, max(scale, CHOSEN.least_scale * abs(float(knots[-1])), least_scale), weight)

    def array(self) -> NDArray[np.float64]:
        """(K + 2,) the scale, the weight and the knots, for a file."""
        return np.concatenate([[self.scale, self.weight], self.knots])

    @classmethod
    def of_array(cls, array: NDArray[np.float64]) -> Self:
        """The tail that `array` was made of."""
        scale, weight, *knots = array.tolist()
        return cls(np.array(knots), scale, weight)

    def surprise(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """-log10 P(normal footage reaches the value), 0 and up; same shape."""
        exact = np.asarray(values, np.float64)
        below = np.where(exact > self.knots[-1], 1 - CHOSEN.share, np.interp(exact, *self._below))
        excess = np.maximum(exact - self.knots[-1], 0) / self.scale
        slowed = excess if math.isinf(self.weight) else self.weight * np.log1p(excess / self.weight)
        surprise: NDArray[np.float64] = -np.log10(1 - below) + slowed / math.log(10)
        return surprise

    def surprise_of(self, value: float) -> float:
        """`surprise` of one value, in a tenth of the time that an array of one value takes."""
        last = float(self.knots[-1])
        below = 1 - CHOSEN.share if value > last else float(np.interp(value, *self._below))
        excess = max(value - last, 0.0) / self.scale
        slowed = excess if math.isinf(self.weight) else self.weight * math.log1p(excess / self.weight)
        return slowed / math.log(10) - math.log10(1 - below)

    @cached_property
    def _below(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The knots, each once, and the share of normal footage below it: what many frames showed, all they reach."""
        steps, first = np.unique(self.knots, return_index=True)
        return steps, first * (1 - CHOSEN.share) / (CHOSEN.knots - 1)
