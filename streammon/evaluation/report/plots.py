"""Plots of the page: curves, and the scores of each clip over time. To be called within `svg.page_style`."""

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from streammon.evaluation.metrics.curves import cut, thinned
from streammon.evaluation.metrics.events import runs
from streammon.evaluation.report.svg import MUTED, SERIES, TRUTH, Plot
from streammon.evaluation.report.thinning import thinned_timeline
from streammon.evaluation.results import ClipTimeline, Curve

CURVE_POINTS = 400
CLIP_POINTS = 600
DASHES = ((), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))  # the next pattern once all colours are used
ROUND = (1, 2, 5, 10)  # ticks are multiples of these
FAR_ABOVE = 2.0  # in ranges of the scores; a threshold further above the scores would flatten the plot
LABEL_GAP = 9.0  # points between the labels of two thresholds


@dataclass(frozen=True)
class CurveKey:
    """Legend entry of one curve.

    Attributes:
        label: Name of the curve.
        series: Number of the curve's colour.
        dashes: Dash pattern of the curve, empty for a solid line.
    """

    label: str
    series: int
    dashes: tuple[float, ...]


def curve_keys(curves: list[Curve]) -> list[CurveKey]:
    """Colour and dashes of each curve of one plot."""
    return [
        CurveKey(curve.label, number % len(SERIES), DASHES[number // len(SERIES) % len(DASHES)])
        for number, curve in enumerate(curves)
    ]


def curves_svg(curves: list[Curve], name: str) -> str:
    """One plot of some curves, as an `<svg>` element.

    Args:
        curves: Curves of the plot, at least one.
        name: Name of the plot, unique on the page.
    """
    first = curves[0]
    plot = Plot(260, 236, (36, 8, 32, 8))
    axes = plot.axes
    if first.plot.startswith("ROC"):
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.7, dashes=(3, 3))
    for curve, key in zip(curves, curve_keys(curves), strict=True):
        x, y = thinned(*cut(curve.x, curve.y, first.x_limit), CURVE_POINTS)
        axes.plot(x, y, color=SERIES[key.series], lw=1.3, dashes=key.dashes or (None, None), clip_on=False)
    axes.set(xlim=(0, first.x_limit), ylim=(0, 1), xlabel=first.x_label, ylabel=first.y_label)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    names = ", ".join(curve.label for curve in curves)
    return plot.svg(name, f"{first.plot}: {first.y_label} over {first.x_label} of {names}")


def score_limits(timelines: list[ClipTimeline]) -> tuple[float, float]:
    """Limits of the score axis that the plots of these clips share, so that the plots can be compared.

    Thresholds far above every score (`FAR_ABOVE`) don't widen the limits.
    """
    scores = np.concatenate([timeline.scores for timeline in timelines] or [np.zeros(0)])
    scores = scores[np.isfinite(scores)]
    low, high = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 1.0)
    reach = high + FAR_ABOVE * (high - low)
    thresholds = [score for timeline in timelines for score in timeline.thresholds.values() if score <= reach]
    low, high = min([low, *thresholds]), max([high, *thresholds])
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def timeline_svg(timeline: ClipTimeline, limits: tuple[float, float], name: str) -> str:
    """Plot of one clip's scores over time, with abnormal frames shaded and thresholds as labelled dashed lines.

    Args:
        timeline: Scores, labels and thresholds of the clip.
        limits: Lowest and highest score shown.
        name: Name of the plot, unique on the page.
    """
    words = shown_thresholds(timeline, limits)
    room = 6 + 4.3 * max((len(word) for word in words), default=0)
    plot = Plot(260, 92, (30, room, 24, 5))
    axes = plot.axes
    numbered = counts_frames(timeline)
    half = float(np.median(np.diff(timeline.times_s))) / 2 if len(timeline.times_s) > 1 else 0.5
    for first, stop in runs(timeline.labels):
        axes.axvspan(timeline.times_s[first] - half, timeline.times_s[stop - 1] + half, color=TRUTH, lw=0)
    for score in words.values():
        axes.axhline(score, color=MUTED, lw=0.6, dashes=(4, 2.5))
    times, scores = thinned_timeline(timeline.times_s, timeline.scores, CLIP_POINTS)
    axes.plot(times, scores, color=SERIES[0], **({"ls": "", "marker": ".", "ms": 3} if numbered else {"lw": 0.8}))
    end = timeline.times_s[-1] + half if len(timeline.times_s) else 1.0
    axes.set(xlim=(-half if numbered else 0, end), ylim=limits)
    axes.set_xlabel("frame" if numbered else "seconds", labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=ROUND))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=ROUND))
    gap = LABEL_GAP * (limits[1] - limits[0]) / (92 - 24 - 5)
    for word, height in _apart(words, gap, limits[1]).items():
        axes.annotate(word, (1, height), (3, 0), ("axes fraction", "data"), textcoords="offset points", va="center")
    abnormal = int(timeline.labels.sum())
    return plot.svg(name, f"Scores of clip {timeline.clip}; {abnormal} of {len(timeline.labels)} frames are abnormal")


def counts_frames(timeline: ClipTimeline) -> bool:
    """True if a clip's times are frame numbers, as those of still images are."""
    return bool(np.array_equal(timeline.times_s, np.arange(len(timeline.times_s))))


def shown_thresholds(timeline: ClipTimeline, limits: tuple[float, float]) -> dict[str, float]:
    """The thresholds that lie within the limits of a plot."""
    return {words: score for words, score in timeline.thresholds.items() if limits[0] <= score <= limits[1]}


def _apart(heights: dict[str, float], gap: float, top: float) -> dict[str, float]:
    """Heights of the labels, at least `gap` apart and at most `top`.

    From the highest label down, each is moved down from its line only as far as needed.

    >>> _apart({"100/day": 1.0, "1/day": 9.8, "10/day": 9.6}, 1.0, 10.0)
    {'1/day': 9.8, '10/day': 8.8, '100/day': 1.0}
    """
    places: dict[str, float] = {}
    for word, height in sorted(heights.items(), key=lambda pair: -pair[1]):
        places[word] = min(height, top, min(places.values(), default=np.inf) - gap)
    return places
