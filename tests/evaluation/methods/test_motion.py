"""Motion as a method: a runner among walkers is found, the same in every run, however often interrupted."""

import json
from pathlib import Path

import numpy as np
import pytest

from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.evaluation.cache import Cache, ClipResult
from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import FrameSelection, Harness
from streammon.evaluation.labelled import Dataset
from streammon.evaluation.methods import (
    GridSmoother,
    Method,
    MotionMethod,
    MotionPart,
    Padim,
    motion_parts,
    motion_seeds,
)
from streammon.evaluation.methods.observing import SharedObserver
from streammon.evaluation.metrics import micro_auroc
from streammon.motion import Observer
from streammon.padim import Backbone, as_batch, load_backbone
from streammon.scene import Parts
from support.commands import command_here
from support.dataset_trees import mvtec_category
from support.precision import COMPUTED
from support.runner_tree import RUN_FROM, RUN_TO, TEST_FRAMES, runner_tree
from support.walking_frames import frames_of, walking

pytestmark = pytest.mark.slow

MODEL = ModelConfig.model_validate({"dimensions": 8, **COMPUTED})

READINGS = {
    "nothing": Parts(),
    "looks and change": Parts(objects=False, change=False),
    "speed, looks and change": Parts(speed=False, objects=False, change=False),
}


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motion") / "street"
    runner_tree(folder)
    return folder


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(MODEL)


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return load_dataset("folder", root, DatasetOptions())


def harness(dataset: Dataset, backbone: Backbone, folder: Path, methods: list[Method]) -> Harness:
    caches = {method: Cache(folder, "street", method.key) for method in methods}
    return Harness(dataset, View(64), caches, backbone, FrameSelection(), quiet)


def scores(run: Harness, method: Method) -> dict[str, list[float]]:
    return {clip.name: clip.scores.tolist() for clip in Draw(run, method).scores()}


@pytest.fixture(scope="module")
def draws() -> list[MotionMethod]:
    return motion_seeds(MODEL, 2)


@pytest.fixture(scope="module")
def whole(draws: list[MotionMethod]) -> MotionMethod:
    return draws[0]


@pytest.fixture(scope="module")
def ran(
    dataset: Dataset, backbone: Backbone, draws: list[MotionMethod], tmp_path_factory: pytest.TempPathFactory
) -> Harness:
    """The whole method twice, the ablation of the first and PaDiM, in one run."""
    whole, another = draws
    readings = [MotionPart(whole, name, parts) for name, parts in READINGS.items()]
    methods: list[Method] = [another, *readings, *motion_parts(whole), whole, Padim(MODEL)]
    run = harness(dataset, backbone, tmp_path_factory.mktemp("cache"), methods)
    run.run()
    return run


def auroc(run: Harness, method: Method) -> float:
    found = micro_auroc(Draw(run, method).scores())
    assert found is not None
    return found


def test_a_runner_who_looks_like_the_walkers_is_found_better_by_motion_than_by_patches_alone(
    ran: Harness, whole: MotionMethod
) -> None:
    padim = next(method for method in ran.methods if isinstance(method, Padim))
    assert auroc(ran, whole) > 0.9
    assert auroc(ran, whole) > auroc(ran, padim)


def part(ran: Harness, name: str) -> MotionPart:
    return next(method for method in ran.methods if isinstance(method, MotionPart) and method.part == name)


def test_every_part_can_be_taken_away(ran: Harness) -> None:
    removed = {method.part for method in ran.methods if isinstance(method, MotionPart)} - set(READINGS)
    parts = {"speed", "objects", "change", "patches", "direction", "place", "shape", "view", "smoothing over time"}
    assert removed == parts
    assert len({method.key for method in ran.methods}) == len(ran.methods)


def test_speed_by_itself_finds_the_runner_and_all_that_is_no_part_of_it_does_far_worse(ran: Harness) -> None:
    assert auroc(ran, part(ran, "looks and change")) > 0.9
    assert auroc(ran, part(ran, "speed, looks and change")) < 0.8  # of 0.74, by patches, direction, place and shape


@pytest.mark.parametrize("name", ["speed", "change", "smoothing over time"])
def test_what_tells_the_runner_changes_the_scores_when_it_is_taken_away(
    ran: Harness, whole: MotionMethod, name: str
) -> None:
    runs, without = scores(ran, whole)["runs"], scores(ran, part(ran, name))["runs"]
    running = slice(RUN_FROM + 3, RUN_TO)
    assert np.abs(np.subtract(runs[running], without[running])).mean() > 0.1


def test_taking_nothing_away_changes_nothing(ran: Harness, whole: MotionMethod) -> None:
    assert scores(ran, part(ran, "nothing")) == scores(ran, whole)


def test_the_maps_show_the_parts_that_are_left(ran: Harness, whole: MotionMethod) -> None:
    patches, motion = result(ran, whole).grids
    assert patches.shape[0] == motion.shape[0] == TEST_FRAMES
    assert min(patches.min(), motion.min()) >= 0
    assert min(patches.max(), motion.max()) > 0
    assert not result(ran, part(ran, "patches")).grids[0].any()


