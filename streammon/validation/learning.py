"""The bank of a fold, learned from all other folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streammon.calibration import Calibration
from streammon.config import ModelConfig
from streammon.ingest import batched
from streammon.padim import Backbone, as_batch
from streammon.records import Channel, Frame
from streammon.scene import SceneLearner, SceneScorer, configured_observer
from streammon.validation.footage import Fold, SampledPace

Counted = Callable[[int], None]
"""Callback with the number of frames done since the last call."""


@dataclass(frozen=True)
class FoldBank:
    """Bank that scores a fold which it didn't learn.

    Attributes:
        scorer: Scorer of the scene that was learned from the other folds.
        backbone: Backbone that computes the feature maps.
    """

    scorer: SceneScorer
    backbone: Backbone

    @property
    def calibration(self) -> Calibration:
        """Calibration of the bank: scores to false alarms a day."""
        return self.scorer.calibration

    def score_frames(self, frames: Sequence[Frame]) -> list[tuple[float, Channel]]:
        """Score and channel of each frame of one recording, in their order."""
        maps = self.backbone.maps(as_batch([frame.picture for frame in frames]))
        return [(each.score, each.channel) for each in self.scorer.fuse(frames, self.scorer.measured(frames, maps))]


def learn_fold(
    scene: str,
    learned: Fold,
    selection: SampledPace,
    hold_out: float,
    backbone: Backbone,
    model: ModelConfig,
    counted: Counted,
) -> FoldBank:
    """Learn a bank in memory, as `fit` does.

    Args:
        scene: Name of the scene.
        learned: Footage to learn, in order of time.
        selection: Selection of its frames.
        hold_out: Share of the footage that is held out for the calibration.
        backbone: Backbone that computes the feature maps.
        model: Method and reduction.
        counted: Callback after each batch.

    Raises:
        FootageError: The footage can't be read, or is too short.
    """
    observer = configured_observer(model, backbone)
    total_s = sum(piece.seconds(selection) for piece in learned)
    learner = SceneLearner(
        scene, backbone, model, observer, total_s=total_s, hold_out=hold_out, score_fps=selection.fps
    )
    for batch in batched((frame for piece in learned for frame in piece.frames(selection)), model.batch):
        learner.learn(batch, backbone.maps(as_batch([frame.picture for frame in batch])))
        counted(len(batch))
    return FoldBank(SceneScorer(learner.finish(), backbone, observer), backbone)
