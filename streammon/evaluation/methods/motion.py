"""Patches and motion together, as live cameras are scored, and the same with parts of motion taken away."""

from dataclasses import fields, replace
from typing import Any

from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.evaluation.methods.base import Batch, Model, Scored
from streammon.evaluation.methods.observing import OneObserver
from streammon.evaluation.methods.padim import Padim
from streammon.evaluation.methods.scenes import SceneModel, frames_of, scored
from streammon.padim import Backbone, dimensions_kept
from streammon.records import Channel
from streammon.scene import Parts, detector_fingerprint


class Motion:
    """Patches and motion, as one method.

    Args:
        model: Of the patches; motion itself knows no random choice.
        observer: Looks at frames, for all methods that are run together; None for one of its own.

    Attributes:
        name: Such as `motion beside PaDiM resnet18 Rd100, seed 0`.
        key: All that changes its scores beside the source code: the patches' settings, the parts and the detector.
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
        self.key = f"{self.name}; {_line(Parts())}; {detector_fingerprint(model)}"
        self.needs_maps = True
        self.needs_details = True

    def model(self, scene: str, backbone: Backbone, side: int) -> SceneModel:
        """A model of one scene, for pictures of `side` pixels.

        Raises:
            ConfigError: More channels are to be kept than there are.
        """
        dimensions_kept(self._model, backbone)
        return SceneModel(scene, backbone, side, self._model, self._observer)


def motion_seeds(model: ModelConfig, seeds: int) -> list[Motion]:
    """The same with `seeds` channel choices of the patches; what is seen of motion is worked out once for all."""
    observer = OneObserver(model)
    return [Motion(model.model_copy(update={"seed": model.seed + number}), observer) for number in range(seeds)]


def delay_fact() -> str:
    """What averaging over time costs, for people."""
    window_s = Parts().window_s
    return f"a score is the causal mean over {window_s:g} s, part of the method: {window_s / 2:g} s late on average"


class MotionPart:
    """What is left when a part is taken away: a reading of what the whole method has learned.

    Args:
        source: The whole method.
        part: What is taken away.
        parts: What is left.

    Attributes:
        part: As above.
        source: As above.
        name: Such as `motion without speed`.
        key: All that changes its scores.
        needs_maps: It reads the backbone's maps.
        needs_details: It reads the frames' details.
    """

    def __init__(self, source: Motion, part: str, parts: Parts) -> None:
        self.part = part
        self.source: Motion = source
        self._parts = parts
        self.name = f"motion without {part}"
        self.key = f"{source.key}; without {part}; {_line(parts)}"
        self.needs_maps = True
        self.needs_details = True

    def model(self, scene: str, backbone: Backbone, side: int) -> SceneModel:
        """The model of the whole method, which learns for it."""
        return self.source.model(scene, backbone, side)

    def read(self, model: Model) -> "PartScorer":
        """What scores by the whole method's finished model."""
        assert isinstance(model, SceneModel)
        return PartScorer(model, self._parts)


class PartScorer:
    """Scores with some parts of what a model has learned.

    Args:
        model: Finished.
        parts: What takes part.
    """

    def __init__(self, model: SceneModel, parts: Parts) -> None:
        self._model = model
        self._scorer = model.with_parts(parts)

    def score(self, batch: Batch) -> Scored:
        """Scores of a batch, and grids of what the parts show."""
        return scored(self._scorer.fuse(frames_of(batch), self._model.measured(batch)))

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


def _line(parts: Parts) -> str:
    """The parts as one line, the same in every run: a set has no order of its own."""
    values = {field.name: getattr(parts, field.name) for field in fields(Parts)}
    values["witnesses"] = sorted(parts.witnesses)
    return ", ".join(f"{name}={value}" for name, value in values.items())
