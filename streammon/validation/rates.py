"""Promised against observed false alarms, on normal footage that a bank didn't learn.

A false alarm is counted as in the calibration: a run of frames at or above the threshold, separated from the next run
by a second below it. The alert rule of `streammon run` opens at most as many alerts, because it also requires the
threshold to be reached for a while, and pauses after an alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaincinv

from streammon.calibration import Calibration, peaks_above, watched_s

SECONDS_PER_HOUR = 3600.0
PER_DAY = 1 / 24

PROMISES_PER_HOUR = (PER_DAY, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Rates that are checked. Far above 300 an hour the runs merge and can't be counted."""

LEAST_EXPECTED = 3.0
"""Minimum expected number of false alarms of a checked rate: with 3, observing none has probability exp(-3) = 5 %."""

CONFIDENCE = 0.95
AGREEMENT = 2.0


@dataclass(frozen=True)
class RateCheck:
    """One promised false-alarm rate against the observed one.

    Attributes:
        promised_per_hour: False alarms an hour that the calibration promises at a threshold.
        expected: Promised number of false alarms in the footage watched.
        observed: Observed number of false alarms.
        observed_per_hour: Observed false alarms an hour.
        low_per_hour: Lower end of the exact 95 % interval of the observed rate.
        high_per_hour: Upper end of the exact 95 % interval of the observed rate.
        holds: True if the promised rate lies within the interval, or the two rates agree to a factor of two. With
            many false alarms the interval is narrow, while the promise itself was estimated from a few minutes.
    """

    promised_per_hour: float
    expected: float
    observed: int
    observed_per_hour: float
    low_per_hour: float
    high_per_hour: float
    holds: bool


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact (Garwood) interval of a Poisson mean, from `count` observed events.

    >>> [round(end, 2) for end in poisson_interval(0)], [round(end, 2) for end in poisson_interval(10)]
    ([0.0, 3.69], [4.8, 18.39])
    """
    tail = (1 - confidence) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))


@dataclass
class FalseAlarmCounter:
    """Counter of false alarms on footage that a bank didn't learn.

    Attributes:
        watched_s: Seconds of footage watched.
        counts: Observed false alarms at the threshold of each rate in `PROMISES_PER_HOUR`.
    """

    watched_s: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(PROMISES_PER_HOUR))

    def add(self, scores: Sequence[float], times_s: Sequence[float], calibration: Calibration) -> None:
        """Add the frames of one recording, in their order."""
        recording = ["watched"] * len(scores)
        self.watched_s += watched_s(recording, times_s)
        for index, per_hour in enumerate(PROMISES_PER_HOUR):
            threshold = calibration.score_at_rate(per_hour / PER_DAY)
            self.counts[index] += len(peaks_above(np.asarray(scores, np.float64), recording, times_s, threshold))

    def checks(self) -> list[RateCheck]:
        """Checks of the promised rates for which the footage is long enough."""
        return [
            rate_check(per_hour, count, self.watched_s)
            for per_hour, count in zip(PROMISES_PER_HOUR, self.counts, strict=True)
            if per_hour * self.watched_s / SECONDS_PER_HOUR >= LEAST_EXPECTED
        ]


def rate_check(promised_per_hour: float, observed: int, watched_s: float) -> RateCheck:
    """Check of a promised rate against the number of false alarms in the seconds watched."""
    hours = watched_s / SECONDS_PER_HOUR
    low, high = (end / hours for end in poisson_interval(observed))
    return RateCheck(
        promised_per_hour=round(promised_per_hour, 4),
        expected=round(promised_per_hour * hours, 2),
        observed=observed,
        observed_per_hour=round(observed / hours, 3),
        low_per_hour=round(low, 3),
        high_per_hour=round(high, 3),
        holds=low <= promised_per_hour <= high or 1 / AGREEMENT <= observed / hours / promised_per_hour <= AGREEMENT,
    )
