"""Frame-level figures: separation of abnormal from normal frames by one score per frame.

Every figure is a pure function of the scored clips, and None where it isn't defined, such as an AUROC without normal
frames. No function here normalises scores per clip: `smoothing` does so on request, with a warning in the report.
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
    """Scores and ground-truth labels of one clip.

    Attributes:
        name: Name of the clip.
        scene: Scene of the clip.
        scores: (T,) float64, higher is more abnormal.
        labels: (T,) bool, True where a frame is abnormal.
        fps: Scored frames a second; 0 for still images, which have no time.

    Raises:
        ValueError: Scores and labels differ in shape or are empty, labels aren't bool, a score isn't finite, or `fps`
            is negative or not finite.
    """

    name: str
    scene: str
    scores: Floats
    labels: Flags
    fps: float

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or self.scores.shape != self.labels.shape or not len(self.scores):
            shapes = f"scores {self.scores.shape} and labels {self.labels.shape}"
            needed = "each frame needs one score and one label, and a clip at least one frame"
            raise ValueError(f"clip '{self.name}': {shapes}; {needed}")
        if self.labels.dtype != np.bool_:
            raise ValueError(f"clip '{self.name}': labels are {self.labels.dtype}; they must be bool")
        if not np.isfinite(self.scores).all():
            where = int(np.flatnonzero(~np.isfinite(self.scores))[0])
            raise ValueError(f"clip '{self.name}': the score of frame {where} is {self.scores[where]}, not a number")
        if not (np.isfinite(self.fps) and self.fps >= 0):
            raise ValueError(f"clip '{self.name}': {self.fps} frames a second; it must be 0 or above")


def is_still(clips: Sequence[ClipScores]) -> bool:
    """True if the clips have still images, whose `fps` is 0.

    Raises:
        ValueError: There are no clips, or both still images and video.
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
    """Mean AUROC over clips; clips of a single class have no AUROC and are left out."""
    return defined_mean([auroc(clip.scores, clip.labels) for clip in clips])


def padded_macro_auroc(clips: Sequence[ClipScores]) -> float | None:
    """Mean AUROC over clips, with one normal and one abnormal frame added to every clip.

    The convention of the literature appends a label 0 with score 0 and a label 1 with score 1 to scores normalised to
    0..1. Here the added normal frame scores below all others and the added abnormal frame above all others, whatever
    the range of the scores. A single-class clip always gets a perfect 1, and the AUROC of other clips rises: a
    constant score gets more than 0.5.
    """
    return defined_mean([_padded_auroc(clip) for clip in clips])


def _padded_auroc(clip: ClipScores) -> float:
    """AUROC of a padded clip: (u A N + A + N + 1) / ((A + 1) (N + 1)).

    u is the AUROC of the clip's A abnormal and N normal frames. The A + N + 1 pairs with an added frame are all in
    the right order.
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
    """Mean AUROC over scenes; scenes of a single class are left out.

    On MVTec AD this is the usual mean over categories.
    """
    return defined_mean(list(scene_aurocs(clips).values()))


def average_precision(clips: Sequence[ClipScores]) -> float | None:
    """Average precision over all frames of all clips: the sum of precision times gain in recall.

    An uninformative score gets the share of abnormal frames. None without an abnormal frame.
    """
    scores, labels = joined(clips)
    return float(average_precision_score(labels, scores)) if labels.any() else None


def equal_error_rate(clips: Sequence[ClipScores]) -> float | None:
    """Equal error rate over all frames of all clips: the FPR at which FPR = 1 - TPR; None for a single class.

    The ROC curve is interpolated linearly between thresholds.
    """
    scores, labels = joined(clips)
    if labels.all() or not labels.any():
        return None
    false_positives, true_positives, _ = roc_curve(labels, scores, drop_intermediate=False)
    return equal_error(false_positives, true_positives)


def equal_error(false_positives: Floats, true_positives: Floats) -> float:
    """FPR at which a ROC curve, linear between its points, crosses FPR = 1 - TPR.

    Args:
        false_positives: (N,) false-positive rates, ascending from 0 to 1.
        true_positives: (N,) true-positive rates, ascending to 1.

    >>> equal_error(np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.75, 1.0]))  # 1 - TPR falls by 1/2 as FPR grows by 1
    0.3333333333333333
    """
    excess = false_positives + true_positives - 1  # ascending to 1, so there is one crossing of 0
    after = int(np.searchsorted(excess, 0.0))
    if after == 0 or excess[after] == 0:
        return float(false_positives[after])
    before = after - 1
    share = -excess[before] / (excess[after] - excess[before])
    return float(false_positives[before] + share * (false_positives[after] - false_positives[before]))


def frame_roc(clips: Sequence[ClipScores], points: int = 2000) -> tuple[Floats, Floats] | None:
    """ROC curve over all frames of all clips, thinned for plotting: FPR and TPR, (N,) each with N <= `points`."""
    scores, labels = joined(clips)
    if labels.all() or not labels.any():
        return None
    false_positives, true_positives, _ = roc_curve(labels, scores)
    return thinned(false_positives, true_positives, points)


def defined_mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are defined; None where no value is."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
