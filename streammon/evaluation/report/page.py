"""The report as one self-contained HTML page: no script, no font and no other file."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from streammon import storage
from streammon.evaluation.report.strips import Strip, strip
from streammon.evaluation.report.terminal import is_sentences, plain_columns
from streammon.evaluation.report.wording import (
    NULLS,
    figure_text,
    measure_columns,
    percent_text,
    rank_text,
    shown_tables,
    table_notes,
)
from streammon.evaluation.results import ClipTimeline, Curve, EvaluationReport, FigureTable, WorstFrame

if TYPE_CHECKING:
    from streammon.evaluation.report.plots import CurveKey

ANOTHER_FOLDER = "choose another --report DIR"
CLIPS_OPEN = 16  # with more clips than this only the first scene is unfolded


@dataclass(frozen=True)
class CurvePlot:
    """One plot of curves.

    Attributes:
        title: Heading of the plot.
        svg: The plot as an `<svg>` element.
        keys: Legend entries of the curves.
        has_chance: True if the plot contains the dashed line of chance.
    """

    title: str
    svg: Markup
    keys: "list[CurveKey]"
    has_chance: bool


@dataclass(frozen=True)
class ClipPlot:
    """The timeline of one clip.

    Attributes:
        clip: Name of the clip.
        counts: Number of frames and share of abnormal frames, as text.
        svg: The plot as an `<svg>` element.
    """

    clip: str
    counts: str
    svg: Markup


@dataclass(frozen=True)
class ScenePlots:
    """The timelines of one scene.

    Attributes:
        scene: Name of the scene.
        clips: Timelines of the scene's clips.
        beyond: Thresholds too far above the scores to be drawn, as text; may be empty.
        is_open: True if the scene is unfolded at first.
    """

    scene: str
    clips: list[ClipPlot]
    beyond: str
    is_open: bool


@dataclass(frozen=True)
class ShownFrame:
    """A wrongly scored frame, formatted for the page.

    Attributes:
        clip: Name of the frame's clip.
        index: Number of the frame in the clip.
        score: Score of the frame, as text.
        rank: Share of normal frames above or below the frame, as text; may be empty.
        picture: `data:` URL of the model's input.
        heatmap: `data:` URL of the anomaly map, or None.
        has_truth: True if ground truth is outlined.
    """

    clip: str
    index: int
    score: str
    rank: str
    picture: str
    heatmap: str | None
    has_truth: bool


def require_page(folder: Path | None) -> None:
    """Require, before the work starts, that a page can be written to a folder; None for no page.

    Raises:
        StorageError: It can't.
    """
    if folder is not None:
        storage.require_writable(folder, ANOTHER_FOLDER)


def write_page(report: EvaluationReport, folder: Path) -> Path:
    """Write the report as `index.html` into a folder, which is created if missing.

    An existing page is replaced atomically.

    Returns:
        Path of the page.

    Raises:
        StorageError: The folder or the page can't be written.
    """
    text, page = _page(report).encode("utf-8", "replace"), folder / "index.html"  # a file's name need not be UTF-8
    storage.write_atomically(page, lambda beside: beside.write_bytes(text), ANOTHER_FOLDER)
    return page


def _page(report: EvaluationReport) -> str:
    # Imported here because matplotlib takes a second to import, and only a page needs it.
    from streammon.evaluation.report.pictures import legend_colours
    from streammon.evaluation.report.svg import page_style

    environment = Environment(
        loader=PackageLoader("streammon.evaluation.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filled = {column.key for table in report.measures for column in measure_columns(table)}
    with page_style():
        curves, scenes = _curve_plots(report.curves), _scene_plots(report.timelines)
    return environment.get_template("page.html.j2").render(
        report=report,
        tables=shown_tables(report),
        nulls=[null for null in NULLS if null.attribute in filled],
        measure_columns=measure_columns,
        plain_columns=plain_columns,
        table_notes=table_notes,
        strips_of=_strips,
        is_words=is_sentences,
        curves=curves,
        scenes=scenes,
        has_thresholds=any(timeline.thresholds for timeline in report.timelines),
        worst=_worst(report.worst),
        map_range=[f"{end:.3g}" for end in report.worst[0].map_range] if report.worst else [],
        has_maps=any(frame.anomaly_map is not None for frame in report.worst),
        legend=legend_colours(),
    )


def _strips(table: FigureTable) -> list[Strip | None]:
    """Strip of each measure; an empty list if no measure is a share."""
    strips = [strip(measure) for measure in table.measures]
    return strips if any(strips) else []


def _curve_plots(curves: tuple[Curve, ...]) -> list[CurvePlot]:
    from streammon.evaluation.report.plots import curve_keys, curves_svg

    titles = list(dict.fromkeys(curve.plot for curve in curves))
    groups = [(title, [curve for curve in curves if curve.plot == title]) for title in titles]
    return [
        CurvePlot(title, Markup(curves_svg(group, f"curves-{number}")), curve_keys(group), title.startswith("ROC"))
        for number, (title, group) in enumerate(groups)
    ]


def _scene_plots(timelines: tuple[ClipTimeline, ...]) -> list[ScenePlots]:
    from streammon.evaluation.report.plots import score_limits, shown_thresholds, timeline_svg

    scenes: list[ScenePlots] = []
    in_order = sorted(timelines, key=lambda timeline: timeline.scene)  # stable: clips keep their order
    for scene, members in groupby(in_order, key=lambda timeline: timeline.scene):
        group = list(members)
        limits = score_limits(group)
        plots = [
            ClipPlot(
                timeline.clip,
                _counts(timeline),
                Markup(timeline_svg(timeline, limits, f"scene-{len(scenes)}-clip-{number}")),
            )
            for number, timeline in enumerate(group)
        ]
        beyond = {
            words: score
            for timeline in group
            for words, score in timeline.thresholds.items()
            if words not in shown_thresholds(timeline, limits)
        }
        words = ", ".join(f"{word} ({figure_text(score, 'any')})" for word, score in beyond.items())
        scenes.append(ScenePlots(scene, plots, words, len(timelines) <= CLIPS_OPEN or not scenes))
    return scenes


def _counts(timeline: ClipTimeline) -> str:
    frames, abnormal = len(timeline.labels), int(timeline.labels.sum())
    share = f", {percent_text(abnormal / frames)} abnormal" if frames else ""
    return f"{frames:,} frames{share}"


def _worst(frames: tuple[WorstFrame, ...]) -> list[tuple[str, list[ShownFrame]]]:
    from streammon.evaluation.report.pictures import heatmap_url, picture_url

    kinds = (("Worst misses", "miss"), ("Worst false alarms", "false alarm"))
    return [
        (
            heading,
            [
                ShownFrame(
                    frame.clip,
                    frame.index,
                    figure_text(frame.score, "any"),
                    rank_text(frame),
                    picture_url(frame),
                    heatmap_url(frame),
                    frame.mask is not None and bool(frame.mask.any()),
                )
                for frame in frames
                if frame.kind == kind
            ],
        )
        for heading, kind in kinds
        if any(frame.kind == kind for frame in frames)
    ]
