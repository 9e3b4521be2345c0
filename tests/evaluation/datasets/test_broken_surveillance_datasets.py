"""Whatever is wrong with one of the newer surveillance data sets is told in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DatasetOptions, load_dataset
from support.damage import (
    AGAIN,
    COMPLETE,
    NPY_OF_OBJECTS,
    ROOT,
    Breaking,
    Trap,
    assert_recognised,
    assert_refused,
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
from support.surveillance_trees import (
    complexvad_tree,
    corridor_tree,
    nwpu_tree,
    stc_weakly_tree,
    street_scene_tree,
    ubnormal_tree,
)

BUILDERS: dict[str, Callable[[Path], object]] = {
    "nwpu": nwpu_tree,
    "corridor": corridor_tree,
    "street-scene": street_scene_tree,
    "complexvad": complexvad_tree,
    "ubnormal": ubnormal_tree,
    "stc-weakly": stc_weakly_tree,
}
Case = tuple[str, Breaking, str]  # what is broken, how, and the message of it, with {root} in it

ARCHIVE = "groundtruth/NWPU_Campus_gt.npz"
NO_NPY = "it is not a NumPy array, is cut short, or contains Python objects"
NO_NPZ = "it is not a NumPy archive, is damaged, or contains Python objects; copy the data set again"
INCOMPLETE = "complete the data set, or evaluate it as it is with --allow-partial"
NINE = np.zeros(9, np.uint8)


def archived(**labels: object) -> Breaking:
    """Labels of NWPU Campus."""
    whole = {"D001_01": NINE, "D002_02": NINE, "D094_01": NINE} | labels
    arrays = {name: np.asarray(value) for name, value in whole.items() if value is not None}
    return lambda root: np.savez(root / ARCHIVE, allow_pickle=True, **arrays)


def unbroken(_root: Path) -> None:
    """Only the size is wrong."""


NWPU: list[Case] = [
    ("no training", removed("videos/Train"), f"{{root}}: no videos/Train in it; {ROOT}"),
    ("no test", removed("videos/Test"), f"{{root}}: no videos/Test in it; {ROOT}"),
    ("no labels at all", removed("groundtruth"), f"{{root}}: no groundtruth in it; {ROOT}"),
    ("one folder too high", nested, "{root}: no videos/Train in it; {root}/STC looks like nwpu; give that folder"),
    (
        "nothing to learn from",
        emptied("videos/Train"),
        f"{{root}}/videos/Train: no videos and no folders of images in it; {ROOT}",
    ),
    (
        "a clip without labels",
        archived(D001_01=None),
        f"{{root}}/videos/Test/D001_01.avi: no labels for this clip ('D001_01' in {{root}}/{ARCHIVE}); {COMPLETE}",
    ),
    (
        "labels without a clip",
        removed("videos/Test/D094_01.avi"),
        f"{{root}}/{ARCHIVE}: labels of a missing clip ('D094_01'); {COMPLETE}",
    ),
    (
        "a label of 2",
        archived(D001_01=[0, 2, *[0] * 7]),
        f"{{root}}/{ARCHIVE}, clip 'D001_01': label 1 is 2; it must be 0 or 1; {AGAIN}",
    ),
    (
        "words for labels",
        archived(D001_01=["no"] * 9),
        f"{{root}}/{ARCHIVE}, clip 'D001_01': labels of type <U2; they must be 0 or 1; {AGAIN}",
    ),
    (
        "masks for labels",
        archived(D001_01=np.zeros((9, 4, 4))),
        f"{{root}}/{ARCHIVE}, clip 'D001_01': labels of shape (9, 4, 4); it must be one for each frame; {AGAIN}",
    ),
    (
        "no label",
        archived(D001_01=[]),
        f"{{root}}/{ARCHIVE}, clip 'D001_01': labels of shape (0,); it must be one for each frame; {AGAIN}",
    ),
    (
        "too many labels for a video",
        archived(D001_01=[0] * 20),
        f"{{root}}/{ARCHIVE}: 20 labels for the 9 frames of {{root}}/videos/Test/D001_01.avi; {AGAIN}",
    ),
    (
        "too few labels for frames",
        archived(D002_02=[0] * 8),
        f"{{root}}/{ARCHIVE}: 8 labels for the 9 frames of {{root}}/videos/Test/D002_02; {AGAIN}",
    ),
    ("an archive cut short", cut(ARCHIVE), f"{{root}}/{ARCHIVE}: {NO_NPZ}"),
    ("an archive with a wrong byte", overwritten(ARCHIVE, 150, b"\xff\xff"), f"{{root}}/{ARCHIVE}: {NO_NPZ}"),
    ("an empty archive", written(ARCHIVE, b""), f"{{root}}/{ARCHIVE}: {NO_NPZ}"),
    ("no archive", written(ARCHIVE, b"<html>404</html>"), f"{{root}}/{ARCHIVE}: {NO_NPZ}"),
    ("an archive of objects", archived(D001_01=np.array([Trap()], object)), f"{{root}}/{ARCHIVE}: {NO_NPZ}"),
    (
        "an archive that is a link to nowhere",
        linked_nowhere(ARCHIVE),
        f"{{root}}/videos/Test/D001_01.avi: no labels for this clip ({{root}}/groundtruth/D001_01.npy); {COMPLETE}",
    ),
    (
        "an empty video",
        written("videos/Train/D001_01.avi", b""),
        f"{{root}}/videos/Train/D001_01.avi: an empty file; {AGAIN}",
    ),
    (
        "no video",
        written("videos/Test/D001_01.avi", b"<html>404</html>" * 99),
        f"{{root}}/videos/Test/D001_01.avi: it can't be read as footage (not video); {AGAIN}",
    ),
    (
        "a clip of no scene",
        moved("videos/Train/D002_01.avi", "videos/Train/spring.avi"),
        "{root}/videos/Train/spring.avi: no scene in its name; name it <scene>_<clip>, as 01_0014",
    ),
    (
        "a scene without footage",
        removed("videos/Train/D002_01.avi"),
        f"{{root}}/videos/Test/D002_02: no training footage of its scene 'D002'; {COMPLETE}",
    ),
    ("a root that is a file", turned_into_a_file, f"{{root}}: a file, not a folder; {ROOT}"),
]

TEST = "Test_IITB-Corridor"
ANNOTATION = f"{TEST}/Test_Annotation/Annotation"
LABELS = f"{ANNOTATION}/000209/000209.npy"

CORRIDOR: list[Case] = [
    (
        "no training",
        removed("Train_IITB_Corridor"),
        f"{{root}}: no Train_IITB_Corridor/Train and no Train in it; {ROOT}",
    ),
    ("no test", removed(f"{TEST}/Test"), f"{{root}}: no {TEST}/Test and no Test in it; {ROOT}"),
    (
        "no labels at all",
        removed(f"{TEST}/Test_Annotation"),
        f"{{root}}: no {ANNOTATION} and no Test_Annotation/Annotation in it; {ROOT}",
    ),
    (
        "one folder too high",
        nested,
        "{root}: no Train_IITB_Corridor/Train and no Train in it; {root}/STC looks like corridor; give that folder",
    ),
    (
        "a clip without labels",
        removed(f"{ANNOTATION}/000209"),
        f"{{root}}/{TEST}/Test/000209/000209.avi: no labels for this clip ({{root}}/{LABELS}); {COMPLETE}",
    ),
    (
        "labels without a clip",
        removed(f"{TEST}/Test/000209"),
        f"{{root}}/{LABELS}: labels of a missing clip ('000209'); {COMPLETE}",
    ),
    (
        "a folder without labels",
        removed(LABELS),
        f"{{root}}/{ANNOTATION}/000209: 0 files of labels in it; it must be one; {AGAIN}",
    ),
    (
        "labels twice",
        written(f"{ANNOTATION}/000209/other.npy", b"0"),
        f"{{root}}/{ANNOTATION}/000209: 2 files of labels in it; it must be one; {AGAIN}",
    ),
    ("a label of 2", saved(LABELS, [0, 2] * 4), f"{{root}}/{LABELS}: label 1 is 2; it must be 0 or 1; {AGAIN}"),
    (
        "a label that is no number",
        saved(LABELS, [0, np.nan] * 4),
        f"{{root}}/{LABELS}: label 1 is nan; it must be 0 or 1; {AGAIN}",
    ),
    (
        "words for labels",
        saved(LABELS, ["no", "yes"]),
        f"{{root}}/{LABELS}: labels of type <U3; they must be 0 or 1; {AGAIN}",
    ),
    (
        "masks for labels",
        saved(LABELS, np.zeros((9, 4, 4))),
        f"{{root}}/{LABELS}: labels of shape (9, 4, 4); it must be one for each frame; {AGAIN}",
    ),
    (
        "no label",
        saved(LABELS, []),
        f"{{root}}/{LABELS}: labels of shape (0,); it must be one for each frame; {AGAIN}",
    ),
    (
        "labels of another length",
        saved(LABELS, [0] * 20),
        f"{{root}}/{LABELS}: 20 labels for the 9 frames of {{root}}/{TEST}/Test/000209/000209.avi; {AGAIN}",
    ),
    ("labels cut short", cut(LABELS, 0.98), f"{{root}}/{LABELS}: {NO_NPY}; {AGAIN}"),
    ("a pickle for labels", written(LABELS, NPY_OF_OBJECTS), f"{{root}}/{LABELS}: {NO_NPY}; {AGAIN}"),
    (
        "a folder without a video",
        removed("Train_IITB_Corridor/Train/000001/000001.avi"),
        f"{{root}}/Train_IITB_Corridor/Train/000001: no images in the folder; {AGAIN}",
    ),
    (
        "two videos of a clip",
        written("Train_IITB_Corridor/Train/000001/copy.avi", b"0"),
        f"{{root}}/Train_IITB_Corridor/Train/000001: no images in the folder; {AGAIN}",
    ),
    (
        "an empty video",
        written(f"{TEST}/Test/000210/000210.avi", b""),
        f"{{root}}/{TEST}/Test/000210/000210.avi: an empty file; {AGAIN}",
    ),
    (
        "a video cut before its header",
        cut(f"{TEST}/Test/000210/000210.avi", 0.001),
        f"{{root}}/{TEST}/Test/000210/000210.avi: it can't be read as footage (not video); {AGAIN}",
    ),
]

TRACKS = "Test/Test001/Test001_gt.txt"
FIELDS = "image, track, centre x, centre y, width, height"


def tracks(*lines: str) -> Breaking:
    return lambda root: (root / TRACKS).write_text("\n".join(lines))


STREET_SCENE: list[Case] = [
    ("no training", removed("Train"), f"{{root}}: no Train in it; {ROOT}"),
    ("no test", removed("Test"), f"{{root}}: no Test in it; {ROOT}"),
    ("one folder too high", nested, "{root}: no Train in it; {root}/STC looks like street-scene; give that folder"),
    (
        "a clip without tracks",
        removed(TRACKS),
        f"{{root}}/Test/Test001: no labels for this clip ({{root}}/{TRACKS}); {COMPLETE}",
    ),
    (
        "tracks without a clip",
        written("Test/Test009_gt.txt", b"001.jpg 0 9 9 4 4"),
        f"{{root}}/Test/Test009_gt.txt: labels of a missing clip ('Test009'); {COMPLETE}",
    ),
    (
        "tracks twice",
        written("Test/Test001/Test001_old_gt.txt", b"001.jpg 0 9 9 4 4"),
        "{root}/Test/Test001/Test001_old_gt.txt: a second file of tracks of the clip 'Test001'; keep one of them",
    ),
    ("no box", tracks(""), f"{{root}}/{TRACKS}: no boxes in it; {AGAIN}"),
    ("bytes for tracks", written(TRACKS, b"\xff\xfe0\0"), f"{{root}}/{TRACKS}: it is not plain text; {AGAIN}"),
    (
        "a line cut short",
        tracks("001.jpg 0 9 9 4 4", "002.jpg 0 9"),
        f"{{root}}/{TRACKS}, line 2: 3 fields; it must be {FIELDS}; {AGAIN}",
    ),
    (
        "a line with a comma",
        tracks("001.jpg,0,9,9,4,4"),
        f"{{root}}/{TRACKS}, line 1: 1 fields; it must be {FIELDS}; {AGAIN}",
    ),
    (
        "a word for a number",
        tracks("001.jpg 0 9 nine 4 4"),
        f"{{root}}/{TRACKS}, line 1: '001.jpg 0 9 nine 4 4'; it must be {FIELDS}, five of them numbers; {AGAIN}",
    ),
    (
        "a track below 0",
        tracks("001.jpg -1 9 9 4 4"),
        f"{{root}}/{TRACKS}, line 1: track -1; it must be a number from 0; {AGAIN}",
    ),
    (
        "a box after the clip",
        tracks("Test001/010.jpg 0 9 9 4 4"),
        f"{{root}}/{TRACKS}, line 1: a box in 'Test001/010.jpg', which is no frame of the clip; {AGAIN}",
    ),
    (
        "a box before the clip",
        tracks("000.jpg 0 9 9 4 4"),
        f"{{root}}/{TRACKS}, line 1: a box in '000.jpg', which is no frame of the clip; {AGAIN}",
    ),
    (
        "a box without area",
        tracks("001.jpg 0 9 9 0 4"),
        f"{{root}}/{TRACKS}, line 1: a box of 0x4 around 9,9 in a frame of 96x64; {AGAIN}",
    ),
    (
        "a box outside the frame",
        tracks("001.jpg 0 100 9 8 4"),
        f"{{root}}/{TRACKS}, line 1: a box of 8x4 around 100,9 in a frame of 96x64; {AGAIN}",
    ),
    (
        "a box of no size",
        tracks("001.jpg 0 9 9 nan inf"),
        f"{{root}}/{TRACKS}, line 1: a box of nanxinf around 9,9 in a frame of 96x64; {AGAIN}",
    ),
    (
        "two boxes of a track in a frame",
        tracks("001.jpg 2 9 9 4 4", "1.jpg 2 20 9 4 4"),
        f"{{root}}/{TRACKS}, line 2: a second box of track 2 in its frame; {AGAIN}",
    ),
    (
        "an unreadable frame",
        cut("Test/Test001/001.jpg"),
        f"{{root}}/Test/Test001/001.jpg: it can't be read as footage (damaged picture); {AGAIN}",
    ),
    (
        "an empty frame",
        written("Train/Train001/007.jpg", b""),
        f"{{root}}/Train/Train001/007.jpg: an empty file; {AGAIN}",
    ),
    ("an empty folder", emptied("Train/Train001"), f"{{root}}/Train/Train001: no images in the folder; {AGAIN}"),
]

COMPLEXVAD: list[Case] = [
    (
        "a clip without tracks",
        removed("Test/01_gt.txt"),
        f"{{root}}/Test/01.mp4: no labels for this clip ({{root}}/Test/01/01_gt.txt); {COMPLETE}",
    ),
    (
        "tracks without a clip",
        removed("Test/01.mp4"),
        f"{{root}}/Test/01_gt.txt: labels of a missing clip ('01'); {COMPLETE}",
    ),
    (
        "a box after the video",
        written("Test/01_gt.txt", b"000010.jpg 0 9 9 4 4"),
        f"{{root}}/Test/01_gt.txt, line 1: a box in '000010.jpg', which is no frame of the clip; {AGAIN}",
    ),
    (
        "a box before the video",
        written("Test/01_gt.txt", b"0 0 9 9 4 4"),
        f"{{root}}/Test/01_gt.txt, line 1: a box in '0', which is no frame of the clip; {AGAIN}",
    ),
    (
        "no video",
        written("Test/01.mp4", b"<html>404</html>" * 99),
        f"{{root}}/Test/01.mp4: it can't be read as footage (not video); {AGAIN}",
    ),
    ("an empty video", written("Train/01.mp4", b""), f"{{root}}/Train/01.mp4: an empty file; {AGAIN}"),
]

ABNORMAL = "Scene2/abnormal_scene_2_scenario_1"
OBJECTS = f"{ABNORMAL}_annotations/abnormal_scene_2_scenario_1"
LISTS = "put the authors' folder `scripts` into it"
TRAINING_LIST = "scripts/normal_training_video_names.txt"


def objects(content: str) -> Breaking:
    return written(f"{OBJECTS}_tracks.txt", content.encode())


UBNORMAL: list[Case] = [
    (
        "no scene",
        removed("Scene1", "Scene2", "scripts/normal_test_video_names.txt", TRAINING_LIST),
        f"{{root}}: no Scene1 in it; {ROOT}",
    ),
    ("no lists", removed("scripts"), f"{{root}}: no {TRAINING_LIST} in it; {LISTS}"),
    (
        "a list is missing",
        removed("scripts/abnormal_test_video_names.txt"),
        f"{{root}}: no scripts/abnormal_test_video_names.txt in it; {LISTS}",
    ),
    ("one folder too high", nested, "{root}: no Scene1 in it; {root}/STC looks like ubnormal; give that folder"),
    (
        "bytes for a list",
        written(TRAINING_LIST, b"\xff\xfe0\0"),
        f"{{root}}/{TRAINING_LIST}: it is not plain text; {AGAIN}",
    ),
    (
        "a name of another data set",
        written(TRAINING_LIST, b"01_001"),
        "01_001: no scene in this name; take the authors' lists of names",
    ),
    (
        "a training video is missing",
        removed("Scene1/normal_scene_1_scenario_1.mp4"),
        "{root}/Scene1/normal_scene_1_scenario_1.mp4: no such video, "
        f"while {{root}}/{TRAINING_LIST} names it; {COMPLETE}",
    ),
    (
        "a test video is missing",
        removed(f"{ABNORMAL}.mp4"),
        f"{{root}}/{ABNORMAL}.mp4: no such video, "
        f"while {{root}}/scripts/abnormal_test_video_names.txt names it; {COMPLETE}",
    ),
    (
        "a scene without footage",
        written(TRAINING_LIST, b"normal_scene_1_scenario_1"),
        f"{{root}}/{ABNORMAL}.mp4: no training footage of its scene '2'; {COMPLETE}",
    ),
    (
        "no training video",
        written(TRAINING_LIST, b""),
        "{root}: no training footage that can be read; copy the data set again",
    ),
    ("an empty video", written(f"{ABNORMAL}.mp4", b""), f"{{root}}/{ABNORMAL}.mp4: an empty file; {AGAIN}"),
    (
        "no video",
        written(f"{ABNORMAL}.mp4", b"<html>404</html>" * 99),
        f"{{root}}/{ABNORMAL}.mp4: it can't be read as footage (not video); {AGAIN}",
    ),
    (
        "no tracks",
        removed(f"{OBJECTS}_tracks.txt"),
        f"{{root}}/{OBJECTS}_tracks.txt: it can't be read (No such file or directory); {AGAIN}",
    ),
    ("no track", objects("\n"), f"{{root}}/{OBJECTS}_tracks.txt: no tracks in it; {AGAIN}"),
    (
        "a word in a track",
        objects("3,two,5"),
        f"{{root}}/{OBJECTS}_tracks.txt, line 1: '3,two,5'; it must be object,first,last; {AGAIN}",
    ),
    (
        "a track cut short",
        objects("3,2,5\n7,5"),
        f"{{root}}/{OBJECTS}_tracks.txt, line 2: '7,5'; it must be object,first,last; {AGAIN}",
    ),
    (
        "a track of no end",
        objects("3,2,inf"),
        f"{{root}}/{OBJECTS}_tracks.txt, line 1: '3,2,inf'; it must be object,first,last; {AGAIN}",
    ),
    (
        "a track beyond the clip",
        objects("3,2,9"),
        f"{{root}}/{OBJECTS}_tracks.txt, line 1: object 3 is abnormal in 2 to 9 of 9 frames; {AGAIN}",
    ),
    (
        "a track that ends before it begins",
        objects("3,5,2"),
        f"{{root}}/{OBJECTS}_tracks.txt, line 1: object 3 is abnormal in 5 to 2 of 9 frames; {AGAIN}",
    ),
    (
        "the background for an object",
        objects("0,2,5"),
        f"{{root}}/{OBJECTS}_tracks.txt, line 1: object 0 is abnormal in 2 to 5 of 9 frames; {AGAIN}",
    ),
    (
        "a map is missing",
        removed(f"{OBJECTS}_0005_gt.png"),
        f"{{root}}/{OBJECTS}_0005_gt.png: it can't be read (No such file or directory); {AGAIN}",
    ),
    (
        "an empty map",
        written(f"{OBJECTS}_0005_gt.png", b""),
        f"{{root}}/{OBJECTS}_0005_gt.png: an empty file; {AGAIN}",
    ),
    (
        "a map that is no image",
        written(f"{OBJECTS}_0002_gt.png", b"none"),
        f"{{root}}/{OBJECTS}_0002_gt.png: it can't be read as an image; {AGAIN}",
    ),
    (
        "a map of another size",
        image(f"{OBJECTS}_0002_gt.png", 64, 60),
        f"{{root}}/{OBJECTS}_0002_gt.png: a mask of 64x60 for a frame of 96x64; {AGAIN}",
    ),
]


def listed(**lists: str) -> Breaking:
    def write(root: Path) -> None:
        for name, content in lists.items():
            (root / f"{name}.txt").write_text(content)

    return write


STC_WEAKLY: list[Case] = [
    (
        "no training list",
        removed("SH_Train.txt"),
        "{root}: no SH_Train.txt and no SH_Train_new.txt in it; put the lists of the split into it",
    ),
    (
        "no test list",
        removed("SH_Test.txt"),
        "{root}: no SH_Test.txt and no SH_Test_NEW.txt in it; put the lists of the split into it",
    ),
    (
        "a list of too few",
        unbroken,
        f"{{root}}/SH_Train.txt: 3 of 238 clips in it; {INCOMPLETE}",
    ),
    (
        "an empty list",
        listed(SH_Train=""),
        f"{{root}}/SH_Train.txt: 0 of 238 clips in it; {INCOMPLETE}",
    ),
    (
        "another list",
        listed(SH_Train="Abuse001_x264.mp4"),
        "{root}/SH_Train.txt: line 1 is 'Abuse001_x264.mp4'; begin each line with a clip, as 01_0015",
    ),
    (
        "a clip twice in a list",
        listed(SH_Train="01_001\n01_001.avi"),
        "{root}/SH_Train.txt: line 2 repeats '01_001'; take the published lists",
    ),
    (
        "bytes for a list",
        written("SH_Train.txt", b"\xff\xfe0\0"),
        f"{{root}}/SH_Train.txt: it is not plain text; {AGAIN}",
    ),
]

CASES = [
    (dataset, *case)
    for dataset, cases in {
        "nwpu": NWPU,
        "corridor": CORRIDOR,
        "street-scene": STREET_SCENE,
        "complexvad": COMPLEXVAD,
        "ubnormal": UBNORMAL,
        "stc-weakly": STC_WEAKLY,
    }.items()
    for case in cases
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound tree of every layout."""
    root = tmp_path_factory.mktemp("sound")
    for name, build in BUILDERS.items():
        build(root / name)
    return root


