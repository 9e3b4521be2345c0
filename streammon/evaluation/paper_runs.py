"""Methods that each table of the PaDiM paper compares, with one backbone or with the paper's, and their runs."""

from collections.abc import Iterable, Sequence

from streammon.config import ModelConfig
from streammon.evaluation.draws import Draw
from streammon.evaluation.estimate import Work
from streammon.evaluation.methods import Method, SingleLayer, SummedLayers
from streammon.evaluation.study import Study

LOCALISED = (1, 2, 3, 4, 6)  # tables of pixel figures
COMPARED: dict[int, tuple[str, ...]] = {
    # methods of tables 3 to 6 with one backbone
    3: ("vae", "spade", "padim"),
    4: ("spade", "padim"),
    5: ("spade", "mahalanobisad", "padim"),
    6: ("vae", "spade", "padim"),
}
PUBLISHED: dict[int, dict[str, tuple[str, ...]]] = {
    # methods of tables 3 to 6 by the paper's backbone; the paper's MahalanobisAD has efficientnet_b4
    3: {"wide_resnet50_2": ("vae", "spade", "padim"), "resnet18": ("padim",)},
    4: {"wide_resnet50_2": ("spade",), "resnet18": ("padim",)},
    5: {"wide_resnet50_2": ("spade", "padim"), "efficientnet_b5": ("mahalanobisad", "padim")},
    6: {"wide_resnet50_2": ("vae", "spade", "padim")},
}


class PaperRuns:
    """Runs the methods of the tables on one data set.

    Args:
        study: Data set, backbone and settings.
        published: Run each row with the backbone that the paper has there; for tables 3 to 6.

    Attributes:
        study: The study.
        studies: The study, and those with the paper's other backbones that were needed so far.
    """

    def __init__(self, study: Study, *, published: bool = False) -> None:
        self.study = study
        self.studies = [study]
        self._published = published

    def works(self, number: int) -> list[Work]:
        """Methods that tables 1 to 6 run, for each backbone; empty for tables 7 and 8, which only learn one bank.

        Raises:
            WeightsError: The weights of one of the paper's backbones can't be had.
        """
        localised = number in LOCALISED
        if number in COMPARED:
            by_backbone = PUBLISHED[number] if self._published else {self.study.backbone.name: COMPARED[number]}
            studies = [(self._study_of(backbone), names) for backbone, names in by_backbone.items()]
            return [Work(study, compared(study, names), localised) for study, names in studies]
        ablations = {1: self._layer_groups, 2: self._reduction_groups}
        return [Work(self.study, ablations[number](), localised)] if number in ablations else []

    def _study_of(self, backbone: str) -> Study:
        """The study with a backbone, made when it is first needed."""
        for study in self.studies:
            if study.backbone.name == backbone:
                return study
        self.studies.append(
            Study(self.study.options.with_backbone(backbone), self.study.progress, self.study.dataset)
        )
        return self.studies[-1]

    def run(self, number: int) -> dict[str, list[Draw]]:
        """Draws of all methods of table `number`, by name in the table."""
        draws: dict[str, list[Draw]] = {}
        for work in self.works(number):
            draws |= work.study.run(work.groups)
        return draws

    def _layer_groups(self) -> dict[str, Sequence[Method]]:
        score = self.study.options.model.frame_score
        groups: dict[str, Sequence[Method]] = {
            f"layer {layer}": [SingleLayer(layer, self.study.backbone.name, score)] for layer in (1, 2, 3)
        }
        groups["layers 1+2+3 summed"] = [SummedLayers(self.study.backbone.name, score)]
        return groups | {"all layers together": self.study.padims(self._padim("all"))}

    def _reduction_groups(self) -> dict[str, Sequence[Method]]:
        channels = sum(self.study.backbone.architecture.channels)
        groups: dict[str, Sequence[Method]] = {
            f"{name} {dimensions}": self.study.padims(self._padim(kind, dimensions))
            for dimensions in (100, 200)
            for name, kind in (("Rd", "random"), ("PCA", "pca"))
        }
        return groups | {f"all {channels}": self.study.padims(self._padim("all"))}

    def _padim(self, reduction: str, dimensions: int | None = None) -> ModelConfig:
        return self.study.options.model.model_copy(update={"reduction": reduction, "dimensions": dimensions})


def compared(study: Study, names: Iterable[str]) -> dict[str, Sequence[Method]]:
    """Methods that a table compares, one for each seed, by name in the table."""
    shown = {"spade": "SPADE", "mahalanobisad": "MahalanobisAD", "vae": "VAE"}
    groups: dict[str, Sequence[Method]] = {}
    for name in names:
        methods = study.padims(study.options.model) if name == "padim" else study.methods(name)
        own = methods[0].name.partition(",")[0]  # without the seed
        groups[shown.get(name, own)] = methods
    return groups
