"""IITB-Corridor (Rodrigues et al., WACV 2020): one corridor of a university, 1920x1080.

```
Train_IITB_Corridor/Train/<clip>/<clip>.avi                              208 clips, 000001 to 000208
Test_IITB-Corridor/Test/<clip>/<clip>.avi                                150 clips, 000209 to 000358
Test_IITB-Corridor/Test_Annotation/Annotation/<clip>/<clip>.npy          (T,) 0 or 1
```

The two outer folders may be absent. Clips may instead be folders of frames. The frame rate is that of the videos; for
folders of frames 25 a second is assumed, because no source gives it.

Sources: the folders from two public scripts that collect the videos and the labels (`corridor/Test_IITB-Corridor/…`;
their repository is not known); file names and clip numbers from `DATA_README.md` of
github.com/SkiddieAhn/Paper-VideoPatchCore, the picture size from its `ObjectDetection/extra/config.py`. The numbers
of frames in survey tables (301,999 and 181,567) are not required of a copy, because no count of the files themselves
was found, nor whether each clip has as many labels as frames.
"""

from pathlib import Path

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import npy_labels
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import COPY_AGAIN, DEFAULT_FPS, Defects, Extent, footage_fps
from streammon.evaluation.datasets.frame_labels import LabelFiles, frame_labelled, frame_truths
from streammon.evaluation.datasets.listing import entries, files_in, footage_in, required
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.labelled import Dataset, GroundTruth

NAME = "corridor"
OFFICIAL = Extent(training_clips=208, training_frames=None, test_clips=150, test_frames=None)


def load_corridor(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check IITB-Corridor.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    folder = required(root, NAME, "Train_IITB_Corridor/Train", "Train")
    training = checked(footage_in(folder, DEFAULT_FPS, defects).values(), defects)
    test = footage_in(required(root, NAME, "Test_IITB-Corridor/Test", "Test"), DEFAULT_FPS, defects)
    clips = frame_labelled(test.values(), label_files(root, defects), lambda _: NAME, defects)
    scenes = by_scene((NAME, clip) for clip in training)
    return assembled(NAME, root, scenes, clips, footage_fps(training), defects, official=OFFICIAL)


def load_corridor_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the labels of IITB-Corridor; nothing else need be there.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    clips = frame_truths(label_files(root, defects), lambda _: NAME, defects)
    return assembled_truth(NAME, root, clips, DEFAULT_FPS, defects, OFFICIAL)


def label_files(root: Path, defects: Defects) -> LabelFiles:
    """The frame labels of the test clips.

    Raises:
        DatasetError: There are none; or a folder without labels or with several, without `allow_partial`.
    """
    annotation = "Test_Annotation/Annotation"
    folder = required(root, NAME, f"Test_IITB-Corridor/{annotation}", annotation)
    paths: dict[str, Path] = {}
    for entry in entries(folder):
        if entry.is_dir():
            with defects.leaving_out():
                paths[entry.name] = _only_file(entry)
    return LabelFiles(paths, lambda name: npy_labels(paths[name]), f"{folder}/{{0}}/{{0}}.npy")


def _only_file(folder: Path) -> Path:
    files = list(files_in(folder, ".npy").values())
    if len(files) != 1:
        raise DatasetError(str(folder), f"{len(files)} files of labels in it; it must be one", COPY_AGAIN)
    return files[0]
