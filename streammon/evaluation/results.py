"""Results of an evaluation as plain values, for the report and the JSON file."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streammon.records import AnomalyMap, Picture

ABSENT = "–"  # text of a figure that isn't defined


@dataclass(frozen=True)
class ReportedFigure:
    """One figure with its spread, interval and null controls.

    Attributes:
        name: Name of the figure, such as `AUROC, micro`.
        value: The figure, the mean over seeds where there are several; None where it isn't defined.
        spread: Standard deviation over seeds; None for a single seed.
        low: Lower end of the 95 % interval from the bootstrap over clips or images, of the first seed.
        high: Upper end of the interval.
        constant: The figure of a constant score or map, after the same post-processing.
        noise: The figure of a seeded random score or map, after the same post-processing.
        scene_rate: The figure of an oracle that scores every frame by its scene's share of abnormal frames, after
            the same post-processing.
        unit: `s` or `per hour`; empty for shares.
        higher_is_better: True if a higher value is better.
    """

    name: str
    value: float | None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    constant: float | None = None
    noise: float | None = None
    scene_rate: float | None = None
    unit: str = ""
    higher_is_better: bool = True


@dataclass(frozen=True)
class FigureTable:
    """One table of measures.

    Attributes:
        title: Heading, such as `Frame level`.
        measures: Rows.
        note: Explanation for the reader; may be empty.
    """

    title: str
    measures: tuple[ReportedFigure, ...]
    note: str = ""


@dataclass(frozen=True)
class PlainTable:
    """A table of text: figures per category, an ablation, or a table of the paper.

    Attributes:
        title: Heading.
        columns: Column headings; the first column names the row.
        rows: Cells as shown.
        note: Explanation for the reader; may be empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class ReportedDifference:
    """One figure of two methods on the same clips.

    Attributes:
        name: Name of the figure.
        value: Figure of the first method; None where it isn't defined.
        other: Figure of the second method.
        difference: First minus second.
        low: Lower end of the 95 % interval of the difference, from the paired bootstrap over clips or images.
        high: Upper end of the interval.
        p_value: Two-sided p-value of the permutation test that swaps the methods clip by clip (image by image).
        unit: `s` or `per hour`; empty for shares.
        higher_is_better: True if a higher value is better.
    """

    name: str
    value: float | None
    other: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    unit: str = ""
    higher_is_better: bool = True


@dataclass(frozen=True)
class DifferenceTable:
    """Comparison of two methods.

    Attributes:
        title: Heading.
        first: Name of the first method.
        second: Name of the second method.
        differences: Rows.
        note: Explanation for the reader.
    """

    title: str
    first: str
    second: str
    differences: tuple[ReportedDifference, ...]
    note: str


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve to draw.

    Attributes:
        plot: Plot that shows the curve, such as `ROC, frame level`, `ROC, pixel level`, `PRO`.
        label: Name of the curve in the plot.
        x: (N,) ascending.
        y: (N,)
        x_label: Label of the x axis.
        y_label: Label of the y axis.
        x_limit: Upper end of the x axis, 0.3 for PRO.
    """

    plot: str
    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_label: str
    y_label: str
    x_limit: float = 1.0


@dataclass(frozen=True, eq=False)
class ClipTimeline:
    """Frame scores of one clip over time.

    Attributes:
        clip: Name of the clip.
        scene: Name of the scene.
        times_s: (T,) seconds since the start of the clip; frame numbers where the data set has no time.
        scores: (T,) scores after post-processing.
        labels: (T,) bool, True for abnormal frames.
        thresholds: Score at each false-alarm rate, by the rate's name (`1 a day`); empty without calibration.
    """

    clip: str
    scene: str
    times_s: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """One of the worst misses or false alarms, with its pictures.

    Attributes:
        kind: `miss` (abnormal, lowest scores) or `false alarm` (normal, highest scores).
        clip: Name of the clip.
        index: Number of the frame in the clip, from 0.
        rank: Share of the normal frames with a lower score, 0 to 1.
        score: Score after post-processing.
        picture: (S, S, 3) uint8, the model's input.
        anomaly_map: (S, S), or None where the method has none.
        map_range: Values of the heatmap's lowest and highest colour, the same for the whole report.
        mask: (S, S) bool, or None where the data set has none.
    """

    kind: str
    clip: str
    index: int
    rank: float
    score: float
    picture: Picture
    anomaly_map: AnomalyMap | None
    map_range: tuple[float, float]
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """All results of one evaluation.

    Attributes:
        title: Heading, such as `ped2: PaDiM resnet18 Rd100, mean of 5 draws`.
        command: Command line of the evaluation.
        facts: Facts for the reader, by name: data set, counts, fingerprint, method, backbone, hash of the weights,
            seeds, frames taken, versions, hardware, duration.
        missing: One message for each defect of the data set; the report is PARTIAL if there is any.
        warnings: Warnings for the reader, one line each.
        measures: Tables of the frame level (or image level), pixel level, regions and tracks, and of conventions.
        comparisons: Tables of the difference to another method.
        tables: Tables per category, of the ablation, or of the paper.
        curves: Curves to draw, each with the name of its plot.
        timelines: One timeline for each clip.
        worst: The worst misses, then the worst false alarms.
    """

    title: str
    command: str
    facts: dict[str, str]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    measures: tuple[FigureTable, ...] = ()
    comparisons: tuple[DifferenceTable, ...] = ()
    tables: tuple[PlainTable, ...] = ()
    curves: tuple[Curve, ...] = ()
    timelines: tuple[ClipTimeline, ...] = ()
    worst: tuple[WorstFrame, ...] = ()
