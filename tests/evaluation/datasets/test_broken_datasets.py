"""Whatever is wrong with a data set is told in one line that names the file and says what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DATASETS, DatasetOptions, load_dataset
from support.damage import (
    AGAIN,
    COMPLETE,
    MAT_73,
    NPY_OF_OBJECTS,
    ROOT,
    Breaking,
    Trap,
    assert_recognised,
    assert_refused,
    cells,
    cut,
    emptied,
    image,
    linked_nowhere,
    moved,
    nested,
    overwritten,
    removed,
    saved,
    turned_into_a_file,
    written,
)
from support.dataset_trees import avenue_tree, folder_tree, mvtec_category, stc_tree, ucsd_tree

BUILDERS: dict[str, Callable[[Path], object]] = {
    "stc": stc_tree,
    "ped1": lambda root: ucsd_tree(root, "ped1"),
    "ped2": ucsd_tree,
    "common ped2": lambda root: ucsd_tree(root, official=False),
    "avenue": avenue_tree,
    "mvtec": lambda root: mvtec_category(root / "nut"),
    "folder": folder_tree,
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound tree of every layout."""
    root = tmp_path_factory.mktemp("sound")
    for name, build in BUILDERS.items():
        build(root / name)
    return root


LABELS, PIXELS = "testing/test_frame_mask/01_0001.npy", "testing/test_pixel_mask/01_0001.npy"
GROUND = "ground_truth_demo/testing_label_mask"

