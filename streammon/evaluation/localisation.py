"""Localisation: figures of the anomaly maps at the level of pixels, regions and tracks, with null controls."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.labelled import Mask, TrackedBoxes, Truth
from streammon.evaluation.metrics import (
    Interval,
    PixelFigures,
    PixelLevel,
    PixelUnits,
    RegionLevel,
    pixel_intervals,
    region_intervals,
    update_levels,
)
from streammon.evaluation.metrics.table import mean_and_spread
from streammon.evaluation.results import ABSENT, Curve, FigureTable, PlainTable, ReportedFigure
from streammon.records import AnomalyMap

if TYPE_CHECKING:  # its package loads torch, which scores of other methods don't need
    from streammon.evaluation.methods import Progress

THRESHOLDS = 50  # number of thresholds at which regions are segmented
PIXEL_AUROC, PRO = "AUROC", "PRO to FPR 0.3"
Figures = dict[str, float | None]
Level = TypeVar("Level")
Clip = TypeVar("Clip", bound=Truth)
ShownClip = TypeVar("ShownClip", bound=Truth, contravariant=True)

PIXEL_FIGURES: dict[str, Callable[[PixelFigures], float | None]] = {
    PIXEL_AUROC: PixelFigures.auroc,
    PRO: PixelFigures.pro,
    "average precision": PixelFigures.average_precision,
    "AUPIMO": PixelFigures.aupimo,
}
REGION_FIGURES: dict[str, Callable[[RegionLevel], float | None]] = {
    "RBDC": RegionLevel.rbdc,
    "TBDC": RegionLevel.tbdc,
}
TRACK_FIGURES = {f"{name}, published tracks": compute for name, compute in REGION_FIGURES.items()}


class Maps(Protocol[ShownClip]):
    """Source of the maps, masks and tracks of a clip: a draw of a method, or a null control."""

    def maps(self, clip: ShownClip) -> Iterator[AnomalyMap]:
        """(H, W) maps of the scored frames, non-negative."""

    def masks(self, clip: ShownClip) -> Iterator[Mask]:
        """(H, W) masks of the same frames."""

    def tracks(self, clip: ShownClip) -> Iterator[TrackedBoxes]:
        """Boxes of the published tracks in the (H, W) maps of the same frames."""


class LocalisingDraw(Maps[Clip], Protocol[Clip]):
    """One draw of a method whose anomaly maps are measured."""

    @property
    def clips(self) -> Sequence[Clip]:
        """Test clips that were scored."""

    @property
    def localises(self) -> bool:
        """True if there are anomaly maps."""

    @property
    def is_still(self) -> bool:
        """True for a data set of still images."""

    def null(self, constant: bool) -> Maps[Clip]:
        """Null control of the maps: constant or random ones."""


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
    counter = _StepCounter(progress, len(draws) + (2 if nulls else 0), sum(len(clips) for clips in groups.values()))
    units = {name: PixelUnits() for name in groups} if nulls else {}
    levels = {name: _pixels(first, clips, counter, units.get(name), still) for name, clips in groups.items()}

    def measured(source: Maps[Clip]) -> dict[str, Figures]:
        return {name: _figures(PIXEL_FIGURES, _pixels(source, clips, counter)) for name, clips in groups.items()}

    figures = [{name: _figures(PIXEL_FIGURES, level) for name, level in levels.items()}]
    figures += [measured(draw) for draw in draws[1:]]
    controls = [measured(first.null(constant)) for constant in (True, False)] if nulls else []
    intervals_by_name = pixel_intervals(list(units.values()), PIXEL_FIGURES) if nulls else {}
    tables = [_pixel_table(figures, controls, intervals_by_name, still)]
    if regions and not still:
        tables.append(_region_table(first, masked, levels[ALL].thresholds(THRESHOLDS), progress))
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
    counter: "_StepCounter",
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


def _figures(kinds: Mapping[str, Callable[[Level], float | None]], level: Level) -> Figures:
    return {name: compute(level) for name, compute in kinds.items()}


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
    return FigureTable("Pixel level", _rows(draws, intervals_by_name, *controls), "; ".join(notes))


def _region_table(
    draw: LocalisingDraw[Clip], clips: Sequence[Clip], thresholds: NDArray[np.float32], progress: "Progress"
) -> FigureTable:
    counter = _StepCounter(progress, 3, len(clips), "measuring regions")
    levels = _regions(draw, clips, thresholds, counter)
    controls = []
    for null in (draw.null(constant=True), draw.null(constant=False)):
        level = PixelLevel()
        for anomaly_map in null.maps(clips[0]):
            level.update(anomaly_map, np.zeros(anomaly_map.shape, dtype=np.bool_))
        controls.append(_region_figures(_regions(null, clips, level.figures().thresholds(THRESHOLDS), counter)))
    return FigureTable(
        "Regions and tracks",
        _rows([_region_figures(levels)], _region_intervals(levels), *controls),
        "first seed; 95 % intervals: bootstrap over clips; boxes that overlap by 0.1 match, a track is detected with "
        "0.1 of its regions; area up to one false region a frame"
        + ("; regions are those of the masks, unless by published tracks" if levels.by_tracks else ""),
    )


@dataclass(frozen=True, eq=False)
class _Levels:
    """Regions of each clip, by its masks and, if all clips have them, by its published tracks."""

    by_masks: list[RegionLevel]
    by_tracks: list[RegionLevel]


def _regions(
    source: Maps[Clip], clips: Sequence[Clip], thresholds: NDArray[np.float32], counter: "_StepCounter"
) -> _Levels:
    """Regions of each clip at the thresholds."""
    levels = _Levels([], [])
    tracked = all(clip.tracks is not None for clip in clips)
    for clip in clips:
        levels.by_masks.append(RegionLevel(thresholds))
        if tracked:
            levels.by_tracks.append(RegionLevel(thresholds))
        update_levels(
            source.maps(clip),
            source.masks(clip),
            levels.by_masks[-1],
            levels.by_tracks[-1] if tracked else None,
            source.tracks(clip) if tracked else (),
        )
        counter.step()
    return levels


def _region_figures(levels: _Levels) -> Figures:
    figures = _figures(REGION_FIGURES, RegionLevel.weighted(levels.by_masks, [1] * len(levels.by_masks)))
    if levels.by_tracks:
        figures |= _figures(TRACK_FIGURES, RegionLevel.weighted(levels.by_tracks, [1] * len(levels.by_tracks)))
    return figures


def _region_intervals(levels: _Levels) -> dict[str, Interval]:
    intervals = region_intervals(levels.by_masks, REGION_FIGURES)
    return intervals | (region_intervals(levels.by_tracks, TRACK_FIGURES) if levels.by_tracks else {})


def _rows(
    draws: Sequence[Figures],
    intervals_by_name: Mapping[str, Interval],
    constant: Figures | None = None,
    noise: Figures | None = None,
) -> tuple[ReportedFigure, ...]:
    rows = []
    for name in draws[0]:
        value, spread = mean_and_spread([one[name] for one in draws])
        interval = intervals_by_name.get(name, Interval(None, None, 0))
        rows.append(
            ReportedFigure(
                name=name,
                value=value,
                spread=spread,
                low=interval.low,
                high=interval.high,
                constant=(constant or {}).get(name),
                noise=(noise or {}).get(name),
            )
        )
    return tuple(rows)


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


class _StepCounter:
    """Reports the number of measured clips to `progress`."""

    def __init__(self, progress: "Progress", rounds: int, clips: int, what: str = "measuring pixels") -> None:
        self._progress = progress
        self._total = rounds * clips
        self._what = what
        self._done = 0

    def step(self) -> None:
        """Count one more clip."""
        self._done += 1
        self._progress(self._what, self._done, self._total)
