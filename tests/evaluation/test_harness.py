"""One run for many methods: features once, results as soon as a clip is done, nothing done twice."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from streammon.config import ModelConfig
from streammon.errors import DatasetError, FootageError
from streammon.evaluation.cache import Cache
from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import FrameSelection, Harness, plan_banks
from streammon.evaluation.labelled import Dataset
from streammon.evaluation.methods import Batch, GridSmoother, Method, Model, Padim, Progress, Scored, padim_seeds
from streammon.padim import Backbone, load_backbone
from support.dataset_trees import Tree, folder_tree, mvtec_category, stc_tree
from support.precision import COMPUTED

MODEL = ModelConfig.model_validate({"dimensions": 8, **COMPUTED})
VIEW = View(64)


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(MODEL)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Two scenes of three training clips of 6 frames, and two test clips of 9 each."""
    return stc_tree(tmp_path_factory.mktemp("harness") / "stc", training_clips=3, training_frames=6)


@pytest.fixture(scope="module")
def dataset(tree: Tree) -> Dataset:
    return load_dataset("stc", tree.root, DatasetOptions(allow_partial=True))


def harness(
    dataset: Dataset, backbone: Backbone, folder: Path, methods: list[Method], selection: FrameSelection | None = None
) -> Harness:
    selection = selection or FrameSelection(batch=4)
    caches = {method: Cache(folder, str(selection), method.key) for method in methods}
    return Harness(dataset, VIEW, caches, backbone, selection, quiet)


def scores(run: Harness, method: Method) -> dict[str, list[float]]:
    found = {clip.name: run.result(method, clip) for clip in run.dataset.clips}
    return {name: result.scores.tolist() for name, result in found.items() if result is not None}


class Counting:
    """A method whose model counts: each frame's score is the number of frames that were learned."""

    needs_maps = needs_details = False
    name = key = "counting"
    ended = 0

    def __init__(self, stop_after: int = 10**9) -> None:
        self.given: list[int] = []
        self.left = stop_after

    def model(self, _scene: str, _backbone: Backbone, _side: int) -> Model:
        return CountingModel(self)


