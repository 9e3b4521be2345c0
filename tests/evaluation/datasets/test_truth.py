"""Labels and masks load without footage, and are those that the whole data set has."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DATASETS, DatasetOptions, load_dataset, load_truth
from streammon.evaluation.datasets.mvtec import CATEGORIES, GOOD_IMAGES, IMAGES
from streammon.evaluation.datasets.ucsd import PED1, PED2
from streammon.evaluation.labelled import GroundTruth
from support.dataset_trees import Tree, avenue_tree, folder_tree, mvtec_category, stc_tree, ucsd_tree
from support.surveillance_trees import (
    complexvad_tree,
    corridor_tree,
    nwpu_tree,
    stc_weakly_tree,
    street_scene_tree,
    ubnormal_tree,
)

PARTIAL, STRICT = DatasetOptions(allow_partial=True), DatasetOptions()


@dataclass(frozen=True)
class Layout:
    """A small data set, and its footage by glob patterns."""

    dataset: str
    build: Callable[[Path], Tree]
    footage: list[str] = field(default_factory=list)


LAYOUTS = {
    "stc": Layout("stc", stc_tree, ["training", "testing/frames", "testing/videos"]),
    "stc without masks": Layout("stc", lambda root: stc_tree(root, pixel_masks=False), ["training", "testing/[fv]*"]),
    "ped2": Layout("ped2", ucsd_tree, ["Train", "Test/Test00[12]"]),
    "common ped2": Layout("ped2", lambda root: ucsd_tree(root, official=False), ["training", "testing/frames"]),
    "avenue": Layout("avenue", avenue_tree, ["*_videos"]),
    "mvtec": Layout("mvtec", lambda root: mvtec_category(root / "nut"), ["*/train", "*/test/block"]),
    "rd-mvtec": Layout("rd-mvtec", lambda root: mvtec_category(root / "nut"), ["*/train", "*/test/block"]),
    "folder": Layout("folder", folder_tree, ["train", "test"]),
    "folder of scenes": Layout("folder", lambda root: folder_tree(root, scenes=("hall", "yard")), ["train", "test"]),
    "nwpu": Layout("nwpu", nwpu_tree, ["videos"]),
    "corridor": Layout("corridor", corridor_tree, ["Train_IITB_Corridor", "Test_IITB-Corridor/Test"]),
    "stc-weakly": Layout("stc-weakly", stc_weakly_tree, ["training", "testing/frames", "testing/videos"]),
    "street-scene": Layout("street-scene", street_scene_tree, ["Train"]),
    "complexvad": Layout("complexvad", complexvad_tree, ["Train"]),
    "ubnormal": Layout("ubnormal", ubnormal_tree, ["Scene1/*_scenario_1.mp4", "Scene2/normal*.mp4"]),
}
"""Of the last three some test footage is kept, without which the lengths of clips are unknown."""

WITHOUT_MASKS = ("stc without masks", "nwpu", "corridor")


def without_footage(root: Path, patterns: list[str]) -> None:
    for path in [path for pattern in patterns for path in root.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_truth_is_that_of_the_whole_data_set(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    tree = layout.build(tmp_path)
    whole = load_dataset(layout.dataset, tmp_path, PARTIAL)
    without_footage(tmp_path, layout.footage)
    truth = load_truth(layout.dataset, tmp_path, PARTIAL)
    assert (truth.name, truth.root, truth.fps, truth.is_still) == (whole.name, whole.root, whole.fps, whole.is_still)
    assert [(clip.name, clip.scene) for clip in truth.clips] == [(clip.name, clip.scene) for clip in whole.clips]
    for clip in truth.clips:
        np.testing.assert_array_equal(clip.labels, tree.labels(clip.name))
        assert (clip.masks is None) == (name in WITHOUT_MASKS)
        if clip.masks is not None:
            assert len(clip.masks) == len(clip.labels)
            for index in np.flatnonzero(clip.labels).tolist():
                np.testing.assert_array_equal(clip.masks[index], tree.masks[clip.name][index])
        assert (clip.tracks is None) == (clip.name not in tree.boxes)
        if clip.tracks is not None:
            boxes = sum(len(clip.tracks[index][0]) for index in range(len(clip.labels)))
            assert boxes == len(tree.boxes[clip.name])


def test_every_data_set_has_its_truth_loaded_here() -> None:
    assert {layout.dataset for layout in LAYOUTS.values()} | {"ped1"} == set(DATASETS)


def test_ped1_has_its_official_lengths_where_neither_frames_nor_masks_tell(tmp_path: Path) -> None:
    ucsd_tree(tmp_path, "ped1")
    with_frames = load_truth("ped1", tmp_path, PARTIAL)
    assert [len(clip.labels) for clip in with_frames.clips] == [9, 9]
    without_footage(tmp_path, ["Train", "Test/Test00[12]"])
    truth = load_truth("ped1", tmp_path, PARTIAL)
    assert [(clip.name, len(clip.labels)) for clip in truth.clips] == [("Test001", 200), ("Test002", 9)]
    assert np.flatnonzero(truth.clips[0].labels).tolist() == [1, 2, 3]
    assert [clip.masks is None for clip in truth.clips] == [True, False]
    assert sum(PED1.lengths) == PED1.official.test_frames
    assert sum(PED2.lengths) == PED2.official.test_frames


def test_ped2_can_do_with_its_list_of_spans_alone(tmp_path: Path) -> None:
    ucsd_tree(tmp_path, official=False)
    without_footage(tmp_path, ["training", "testing"])
    truth = load_truth("ped2", tmp_path, PARTIAL)
    assert [(clip.name, len(clip.labels)) for clip in truth.clips] == [("01", 180), ("02", 180)]
    assert truth.missing == (
        f"{tmp_path}: 2 of 12 test clips, 360 of 2,010 test frames; this is not the official size",
    )


def test_the_good_images_of_a_category_are_known(tmp_path: Path) -> None:
    mvtec_category(tmp_path / "bottle")
    without_footage(tmp_path, ["*/train", "*/test"])
    truth = load_truth("mvtec", tmp_path / "bottle", STRICT)
    assert [(clip.name, len(clip.labels)) for clip in truth.clips] == [("bottle/block", 2), ("bottle/good", 20)]
    assert set(GOOD_IMAGES) == set(CATEGORIES)
    assert IMAGES[1] - sum(GOOD_IMAGES.values()) == 1_258  # defective images, as published


def test_the_length_of_a_normal_clip_is_listed_or_its_footage_tells_it(tmp_path: Path) -> None:
    stc_weakly_tree(tmp_path)
    listed = tmp_path / "SH_Test.txt"
    listed.write_text("01_002\n02_002,0,7\n02_0001,1,7\n")
    truth = load_truth("stc-weakly", tmp_path, PARTIAL)
    assert [(clip.name, len(clip.labels)) for clip in truth.clips] == [("01_002", 12), ("02_0001", 9), ("02_002", 7)]
    shutil.rmtree(tmp_path / "training")
    for kind in ("frame", "pixel"):
        (tmp_path / "testing" / f"test_{kind}_mask" / "02_0001.npy").unlink()
    truth = load_truth("stc-weakly", tmp_path, PARTIAL)
    assert [clip.name for clip in truth.clips] == ["02_002"]
    assert truth.missing[2:4] == (
        f"{listed}: it names a missing clip ('02_0001'); the clip is left out",
        f"{listed}: no number of frames of '01_002'; the clip is left out",
    )


def test_the_fingerprint_knows_labels_and_masks_and_not_the_place(tmp_path: Path) -> None:
    def fingerprint(root: Path) -> str:
        return load_truth("folder", root, STRICT).fingerprint

    here = folder_tree(tmp_path / "here").root
    there = Path(shutil.copytree(here, tmp_path / "there"))
    first = fingerprint(here)
    assert len(first) == 64
    shutil.rmtree(there / "test")
    assert fingerprint(there) == first
    (there / "labels" / "night.txt").write_text("1\n" * 9)
    assert fingerprint(there) != first


AGAIN = "copy it again, or leave it out with --allow-partial"
COMPLETE = "complete the data set, or leave out this clip with --allow-partial"


@pytest.mark.parametrize(
    ("name", "path", "complaint"),
    [
        (
            "stc",
            "testing/test_frame_mask",
            "{root}: no testing/test_frame_mask in it; give the folder of the unpacked data set",
        ),
        (
            "stc",
            "testing/test_frame_mask/01_0002.npy",
            "{root}/testing/test_pixel_mask/01_0002.npy: masks of a missing clip ('01_0002'); "
            "complete the data set, or leave out this clip with --allow-partial",
        ),
        (
            "stc",
            "testing/test_pixel_mask/01_0002.npy",
            "{root}/testing/test_frame_mask/01_0002.npy: no masks in testing/test_pixel_mask for the clip '01_0002', "
            f"while others have them; {COMPLETE}",
        ),
        (
            "stc without masks",
            "testing/test_frame_mask/01_0002.npy",
            "{root}: 3 of 107 test clips, 27 of 40,791 test frames; this is not the official size; "
            "complete the data set, or evaluate it as it is with --allow-partial",
        ),
        (
            "ped2",
            "Test/Test002_gt",
            f"{{root}}/Test/Test002: no masks for this clip, while others have them; {COMPLETE}",
        ),
        (
            "common ped2",
            "testing/pixel_mask/02",
            f"{{root}}/testing/frames/02: no masks for this clip, while others have them; {COMPLETE}",
        ),
        (
            "avenue",
            "ground_truth_demo/testing_label_mask",
            "{root}: no ground_truth_demo/testing_label_mask in it; give the folder of the unpacked data set",
        ),
        (
            "avenue",
            "ground_truth_demo/testing_label_mask/2_label.mat",
            "{root}: 1 of 21 test clips, 9 of 15,324 test frames; this is not the official size; "
            "complete the data set, or evaluate it as it is with --allow-partial",
        ),
        (
            "mvtec",
            "nut/test/good",
            f"{{root}}/nut/test/good: no such folder, so the number of good images is unknown; {AGAIN}",
        ),
        (
            "mvtec",
            "nut/ground_truth",
            "{root}: no ground_truth and no <category>/ground_truth in it; give the folder of the unpacked data set",
        ),
        ("folder", "labels", "{root}: no labels in it; give the folder of the unpacked data set"),
        (
            "folder",
            "masks/noon.npy",
            f"{{root}}/masks/noon.npy: no such file, while the clip has abnormal frames; {COMPLETE}",
        ),
    ],
)
def test_what_lacks_is_told_in_one_line(tmp_path: Path, name: str, path: str, complaint: str) -> None:
    layout = LAYOUTS[name]
    layout.build(tmp_path)
    without_footage(tmp_path, layout.footage)
    shutil.rmtree(tmp_path / path) if (tmp_path / path).is_dir() else (tmp_path / path).unlink()
    options = DatasetOptions(categories=("nut",)) if layout.dataset == "mvtec" else STRICT
    with pytest.raises(DatasetError) as refusal:
        load_truth(layout.dataset, tmp_path, options)
    assert str(refusal.value) == complaint.format(root=tmp_path)


def test_spans_beyond_the_official_clips_have_no_length(tmp_path: Path) -> None:
    ucsd_tree(tmp_path, "ped1")
    without_footage(tmp_path, ["Train", "Test/Test00[12]"])
    with (tmp_path / "Test" / "UCSDped1.m").open("a") as script:
        script.write("TestVideoFile{end+1}.gt_frame = [1:2];\n" * 35)
    with pytest.raises(DatasetError) as refusal:
        load_truth("ped1", tmp_path, STRICT)
    assert str(refusal.value) == f"{tmp_path}/Test/UCSDped1.m: spans of clip 37, which ped1 lacks; {AGAIN}"


def test_a_damaged_clip_is_left_out_where_that_is_allowed(tmp_path: Path) -> None:
    stc_tree(tmp_path)
    labels = tmp_path / "testing" / "test_frame_mask" / "01_0002.npy"
    labels.write_bytes(labels.read_bytes()[:-3])
    truth = load_truth("stc", tmp_path, PARTIAL)
    assert [clip.name for clip in truth.clips] == ["01_0001", "02_0001", "02_0002"]
    assert truth.missing[0] == (
        f"{labels}: it is not a NumPy array, is cut short, or contains Python objects; the clip is left out"
    )


def stc_labels_alone(shared_data: Path, root: Path) -> GroundTruth:
    """STC's real labels and nothing else."""
    (root / "testing").mkdir()
    (root / "testing" / "test_frame_mask").symlink_to(shared_data / "stc_labels")
    return load_truth("stc", root, STRICT)


def test_the_real_labels_of_stc_suffice(shared_data: Path, tmp_path: Path) -> None:
    truth = stc_labels_alone(shared_data, tmp_path)
    assert (len(truth.clips), sum(len(clip.labels) for clip in truth.clips)) == (107, 40_791)
    assert sum(int(clip.labels.sum()) for clip in truth.clips) == 17_326
    assert truth.missing == ()


def test_the_official_lengths_are_those_of_the_real_clips(shared_data: Path) -> None:
    truth = load_truth("ped2", shared_data / "ucsd_ped2", STRICT)
    assert tuple(len(clip.labels) for clip in truth.clips) == PED2.lengths
