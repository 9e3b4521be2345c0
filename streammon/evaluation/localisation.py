"""Localisation: figures of the anomaly maps at the level of pixels, regions and tracks, with null controls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streammon.evaluation.map_sources import Clip, LocalisingDraw, Maps, StepCounter
from streammon.evaluation.metrics import Interval, PixelFigures, PixelLevel, PixelUnits, pixel_intervals
from streammon.evaluation.metrics.table import Figures, figure_rows, level_figures, mean_and_spread
from streammon.evaluation.region_table import region_table
from streammon.evaluation.results import ABSENT, Curve, FigureTable, PlainTable

if TYPE_CHECKING:  # its package loads torch, which scores of other methods don't need
    from streammon.evaluation.methods import Progress

PIXEL_AUROC, PRO = "AUROC", "PRO to FPR 0.3"

PIXEL_FIGURES: dict[str, Callable[[PixelFigures], float | None]] = {
    PIXEL_AUROC: PixelFigures.auroc,
    PRO: PixelFigures.pro,
    "average precision": PixelFigures.average_precision,
    "AUPIMO": PixelFigures.aupimo,
}


@dataclass(frozen=True)
class Localisation:
    """Localisation figures of one method.

    Attributes:
        tables: Table of the pixel level and, for video, of regions and tracks.
        by_scene: Pixel figures of each category of still images, means over draws; empty for video.
        curves: ROC and PRO curves of the first draw.
    """

    tables: tuple[FigureTable, ...]
    by_scene: Mapping[str, Figures]
    curves: tuple[Curve, ...]


def localisation(
    draws: Sequence[LocalisingDraw[Clip]], progress: "Progress", regions: bool = True, nulls: bool = True
) -> Localisation | None:
    """Measure the anomaly maps of a method; None if there are no maps or no masks.

    Args:
        draws: Draws of one method.
        progress: Called after each clip.
        regions: Also measure regions and tracks of video, which takes longer.
        nulls: Also measure null controls and intervals of the pixel figures.
    """
    first = draws[0]
    masked = [clip for clip in first.clips if clip.masks is not None]
    if not first.localises or not masked:
        return None
    still = first.is_still
    groups = _groups(masked, still)
    counter = StepCounter(progress, len(draws) + (2 if nulls else 0), sum(len(clips) for clips in groups.values()))
    units = {name: PixelUnits() for name in groups} if nulls else {}
    levels = {name: _pixels(first, clips, counter, units.get(name), still) for name, clips in groups.items()}

    def measured(source: Maps[Clip]) -> dict[str, Figures]:
        return {name: level_figures(PIXEL_FIGURES, _pixels(source, clips, counter)) for name, clips in groups.items()}

    figures = [{name: level_figures(PIXEL_FIGURES, level) for name, level in levels.items()}]
    figures += [measured(draw) for draw in draws[1:]]
    controls = [measured(first.null(constant)) for constant in (True, False)] if nulls else []
    intervals_by_name = pixel_intervals(list(units.values()), PIXEL_FIGURES) if nulls else {}
    tables = [_pixel_table(figures, controls, intervals_by_name, still)]
    if regions and not still:
        tables.append(region_table(first, masked, levels[ALL], progress))
    by_scene = {name: _mean_figures([one[name] for one in figures]) for name in groups} if still else {}
    return Localisation(tuple(tables), by_scene, _curves(levels, still))


def category_tables(found: Localisation | None) -> tuple[PlainTable, ...]:
    """Pixel figures of each category of still images, in a table; none for a single category and for video."""
    if found is None or len(found.by_scene) < 2:
        return ()
    names = list(next(iter(found.by_scene.values())))
    rows = tuple(
        (scene, *(ABSENT if figures[name] is None else f"{figures[name]:.3f}" for name in names))
        for scene, figures in found.by_scene.items()
    )
    return (PlainTable("Pixel level, each category", ("category", *names), rows),)


ALL = "all clips"


def _groups(clips: Sequence[Clip], still: bool) -> dict[str, list[Clip]]:
    """Clips by the group in which their pixels are pooled: one group for video, one a category for still images."""
    if not still:
        return {ALL: list(clips)}
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.scene, []).append(clip)
    return groups


def _pixels(
    source: Maps[Clip],
    clips: Sequence[Clip],
    counter: StepCounter,
    units: PixelUnits | None = None,
    unit_is_image: bool = False,
) -> PixelFigures:
    """Figures of the pooled pixels of clips; `units` receives those of each clip, or image, for the bootstrap."""
    whole = PixelLevel()
    for clip in clips:
        unit = PixelLevel()
        for anomaly_map, mask in zip(source.maps(clip), source.masks(clip), strict=True):
            unit.update(anomaly_map, mask)
            if unit_is_image:
                unit = _close(unit, whole, units)
        if not unit_is_image:
            _close(unit, whole, units)
        counter.step()
    return whole.figures()


def _close(unit: PixelLevel, whole: PixelLevel, units: PixelUnits | None) -> PixelLevel:
    """Add a complete unit to `whole` and `units`, and return the next, empty unit."""
    whole.merge(unit)
    if units is not None:
        units.add(unit)
    return PixelLevel()


def _mean_figures(figures: Sequence[Figures]) -> Figures:
    """Mean of each figure; None if any of its values isn't defined."""
    return {name: mean_and_spread([one[name] for one in figures])[0] for name in figures[0]}


def _pixel_table(
    figures: Sequence[Mapping[str, Figures]],
    nulls: Sequence[Mapping[str, Figures]],
    intervals_by_name: Mapping[str, Interval],
    still: bool,
) -> FigureTable:
    draws = [_mean_figures(list(groups.values())) for groups in figures]
    controls = [_mean_figures(list(groups.values())) for groups in nulls]
    notes = []
    if intervals_by_name:
        unit, seed = "images" if still else "clips", ", first seed" if len(figures) > 1 else ""
        notes.append(f"95 % intervals: bootstrap over {unit}{seed}")
    notes.append("null controls: constant and random maps, upsampled and blurred alike")
    if still and len(figures[0]) > 1:
        notes.append("means over categories")
    if any(value is None for value in draws[0].values()):
        notes.append("AUPIMO needs 100,000 pixels of normal frames")
    return FigureTable("Pixel level", figure_rows(draws, intervals_by_name, *controls), "; ".join(notes))


def _curves(levels: Mapping[str, PixelFigures], still: bool) -> tuple[Curve, ...]:
    curves = []
    for name, level in levels.items():
        label = name if still else "all pixels"
        if roc := level.roc():
            curves.append(Curve("ROC, pixel level", label, *roc, "false-positive rate", "true-positive rate"))
        if pro := level.pro_curve():
            overlap = "mean overlap of the regions"
            curves.append(Curve("PRO", label, *pro, "false-positive rate", overlap, x_limit=0.3))
    return tuple(curves)
