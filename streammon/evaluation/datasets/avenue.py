"""CUHK Avenue (Lu et al., ICCV 2013): one avenue, 640x360 at 25 frames a second.

```
training_videos/NN.avi                               16 clips, 15,328 frames; or training/frames/NN/NNN.jpg
testing_videos/NN.avi                                21 clips, 15,324 frames; or testing/frames/NN/NNN.jpg
ground_truth_demo/testing_label_mask/N_label.mat     volLabel, a cell array of T masks
```

A frame is abnormal if a pixel of its mask is set.
"""

from pathlib import Path

from streammon.errors import DatasetError
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    Defects,
    Extent,
    frame_size,
    labelled_clips,
    require_footage,
    require_label_count,
)
from streammon.evaluation.datasets.listing import files_in, footage_in, required
from streammon.evaluation.datasets.masks import MatMasks
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip
from streammon.ingest import Clip

FPS = 25.0
OFFICIAL = Extent(training_clips=16, training_frames=15_328, test_clips=21, test_frames=15_324)
TRUTH = "ground_truth_demo/testing_label_mask"


def load_avenue(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check CUHK Avenue.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    training = footage_in(required(root, "avenue", "training_videos", "training/frames"), FPS, defects)
    test = footage_in(required(root, "avenue", "testing_videos", "testing/frames"), FPS, defects)
    truth = required(root, "avenue", TRUTH)
    scenes = by_scene(("avenue", clip) for clip in checked(training.values(), defects))
    files = _truth_files(truth, test)
    clips = []
    for clip in labelled_clips(test.values(), files, f"{truth}/N_label.mat", defects):
        with defects.leaving_out():
            clips.append(_labelled(clip, files[clip.name]))
    return assembled("avenue", root, scenes, clips, FPS, defects, official=OFFICIAL)


def load_avenue_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the masks of CUHK Avenue, which are its labels too; nothing else need be there.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    clips = []
    for number, path in _truth_files(required(root, "avenue", TRUTH), {}).items():
        with defects.leaving_out():
            masks = MatMasks(path, None)
            clips.append(ClipTruth(f"{int(number):02}", "avenue", masks.abnormal, masks))
    return assembled_truth("avenue", root, clips, FPS, defects, OFFICIAL)


def _truth_files(folder: Path, test: dict[str, Clip]) -> dict[str, Path]:
    """Mask file of each clip, by clip name: `1_label.mat` for the clip `01`; by its number without such a clip."""
    names = {int(name): name for name in test if name.isdecimal()}
    files = {}
    for stem, path in files_in(folder, ".mat").items():
        number = stem.removesuffix("_label")
        if not number.isdecimal():
            raise DatasetError(str(path), "no clip's number in its name", "name it N_label.mat, as 1_label.mat")
        files[names.get(int(number), number)] = path
    return files


def _labelled(clip: Clip, file: Path) -> LabelledClip:
    require_footage(clip)
    masks = MatMasks(file, frame_size(clip))
    require_label_count(file, masks.abnormal, clip)
    return LabelledClip(clip.name, "avenue", clip, masks.abnormal, masks)
