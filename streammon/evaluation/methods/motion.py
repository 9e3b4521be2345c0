"""Patches and motion together, as live cameras are scored: learned by `VideoLearner`, judged by `VideoBank`."""

from collections.abc import Mapping
from dataclasses import fields, replace
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np
from torch import Tensor

from streammon.calibration import LEAST_FRAMES, Calibration
from streammon.config import ModelConfig
from streammon.errors import ConfigError, FootageError
from streammon.evaluation.methods.base import Batch, Model, Progress, Scored
from streammon.evaluation.methods.motion_state import learner_tensors, restore_learner
from streammon.evaluation.methods.observing import Look, OneObserver, look_at
from streammon.evaluation.methods.padim import Padim
from streammon.evaluation.methods.training import hold_enough_frames
from streammon.motion import (
    StillPatches,
)
from streammon.padim import (
    Backbone,
    dimensions_kept,
)
from streammon.records import Channel
from streammon.scene import (
    MotionBank,
    MotionLearner,
    Parts,
    VideoBank,
    VideoLearner,
    detector_fingerprint,
)

READ_BY = (("streammon.motion", ""), ("streammon.ingest", "detail.py"))
"""Packages, or modules of them, whose code says what motion is."""


def motion_version() -> str:
    """A hash of the code that reads motion: with it, a change of one of its constants makes earlier scores stale."""
    digest = sha256()
    for package, module in READ_BY:
        sources = [each for each in files(package).iterdir() if each.name.endswith(module or ".py")]
        for source in sorted(sources, key=lambda each: each.name):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


MOTION_VERSION = motion_version()  # at import: of the code that runs, whatever is edited while it does


class Motion:
    """Patches and motion, as one method.

    Args:
        model: Of the patches; motion itself knows no random choice.
        observer: Looks at frames, for all methods that are run together; None for one of its own.

    Attributes:
        name: Such as `motion beside PaDiM resnet18 Rd100, seed 0`.
        key: All that changes its scores: the patches' settings, the parts, and a hash of the code that reads motion.
        needs_maps: It reads the backbone's maps.
        needs_details: It reads the frames' details.

    Raises:
        ConfigError: The reduction is `pca`.
        WeightsError: The detector's file can't be read.
    """

    def __init__(self, model: ModelConfig, observer: OneObserver | None = None) -> None:
        if model.reduction == "pca":
            remedy = "choose random, orthogonal or all, or give --method padim"
            raise ConfigError("--reduction", "it is 'pca', which takes a pass of its own before motion", remedy)
        self._model = model
        self._observer = observer or OneObserver(model)
        self.name = f"motion beside {Padim(model).name}"
        self.key = f"{self.name}; {_line(Parts())}; {MOTION_VERSION}; {detector_fingerprint(model)}"
        self.needs_maps = True
        self.needs_details = True

    def model(self, scene: str, backbone: Backbone, side: int) -> "MotionModel":
        """A model of one scene, for pictures of `side` pixels.

        Raises:
            ConfigError: More channels are to be kept than there are.
        """
        dimensions_kept(self._model, backbone)
        return MotionModel(scene, backbone, side, self._model, self._observer)


def motion_seeds(model: ModelConfig, seeds: int) -> list[Motion]:
    """The same with `seeds` channel choices of the patches; what is seen of motion is worked out once for all."""
    observer = OneObserver(model)
    return [Motion(model.model_copy(update={"seed": model.seed + number}), observer) for number in range(seeds)]


def delay_fact() -> str:
    """What averaging over time costs, for people."""
    window_s = Parts().window_s
    return f"a score is the causal mean over {window_s:g} s, part of the method: {window_s / 2:g} s late on average"


