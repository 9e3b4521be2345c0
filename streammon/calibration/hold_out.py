"""Which footage calibrates: each stretch is scored by what was learned before it, and then learned as well.

Watching is always of what comes after learning, so this measures what will be met: new light, other people, and a
bank that knows only the past. One pass is enough, and footage on disk, a live camera and an evaluation are alike.
"""

from dataclasses import dataclass

from streammon.calibration.settings import SETTINGS

HOLD_OUT = SETTINGS.hold_out.share
"""Share of the footage, its end, that is scored before it is learned."""

STEPS = SETTINGS.hold_out.steps
"""Parts of it, of equal length. Each is scored by what was learned of all footage before it."""


@dataclass(frozen=True)
class HoldOut:
    """When to solve anew for what scores the footage to come.

    Args:
        total_s: Seconds of footage there will be.
        share: Of it, that is scored before it is learned; 0 for none.

    >>> HoldOut(total_s=600.0).begins_s
    (300.0, 450.0)
    """

    total_s: float
    share: float = HOLD_OUT

    @property
    def begins_s(self) -> tuple[float, ...]:
        """Seconds of footage after which the next part of what is held out begins."""
        if self.share <= 0:
            return ()
        learned_s = self.total_s * (1 - self.share)
        return tuple(learned_s + (self.total_s - learned_s) * step / STEPS for step in range(STEPS))

    def step(self, seconds: float) -> int:
        """How many parts have begun after so many seconds of footage.

        >>> [HoldOut(total_s=600.0).step(seconds) for seconds in (0.0, 300.0, 599.0)]
        [0, 1, 2]
        """
        return sum(seconds >= begin_s for begin_s in self.begins_s)
