"""Frame level: how well one score a frame tells abnormal frames from normal ones.

Every figure is a pure function of the scored clips, and None where it isn't defined, as an AUROC without normal
frames. Nothing here normalises scores per clip: that is a post-processing, named and warned of in `smoothing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from streammon.evaluation.metrics.curves import thinned

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One scored clip and its truth.

    Attributes:
        name: Its name.
        scene: Its scene.
        scores: (T,) float64, higher is more abnormal.
        labels: (T,) bool, whether a frame is abnormal.
        fps: Scored frames a second; 0 for still images, which have no time.

    Raises:
        ValueError: Scores and labels differ in length or are empty, a score isn't finite, `fps` is negative.
    """

    name: str
    scene: str
    scores: Floats
    labels: Flags
    fps: float

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or self.scores.shape != self.labels.shape or not len(self.scores):
            shapes = f"scores {self.scores.shape} and labels {self.labels.shape}"
            raise ValueError(f"clip '{self.name}': {shapes}; one of each a frame is needed, and one frame at least")
        if self.labels.dtype != np.bool_:
            raise ValueError(f"clip '{self.name}': labels are {self.labels.dtype}; they must be bool")
        if not np.isfinite(self.scores).all():
            where = int(np.flatnonzero(~np.isfinite(self.scores))[0])
            raise ValueError(f"clip '{self.name}': the score of frame {where} is {self.scores[where]}, not a number")
        if not (np.isfinite(self.fps) and self.fps >= 0):
            raise ValueError(f"clip '{self.name}': {self.fps} frames a second; it must be 0 or above")


def is_still(clips: Sequence[ClipScores]) -> bool:
    """Whether these are still images.

    Raises:
        ValueError: No clips, or some with time and some without.
    """
    without_time = {clip.fps == 0 for clip in clips}
    if len(without_time) != 1:
        raise ValueError("still images and video can't share a table" if without_time else "no clips to measure")
    return without_time.pop()


def joined(clips: Sequence[ClipScores]) -> tuple[Floats, Flags]:
    """Scores and labels of all frames of all clips, in order: (N,) float64 and (N,) bool."""
    return np.concatenate([clip.scores for clip in clips]), np.concatenate([clip.labels for clip in clips])


def auroc(scores: Floats, labels: Flags) -> float | None:
    """Chance that an abnormal frame scores above a normal one, ties counted half; None for a single class.

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    if labels.all() or not labels.any():
        return None
    return float(roc_auc_score(labels, scores))


def micro_auroc(clips: Sequence[ClipScores]) -> float | None:
    """AUROC over all frames of all clips together."""
    return auroc(*joined(clips))


def macro_auroc(clips: Sequence[ClipScores]) -> float | None:
    """Mean over the clips of each one's AUROC; clips of a single class are left out, for they have none."""
    return _mean([auroc(clip.scores, clip.labels) for clip in clips])


def padded_macro_auroc(clips: Sequence[ClipScores]) -> float | None:
    """Mean over all clips of each one's AUROC, with one normal and one abnormal frame added to every clip.

    The field's convention: a label 0 with score 0 and a label 1 with score 1 are joined to scores normalised to
    0..1. Here the added normal frame scores below all others and the abnormal one above all, whatever their range.
    It defines single-class clips, always as a perfect 1, and lifts the others: a constant score gets more than 0.5.
    """
    return _mean([_padded_auroc(clip) for clip in clips])


def _padded_auroc(clip: ClipScores) -> float:
    """Of A abnormal and N normal frames with AUROC u: u A N pairs, and the added two win all of theirs.

    That is (u A N + A + N + 1) / ((A + 1) (N + 1)).
    """
    abnormal = int(clip.labels.sum())
    normal = len(clip.labels) - abnormal
    won = (auroc(clip.scores, clip.labels) or 0.0) * abnormal * normal
    return (won + abnormal + normal + 1) / ((abnormal + 1) * (normal + 1))


def by_scene(clips: Sequence[ClipScores]) -> dict[str, list[ClipScores]]:
    """The clips of each scene, scenes in the order of their first clip."""
    scenes: dict[str, list[ClipScores]] = {}
    for clip in clips:
        scenes.setdefault(clip.scene, []).append(clip)
    return scenes


def scene_aurocs(clips: Sequence[ClipScores]) -> dict[str, float | None]:
    """AUROC over all frames of each scene."""
    return {scene: micro_auroc(its_clips) for scene, its_clips in by_scene(clips).items()}


def mean_scene_auroc(clips: Sequence[ClipScores]) -> float | None:
    """Mean over the scenes of each one's AUROC; scenes of a single class are left out.

    What MVTec AD's users report as the mean over categories.
    """
    return _mean(list(scene_aurocs(clips).values()))


def average_precision(clips: Sequence[ClipScores]) -> float | None:
    """Average precision over all frames of all clips: the sum of precision times gain in recall.

    A score without knowledge gets the share of abnormal frames. None without an abnormal frame.
    """
    scores, labels = joined(clips)
    return float(average_precision_score(labels, scores)) if labels.any() else None


def equal_error_rate(clips: Sequence[ClipScores]) -> float | None:
    """Where as large a share of normal frames alarms as of abnormal frames is missed, over all frames of all clips.

    The ROC curve is interpolated linearly, so the rate is defined between two thresholds too.
    """
    scores, labels = joined(clips)
    if labels.all() or not labels.any():
        return None
    false_positives, true_positives, _ = roc_curve(labels, scores, drop_intermediate=False)
    return equal_error(false_positives, true_positives)


def equal_error(false_positives: Floats, true_positives: Floats) -> float:
    """Where the curve through (0, 0) and these points crosses FPR = 1 - TPR.

    Args:
        false_positives: (N,) false-positive rates, ascending to 1.
        true_positives: (N,) true-positive rates, ascending to 1.

    >>> equal_error(np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.75, 1.0]))  # 1 - TPR falls by 1/2 as FPR grows by 1
    0.3333333333333333
    """
    excess = false_positives + true_positives - 1  # ascending from -1 to 1: no point can be passed twice
    after = int(np.searchsorted(excess, 0.0))
    if after == 0 or excess[after] == 0:
        return float(false_positives[after])
    before = after - 1
    share = -excess[before] / (excess[after] - excess[before])
    return float(false_positives[before] + share * (false_positives[after] - false_positives[before]))


def frame_roc(clips: Sequence[ClipScores], points: int = 2000) -> tuple[Floats, Floats] | None:
    """The ROC curve over all frames of all clips, thinned to draw: FPR and TPR, (N,) each with N <= `points`."""
    scores, labels = joined(clips)
    if labels.all() or not labels.any():
        return None
    false_positives, true_positives, _ = roc_curve(labels, scores)
    return thinned(false_positives, true_positives, points)


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are defined; None where none is."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
