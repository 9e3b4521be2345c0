"""Null controls: scores computed without the frames, as baselines for every figure.

Each function returns the given clips with null scores, which then get the same post-processing as the real scores.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streammon.evaluation.metrics.frames import ClipScores, by_scene

NULL_SEED = 0  # seed of the noise controls and of the bootstrap
NOISE_DRAWS = 10  # averaged, because on a few images a single draw may score well by chance


def constant_scores(clips: Sequence[ClipScores]) -> list[ClipScores]:
    """The same score for every frame: 1, not 0, so that zeros around a clip show as they would with any score."""
    return [replace(clip, scores=np.ones(len(clip.labels))) for clip in clips]


def noise_scores(clips: Sequence[ClipScores], seed: int) -> list[ClipScores]:
    """A uniform random score for every frame, the same for the same seed."""
    generator = np.random.default_rng(seed)
    return [replace(clip, scores=generator.random(len(clip.labels))) for clip in clips]


def scene_rate_scores(clips: Sequence[ClipScores]) -> list[ClipScores]:
    """Share of abnormal frames in each frame's scene: an oracle that separates scenes, but no frames within one."""
    rates = {
        scene: float(np.concatenate([clip.labels for clip in its_clips]).mean())
        for scene, its_clips in by_scene(clips).items()
    }
    return [replace(clip, scores=np.full(len(clip.labels), rates[clip.scene])) for clip in clips]
