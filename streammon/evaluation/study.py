"""One data set and one backbone, opened for as many methods as are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streammon import __version__
from streammon.config import ModelConfig
from streammon.errors import ConfigError, DatasetError
from streammon.evaluation.cache import Cache, digest
from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import Harness, Taking, cache_context
from streammon.evaluation.labelled import Dataset
from streammon.evaluation.methods import (
    METHODS,
    MahalanobisAD,
    Method,
    Motion,
    Progress,
    Spade,
    Vae,
    motion_parts,
    motion_seeds,
    padim_seeds,
)
from streammon.evaluation.metrics import PostProcessing
from streammon.padim import INPUT_SIZE, Backbone, load_backbone

SEEDED = ("random", "orthogonal")  # the reductions that are drawn
SEEDS = 5  # draws of a method that asks for a spread


@dataclass(frozen=True)
class StudyOptions:
    """What is evaluated, on what, how.

    Attributes:
        dataset: Its name.
        root: Its folder.
        model: Backbone, weights, reduction, first seed.
        cache: Folder of the results.
        method: One of `METHODS`; None for `motion` on video and `padim` on still images.
        seeds: How many draws a spread is taken over; None for 5, or 1 of `motion`, where each costs a whole run.
        ablation: Also take each part of `motion` away.
        taking: Which frames.
        post_processing: What is done to frame scores.
        categories: Which of MVTec AD's; empty for all.
        epochs: Of the VAE.
        epoch_images: Augmented images an epoch of the VAE has.
        allow_partial: Leave out what is missing or damaged.
    """

    dataset: str
    root: Path
    model: ModelConfig
    cache: Path
    method: str | None = None
    seeds: int | None = None
    ablation: bool = False
    taking: Taking = field(default_factory=Taking)
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    categories: tuple[str, ...] = ()
    epochs: int = 100
    epoch_images: int = 10_000
    allow_partial: bool = False


class Study:
    """A data set, read and checked, and the backbone that sees it.

    Attributes:
        options: What was asked for.
        dataset: What is learned and scored.
        backbone: Shared by all methods.
        missing: What the data set lacks, one line each; grows while it is worked on.
        method: What is evaluated, the default resolved.

    Raises:
        InputError: The data set, the weights or an option is wrong.
    """

    def __init__(self, options: StudyOptions, progress: Progress) -> None:
        if options.method not in (None, *METHODS):
            raise ConfigError("--method", f"it is {options.method!r}", f"choose one of {', '.join(METHODS)}")
        self.options = options
        self.progress = progress
        chosen = DatasetOptions(allow_partial=options.allow_partial, categories=options.categories)
        self.dataset: Dataset = load_dataset(options.dataset, options.root, chosen)
        self.method = options.method or ("padim" if self.dataset.is_still else "motion")
        _hold_motion(options, self.method, self.dataset.is_still)
        self.backbone: Backbone = load_backbone(options.model)
        self.missing = list(self.dataset.missing)

    def run(self, groups: Mapping[str, Sequence[Method]]) -> dict[str, list[Draw]]:
        """Learn and score by all methods of all groups, features extracted once for all of them.

        Args:
            groups: Methods that differ in their seed alone, by the name of what they are draws of.

        Returns:
            The draws of each group; of random views one for each view.

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
                remedy = "mend the data set; what is wrong with it: " + "; ".join(self.missing[:3])
                raise DatasetError(str(self.dataset.root), "none of its test clips could be scored", remedy)
        return draws

    def views(self) -> list[View]:
        """How pictures are seen: one way, or as many random ones as there are seeds."""
        crop, first = self.dataset.crop, self.options.model.seed
        if self.dataset.name != "rd-mvtec":
            return [View(INPUT_SIZE, crop)]
        return [View(INPUT_SIZE, crop, seed) for seed in range(first, first + (self.options.seeds or SEEDS))]

    def padims(self, model: ModelConfig, calibrated: bool = False) -> list[Method]:
        """PaDiM with its seeds, where it is drawn at all and not the view is.

        Args:
            model: Its reduction.
            calibrated: Whether the first also tells false-alarm rates.
        """
        several = model.reduction in SEEDED and len(self.views()) == 1
        calibrate = calibrated and not self.dataset.is_still
        return list(padim_seeds(model, (self.options.seeds or SEEDS) if several else 1, calibrate=calibrate))

    def methods(self, name: str) -> list[Method]:
        """The draws of one of `METHODS`, with the options' settings.

        Raises:
            ConfigError: It can't be run with them.
        """
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
        """What `motion` is without each of its parts, and PaDiM alone; by what is taken away."""
        assert isinstance(whole, Motion)
        groups: dict[str, Sequence[Method]] = {f"without {each.part}": [each] for each in motion_parts(whole)}
        return groups | {"PaDiM alone": padim_seeds(self.options.model, 1)}

    def harness(self, view: View, methods: Sequence[Method]) -> Harness:
        """What runs some methods over one view."""
        taking = self.options.taking
        context = digest(*cache_context(self.dataset, view, self.backbone, taking, __version__))
        return Harness(
            dataset=self.dataset,
            view=view,
            methods={method: Cache(self.options.cache, context, method.key) for method in methods},
            backbone=self.backbone,
            taking=taking,
            progress=self.progress,
            allow_partial=self.options.allow_partial,
        )


def _hold_motion(options: StudyOptions, method: str, is_still: bool) -> None:
    """Refuse what still images and other methods can't be asked for.

    Raises:
        ConfigError: Motion or a rate of still images, or an ablation of another method.
    """
    if method == "motion" and is_still:
        found = f"it is motion, and {options.dataset} is still images"
        raise ConfigError("--method", found, "give --method padim, or a data set of video")
    if options.taking.score_fps is not None and is_still:
        found = f"it is {options.taking.score_fps:g}, and {options.dataset} is still images"
        raise ConfigError("--score-fps", found, "leave it out, or give a data set of video")
    if options.ablation and method != "motion":
        raise ConfigError("--ablation", f"it takes motion apart, and the method is {method}", "give --method motion")
