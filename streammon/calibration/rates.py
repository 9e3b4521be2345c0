"""From a distance to something a user can choose: how many false alarms a day a threshold costs.

The last part of the normal footage is held out of the fit. Every alert it would raise is a false one, so its
scores tell the rate of false alarms at any threshold u they reach. Beyond that, the peaks over a high threshold
u0 are extrapolated with an exponential tail, the limit for light-tailed scores (peaks over threshold, e.g. Coles,
"An Introduction to Statistical Modeling of Extreme Values", 2001, chapter 4). Neighbouring frames are nearly
equal, so scores are counted in peaks: runs over u0 that a second of quiet separates.

Only a few peaks were seen, so the tail's scale is itself uncertain; averaged over that uncertainty the
exponential becomes (1 + (u - u0) / (k scale))^-k, heavier the less was seen (k peaks' worth). To the peaks come
ten more of the height that all frames above u0 have on average, since in the first minutes there may be
hardly any peak. Little footage promises little.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streammon.calibration.recordings import peaks_above, watched_s

SECONDS_PER_DAY = 86400.0
TAIL_QUANTILE = 0.9  # u0: high enough for a tail, low enough to leave peaks above it
ENOUGH_PEAKS = 20
PRIOR_PEAKS = 10
QUIET_S = 1.0  # separates two peaks
LONGEST_GAP_S = 10.0  # between two frames of one recording; a longer one is not time watched
LEAST_FRAMES = 10
KEPT_SCORES = 100_000  # the newest; bounds the memory of very long calibrations
DECADE = 1 / math.log(10)
CERTAIN_PEAKS = 10**9
LEAST_SCALE = 1e-3  # of u0: scores of a synthetic, perfectly still picture have no tail


@dataclass(frozen=True, eq=False)
class Calibration:
    """Rate of false alarms as a function of the frame score.

    Attributes:
        scores: (N,) held-out frame scores, ascending.
        watched_s: Length of the held-out footage.
        tail_start: u0.
        tail_rate_per_s: Peaks above u0 a second.
        tail_scale: Mean height of a peak above u0, the ten included.
        peaks: How many were seen above u0, which is what the scale is worth.
    """

    scores: NDArray[np.float64]
    watched_s: float
    tail_start: float
    tail_rate_per_s: float
    tail_scale: float
    peaks: int

    @classmethod
    def from_scores(cls, scores: NDArray[np.float64], recordings: Sequence[str], times_s: Sequence[float]) -> Self:
        """Calibrate on held-out normal frames.

        Args:
            scores: (N,) frame scores.
            recordings: (N,) ids of the frames' recordings.
            times_s: (N,) their times there.

        Raises:
            ValueError: Fewer than 10 frames, or frames that take no time.
        """
        heights = np.asarray(scores, dtype=np.float64)
        if len(heights) < LEAST_FRAMES:
            raise ValueError(f"{len(heights)} held-out frames; a calibration needs at least {LEAST_FRAMES}")
        seconds = watched_s(recordings, times_s)
        if not seconds:
            raise ValueError("the held-out frames carry no time")
        start = float(np.quantile(heights, TAIL_QUANTILE))
        peaks = peaks_above(heights, recordings, times_s, start)
        if len(peaks) >= ENOUGH_PEAKS:  # the upper half is further out in the tail, and the rate follows
            start = float(np.median(peaks))
        above = peaks[peaks > start] - start
        rate_per_s = max(1, len(above)) / seconds
        every_frame = heights[heights > start] - start
        borrowed = float(every_frame.mean()) if len(every_frame) else 0.0
        scale = (float(above.sum()) + PRIOR_PEAKS * borrowed) / (len(above) + PRIOR_PEAKS)
        scale = max(scale, LEAST_SCALE * abs(start), 1e-9)
        return cls(np.sort(heights), seconds, start, rate_per_s, scale, len(above))

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All of it by name, for a file."""
        numbers = (self.watched_s, self.tail_start, self.tail_rate_per_s, self.tail_scale, self.peaks)
        return {"scores": self.scores, "tail": np.array(numbers, np.float64)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """The calibration that `arrays` were made of.

        Raises:
            KeyError: One is missing.
            ValueError: One has another length.
        """
        seconds, start, rate_per_s, scale, peaks = arrays["tail"].tolist()
        return cls(arrays["scores"], seconds, start, rate_per_s, scale, int(peaks))

    def false_alarms_per_day(self, score: float) -> float:
        """How many alerts a day normal footage is expected to raise with the threshold at `score`; falls with it."""
        per_day = self.tail_rate_per_s * SECONDS_PER_DAY
        if score >= self.tail_start:
            heights = (score - self.tail_start) / self.tail_scale
            return per_day * math.exp(-self._weight * math.log1p(heights / self._weight))
        # below the tail runs merge into one another; the share of frames above goes on counting
        above = len(self.scores) - int(np.searchsorted(self.scores, score))
        return per_day * above / self._frames_in_tail

    def level(self, score: float) -> float:
        """-log10 of `false_alarms_per_day`: 0 once a day, 1 once in ten days, -2 a hundred times a day."""
        return -math.log10(max(self.false_alarms_per_day(score), 1e-300))

    def score_at(self, level: float) -> float:
        """The score whose level this is: a threshold for a chosen rate of false alarms."""
        per_day = self.tail_rate_per_s * SECONDS_PER_DAY
        excess = 10.0**level * per_day  # how many times rarer than a peak above u0
        if excess >= 1:
            return self.tail_start + self._weight * self.tail_scale * math.expm1(math.log(excess) / self._weight)
        index = len(self.scores) - math.floor(self._frames_in_tail / excess)
        return float(self.scores[max(0, index)])

    def score_at_rate(self, false_alarms_per_day: float) -> float:
        """The threshold that is expected to cost so many false alarms a day."""
        return self.score_at(-math.log10(false_alarms_per_day))

    @property
    def _weight(self) -> int:
        """How many peaks the tail's scale is worth."""
        return self.peaks + PRIOR_PEAKS

    @property
    def _frames_in_tail(self) -> int:
        return max(1, len(self.scores) - int(np.searchsorted(self.scores, self.tail_start)))
