"""Drift of normal footage from one stretch to the next.

Neighbouring frames are correlated: a minute of one light and one crowd says little about the next. The values of new
footage are shifted as a whole, by about as much as stretches differ. A tail that holds for new footage is therefore
the mean over all likely shifts. One stretch alone has no information on the shifts, so their variance has a prior.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from streammon.calibration.settings import SETTINGS

CHOSEN = SETTINGS.drift

LARGEST_EXPONENT = 500.0
"""exp of it, times any value, is finite: where one stretch alone has values, the stretches differ by any factor."""


@dataclass(frozen=True)
class Guess:
    """Prior of how much stretches differ.

    Attributes:
        spread: Standard deviation of the stretches' quantiles.
        relative: True if `spread` is a share of the quantile, as for distances, which differ by a factor; false for
            values that differ by a summand.
    """

    spread: float
    relative: bool = True


DISTANCES = Guess(spread=CHOSEN.distance_spread)


def shifted(
    values: NDArray[np.float64], stretches: NDArray[np.int64], quantile: float, guess: Guess = DISTANCES
) -> NDArray[np.float64]:
    """Posterior predictive sample of new footage: the values, shifted as a whole by 41 equally likely shifts.

    The shift follows Student's t, the predictive distribution of a normal variable with estimated variance; the prior
    counts as eight observations. With more stretches than 1 / (1 - quantile) the most extreme of them lie in the tail
    already, and the variance of the shift is divided by how many times more there are.

    Args:
        values: (N,) values of normal footage, >= 0 where the prior is relative.
        stretches: (N,) index of each value's stretch.
        quantile: Quantile at which the tail begins, 0 to 1.
        guess: Prior of the stretches' differences.

    Returns:
        (41 N,) equally likely values; `values` themselves if they are distances whose quantile is 0.
    """
    unit = float(np.quantile(values, quantile)) if guess.relative else 1.0
    if unit <= 0:
        return values
    levels = np.array([np.quantile(values[stretches == each], quantile) for each in np.unique(stretches)]) / unit
    freedom = CHOSEN.guess_weight + len(levels) - 1
    variance = (CHOSEN.guess_weight * guess.spread**2 + float(((levels - levels.mean()) ** 2).sum())) / freedom
    unseen = min(1.0, 1 / (1 - quantile) / len(levels)) * (1 + 1 / len(levels))
    likely = stdtrit(freedom, (np.arange(CHOSEN.shifts) + 0.5) / CHOSEN.shifts) * np.sqrt(variance * unseen)
    factors = np.exp(np.clip(likely, -LARGEST_EXPONENT, LARGEST_EXPONENT))
    elsewhere = values[:, None] * factors if guess.relative else values[:, None] + likely
    return np.asarray(elsewhere, np.float64).reshape(-1)
