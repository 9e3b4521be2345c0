"""Estimate of how much the machine can score, from what it scored and what it lost: no threads, no clock access."""

import math
from collections import deque
from dataclasses import dataclass

OVERLOADED_WINDOWS = 3
"""Overloaded windows in a row that lower the estimate: at most two show a stall, as while a scene is solved."""

LOST_SHARE = 0.03
"""Least share of the frames lost in an overloaded window."""

MOST_IDLE = 0.25
"""Largest share of an overloaded window in which the scorer had no frame: what a network's stall delivers at once is
lost too, but an idle scorer could have scored more."""

HEADROOM = 0.95
"""Share of the measured capacity that is planned."""

RAISE_EVERY_S = 3.0
"""Time between two raises of a busy scorer: losses begin only when every camera has an unread frame."""

BUSY_RAISE = 1.05
"""Factor of a raise while the scorer is busy."""

MOST_RAISE = 1.25
"""Largest factor of a raise while the scorer is idle."""

SAME_LIMIT = 1.25
"""Factor above the last known limit within which an overload has found the same limit again."""

SPARE_IDLE = 0.15
"""Least share of two windows in a row in which an idle scorer shows that it can score more: at its limit it hardly
waits."""

USED_SHARE = 0.85
"""Least share of the estimate that was scored in such a window: with less, the cameras sent little."""

FIRST_WAIT_S = 4.0
LONGEST_WAIT_S = 60.0
"""Wait after the limit was found; doubled each time it is found where it was, so that the rates come to rest."""

END_S = 30.0
"""Time for which the machine must score all that is asked until no limit is assumed."""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames scored and lost in a second or a few.

    Attributes:
        cost: Cost of the frames scored, a second (`rates.cost`).
        frames: Number of frames scored.
        lost: Number of frames replaced by a newer one.
        idle: Share of the time in which the scorer waited for a frame.
    """

    cost: float
    frames: int
    lost: int
    idle: float

    @property
    def overloaded(self) -> bool:
        """True if frames were lost since the scorer was busy."""
        return self.lost > 0 and self.lost >= LOST_SHARE * (self.lost + self.frames) and self.idle <= MOST_IDLE


class CapacityEstimate:
    """Cost that the machine can score in a second.

    It falls to what was scored when frames are lost in `OVERLOADED_WINDOWS` windows in a row. It rises again at once
    while the scorer is idle, else by small steps, ever more rarely where they fail.

    Attributes:
        capacity: Cost a second; infinite while no limit is known.
    """

    def __init__(self) -> None:
        self.capacity = math.inf
        self._overloaded: deque[float] = deque(maxlen=OVERLOADED_WINDOWS)  # cost of overloaded windows in a row
        self._limit = 0.0  # latest known
        self._wait_s = FIRST_WAIT_S
        self._raise_s = 0.0
        self._full_since_s: float | None = None
        self._idle = 0.0  # in the window before

    def update(self, window: Window, asked: float, now_s: float) -> None:
        """Take in the latest window.

        Args:
            window: What happened in it.
            asked: Cost of all that is asked, a second.
            now_s: Monotonic time of the end of the window.
        """
        if window.lost and not window.frames:  # a stall, which shows nothing of the speed
            self._overloaded.clear()
            return
        if window.overloaded:
            self._full_since_s = None
            self._overloaded.append(window.cost)
            if len(self._overloaded) == OVERLOADED_WINDOWS:
                self._fall(sum(self._overloaded) / OVERLOADED_WINDOWS, now_s)
            return
        self._overloaded.clear()
        if self.capacity < asked:
            self._full_since_s = None
            self._raise(window, now_s)
            return
        self._full_since_s = now_s if self._full_since_s is None else self._full_since_s
        if now_s - self._full_since_s >= END_S:
            self.capacity = math.inf

    def _fall(self, scored: float, now_s: float) -> None:
        """Lower the estimate to the cost scored a second, or further where more than planned was scored."""
        again = self.capacity <= SAME_LIMIT * self._limit
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S) if again else FIRST_WAIT_S
        self._raise_s = now_s + self._wait_s
        self.capacity = self._limit = max(HEADROOM * min(self.capacity, scored), scored / 2)
        self._overloaded.clear()

    def _raise(self, window: Window, now_s: float) -> None:
        """Raise the estimate by half of what the scorer could do while it was idle, or from time to time by 5 %."""
        idle, self._idle = min(window.idle, self._idle), window.idle
        if idle >= SPARE_IDLE and window.cost >= USED_SHARE * self.capacity:
            self.capacity *= min(1 + idle / 2, MOST_RAISE)
        elif now_s >= self._raise_s:
            self._raise_s = now_s + RAISE_EVERY_S
            self.capacity *= BUSY_RAISE
