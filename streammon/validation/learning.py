"""A bank for each fold, learned from all the others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from streammon.calibration import Calibration, HoldOut
from streammon.config import ModelConfig
from streammon.ingest import batched
from streammon.padim import (
    Backbone,
    as_batch,
)
from streammon.records import Channel, Frame
from streammon.scene import (
    Judge,
    Learning,
    configured_observer,
)
from streammon.validation.footage import Fold

Counted = Callable[[int], None]
"""Called with the frames done since the last call."""


@dataclass(frozen=True)
class FoldBank:
    """Judges footage that it didn't learn.

    Attributes:
        judgement: Of what was learned from the other folds.
        backbone: What it sees through.
    """

    judgement: Judge
    backbone: Backbone

    @property
    def calibration(self) -> Calibration:
        """From its scores to false alarms a day."""
        return self.judgement.calibration

    def judge(self, frames: Sequence[Frame]) -> list[tuple[float, Channel]]:
        """Score and channel of each frame of one stream, in their order."""
        return self.judgement.scores(frames, self.backbone.maps(as_batch([frame.picture for frame in frames])))


def learn_fold(
    scene: str, learned: Fold, every: int, hold_out: float, backbone: Backbone, model: ModelConfig, counted: Counted
) -> FoldBank:
    """Learn a bank in memory, as `fit` does.

    Args:
        scene: Its name.
        learned: In order of time.
        every: The pieces' frame numbers count the first of each so many.
        hold_out: Share that calibrates.
        backbone: What it sees through.
        model: Of the scene.
        counted: Told after each batch.

    Raises:
        FootageError: It can't be read, or is too little.
    """
    observer = configured_observer(model, backbone)
    learner = Learning(scene, backbone, model, observer)
    division = HoldOut(sum(len(piece) for piece in learned), hold_out)
    for held_out in (False, True):
        if held_out:
            learner.begin_calibration()
        frames = (frame for piece in learned for frame in piece.frames(every))
        _learn(learner, division.part(frames, held_out=held_out), backbone, model.batch, counted)
    return FoldBank(learner.finish().judge(backbone, observer), backbone)


def _learn(learner: Learning, frames: Iterator[Frame], backbone: Backbone, batch: int, counted: Counted) -> None:
    for some in batched(frames, batch):
        maps = backbone.maps(as_batch([frame.picture for frame in some]))
        learner.learn(some, maps, [frame.stream_time_s for frame in some])
        counted(len(some))
