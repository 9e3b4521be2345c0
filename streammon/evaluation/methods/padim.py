"""PaDiM (arXiv:2011.08785) in all its reductions, scored by the bank that scores live cameras."""

from collections.abc import Mapping

import torch
from torch import Tensor

from streammon.calibration import Calibration
from streammon.calibration.rates import KEPT_SCORES
from streammon.config import ModelConfig
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.gaussians import BankInTheMaking, judge_tensors, scored_by
from streammon.evaluation.methods.training import SpreadPictures, hold_enough_frames
from streammon.padim import (
    ARCHITECTURES,
    Backbone,
    Bank,
    PrincipalComponents,
    Reduction,
    dimensions_kept,
    facts_for,
    make_reduction,
)

PCA_FRAMES = 400  # at most, at least half of them: 200 frames of 4,096 patches fix 448 directions well
PCA_BATCH = 8
SHORT = {"random": "Rd", "pca": "PCA", "orthogonal": "SO", "all": "all "}


class Padim:
    """PaDiM with one reduction.

    Args:
        model: Backbone, reduction, dimensions, seed and frame score.
        calibrate: Also work out what a score means in false alarms a day, which holds a second bank for the last
            part of the learning.

    Attributes:
        name: Such as `PaDiM resnet18 Rd100, seed 0`.
        key: All that changes its scores.
        needs_maps: It reads the backbone's maps.
        needs_details: It doesn't read the frames' details.
    """

    def __init__(self, model: ModelConfig, calibrate: bool = False) -> None:
        self._model = model
        self._calibrate = calibrate
        architecture = ARCHITECTURES[model.backbone]
        every = model.reduction == "all"
        kept = sum(architecture.channels) if every else model.dimensions or architecture.dimensions
        seeded = f", seed {model.seed}" if model.reduction in ("random", "orthogonal") else ""
        read = "" if model.frame_score == "max" else ", worst 1 %"
        self.name = f"PaDiM {model.backbone} {SHORT[model.reduction]}{kept}{seeded}{read}"
        # a calibrated model's state and facts hold more, so it isn't mistaken for one that isn't
        self.key = f"{self.name}, calibrated" if calibrate else self.name
        self.needs_maps = True
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> "PadimModel":
        """A model of one scene, for pictures of `side` pixels.

        Raises:
            ConfigError: More channels are to be kept than there are.
        """
        return PadimModel(scene, backbone, side, self._model, self._calibrate)


def padim_seeds(model: ModelConfig, seeds: int, calibrate: bool = False) -> list[Padim]:
    """The same PaDiM with `seeds` channel choices: those of `model.seed` and the next ones.

    Args:
        model: Of the first.
        seeds: How many.
        calibrate: Calibrate the first; the others are there for the spread alone.
    """
    configs = [model.model_copy(update={"seed": model.seed + number}) for number in range(seeds)]
    return [Padim(config, calibrate and number == 0) for number, config in enumerate(configs)]


