"""Figures of the anomaly maps at the level of regions and tracks, with null controls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.map_sources import Clip, LocalisingDraw, Maps, StepCounter
from streammon.evaluation.metrics import (
    Interval,
    PixelFigures,
    PixelLevel,
    RegionLevel,
    region_intervals,
    update_levels,
)
from streammon.evaluation.metrics.table import Figures, figure_rows, level_figures
from streammon.evaluation.results import FigureTable

if TYPE_CHECKING:  # its package loads torch, which scores of other methods don't need
    from streammon.evaluation.methods import Progress

THRESHOLDS = 50  # number of thresholds at which regions are segmented

REGION_FIGURES: dict[str, Callable[[RegionLevel], float | None]] = {
    "RBDC": RegionLevel.rbdc,
    "TBDC": RegionLevel.tbdc,
}
TRACK_FIGURES = {f"{name}, published tracks": compute for name, compute in REGION_FIGURES.items()}


def region_table(
    draw: LocalisingDraw[Clip], clips: Sequence[Clip], pixels: PixelFigures, progress: "Progress"
) -> FigureTable:
    """Table of the region and track figures of one draw of a method.

    Args:
        draw: The draw.
        clips: Its clips that have masks; their published tracks are measured too if all of them have some.
        pixels: Pixels of all these clips, from whose values the thresholds of the regions are taken.
        progress: Called after each clip.
    """
    counter = StepCounter(progress, 3, len(clips), "measuring regions")
    levels = _regions(draw, clips, pixels.thresholds(THRESHOLDS), counter)
    controls = []
    for null in (draw.null(constant=True), draw.null(constant=False)):
        level = PixelLevel()
        for anomaly_map in null.maps(clips[0]):
            level.update(anomaly_map, np.zeros(anomaly_map.shape, dtype=np.bool_))
        controls.append(_region_figures(_regions(null, clips, level.figures().thresholds(THRESHOLDS), counter)))
    return FigureTable(
        "Regions and tracks",
        figure_rows([_region_figures(levels)], _region_intervals(levels), *controls),
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
    source: Maps[Clip], clips: Sequence[Clip], thresholds: NDArray[np.float32], counter: StepCounter
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
    figures = level_figures(REGION_FIGURES, RegionLevel.weighted(levels.by_masks, [1] * len(levels.by_masks)))
    if levels.by_tracks:
        figures |= level_figures(TRACK_FIGURES, RegionLevel.weighted(levels.by_tracks, [1] * len(levels.by_tracks)))
    return figures


def _region_intervals(levels: _Levels) -> dict[str, Interval]:
    intervals = region_intervals(levels.by_masks, REGION_FIGURES)
    return intervals | (region_intervals(levels.by_tracks, TRACK_FIGURES) if levels.by_tracks else {})
