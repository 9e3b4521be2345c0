"""False alarms promised and observed, on normal footage that a bank didn't learn.

They are counted as the calibration counts what it promises: runs of frames that reach the threshold, which a second
of quiet separates. The alert rule of `run` opens no more than that: it also wants the threshold reached for a while,
and pauses after an alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import chi2

from streammon.calibration import Calibration, peaks_above, watched_s

SECONDS_PER_HOUR = 3600.0
PER_DAY = 1 / 24

PROMISES_PER_HOUR = (PER_DAY, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Rates that are checked. At much more than 300 an hour runs merge and there is nothing to count."""

LEAST_EXPECTED = 3.0
"""False alarms: with fewer expected, seeing none says next to nothing (exp(-3) is 5 %)."""

CONFIDENCE = 0.95
AGREEMENT = 2.0


@dataclass(frozen=True)
class RateCheck:
    """One promised rate against what was seen.

    Attributes:
        promised_per_hour: False alarms an hour that the calibration promises at its threshold.
        expected: How many that are in the footage watched.
        observed: How many there were.
        observed_per_hour: The same an hour.
        low_per_hour: Lower end of its exact 95 % interval.
        high_per_hour: Upper end.
        holds: Whether what was promised lies within, or observed and promised agree to a factor of two: with many
            counted the interval is narrow, and the promise itself was estimated from a few minutes.
    """

    promised_per_hour: float
    expected: float
    observed: int
    observed_per_hour: float
    low_per_hour: float
    high_per_hour: float
    holds: bool


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Garwood) interval of a Poisson mean of which `count` events were seen.

    >>> [round(end, 2) for end in poisson_interval(0)], [round(end, 2) for end in poisson_interval(10)]
    ([0.0, 3.69], [4.8, 18.39])
    """
    tail = (1 - confidence) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2


@dataclass
class Watch:
    """Counts the false alarms of folds that a bank didn't learn.

    Attributes:
        watched_s: How long was watched.
        counts: False alarms seen at each of `PROMISES_PER_HOUR`.
    """

    watched_s: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(PROMISES_PER_HOUR))

    def add(self, scores: Sequence[float], times_s: Sequence[float], calibration: Calibration) -> None:
        """Count in one recording's frames, in their order."""
        recording = ["watched"] * len(scores)
        self.watched_s += watched_s(recording, times_s)
        for index, per_hour in enumerate(PROMISES_PER_HOUR):
            threshold = calibration.score_at_rate(per_hour / PER_DAY)
            self.counts[index] += len(peaks_above(np.asarray(scores, np.float64), recording, times_s, threshold))

    def checks(self) -> list[RateCheck]:
        """Each promised rate that this footage is long enough to tell."""
        return [
            rate_check(per_hour, count, self.watched_s)
            for per_hour, count in zip(PROMISES_PER_HOUR, self.counts, strict=True)
            if per_hour * self.watched_s / SECONDS_PER_HOUR >= LEAST_EXPECTED
        ]


def rate_check(promised_per_hour: float, observed: int, watched_s: float) -> RateCheck:
    """Promised against observed over a time watched."""
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
