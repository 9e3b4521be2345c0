"""How much normal footage differs from one stretch to the next, which a tail that saw few stretches can't know.

Neighbouring frames are no separate witnesses: a minute of one light and one crowd says little of the next. A tail is
made by the worst stretches; where fewer were seen than it takes for one of them to fill it, new footage will be
worse than all that was held out, by about as much as stretches differ. One stretch says nothing of that, so it is
begun with a guess, which counts as much as two stretches.
"""

import numpy as np
from numpy.typing import NDArray

GUESS = 0.4
"""Standard deviation of the stretches' quantiles, as a share of the quantile."""

GUESS_WEIGHT = 2
"""Stretches that the guess counts for."""


def drift(
    values: NDArray[np.float64], stretches: NDArray[np.int64], quantile: float, guess: float | None = None
) -> float:
    """By how much the tail of new footage is likely to begin elsewhere.

    Args:
        values: (N,) seen.
        stretches: (N,) which stretch of the footage each is from.
        quantile: At which the tail begins.
        guess: Of the stretches' standard deviation; None: 0.4 of the quantile, as suits a distance.

    Returns:
        The standard deviation of the stretches' own quantiles; less, with the square root, where more were seen than
        it takes for one of them to fill the tail.
    """
    levels = np.array([np.quantile(values[stretches == each], quantile) for each in np.unique(stretches)])
    begun = GUESS * float(np.quantile(values, quantile)) if guess is None else guess
    squares = GUESS_WEIGHT * begun**2 + float(((levels - levels.mean()) ** 2).sum())
    variance = squares / (GUESS_WEIGHT + len(levels) - 1)
    enough = 1 / (1 - quantile)
    return float(np.sqrt(variance * min(1.0, enough / len(levels))))
