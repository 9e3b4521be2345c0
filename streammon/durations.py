"""Durations in words for the terminal; `preview/page/words.js` implements the same rules for the page."""

import math
from collections.abc import Callable

DAY_S = 86400.0
UNITS = ((DAY_S, "day"), (3600.0, "hour"), (60.0, "minute"))


def nearest(number: float) -> int:
    """The nearest whole number, halves upwards, as JavaScript's `Math.round`."""
    return math.floor(number + 0.5)


def in_words(seconds: float, rounded: Callable[[float], int] = nearest) -> str:
    """A duration as a whole number of one unit: the largest unit that fits exactly once, or at least twice.

    Args:
        seconds: The duration in seconds.
        rounded: Rounding function: `nearest`, or `math.floor` for a duration that must not be overstated.

    >>> [in_words(seconds) for seconds in (40.4, 60, 90, 540, 3600, 5400, 86400, 90000, 216000, 10**7)]
    ['40 s', '1 minute', '90 s', '9 minutes', '1 hour', '90 minutes', '1 day', '25 hours', '3 days', '116 days']
    >>> in_words(216000, math.floor), in_words(0.2)
    ('2 days', 'under 1 s')
    """
    for unit_s, name in UNITS:
        if seconds == unit_s:
            return f"1 {name}"
        if seconds >= 2 * unit_s:
            return f"{rounded(seconds / unit_s)} {name}s"
    return f"{rounded(seconds)} s" if seconds >= 1 else "under 1 s"
