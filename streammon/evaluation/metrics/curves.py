"""Curves as arrays: thinned for plotting, integrated up to a limit."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def thinned(x: Floats, y: Floats, points: int) -> tuple[Floats, Floats]:
    """At most `points` points of a curve that ascends in x and y, spaced evenly along x + y, both ends kept.

    >>> x = np.linspace(0, 1, 10_001)
    >>> [len(axis) for axis in thinned(x, x, 2000)]
    [2000, 2000]
    """
    if len(x) <= points:
        return x, y
    along = (x - x[0]) + (y - y[0])
    kept = np.searchsorted(along, np.linspace(0, along[-1], points))
    kept[-1] = len(x) - 1
    kept = np.unique(kept)
    return x[kept], y[kept]


def cut(x: Floats, y: Floats, limit: float) -> tuple[Floats, Floats]:
    """The part of a curve with x <= limit, ending exactly there by linear interpolation.

    Args:
        x: (N,) ascending, the first at most `limit`.
        y: (N,) values of the curve.
        limit: Largest x of the part; a curve that ends earlier is returned whole.

    >>> cut(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 2.0]), 0.75)
    (array([0.  , 0.5 , 0.75]), array([0. , 1. , 1.5]))
    """
    end = int(np.searchsorted(x, limit, side="right"))
    if end == len(x) or x[end - 1] == limit:
        return x[:end], y[:end]
    share = (limit - x[end - 1]) / (x[end] - x[end - 1])
    return np.append(x[:end], limit), np.append(y[:end], y[end - 1] + share * (y[end] - y[end - 1]))


def area(x: Floats, y: Floats, limit: float) -> float:
    """Area under a curve up to `limit`, by trapezoids, divided by `limit`: 1 for a curve that is 1 throughout.

    >>> area(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.3)  # half of 0.3 x 0.3, over 0.3
    0.15
    """
    x, y = cut(x, y, limit)
    return float(np.trapezoid(y, x)) / limit


def log_area(x: Floats, y: Floats, low: float, high: float) -> float:
    """Mean of a curve over ln x between two limits, the curve linear in x between its points.

    Between two points y = a + b x, whose integral over d(ln x) is a ln(x2 / x1) + b (x2 - x1): exact, also where
    the curve starts at x = 0.

    Args:
        x: (N,) ascending, from at most `low` to at least `high`.
        y: (N,) values of the curve.
        low: Lower limit, above 0.
        high: Upper limit.
    """
    wide = np.flatnonzero((np.diff(x) > 0) & (x[1:] > low) & (x[:-1] < high))  # a vertical step has no area
    starts, stops = np.maximum(x[wide], low), np.minimum(x[wide + 1], high)
    slopes = (y[wide + 1] - y[wide]) / (x[wide + 1] - x[wide])
    offsets = y[wide] - slopes * x[wide]
    return float((offsets * np.log(stops / starts) + slopes * (stops - starts)).sum() / np.log(high / low))