STC: list[tuple[str, str, Breaking, str]] = [
    ("stc", "no training", removed("training"), f"{{root}}: no training/videos and no training/frames in it; {ROOT}"),
    (
        "stc",
        "no labels at all",
        removed("testing/test_frame_mask"),
        "{root}: no testing/test_frame_mask in it; " + ROOT,
    ),
    (
        "stc",
        "one folder too high",
        nested,
        "{root}: no training/videos and no training/frames in it; {root}/STC looks like stc; give that folder",
    ),
    (
        "stc",
        "labels without a clip",
        removed("testing/frames/01_0001"),
        "{root}/testing/test_pixel_mask/01_0001.npy: masks of a missing clip ('01_0001'); " + COMPLETE,
    ),
    (
        "stc",
        "labels without a clip, and no masks",
        removed("testing/frames/01_0001", "testing/test_pixel_mask"),
        f"{{root}}/{LABELS}: labels of a missing clip ('01_0001'); {COMPLETE}",
    ),
    (
        "stc",
        "a clip without labels",
        removed(LABELS),
        f"{{root}}/testing/frames/01_0001: no labels for this clip ({{root}}/{LABELS}); {COMPLETE}",
    ),
    (
        "stc",
        "a clip without masks",
        removed(PIXELS),
        "{root}/testing/frames/01_0001: no masks in testing/test_pixel_mask for the clip '01_0001', "
        f"while others have them; {COMPLETE}",
    ),
    (
        "stc",
        "a frame is missing",
        removed("testing/frames/01_0001/004.jpg"),
        f"{{root}}/{LABELS}: 9 labels for the 8 frames of {{root}}/testing/frames/01_0001; {AGAIN}",
    ),
    (
        "stc",
        "labels of another length than the video",
        saved("testing/test_frame_mask/02_0002.npy", [0] * 20),
        "{root}/testing/test_frame_mask/02_0002.npy: 20 labels for the 9 frames of "
        f"{{root}}/testing/videos/02_0002.avi; {AGAIN}",
    ),
    (
        "stc",
        "a label of 2",
        saved(LABELS, [0, 2] * 4),
        f"{{root}}/{LABELS}: label 1 is 2; it must be 0 or 1; {AGAIN}",
    ),
    (
        "stc",
        "labels as text",
        saved(LABELS, ["no", "yes"]),
        f"{{root}}/{LABELS}: labels of type <U3; they must be 0 or 1; {AGAIN}",
    ),
    (
        "stc",
        "masks for labels",
        saved(LABELS, np.zeros((9, 4, 4))),
        f"{{root}}/{LABELS}: labels of shape (9, 4, 4); it must be one for each frame; {AGAIN}",
    ),
    (
        "stc",
        "no label",
        saved(LABELS, np.zeros(0, np.uint8)),
        f"{{root}}/{LABELS}: labels of shape (0,); it must be one for each frame; {AGAIN}",
    ),
    (
        "stc",
        "labels cut short",
        cut(LABELS, 0.98),
        f"{{root}}/{LABELS}: it is not a NumPy array, is cut short, or contains Python objects; {AGAIN}",
    ),
    (
        "stc",
        "labels with a broken header",
        overwritten(LABELS, 20, b"("),
        f"{{root}}/{LABELS}: it is not a NumPy array, is cut short, or contains Python objects; {AGAIN}",
    ),
    (
        "stc",
        "a pickle for labels",
        written(LABELS, NPY_OF_OBJECTS),
        f"{{root}}/{LABELS}: it is not a NumPy array, is cut short, or contains Python objects; {AGAIN}",
    ),
    (
        "stc",
        "an array of objects for labels",
        saved(LABELS, np.array([Trap()], object)),
        f"{{root}}/{LABELS}: it is not a NumPy array, is cut short, or contains Python objects; {AGAIN}",
    ),
    (
        "stc",
        "masks cut short",
        cut(PIXELS),
        f"{{root}}/{PIXELS}: it is not a NumPy array, is cut short, or contains Python objects; {AGAIN}",
    ),
    (
        "stc",
        "too few masks",
        saved(PIXELS, np.zeros((7, 64, 96), bool)),
        f"{{root}}/{PIXELS}: 7 masks for 9 frames; {AGAIN}",
    ),
    (
        "stc",
        "masks of another size",
        saved(PIXELS, np.zeros((9, 96, 64), bool)),
        f"{{root}}/{PIXELS}: a mask of 64x96 for a frame of 96x64; {AGAIN}",
    ),
    (
        "stc",
        "masks of fractions",
        saved(PIXELS, np.zeros((9, 64, 96), np.float32)),
        f"{{root}}/{PIXELS}: masks of float32; masks are booleans or whole numbers, 0 where the frame is normal; "
        "save them as booleans: numpy.save(file, masks > 0.5)",
    ),
    (
        "stc",
        "an empty video",
        written("training/videos/01_001.avi", b""),
        f"{{root}}/training/videos/01_001.avi: an empty file; {AGAIN}",
    ),
    (
        "stc",
        "no video",
        written("training/videos/01_001.avi", b"<html>404</html>" * 99),
        f"{{root}}/training/videos/01_001.avi: it can't be read as footage (not video); {AGAIN}",
    ),
    (
        "stc",
        "a video cut before its header",
        cut("testing/videos/02_0002.avi", 0.001),
        f"{{root}}/testing/videos/02_0002.avi: it can't be read as footage (not video); {AGAIN}",
    ),
    (
        "stc",
        "an unreadable frame",
        cut("testing/frames/01_0001/000.jpg"),
        f"{{root}}/testing/frames/01_0001/000.jpg: it can't be read as footage (damaged picture); {AGAIN}",
    ),
    (
        "stc",
        "an empty frame",
        written("testing/frames/01_0001/007.jpg", b""),
        f"{{root}}/testing/frames/01_0001/007.jpg: an empty file; {AGAIN}",
    ),
    (
        "stc",
        "an empty folder",
        emptied("testing/frames/01_0009"),
        f"{{root}}/testing/frames/01_0009: no images in the folder; {AGAIN}",
    ),
    (
        "stc",
        "a scene without footage",
        removed("training/videos/02_001.avi", "training/videos/02_002.avi"),
        f"{{root}}/testing/frames/02_0001: no training footage of its scene '02'; {COMPLETE}",
    ),
    (
        "stc",
        "a clip of no scene",
        moved("training/videos/02_001.avi", "training/videos/spring.avi"),
        "{root}/training/videos/spring.avi: no scene in its name; name it <scene>_<clip>, as 01_0014",
    ),
    (
        "stc",
        "nothing to learn from",
        emptied("training/videos"),
        f"{{root}}/training/videos: no videos and no folders of images in it; {ROOT}",
    ),
]