class PadimModel:
    """The Gaussians of one scene; `pca` takes a first pass over the footage to find its directions.

    With `calibrate`, whoever gives the footage calls `begin_calibration` when about four fifths were given. Frames
    after that are scored by the bank of those before it, then learned too. So the finished bank knows all frames,
    as the paper's does, while the scores that calibrate come from frames which the bank had not seen; the finished
    bank knows more than the one that calibrated it, so its thresholds err on the quiet side.

    Attributes:
        passes: 2 for `pca`, else 1.
        calibration: From scores to false alarms a day; None without calibration, before `finish`, and for footage
            without time or of fewer than 10 held-out frames.
    """

    def __init__(self, scene: str, backbone: Backbone, side: int, config: ModelConfig, calibrate: bool) -> None:
        self.calibration: Calibration | None = None
        self.passes = 2 if config.reduction == "pca" else 1
        self._scene = scene
        self._backbone = backbone
        self._side = side
        self._config = config
        self._calibrate = calibrate
        self._pictures = SpreadPictures(PCA_FRAMES)  # what `pca` looks at first
        self._fit: BankInTheMaking | None = None
        self._judge: Bank | None = None  # scores what calibrates
        self._bank: Bank | None = None
        self._scores: list[float] = []
        self._times_s: list[float] = []
        channels, self._kept = sum(backbone.architecture.channels), dimensions_kept(config, backbone)
        if config.reduction != "pca":
            self._begin_fit(make_reduction(config.reduction, channels, self._kept, config.seed))

    def learn(self, batch: Batch) -> None:
        """Take in normal frames: into the Gaussians or, in the first pass of `pca`, as what it looks at."""
        if self._fit is None:
            self._pictures.take_in(batch.pictures)
            return
        if self._judge is not None:
            _, scores = self._judge.score(batch.maps)
            for kept, new in ((self._scores, scores.tolist()), (self._times_s, batch.times_s)):
                kept.extend(new)
                del kept[:-KEPT_SCORES]
        self._fit.take_in(batch.maps)

    def begin_calibration(self) -> None:
        """Score what comes from now on before it is learned, in the last pass; more calls change nothing."""
        if self._calibrate and self._judge is None and self._fit is not None and self._fit.frames >= 2:
            self._judge = self._fit.bank()

    def end_pass(self) -> None:
        """Find the principal components, after the first pass of `pca`.

        Raises:
            FootageError: There was no frame.
        """
        if self._fit is not None:
            return
        hold_enough_frames(self._scene, len(self._pictures), 2)
        components = PrincipalComponents(sum(self._backbone.architecture.channels))
        for pictures in torch.split(self._pictures.pictures(), PCA_BATCH):
            components.update(self._backbone.maps(pictures))
        self._pictures.clear()
        self._begin_fit(components.reduction(self._kept))

    def finish(self, progress: Progress) -> None:
        """Factor the covariances, and calibrate.

        Raises:
            FootageError: Fewer than 2 frames were given.
        """
        progress(f"solving for {self._scene}", 0, 1)
        self._judge = None
        assert self._fit is not None, "end_pass() comes first"
        self._bank, self._fit = self._fit.last_bank(), None
        try:
            self.calibration = Calibration.from_scores(self._scores, self._times_s)
        except ValueError:  # too few, or without time: there is nothing to say of false alarms a day
            self.calibration = None
        progress(f"solving for {self._scene}", 1, 1)

    def score(self, batch: Batch) -> Scored:
        """Distances on the patch grid, and the frame scores, as the live scorer gives them."""
        assert self._bank is not None, "finish() comes first"
        return scored_by(self._bank, batch.maps)

    def state(self) -> dict[str, Tensor]:
        """What was learned so far: pictures for `pca`, or the reduction, the Gaussians, and what calibrates."""
        if self._fit is None:
            return self._pictures.state()
        reduction = self._fit.reduction
        named = {"channel_indices": reduction.indices, "channel_projection": reduction.projection}
        state = {name: tensor.clone() for name, tensor in named.items() if tensor is not None} | self._fit.state()
        state["scores"] = torch.tensor(self._scores, dtype=torch.float64)
        state["times_s"] = torch.tensor(self._times_s, dtype=torch.float64)
        if self._judge is not None:
            state |= judge_tensors(self._judge)
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state` of a model made alike."""
        if "pictures" in state:
            self._pictures.restore(state)
            return
        indices, projection = state.get("channel_indices"), state.get("channel_projection")
        fit = self._begin_fit(Reduction(self._config.reduction, indices, projection))
        fit.restore(state)
        self._scores, self._times_s = state["scores"].tolist(), state["times_s"].tolist()
        if "judge_mean" in state:
            self._judge = fit.restored_judge(state)

    def scoring_bytes(self) -> int:
        """Memory of the means, their whitening and the reduction."""
        assert self._bank is not None, "finish() comes first"
        return self._bank.scoring_bytes()

    def _begin_fit(self, reduction: Reduction) -> BankInTheMaking:
        config = self._config
        facts = facts_for(
            self._scene, self._backbone, reduction, self._side, self._side, config.seed, config.frame_score
        )
        self._fit = BankInTheMaking(facts, reduction, self._backbone.device)
        return self._fit
