"""The conventions by which the field turns the same frame scores into an AUROC, each with its null controls.

| convention | where it is used |
| --- | --- |
| micro | all frames of all clips in one ranking |
| per-clip min-max before micro | ano_pred_cvpr2018, sRNN_TSC, Anomaly_Prediction |
| macro, single-class clips left out | mean over the clips that have an AUROC |
| macro, single-class clips counted as 1 | AED-SSMTL: wholly abnormal clips get a normal frame of score 0 |
| macro, padded | SSPCAB, AED-MAE: a normal frame of score 0 and an abnormal one of score 1 in every clip |
| zero-padded Gaussian | AED-MAE: sigma 282 over 899 frames on ShanghaiTech, then per-clip min-max |
| smoothing chosen on the test labels | described by a reader of AnyAnomaly |

A clip's own AUROC depends on the order of its scores alone, so per-clip min-max changes no macro figure.

Where these are said, on github.com: StevenLiuWen/sRNN_TSC_Anomaly_Detection/issues/5 (also of ano_pred_cvpr2018),
feiyuhuahuo/Anomaly_Prediction/issues/23, lilygeorgescu/AED-SSMTL/issues/11, ristea/sspcab/issues/8,
SkiddieAhn/Paper-AnyAnomaly/issues/10, and the evaluation code of ristea/aed-mae.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from streammon.errors import ConfigError
from streammon.evaluation.metrics.bootstrap import Interval, auroc_interval, mean_interval
from streammon.evaluation.metrics.figures import Figure
from streammon.evaluation.metrics.frames import (
    ClipScores,
    Floats,
    auroc,
    defined_mean,
    is_still,
    micro_auroc,
    padded_macro_auroc,
)
from streammon.evaluation.metrics.smoothing import PostProcessing, gaussian
from streammon.evaluation.metrics.table import Runs
from streammon.evaluation.results import FigureTable, PlainTable, ReportedFigure

CHOSEN_SIGMAS = (0, 1, 2, 4, 8, 16, 32, 64, 128)  # frames; 0 is no smoothing
MINMAX = PostProcessing(minmax=True)
NO_INTERVAL = Interval(None, None, 0)


@dataclass(frozen=True)
class ZeroPaddedGaussian:
    """A published smoothing: a Gaussian over the clip with zeros before its first and after its last frame.

    The zeros lower the scores at both ends of a clip, where most clips are normal, whatever the method.

    Attributes:
        taps: Number of frames of the kernel, odd; `range - 1` in the published code.
        sigma: Standard deviation in frames; `mu` in the published code.
    """

    taps: int
    sigma: float

    def apply(self, clip: ClipScores) -> ClipScores:
        """The clip with its scores smoothed; the kernel peaks one frame before its middle, as published."""
        half = self.taps // 2
        kernel = np.exp(-(((np.arange(self.taps) - (half - 1)) / self.sigma) ** 2) / 2)
        smoothed: Floats = np.correlate(np.pad(clip.scores, half), kernel, "valid")
        return replace(clip, scores=smoothed)


PUBLISHED = {"stc": ZeroPaddedGaussian(899, 282), "avenue": ZeroPaddedGaussian(37, 11)}
"""Kernel of AED-MAE's evaluation by data set."""

DEFAULT = ZeroPaddedGaussian(301, 21)
"""Kernel for all other data sets, as AED-MAE's evaluation has it by default."""


def require_video(dataset: str, is_still: bool) -> None:
    """Require a data set of video, since the conventions are about clips and smoothing in time.

    Raises:
        ConfigError: The data set has still images.
    """
    if is_still:
        found = f"they are about video, and {dataset} has still images"
        raise ConfigError("--conventions", found, "leave it out, or give a data set of video")


def conventions_table(clips: Sequence[ClipScores], dataset: str, seed: int) -> FigureTable:
    """The same scores under each convention, with interval and null controls.

    Args:
        clips: The clips with raw scores.
        dataset: Name of the data set, for its published kernel.
        seed: Random seed of the bootstrap and of the noise scores.

    Raises:
        ConfigError: The clips have still images.
    """
    require_video(dataset, is_still(clips))
    kernel = PUBLISHED.get(dataset, DEFAULT)
    raw = Runs.of([clips], lambda clip: clip, seed)
    smoothed = Runs.of([clips], kernel.apply, seed)
    stretched = Runs.of([clips], MINMAX.apply, seed)
    both = Runs.of([clips], lambda clip: MINMAX.apply(kernel.apply(clip)), seed)
    rows = (
        _micro_row(raw, "micro", seed),
        _micro_row(stretched, "micro, per-clip min-max", seed),
        *_macro_rows(raw, "", seed),
        _micro_row(smoothed, "micro, zero-padded Gaussian", seed),
        _micro_row(both, "micro, zero-padded Gaussian, then per-clip min-max", seed),
        *_macro_rows(smoothed, ", zero-padded Gaussian", seed),
        _figure_row(raw, "micro, smoothing chosen on the test labels", _best_micro),
    )
    return FigureTable("AUROC under each convention of the field", rows, _note(kernel))