OTHERS: list[tuple[str, str, Breaking, str]] = [
    (
        "ped2",
        "a mask is missing",
        removed("Test/Test001_gt/005.bmp"),
        f"{{root}}/Test/Test001_gt: 8 masks for 9 frames; {AGAIN}",
    ),
    (
        "ped2",
        "a mask of another name",
        moved("Test/Test001_gt/005.bmp", "Test/Test001_gt/015.bmp"),
        f"{{root}}/Test/Test001_gt/006.bmp: a mask with the name of no frame; the next frame is 005.tif; {AGAIN}",
    ),
    (
        "ped2",
        "masks of no clip",
        removed("Test/Test001"),
        f"{{root}}/Test/Test001_gt: masks of a missing clip ('Test001'); {COMPLETE}",
    ),
    (
        "ped2",
        "masks of some clips only",
        removed("Test/Test001_gt"),
        f"{{root}}/Test/Test001: no masks for this clip, while others have them; {COMPLETE}",
    ),
    (
        "ped1",
        "spans that are none",
        written("Test/UCSDped1.m", b"TestVideoFile{end+1}.gt_frame = [3 to 5];"),
        f"{{root}}/Test/UCSDped1.m: clip 1 has '[3 to 5]', not spans; {AGAIN}",
    ),
    (
        "ped1",
        "a script without spans",
        written("Test/UCSDped1.m", b"function x = f()"),
        f"{{root}}/Test/UCSDped1.m: no line 'TestVideoFile{{{{end+1}}}}.gt_frame = […];' in it; {AGAIN}",
    ),
    (
        "ped1",
        "the other walkway",
        moved("Test/UCSDped1.m", "Test/UCSDped2.m"),
        "{root}: this is ped2; ask for --dataset ped2",
    ),
    (
        "common ped2",
        "the list of spans is no MATLAB file",
        written("ped2.mat", b"gt"),
        f"{{root}}/ped2.mat: it can't be read as a MATLAB file; {AGAIN}",
    ),
    (
        "common ped2",
        "no spans in the list",
        lambda root: savemat(root / "ped2.mat", {"gt": np.zeros(3)}),
        f"{{root}}/ped2.mat: no cell array 'gt' in it; {AGAIN}",
    ),
    (
        "avenue",
        "a clip without truth",
        removed(f"{GROUND}/2_label.mat"),
        f"{{root}}/testing_videos/02.avi: no labels for this clip ({{root}}/{GROUND}/N_label.mat); {COMPLETE}",
    ),
    (
        "avenue",
        "truth without a clip",
        removed("testing_videos/02.avi"),
        f"{{root}}/{GROUND}/2_label.mat: labels of a missing clip ('2'); {COMPLETE}",
    ),
    (
        "avenue",
        "truth cut short",
        cut(f"{GROUND}/1_label.mat", 0.6),
        f"{{root}}/{GROUND}/1_label.mat: it can't be read (it is cut short); {AGAIN}",
    ),
    (
        "avenue",
        "truth as HDF5",
        written(f"{GROUND}/1_label.mat", MAT_73),
        f"{{root}}/{GROUND}/1_label.mat: a MATLAB 7.3 file; save it in MATLAB with -v7, or take the official file",
    ),
    (
        "avenue",
        "masks of another size",
        cells(f"{GROUND}/1_label.mat", "volLabel", [np.zeros((8, 8), np.uint8)] * 9),
        f"{{root}}/{GROUND}/1_label.mat: a mask of 8x8 for a frame of 80x48; {AGAIN}",
    ),
    (
        "avenue",
        "masks of differing sizes",
        cells(f"{GROUND}/1_label.mat", "volLabel", [np.zeros((48, 80), np.uint8), np.zeros((8, 8), np.uint8)]),
        f"{{root}}/{GROUND}/1_label.mat: mask 1 of shape (8, 8) of uint8, the first of (48, 80); {AGAIN}",
    ),
    (
        "avenue",
        "fewer masks than frames",
        cells(f"{GROUND}/1_label.mat", "volLabel", [np.zeros((48, 80), np.uint8)] * 4),
        f"{{root}}/{GROUND}/1_label.mat: 4 labels for the 9 frames of {{root}}/testing_videos/01.avi; {AGAIN}",
    ),
    (
        "avenue",
        "no truth at all",
        removed("ground_truth_demo"),
        f"{{root}}: no {GROUND} in it; {ROOT}",
    ),
    (
        "mvtec",
        "a category alone, of many",
        lambda root: None,
        "{root}: 0 of 15 categories; without bottle, cable, capsule, carpet, grid, hazelnut, leather, metal_nut, "
        "pill, screw, tile, toothbrush, transistor, wood, zipper; complete the data set, or evaluate it as it is "
        "with --allow-partial, or name the categories you want",
    ),
]

