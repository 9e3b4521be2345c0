"""Post-processing of frame scores before they are measured: smoothing in time and per-clip min-max.

The default is none, and the report names the post-processing. Smoothing never pads a clip with zeros: with zeros at
both ends even a constant score would separate a clip's middle, where events are, from its ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d

from streammon.errors import ConfigError
from streammon.evaluation.metrics.frames import ClipScores, Floats, defined_mean, micro_auroc
from streammon.evaluation.metrics.nulls import NOISE_DRAWS, constant_scores, noise_scores

TRUNCATE = 4.0  # kernel radius in standard deviations; less than 1 in 10,000 of the Gaussian lies beyond

SmoothingKind = Literal["none", "causal", "offline"]


@dataclass(frozen=True)
class PostProcessing:
    """Post-processing of a clip's raw scores.

    Attributes:
        kind: `none`; `causal`, the mean over the last `seconds`, which a live monitor can compute; `offline`, a
            Gaussian kernel in time, which needs future frames.
        seconds: Length of the mean, or sigma of the Gaussian; 0 for `none`.
        minmax: Rescale each clip's scores to 0..1 after the smoothing, which needs the whole clip.

    >>> PostProcessing("causal", 0.5).name
    'causal mean over 0.5 s'
    """

    kind: SmoothingKind = "none"
    seconds: float = 0.0
    minmax: bool = False

    @property
    def name(self) -> str:
        """Description of the post-processing, for the report."""
        smoothing = {
            "none": "none",
            "causal": f"causal mean over {self.seconds:g} s",
            "offline": f"offline Gaussian of sigma {self.seconds:g} s, nearest edges",
        }[self.kind]
        if not self.minmax:
            return smoothing
        return "per-clip min-max" if self.kind == "none" else f"{smoothing}, then per-clip min-max"

    def apply(self, clip: ClipScores) -> ClipScores:
        """The clip with its scores post-processed.

        Raises:
            ConfigError: The clip has still images, for which only `none` without `minmax` is defined.
        """
        if self == PostProcessing():
            return clip
        if clip.fps == 0:
            raise ConfigError(
                "post-processing", f"'{clip.name}' has still images, and {self.name} needs video", "leave it out"
            )
        scores = clip.scores
        if self.kind == "causal":
            scores = causal_mean(scores, max(1, round(self.seconds * clip.fps)))
        elif self.kind == "offline":
            scores = gaussian(scores, self.seconds * clip.fps)
        return replace(clip, scores=stretched(scores) if self.minmax else scores)

    def warning(self, clips: Sequence[ClipScores]) -> str:
        """Warning with the AUROC of the null scores before and after per-clip min-max; empty without `minmax`."""
        if not self.minmax:
            return ""
        plain = replace(self, minmax=False)
        noises = [noise_scores(clips, seed) for seed in range(NOISE_DRAWS)]
        noise = [_mean_micro(noises, chosen) for chosen in (plain, self)]
        constant = [_mean_micro([constant_scores(clips)], chosen) for chosen in (plain, self)]
        return (
            "per-clip min-max needs the whole clip, so no live monitor can do it, and it changes the null controls: "
            f"micro AUROC of noise from {noise[0]} to {noise[1]}, of a constant score from {constant[0]} "
            f"to {constant[1]} (mean of {NOISE_DRAWS} noise scores)"
        )


def parse_post_processing(text: str, minmax: bool = False, where: str = "--smoothing") -> PostProcessing:
    """Parse `none`, `causal:SECONDS` or `offline:SECONDS`.

    Raises:
        ConfigError: The text has another form, or its seconds are not finite and above 0.

    >>> parse_post_processing("offline:2")
    PostProcessing(kind='offline', seconds=2.0, minmax=False)
    """
    remedy = "it must be 'none', 'causal:SECONDS' or 'offline:SECONDS', with seconds above 0"
    if text == "none":
        return PostProcessing(minmax=minmax)
    kind, _, seconds_text = text.partition(":")
    try:
        seconds = float(seconds_text)
    except ValueError:
        raise ConfigError(where, f"{text!r} is no post-processing", remedy) from None
    if not (0 < seconds < float("inf")):
        raise ConfigError(where, f"{text!r} is no post-processing", remedy)
    if kind == "causal":
        return PostProcessing("causal", seconds, minmax)
    if kind == "offline":
        return PostProcessing("offline", seconds, minmax)
    raise ConfigError(where, f"{text!r} is no post-processing", remedy)


def causal_mean(scores: Floats, frames: int) -> Floats:
    """Mean of each (T,) score and the scores before it: `frames` scores in all, fewer at the start of the clip.

    >>> causal_mean(np.array([1.0, 2.0, 6.0, 4.0]), 3)
    array([1. , 1.5, 3. , 4. ])
    """
    frames = min(frames, len(scores))
    offsets = scores - scores[0]  # a constant clip becomes exact zeros, so it stays constant to the last bit
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(frames - 1), offsets]), frames)
    counts = np.minimum(np.arange(1, len(scores) + 1), frames)
    means: Floats = windows.sum(1) / counts + scores[0]
    return means


def gaussian(scores: Floats, sigma: float) -> Floats:
    """Gaussian mean of (T,) scores around each frame, sigma in frames, cut off at 4 sigma, edges repeated.

    >>> gaussian(np.array([0.3, 0.3, 0.3]), 100.0)
    array([0.3, 0.3, 0.3])
    """
    smoothed: Floats = gaussian_filter1d(scores - scores[0], sigma, mode="nearest", truncate=TRUNCATE) + scores[0]
    return smoothed


def stretched(scores: Floats) -> Floats:
    """(T,) scores stretched to 0..1; a constant clip has no range and becomes 0 throughout."""
    span = scores.max() - scores.min()
    return (scores - scores.min()) / span if span > 0 else np.zeros_like(scores)


def _mean_micro(draws: Sequence[Sequence[ClipScores]], post_processing: PostProcessing) -> str:
    """Micro AUROC after the post-processing, averaged over draws, as text; `none` where it isn't defined."""
    mean = defined_mean([micro_auroc([post_processing.apply(clip) for clip in clips]) for clips in draws])
    return "none" if mean is None else f"{mean:.3f}"
