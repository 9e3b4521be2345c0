"""Stream time: from a source's timestamps where these agree with a reliable clock. No threads, no clock access.

A live source's timestamps are compared with the arrival of its frames, a file's with their neighbours.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

MAX_STEP_S = 10.0
"""Largest step between two timestamps; a larger one counts as a broken timestamp, not as a pause."""

JUMP_S = 0.25
"""A live frame's timestamp is broken if it lies farther than this ahead of every frame before, by their arrival."""

LEAD_DECAY = 0.02
"""Decay, per second, of the lead of the frame that came with the shortest delay: clocks of cameras drift."""

TRUST_AFTER_S = 60.0
"""Agreement after which made-up timestamps are used again; doubled with each time that they disagreed."""

LOOK_AHEAD = 3
"""Later timestamps of a file by which a timestamp is judged: up to 2 broken ones in a row are recognised."""

T = TypeVar("T")


class RateComparison:
    """Compares the rate of a stream's timestamps with the wall clock's, by stretches of time.

    A network that is congested delivers too slowly for a while, and then catches up. So several stretches in a row
    must differ to the same side; short ones by the same factor too, as timestamps do that are made up.

    Args:
        stretch_s: Shortest duration of a stretch in seconds.
        tolerance: Largest relative deviation of a rate from the wall clock's that counts as equal.
        spread: Largest relative difference between the rates of successive stretches; None for any.

    >>> check = RateComparison(stretch_s=1.0, tolerance=0.15, spread=0.1)
    >>> [check.add(stamped_s, elapsed_s=1.0) or check.differs for stamped_s in (0.2, 0.5, 0.5, 0.52)]
    [False, False, False, True]
    """

    STRETCHES = 3

    def __init__(self, stretch_s: float, tolerance: float, spread: float | None = None) -> None:
        self._stretch_s = stretch_s
        self._tolerance = tolerance
        self._spread = spread
        self._stamped_s = 0.0
        self._elapsed_s = 0.0
        self._differing: list[float] = []  # rates of the latest stretches that differ alike
        self.agreed_s = 0.0

    def add(self, stamped_s: float, elapsed_s: float) -> None:
        """Add a step by the timestamps and the time in which it came, in seconds."""
        self._stamped_s += stamped_s
        self._elapsed_s += elapsed_s
        if self._elapsed_s < self._stretch_s:
            return
        rate = self._stamped_s / self._elapsed_s
        if abs(rate - 1.0) <= self._tolerance:
            self._differing = []
            self.agreed_s += self._elapsed_s
        else:
            alike = bool(self._differing) and self._is_alike(self._differing[0], rate)
            self._differing = [*self._differing, rate][-self.STRETCHES :] if alike else [rate]
            self.agreed_s = 0.0
        self._stamped_s = self._elapsed_s = 0.0

    @property
    def differs(self) -> bool:
        """True if the rates have differed alike for several stretches."""
        return len(self._differing) >= self.STRETCHES

    def _is_alike(self, first: float, rate: float) -> bool:
        same_side = (first > 1.0) == (rate > 1.0)
        return same_side and (self._spread is None or abs(rate - first) <= self._spread * first)


