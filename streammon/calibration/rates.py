"""False alarms a day as a function of the frame score, and how much of that is known.

Held-out normal footage of T seconds raised n peaks above a score u0 (`recordings.peaks_above`: every run of frames is
one alarm, and each would be a false one). Below u0 the rate is counted. Above it is extrapolated:

    rate(u) = n / T * (1 + (u - u0) / (k * scale)) ** -k

With k to infinity this is the exponential tail, the limit for light-tailed scores (peaks over threshold; Coles, An
Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4). A finite k is that tail averaged over a
scale that is known from k observations only (its inverse has a Gamma distribution). Neighbouring frames are no
independent observations, so k counts stretches of ten seconds: k = 1 + T / 10 s. Seconds of footage have a tail so
heavy that they promise next to nothing; hours have nearly the exponential one.

`TailForm` was chosen on the normal footage of seventeen fixed cameras, each learned from its first half and watched
in its second, by the rule of `tests/benchmark_promise.py`, which also reports each scene left out of the choice.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streammon.calibration.recordings import peaks_above, watched_s
from streammon.calibration.settings import SETTINGS, TailForm

SECONDS_PER_DAY = 86400.0
LEAST_FRAMES = SETTINGS.rates.least_frames
LARGEST_EXPONENT = 500.0  # exp of it is still finite


FORM = SETTINGS.rates


@dataclass(frozen=True, eq=False)
class Calibration:
    """Rate of false alarms as a function of the frame score.

    Attributes:
        scores: (N,) held-out frame scores, ascending.
        watched_s: T, seconds of normal footage behind it.
        tail_start: u0.
        tail_rate_per_s: Peaks above u0 a second.
        tail_scale: Scale of the extrapolation.
        tail_shape: k.
        unit: The scale before any peak is seen, in the scores' unit.
        peaks: (n,) the peaks above u0, ascending.
    """

    scores: NDArray[np.float64]
    watched_s: float
    tail_start: float
    tail_rate_per_s: float
    tail_scale: float
    tail_shape: float
    unit: float
    peaks: NDArray[np.float64]

    @classmethod
    def from_scores(
        cls,
        scores: NDArray[np.float64],
        recordings: Sequence[str],
        times_s: Sequence[float],
        *,
        decades: bool = False,
        form: TailForm = FORM,
    ) -> Self:
        """Calibrate on held-out normal frames.

        Args:
            scores: (N,) frame scores.
            recordings: (N,) ids of the frames' recordings.
            times_s: (N,) their times there.
            decades: Scores are -log10 of probabilities; else distances.
            form: Of the tail.

        Raises:
            ValueError: Fewer than 10 frames, or frames that take no time.
        """
        heights = np.asarray(scores, dtype=np.float64)
        if len(heights) < LEAST_FRAMES:
            raise ValueError(f"{len(heights)} held-out frames; a calibration needs at least {LEAST_FRAMES}")
        seconds = watched_s(recordings, times_s)
        if not seconds:
            raise ValueError("the held-out frames carry no time")
        start = float(np.quantile(heights, form.quantile))
        peaks = peaks_above(heights, recordings, times_s, math.nextafter(start, math.inf))  # u0 may be what most show
        if len(peaks) >= form.many_peaks:
            start = float(np.median(peaks))
        every_frame = heights[heights > start] - start
        borrowed = float(every_frame.mean()) if len(every_frame) else 0.0
        unit = form.prior_scale * (1.0 if decades else borrowed)
        return cls._of_peaks(np.sort(heights), seconds, start, unit, np.sort(peaks[peaks > start]), form)

    def extended(self, peaks: NDArray[np.float64], seconds: float, form: TailForm = FORM) -> Self:
        """The calibration with what was watched since.

        Args:
            peaks: (m,) the highest peaks of what was watched, all those above u0 or the `form.most_peaks` highest.
            seconds: Of what was watched.
            form: Of the tail.
        """
        joint = np.sort(np.concatenate([self.peaks, peaks[peaks > self.tail_start]]))
        start = self.tail_start
        if len(joint) > form.most_peaks:
            start, joint = float(joint[-form.most_peaks - 1]), joint[-form.most_peaks :]
        return self._of_peaks(self.scores, self.watched_s + seconds, start, self.unit, joint, form)

    @classmethod
    def _of_peaks(
        cls,
        scores: NDArray[np.float64],
        seconds: float,
        start: float,
        unit: float,
        peaks: NDArray[np.float64],
        form: TailForm,
    ) -> Self:
        scale = (float((peaks - start).sum()) + form.prior_peaks * unit) / (len(peaks) + form.prior_peaks)
        return cls(
            scores=scores,
            watched_s=seconds,
            tail_start=start,
            tail_rate_per_s=max(1, len(peaks)) / seconds,
            tail_scale=max(scale, form.least_scale * abs(start), 1e-9),
            tail_shape=form.first_shape + seconds / form.shape_s,
            unit=unit,
            peaks=peaks,
        )

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All of it by name, for a file."""
        return {name: np.atleast_1d(np.asarray(getattr(self, name), np.float64)) for name in ARRAYS}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Self:
        """The calibration that `arrays` were made of.

        Raises:
            KeyError: One is missing.
            ValueError: One has another length.
        """
        numbers = {name: arrays[name].item() for name in ARRAYS if name not in ("scores", "peaks")}
        return cls(scores=arrays["scores"], peaks=arrays["peaks"], **numbers)

    def false_alarms_per_day(self, score: float) -> float:
        """How many alerts a day normal footage is expected to raise with the threshold at `score`; falls with it."""
        per_day = self.tail_rate_per_s * SECONDS_PER_DAY
        if score >= self.tail_start:
            heights = (score - self.tail_start) / self.tail_scale
            return per_day * math.exp(-self.tail_shape * math.log1p(heights / self.tail_shape))
        # below the tail runs merge into one another; the share of frames above goes on counting
        above = len(self.scores) - int(np.searchsorted(self.scores, score))
        return per_day * above / self._frames_in_tail

    def level(self, score: float) -> float:
        """-log10 of `false_alarms_per_day`: 0 once a day, 1 once in ten days, -2 a hundred times a day."""
        return -math.log10(max(self.false_alarms_per_day(score), 1e-300))

    def score_at(self, level: float) -> float:
        """The score whose level this is: a threshold for a chosen rate of false alarms."""
        excess = 10.0**level * self.tail_rate_per_s * SECONDS_PER_DAY  # times rarer than a peak above u0
        if excess >= 1:
            heights = self.tail_shape * math.expm1(min(math.log(excess) / self.tail_shape, LARGEST_EXPONENT))
            return self.tail_start + self.tail_scale * heights
        index = max(0, len(self.scores) - math.floor(self._frames_in_tail / excess))
        if self.level(float(self.scores[index])) < level:  # frames before `index` have the same score
            index = int(np.searchsorted(self.scores, self.scores[index], side="right"))
        return min(float(self.scores[index]), self.tail_start) if index < len(self.scores) else self.tail_start

    def score_at_rate(self, false_alarms_per_day: float) -> float:
        """The threshold that is expected to cost so many false alarms a day."""
        return self.score_at(-math.log10(false_alarms_per_day))

    @property
    def _frames_in_tail(self) -> int:
        return max(1, len(self.scores) - int(np.searchsorted(self.scores, self.tail_start)))


ARRAYS = tuple(Calibration.__dataclass_fields__)
