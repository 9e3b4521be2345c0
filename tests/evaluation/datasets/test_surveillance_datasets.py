"""The newer surveillance data sets load in their layouts, with the truth that was put into them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.harness import FrameSelection, plan_banks, unscored_clips
from streammon.evaluation.labelled import Dataset, LabelledClip
from support.dataset_trees import Tree
from support.surveillance_trees import (
    complexvad_tree,
    corridor_tree,
    nwpu_tree,
    stc_weakly_tree,
    street_scene_tree,
    ubnormal_tree,
)

PARTIAL = DatasetOptions(allow_partial=True)


def assert_holds(dataset: Dataset, tree: Tree, masks: bool) -> None:
    """It has the clips, frames and labels of the tree, and its masks or none."""
    training = {clip.path: clip.frame_count() for scene in dataset.scenes for clip in scene.clips}
    assert training == tree.training
    assert sorted(clip.name for clip in dataset.clips) == sorted(tree.masks)
    for clip in dataset.clips:
        assert sum(1 for _ in clip.clip.frames(8)) == len(clip.labels)
        np.testing.assert_array_equal(clip.labels, tree.labels(clip.name))
        assert (clip.masks is not None) == masks
        if clip.masks is not None:
            assert len(clip.masks) == len(clip.labels)
            found = np.stack([clip.masks[index] for index in range(len(clip.masks))])
            np.testing.assert_array_equal(found, tree.masks[clip.name])


def boxes_of(clip: LabelledClip) -> list[tuple[int, ...]]:
    """Frame, track, left, top, right and bottom of every published box."""
    assert clip.tracks is not None
    return [
        (frame, track, *map(int, box))
        for frame in range(len(clip.labels))
        for box, track in zip(*clip.tracks[frame], strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "build", "fps", "size"),
    [
        ("nwpu", nwpu_tree, 25.0, "2 of 305 training clips, 3 of 242 test clips"),
        ("corridor", corridor_tree, 25.0, "2 of 208 training clips, 2 of 150 test clips"),
    ],
)
def test_data_sets_with_frame_labels_alone_load(
    tmp_path: Path, name: str, build: Callable[[Path], Tree], fps: float, size: str
) -> None:
    tree = build(tmp_path)
    dataset = load_dataset(name, tmp_path, PARTIAL)
    assert_holds(dataset, tree, masks=False)
    assert (dataset.name, dataset.fps, dataset.crop) == (name, fps, None)
    assert dataset.missing == (f"{tmp_path}: {size}; this is not the official size",)
    with pytest.raises(DatasetError, match="this is not the official size; complete the data set, or evaluate it as"):
        load_dataset(name, tmp_path, DatasetOptions())


@pytest.mark.parametrize(
    ("name", "build", "fps", "size"),
    [
        (
            "street-scene",
            street_scene_tree,
            15.0,
            "1 of 46 training clips, 9 of 56,847 training frames, 2 of 35 test clips, 18 of 146,410 test frames",
        ),
        ("complexvad", complexvad_tree, 30.0, "1 of 104 training clips, 2 of 113 test clips"),
        ("ubnormal", ubnormal_tree, 30.0, "2 of 186 training clips, 2 of 211 test clips"),
    ],
)
def test_data_sets_with_published_tracks_load(
    tmp_path: Path, name: str, build: Callable[[Path], Tree], fps: float, size: str
) -> None:
    tree = build(tmp_path)
    dataset = load_dataset(name, tmp_path, PARTIAL)
    assert_holds(dataset, tree, masks=True)
    assert {clip.name: boxes_of(clip) for clip in dataset.clips} == {
        name: sorted(boxes) for name, boxes in tree.boxes.items()
    }
    assert (dataset.name, dataset.fps) == (name, fps)
    assert dataset.missing == (f"{tmp_path}: {size}; this is not the official size",)


def test_the_weakly_supervised_split_takes_its_lists_from_a_copy_of_stc(tmp_path: Path) -> None:
    tree = stc_weakly_tree(tmp_path)
    dataset = load_dataset("stc-weakly", tmp_path, PARTIAL)
    assert_holds(dataset, tree, masks=True)
    assert [clip.scene for clip in dataset.clips] == ["01", "01", "02", "02", "02"]
    listed = {clip.name for clip in dataset.clips if clip.length_slack}  # as many labels as the video lists frames
    assert listed == {"01_002", "02_002"}
    assert dataset.missing == (
        f"{tmp_path}/SH_Train.txt: 3 of 238 clips in it",
        f"{tmp_path}/SH_Test.txt: 5 of 199 clips in it",
        f"{tmp_path}: 2 of 175 training clips, 5 of 199 test clips; this is not the official size",
    )
    lists = tmp_path / "ShanghaiTech_new_split"
    lists.mkdir()
    (tmp_path / "SH_Train.txt").rename(lists / "SH_Train_new.txt")
    (tmp_path / "SH_Test.txt").rename(lists / "SH_Test_NEW.txt")
    assert load_dataset("stc-weakly", tmp_path, PARTIAL).fingerprint == dataset.fingerprint


def test_labels_of_nwpu_may_be_a_file_for_each_clip(tmp_path: Path) -> None:
    tree = nwpu_tree(tmp_path)
    archive = tmp_path / "groundtruth" / "NWPU_Campus_gt.npz"
    first = load_dataset("nwpu", tmp_path, PARTIAL)
    archive.unlink()
    for name in tree.masks:
        np.save(tmp_path / "groundtruth" / f"{name}.npy", tree.labels(name))
    assert load_dataset("nwpu", tmp_path, PARTIAL).fingerprint == first.fingerprint


def test_a_scene_without_published_training_footage_is_scored_by_a_bank_of_all_scenes_alone(tmp_path: Path) -> None:
    nwpu_tree(tmp_path)
    dataset = load_dataset("nwpu", tmp_path, PARTIAL)
    assert [plan.name for plan in plan_banks(dataset, FrameSelection())] == ["D001", "D002"]
    assert unscored_clips(dataset, FrameSelection()) == [
        f"{tmp_path}/videos/Test/D094_01.avi: no training footage of its scene 'D094' is published; "
        "--global-bank scores it"
    ]
    [plan] = plan_banks(dataset, FrameSelection(global_bank=True))
    assert [clip.name for clip in plan.test] == ["D001_01", "D002_02", "D094_01"]
    assert unscored_clips(dataset, FrameSelection(global_bank=True)) == []


def test_the_corridor_s_halves_may_lie_in_the_root(tmp_path: Path) -> None:
    corridor_tree(tmp_path)
    first = load_dataset("corridor", tmp_path, PARTIAL)
    for half in ("Train_IITB_Corridor", "Test_IITB-Corridor"):
        for path in (tmp_path / half).iterdir():
            path.rename(tmp_path / path.name)
        (tmp_path / half).rmdir()
    assert load_dataset("corridor", tmp_path, PARTIAL).fingerprint == first.fingerprint


def test_boxes_of_fractions_cover_every_pixel_they_touch_within_the_frame(tmp_path: Path) -> None:
    street_scene_tree(tmp_path)
    (tmp_path / "Test" / "Test001" / "Test001_gt.txt").write_text("1.jpg 4 1 2.5 5 1.5\n003.jpg 0 95.5 63 3 4\n")
    clip = load_dataset("street-scene", tmp_path, PARTIAL).clips[0]
    assert clip.masks is not None
    assert clip.tracks is not None
    assert np.argwhere(clip.masks[0]).tolist() == [[y, x] for y in (1, 2, 3) for x in (0, 1, 2, 3)]
    assert np.argwhere(clip.masks[2]).tolist() == [[y, x] for y in (61, 62, 63) for x in (94, 95)]
    assert clip.tracks[0][0].tolist() == [[-1.5, 1.75, 3.5, 3.25]]
    assert clip.tracks[0][1].tolist() == [4]
    assert clip.labels.tolist() == [True, False, True, *[False] * 6]


def test_an_abnormal_object_out_of_sight_has_no_box(tmp_path: Path) -> None:
    ubnormal_tree(tmp_path)
    tracks = next(tmp_path.rglob("*_tracks.txt"))
    tracks.write_text("200,1,1\n3,1,2\n")
    clip = next(clip for clip in load_dataset("ubnormal", tmp_path, PARTIAL).clips if clip.labels.any())
    assert boxes_of(clip) == [(1, 1, 21, 10, 31, 30), (2, 1, 22, 10, 32, 30)]
    assert clip.labels.tolist() == [False, True, True, *[False] * 6]


def test_boxes_are_scaled_as_the_picture_is() -> None:
    boxes = np.array([[640.0, 360.0, 1280.0, 720.0]])
    assert View(256).boxes(boxes, (1280, 720)).tolist() == [[128, 128, 256, 256]]
    assert View(256, 224).boxes(boxes, (1280, 720)).tolist() == [[112, 112, 240, 240]]