def _note(kernel: ZeroPaddedGaussian) -> str:
    sigmas = ", ".join(f"{sigma}" for sigma in CHOSEN_SIGMAS[1:])
    return "; ".join(
        (
            "the scores as given, without --smoothing and --minmax",
            "micro: all frames of all clips in one ranking; macro: mean over clips, unchanged by per-clip min-max",
            "padded: a normal frame below and an abnormal frame above all others is added to every clip",
            f"zero-padded Gaussian: sigma {kernel.sigma:g}, {kernel.taps} frames, zeros around the clip",
            f"chosen on the test labels: the best of no smoothing and of Gaussians of sigma {sigmas} frames, in each "
            "column by that column's figure: no estimate for other footage",
            "where null controls are above 0.5, the convention itself separates frames: compare figures of one "
            "convention only, each with its nulls",
        )
    )


Auroc = Callable[[ClipScores], float | None]


def _clip_auroc(clip: ClipScores) -> float | None:
    return auroc(clip.scores, clip.labels)


def _clip_auroc_or_1(clip: ClipScores) -> float:
    value = _clip_auroc(clip)
    return 1.0 if value is None else value


def _padded_clip_auroc(clip: ClipScores) -> float | None:
    return padded_macro_auroc([clip])


MACROS: dict[str, Auroc] = {
    "macro, single-class clips left out": _clip_auroc,
    "macro, single-class clips counted as 1": _clip_auroc_or_1,
    "macro, padded": _padded_clip_auroc,
}
"""AUROC of a single clip, by the convention of its mean over clips."""


def _micro_row(runs: Runs, name: str, seed: int) -> ReportedFigure:
    return _figure_row(runs, name, micro_auroc, auroc_interval(runs.seeds[0], seed))


def _macro_rows(runs: Runs, words: str, seed: int) -> list[ReportedFigure]:
    rows = []
    for name, of_clip in MACROS.items():
        interval = mean_interval([of_clip(clip) for clip in runs.seeds[0]], seed)
        rows.append(_figure_row(runs, name + words, partial(_mean_over_clips, of_clip), interval))
    return rows


def _mean_over_clips(of_clip: Auroc, clips: Sequence[ClipScores]) -> float | None:
    return defined_mean([of_clip(clip) for clip in clips])


def _best_micro(clips: Sequence[ClipScores]) -> float | None:
    """Micro AUROC at the sigma of `CHOSEN_SIGMAS` where it is highest."""
    found = [
        micro_auroc([replace(clip, scores=gaussian(clip.scores, sigma)) if sigma else clip for clip in clips])
        for sigma in CHOSEN_SIGMAS
    ]
    return max((value for value in found if value is not None), default=None)


def _figure_row(
    runs: Runs,
    name: str,
    compute: Callable[[Sequence[ClipScores]], float | None],
    interval: Interval = NO_INTERVAL,
) -> ReportedFigure:
    return runs.row(Figure(name, compute), name, interval)


FIELD_WORDS = {
    "AUROC": "image-level AUROC",
    "AUROC, micro": "micro AUROC, often just frame-level AUC: all frames of all clips in one ranking",
    "AUROC, macro, single-class clips left out": "macro AUROC: mean over the clips that have both classes",
    "AUROC, macro, padded": "macro AUROC as SSPCAB and AED-MAE compute it: every clip gets a normal frame below and "
    "an abnormal frame above all others",
    "AUROC, mean of scenes": "none: mean over scenes of the AUROC of all frames of the scene",
    "AUROC, mean of categories": "image-level AUROC as reported on MVTec AD: mean over categories",
    "average precision": "AP of all frames of all clips, as reported on XD-Violence",
    "EER": "EER of all frames of all clips, as reported on UCSD Ped1 and Ped2",
}
"""Name in the literature of each figure of `figures`."""


def convention_names(names: Iterable[str], post: PostProcessing) -> PlainTable:
    """Table of the conventions to which the figures of a report correspond.

    Args:
        names: Names of the figures of the report.
        post: Post-processing of the scores.
    """
    rows = [(name, FIELD_WORDS[name]) for name in names if name in FIELD_WORDS]
    note = f"post-processing before every figure: {post.name}"
    if post.minmax:
        note += "; micro after per-clip min-max is the convention of ano_pred_cvpr2018, sRNN_TSC, Anomaly_Prediction"
    return PlainTable("Conventions of these figures", ("figure", "name in the literature"), tuple(rows), note)
