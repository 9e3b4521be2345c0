"""Adapter of `SceneLearner` and `SceneScorer` to the protocols of the evaluation's methods."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from streammon.calibration import HOLD_OUT, Calibration
from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.observing import SharedObserver
from streammon.evaluation.methods.training import PictureSample, require_enough_frames
from streammon.padim import Backbone, PrincipalComponents, Reduction, reduced_dimensions
from streammon.records import Frame
from streammon.scene import (
    Fused,
    Measured,
    Parts,
    SceneLearner,
    SceneScorer,
    learner_tensors,
    motion_tails,
    restore_learner,
)
from streammon.scene.held_out import HeldOutFrames

PCA_FRAMES = 400  # at most; of long footage at least half: 200 frames of 4,096 patches determine 448 directions well
PCA_BATCH = 8


class SceneModel:
    """Model of one scene: PaDiM patches alone, or patches and motion.

    Attributes:
        passes: 2 for `pca`, whose first pass computes the principal components; else 1.
    """

    def __init__(
        self,
        scene: str,
        backbone: Backbone,
        side: int,
        config: ModelConfig,
        observer: SharedObserver | None,
        *,
        calibrate: bool = True,
    ) -> None:
        """Create a model that has learned nothing.

        Args:
            scene: Name of the scene.
            backbone: Backbone that computes the maps of the frames.
            side: Side of the pictures, in pixels.
            config: Method, reduction, seed and frame score.
            observer: Provides the observer of motion; None for PaDiM alone.
            calibrate: Calibrate scores to false alarms a day, which needs a second bank while learning.

        Raises:
            ConfigError: More channels are to be kept than the backbone has.
        """
        self.passes = 2 if config.reduction == "pca" else 1
        self._scene = scene
        self._backbone = backbone
        self._side = side
        self._config = config
        self._observer = observer
        self._hold_out = HOLD_OUT if calibrate else 0.0
        self._total_s = 0.0
        self._score_fps: float | None = None
        self._kept = reduced_dimensions(config, backbone)
        self._pictures = PictureSample(PCA_FRAMES)
        self._reduction: Reduction | None = None
        self._learner: SceneLearner | None = None  # made with the first frame: some models never learn
        self._scorer: SceneScorer | None = None
        self._held_out = HeldOutFrames()
        self._measured: tuple[Batch, list[Measured]] | None = None

    def expect(self, total_s: float, score_fps: float | None) -> None:
        """Prepare for `total_s` seconds of footage at `score_fps` frames a second (None: the footage's own rate)."""
        self._total_s = total_s
        self._score_fps = score_fps
        if not total_s and self._observer is None:  # still images have no rate of false alarms
            self._hold_out = 0.0

    def learn(self, batch: Batch) -> None:
        """Learn normal frames or, in the first pass of `pca`, collect pictures for the principal components."""
        if self.passes == 2 and self._reduction is None:
            self._pictures.add(batch.pictures)
        else:
            self._learning().learn(frames_of(batch), batch.maps)

    def end_pass(self) -> None:
        """Compute the principal components, after the first pass of `pca`.

        Raises:
            FootageError: Fewer than 2 frames were given.
        """
        if self.passes == 1 or self._reduction is not None:
            return
        require_enough_frames(self._scene, len(self._pictures), 2)
        components = PrincipalComponents(sum(self._backbone.architecture.channels))
        for pictures in torch.split(self._pictures.pictures(), PCA_BATCH):
            components.update(self._backbone.maps(pictures))
        self._pictures.clear()
        self._reduction = components.reduction(self._kept)

    def finish(self, progress: Progress) -> None:
        """Compute what scoring needs, and calibrate.

        Raises:
            FootageError: Fewer than 2 frames were given or, with motion, too few to calibrate.
        """
        progress(f"solving for {self._scene}", 0, 1)
        learner = self._learning()
        require_enough_frames(self._scene, learner.frames, 2)
        try:
            learned = learner.finish()
        except FootageError as error:  # patches alone are scored without calibration then
            if self._observer is not None:
                raise FootageError(error.where, error.found, "give more footage, or --method padim") from None
            learned = learner.finish(calibrated=False)
        self._held_out, self._learner = learner.held_out, None
        del learner  # the learner's sums are larger than all that scoring needs
        observer = None if self._observer is None else self._observer.of(self._scene, self._backbone)
        self._scorer = SceneScorer(learned, self._backbone, observer)
        progress(f"solving for {self._scene}", 1, 1)

    @property
    def calibration(self) -> Calibration | None:
        """Calibration from scores to false alarms a day; None before `finish`, and if there is none."""
        return None if self._scorer is None else self._scorer.known_calibration

    def score(self, batch: Batch) -> Scored:
        """Scores and grids of a batch, computed as for live cameras."""
        return scored(self._finished().fuse(frames_of(batch), self.measured(batch)), self.calibration)

    def measured(self, batch: Batch) -> list[Measured]:
        """Measurements of a batch by the learned statistics, computed once for this model and its derived methods."""
        if self._measured is None or self._measured[0] is not batch:
            self._measured = (batch, self._finished().measured(frames_of(batch), batch.maps))
        return self._measured[1]

    def with_parts(self, parts: Parts) -> SceneScorer:
        """Scorer with only some parts of motion, tails and calibration computed anew."""
        return self._finished().variant(motion_tails(self._scene, self._held_out, parts))

    def state(self) -> dict[str, Tensor]:
        """Learned state, to be saved between two clips; in the first pass of `pca` the collected pictures."""
        if self.passes == 2 and self._reduction is None:
            return self._pictures.state()
        return {} if self._learner is None else learner_tensors(self._learner)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""
        if "pictures" in state:
            self._pictures.restore(state)
        elif state:
            if self.passes == 2:
                indices, projection = state.get("channel_indices"), state.get("channel_projection")
                self._reduction = Reduction(self._config.reduction, indices, projection)
            restore_learner(self._learning(), state)

    def scoring_bytes(self) -> int:
        """Memory of the patches' bank, and of the Gaussians and directions of motion."""
        return self._finished().scoring_bytes()

    def _learning(self) -> SceneLearner:
        if self._learner is None:
            self._learner = SceneLearner(
                self._scene,
                self._backbone,
                self._config,
                None if self._observer is None else self._observer.of(self._scene, self._backbone),
                total_s=self._total_s,
                hold_out=self._hold_out,
                score_fps=self._score_fps,
                size=self._side,
                reduction=self._reduction,
            )
        return self._learner

    def _finished(self) -> SceneScorer:
        assert self._scorer is not None, "finish() comes first"
        return self._scorer


def frames_of(batch: Batch) -> Sequence[Frame]:
    """Frames of a batch; for a batch without frames, they are made from its pictures and times."""
    if batch.frames:
        return batch.frames
    return [
        Frame("", number, picture, (picture.shape[1], picture.shape[0]), time_s, time_s)
        for number, (picture, time_s) in enumerate(zip(batch.pictures.numpy(), batch.times_s, strict=True))
    ]


def scored(fused: Sequence[Fused], calibration: Calibration | None) -> Scored:
    """Scores, grids, levels and channels of fused frames, in the form that the harness caches."""
    scores = np.array([each.score for each in fused], np.float64)
    grids = tuple(np.stack(kind) for kind in zip(*(each.grids for each in fused), strict=True))
    levels = None if calibration is None else np.array([calibration.level(each.score) for each in fused], np.float64)
    return Scored(scores, grids, levels, tuple(each.channel for each in fused))
