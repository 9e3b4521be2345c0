"""PaDiM patches and motion together, as live cameras are scored, and the ablation of the parts."""

from dataclasses import fields, replace
from typing import Any

from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.evaluation.methods.base import Batch, Model, Scored
from streammon.evaluation.methods.observing import SharedObserver
from streammon.evaluation.methods.padim import Padim
from streammon.evaluation.methods.scenes import SceneModel, frames_of, scored
from streammon.padim import Backbone, reduced_dimensions
from streammon.records import Channel
from streammon.scene import Parts, detector_fingerprint


class MotionMethod:
    """PaDiM patches and motion, as one method.

    Args:
        model: Settings of the patches and the detector; motion has no random choice.
        observer: Observer shared by the methods of one run; None for a new one.

    Attributes:
        name: Name in the report, such as `motion beside PaDiM resnet18 Rd100, seed 0`.
        key: All settings that change the scores: those of the patches, the parts and the detector.
        needs_maps: True, the models read the backbone's maps.
        needs_details: True, the models read the frames' details.

    Raises:
        ConfigError: The reduction is `pca`.
        WeightsError: The detector's file can't be read.
    """

    def __init__(self, model: ModelConfig, observer: SharedObserver | None = None) -> None:
        if model.reduction == "pca":
            remedy = "choose random, orthogonal or all, or give --method padim"
            raise ConfigError("--reduction", "it is 'pca', which motion doesn't support", remedy)
        self._model = model
        self._observer = observer or SharedObserver(model)
        self.name = f"motion beside {Padim(model).name}"
        self.key = f"{self.name}; {_line(Parts())}; {detector_fingerprint(model)}"
        self.needs_maps = True
        self.needs_details = True

    def model(self, scene: str, backbone: Backbone, side: int) -> SceneModel:
        """A model of one scene, for pictures of `side` pixels.

        Raises:
            ConfigError: More channels are to be kept than the backbone has.
        """
        reduced_dimensions(self._model, backbone)
        return SceneModel(scene, backbone, side, self._model, self._observer)


def motion_seeds(model: ModelConfig, seeds: int) -> list[MotionMethod]:
    """`MotionMethod` with `seeds` channel choices of the patches, which share the observations of motion."""
    observer = SharedObserver(model)
    return [MotionMethod(model.model_copy(update={"seed": model.seed + number}), observer) for number in range(seeds)]


def delay_fact() -> str:
    """Delay by the mean over time, as a sentence for the report."""
    window_s = Parts().window_s
    return f"scores are causal means over {window_s:g} s, which delays them by {window_s / 2:g} s on average"


class MotionPart:
    """`MotionMethod` without one part: a `DerivedMethod` of the learned model of the whole method.

    Args:
        source: The whole method.
        part: Name of the removed part.
        parts: Parts that remain.

    Attributes:
        part: Name of the removed part.
        source: The whole method.
        name: Name in the report, such as `motion without speed`.
        key: All settings that change the scores.
        needs_maps: True, the models read the backbone's maps.
        needs_details: True, the models read the frames' details.
    """

    def __init__(self, source: MotionMethod, part: str, parts: Parts) -> None:
        self.part = part
        self.source: MotionMethod = source
        self._parts = parts
        self.name = f"motion without {part}"
        self.key = f"{source.key}; without {part}; {_line(parts)}"
        self.needs_maps = True
        self.needs_details = True

    def model(self, scene: str, backbone: Backbone, side: int) -> SceneModel:
        """Model of the whole method, the only one that learns."""
        return self.source.model(scene, backbone, side)

    def read(self, model: Model) -> "PartScorer":
        """Scorer that uses the finished model of the whole method."""
        assert isinstance(model, SceneModel)
        return PartScorer(model, self._parts)


class PartScorer:
    """Scores with some parts of a finished model.

    Args:
        model: Finished model of the whole method.
        parts: Parts that contribute to the score.
    """

    def __init__(self, model: SceneModel, parts: Parts) -> None:
        self._model = model
        self._scorer = model.with_parts(parts)

    def score(self, batch: Batch) -> Scored:
        """Scores and grids of a batch."""
        fused = self._scorer.fuse(frames_of(batch), self._model.measured(batch))
        return scored(fused, self._scorer.known_calibration)

    def scoring_bytes(self) -> int:
        """Memory of the model of the whole method."""
        return self._model.scoring_bytes()


def motion_parts(source: MotionMethod) -> list[MotionPart]:
    """Ablation of `MotionMethod`: one method for each part removed, with all other parts unchanged.

    The parts are the switches and the witnesses of `streammon.scene.Parts`, and the mean over time. A channel that is
    both a switch and a witness is removed as both.
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
    """The parts as one line, the same in every run: the witnesses, a set, are sorted."""
    values = {field.name: getattr(parts, field.name) for field in fields(Parts)}
    values["witnesses"] = sorted(parts.witnesses)
    return ", ".join(f"{name}={value}" for name, value in values.items())