class LiveClock:
    """Stream time of a live source: seconds since a connection's first frame, at one second a second.

    As long as the timestamps run at the wall clock's rate, steps are the timestamps', which are free of the network's
    jitter. Otherwise they are the arrivals'. A frame whose own timestamp is broken (missing, repeated, back, or
    farther ahead than any delay explains) advances by its arrival; if the next frame goes on from it, the source's
    clock was set, else the timestamps go on as before. The clock never runs backwards.

    Args:
        stamped: False if FFmpeg makes the timestamps up, as for JPEGs and raw H.264.

    Attributes:
        broke: True if the time between the last two frames is not known well enough to tell speeds.

    >>> clock = LiveClock()
    >>> [round(clock.advance(pts_s, n / 25), 2) for n, pts_s in enumerate((7.0, 7.04, 15.08, 7.12, 3.0, 3.04))]
    [0.0, 0.04, 0.08, 0.12, 0.16, 0.2]
    """

    def __init__(self, stamped: bool = True) -> None:
        self.broke = False
        self._stamped = stamped
        self._checks = (RateComparison(1.0, tolerance=0.15, spread=0.1), RateComparison(8.0, tolerance=0.04))
        self._trust_after_s = TRUST_AFTER_S
        self._trusted = True
        self._time_s: float | None = None
        self._arrived_s = 0.0
        self._pts_s: float | None = None
        self._offset_s: float | None = None  # stream time = timestamp + offset
        self._other_offset_s: float | None = None  # if the frame before began another count
        self._lead_s = 0.0  # of stream time over arrival, relative to the first frame
        self._most_lead_s = 0.0

    def advance(self, pts_s: float | None, arrived_s: float) -> float:
        """Advance the clock to the next frame and return that frame's stream time.

        Args:
            pts_s: Presentation timestamp of the frame in seconds, or None.
            arrived_s: Arrival of the frame by a monotonic clock, in seconds.
        """
        if not self._stamped:
            pts_s = None
        if self._time_s is None:
            self._time_s, self._arrived_s, self._pts_s = 0.0, arrived_s, pts_s
            self._offset_s = None if pts_s is None else -pts_s
            return 0.0
        elapsed_s = max(0.0, arrived_s - self._arrived_s)
        self._arrived_s, self.broke = arrived_s, False
        step_s = stamped_s = elapsed_s
        if pts_s is not None and self._trusted:
            step_s = stamped_s = self._stamped_step_s(pts_s, elapsed_s)
        elif pts_s is not None and self._pts_s is not None and 0 <= pts_s - self._pts_s <= elapsed_s + 1.0:
            stamped_s = pts_s - self._pts_s
        self._compare_rates(stamped_s, elapsed_s)
        self._time_s += step_s
        self._lead_s += step_s - elapsed_s
        self._most_lead_s = max(self._lead_s, self._most_lead_s - LEAD_DECAY * elapsed_s)
        self._pts_s = pts_s
        return self._time_s

    def _stamped_step_s(self, pts_s: float, elapsed_s: float) -> float:
        """Step to a frame with a timestamp: by the timestamp if it is plausible, else `elapsed_s`."""
        assert self._time_s is not None
        other_offset_s, self._other_offset_s = self._other_offset_s, None
        longest_s = elapsed_s + self._most_lead_s - self._lead_s + JUMP_S
        if self._offset_s is None:  # the first timestamp of the connection
            self._offset_s = self._time_s + elapsed_s - pts_s
            self.broke = True
            return elapsed_s
        step_s = pts_s + self._offset_s - self._time_s
        if 0 < step_s <= longest_s:
            return step_s
        if pts_s == self._pts_s:
            return elapsed_s
        if other_offset_s is not None and 0 < pts_s + other_offset_s - self._time_s <= longest_s:
            self._offset_s, self.broke = other_offset_s, True
            return pts_s + other_offset_s - self._time_s
        if -JUMP_S < step_s <= 0:  # a frame before it was stamped too late; the clock waits for the timestamps
            self.broke = True
            return elapsed_s / 2
        self._other_offset_s = self._time_s + elapsed_s - pts_s
        return elapsed_s

    def _compare_rates(self, stamped_s: float, elapsed_s: float) -> None:
        """Take a step by the timestamps and by the arrivals, and decide which of them counts from now on."""
        for check in self._checks:
            check.add(stamped_s, elapsed_s)
        if self._trusted and any(check.differs for check in self._checks):
            self._trusted = False
        elif not self._trusted and min(check.agreed_s for check in self._checks) >= self._trust_after_s:
            self._trusted = True
            self._trust_after_s *= 2
            self._offset_s = None


class Pacer:
    """Release times of frames that come in bursts, such as a segment of several seconds at once.

    A frame is released when it has come, and no earlier after the frame before than its timestamp says. A source that
    falls behind is given the time.

    >>> pacer = Pacer()
    >>> [pacer.release_s(pts_s, arrived_s) for pts_s, arrived_s in ((7.0, 0.0), (7.5, 0.0), (8.0, 0.1), (8.5, 3.0))]
    [0.0, 0.5, 1.0, 3.0]
    """

    def __init__(self) -> None:
        self._pts_s: float | None = None
        self._released_s = 0.0

    def release_s(self, pts_s: float | None, arrived_s: float) -> float:
        """Release time of the next frame, by the clock of `arrived_s`, which is the frame's arrival in seconds."""
        step_s = 0.0 if pts_s is None or self._pts_s is None else pts_s - self._pts_s
        due_s = self._released_s + step_s if 0 < step_s <= MAX_STEP_S else arrived_s
        self._pts_s = pts_s
        self._released_s = max(arrived_s, due_s)
        return self._released_s


