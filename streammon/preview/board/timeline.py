"""Timeline of one camera's scores and alerts of the last minutes, of bounded size."""

import math
from collections import deque

from streammon.heatmap import MIN_THRESHOLD
from streammon.records import Alert, ScoredFrame

POINTS = 240  # a tile is about 350 pixels wide
MAX_RATIO = 99.0  # the threshold of a bank fitted on one repeated picture is almost 0
MAX_LEVEL = 99.0
CLOCK_SLACK_S = 10.0  # frames out of order by up to this are jitter; by more, the clock was set
SPANS = 100


class Timeline:
    """Highest score of each time step, and the time spans of the alerts.

    Scores are stored as multiples of the threshold at which an alert opens, so that 1 is the same height on every
    camera, whatever its bank.

    Args:
        history_s: Length of the history in seconds.

    Attributes:
        step_s: Length of one time step in seconds: `history_s` / 240.

    >>> timeline = Timeline(history_s=240.0)
    >>> timeline.add(100.2, level=-1.0, ratio=0.5)
    >>> timeline.add(100.8, level=0.5, ratio=1.2)
    >>> timeline.points()
    [(100.0, 0.5, 1.2)]
    """

    def __init__(self, history_s: float) -> None:
        self.step_s = history_s / POINTS
        self._history_s = history_s
        self._points: deque[tuple[int, float, float]] = deque(maxlen=POINTS)
        self._spans: dict[str, tuple[float, float | None]] = {}

    def add(self, time_s: float, level: float, ratio: float) -> None:
        """Add one scored frame.

        Args:
            time_s: Unix time of the frame.
            level: Level of the frame.
            ratio: Score of the frame in multiples of the threshold.
        """
        index = math.floor(time_s / self.step_s)
        if self._points and index <= self._points[-1][0]:
            last, last_level, last_ratio = self._points[-1]
            if (last - index) * self.step_s <= CLOCK_SLACK_S + self.step_s:
                self._points[-1] = last, max(level, last_level), max(ratio, last_ratio)
                return
            self._points.clear()
        self._points.append((index, level, ratio))

    def add_alert(self, alert: Alert) -> None:
        """Add one alert message; the newest hundred alerts are kept."""
        self._spans[alert.id] = alert.opened_s, alert.closed_s
        while len(self._spans) > SPANS:
            del self._spans[next(iter(self._spans))]

    def points(self) -> list[tuple[float, float, float]]:
        """(time_s, level, ratio) of each step that has frames, in order; at most 240."""
        if not self._points:
            return []
        oldest = self._points[-1][0] - POINTS
        return [(round(i * self.step_s, 3), level, ratio) for i, level, ratio in self._points if i > oldest]

    def spans(self) -> list[tuple[str, float, float | None]]:
        """(id, opened_s, closed_s) of the alerts within the history, in order; closed_s is None while one is open."""
        oldest = self._points[-1][0] * self.step_s - self._history_s if self._points else -math.inf
        return [
            (alert_id, opened_s, closed_s)
            for alert_id, (opened_s, closed_s) in self._spans.items()
            if closed_s is None or closed_s >= oldest
        ]


def threshold_ratio(score: ScoredFrame) -> float:
    """A frame's score in multiples of the threshold at which an alert opens, 0 to 99."""
    ratio = score.score / max(score.threshold, MIN_THRESHOLD)
    return 0.0 if math.isnan(ratio) else round(min(max(ratio, 0.0), MAX_RATIO), 3)


def shown_level(level: float) -> float:
    """A level rounded to a hundredth and limited to ±99, since JSON has no infinity; 0 for NaN.

    >>> shown_level(1.234), shown_level(float("inf"))
    (1.23, 99.0)
    """
    return 0.0 if math.isnan(level) else round(min(max(level, -MAX_LEVEL), MAX_LEVEL), 2)
