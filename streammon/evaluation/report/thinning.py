"""Thinning of timelines that keeps their shape in a plot and the page small."""

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
