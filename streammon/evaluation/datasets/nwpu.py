"""NWPU Campus (Cao et al., CVPR 2023): 43 scenes of one campus, most 1920x1080, 25 frames a second.

```
videos/Train/<scene>_<clip>.avi         305 clips of 42 scenes, as D001_01.avi
videos/Test/<scene>_<clip>.avi          242 clips of 43 scenes
groundtruth/NWPU_Campus_gt.npz          for each test clip, by its name, an array (T,) of 0 or 1
groundtruth/<scene>_<clip>.npy          or a file for each, if there is no NWPU_Campus_gt.npz
```

Clips may instead be folders of frames. A training clip and a test clip may have the same name. Scene D094 has a test
clip but no training clip, so only `--global-bank` scores it; otherwise the report names the clip and says PARTIAL.

Sources: paths, file names and the archive from `eval_nwpu.py` of github.com/Demorax/Detekce_podezrelych_osob and
`calm/nwpu_gt.py` of github.com/FaizanAbbas512/Sentrix, which also gives the meaning of the labels; the counts of
clips and scenes from the lists of all clips in `data/NWPU_split` of github.com/shengyangsun/TDSD; the size from
`main/dsets.py` of the authors' github.com/zugexiaodui/campus_vad_code; the rate from the published numbers of frames
and hours (1,466,073 in 16.3). The published numbers of training and test frames (1,082,014 and 384,059) are not
required of a copy, because no count of the files themselves was found.
"""

from pathlib import Path

from streammon.evaluation.datasets.arrays import labels_of, npy_labels, npz_arrays
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import Defects, Extent, footage_fps
from streammon.evaluation.datasets.frame_labels import LabelFiles, frame_labelled, frame_truths
from streammon.evaluation.datasets.listing import files_in, footage_in, required
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.datasets.stc import scene_of, with_scene
from streammon.evaluation.labelled import Dataset, GroundTruth

FPS = 25.0
OFFICIAL = Extent(training_clips=305, training_frames=None, test_clips=242, test_frames=None)
UNTAUGHT = ("D094",)
ARCHIVE = "NWPU_Campus_gt.npz"


def load_nwpu(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check NWPU Campus.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    training = checked(footage_in(required(root, "nwpu", "videos/Train"), FPS, defects).values(), defects)
    test = footage_in(required(root, "nwpu", "videos/Test"), FPS, defects)
    clips = frame_labelled(test.values(), label_files(root), scene_of, defects)
    scenes, fps = by_scene(with_scene(training, defects)), footage_fps(training)
    return assembled("nwpu", root, scenes, clips, fps, defects, official=OFFICIAL, untaught=UNTAUGHT)


def load_nwpu_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the labels of NWPU Campus; nothing else need be there.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    clips = frame_truths(label_files(root), scene_of, defects)
    return assembled_truth("nwpu", root, clips, FPS, defects, OFFICIAL)


def label_files(root: Path) -> LabelFiles:
    """The frame labels of the test clips.

    Raises:
        DatasetError: There are none, or their archive can't be read.
    """
    folder = required(root, "nwpu", "groundtruth")
    archive = folder / ARCHIVE
    if not archive.exists():
        paths = files_in(folder, ".npy")
        return LabelFiles(paths, lambda name: npy_labels(paths[name]), f"{folder}/{{}}.npy")
    arrays = npz_arrays(archive)
    return LabelFiles(
        dict.fromkeys(arrays, archive),
        lambda name: labels_of(arrays[name], f"{archive}, clip '{name}'"),
        f"'{{}}' in {archive}",
    )
