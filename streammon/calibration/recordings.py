"""Recordings: stretches of footage with one clock, and the time watched in them.

A frame belongs to a recording, named by an id (a clip's name, a camera's), and has a time in it. Two recordings have
nothing to do with one another: no time passes between them, and nothing is averaged over their border.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streammon.calibration.settings import SETTINGS

LONGEST_STEP_S = SETTINGS.recordings.longest_step_s
"""Between two frames of one recording. A longer step is a pause, and a step back another recording of that id."""

MOST_RECORDINGS = 512
"""Recordings whose state is kept at once: footage comes recording after recording, and cameras are fewer."""

QUIET_S = SETTINGS.recordings.quiet_s
"""Between two peaks: neighbouring frames are nearly equal, so an alarm is a run of frames, not a frame."""

State = TypeVar("State")


class RecentRecordings(Generic[State]):
    """The state of each of the most recently used recordings.

    Cameras are few. Clips come by the thousand and never come back, so the state of the least recently used recording
    is dropped for a new one. A dropped one that does come back begins again, as after a reconnection.

    Args:
        begin: Makes the state of a recording that has none.
        most: The largest number of recordings kept.

    Raises:
        ValueError: `most` is below 1.

    >>> seen: RecentRecordings[list[int]] = RecentRecordings(list, most=2)
    >>> for time_s, recording in enumerate(["lobby", "yard", "lobby", "gate"]):
    ...     seen[recording].append(time_s)
    >>> seen["lobby"], "yard" in seen, len(seen)
    ([0, 2], False, 2)
    """

    def __init__(self, begin: Callable[[], State], most: int = MOST_RECORDINGS) -> None:
        if most < 1:
            raise ValueError(f"most is {most}; at least one recording must be kept")
        self._begin = begin
        self._most = most
        self._states: OrderedDict[str, State] = OrderedDict()  # least recently used first

    def __getitem__(self, recording: str) -> State:
        if recording in self._states:
            self._states.move_to_end(recording)
        else:
            self._states[recording] = self._begin()
            if len(self._states) > self._most:
                self._states.popitem(last=False)
        return self._states[recording]

    def __contains__(self, recording: str) -> bool:
        return recording in self._states

    def __len__(self) -> int:
        return len(self._states)


@dataclass(slots=True)
class _Last:
    """The last frame of a recording."""

    time_s: float | None = None


class FootageClock:
    """Seconds of footage so far, over all recordings: the sum of the steps within each.

    >>> clock = FootageClock()
    >>> [clock.advance("monday", 0.0), clock.advance("monday", 0.2), clock.advance("tuesday", 7.0)]
    [0.0, 0.2, 0.0]
    >>> clock.seconds
    0.2

    Attributes:
        seconds: So far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last = RecentRecordings(_Last)

    def advance(self, recording: str, time_s: float) -> float:
        """Seconds since the frame before in this recording; 0 where another begins.

        Args:
            recording: Its id.
            time_s: The next frame's time in it.
        """
        last = self._last[recording]
        step_s = 0.0 if last.time_s is None else time_s - last.time_s
        last.time_s = time_s
        step_s = step_s if 0 < step_s <= LONGEST_STEP_S else 0.0
        self.seconds += step_s
        return step_s


def stretches(
    recordings: Sequence[str], times_s: Sequence[float], longest_step_s: float = LONGEST_STEP_S
) -> Iterator[NDArray[np.int64]]:
    """Indices of the frames of each stretch: one recording, in order, without a step back or a pause.

    Frames of several recordings may be interleaved, as those of two cameras are.

    Args:
        recordings: (N,) ids.
        times_s: (N,) times.
        longest_step_s: Between two frames of one stretch.

    >>> [part.tolist() for part in stretches(["a", "b", "a", "a"], [0.0, 0.0, 0.2, 60.0])]
    [[0, 2], [3], [1]]
    """
    times = np.asarray(times_s, np.float64)
    numbers = {recording: number for number, recording in enumerate(dict.fromkeys(recordings))}
    ids = np.array([numbers[recording] for recording in recordings], np.int64)
    for number in range(len(numbers)):
        own = np.flatnonzero(ids == number)
        steps = np.diff(times[own])
        yield from np.split(own, np.flatnonzero((steps <= 0) | (steps > longest_step_s)) + 1)


def watched_s(recordings: Sequence[str], times_s: Sequence[float]) -> float:
    """Seconds watched: the steps within each stretch, and one step more for its last frame.

    >>> round(watched_s(["a"] * 5 + ["b"] * 5, [0.0, 0.2, 0.4, 0.6, 0.8] * 2), 3)
    2.0
    """
    times = np.asarray(times_s, np.float64)
    parts = [times[part] for part in stretches(recordings, times_s)]
    steps = np.concatenate([np.diff(part) for part in parts]) if parts else np.empty(0)
    if not len(steps):
        return 0.0
    return float(steps.sum() + len(parts) * np.median(steps))


def peaks_above(
    scores: NDArray[np.float64], recordings: Sequence[str], times_s: Sequence[float], threshold: float
) -> NDArray[np.float64]:
    """The highest score of each run of frames at or above a threshold: the false alarms it would raise.

    A second of quiet ends a run, and so does another recording.

    Args:
        scores: (N,) frame scores.
        recordings: (N,) the frames' recordings.
        times_s: (N,) their times.
        threshold: Of the score.

    >>> peaks_above(np.array([5.0, 0, 6, 0, 0, 0, 7]), ["a"] * 7, [0, 0.5, 1, 1.5, 2, 2.5, 3], 5.0).tolist()
    [6.0, 7.0]
    """
    times = np.asarray(times_s, np.float64)
    found = []
    for part in stretches(recordings, times_s):
        above = part[scores[part] >= threshold]
        if len(above):
            begins = np.flatnonzero(np.diff(times[above]) > QUIET_S) + 1
            found.append(np.maximum.reduceat(scores[above], np.concatenate([[0], begins])))
    return np.concatenate(found) if found else np.empty(0)
