"""Measures of the monitor's health: frame rates, losses, free space, and whether a scene's levels still fit.

Pure: counts and times are passed in.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from scipy.special import gammainc

from streammon.durations import DAY_S, in_words

LEAST_RATE = 0.5
"""Share of its usual frame rate below which a stream has a fault."""

USUAL_AFTER_S = 60.0
"""Time online until a stream's rate counts as its usual one."""

USUAL_FALL_S = 3600.0
"""Time constant with which a usual rate falls to a lower one: a camera that was set to a third of its rate is
reported for 42 minutes (3600 s ln 2)."""

USUAL_RISE_S = 60.0
"""Time constant with which it rises."""

DROPPED_SHARE = 0.1
"""Share of lost frames from which the scorer is behind."""

DROPPED_OVER_S = 10.0
"""Time over which lost frames are counted."""

FULL_SHARE, FULL_BYTES = 0.05, 1 << 30
"""A disk is nearly full with less than both: 1 GiB of a large disk is weeks of alerts, 5 % of a card some days."""

FALSE_ALARM = 1e-3
"""Probability at which the number of alerts is no more chance, for each alert that opens."""

BUCKET_S = 60.0
BUCKETS = round(DAY_S / BUCKET_S)
SHORT_BUCKETS = 60
"""Windows of a day and an hour, in minutes watched."""

MOST_ABNORMAL = 0.5
"""Share of the last hour at or above the opening level at which a scene doesn't fit."""

LEAST_ALERTS = 5
"""Fewer alerts don't tell: an event that people judge at leisure may raise a few."""


class RateFall:
    """Notices a stream whose frame rate fell to less than half of its usual one."""

    def __init__(self) -> None:
        self._usual = 0.0
        self._online_s = 0.0

    def found(self, fps: float, step_s: float) -> str:
        """The fault in words; empty while the rate is usual.

        Args:
            fps: Frames decoded a second, of a stream that is online.
            step_s: Seconds since the last call.
        """
        if fps <= 0:  # not measured yet
            return ""
        self._online_s += step_s
        time_s = USUAL_RISE_S if fps > self._usual else USUAL_FALL_S
        if self._online_s < USUAL_AFTER_S:  # the mean so far
            time_s = self._online_s
        self._usual += (fps - self._usual) * (min(step_s / time_s, 1.0) if time_s > 0 else 1.0)
        if self._online_s < USUAL_AFTER_S or fps >= LEAST_RATE * self._usual:
            return ""
        return f"sends {fps:.1f} instead of {self._usual:.1f} frames a second"


