"""How much normal footage differs from one stretch to the next, which a tail that saw few stretches can't know.

Neighbouring frames are no separate witnesses: a minute of one light and one crowd says little of the next. New
footage will lie elsewhere as a whole, by about as much as stretches differ, and a tail that is to hold for it is that
of what was seen, shifted by all that is likely. One stretch says nothing of that, so it is begun with a guess.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from streammon.calibration.settings import SETTINGS

CHOSEN = SETTINGS.drift


@dataclass(frozen=True)
class Guess:
    """What is taken for granted of how stretches differ, before any was seen.

    Attributes:
        spread: Standard deviation of their quantiles.
        relative: It is a share of the quantile, as suits a distance: stretches differ by a factor. Else they differ
            by a summand.
    """

    spread: float
    relative: bool = True


DISTANCES = Guess(spread=CHOSEN.distance_spread)


def shifted(
    values: NDArray[np.float64], stretches: NDArray[np.int64], quantile: float, guess: Guess = DISTANCES
) -> NDArray[np.float64]:
    """What new footage is likely to show: the values, shifted as a whole by all that is likely.

    The shifts are Student's t, the prediction of the next of normal numbers whose variance was estimated, the guess
    being eight more of them. Where there are more stretches than it takes for one of them to fill the tail, the worst
    of them is in it already, and the shifts become smaller with the square root of their number.

    Args:
        values: (N,) seen, 0 and up where the guess is relative.
        stretches: (N,) which stretch of the footage each is from.
        quantile: At which the tail begins, 0 to 1.
        guess: Of the stretches' differences.

    Returns:
        (41 N,) equally likely values; the values themselves where they are distances and nothing was ever seen.
    """
    unit = float(np.quantile(values, quantile)) if guess.relative else 1.0
    if unit <= 0:
        return values
    levels = np.array([np.quantile(values[stretches == each], quantile) for each in np.unique(stretches)]) / unit
    freedom = CHOSEN.guess_weight + len(levels) - 1
    variance = (CHOSEN.guess_weight * guess.spread**2 + float(((levels - levels.mean()) ** 2).sum())) / freedom
    unseen = min(1.0, 1 / (1 - quantile) / len(levels)) * (1 + 1 / len(levels))
    likely = student.ppf((np.arange(CHOSEN.shifts) + 0.5) / CHOSEN.shifts, freedom) * np.sqrt(variance * unseen)
    elsewhere = values[:, None] * np.exp(likely) if guess.relative else values[:, None] + likely
    return np.asarray(elsewhere, np.float64).reshape(-1)
