"""Calibration that goes on while cameras are watched.

Two parts adapt, neither of them so fast that an anomaly would soon become normal:

- The highest peaks of watched frames and the seconds they are from extend the held-out ones
  (`rates.Calibration.extended`): after a day "once a day" rests on a day. Frames of an open alert are not among them.
- The threshold tracks the asked rate r, in levels: every alert that nobody called real raises it by a step, and it
  falls by r steps a day,

      shift <- shift + step * (alerts - r * days),  shift >= 0.

  This is quantile tracking (Angelopoulos, Candes and Tibshirani, "Conformal PID Control for Time Series Prediction",
  2023, arXiv:2307.16895). Summing the steps over D days gives alerts <= r D + (largest shift) / step + 1, whatever
  the scores do, for alerts that raise it by a whole step. It may rise only so far in an hour, and at all, so that who
  stays cannot raise it past himself; an alert while it is at one of these bounds is not covered.
"""

import bisect
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from streammon.calibration.rates import FORM, SECONDS_PER_DAY, Calibration
from streammon.calibration.recordings import QUIET_S, FootageClock, RecentRecordings
from streammon.calibration.settings import SETTINGS, TrackerSettings

RECALIBRATE_S = 60.0
"""Seconds watched between two new calibrations."""


TRACKER = SETTINGS.tracker


def first_false_alarms(basis_s: float, false_alarms_per_day: float, settings: TrackerSettings = TRACKER) -> float:
    """Estimate of the false alarms, beyond the asked ones, until the threshold no longer rests on extrapolation.

    T seconds of footage show the threshold of one false alarm in T. The asked one is log10(asked interval / T) levels
    further, and each false alarm raises the threshold by `settings.step` levels. If the extrapolation is right, none
    of them comes.

    Args:
        basis_s: Seconds of normal footage that the calibration rests on, above 0.
        false_alarms_per_day: Asked rate.
        settings: Settings of the quantile tracker.

    >>> first_false_alarms(864.0, 1.0)
    4.0
    """
    return max(0.0, math.log10(SECONDS_PER_DAY / false_alarms_per_day / basis_s)) / settings.step


@dataclass(frozen=True)
class WatchedState:
    """State of the calibration, as saved in `watched.json`.

    Attributes:
        watched_s: Seconds watched without an open alert.
        peaks: Highest peaks of those seconds, ascending.
        shift: Shift of the threshold, in levels.
    """

    watched_s: float = 0.0
    peaks: tuple[float, ...] = ()
    shift: float = 0.0


@dataclass(slots=True)
class _Run:
    """A run of frames above u0, without a second of quiet between them."""

    peak: float = -math.inf
    last_s: float = -math.inf


