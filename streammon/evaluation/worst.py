"""Timelines of the scores, and pictures of the worst misses and false alarms."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.draws import Draw
from streammon.evaluation.frame_plots import timeline
from streammon.evaluation.labelled import LabelledClip
from streammon.evaluation.metrics import ClipScores
from streammon.evaluation.results import ClipTimeline, WorstFrame
from streammon.records import AnomalyMap, Picture

FRAMES_PER_KIND = 6
FRAMES_PER_CLIP = 2
MAP_RANGE = (0.5, 0.999)  # quantiles of the shown maps at the ends of the colour scale


def timelines(draw: Draw, processed: Sequence[ClipScores], raw: bool) -> tuple[ClipTimeline, ...]:
    """ClipTimeline of each clip; with thresholds only if the scores are `raw`, since thresholds are raw scores."""
    return tuple(
        timeline(scored, draw.thresholds(clip) if raw else {})
        for clip, scored in zip(draw.clips, processed, strict=True)
    )


def worst_frames(draw: Draw, processed: Sequence[ClipScores]) -> tuple[WorstFrame, ...]:
    """The abnormal frames with the lowest scores, and the normal ones with the highest.

    At most two frames of each clip are taken, since an error usually lasts for many frames in a row.
    """
    normal = np.sort(np.concatenate([clip.scores[~clip.labels] for clip in processed]))
    found = [
        (kind, clip, index, float(scored.scores[index]))
        for kind, abnormal in (("miss", True), ("false alarm", False))
        for clip, scored, index in _worst(draw.clips, processed, abnormal)
    ]
    maps = [_map(draw, clip, index) if draw.localises else None for _, clip, index, _ in found]
    span = _span([shown for shown in maps if shown is not None])
    return tuple(
        WorstFrame(
            kind=kind,
            clip=clip.name,
            index=index * draw.harness.selection.every,
            rank=float(np.searchsorted(normal, score) / len(normal)) if len(normal) else 0.0,
            score=score,
            picture=_picture(draw, clip, index),
            anomaly_map=anomaly_map,
            map_range=span,
            mask=_mask(draw, clip, index * draw.harness.selection.every),
        )
        for (kind, clip, index, score), anomaly_map in zip(found, maps, strict=True)
    )


def _worst(
    clips: Sequence[LabelledClip], processed: Sequence[ClipScores], abnormal: bool
) -> Iterator[tuple[LabelledClip, ClipScores, int]]:
    """The worst frames of one kind, at least 2 s apart within a clip."""
    candidates = [
        (float(scored.scores[index]), number, int(index))
        for number, scored in enumerate(processed)
        for index in np.flatnonzero(scored.labels == abnormal)
    ]
    taken: Counter[int] = Counter()
    last: dict[int, int] = {}
    for _, number, index in sorted(candidates, reverse=not abnormal):
        scored = processed[number]
        near = number in last and abs(index - last[number]) < max(1.0, scored.fps * 2)
        if taken[number] < FRAMES_PER_CLIP and not near:
            taken[number] += 1
            last[number] = index
            yield clips[number], scored, index
        if taken.total() == FRAMES_PER_KIND:
            return


def _picture(draw: Draw, clip: LabelledClip, index: int) -> Picture:
    """The picture of a scored frame, decoded again."""
    frames = draw.harness.view.frames(clip.clip, draw.harness.selection.every)
    return next(frame.picture for frame in frames if frame.seq == index)


def _map(draw: Draw, clip: LabelledClip, index: int) -> AnomalyMap:
    return next(shown for number, shown in enumerate(draw.maps(clip)) if number == index)


def _mask(draw: Draw, clip: LabelledClip, index: int) -> NDArray[np.bool_] | None:
    if clip.masks is None:
        return None
    return draw.harness.view.mask(clip.clip, index, clip.masks[index])


def _span(maps: Sequence[AnomalyMap]) -> tuple[float, float]:
    """Values at the ends of the colour scale: the quantiles `MAP_RANGE` over all maps shown."""
    if not maps:
        return (0.0, 1.0)
    low, high = np.quantile(np.stack(maps), MAP_RANGE)
    return float(low), float(max(high, low + 1e-6))