NUT: list[tuple[str, Breaking, str]] = [
    (
        "an image without a mask",
        removed("ground_truth/block/001_mask.png"),
        f"{{root}}/test/block/001.png: no mask for it ({{root}}/ground_truth/block/001_mask.png); {AGAIN}",
    ),
    (
        "a mask without an image",
        removed("test/block/001.png"),
        f"{{root}}/ground_truth/block/001_mask.png: the mask of a missing image ({{root}}/test/block/001); {AGAIN}",
    ),
    (
        "masks of a defect without images",
        removed("test/block"),
        f"{{root}}/ground_truth/block: masks of missing images (test/block); {AGAIN}",
    ),
    (
        "a mask of another size",
        image("ground_truth/block/001_mask.png", 64, 60),
        f"{{root}}/ground_truth/block/001_mask.png: a mask of 64x60 for a frame of 64x64; {AGAIN}",
    ),
    (
        "a mask that is no image",
        written("ground_truth/block/001_mask.png", b"none"),
        f"{{root}}/ground_truth/block/001_mask.png: it can't be read as an image (not a picture); {AGAIN}",
    ),
    ("no good test images", removed("test/good"), f"{{root}}/test: no good images in it; {AGAIN}"),
    (
        "no masks at all",
        removed("ground_truth"),
        f"{{root}}/ground_truth: it can't be read as a folder (no such file); {ROOT}",
    ),
    (
        "an unreadable image to learn from",
        cut("train/good/000.png"),
        f"{{root}}/train/good/000.png: it can't be read as footage (damaged picture); {AGAIN}",
    ),
]

ANYTHING: list[tuple[str, Breaking, str]] = [
    (
        "a frame that is a link to nowhere",
        linked_nowhere("test/night/4.png"),
        f"{{root}}/test/night/4.png: it can't be read (No such file or directory); {AGAIN}",
    ),
    (
        "a mask that is a link to nowhere",
        linked_nowhere("masks/night/4.png"),
        f"{{root}}/masks/night/4.png: it can't be read (No such file or directory); {AGAIN}",
    ),
    ("an empty mask", written("masks/night/4.png", b""), f"{{root}}/masks/night/4.png: an empty file; {AGAIN}"),
    (
        "a word for a label",
        written("labels/night.txt", b"0\n1\nabnormal\n"),
        "{root}/labels/night.txt: line 3 is 'abnormal'; write one 0 or 1 a line",
    ),
    (
        "no label",
        written("labels/night.txt", b"\n"),
        "{root}/labels/night.txt: no labels in it; write one 0 or 1 a line",
    ),
    (
        "bytes for labels",
        written("labels/night.txt", b"\xff\xfe0\0"),
        "{root}/labels/night.txt: it is not plain text; write one 0 or 1 a line",
    ),
    (
        "labels twice",
        written("labels/noon.txt", b"0\n"),
        "{root}/labels/noon.txt: a second file named 'noon'; keep one of them",
    ),
    (
        "a clip twice",
        written("test/noon/1.png", b"0"),
        "{root}/test/noon.mp4: a second clip named 'noon'; keep it or {root}/test/noon",
    ),
    (
        "abnormal frames without masks",
        removed("masks/noon.npy"),
        f"{{root}}/masks/noon.npy: no such file, while the clip has abnormal frames; {COMPLETE}",
    ),
    (
        "a pace below zero",
        written("dataset.yaml", b"fps: -1"),
        "{root}/dataset.yaml: fps is -1; write frames a second, or 0 for still images",
    ),
    (
        "an unknown key",
        written("dataset.yaml", b"fps: 25\nscene: hall"),
        "{root}/dataset.yaml: its only key must be `fps`; write a line as `fps: 25`",
    ),
    (
        "no YAML",
        written("dataset.yaml", b"fps: [25"),
        "{root}/dataset.yaml: it can't be read as YAML; write a line as `fps: 25`",
    ),
    (
        "a clip beside scenes",
        moved("test/night", "test/yard/night"),
        "{root}/test/noon.mp4: a clip beside scene folders; put it into the folder of its scene",
    ),
    (
        "a root that is a file",
        turned_into_a_file,
        f"{{root}}: a file, not a folder; {ROOT}",
    ),
    ("no root", removed("."), f"{{root}}: it can't be read as a folder (no such file); {ROOT}"),
]