class MotionModel:
    """What one scene taught.

    As live, what comes after `begin_calibration` is judged by what was learned before, and then learned as well.

    Attributes:
        passes: 1.
    """

    def __init__(self, scene: str, backbone: Backbone, side: int, config: ModelConfig, observer: OneObserver) -> None:
        self.passes = 1
        self._scene = scene
        self._backbone = backbone
        self._side = side
        self._config = config
        self._observer = observer
        self._learner: VideoLearner | None = None  # made late: a harness makes more models than it uses
        self._video: VideoBank | None = None
        self._motion: MotionLearner | None = None
        self._look: Look | None = None
        self._still: StillPatches | None = None

    def learn(self, batch: Batch) -> None:
        """Take in normal frames; once calibration began, judge them first."""
        self._learning().learn(batch.frames, batch.maps, batch.times_s)

    def begin_calibration(self) -> None:
        """Calibrate on what comes from now on; more calls change nothing."""
        learner = self._learning()
        if not learner.calibrating and learner.patches.statistics.gaussian.count >= 2:
            learner.begin_calibration()

    def end_pass(self) -> None:
        """One pass is all."""

    def finish(self, progress: Progress) -> None:
        """Solve for the Gaussians of patches and of motion, and calibrate.

        Raises:
            FootageError: Too little was given, or frames too far apart in time.
        """
        progress(f"solving for {self._scene}", 0, 1)
        learner = self._learning()
        hold_enough_frames(self._scene, learner.patches.statistics.gaussian.count, 2)
        held_out = len(learner.motion.held_out)
        where, remedy = f"scene {self._scene!r}", "give more footage, or --method padim"
        if held_out < LEAST_FRAMES:
            found = f"{held_out} of its last frames can be held out to calibrate on, and {LEAST_FRAMES} are needed"
            raise FootageError(where, found, remedy)
        try:
            self._video = learner.bank()
        except FootageError as error:
            raise FootageError(where, error.found, remedy) from None
        self._motion = learner.motion
        self._learner = None  # the patches' scatters are larger than all that scores
        progress(f"solving for {self._scene}", 1, 1)

    @property
    def calibration(self) -> Calibration | None:
        """From scores to false alarms a day; None before `finish`."""
        return None if self._video is None else self._video.calibration

    def score(self, batch: Batch) -> Scored:
        """Surprise of each frame, and of its patches and of what moves in it."""
        verdicts = self._finished().judge(batch.frames, batch.maps)
        scores = np.array([verdict.score for verdict in verdicts], np.float64)
        return Scored(
            scores, tuple(np.stack(grids) for grids in zip(*(each.grids for each in verdicts), strict=True))
        )

    def look(self, batch: Batch) -> Look:
        """What a batch shows to all readings; worked out once."""
        if self._look is None or self._look.batch is not batch:
            observer = self._observer.of(self._scene, self._backbone)
            video = self._finished()
            if self._still is None:
                self._still = StillPatches(video.motion.measure.rarity)
            self._look = look_at(batch, observer, video.patches, self._still)
        return self._look

    def bank_of(self, parts: Parts) -> MotionBank:
        """The motion bank of the same footage with some parts alone."""
        assert self._motion is not None, "finish() comes first"
        return MotionBank(self._finished().motion.measure, list(self._motion.held_out), parts)

    def state(self) -> dict[str, Tensor]:
        """The sums of patches and of motion, and what calibrates; empty before the first frame."""
        return {} if self._learner is None else learner_tensors(self._learner)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state` of a model made alike."""
        if state:
            restore_learner(self._learning(), state)

    def scoring_bytes(self) -> int:
        """Memory of the patch bank, and of the Gaussians and rates of motion."""
        assert self._motion is not None, "finish() comes first"
        whole = self._motion.halves[0]
        gaussians = sum(sums.total.size + sums.products.size for sums in whole.placed.values()) * 4
        return self._finished().patches.scoring_bytes() + gaussians + whole.directions.nbytes

    def _learning(self) -> VideoLearner:
        if self._learner is None:
            observer = self._observer.of(self._scene, self._backbone)
            self._learner = VideoLearner(self._scene, self._backbone, self._config, self._side, observer)
        return self._learner

    def _finished(self) -> VideoBank:
        assert self._video is not None, "finish() comes first"
        return self._video


class MotionPart:
    """What is left when a part is taken away: a reading of what the whole method has learned.

    Args:
        source: The whole method.
        part: What is taken away.
        parts: What is left.

    Attributes:
        part: As above.
        source: As above.
        shares_maps: Whether its anomaly maps are those of the whole method; it then gives none of its own.
        name: Such as `motion without speed`.
        key: All that changes its scores.
        needs_maps: It reads the backbone's maps.
        needs_details: It reads the frames' details.
    """

    def __init__(self, source: Motion, part: str, parts: Parts) -> None:
        self.part = part
        self.source: Motion = source
        self._parts = parts
        whole = Parts()
        self.shares_maps = _on_maps(parts) == _on_maps(whole)
        self.name = f"motion without {part}"
        self.key = f"{source.key}; without {part}; {_line(parts)}"
        self.needs_maps = True
        self.needs_details = True

    def model(self, scene: str, backbone: Backbone, side: int) -> MotionModel:
        """The model of the whole method, which learns for it."""
        return self.source.model(scene, backbone, side)

    def read(self, model: Model) -> "PartScorer":
        """What scores by the whole method's finished model."""
        assert isinstance(model, MotionModel)
        return PartScorer(model, self._parts, self.shares_maps)


class PartScorer:
    """Scores with some parts of what a model has learned.

    Args:
        model: Finished.
        parts: What takes part.
        shares_maps: Give no grids, since they are the model's own.
    """

    def __init__(self, model: MotionModel, parts: Parts, shares_maps: bool) -> None:
        self._model = model
        self._bank = model.bank_of(parts)
        self._patches = Channel.LOOKS in parts.witnesses
        self._shares_maps = shares_maps

    def score(self, batch: Batch) -> Scored:
        """Surprise of each frame; the grid of the patches is left out where they take no part."""
        look = self._model.look(batch)
        judgements = self._bank.judge(look.observations, look.still)
        scores = np.array([judgement.score for judgement in judgements], np.float64)
        if self._shares_maps:
            return Scored(scores, ())
        motion = np.stack([judgement.motion for judgement in judgements])
        return Scored(scores, (*((self._bank.patch_surprise(look.distances),) if self._patches else ()), motion))

    def scoring_bytes(self) -> int:
        """Memory of the model it reads."""
        return self._model.scoring_bytes()


def motion_parts(source: Motion) -> list[MotionPart]:
    """The ablation: each part of the method taken away, the others left as they are.

    The parts are whatever `streammon.motion.Parts` can switch off; a channel that takes part both where things move
    and as a witness of its own is taken away as both.
    """
    whole = Parts()
    switches = [field.name for field in fields(Parts) if isinstance(getattr(whole, field.name), bool)]
    witnesses = {channel.value: channel for channel in Channel if channel in whole.witnesses}
    removed = []
    for name in [*switches, *(name for name in witnesses if name not in switches)]:
        left = whole
        if name in switches:
            off: dict[str, Any] = {name: False}
            left = replace(left, **off)
        if name in witnesses:
            left = replace(left, witnesses=left.witnesses - {witnesses[name]})
        removed.append(MotionPart(source, "patches" if name == Channel.LOOKS else name, left))
    return [*removed, MotionPart(source, "smoothing over time", replace(whole, window_s=0.0))]


def _on_maps(parts: Parts) -> tuple[object, ...]:
    """What of the parts the anomaly maps show: what moves, cell by cell, and the patches."""
    switched = [getattr(parts, field.name) for field in fields(Parts) if isinstance(getattr(parts, field.name), bool)]
    return (*switched, Channel.LOOKS in parts.witnesses)


def _line(parts: Parts) -> str:
    """The parts as one line, the same in every run: a set has no order of its own."""
    values = {field.name: getattr(parts, field.name) for field in fields(Parts)}
    values["witnesses"] = sorted(parts.witnesses)
    return ", ".join(f"{name}={value}" for name, value in values.items())
