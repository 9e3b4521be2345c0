"""`eval --scores-out`: the evaluation's own scores, equal to those of `score` by a scene of the same clips."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from streammon import evaluate, learn_scene, score_video
from streammon.errors import ConfigError, StorageError
from streammon.evaluation import harness
from streammon.evaluation.scores_out import ALERT_RATE
from streammon.score_files import COLUMNS, row
from support.dataset_trees import Tree, folder_tree
from support.precision import COMPUTED
from support.runner_tree import RUN_FROM, RUN_TO, runner_tree

SETTINGS: dict[str, Any] = {"dimensions": 8, **COMPUTED}
FPS = 25
ONCE_A_SECOND = 86400.0


@pytest.fixture(scope="module")
def lobby(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """60 frames to learn from, and two test clips of as many, without masks, which take most of the time."""
    tree = folder_tree(tmp_path_factory.mktemp("out") / "lobby", frames=60)
    shutil.rmtree(tree.root / "masks")
    return tree


def clip_of(tree: Tree, name: str) -> Path:
    return tree.root / "test" / ("noon.mp4" if name == "noon" else name)


def evaluated(tree: Tree, folder: Path, **options: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of each test clip."""
    evaluate("folder", tree.root, model=SETTINGS, cache=folder / "cache", scores_out=folder / "out", **options)
    files = sorted((folder / "out").rglob("*.parquet"))
    return {str(file.relative_to(folder / "out").with_suffix("")): pq.read_table(file).to_pylist() for file in files}


@pytest.mark.slow
def test_rows_are_those_of_score(lobby: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a threshold that seconds of footage can show, so that some frames have boxes."""
    monkeypatch.setattr(harness, "THRESHOLD_RATES", {ALERT_RATE: ONCE_A_SECOND})
    found = evaluated(lobby, tmp_path, method="padim", seeds=1)
    assert_rows_of_score(found, lobby.root / "train", partial(clip_of, lobby), "padim", FPS)
    assert [len(rows) for rows in found.values()] == [60, 60]
    # the block in three frames stands out
    assert [each["frame"] for each in found["noon"] if each["boxes"]][:3] == [2, 3, 4]


@pytest.mark.slow
def test_rows_are_those_of_score_where_somebody_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "THRESHOLD_RATES", {ALERT_RATE: ONCE_A_SECOND})
    root, street_fps = tmp_path / "street", 10
    runner_tree(root)
    shutil.rmtree(root / "masks")
    found = evaluated(Tree(root), tmp_path, method="motion", seeds=1)
    assert_rows_of_score(found, root / "train", (root / "test").joinpath, "motion", street_fps)
    assert any(each["boxes"] for each in found["runs"][RUN_FROM:RUN_TO])
    assert {each["channel"] for each in found["runs"][RUN_FROM:RUN_TO]} >= {"speed"}


def assert_rows_of_score(
    found: dict[str, list[dict[str, Any]]], training: Path, clip: Callable[[str], Path], method: str, fps: float
) -> None:
    """The same rows from `score`, by a scene that learned the training clips."""
    model = SETTINGS | {"method": method}
    scene = learn_scene(training, model=model, score_fps=None, false_alarms_per_day=ONCE_A_SECOND, fps=fps)
    for name, rows in found.items():
        expected = [row(record) for record in score_video(clip(name), scene, fps=fps)]
        for one, other in zip(rows, expected, strict=True):
            assert tuple(one) == COLUMNS
            for column in ("clip", "frame", "pts", "channel"):
                assert one[column] == other[column], column
            for column in ("seconds", "score", "level"):
                assert one[column] == pytest.approx(other[column], rel=1e-4, abs=1e-4), column
            assert one["rate"] == pytest.approx(10 ** -one["level"])
            assert len(one["boxes"]) == len(other["boxes"])
            for box, same in zip(one["boxes"], other["boxes"], strict=True):
                assert box == pytest.approx(same, abs=1.01)


def test_a_frame_that_is_not_scored_repeats_the_last_one(lobby: Tree, tmp_path: Path) -> None:
    rows = evaluated(lobby, tmp_path, method="motion", score_fps=12.5)["noon"]
    assert [each["frame"] for each in rows] == list(range(60))
    assert [each["seconds"] for each in rows] == pytest.approx([n / FPS for n in range(60)])
    scored = [each for each in rows if each["pts"] is not None]
    assert len(scored) == 30
    before: dict[str, Any] = {}
    for each in rows:
        before = each if each["pts"] is not None else before
        assert {name: each[name] for name in COLUMNS[4:]} == {name: before[name] for name in COLUMNS[4:]}


def test_rows_keep_the_numbers_of_the_frames_that_every_leaves(lobby: Tree, tmp_path: Path) -> None:
    rows = evaluated(lobby, tmp_path, method="mahalanobisad", every=4)["noon"]
    assert [each["frame"] for each in rows] == list(range(0, 60, 4))
    assert [each["seconds"] for each in rows] == pytest.approx([n / FPS for n in range(0, 60, 4)])
    assert {(each["level"], each["rate"], each["channel"], len(each["boxes"])) for each in rows} == {
        (None, None, None, 0)
    }
    assert all(each["score"] > 0 for each in rows)


def test_clips_of_scenes_are_written_to_their_folders_and_scores_are_raw(tmp_path: Path) -> None:
    tree = folder_tree(tmp_path / "campus", scenes=("gate", "yard"), frames=12)
    raw = evaluated(tree, tmp_path, method="mahalanobisad")
    assert list(raw) == ["gate/night", "gate/noon", "yard/night", "yard/noon"]
    smoothed = evaluated(tree, tmp_path, method="mahalanobisad", smoothing="causal:0.2", minmax=True)
    for name, rows in raw.items():
        np.testing.assert_array_equal([each["score"] for each in rows], [each["score"] for each in smoothed[name]])


def test_what_can_t_be_written_is_told_before_the_work(lobby: Tree, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="choose another --scores-out DIR"):
        evaluate("folder", lobby.root, cache=tmp_path, scores_out="/dev/null/out")
    with pytest.raises(ConfigError, match="--scores-out: a table of the paper has several methods; give --paper or "):
        evaluate("folder", lobby.root, cache=tmp_path, scores_out=tmp_path, paper=[1])