class DroppedShare:
    """Notices that the scorer loses many frames of all cameras."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int, int]] = deque()

    def found(self, scored: int, lost: int, now_s: float) -> str:
        """The fault in words; empty while few frames are lost.

        Args:
            scored: Frames scored since the start.
            lost: Frames lost since the start.
            now_s: Time now.
        """
        self._counts.append((now_s, scored, lost))
        while len(self._counts) > 2 and now_s - self._counts[1][0] >= DROPPED_OVER_S:
            self._counts.popleft()
        _, scored_then, lost_then = self._counts[0]
        dropped = lost - lost_then
        share = dropped / max(dropped + scored - scored_then, 1)
        return f"the scorer is behind: {share:.0%} of the frames are lost" if share > DROPPED_SHARE else ""


def nearly_full(free: int, total: int) -> str:
    """The fault in words; empty while a disk has space.

    Args:
        free: Free bytes.
        total: Size of the disk in bytes.

    >>> nearly_full(300 << 20, 64 << 30), nearly_full(2 << 30, 1 << 40)
    ('300 MB are free', '')
    """
    return f"{free >> 20} MB are free" if free < min(FULL_BYTES, FULL_SHARE * total) else ""


@dataclass(slots=True)
class _Minute:
    """Counts of one minute watched of one camera.

    Attributes:
        basis_s: Seconds of normal footage behind the levels, at its beginning.
        watched_s: Seconds watched.
        abnormal_s: Seconds at or above the opening level.
        alerts: Alerts that opened.
    """

    basis_s: float
    watched_s: float = 0.0
    abnormal_s: float = 0.0
    alerts: int = 0


class BankFit:
    """Tests whether one camera's alerts come more often than was promised.

    With the promise of r alerts a day and its basis of B seconds, the N alerts of T seconds watched are too many if
    N >= `LEAST_ALERTS` and both P(N - 1 or more) < `FALSE_ALARM`:

        by the promised rate:  Poisson with mean r T / 86400
        by the basis:          (T / (T + B)) ** (N - 1), the predictive probability after one alarm in B seconds

    The second is what a promise from little footage can't exclude: after ten minutes of footage, ten alerts in an
    hour refute nothing. The test is made when an alert opens, over the last hour and the last day watched, for the
    N - 1 others. If alerts are a Poisson process of the promised rate, at most 2 r `FALSE_ALARM` tests a day fail:
    one in 500 days at one alert a day. Real events are alerts too, so a busy day fails the test as well.

    Beside the test, the scene doesn't fit if half of the last hour is at or above the opening level: one alert that
    never ends.

    Args:
        false_alarms_per_day: r.
    """

    def __init__(self, false_alarms_per_day: float) -> None:
        self._rate_per_s = false_alarms_per_day / DAY_S
        self._minutes: deque[_Minute] = deque(maxlen=BUCKETS)
        self._too_many = ""
        self._tested_s = 0.0  # seconds watched since it failed

    def watch(self, step_s: float, basis_s: float, *, abnormal: bool) -> None:
        """Take in a scored frame.

        Args:
            step_s: Seconds since the camera's frame before.
            basis_s: Seconds of normal footage behind its level.
            abnormal: Its level is at or above the opening level.
        """
        if not self._minutes or self._minutes[-1].watched_s >= BUCKET_S:
            self._minutes.append(_Minute(basis_s))
        minute = self._minutes[-1]
        minute.watched_s += step_s
        minute.abnormal_s += step_s if abnormal else 0.0
        self._tested_s += step_s
        if self._tested_s >= SHORT_BUCKETS * BUCKET_S:
            self._too_many = ""

    def alert_opened(self) -> None:
        """Take in an alert of the camera, and test."""
        if not self._minutes:
            return
        self._minutes[-1].alerts += 1
        for window in (SHORT_BUCKETS, BUCKETS):
            recent = list(self._last(window))
            watched_s, alerts = sum(each.watched_s for each in recent), sum(each.alerts for each in recent)
            if alerts >= LEAST_ALERTS and self._is_refuted(alerts - 1, watched_s, recent[0].basis_s):
                promised = self._rate_per_s * DAY_S
                self._too_many = f"{alerts} alerts in {in_words(watched_s)}, {promised:g} a day are promised"
                self._tested_s = 0.0
                return

    def found(self) -> str:
        """The fault in words, for an hour watched after the test failed; empty while the scene fits."""
        recent = list(self._last(SHORT_BUCKETS))
        abnormal_s, watched_s = sum(each.abnormal_s for each in recent), sum(each.watched_s for each in recent)
        found = self._too_many
        if watched_s >= (SHORT_BUCKETS - 1) * BUCKET_S and abnormal_s >= MOST_ABNORMAL * watched_s:
            found = f"{abnormal_s / watched_s:.0%} of the last hour are above the threshold"
        if not found:
            return ""
        return f"{found}; unless these are real, the scene has changed or was learned too briefly: fit it again"

    def _is_refuted(self, alerts: int, watched_s: float, basis_s: float) -> bool:
        by_rate = float(gammainc(alerts, self._rate_per_s * watched_s))
        by_basis = (watched_s / (watched_s + basis_s)) ** alerts if watched_s > 0 else 1.0
        return max(by_rate, by_basis) < FALSE_ALARM

    def _last(self, count: int) -> Iterator[_Minute]:
        return islice(self._minutes, max(0, len(self._minutes) - count), None)
