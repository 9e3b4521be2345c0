"""Thinning of timelines and curves that keeps their shape in a plot and the page small."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def thinned_timeline(times: Values, scores: Values, most: int) -> tuple[Values, Values]:
    """At most `most` points of a timeline: the lowest and the highest score of each of `most // 2` equal parts.

    Args:
        times: (T,) ascending.
        scores: (T,) scores; frames whose score isn't finite are left out.
        most: Largest number of points that remain, at least 4.

    Returns:
        Times and scores, (N,) each, in order.

    >>> thinned_timeline(np.arange(8.0), np.array([0, 0, 9.0, 0, 0, 0, -5.0, 0]), 4)
    (array([0., 2., 4., 6.]), array([ 0.,  9.,  0., -5.]))
    """
    finite = np.isfinite(scores) & np.isfinite(times)
    times, scores = times[finite], scores[finite]
    if len(scores) <= most:
        return times, scores
    kept: set[int] = set()
    for stretch in np.array_split(np.arange(len(scores)), most // 2):
        kept |= {int(stretch[scores[stretch].argmin()]), int(stretch[scores[stretch].argmax()])}
    chosen = np.array(sorted(kept))
    return times[chosen], scores[chosen]


def thinned_curve(x: Values, y: Values, x_limit: float, most: int) -> tuple[Values, Values]:
    """At most `most` points of a curve up to `x_limit`, spaced evenly along the curve, so that steep parts remain.

    Args:
        x: (N,) ascending.
        y: (N,) values of the curve, of the order of 1.
        x_limit: Right end of the plot, at which the curve is interpolated.
        most: Largest number of points that remain, at least 2.

    >>> x, y = thinned_curve(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0]), 0.75, 10)
    >>> x, y
    (array([0. , 0.5 , 0.75]), array([0., 1., 1.]))
    """
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) and x[-1] > x_limit > x[0]:
        within = x <= x_limit
        x, y = np.append(x[within], x_limit), np.append(y[within], np.interp(x_limit, x, y))
        if x[-2] == x_limit:
            x, y = x[:-1], y[:-1]
    if len(x) <= most:
        return x, y
    along = np.append(0.0, np.cumsum(np.hypot(np.diff(x) / x_limit, np.diff(y))))
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], most)).clip(0, len(x) - 1))
    return x[chosen], y[chosen]


def runs(labels: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of each run of True.

    >>> runs(np.array([True, False, True, True]))
    [(0, 0), (2, 3)]
    """
    edges = np.diff(np.concatenate(([0], labels.astype(np.int8), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))
