"""Every layout loads with the truth that was put into it; real data sets load whole."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DATASETS, DatasetOptions, load_dataset, require_frame_count
from streammon.evaluation.datasets.arrays import npy_labels
from streammon.evaluation.datasets.mvtec import CATEGORIES
from streammon.evaluation.datasets.stc import OFFICIAL
from streammon.evaluation.labelled import Dataset
from streammon.ingest import Clip
from support.dataset_trees import (
    Tree,
    avenue_tree,
    folder_tree,
    mvtec_category,
    stc_tree,
    ucsd_tree,
    wall,
)

PARTIAL = DatasetOptions(allow_partial=True)
STRICT = DatasetOptions()


def assert_holds(dataset: Dataset, tree: Tree) -> None:
    """It has the clips, frames, labels and masks of the tree."""
    training = {clip.path: clip.frame_count() for scene in dataset.scenes for clip in scene.clips}
    assert training == tree.training
    assert [clip.name for clip in dataset.clips] == sorted(tree.masks)
    for clip in dataset.clips:
        assert clip.clip.frame_count() == len(clip.labels)
        assert sum(1 for _ in clip.clip.frames(8)) == len(clip.labels)
        assert clip.labels.dtype == np.bool_
        np.testing.assert_array_equal(clip.labels, tree.labels(clip.name))
        assert clip.masks is not None
        assert len(clip.masks) == len(clip.labels)
        masks = [clip.masks[index] for index in range(len(clip.masks))]
        assert {mask.dtype for mask in masks} == {np.dtype(bool)}
        np.testing.assert_array_equal(np.stack(masks), tree.masks[clip.name])


def test_stc_loads_videos_and_folders_of_frames(tmp_path: Path) -> None:
    tree = stc_tree(tmp_path, test_clips=2)
    dataset = load_dataset("stc", tmp_path, PARTIAL)
    assert_holds(dataset, tree)
    assert (dataset.name, dataset.fps, dataset.crop, dataset.is_still) == ("stc", 24.0, None, False)
    assert [(scene.name, len(scene.clips)) for scene in dataset.scenes] == [("01", 2), ("02", 2)]
    assert [clip.scene for clip in dataset.clips] == ["01", "01", "02", "02"]
    assert [bool(clip.clip.images) for clip in dataset.clips] == [True, True, True, False]
    assert {clip.clip.image_fps for clip in dataset.clips if clip.clip.images} == {24.0}
    assert dataset.missing == (
        f"{tmp_path}: 4 of 330 training clips, 48 of 274,515 training frames, 4 of 107 test clips, "
        "36 of 40,791 test frames; this is not the official size",
    )


def test_a_small_copy_of_stc_is_refused_as_incomplete(tmp_path: Path) -> None:
    stc_tree(tmp_path)
    with pytest.raises(DatasetError) as refusal:
        load_dataset("stc", tmp_path, STRICT)
    assert str(refusal.value) == (
        f"{tmp_path}: 4 of 330 training clips, 48 of 274,515 training frames, 4 of 107 test clips, "
        "36 of 40,791 test frames; this is not the official size; "
        "complete the data set, or evaluate it as it is with --allow-partial"
    )


def test_stc_takes_extracted_training_frames_unpadded_numbers_and_videos_among_frames(tmp_path: Path) -> None:
    tree = stc_tree(tmp_path, training_clips=1, test_clips=1, pixel_masks=False, test_frames=12)
    shutil.rmtree(tmp_path / "training")
    for scene in ("01", "02"):
        folder = tmp_path / "training" / "frames" / f"{scene}_001"
        folder.mkdir(parents=True)
        for number in range(11):
            cv2.imwrite(str(folder / f"{number}.jpg"), next(wall(1)))
    shutil.move(tmp_path / "testing" / "videos" / "02_0001.avi", tmp_path / "testing" / "frames")
    dataset = load_dataset("stc", tmp_path, PARTIAL)
    images = [image.name for image in dataset.scenes[0].clips[0].images]
    assert images == [f"{number}.jpg" for number in range(11)]
    assert [clip.masks for clip in dataset.clips] == [None, None]
    np.testing.assert_array_equal(dataset.clips[1].labels, tree.labels("02_0001"))


def test_a_scene_without_test_clips_stays_among_the_scenes(tmp_path: Path) -> None:
    stc_tree(tmp_path)
    shutil.copy(tmp_path / "training" / "videos" / "02_001.avi", tmp_path / "training" / "videos" / "13_001.avi")
    assert [scene.name for scene in load_dataset("stc", tmp_path, PARTIAL).scenes] == ["01", "02", "13"]


@pytest.mark.parametrize("name", ["ped1", "ped2"])
@pytest.mark.parametrize("official", [True, False])
def test_ucsd_loads_in_both_layouts(tmp_path: Path, name: str, official: bool) -> None:
    tree = ucsd_tree(tmp_path / f"UCSD{name}", name, official=official)
    dataset = load_dataset(name, tmp_path, PARTIAL)
    assert (dataset.name, dataset.fps, dataset.crop, dataset.root) == (name, 10.0, None, tree.root)
    assert dataset.fingerprint == load_dataset(name, tree.root, PARTIAL).fingerprint
    if name == "ped2":
        assert_holds(dataset, tree)
        return
    first, second = dataset.clips
    assert (first.masks, len(second.masks or ())) == (None, 9)
    for clip in dataset.clips:
        np.testing.assert_array_equal(clip.labels, tree.labels(clip.name))


def test_ped2_goes_by_its_masks_where_the_spans_end_a_frame_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = ucsd_tree(tmp_path, "ped2", frames=24)
    script = tmp_path / "Test" / "UCSDped2.m"
    script.write_text("TestVideoFile{1}.gt_frame = [2:3, 4, 5];  % not 7\nTestVideoFile{2}.gt_frame = [3:5];\n")
    dataset = load_dataset("ped2", tmp_path, PARTIAL)
    assert_holds(dataset, tree)
    assert caplog.messages == [
        f"{script}: the spans of clip 'Test001' differ from its masks in 1 of 24 frames; its labels are the masks'"
    ]


def test_ped1_goes_by_its_spans(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ucsd_tree(tmp_path, "ped1")
    script = tmp_path / "Test" / "UCSDped1.m"
    script.write_text("TestVideoFile{end+1}.gt_frame = [1:2, 8:9];\nTestVideoFile{end+1}.gt_frame = [3:6];\n")
    dataset = load_dataset("ped1", tmp_path, PARTIAL)
    assert [np.flatnonzero(clip.labels).tolist() for clip in dataset.clips] == [[0, 1, 7, 8], [2, 3, 4, 5]]
    assert caplog.messages == [
        f"{script}: the spans of clip 'Test002' differ from its masks in 1 of 9 frames; its labels are the spans'"
    ]


@pytest.mark.parametrize("videos", [True, False])
def test_avenue_loads_videos_and_frames(tmp_path: Path, videos: bool) -> None:
    tree = avenue_tree(tmp_path, videos=videos)
    dataset = load_dataset("avenue", tmp_path, PARTIAL)
    assert_holds(dataset, tree)
    assert (dataset.fps, [scene.name for scene in dataset.scenes]) == (25.0, ["avenue"])
    assert dataset.missing == (
        f"{tmp_path}: 2 of 16 training clips, 18 of 15,328 training frames, 2 of 21 test clips, "
        "18 of 15,324 test frames; this is not the official size",
    )


def test_a_category_of_mvtec_is_complete_by_itself(tmp_path: Path) -> None:
    tree = mvtec_category(tmp_path / "bottle")
    for name in ("mvtec", "rd-mvtec"):
        dataset = load_dataset(name, tmp_path / "bottle", STRICT)
        assert_holds(dataset, tree)
        assert (dataset.name, dataset.fps, dataset.crop, dataset.is_still) == (name, 0.0, 224, True)
        assert ([scene.name for scene in dataset.scenes], dataset.missing) == (["bottle"], ())
    times = [frame.stream_time_s for frame in dataset.clips[0].clip.frames(8)]
    assert times == [0.0, 1.0]  # the image's number: it has no time


def test_categories_of_mvtec_are_all_or_those_that_are_named(tmp_path: Path) -> None:
    for category in ("bottle", "zipper", "walnut"):
        mvtec_category(tmp_path / category)
    (tmp_path / "license.txt").write_text("of the images")
    named = load_dataset("mvtec", tmp_path, DatasetOptions(categories=("zipper", "walnut")))
    assert [scene.name for scene in named.scenes] == ["walnut", "zipper"]
    assert named.missing == ()
    alone = load_dataset("mvtec", tmp_path / "zipper", STRICT)
    assert alone.fingerprint == load_dataset("mvtec", tmp_path, DatasetOptions(categories=("zipper",))).fingerprint
    found = load_dataset("mvtec", tmp_path, PARTIAL)
    assert [clip.name for clip in found.clips] == [
        f"{category}/{kind}" for category in ("bottle", "walnut", "zipper") for kind in ("block", "good")
    ]
    absent = ", ".join(category for category in CATEGORIES if category not in ("bottle", "zipper"))
    assert found.missing == (f"{tmp_path}: 2 of 15 categories; without {absent}",)


def test_all_fifteen_categories_must_have_their_images(tmp_path: Path) -> None:
    for category in CATEGORIES:
        mvtec_category(tmp_path / category, training=1, good=1, defective=1)
    assert load_dataset("mvtec", tmp_path, PARTIAL).missing == (
        f"{tmp_path}: 15 of 3,629 training frames, 30 of 1,725 test frames; this is not the official size",
    )


@pytest.mark.parametrize("scenes", [(), ("hall", "yard")])
def test_the_layout_for_anything_loads_with_and_without_scenes(tmp_path: Path, scenes: tuple[str, ...]) -> None:
    tree = folder_tree(tmp_path, scenes=scenes)
    dataset = load_dataset("folder", tmp_path, STRICT)
    assert_holds(dataset, tree)
    assert [scene.name for scene in dataset.scenes] == list(scenes or ("scene",))
    assert {clip.scene for clip in dataset.clips} == set(scenes or ("scene",))
    assert (dataset.fps, dataset.crop, dataset.missing) == (25.0, None, ())


def test_the_layout_for_anything_has_its_own_pace_and_needs_no_masks_where_all_is_normal(tmp_path: Path) -> None:
    folder_tree(tmp_path)
    (tmp_path / "dataset.yaml").write_text("fps: 12.5\n")
    np.save(tmp_path / "labels" / "noon.npy", np.zeros((9, 1), np.float32))
    (tmp_path / "masks" / "noon.npy").unlink()
    dataset = load_dataset("folder", tmp_path, STRICT)
    night, noon = dataset.clips
    assert (dataset.fps, night.clip.image_fps, noon.labels.shape) == (12.5, 12.5, (9,))
    assert noon.masks is not None
    assert (noon.masks[8].shape, noon.masks[8].any()) == ((48, 64), np.False_)
    (tmp_path / "dataset.yaml").write_text("fps: 0")
    assert load_dataset("folder", tmp_path, STRICT).is_still
    shutil.rmtree(tmp_path / "masks")
    assert [clip.masks for clip in load_dataset("folder", tmp_path, STRICT).clips] == [None, None]


def test_the_fingerprint_knows_the_data_set_and_not_its_place_or_time(tmp_path: Path) -> None:
    here = folder_tree(tmp_path / "here").root
    there = Path(shutil.copytree(here, tmp_path / "there"))
    os.utime(there / "train" / "day.mp4", (0, 0))

    def fingerprint(root: Path) -> str:
        return load_dataset("folder", root, STRICT).fingerprint

    first = fingerprint(here)
    assert len(first) == 64
    assert fingerprint(there) == first
    (there / "labels" / "night.txt").write_text("1\n" * 9)
    relabelled = fingerprint(there)
    (there / "test" / "night" / "8.png").write_bytes((there / "test" / "night" / "7.png").read_bytes())
    changed = fingerprint(there)
    assert len({first, relabelled, changed}) == 3


def test_what_is_broken_is_left_out_and_told_where_that_is_allowed(tmp_path: Path) -> None:
    folder_tree(tmp_path, scenes=("hall", "yard"))
    (tmp_path / "labels" / "hall" / "noon.npy").unlink()
    (tmp_path / "test" / "yard" / "night" / "8.png").unlink()
    dataset = load_dataset("folder", tmp_path, PARTIAL)
    assert [clip.name for clip in dataset.clips] == ["hall/night", "yard/noon"]
    assert dataset.missing == (
        f"{tmp_path}/test/hall/noon.mp4: no labels for this clip ({tmp_path}/labels/hall/noon.npy); "
        "the clip is left out",
        f"{tmp_path}/labels/yard/night.txt: 9 labels for the 8 frames of {tmp_path}/test/yard/night; "
        "the clip is left out",
    )


def test_masks_of_another_size_inside_a_clip_are_told_when_they_are_read(tmp_path: Path) -> None:
    folder_tree(tmp_path)
    path = tmp_path / "masks" / "night" / "3.png"
    cv2.imwrite(str(path), np.zeros((8, 8), np.uint8))
    [masks] = [clip.masks for clip in load_dataset("folder", tmp_path, STRICT).clips if clip.name == "night"]
    assert masks is not None
    assert masks[2].any()
    with pytest.raises(DatasetError) as refusal:
        masks[3]
    assert str(refusal.value) == (
        f"{path}: a mask of 8x8 for a frame of 64x48; copy it again, or leave it out with --allow-partial"
    )


def test_a_clip_must_decode_to_what_its_labels_announce() -> None:
    require_frame_count("a", Path("a.avi"), 12, 12)
    require_frame_count("a", Path("a.avi"), None, 12)
    require_frame_count("a", Path("a.ts"), 13, 12, slack=2)
    with pytest.raises(DatasetError, match="'a' decodes to 11 frames, but its labels or its header give 12"):
        require_frame_count("a", Path("a.avi"), 12, 11)


@pytest.mark.parametrize("name", DATASETS)
def test_no_data_set_hides_in_an_empty_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        load_dataset(name, tmp_path, PARTIAL)
    assert str(refusal.value) == f"{tmp_path}: an empty folder; give the folder that holds the data set"


def test_ped2_is_whole_and_as_its_own_list_of_spans_says(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = load_dataset("ped2", shared_data / "ucsd_ped2", STRICT)
    assert dataset.missing == ()
    assert [len(scene.clips) for scene in dataset.scenes] == [16]
    assert sum(clip.frame_count() for clip in dataset.scenes[0].clips) == 2550
    labels = np.concatenate([clip.labels for clip in dataset.clips])
    assert (len(labels), labels.sum()) == (2010, 1648)
    assert [clip.name for clip in dataset.clips if clip.labels.all()] == ["08", "09", "10", "11"]
    assert caplog.messages == []  # masks and spans agree in every frame


def test_the_hazelnuts_load_as_one_category(shared_data: Path) -> None:
    dataset = load_dataset("mvtec", shared_data / "hazelnut", STRICT)
    assert [(clip.name, len(clip.labels), bool(clip.labels.all())) for clip in dataset.clips] == [
        ("hazelnut/colour", 17, True),
        ("hazelnut/good", 6, False),
    ]
    assert dataset.scenes[0].clips[0].frame_count() == 28
    colour, good = (clip.masks for clip in dataset.clips)
    assert colour is not None
    assert good is not None
    assert all(colour[index].any() for index in range(17))
    assert not any(good[index].any() for index in range(6))


def test_real_footage_with_injected_events_makes_a_tree_of_stc(shared_data: Path, tmp_path: Path) -> None:
    footage = {
        "01": (frame.picture for frame in Clip("", shared_data / "clips" / "car-detection.mp4").frames(None)),
        "02": (frame.picture for frame in Clip("", shared_data / "clips" / "bottle-detection.mp4").frames(None)),
    }
    tree = stc_tree(tmp_path, footage, training_clips=1, test_clips=1, size=(214, 120))
    dataset = load_dataset("stc", tmp_path, PARTIAL)
    assert_holds(dataset, tree)
    for clip, event in zip(dataset.clips, tree.events, strict=True):
        pictures = [frame.picture.astype(int) for frame in clip.clip.frames(None)]
        change = np.abs(pictures[event.first] - pictures[event.first - 1]).sum(axis=2)
        left, top, width, height = event.boxes[0]
        inside = change[top : top + height, left : left + width].mean()
        assert inside > 5 * (change.sum() - inside * width * height) / (change.size - width * height)


def test_the_labels_of_stc_are_the_official_ones(shared_data: Path) -> None:
    labels = {file.stem: npy_labels(file) for file in sorted((shared_data / "stc_labels").glob("*.npy"))}
    assert (len(labels), sum(map(len, labels.values()))) == (OFFICIAL.test_clips, OFFICIAL.test_frames)
    assert sum(int(clip.sum()) for clip in labels.values()) == 17_326
    assert [name for name, clip in labels.items() if clip.all()] == ["04_0011"]
