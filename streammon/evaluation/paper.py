"""The eight tables of the PaDiM paper (arXiv:2011.08785), computed on a data set, with the paper's figures.

The paper's figures are means over MVTec AD's categories (table IV: ShanghaiTech Campus), most of them with other
backbones. Figures on other footage can't be compared with the paper's directly.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import cycle, islice

import numpy as np

from streammon.errors import ConfigError
from streammon.evaluation import paper_figures
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import plan_banks
from streammon.evaluation.localisation import PIXEL_AUROC, PRO, localisation
from streammon.evaluation.methods import Batch, GridSmoother, Method, Scorer, Vae
from streammon.evaluation.metrics import ClipScores, mean_scene_auroc, micro_auroc, scene_aurocs
from streammon.evaluation.metrics.frames import defined_mean
from streammon.evaluation.metrics.table import mean_and_spread
from streammon.evaluation.paper_runs import COMPARED, PaperRuns, compared
from streammon.evaluation.results import ABSENT, PlainTable
from streammon.padim import as_batch

TIMED_FRAMES = 12  # scored by every method in turn, so that load on the machine slows all alike
UNTIMED_FRAMES = 2  # warm-up
GROUPS = ("textures", "objects", "all")  # of MVTec AD's categories, whose means the paper prints

Cells = tuple[str, str]
"""Pixel AUROC and PRO."""


class PaperTables:
    """Computes the tables of the paper; results that several tables need are computed once.

    Args:
        runs: Runs the methods of each table.
    """

    def __init__(self, runs: PaperRuns) -> None:
        self._runs = runs
        self._study = runs.study
        self._backbone = runs.study.backbone.name

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

    def require_fitting(self, numbers: Sequence[int]) -> None:
        """Require that the data set is the one that the tables need.

        Raises:
            ConfigError: Table 6 needs the data set `rd-mvtec`.
        """
        if 6 in numbers and self._study.dataset.name != "rd-mvtec":
            found = f"it is {self._study.dataset.name}, and table 6 needs MVTec AD in random views"
            raise ConfigError("--dataset", found, "give --dataset rd-mvtec")

    def _layers(self) -> PlainTable:
        return self._ablation(1, "Table I: layers", paper_figures.LAYERS)

    def _reductions(self) -> PlainTable:
        return self._ablation(2, "Table II: reduction of channels", paper_figures.REDUCTIONS)

    def _ablation(self, number: int, title: str, paper: Mapping[str, Mapping[str, paper_figures.Pair]]) -> PlainTable:
        rows = []
        for name, group in self._runs.run(number).items():
            pixels = self._localised(group)[1]["all"]
            rows.append((name, *pixels, self._frames(group), *_pair(paper.get(name, {}).get("all"))))
        columns = ("", "pixel AUROC %", "PRO %", f"{self._level} AUROC %", "paper: AUROC %", "paper: PRO %")
        return PlainTable(
            title, columns, tuple(rows), f"ours: {self._backbone}; paper: resnet18, MVTec AD, all classes"
        )

    def _localisation(self) -> PlainTable:
        draws = self._runs.run(3)
        measured = {name: self._localised(group) for name, group in draws.items()}
        categories, groups = next(iter(measured.values()))
        shown = list(categories) or [self._study.dataset.name]
        if len(categories) > 1:
            shown += [name for name, cells in groups.items() if cells != (ABSENT, ABSENT)]
        rows = []
        for row in shown:
            texts = [row]
            for name, (of_category, of_group) in measured.items():
                ours = (of_category | of_group).get(row, of_group["all"])
                texts += [_joined(ours), _joined(_pair(paper_figures.LOCALISATION.get(name, {}).get(row)))]
            rows.append(tuple(texts))
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
        rows = [("CAVGA-RU", ABSENT, ABSENT, _percent(paper_figures.STC["CAVGA-RU"]))]
        for name, group in self._runs.run(4).items():
            pixels = self._localised(group)[1]["all"]
            rows.append((name, pixels[0], self._frames(group), _percent(paper_figures.STC.get(name))))
        columns = ("", "pixel AUROC %", f"{self._level} AUROC %", "paper: pixel AUROC % on STC")
        return PlainTable(
            "Table IV: video", columns, tuple(rows), f"ours on {self._study.dataset.name}; paper: ShanghaiTech Campus"
        )

    def _detection(self) -> PlainTable:
        measured = {name: self._detected(group) for name, group in self._runs.run(5).items()}
        absent = dict.fromkeys(GROUPS, ABSENT)
        rows = []
        for name in dict.fromkeys([*paper_figures.DETECTION, *measured]):
            reported = paper_figures.DETECTION.get(name, {})
            texts = [name]
            for group in GROUPS:
                texts += [measured.get(name, absent)[group], _percent(reported.get(group))]
            rows.append(tuple(texts))
        return PlainTable(
            "Table V: detection",
            _grouped_columns(f"{self._level} AUROC %"),
            tuple(rows),
            "paper: MVTec AD, MahalanobisAD with efficientnet_b4, SPADE with wide_resnet50_2",
        )

    def _random_views(self) -> PlainTable:
        self.require_fitting([6])
        rows = []
        for name, group in self._runs.run(6).items():
            reported = paper_figures.RANDOM_VIEWS.get(name, {})
            texts, found = [name], self._localised(group)[1]
            for which in GROUPS:
                texts += [_joined(found[which]), _joined(_pair(reported.get(which)))]
            rows.append(tuple(texts))
        views = len(self._study.views())
        return PlainTable(
            "Table VI: images in random views",
            _grouped_columns("AUROC % / PRO %"),
            tuple(rows),
            f"ours: mean of {views} random views; paper: mean of 5, PaDiM and SPADE with wide_resnet50_2",
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
        methods = {name: group[0] for name, group in compared(self._study, COMPARED[5]).items()}
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

    @property
    def _level(self) -> str:
        return "image" if self._study.dataset.is_still else "frame"

    def _frames(self, draws: Sequence[Draw]) -> str:
        """Micro AUROC of frames for video; mean over categories of the AUROC of still images."""
        figure = mean_scene_auroc if self._study.dataset.is_still else micro_auroc
        return _spread([figure(clips) for clips in self._scores(draws)])

    def _detected(self, draws: Sequence[Draw]) -> dict[str, str]:
        """AUROC of images: means over the paper's groups of categories; of video, the micro AUROC of all frames."""
        shown = dict.fromkeys(GROUPS, ABSENT)
        if self._study.dataset.is_still:
            aurocs = [scene_aurocs(clips) for clips in self._scores(draws)]
            for group, names in _grouped(aurocs[0]).items():
                shown[group] = _spread([defined_mean([each[name] for name in names]) for each in aurocs])
        return shown | {"all": self._frames(draws)}

    def _scores(self, draws: Sequence[Draw]) -> list[list[ClipScores]]:
        """Frame scores of the clips after post-processing, of each draw."""
        process = self._study.options.post_processing.apply
        return [[process(clip) for clip in draw.scores()] for draw in draws]

    def _localised(self, draws: Sequence[Draw]) -> tuple[dict[str, Cells], dict[str, Cells]]:
        """Pixel AUROC and PRO of each category of still images, and means over the paper's groups of categories.

        Video has no categories, and its group `all` is of the pixels of all clips together.
        """
        groups = dict.fromkeys(GROUPS, (ABSENT, ABSENT))
        found = localisation(draws, self._study.progress, regions=False, nulls=False)
        if found is None:
            return {}, groups
        categories = {name: (_cell(f[PIXEL_AUROC]), _cell(f[PRO])) for name, f in found.by_scene.items()}
        for group, names in _grouped(categories).items():
            figures = [found.by_scene[name] for name in names]
            groups[group] = (_mean(figures, PIXEL_AUROC), _mean(figures, PRO))
        whole = {measure.name: measure for measure in found.tables[0].measures}
        auroc, pro = whole[PIXEL_AUROC], whole[PRO]
        groups["all"] = (_cell(auroc.value, auroc.spread), _cell(pro.value, pro.spread))
        return categories, groups


def _grouped(categories: Iterable[str]) -> dict[str, list[str]]:
    """Categories of the paper's groups `textures` and `objects`; a group without a category is left out."""
    groups: dict[str, list[str]] = {}
    for name in categories:
        groups.setdefault("textures" if name in paper_figures.TEXTURES else "objects", []).append(name)
    return groups


def _grouped_columns(figures: str) -> tuple[str, ...]:
    """Column headings of a table with our figures and the paper's for each group of categories."""
    return (figures, *(column for group in GROUPS for column in (group, "paper")))


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


def _joined(cells: Cells) -> str:
    """AUROC and PRO in one cell.

    >>> _joined(("97.5", "92.1")), _joined((ABSENT, ABSENT))
    ('97.5 / 92.1', '–')
    """
    return ABSENT if set(cells) == {ABSENT} else " / ".join(cells)


def _pair(figures: tuple[float, float | None] | None) -> tuple[str, str]:
    return (ABSENT, ABSENT) if figures is None else (_percent(figures[0]), _percent(figures[1]))
