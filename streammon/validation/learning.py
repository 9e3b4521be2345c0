"""A bank for each fold, learned from all the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streammon.calibration import Calibration
from streammon.config import ModelConfig
from streammon.ingest import batched
from streammon.padim import Backbone, as_batch
from streammon.records import Channel, Frame
from streammon.scene import SceneLearner, SceneScorer, configured_observer
from streammon.validation.footage import Fold, Taken

Counted = Callable[[int], None]
"""Called with the frames done since the last call."""


@dataclass(frozen=True)
class FoldBank:
    """Scores footage that it didn't learn.

    Attributes:
        scorer: By what was learned of the other folds.
        backbone: Where frames go through.
    """

    scorer: SceneScorer
    backbone: Backbone

    @property
    def calibration(self) -> Calibration:
        """From its scores to false alarms a day."""
        return self.scorer.calibration

    def judge(self, frames: Sequence[Frame]) -> list[tuple[float, Channel]]:
        """Score and channel of each frame of one recording, in their order."""
        maps = self.backbone.maps(as_batch([frame.picture for frame in frames]))
        return [(each.score, each.channel) for each in self.scorer.fuse(frames, self.scorer.measured(frames, maps))]


def learn_fold(
    scene: str, learned: Fold, taken: Taken, hold_out: float, backbone: Backbone, model: ModelConfig, counted: Counted
) -> FoldBank:
    """Learn a bank in memory, as `fit` does.

    Args:
        scene: Its name.
        learned: In order of time.
        taken: Which frames of the footage.
        hold_out: Share that calibrates.
        backbone: Where frames go through.
        model: Of the scene.
        counted: Called after each batch.

    Raises:
        FootageError: It can't be read, or is too little.
    """
    observer = configured_observer(model, backbone)
    total_s = sum(piece.seconds(taken) for piece in learned)
    learner = SceneLearner(scene, backbone, model, observer, total_s=total_s, hold_out=hold_out, score_fps=taken.fps)
    for batch in batched((frame for piece in learned for frame in piece.frames(taken)), model.batch):
        learner.learn(batch, backbone.maps(as_batch([frame.picture for frame in batch])))
        counted(len(batch))
    return FoldBank(SceneScorer(learner.finish(), backbone, observer), backbone)
