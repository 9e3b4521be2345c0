"""Event-level figures: false alarms and detection delays.

An event is a maximal run of abnormal frames of a clip. It is caught if one of its frames scores at or above the
threshold. An alarm is a run of frames at or above the threshold; two runs less than a second apart are one alarm.

An alarm that never ends overlaps an event, so it counts as no false alarm and detects without delay.
`false_alarm_share` exposes such an alarm: all of the normal footage lies in alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics.frames import ClipScores, Flags, Floats

MERGED_WITHIN_S = 1.0  # closer alarms are merged: an operator perceives one alarm
Runs = NDArray[np.int64]
"""(R, 2): first frame of each run, and the frame after its last."""


def runs(flags: Flags, gap: float = 1.0) -> Runs:
    """The maximal runs of True, merged where their nearest frames lie less than `gap` frames apart.

    >>> runs(np.array([True, False, True, True, False, False, True])).tolist()
    [[0, 1], [2, 4], [6, 7]]
    >>> runs(np.array([True, False, True, True, False, False, True]), gap=3.0).tolist()
    [[0, 4], [6, 7]]
    """
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    apart = starts[1:] - (stops[:-1] - 1) >= gap
    return np.column_stack(
        [starts[np.concatenate([[True], apart])[: len(starts)]], stops[np.concatenate([apart, [True]])[: len(stops)]]]
    )


def event_peaks(clip: ClipScores) -> Floats:
    """(E,) highest score of each event."""
    return np.array([clip.scores[start:stop].max() for start, stop in runs(clip.labels)], dtype=np.float64)


def highest_threshold(peaks: Floats, weights: NDArray[np.int64], caught: float) -> float | None:
    """The highest threshold at which at least the share `caught` of events has its peak at or above it.

    Args:
        peaks: (E,) highest score of each event.
        weights: (E,) how often each event counts.
        caught: Share of events, above 0.
    """
    order = np.argsort(-peaks, kind="stable")
    cumulated = np.cumsum(weights[order])
    if not len(cumulated) or cumulated[-1] == 0:
        return None
    needed = int(np.ceil(caught * cumulated[-1] - 1e-9))  # 0.8 x 5 events are 4 despite rounding
    return float(peaks[order[np.searchsorted(cumulated, needed)]])


def event_threshold(clips: Sequence[ClipScores], caught: float) -> float | None:
    """The highest threshold that catches at least the share `caught` of all events; None without an event."""
    peaks = np.concatenate([event_peaks(clip) for clip in clips])
    return highest_threshold(peaks, np.ones(len(peaks), dtype=np.int64), caught)


def false_alarms(clip: ClipScores, threshold: float) -> int:
    """Alarms of a clip that touch no abnormal frame from their first frame to their last.

    Raises:
        ValueError: The clip has still images (`fps` is 0).
    """
    if clip.fps == 0:
        raise ValueError(f"clip '{clip.name}' has no time, so no alarms")
    alarms = runs(clip.scores >= threshold, clip.fps * MERGED_WITHIN_S)
    abnormal_before = np.concatenate([[0], np.cumsum(clip.labels)])
    return int((abnormal_before[alarms[:, 1]] == abnormal_before[alarms[:, 0]]).sum())


def normal_hours(clip: ClipScores) -> float:
    """Hours of normal footage in a clip, whose `fps` must be above 0."""
    return float((~clip.labels).sum() / clip.fps / 3600)


def false_alarms_per_hour(clips: Sequence[ClipScores], caught: float) -> float | None:
    """False alarms in an hour of normal footage, at the threshold that catches the share `caught` of events.

    None for still images, without an event, and without normal footage.
    """
    threshold = event_threshold(clips, caught)
    if threshold is None or any(clip.fps == 0 for clip in clips):
        return None
    hours = sum(normal_hours(clip) for clip in clips)
    return sum(false_alarms(clip, threshold) for clip in clips) / hours if hours else None


def false_alarm_share(clips: Sequence[ClipScores], caught: float) -> float | None:
    """Share of normal frames at or above the threshold that catches the share `caught` of events.

    None without an event or without a normal frame.
    """
    threshold = event_threshold(clips, caught)
    normal = sum(int((~clip.labels).sum()) for clip in clips)
    if threshold is None or not normal:
        return None
    return sum(int((clip.scores[~clip.labels] >= threshold).sum()) for clip in clips) / normal


@dataclass(frozen=True)
class DetectionDelay:
    """Detection delay of the events at one threshold.

    Attributes:
        median_s: Median over the caught events, in seconds.
        mean_s: Mean over the caught events, in seconds.
    """

    median_s: float
    mean_s: float


def event_delays_s(clip: ClipScores, threshold: float) -> Floats:
    """(E,) seconds from each event's first frame to its first frame at or above the threshold; nan if missed."""
    delays = np.full(len(events := runs(clip.labels)), np.nan)
    for number, (start, stop) in enumerate(events):
        reached = np.flatnonzero(clip.scores[start:stop] >= threshold)
        if len(reached):
            delays[number] = reached[0] / clip.fps
    return delays


def detection_delay_s(clips: Sequence[ClipScores], caught: float) -> DetectionDelay | None:
    """Detection delay at the threshold that catches the share `caught` of events.

    None for still images and without an event.
    """
    threshold = event_threshold(clips, caught)
    if threshold is None or any(clip.fps == 0 for clip in clips):
        return None
    delays = np.concatenate([event_delays_s(clip, threshold) for clip in clips])
    delays = delays[~np.isnan(delays)]
    return DetectionDelay(float(np.median(delays)), float(delays.mean()))
