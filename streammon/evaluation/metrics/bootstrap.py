"""Bootstrap intervals of the frame-level figures, by resampling clips.

Frames of one clip are correlated, so whole clips are drawn with replacement (single images, for still images).
A resample is a weight for every clip. The costly steps are done once: frames are sorted, ties found, and the AUROC of
each clip and the alarms at each threshold cached. A resample then needs a few sums over the sorted frames (AUROC of
everything and of each scene, average precision, EER) and over clips and events (all other figures, computed exactly).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics.events import (
    event_delays_s,
    event_peaks,
    false_alarms,
    highest_threshold,
    normal_hours,
)
from streammon.evaluation.metrics.figures import CAUGHT, event_figures, figures
from streammon.evaluation.metrics.frames import (
    ClipScores,
    Flags,
    Floats,
    auroc,
    equal_error,
    is_still,
    joined,
    padded_macro_auroc,
)

RESAMPLES = 1000
CONFIDENCE_PERCENT = 95.0  # per cent of the resamples within an interval
Weights = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        low: Lower end; None where the figure is defined in no resample, or there is a single unit to draw from.
        high: Upper end; None likewise.
        undefined: Number of resamples left out because the figure isn't defined in them.
    """

    low: float | None
    high: float | None
    undefined: int


def intervals(clips: Sequence[ClipScores], seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """The 95 % interval of each figure of `frame_measures`, by name; the same for the same seed.

    Clips are resampled, or images in the case of still images. A single clip or image has no interval.
    """
    reweighted = Reweighted(clips)
    drawn: dict[str, list[float | None]] = {figure.name: [] for figure in figures(clips)}
    for weights in resampled_weights(reweighted.units, seed, resamples):
        for name, value in reweighted.measures(weights).items():
            drawn[name].append(value)
    return {name: percentile_interval(values, reweighted.units) for name, values in drawn.items()}


def auroc_interval(clips: Sequence[ClipScores], seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The 95 % interval of the micro AUROC alone: equal to the one from `intervals`, but faster to compute."""
    reweighted = Reweighted(clips)
    values = [reweighted.micro_auroc(weights) for weights in resampled_weights(reweighted.units, seed, resamples)]
    return percentile_interval(values, reweighted.units)


def mean_interval(values: Sequence[float | None], seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The 95 % interval of the mean of the defined values, one a clip; resamples the same clips as `intervals`."""
    defined = np.array([value is not None for value in values])
    numbers = np.array([value or 0.0 for value in values])
    means: list[float | None] = []
    for weights in resampled_weights(len(values), seed, resamples):
        counts = weights * defined
        means.append(float((counts * numbers).sum() / counts.sum()) if counts.any() else None)
    return percentile_interval(means, len(values))


def resampled_weights(units: int, seed: int, resamples: int) -> Iterator[Weights]:
    """(U,) number of times each unit is drawn, for each resample."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(generator.integers(units, size=units), minlength=units)


def percentile_interval(values: Sequence[float | None], units: int) -> Interval:
    """Percentile interval of a figure's resampled values; without ends where there is a single unit to draw from."""
    defined = [value for value in values if value is not None]
    if units < 2 or not defined:
        return Interval(None, None, len(values) - len(defined))
    low, high = np.percentile(defined, [50 - CONFIDENCE_PERCENT / 2, 50 + CONFIDENCE_PERCENT / 2])
    return Interval(float(low), float(high), len(values) - len(defined))


class Reweighted:
    """Figures of weighted clips: `frame_measures` of a list that repeats each clip as often as its weight says.

    Attributes:
        units: Number of weights: one per clip, or one per image in the case of still images.
    """

    def __init__(self, clips: Sequence[ClipScores]) -> None:
        self._names = [figure.name for figure in figures(clips)]
        self._still = is_still(clips)
        lengths = [len(clip.labels) for clip in clips]
        frames = sum(lengths)
        unit = np.arange(frames) if self._still else np.repeat(np.arange(len(clips)), lengths)
        self.units = frames if self._still else len(clips)
        scores, labels = joined(clips)
        scene_numbers = {scene: number for number, scene in enumerate(dict.fromkeys(clip.scene for clip in clips))}
        scenes = np.repeat([scene_numbers[clip.scene] for clip in clips], lengths)
        self._all = SortedFrames(scores, labels, np.zeros(frames, dtype=np.int64), unit)
        self._scenes = SortedFrames(scores, labels, scenes, unit) if len(scene_numbers) > 1 else None
        if not self._still:
            self._clips = ClipFigures(clips)

    def measures(self, weights: Weights) -> dict[str, float | None]:
        """Every figure by name, in the order of `frame_measures`.

        Args:
            weights: (U,) how often each unit counts.
        """
        counts = self._all.counted(weights)
        normal, abnormal = (np.cumsum(of_class[::-1]) for of_class in counts)  # at or above each score, from the top
        values = [_defined_mean(self._all.aurocs(*counts))]
        if not self._still:
            values += self._clips.macros(weights)
        if self._scenes:
            values.append(_defined_mean(self._scenes.aurocs(*self._scenes.counted(weights))))
        values += [_average_precision(normal, abnormal), _equal_error_rate(normal, abnormal)]
        if not self._still:
            values += [value for caught in CAUGHT for value in self._clips.at_caught(weights, caught)]
        return dict(zip(self._names, values, strict=True))

    def micro_auroc(self, weights: Weights) -> float | None:
        """AUROC over all frames, weighted."""
        return _defined_mean(self._all.aurocs(*self._all.counted(weights)))


class SortedFrames:
    """Frames sorted by group and then score, with ties found, for fast counts under changing weights.

    Args:
        scores: (N,) frame scores.
        labels: (N,) bool, True where a frame is abnormal.
        groups: (N,) group numbers from 0, without gaps; an AUROC is computed for each group.
        units: (N,) index of each frame's weight.
    """

    def __init__(self, scores: Floats, labels: Flags, groups: NDArray[np.int64], units: NDArray[np.int64]) -> None:
        order = np.lexsort((scores, groups))
        scores, groups = scores[order], groups[order]
        self._labels, self._units = labels[order], units[order]
        new_group = np.concatenate([[True], np.diff(groups) > 0])
        self._ties = np.flatnonzero(new_group | np.concatenate([[True], np.diff(scores) > 0]))
        self._groups = np.flatnonzero(new_group[self._ties])  # index of each group's first tie

    def counted(self, weights: Weights) -> tuple[Weights, Weights]:
        """Weighted numbers of normal and abnormal frames at each score: (K,) each, ascending by group and score."""
        counts = weights[self._units]
        abnormal = np.add.reduceat(np.where(self._labels, counts, 0), self._ties)
        return np.add.reduceat(counts, self._ties) - abnormal, abnormal

    def aurocs(self, normal: Weights, abnormal: Weights) -> Floats:
        """(G,) AUROC of each group from the numbers of `counted`; nan where a class has no weight in the group."""
        below = np.cumsum(normal) - normal
        below = below - np.repeat(below[self._groups], np.diff(np.append(self._groups, len(below))))
        won = np.add.reduceat(abnormal * (below + normal / 2), self._groups)
        pairs = np.add.reduceat(normal, self._groups) * np.add.reduceat(abnormal, self._groups)
        aurocs: Floats = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return aurocs


class ClipFigures:
    """Figures that are computed from values of single clips and events: macro AUROC, false alarms, delays."""

    def __init__(self, clips: Sequence[ClipScores]) -> None:
        self._clips = clips
        aurocs = [auroc(clip.scores, clip.labels) for clip in clips]
        self._aurocs = np.array([np.nan if value is None else value for value in aurocs])
        self._padded = np.array([padded_macro_auroc([clip]) for clip in clips], dtype=np.float64)
        self._hours = np.array([normal_hours(clip) for clip in clips])
        self._normal = np.array([(~clip.labels).sum() for clip in clips])
        peaks = [event_peaks(clip) for clip in clips]
        self._peaks = np.concatenate(peaks)
        self._event_clips = np.repeat(np.arange(len(clips)), [len(its_peaks) for its_peaks in peaks])
        # the cache is bounded: every threshold is the peak score of an event
        self._at: Callable[[float], tuple[Weights, Weights, Floats]] = lru_cache(maxsize=None)(self._count_at)

    def macros(self, weights: Weights) -> list[float | None]:
        """Macro AUROC without and with padding."""
        defined = ~np.isnan(self._aurocs)
        aurocs, counts = self._aurocs[defined], weights[defined]
        plain = float(aurocs @ counts / counts.sum()) if counts.sum() else None
        return [plain, float(self._padded @ weights / weights.sum())]

    def at_caught(self, weights: Weights, caught: float) -> list[float | None]:
        """Values of `event_figures(caught)`, in the same order."""
        event_weights = weights[self._event_clips]
        threshold = highest_threshold(self._peaks, event_weights, caught)
        if threshold is None:
            return [None] * len(event_figures(caught))
        alarms, in_alarm, delays = self._at(threshold)
        seconds = np.repeat(delays, event_weights)
        seconds = seconds[~np.isnan(seconds)]
        hours, normal = float(self._hours @ weights), int(self._normal @ weights)
        return [
            float(alarms @ weights) / hours if normal else None,
            float(in_alarm @ weights) / normal if normal else None,
            float(np.median(seconds)),
            float(seconds.mean()),
        ]

    def _count_at(self, threshold: float) -> tuple[Weights, Weights, Floats]:
        """At a threshold: (C,) false alarms and normal frames in alarm of each clip, (E,) delay of each event."""
        alarms = np.array([false_alarms(clip, threshold) for clip in self._clips])
        in_alarm = np.array([(clip.scores[~clip.labels] >= threshold).sum() for clip in self._clips])
        return alarms, in_alarm, np.concatenate([event_delays_s(clip, threshold) for clip in self._clips])


def _defined_mean(values: Floats) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def _average_precision(normal: Weights, abnormal: Weights) -> float | None:
    """Average precision from the (K,) weighted numbers of frames at or above each score, scores descending."""
    if abnormal[-1] == 0:
        return None
    precision = abnormal / np.maximum(normal + abnormal, 1)  # where both are 0 the gain is 0 too
    gained = np.diff(abnormal, prepend=0)
    return float((precision * gained).sum() / abnormal[-1])  # not `@`, which would start BLAS threads on every core


def _equal_error_rate(normal: Weights, abnormal: Weights) -> float | None:
    """Equal error rate from the (K,) weighted numbers of frames at or above each score, scores descending."""
    if normal[-1] == 0 or abnormal[-1] == 0:
        return None
    zero = np.zeros(1)  # the curve's first point
    return equal_error(np.concatenate([zero, normal / normal[-1]]), np.concatenate([zero, abnormal / abnormal[-1]]))
