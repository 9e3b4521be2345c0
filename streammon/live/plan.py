"""Plan of the cameras' rates under overload: who is scored how often, and whose turn it is. No threads, no clock."""

from collections.abc import Iterable, Mapping
from itertools import chain, zip_longest

from streammon.live.capacity import CapacityEstimate, Window
from streammon.live.rates import LEAST_MOTION_FPS, LOOKS_FPS, Demand, divide
from streammon.records import ScoringRate

TURN_S = 30.0
"""Time after which other cameras are scored by looks alone: much longer than motion takes to be read again."""

EPSILON = 1e-6


class ScoringPlan:
    """Rates of all cameras, from what they ask for and what the machine could score lately.

    Where not all cameras can be scored with motion, those that were for a turn go to the back of a queue. A camera
    keeps its place while it has an open alert, but at least every second place is the queue's, so every camera's turn
    comes. Within a turn cameras may lose motion, not gain it.

    Args:
        score_fps: Configured rate of each camera.
        has_motion: False for the method `padim`.

    Attributes:
        rates: Rate of each camera.
        limited: True while the machine can't score all that is asked, and until that is certain to have ended.
    """

    def __init__(self, score_fps: Mapping[str, float], *, has_motion: bool = True) -> None:
        self._full = {name: ScoringRate(fps) for name, fps in score_fps.items()}
        self.rates = dict(self._full)
        self._has_motion = has_motion
        self._capacity = CapacityEstimate()
        self._queue = list(score_fps)
        self._most_by_motion: int | None = None  # in this turn
        self._turn_ends_s = 0.0

    @property
    def limited(self) -> bool:
        """True while rates are limited by the machine's capacity, which may be for no more than to be sure."""
        return self._capacity.capacity != float("inf")

    @property
    def capacity(self) -> float:
        """Cost that the machine is thought to score in a second, in frames with motion; infinite without a limit."""
        return self._capacity.capacity

    def update(self, demands: Mapping[str, Demand], window: Window, now_s: float) -> None:
        """Plan anew, after each window.

        Args:
            demands: What each camera asks for.
            window: What happened since the last update.
            now_s: Monotonic time.
        """
        asking = {name: each for name, each in demands.items() if each.fps > 0}
        self._capacity.update(window, sum(each.fps for each in asking.values()), now_s)
        if not self.limited:
            self.rates, self._most_by_motion = dict(self._full), None
            return
        by_motion = self._by_turn(asking, now_s)
        planned = divide(asking, self.capacity, by_motion, has_motion=self._has_motion)
        self.rates = {name: self._rate(name, planned, asking) for name in self._full}
        self._most_by_motion = sum(not planned[name].looks_only for name in by_motion)

    def _rate(self, name: str, planned: Mapping[str, ScoringRate], asking: Mapping[str, Demand]) -> ScoringRate:
        """The camera's planned rate; the configured one for all that it asks, the least while it sends nothing."""
        full, rate = self._full[name], planned.get(name)
        if rate is None:
            return ScoringRate(min(LEAST_MOTION_FPS if self._has_motion else LOOKS_FPS, full.fps))
        is_full = rate.fps >= asking[name].fps - EPSILON
        return ScoringRate(full.fps if is_full else rate.fps, rate.looks_only)

    def _by_turn(self, asking: Mapping[str, Demand], now_s: float) -> list[str]:
        """Watched cameras that may be scored with motion, in the order of their turns."""
        before = {name for name in self._queue if not self.rates[name].looks_only}
        if len(before) == len(self._queue) or now_s >= self._turn_ends_s:
            if len(before) < len(self._queue):
                self._queue.sort(key=lambda name: name in before and name in asking)  # stable: to the back
            self._turn_ends_s, self._most_by_motion = now_s + TURN_S, None
        watched = [name for name in self._queue if name in asking and not asking[name].learns]
        kept = [name for name in watched if asking[name].alert and name in before]
        others = [name for name in watched if name not in kept]
        return list(_alternating(others, kept))[: self._most_by_motion]


def _alternating(first: Iterable[str], second: Iterable[str]) -> Iterable[str]:
    """One of the first, one of the second, and so on.

    >>> list(_alternating("ab", "xyz"))
    ['a', 'x', 'b', 'y', 'z']
    """
    return (each for each in chain.from_iterable(zip_longest(first, second)) if each is not None)