CASES = [
    *((name.split()[-1], name, what, breaking, message) for name, what, breaking, message in STC + OTHERS),
    *(("mvtec", "mvtec/nut", what, breaking, message) for what, breaking, message in NUT),
    *(("folder", "folder", what, breaking, message) for what, breaking, message in ANYTHING),
]


@pytest.mark.parametrize(
    ("dataset", "tree", "breaking", "message"),
    [pytest.param(dataset, tree, *rest, id=f"{tree}: {what}") for dataset, tree, what, *rest in CASES],
)
def test_what_is_broken_is_told_in_one_line(
    sound: Path, tmp_path: Path, dataset: str, tree: str, breaking: Breaking, message: str
) -> None:
    root = tmp_path / "root"
    shutil.copytree(sound / tree, root)
    breaking(root)
    assert_refused(dataset, root, message)


@pytest.mark.parametrize(
    ("asked", "tree", "lacking", "like"),
    [
        ("stc", "avenue", "training/videos and no training/frames", "avenue"),
        ("avenue", "stc", "training_videos and no training/frames", "stc"),
        ("ped2", "mvtec", "Train and no training/frames", "mvtec"),
        ("mvtec", "ped1", "train/good and no <category>/train/good", "ped1"),
        ("rd-mvtec", "folder", "train/good and no <category>/train/good", "folder"),
        ("folder", "common ped2", "train", "ped2"),
    ],
)
def test_another_data_set_is_recognised(sound: Path, asked: str, tree: str, lacking: str, like: str) -> None:
    assert_recognised(asked, sound / tree, lacking, like)


@pytest.mark.parametrize(
    ("spans", "flaw"),
    [
        (["2:4", "8:10"], "clip 2 is abnormal in 8:10 of 9 frames; the clip is left out"),
        (
            ["7:9", "3:5"],
            "the spans of clip 'Test001' differ from its masks in 6 of 9 frames, first in frame 2; "
            "the clip is left out",
        ),
        (["2:4", "3:5", "1:1"], "spans of a missing clip (3)"),
    ],
)
def test_spans_that_cannot_belong_to_the_clips_are_told(
    sound: Path, tmp_path: Path, spans: list[str], flaw: str
) -> None:
    root = Path(shutil.copytree(sound / "ped2", tmp_path / "ped2"))
    script = root / "Test" / "UCSDped2.m"
    script.write_text("\n".join(f"TestVideoFile{{end+1}}.gt_frame = [{clip}];" for clip in spans))
    missing = load_dataset("ped2", root, DatasetOptions(allow_partial=True)).missing
    assert missing[:-1] == (f"{script}: {flaw}",)  # the last one is the size of the tree


def test_a_category_that_is_not_there_and_one_of_another_data_set_are_refused(sound: Path) -> None:
    with pytest.raises(DatasetError) as refusal:
        load_dataset("mvtec", sound / "mvtec", DatasetOptions(categories=("bolt",), allow_partial=True))
    assert str(refusal.value) == f"{sound}/mvtec: no category 'bolt' in it, only nut; choose among those"
    with pytest.raises(DatasetError) as refusal:
        load_dataset("stc", sound / "stc", DatasetOptions(categories=("bolt",)))
    assert str(refusal.value) == "stc: it has no categories; choose categories of mvtec or rd-mvtec only"
    with pytest.raises(DatasetError) as refusal:
        load_dataset("ucf", sound, DatasetOptions())
    assert str(refusal.value) == (f"ucf: no such data set; choose one of {', '.join(DATASETS)}")


def test_a_data_set_of_which_nothing_is_left_is_refused_even_where_gaps_are_allowed(
    sound: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(sound / "folder", tmp_path / "folder"))
    written("labels/night.txt", b"2")(root)
    written("labels/noon.npy", b"2")(root)
    with pytest.raises(DatasetError) as refusal:
        load_dataset("folder", root, DatasetOptions(allow_partial=True))
    assert str(refusal.value) == f"{root}: no test clip that can be scored; copy the data set again"
    written("train/day.mp4", b"2")(root)
    with pytest.raises(DatasetError) as refusal:
        load_dataset("folder", root, DatasetOptions(allow_partial=True))
    assert str(refusal.value) == f"{root}: no training footage that can be read; copy the data set again"
