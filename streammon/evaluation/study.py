"""Study: one data set and one backbone on which several methods are run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from streammon import __version__
from streammon.config import SCENES, ModelConfig
from streammon.errors import ConfigError, DatasetError
from streammon.evaluation.anomaly_method import AnomalyMethod
from streammon.evaluation.cache import Cache, digest
from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import FrameSelection, Harness, cache_context, unscored_clips
from streammon.evaluation.labelled import Dataset
from streammon.evaluation.methods import (
    METHODS,
    MahalanobisAD,
    Method,
    MotionMethod,
    OwnMethod,
    Progress,
    Spade,
    Vae,
    motion_parts,
    motion_seeds,
    padim_seeds,
    registered_method,
)
from streammon.evaluation.metrics import PostProcessing, require_video
from streammon.padim import INPUT_SIZE, Backbone, load_backbone

SEEDED = ("random", "orthogonal")  # reductions that depend on a random seed
SEEDS = 5  # default number of draws for a spread


@dataclass(frozen=True)
class StudyOptions:
    """Options of a study.

    Attributes:
        dataset: Name of the data set.
        root: Folder of the data set.
        model: Backbone, weights, reduction, first seed.
        cache: Folder of the cached results.
        scenes: Folder of all scenes, where the network in int8 is.
        method: One of `METHODS`, or a name that a package registered; None for `motion` on video and `padim` on still
            images.
        own_method: Class of a method of one's own, which is evaluated instead; None for none.
        seeds: Number of draws for the spread; None for 5, or 1 with `motion`, where each draw costs a whole run.
        ablation: Also evaluate `motion` without each of its parts.
        selection: Selection of frames.
        post_processing: Post-processing of the frame scores.
        conventions: Also measure the frame scores under each of the field's conventions.
        categories: Categories of MVTec AD; empty for all.
        epochs: Training epochs of the VAE.
        epoch_images: Augmented images in each epoch of the VAE.
        allow_partial: Leave out missing or damaged clips instead of raising.
        scores_out: Folder for the raw frame scores of the first draw; None for none.
    """

    dataset: str
    root: Path
    model: ModelConfig
    cache: Path
    scenes: Path = SCENES
    method: str | None = None
    own_method: type[AnomalyMethod] | None = None
    seeds: int | None = None
    ablation: bool = False
    selection: FrameSelection = field(default_factory=FrameSelection)
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    conventions: bool = False
    categories: tuple[str, ...] = ()
    epochs: int = 100
    epoch_images: int = 10_000
    allow_partial: bool = False
    scores_out: Path | None = None

    def with_backbone(self, name: str) -> "StudyOptions":
        """The same options with another backbone, torchvision's weights, and the paper's reduction for it."""
        chosen = {"backbone": name, "weights": None, "reduction": "random", "dimensions": None}
        return replace(self, model=self.model.model_copy(update=chosen))


class Study:
    """A checked data set and a backbone, on which methods are run.

    Attributes:
        options: Options of the study.
        dataset: Data set that is learned and scored.
        backbone: Backbone shared by all methods.
        missing: One message for each defect of the data set; `run` adds those it finds.
        method: Name of the evaluated method, with the default resolved.
        own: The evaluated method, if it is one of one's own; else None.

    Raises:
        InputError: The data set, the weights or an option is wrong.
    """

    def __init__(self, options: StudyOptions, progress: Progress, dataset: Dataset | None = None) -> None:
        """Check the options, read the data set and load the backbone.

        Args:
            options: Options of the study.
            progress: Called after each step.
            dataset: The data set of the options, if it was read already.
        """
        self.own = _own_method(options)
        self.options = options
        self.progress = progress
        chosen = DatasetOptions(allow_partial=options.allow_partial, categories=options.categories)
        self.dataset: Dataset = dataset or load_dataset(options.dataset, options.root, chosen)
        self.method = options.method or ("padim" if self.dataset.is_still else "motion")
        if self.own is not None:
            self.method = self.own.short_name
        _require_fitting_options(options, self.method, self.dataset.is_still)
        self.backbone: Backbone = load_backbone(options.model, options.scenes)
        self.missing = [*self.dataset.missing, *unscored_clips(self.dataset, options.selection)]

    def run(self, groups: Mapping[str, Sequence[Method]]) -> dict[str, list[Draw]]:
        """Learn and score with the methods of all groups, which share the extracted features.

        Args:
            groups: Methods that differ only in the seed, by the name of their group.

        Returns:
            The draws of each group, one for each method and view.

        Raises:
            InputError: The data set is damaged, or the cache can't be written.
        """
        distinct = {method.key: method for methods in groups.values() for method in methods}
        harnesses = [self.harness(view, list(distinct.values())) for view in self.views()]
        for harness in harnesses:
            harness.run()
            self.missing += [line for line in harness.missing if line not in self.missing]
        draws = {
            name: [Draw(harness, distinct[method.key]) for harness in harnesses for method in methods]
            for name, methods in groups.items()
        }
        for group in draws.values():
            if not group[0].clips:
                remedy = "repair the data set: " + "; ".join(self.missing[:3])
                raise DatasetError(str(self.dataset.root), "none of its test clips could be scored", remedy)
        return draws

    def views(self) -> list[View]:
        """Views of the pictures: one, or for `rd-mvtec` one random view for each seed."""
        crop, first = self.dataset.crop, self.options.model.seed
        if self.dataset.name != "rd-mvtec":
            return [View(INPUT_SIZE, crop)]
        return [View(INPUT_SIZE, crop, seed) for seed in range(first, first + (self.options.seeds or SEEDS))]

    def padims(self, model: ModelConfig, calibrated: bool = False) -> list[Method]:
        """PaDiM, once for each seed if the reduction is random and there is a single view.

        Args:
            model: Backbone, reduction, first seed.
            calibrated: Calibrate the first to false-alarm rates; ignored for still images.
        """
        several = model.reduction in SEEDED and len(self.views()) == 1
        calibrate = calibrated and not self.dataset.is_still
        return list(padim_seeds(model, (self.options.seeds or SEEDS) if several else 1, calibrate=calibrate))

    def methods(self, name: str) -> list[Method]:
        """One of `METHODS`, once for each seed, with the settings of the options; or the method of one's own.

        Raises:
            ConfigError: The method can't be run with the settings.
        """
        if self.own is not None and name == self.method:
            return [self.own]
        if name == "motion":
            several = self.options.model.reduction in SEEDED
            return list(motion_seeds(self.options.model, (self.options.seeds or 1) if several else 1))
        if name == "padim":
            return self.padims(self.options.model, calibrated=True)
        if name == "spade":
            return [Spade(self.options.model.backbone)]
        if name == "mahalanobisad":
            return [MahalanobisAD(self.options.model.backbone)]
        return [Vae(self.options.epochs, self.options.epoch_images, self.options.model.seed)]

    def ablation(self, whole: Method) -> dict[str, Sequence[Method]]:
        """Methods of the ablation, by row name: `motion` without each of its parts, and PaDiM alone."""
        assert isinstance(whole, MotionMethod)
        groups: dict[str, Sequence[Method]] = {f"without {each.part}": [each] for each in motion_parts(whole)}
        return groups | {"PaDiM alone": padim_seeds(self.options.model, 1)}

    def harness(self, view: View, methods: Sequence[Method]) -> Harness:
        """Harness that runs methods on one view."""
        selection = self.options.selection
        context = digest(*cache_context(self.dataset, view, self.backbone, selection, __version__))
        return Harness(
            dataset=self.dataset,
            view=view,
            methods={method: Cache(self.options.cache, context, method.key) for method in methods},
            backbone=self.backbone,
            selection=selection,
            progress=self.progress,
            allow_partial=self.options.allow_partial,
        )


def _own_method(options: StudyOptions) -> OwnMethod | None:
    """The method of one's own that is to be evaluated; None for a built-in one.

    Raises:
        ConfigError: There is no method of the name, or it can't be used.
    """
    if options.own_method is not None:
        return OwnMethod(options.own_method, getattr(options.own_method, "__name__", repr(options.own_method)))
    if options.method is None or options.method in METHODS:
        return None
    return registered_method(options.method, METHODS)


def _require_fitting_options(options: StudyOptions, method: str, is_still: bool) -> None:
    """Require that method, rate, conventions and ablation fit the data set and each other.

    Raises:
        ConfigError: `motion`, `score_fps` or `conventions` with still images, or an ablation of another method than
            `motion`.
    """
    if method == "motion" and is_still:
        found = f"it is motion, and {options.dataset} has still images"
        raise ConfigError("--method", found, "give --method padim, or a data set of video")
    if options.selection.score_fps is not None and is_still:
        found = f"it is {options.selection.score_fps:g}, and {options.dataset} has still images"
        raise ConfigError("--score-fps", found, "leave it out, or give a data set of video")
    if options.conventions:
        require_video(options.dataset, is_still)
    if options.ablation and method != "motion":
        raise ConfigError(
            "--ablation", f"it removes parts of motion, and the method is {method}", "give --method motion"
        )