class OnlineCalibration:
    """The calibration of one scene, extended by what its cameras show, and its threshold's shift.

    Args:
        base: Calibration on held-out footage.
        false_alarms_per_day: r, the asked rate of each camera.
        state: State of an earlier run; None to begin anew.
        settings: Settings of the quantile tracker.

    Attributes:
        calibration: Newest calibration.
        shift: Shift of the threshold, in levels.
    """

    def __init__(
        self,
        base: Calibration,
        false_alarms_per_day: float,
        state: WatchedState | None = None,
        settings: TrackerSettings = TRACKER,
    ) -> None:
        state = state or WatchedState()
        self._base = base
        self._rate_per_s = false_alarms_per_day / SECONDS_PER_DAY
        self._settings = settings
        self._watched_s = state.watched_s
        self._peaks = list(state.peaks)
        self.shift = state.shift
        self._clock = FootageClock()
        self._runs = RecentRecordings(_Run)
        self._open: set[str] = set()
        self._rises: deque[tuple[str, float]] = deque(maxlen=settings.remembered)
        self._risen: deque[tuple[float, float]] = deque()  # when (seconds watched) and by how much, the last hour
        self._called_normal: dict[str, float] = {}  # alert → its peak
        self._undone: dict[str, float] = {}  # alert → its rise, undone by a verdict
        self._recalibrated_s = self._watched_s
        self.calibration = base
        self._recalibrate()

    @property
    def state(self) -> WatchedState:
        """State to save."""
        return WatchedState(self._watched_s, tuple(self._peaks), self.shift)

    @property
    def open_cameras(self) -> frozenset[str]:
        """Cameras with an open alert."""
        return frozenset(self._open)

    def level(self, score: float) -> float:
        """-log10 of the false alarms a day, less the shift."""
        return self.calibration.level(score) - self.shift

    def score_at(self, level: float) -> float:
        """The score whose level this is."""
        return self.calibration.score_at(level + self.shift)

    def watch(self, camera: str, time_s: float, score: float) -> bool:
        """Take in a scored frame, the frames of each camera in their order.

        Args:
            camera: Its name.
            time_s: The frame's time in its stream.
            score: Its score.

        Returns:
            Whether there is a new calibration.
        """
        step_s = self._clock.advance(camera, time_s)
        self.shift = max(0.0, self.shift - self._settings.step * self._rate_per_s * step_s)
        if camera in self._open:
            return False
        self._watched_s += step_s
        run = self._runs[camera]
        if not 0 <= time_s - run.last_s <= QUIET_S:
            self._add_peak(run.peak)
            run.peak = -math.inf
        if score > self._base.tail_start:
            run.peak, run.last_s = max(run.peak, score), time_s
        if self._watched_s - self._recalibrated_s < RECALIBRATE_S:
            return False
        self._recalibrate()
        return True

    def alert_opened(self, camera: str) -> None:
        """An alert of a camera has opened: its frames are not taken for normal."""
        self._open.add(camera)
        self._runs[camera].peak = -math.inf

    def alert_closed(self, camera: str, alert_id: str) -> None:
        """A camera's alert is over: the threshold rises, as far as it may."""
        self._open.discard(camera)
        while self._risen and self._clock.seconds - self._risen[0][0] > 3600:
            self._risen.popleft()
        room = min(
            self._settings.most - self.shift, self._settings.most_per_hour - sum(rise for _, rise in self._risen)
        )
        judged = any(each == alert_id for each, _ in self._rises)  # while it was open
        rise = 0.0 if judged else min(self._settings.step, max(room, 0.0))
        self.shift += rise
        self._risen.append((self._clock.seconds, rise))
        self._rises.append((alert_id, rise))

    def alert_judged(self, alert_id: str, peak_score: float, *, normal: bool | None) -> None:
        """An operator said what an alert was, or withdrew what was said.

        Either verdict undoes the threshold's rise by the alert, or prevents it: it was no false alarm, or its peak
        counts. Without a verdict the threshold rises again.

        Args:
            alert_id: Its id.
            peak_score: Its highest frame score.
            normal: It was a false alarm, so its peak is one of normal footage; False: it was real; None: the verdict
                is withdrawn.
        """
        if not normal and alert_id in self._called_normal:
            peak = self._called_normal.pop(alert_id)
            if peak in self._peaks:
                self._peaks.remove(peak)
            self._recalibrate()
        if normal is None and alert_id not in self._undone:
            return
        rise = sum(rise for each, rise in self._rises if each == alert_id)
        self._rises = deque((each for each in self._rises if each[0] != alert_id), maxlen=self._settings.remembered)
        if normal is None:
            self._redo_rise(alert_id)
            return
        self._rises.append((alert_id, 0.0))
        self._undone[alert_id] = self._undone.get(alert_id, 0.0) + rise
        if len(self._undone) > self._settings.remembered:
            del self._undone[next(iter(self._undone))]
        self.shift = max(0.0, self.shift - rise)
        if normal and alert_id not in self._called_normal:
            self._add_peak(peak_score)
            self._called_normal[alert_id] = peak_score
            if len(self._called_normal) > self._settings.remembered:
                del self._called_normal[next(iter(self._called_normal))]
            self._recalibrate()

    def _redo_rise(self, alert_id: str) -> None:
        rise = min(self._undone.pop(alert_id), max(self._settings.most - self.shift, 0.0))
        if rise > 0:
            self.shift += rise
            self._rises.append((alert_id, rise))

    def _add_peak(self, peak: float) -> None:
        if peak <= self._base.tail_start:
            return
        bisect.insort(self._peaks, peak)
        if len(self._peaks) > FORM.most_peaks + 1:  # one more says where the kept ones begin
            del self._peaks[0]

    def _recalibrate(self) -> None:
        self._recalibrated_s = self._watched_s
        if self._watched_s > 0:
            self.calibration = self._base.extended(np.array(self._peaks, np.float64), self._watched_s)