@pytest.mark.parametrize(
    ("dataset", "breaking", "message"),
    [pytest.param(dataset, breaking, message, id=f"{dataset}: {what}") for dataset, what, breaking, message in CASES],
)
def test_what_is_broken_is_told_in_one_line(
    sound: Path, tmp_path: Path, dataset: str, breaking: Breaking, message: str
) -> None:
    root = tmp_path / "root"
    shutil.copytree(sound / dataset, root)
    breaking(root)
    assert_refused(dataset, root, message)


LEFT_OUT: list[tuple[str, str, Breaking, list[str]]] = [
    ("nwpu", "a clip", archived(D001_01=[2]), ["D002_02", "D094_01"]),
    ("corridor", "a clip", removed(LABELS), ["000210"]),
    ("street-scene", "a clip", removed(TRACKS), ["Test002"]),
    ("complexvad", "a clip", written("Test/01.mp4", b"0"), ["02"]),
    ("ubnormal", "a clip", objects("3,2,9"), ["normal_scene_1_scenario_2_fog"]),
    (
        "stc-weakly",
        "a normal clip",
        removed("training/videos/01_002.avi"),
        ["01_0002", "02_0001", "02_0002", "02_002"],
    ),
    ("stc-weakly", "an abnormal clip", removed("testing/frames/02_0001"), ["01_0002", "01_002", "02_0002", "02_002"]),
    (
        "stc-weakly",
        "a clip's labels",
        saved("testing/test_frame_mask/02_0001.npy", [2]),
        ["01_0002", "01_002", "02_0002", "02_002"],
    ),
]


