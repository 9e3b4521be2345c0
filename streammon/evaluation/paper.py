"""The eight tables of the PaDiM paper (arXiv:2011.08785), computed on a data set, with the paper's figures.

The paper's figures are means over MVTec AD's categories (table IV: ShanghaiTech Campus), most of them with other
backbones. Figures on other footage can't be compared with the paper's directly.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import cycle, islice

import numpy as np

from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.evaluation import paper_figures
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import plan_banks
from streammon.evaluation.localisation import PIXEL_AUROC, PRO, localisation
from streammon.evaluation.methods import Batch, GridSmoother, Method, Scorer, SingleLayer, SummedLayers, Vae
from streammon.evaluation.metrics import mean_scene_auroc, micro_auroc
from streammon.evaluation.metrics.table import mean_and_spread
from streammon.evaluation.results import ABSENT, PlainTable
from streammon.evaluation.study import Study
from streammon.padim import as_batch

TIMED_FRAMES = 12  # scored by every method in turn, so that load on the machine slows all alike
UNTIMED_FRAMES = 2  # warm-up


class PaperTables:
    """Computes the tables of the paper; results that several tables need are computed once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._model = study.options.model
        self._backbone = study.backbone.name

    def table(self, number: int) -> PlainTable:
        """Table `number`, 1 to 8.

        Raises:
            ConfigError: Table 6 needs the data set `rd-mvtec`.
            InputError: The data set is damaged, or the cache can't be written.
        """
        tables: dict[int, Callable[[], PlainTable]] = {
            1: self._layers,
            2: self._reductions,
            3: self._localisation,
            4: self._video,
            5: self._detection,
            6: self._random_views,
            7: self._seconds,
            8: self._memory,
        }
        return tables[number]()

    def _layers(self) -> PlainTable:
        groups: dict[str, Sequence[Method]] = {
            f"layer {layer}": [SingleLayer(layer, self._backbone, self._model.frame_score)] for layer in (1, 2, 3)
        }
        groups["layers 1+2+3 summed"] = [SummedLayers(self._backbone, self._model.frame_score)]
        groups["all layers together"] = self._study.padims(self._padim("all"))
        return self._ablation("Table I: layers", groups, paper_figures.LAYERS)

    def _reductions(self) -> PlainTable:
        channels = sum(self._study.backbone.architecture.channels)
        groups: dict[str, Sequence[Method]] = {
            f"{name} {dimensions}": self._study.padims(self._padim(kind, dimensions))
            for dimensions in (100, 200)
            for name, kind in (("Rd", "random"), ("PCA", "pca"))
        }
        groups[f"all {channels}"] = self._study.padims(self._padim("all"))
        return self._ablation("Table II: reduction of channels", groups, paper_figures.REDUCTIONS)

    def _ablation(
        self,
        title: str,
        groups: Mapping[str, Sequence[Method]],
        paper: Mapping[str, Mapping[str, paper_figures.Pair]],
    ) -> PlainTable:
        draws = self._study.run(groups)
        rows = []
        for name, group in draws.items():
            reported = paper.get(name, {}).get("all")
            rows.append((name, *self._pixels(group), self._frames(group), *_pair(reported)))
        columns = ("", "pixel AUROC %", "PRO %", f"{self._level} AUROC %", "paper: AUROC %", "paper: PRO %")
        return PlainTable(
            title, columns, tuple(rows), f"ours: {self._backbone}; paper: resnet18, MVTec AD, all classes"
        )

    def _localisation(self) -> PlainTable:
        draws = self._study.run(self._compared("vae", "spade", "padim"))
        measured = {name: self._by_category(group) for name, group in draws.items()}
        rows = []
        for category in next(iter(measured.values())):
            cells = [category]
            for name, figures in measured.items():
                reported = paper_figures.LOCALISATION.get(name, {}).get(category)
                cells += [" / ".join(figures[category]), " / ".join(_pair(reported))]
            rows.append(tuple(cells))
        columns = ["AUROC % / PRO %"]
        for name in draws:
            columns += [name, "paper"]
        return PlainTable(
            "Table III: localisation",
            tuple(columns),
            tuple(rows),
            "paper: MVTec AD, SPADE with wide_resnet50_2, VAE trained for 100 epochs of 10,000 images",
        )

    def _video(self) -> PlainTable:
        draws = self._study.run(self._compared("spade", "padim"))
        rows = [("CAVGA-RU", ABSENT, ABSENT, _percent(paper_figures.STC["CAVGA-RU"]))]
        for name, group in draws.items():
            reported = paper_figures.STC.get(name)
            rows.append((name, self._pixels(group)[0], self._frames(group), _percent(reported)))
        columns = ("", "pixel AUROC %", f"{self._level} AUROC %", "paper: pixel AUROC % on STC")
        return PlainTable(
            "Table IV: video", columns, tuple(rows), f"ours on {self._study.dataset.name}; paper: ShanghaiTech Campus"
        )

    def _detection(self) -> PlainTable:
        draws = self._study.run(self._compared("spade", "mahalanobisad", "padim"))
        rows = []
        for name, group in draws.items():
            reported = paper_figures.DETECTION.get(name)
            rows.append((name, self._frames(group), _percent(reported)))
        columns = ("", f"{self._level} AUROC %", "paper: image AUROC %")
        return PlainTable(
            "Table V: detection",
            columns,
            tuple(rows),
            "paper: MVTec AD, all classes, MahalanobisAD with efficientnet_b4, SPADE with wide_resnet50_2",
        )

    def _random_views(self) -> PlainTable:
        if self._study.dataset.name != "rd-mvtec":
            found = f"it is {self._study.dataset.name}, and table 6 needs MVTec AD in random views"
            raise ConfigError("--dataset", found, "give --dataset rd-mvtec")
        draws = self._study.run(self._compared("vae", "spade", "padim"))
        rows = []
        for name, group in draws.items():
            reported = paper_figures.RANDOM_VIEWS.get(name)
            rows.append((name, *self._pixels(group), *_pair(reported)))
        views = len(self._study.views())
        return PlainTable(
            "Table VI: images in random views",
            ("", "pixel AUROC %", "PRO %", "paper: AUROC %", "paper: PRO %"),
            tuple(rows),
            f"ours: mean of {views} random views; paper: mean of 5, PaDiM with wide_resnet50_2; "
            "VAE and SPADE computed from the losses stated in its text",
        )

    def _seconds(self) -> PlainTable:
        seconds = self._inference_s()
        rows = []
        for name, taken in seconds.items():
            median = statistics.median(taken)
            reported = paper_figures.SECONDS.get(name)
            ratio = median / statistics.median(seconds[next(reversed(seconds))])
            shown = (name, f"{median:.3f}", f"{ratio:.1f}", ABSENT if reported is None else f"{reported:.2f}")
            rows.append(shown)
        note = f"one picture at a time, pixels to anomaly map; medians of {TIMED_FRAMES} frames, methods alternating"
        columns = ("", "seconds", "times PaDiM's", "paper: seconds (i7-4710HQ)")
        return PlainTable("Table VII: inference time", columns, tuple(rows), note)

    def _memory(self) -> PlainTable:
        network = self._study.backbone.engine.weights_bytes
        rows = []
        for name, (method, model) in self._models.items():
            reported = paper_figures.GIGABYTES.get(name, (None, None))
            own, shared = model.scoring_bytes(), network if method.needs_maps else 0
            on_paper = [ABSENT if figure is None else f"{figure:.2f}" for figure in reported]
            rows.append((name, f"{own / 1e9:.3f}", f"{(own + shared) / 1e9:.3f}", *on_paper))
        plan = plan_banks(self._study.dataset, self._study.options.selection)[0]
        note = f"bank {plan.name!r}, {plan.kept:,} training frames; float32, from the tensors that score"
        columns = ("", "model, GB", "with the network, GB", "paper: MVTec AD, GB", "paper: STC, GB")
        return PlainTable("Table VIII: memory", columns, tuple(rows), note)

    @cached_property
    def _models(self) -> dict[str, tuple[Method, Scorer]]:
        """Finished models of the first bank; the VAE after one epoch, which changes neither time nor memory."""
        methods = {name: group[0] for name, group in self._compared("spade", "mahalanobisad", "padim").items()}
        methods = {"VAE": Vae(epochs=1, images_per_epoch=min(32, self._study.options.epoch_images)), **methods}
        harness = self._study.harness(self._study.views()[0], list(methods.values()))
        plan = plan_banks(self._study.dataset, self._study.options.selection)[0]
        return {name: (method, harness.model(method, plan)) for name, method in methods.items()}

    def _inference_s(self) -> dict[str, list[float]]:
        """Inference times of single frames in seconds, by method; PaDiM is the last."""
        view, clip = self._study.views()[0], self._study.dataset.clips[0].clip
        smoother = GridSmoother(view.side, self._study.backbone.device)
        taken: dict[str, list[float]] = {name: [] for name in self._models}
        frames = cycle(islice(view.frames(clip), TIMED_FRAMES))  # a clip may be shorter
        for number, frame in enumerate(islice(frames, UNTIMED_FRAMES + TIMED_FRAMES)):
            pictures = as_batch([frame.picture])
            for name, (method, model) in self._models.items():
                began = time.perf_counter()
                maps = self._study.backbone.maps(pictures) if method.needs_maps else []
                scored = model.score(Batch(pictures, maps, [frame.stream_time_s]))
                if scored.grids:
                    smoother(scored.grids)
                if number >= UNTIMED_FRAMES:
                    taken[name].append(time.perf_counter() - began)
            self._study.progress("timing", number + 1, UNTIMED_FRAMES + TIMED_FRAMES)
        return taken

    def _compared(self, *names: str) -> dict[str, Sequence[Method]]:
        """Methods that a table compares, one for each seed, by name in the table."""
        shown = {"spade": "SPADE", "mahalanobisad": "MahalanobisAD", "vae": "VAE", "padim": "PaDiM"}
        groups: dict[str, Sequence[Method]] = {}
        for name in names:
            methods = self._study.padims(self._model) if name == "padim" else self._study.methods(name)
            own = methods[0].name.partition(",")[0]  # without the seed
            groups[own if name == "padim" else shown[name]] = methods
        return groups

    def _padim(self, reduction: str, dimensions: int | None = None) -> ModelConfig:
        return self._model.model_copy(update={"reduction": reduction, "dimensions": dimensions})

    @property
    def _level(self) -> str:
        return "image" if self._study.dataset.is_still else "frame"

    def _frames(self, draws: Sequence[Draw]) -> str:
        """Micro AUROC of frames for video; mean over categories of the AUROC of still images."""
        figure = mean_scene_auroc if self._study.dataset.is_still else micro_auroc
        return _spread([figure([self._study.options.post_processing.apply(c) for c in d.scores()]) for d in draws])

    def _pixels(self, draws: Sequence[Draw]) -> tuple[str, str]:
        """Pixel AUROC and PRO."""
        found = localisation(draws, self._study.progress, regions=False, nulls=False)
        if found is None:
            return ABSENT, ABSENT
        measures = {measure.name: measure for measure in found.tables[0].measures}
        return _cell(measures[PIXEL_AUROC].value, measures[PIXEL_AUROC].spread), _cell(
            measures[PRO].value, measures[PRO].spread
        )

    def _by_category(self, draws: Sequence[Draw]) -> dict[str, tuple[str, str]]:
        """Pixel AUROC and PRO of each category and the means of the paper's groups; for video, of all clips."""
        found = localisation(draws, self._study.progress, regions=False, nulls=False)
        if found is None:
            return {self._study.dataset.name: (ABSENT, ABSENT)}
        if not found.by_scene:
            return {self._study.dataset.name: self._pixels(draws)}
        cells = {name: (_cell(f[PIXEL_AUROC]), _cell(f[PRO])) for name, f in found.by_scene.items()}
        textures = [name for name in found.by_scene if name in paper_figures.TEXTURES]
        objects = [name for name in found.by_scene if name not in paper_figures.TEXTURES]
        for group, names in (("textures", textures), ("objects", objects), ("all", [*textures, *objects])):
            figures = [found.by_scene[name] for name in names]
            if len(figures) > 1:
                cells[group] = (_mean(figures, PIXEL_AUROC), _mean(figures, PRO))
        return cells


def _mean(figures: Sequence[Mapping[str, float | None]], name: str) -> str:
    return _cell(mean_and_spread([one[name] for one in figures])[0])


def _spread(values: Sequence[float | None]) -> str:
    return _cell(*mean_and_spread(values))


def _cell(value: float | None, spread: float | None = None) -> str:
    """A share in percent, formatted as in the paper.

    >>> _cell(0.9567), _cell(0.9567, 0.0013), _cell(None)
    ('95.7', '95.7 ± 0.1', '–')
    """
    if value is None or not np.isfinite(value):
        return ABSENT
    return f"{100 * value:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"


def _pair(figures: tuple[float, float | None] | None) -> tuple[str, str]:
    return (ABSENT, ABSENT) if figures is None else (_percent(figures[0]), _percent(figures[1]))
