"""Null controls: scores that know nothing of the picture. A figure means as much as it exceeds theirs.

Each takes scored clips and gives the same clips with its own scores, to go through the same post-processing.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streammon.evaluation.metrics.frames import ClipScores, by_scene

NOISE_DRAWS = 10  # that a figure of noise is the mean of: on a few images a single draw may look like knowledge


def constant_scores(clips: Sequence[ClipScores]) -> list[ClipScores]:
    """The same score for every frame."""
    return [replace(clip, scores=np.zeros(len(clip.labels))) for clip in clips]


def noise_scores(clips: Sequence[ClipScores], seed: int) -> list[ClipScores]:
    """A uniform random score for every frame, the same for the same seed."""
    generator = np.random.default_rng(seed)
    return [replace(clip, scores=generator.random(len(clip.labels))) for clip in clips]


def scene_rate_scores(clips: Sequence[ClipScores]) -> list[ClipScores]:
    """For every frame the share of its scene's frames that are abnormal: an oracle that knows scenes and no frame."""
    rates = {
        scene: float(np.concatenate([clip.labels for clip in its_clips]).mean())
        for scene, its_clips in by_scene(clips).items()
    }
    return [replace(clip, scores=np.full(len(clip.labels), rates[clip.scene])) for clip in clips]


def clip_rate_scores(clips: Sequence[ClipScores]) -> list[ClipScores]:
    """For every frame the share of its clip's frames that are abnormal: an oracle that knows clips and no frame."""
    return [replace(clip, scores=np.full(len(clip.labels), clip.labels.mean())) for clip in clips]