def file_times(stamped: Iterable[tuple[T, float | None]], interval_s: float) -> Iterator[tuple[T, float, bool]]:
    """Each frame of a file with its stream time: seconds since the first frame.

    A timestamp between those of its neighbours is used, whatever the step. A missing or repeated one, and one that
    lies ahead of or behind most of the next `LOOK_AHEAD`, is replaced. Where timestamps begin anew or jump by more
    than `MAX_STEP_S`, one interval passes, or the step before if that is shorter.

    Args:
        stamped: Frames with their timestamps in seconds, or None.
        interval_s: Seconds from frame to frame at the nominal rate.

    Yields:
        Frame, stream time in seconds (never running backwards), and whether the time since the frame before is
            unknown.

    >>> stamps_s = (7.0, 7.04, 15.08, 7.12, 8.0, 3.0, 3.04)
    >>> [round(time_s, 2) for _, time_s, _ in file_times(zip("abcdefg", stamps_s), interval_s=0.04)]
    [0.0, 0.04, 0.08, 0.12, 1.0, 1.04, 1.08]
    """
    waiting: deque[tuple[T, float | None]] = deque()
    clock: _FileClock[T] = _FileClock(interval_s)
    for frame in stamped:
        waiting.append(frame)
        if len(waiting) > LOOK_AHEAD:
            yield clock.timed(*waiting.popleft(), waiting)
    while waiting:
        yield clock.timed(*waiting.popleft(), waiting)


class _FileClock(Generic[T]):
    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._time_s = -interval_s
        self._anchor: tuple[float, float] | None = None  # latest good timestamp, and its stream time
        self._step_s = 0.0  # between the latest two without a jump

    def timed(
        self, frame: T, pts_s: float | None, following: Iterable[tuple[T, float | None]]
    ) -> tuple[T, float, bool]:
        time_s, broke = self._time_s + self._usual_s, False
        later_s = [later_s for _, later_s in following if later_s is not None]
        if pts_s is not None and self._anchor is not None:
            time_s, broke = self._after(self._anchor, pts_s, later_s)
        elif pts_s is not None and not self._lags(pts_s, later_s):
            self._anchor, broke = (pts_s, time_s), True
        self._time_s = max(self._time_s, time_s)
        return frame, self._time_s, broke

    def _after(self, anchor: tuple[float, float], pts_s: float, later_s: list[float]) -> tuple[float, bool]:
        """Stream time of a frame with a timestamp, and whether the time from the frame before is unknown."""
        anchor_s, anchor_time_s = anchor
        step_s = pts_s - anchor_s
        from_anchor_s = [later_s - anchor_s for later_s in later_s if 0 < later_s - anchor_s <= MAX_STEP_S]
        contradicting = sum(step_s <= 0 or later_s < step_s for later_s in from_anchor_s)
        if step_s == 0 or 2 * contradicting > len(later_s) or (not later_s and self._leaps(step_s)):
            room_s = anchor_time_s + min(from_anchor_s) - self._time_s if from_anchor_s else 2 * self._usual_s
            return self._time_s + min(self._usual_s, room_s / 2), False
        continues = 0 < step_s <= MAX_STEP_S
        time_s = anchor_time_s + step_s if continues else self._time_s + self._usual_s
        self._anchor = (pts_s, time_s)
        if continues:
            self._step_s = step_s
        return time_s, not continues

    @property
    def _usual_s(self) -> float:
        """Seconds for a step that is unknown; the nominal interval of a file with pauses is far too long."""
        return min(self._interval_s, self._step_s or self._interval_s)

    def _leaps(self, step_s: float) -> bool:
        """True if a step is far longer than the one before: at a file's end nothing confirms it."""
        return step_s > max(1.0, 3 * self._step_s)

    def _lags(self, pts_s: float, later_s: list[float]) -> bool:
        """True if the first timestamp lies far behind the next ones, which lie close together."""
        spread_s = max(later_s, default=0.0) - min(later_s, default=0.0)
        return len(later_s) > 1 and min(later_s) - pts_s > max(1.0, 3 * spread_s)