@pytest.mark.parametrize(
    ("dataset", "breaking", "left"),
    [pytest.param(dataset, breaking, left, id=f"{dataset}: {what}") for dataset, what, breaking, left in LEFT_OUT],
)
def test_a_broken_clip_is_left_out_and_told_where_that_is_allowed(
    sound: Path, tmp_path: Path, dataset: str, breaking: Breaking, left: list[str]
) -> None:
    root = tmp_path / "root"
    shutil.copytree(sound / dataset, root)
    before = load_dataset(dataset, root, DatasetOptions(allow_partial=True)).missing
    breaking(root)
    found = load_dataset(dataset, root, DatasetOptions(allow_partial=True))
    assert sorted(clip.name for clip in found.clips) == left
    assert len(found.missing) > len(before)


def test_a_test_clip_in_both_lists_is_refused(sound: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sound / "stc-weakly", tmp_path / "root"))
    listed(SH_Train="01_001\n02_001\n01_0002\n")(root)
    with pytest.raises(DatasetError) as refusal:
        load_dataset("stc-weakly", root, DatasetOptions(allow_partial=True))
    assert str(refusal.value) == f"{root}/SH_Test.txt: the clip '01_0002' is in both lists; take the published lists"


def test_a_clip_that_a_list_names_and_the_copy_lacks_is_told(sound: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sound / "stc-weakly", tmp_path / "root"))
    listed(SH_Train="01_001\n02_001\n13_007\n")(root)
    missing = load_dataset("stc-weakly", root, DatasetOptions(allow_partial=True)).missing
    assert f"{root}/SH_Train.txt: it names a missing clip ('13_007'); the clip is left out" in missing


def test_an_object_map_that_breaks_later_is_told_when_it_is_read(sound: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(sound / "ubnormal", tmp_path / "root"))
    written(f"{OBJECTS}_0004_gt.png", b"none")(root)
    clip = load_dataset("ubnormal", root, DatasetOptions(allow_partial=True)).clips[0]
    assert clip.masks is not None
    assert clip.masks[3].any()
    with pytest.raises(DatasetError) as refusal:
        clip.masks[4]
    assert str(refusal.value) == f"{root}/{OBJECTS}_0004_gt.png: it can't be read as an image; {AGAIN}"


@pytest.mark.parametrize(
    ("asked", "tree", "lacking", "like"),
    [
        ("stc", "nwpu", "training/videos and no training/frames", "nwpu"),
        ("nwpu", "corridor", "videos/Train", "corridor"),
        ("avenue", "street-scene", "training_videos and no training/frames", "street-scene"),
        ("street-scene", "ubnormal", "Train", "ubnormal"),
        ("ubnormal", "stc-weakly", "Scene1", "stc"),
    ],
)
def test_another_data_set_is_recognised(sound: Path, asked: str, tree: str, lacking: str, like: str) -> None:
    assert_recognised(asked, sound / tree, lacking, like)
