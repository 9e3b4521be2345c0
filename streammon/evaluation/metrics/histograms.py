"""Histogram bins for float32 values of unknown range, with a constant relative resolution."""

import numpy as np
from numpy.typing import NDArray

Bins = NDArray[np.intp]
Values = NDArray[np.float32]

DROPPED_BITS = 8  # of the 23 bits of the fraction 15 remain, so values closer than 1 in 32,768 may share a bin
INFINITY_BITS = 0x7F800000
BINS = INFINITY_BITS >> DROPPED_BITS  # 8.4 million; memory pages that are never written are not allocated


def bins_of(values: Values) -> Bins:
    """Bin of each value, ascending with the value: bit patterns of non-negative floats sort as integers.

    Args:
        values: Any shape, float32, finite and non-negative.

    Raises:
        ValueError: A value is negative or not finite.
    """
    patterns = np.ascontiguousarray(values, dtype=np.float32).view(np.int32)
    if patterns.size and (patterns.min() < 0 or patterns.max() >= INFINITY_BITS):
        patterns = (np.asarray(values, dtype=np.float32) + np.float32(0)).view(np.int32)  # -0.0 is 0.0
        if patterns.min() < 0 or patterns.max() >= INFINITY_BITS:
            raise ValueError("an anomaly map must be finite and non-negative everywhere")
    return (patterns >> DROPPED_BITS).astype(np.intp)


def lowest_of(bins: Bins) -> Values:
    """The lowest value of each bin: every value at or above it is of this bin or a higher one.

    >>> lowest_of(bins_of(np.array([0.0, 0.75, 100.001], dtype=np.float32)))
    array([  0.  ,   0.75, 100.  ], dtype=float32)
    """
    return (bins.astype(np.int32) << DROPPED_BITS).view(np.float32)
