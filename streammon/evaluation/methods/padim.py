"""PaDiM (arXiv:2011.08785) with any reduction, scored by the bank that scores live cameras."""

from streammon.config import ModelConfig
from streammon.evaluation.methods.scenes import SceneModel
from streammon.padim import ARCHITECTURES, Backbone

SHORT = {"random": "Rd", "pca": "PCA", "orthogonal": "SO", "all": "all "}


class Padim:
    """PaDiM with one reduction.

    Args:
        model: Backbone, reduction, dimensions, seed and frame score.
        calibrate: Also calibrate scores to false alarms a day, which needs a second bank during the last part of
            learning.

    Attributes:
        name: Name in the report, such as `PaDiM resnet18 Rd100, seed 0`.
        key: All settings that change the scores, and whether the model is calibrated.
        needs_maps: True, the models read the backbone's maps.
        needs_details: False, the models don't read the frames' details.
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
        # state and facts of a calibrated model contain more, so calibrated and other models need different keys
        self.key = f"{self.name}, calibrated" if calibrate else self.name
        self.needs_maps = True
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> SceneModel:
        """A model of one scene, for pictures of `side` pixels.

        Raises:
            ConfigError: More channels are to be kept than the backbone has.
        """
        return SceneModel(scene, backbone, side, self._model, None, calibrate=self._calibrate)


def padim_seeds(model: ModelConfig, seeds: int, calibrate: bool = False) -> list[Padim]:
    """`Padim` with `seeds` channel choices: those of `model.seed` and the next seeds.

    Args:
        model: Settings of the first.
        seeds: Number of seeds.
        calibrate: Calibrate the first; the others serve only to compute the spread.
    """
    configs = [model.model_copy(update={"seed": model.seed + number}) for number in range(seeds)]
    return [Padim(config, calibrate and number == 0) for number, config in enumerate(configs)]