def test_each_frames_map_peaks_at_its_score(ran: Harness, whole: MotionMethod) -> None:
    for method in (whole, part(ran, "speed"), part(ran, "patches")):
        found = result(ran, method)
        peaks = GridSmoother(64)(found.grids).max((1, 2))
        shown = peaks > 0
        assert shown.any()
        np.testing.assert_allclose(peaks[shown], found.scores[shown], rtol=1e-4)


def result(ran: Harness, method: Method) -> ClipResult:
    found = ran.result(method, ran.dataset.clips[0])
    assert found is not None
    return found


def test_an_interrupted_run_goes_on_with_the_same_scores_and_nothing_is_done_twice(
    ran: Harness, dataset: Dataset, backbone: Backbone, whole: MotionMethod, tmp_path: Path
) -> None:
    fit_files = []
    for stop_after in (55, 65, 70, None):  # in the second clip; from there in the third; from there while scoring
        method = MotionMethod(MODEL)
        run = harness(dataset, backbone, tmp_path, [method])
        run.progress = Stopping(stop_after)
        try:
            run.run()
        except KeyboardInterrupt:
            fit_files.append(len(list(tmp_path.rglob("*.fit.safetensors"))))
    assert fit_files == [1, 1, 1]
    assert scores(run, method) == scores(ran, whole)
    run.progress = Stopping(0)
    run.run()  # all is kept: nothing is worked on


class Stopping:
    """Interrupts a run that has done so many frames."""

    def __init__(self, after: int | None) -> None:
        self._after = after

    def __call__(self, what: str, done: int, _total: int) -> None:
        if self._after is not None and not what.startswith("solving") and done >= self._after:
            raise KeyboardInterrupt


def test_each_frame_is_observed_once_however_it_is_asked_for(backbone: Backbone) -> None:
    """Whole by one model, in parts by another whose hold-out begins within."""
    frames = frames_of(walking(0, 8))
    maps = backbone.maps(as_batch([frame.picture for frame in frames]))
    known = [seen.change is not None for seen in Observer(backbone).observe(frames, maps)]
    assert any(known)
    for cuts in ([(0, 8), (0, 3), (3, 8), (0, 8)], [(0, 3), (3, 8), (0, 8), (0, 5), (5, 8)]):
        observer, distinct = SharedObserver(MODEL).of("street", backbone), set()
        for first, end in cuts:
            found = observer.observe(frames[first:end], [each[first:end] for each in maps])
            assert [seen.change is not None for seen in found] == known[first:end]
            distinct |= set(map(id, found))
        assert len(distinct) == len(frames)


def test_another_channel_choice_scores_otherwise_in_the_same_run(ran: Harness, whole: MotionMethod) -> None:
    another = next(method for method in ran.methods if isinstance(method, MotionMethod) and method is not whole)
    ours, others = (result(ran, method).grids[0] for method in (whole, another))
    assert not np.array_equal(ours, others)  # of the patches, which see other channels


def test_thresholds_come_from_the_footage_that_was_held_out(ran: Harness, whole: MotionMethod) -> None:
    thresholds = Draw(ran, whole).thresholds(ran.dataset.clips[0])
    assert thresholds["1 a day"] > thresholds["1 an hour"] > 0


def test_too_little_footage_to_hold_some_out_is_told(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    run = harness(dataset, backbone, tmp_path, [MotionMethod(MODEL)])
    run.selection = FrameSelection(max_train_frames=20)
    with pytest.raises(FootageError) as refusal:
        run.run()
    assert str(refusal.value) == (
        "scene 'scene': 9 frames are left to calibrate on; give more footage, or --method padim"
    )


def test_one_command_evaluates_video_by_motion_and_takes_it_apart(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("eval", "--dataset", "folder", "--root", root, "--dimensions", "8", "--every", "3", "--ablation")
    ended = command_here(monkeypatch, capfd)(*words, "--cache", tmp_path, "--json", "r.json", "--report", "page")
    assert ended.code == 0, ended
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["title"] == "folder: motion beside PaDiM efficientnet_lite0 Rd8"
    assert report["facts"]["delay"].startswith("scores are causal means over ")
    (table,) = report["tables"]
    assert [row[0] for row in table["rows"]][:2] == ["all parts", "without speed"]
    assert table["rows"][-1][0] == "PaDiM alone"
    assert all(0 <= float(cell) <= 1 for row in table["rows"] for cell in row[1:])
    measures = {each["title"]: each["measures"][0]["value"] for each in report["measures"]}
    assert table["rows"][0][1] == f"{measures['Frame level']:.3f}"
    assert table["rows"][0][4] == f"{measures['Pixel level']:.3f}"
    assert "Ablation: figures without each part" in ended.stdout
    assert "PaDiM alone" in (tmp_path / "page" / "index.html").read_text()


def test_still_images_have_no_motion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    category = mvtec_category(tmp_path / "nut").root
    told = command_here(monkeypatch, capfd)("eval", "--dataset", "mvtec", "--root", category, "--method", "motion")
    assert told.complaint == (
        "--method: it is motion, and mvtec has still images; give --method padim, or a data set of video"
    )
