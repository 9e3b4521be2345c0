"""What an evaluation found: plain values, which the report shows and the JSON file holds."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streammon.records import AnomalyMap, Picture


@dataclass(frozen=True)
class Measure:
    """One figure, and what it has to be read beside.

    Attributes:
        name: What is measured, such as `AUROC, micro`.
        value: The figure, the mean over seeds where there are several; None where it isn't defined.
        spread: Standard deviation over seeds; None for a single one.
        low: Lower end of the 95 % interval from the bootstrap over clips, of the first seed.
        high: Its upper end.
        constant: The same figure for a score that is the same for every frame, through the same post-processing.
        noise: For a seeded random score, likewise.
        scene_rate: For the oracle that knows only each scene's share of abnormal frames, likewise.
        unit: Empty for shares, else `s`, `per hour`.
        higher_is_better: Which way is good.
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
class MeasureTable:
    """Measures that belong together.

    Attributes:
        title: Such as `Frame level`.
        measures: Its rows.
        note: What a reader has to know to read it; may be empty.
    """

    title: str
    measures: tuple[Measure, ...]
    note: str = ""


@dataclass(frozen=True)
class PlainTable:
    """Rows and columns of text: per scene, per category, or a table of the paper beside ours.

    Attributes:
        title: Its heading.
        columns: Headings; the first column names the row.
        rows: Cells as shown.
        note: What a reader has to know to read it; may be empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve to draw.

    Attributes:
        plot: Which plot it belongs to: `ROC, frame level`, `ROC, pixel level`, `PRO`.
        label: Its own name in that plot.
        x: (N,) ascending.
        y: (N,)
        x_label: Of the plot.
        y_label: Of the plot.
        x_limit: Up to where the plot is drawn, 0.3 for PRO.
    """

    plot: str
    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_label: str
    y_label: str
    x_limit: float = 1.0


@dataclass(frozen=True, eq=False)
class Timeline:
    """The scores of one clip over its time.

    Attributes:
        clip: Its name.
        scene: Its scene.
        times_s: (T,) seconds from its start; frame numbers where the data set has no time.
        scores: (T,) after the post-processing.
        labels: (T,) bool.
        thresholds: Score at each false-alarm rate a day, by its words (`1/day`); empty without calibration.
    """

    clip: str
    scene: str
    times_s: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A frame that was judged most wrongly, as pictures.

    Attributes:
        kind: `miss` (abnormal, lowest scores) or `false alarm` (normal, highest scores).
        clip: Its clip.
        index: Its number there, from 0.
        rank: Share of the normal frames that score below it, 0 to 1.
        score: Its score.
        picture: (S, S, 3) uint8, the model's input.
        anomaly_map: (S, S), or None where the method has none.
        map_range: Value shown as the heatmap's lowest and highest colour, the same for the whole report.
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
    """Everything one run found.

    Attributes:
        title: Such as `ped2: PaDiM, resnet18, 100 random channels, mean of 5 seeds`.
        command: As it was given.
        facts: What was evaluated with what, for people: data set, counts, fingerprint, method, backbone, hash of the
            weights, seeds, every, versions, hardware, duration.
        missing: What the data set lacks, one line each; the report is PARTIAL when there is any.
        warnings: What the reader has to be warned of, one line each.
        measures: Frame level (or image level), pixel level, regions and tracks.
        tables: Per scene, per category, or the paper's.
        curves: To be drawn, grouped by plot.
        timelines: One a clip.
        worst: The worst misses, then the worst false alarms.
    """

    title: str
    command: str
    facts: dict[str, str]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    measures: tuple[MeasureTable, ...] = ()
    tables: tuple[PlainTable, ...] = ()
    curves: tuple[Curve, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    worst: tuple[WorstFrame, ...] = ()
