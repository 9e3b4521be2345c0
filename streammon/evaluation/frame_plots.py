"""Curves and timelines of frame scores, as plain values for the report."""

from collections.abc import Mapping, Sequence

import numpy as np

from streammon.evaluation.metrics import NULL_SEED, ClipScores, PostProcessing, frame_roc, is_still, noise_scores
from streammon.evaluation.results import ClipTimeline, Curve


def frame_curves(raw: Mapping[str, Sequence[ClipScores]], post: PostProcessing) -> tuple[Curve, ...]:
    """ROC curves over all frames: of each method, and of the noise control.

    Args:
        raw: The clips with the raw scores of each method, by its name; at least one method.
        post: Post-processing of all scores.
    """
    first = next(iter(raw.values()))
    level = "ROC, image level" if is_still(first) else "ROC, frame level"
    curves = []
    for label, clips in {**raw, "noise": noise_scores(first, NULL_SEED)}.items():
        if roc := frame_roc([post.apply(clip) for clip in clips]):
            curves.append(Curve(level, label, *roc, "false-positive rate", "true-positive rate"))
    return tuple(curves)


def timeline(processed: ClipScores, thresholds: Mapping[str, float]) -> ClipTimeline:
    """Timeline of one clip's scores after post-processing, with the score at each false-alarm rate where known."""
    return ClipTimeline(
        clip=processed.name,
        scene=processed.scene,
        times_s=np.arange(len(processed.scores)) / (processed.fps or 1.0),
        scores=processed.scores,
        labels=processed.labels,
        thresholds=dict(thresholds),
    )
