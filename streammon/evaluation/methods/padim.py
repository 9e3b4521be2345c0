"""PaDiM (arXiv:2011.08785) in all its reductions, scored by the bank that scores live cameras."""

from streammon.config import ModelConfig
from streammon.evaluation.methods.scenes import SceneModel
from streammon.padim import ARCHITECTURES, Backbone

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

    def model(self, scene: str, backbone: Backbone, side: int) -> SceneModel:
        """A model of one scene, for pictures of `side` pixels.

        Raises:
            ConfigError: More channels are to be kept than there are.
        """
        return SceneModel(scene, backbone, side, self._model, None, calibrate=self._calibrate)


def padim_seeds(model: ModelConfig, seeds: int, calibrate: bool = False) -> list[Padim]:
    """The same PaDiM with `seeds` channel choices: those of `model.seed` and the next ones.

    Args:
        model: Of the first.
        seeds: How many.
        calibrate: Calibrate the first; the others are there for the spread alone.
    """
    configs = [model.model_copy(update={"seed": model.seed + number}) for number in range(seeds)]
    return [Padim(config, calibrate and number == 0) for number, config in enumerate(configs)]