class CountingModel:
    passes = 1

    def __init__(self, method: Counting) -> None:
        self.method = method
        self.learned = 0

    def learn(self, batch: Batch) -> None:
        if self.method.left <= 0:
            raise KeyboardInterrupt
        self.method.left -= len(batch.times_s)
        self.method.given.append(len(batch.times_s))
        self.learned += len(batch.times_s)

    def end_pass(self) -> None:
        self.method.ended += 1

    def finish(self, progress: Progress) -> None:
        """Nothing to solve."""

    def score(self, batch: Batch) -> Scored:
        return Scored(np.full(len(batch.times_s), float(self.learned)), ())

    def state(self) -> dict[str, Tensor]:
        return {"learned": torch.tensor(self.learned)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.learned = int(state["learned"])

    def scoring_bytes(self) -> int:
        return 8


def test_every_frame_of_a_scene_is_learned_once_and_every_test_frame_scored(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    method = Counting()
    run = harness(dataset, backbone, tmp_path, [method])
    run.run()
    assert scores(run, method) == {clip.name: [18.0] * 9 for clip in dataset.clips}
    assert method.given == [4, 2] * 3 * 2
    assert method.ended == 2


def test_nothing_is_done_twice(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    harness(dataset, backbone, tmp_path, [Counting()]).run()
    again = Counting()
    harness(dataset, backbone, tmp_path, [again]).run()
    assert again.given == []


def test_a_finished_model_leaves_no_saved_fit(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    method = Counting()
    run = harness(dataset, backbone, tmp_path, [method])
    assert isinstance(run.model(method, plan_banks(dataset, run.selection)[0]), CountingModel)
    assert method.given == [4, 2] * 3
    assert list(tmp_path.rglob("*.fit.safetensors")) == []


def test_a_clip_that_is_lacking_is_all_that_is_scored_again(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    method = Counting()
    harness(dataset, backbone, tmp_path, [method]).run()
    next(tmp_path.rglob("02_0001.scores.npy")).unlink()
    told: list[str] = []
    run = harness(dataset, backbone, tmp_path, [method])
    run.progress = lambda what, _done, _total: told.append(what)
    run.run()
    assert set(told) == {"learning 02", "scoring 02_0001"}


@pytest.mark.parametrize("stop_after", [3, 6, 11, 17, 20])
def test_an_interrupted_run_loses_at_most_a_clip(
    dataset: Dataset, backbone: Backbone, tmp_path: Path, stop_after: int
) -> None:
    interrupted, method = Counting(stop_after), Counting()
    with pytest.raises(KeyboardInterrupt):
        harness(dataset, backbone, tmp_path, [interrupted]).run()
    run = harness(dataset, backbone, tmp_path, [method])
    run.run()
    assert scores(run, method) == {clip.name: [18.0] * 9 for clip in dataset.clips}
    assert sum(interrupted.given) + sum(method.given) - 36 <= 6


def test_padim_goes_on_where_it_was_interrupted_with_the_same_scores(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    methods: list[Method] = [*padim_seeds(MODEL, 2, calibrate=True)]
    whole = harness(dataset, backbone, tmp_path / "whole", methods)
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        harness(dataset, backbone, tmp_path / "parts", [*methods, Counting(14)]).run()
    assert list((tmp_path / "parts").rglob("*.fit.safetensors"))
    parts = harness(dataset, backbone, tmp_path / "parts", methods)
    parts.run()
    for method in methods:
        assert scores(parts, method) == scores(whole, method)
    assert all(parts.methods[method].fit("01") is None for method in methods), "what is scored needs no fit any more"


def test_seeds_that_come_later_are_added_to_those_that_are_there(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    first, second = padim_seeds(MODEL, 2)
    harness(dataset, backbone, tmp_path / "a", [first]).run()
    both = harness(dataset, backbone, tmp_path / "a", [first, second])
    both.run()
    alone = harness(dataset, backbone, tmp_path / "b", [second])
    alone.run()
    assert scores(both, second) == scores(alone, second)
    assert scores(both, first) != scores(both, second)


def test_maps_and_frame_scores_are_those_of_one_scorer(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    method = Padim(MODEL)
    run = harness(dataset, backbone, tmp_path, [method])
    run.run()
    draw, clip = Draw(run, method), dataset.clips[0]
    result = run.result(method, clip)
    assert result is not None
    maps = np.stack(list(draw.maps(clip)))
    assert maps.shape == (9, 64, 64)
    assert maps.max((1, 2)) == pytest.approx(result.scores, rel=1e-5)
    assert np.array_equal(maps, np.maximum(GridSmoother(64)(result.grids), 0))


def test_every_other_frame_means_so_in_training_and_test(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    method = Counting()
    run = harness(dataset, backbone, tmp_path, [method], FrameSelection(every=2))
    run.run()
    assert scores(run, method) == {clip.name: [9.0] * 5 for clip in dataset.clips}
    first = Draw(run, method).scores()[0]
    assert (first.fps, first.labels.tolist()) == (12.0, dataset.clips[0].labels[::2].tolist())


class Numbering(Counting):
    """A method that gives each frame its number in the clip as its score."""

    name = key = "numbering"

    def model(self, _scene: str, _backbone: Backbone, _side: int) -> Model:
        return NumberingModel(self)


class NumberingModel(CountingModel):
    def score(self, batch: Batch) -> Scored:
        return Scored(np.array([float(frame.seq) for frame in batch.frames]), ())


def test_frames_that_a_rate_leaves_out_have_the_score_of_the_last_one_that_was_scored(
    dataset: Dataset, backbone: Backbone, tmp_path: Path
) -> None:
    """24 frames a second scored at 8: every third one."""
    counting, numbering = Counting(), Numbering()
    run = harness(dataset, backbone, tmp_path, [counting, numbering], FrameSelection(score_fps=8.0, batch=4))
    told: list[tuple[int, int]] = []
    run.progress = lambda _what, done, total: told.append((done, total))
    run.run()
    assert scores(run, numbering) == {clip.name: [0.0, 0, 0, 3, 3, 3, 6, 6, 6] for clip in dataset.clips}
    assert scores(run, counting) == {clip.name: [6.0] * 9 for clip in dataset.clips}  # two of each clip's six
    assert told[-1] == (24, 24)
    first = Draw(run, counting).scores()[0]
    assert (first.fps, first.labels.tolist()) == (24.0, dataset.clips[0].labels.tolist())


def test_a_limit_counts_the_frames_that_a_rate_leaves(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    method, selection = Counting(), FrameSelection(score_fps=8.0, max_train_frames=3)
    run = harness(dataset, backbone, tmp_path, [method], selection)
    run.run()
    assert scores(run, method) == {clip.name: [3.0] * 9 for clip in dataset.clips}
    plan = plan_banks(dataset, selection)[0]
    assert (plan.total, plan.scored, plan.kept) == (18, 6, 3)


def test_the_seconds_that_are_learned_are_those_between_frames_of_a_clip(dataset: Dataset) -> None:
    """Three clips of 6 frames at 24 a second: five steps each."""
    for selection, steps in (
        (FrameSelection(), 15 / 24),
        (FrameSelection(every=2), 6 / 12),
        (FrameSelection(score_fps=8.0), 3 / 8),
    ):
        assert plan_banks(dataset, selection)[0].total_s == pytest.approx(steps)


def test_limited_training_frames_are_spread_evenly(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    method = Counting()
    run = harness(dataset, backbone, tmp_path, [method], FrameSelection(max_train_frames=6))
    run.run()
    assert scores(run, method)["01_0001"] == [6.0] * 9
    plan = plan_banks(dataset, FrameSelection(max_train_frames=6))[0]
    assert [index for index in range(plan.total) if plan.takes(index)] == [0, 3, 6, 9, 12, 15]


def test_a_global_bank_learns_every_scene(dataset: Dataset, backbone: Backbone, tmp_path: Path) -> None:
    method = Counting()
    run = harness(dataset, backbone, tmp_path, [method], FrameSelection(global_bank=True))
    run.run()
    assert scores(run, method) == {clip.name: [36.0] * 9 for clip in dataset.clips}


def test_a_scene_that_nobody_is_scored_with_is_not_learned(dataset: Dataset) -> None:
    only = replace(dataset, clips=tuple(clip for clip in dataset.clips if clip.scene == "02"))
    assert [plan.name for plan in plan_banks(only, FrameSelection())] == ["02"]


def test_thresholds_come_from_footage_that_was_held_out(backbone: Backbone, tmp_path: Path) -> None:
    tree = stc_tree(tmp_path / "stc", training_clips=1, training_frames=75, test_frames=4)
    dataset = load_dataset("stc", tree.root, DatasetOptions(allow_partial=True))
    calibrated, plain = Padim(MODEL, calibrate=True), Padim(MODEL)
    run = harness(dataset, backbone, tmp_path / "cache", [calibrated, plain])
    run.run()
    # the finished bank knows all frames either way; its sums, rounded to 16 bits, were added in other blocks
    for name, found in scores(run, plain).items():
        assert scores(run, calibrated)[name] == pytest.approx(found, rel=3e-5)
    thresholds = Draw(run, calibrated).thresholds(dataset.clips[0])
    assert thresholds["1 a day"] > thresholds["1 an hour"] > 0
    assert Draw(run, plain).thresholds(dataset.clips[0]) == {}


def test_a_video_of_another_length_than_its_labels_ends_the_run(tmp_path: Path, backbone: Backbone) -> None:
    tree = folder_tree(tmp_path / "folder")
    dataset = load_dataset("folder", tree.root, DatasetOptions())
    noon, others = dataset.clips[0], dataset.clips[1:]
    longer = replace(noon, labels=np.append(noon.labels, [False]))
    run = harness(replace(dataset, clips=(longer, *others)), backbone, tmp_path / "cache", [Counting()])
    with pytest.raises(DatasetError) as refusal:
        run.run()
    assert str(noon.clip.path) in str(refusal.value)


def test_a_clip_may_be_as_much_shorter_than_its_labels_as_its_data_set_allows(
    tmp_path: Path, backbone: Backbone
) -> None:
    tree, method = folder_tree(tmp_path / "folder"), Numbering()
    dataset = load_dataset("folder", tree.root, DatasetOptions())
    noon, others = dataset.clips[0], dataset.clips[1:]
    longer = replace(noon, labels=np.append(noon.labels, [False, False]), length_slack=2)
    dataset = replace(dataset, clips=(longer, *others))
    run = harness(dataset, backbone, tmp_path / "cache", [method])
    run.run()
    assert scores(run, method)[noon.name] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    longest = replace(longer, labels=np.append(longer.labels, [False]))
    run = harness(replace(dataset, clips=(longest, *others)), backbone, tmp_path / "other", [method])
    with pytest.raises(DatasetError, match=r"9 .*12"):
        run.run()


def test_a_damaged_frame_ends_the_run_or_is_left_out(tmp_path: Path, backbone: Backbone) -> None:
    tree = mvtec_category(tmp_path / "nut", defective=3)
    dataset = load_dataset("mvtec", tree.root, DatasetOptions())
    (tree.root / "test" / "block" / "001.png").write_bytes(b"\x89PNG, and then nothing")
    method = Counting()
    with pytest.raises(FootageError, match=r"001\.png"):
        harness(dataset, backbone, tmp_path / "a", [method]).run()
    run = harness(dataset, backbone, tmp_path / "b", [method])
    run.allow_partial = True
    run.run()
    assert [clip.name for clip in Draw(run, method).clips] == ["nut/good"]
    assert len(run.missing) == 1
    assert "001.png" in run.missing[0]
