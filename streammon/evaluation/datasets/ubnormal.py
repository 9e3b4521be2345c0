"""UBnormal (Acsintoae et al., CVPR 2022): normal training videos and test videos of 29 virtual scenes, 30 fps.

```
Scene<N>/<clip>.mp4                                 N is the third part of the name: normal_scene_7_scenario_3
Scene<N>/<clip>_annotations/<clip>_tracks.txt       a line `object,first,last` for each abnormal object
Scene<N>/<clip>_annotations/<clip>_NNNN_gt.png      object map of frame NNNN: each pixel has its object's number
scripts/normal_training_video_names.txt             186 names
scripts/normal_test_video_names.txt                 53 names
scripts/abnormal_test_video_names.txt               158 names
```

`scripts` is a folder of the authors' repository, github.com/lilygeorgescu/UBnormal; its lists may also be in the
root. Frames are numbered from 0, and the last is included. A frame is abnormal if a line of its tracks includes
it; the abnormal pixels are those of the objects of such lines. Abnormal training videos and the validation videos are
not read: only normal footage is learned.

A published track is one line. Its box in a frame is the box of the object's largest connected part, as in the tracks
that the authors made for RBDC and TBDC.

Sources: `statistics.py`, `write_frame_level_ground_truth.py`, `create_tracks_for_tbdc_rbdc.py` and the lists in
`scripts` of that repository, and github.com/lilygeorgescu/UBnormal/issues/10. The number of test frames is not
required of a copy: the paper gives 92,640, the last of these scripts 89,908.
"""

from pathlib import Path

import numpy as np

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import text_lines
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    COMPLETE,
    LIST_SLACK_FRAMES,
    Defects,
    Extent,
    footage_fps,
    frame_size,
    require_footage,
)
from streammon.evaluation.datasets.listing import wrong_layout
from streammon.evaluation.datasets.masks import EmptyMasks
from streammon.evaluation.datasets.object_maps import AbnormalObjects, ObjectMasks, ObjectTracks
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.datasets.tracks import BoxTracks
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip, Labels
from streammon.ingest import Clip

NAME = "ubnormal"
FPS = 30.0
OFFICIAL = Extent(training_clips=186, training_frames=None, test_clips=53 + 158, test_frames=None)
TRAINING, NORMAL, ABNORMAL = "normal_training", "normal_test", "abnormal_test"


def load_ubnormal(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check the normal training videos and the test videos of UBnormal.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    training = checked(_listed(root, TRAINING, defects), defects)
    clips = _test_clips(root, defects)
    scenes = by_scene((_scene_of(clip.name), clip) for clip in training)
    return assembled(NAME, root, scenes, clips, footage_fps(training), defects, official=OFFICIAL)


def load_ubnormal_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the truth of UBnormal's test videos, which are needed: nothing else tells how long they are.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    clips = _test_clips(root, defects)
    fps = footage_fps(clip.clip for clip in clips)
    return assembled_truth(NAME, root, map(ClipTruth.of, clips), fps, defects, OFFICIAL)


def _test_clips(root: Path, defects: Defects) -> list[LabelledClip]:
    clips = []
    for part in (NORMAL, ABNORMAL):
        for clip in _listed(root, part, defects):
            with defects.leaving_out():
                clips.append(_normal(clip) if part == NORMAL else _abnormal(clip))
    return clips


def _listed(root: Path, part: str, defects: Defects) -> list[Clip]:
    """The videos of a list."""
    file = _list_file(root, f"{part}_video_names.txt")
    clips = []
    for name in filter(None, map(str.strip, text_lines(file))):
        with defects.leaving_out():
            path = root / f"Scene{_scene_of(name)}" / f"{name}.mp4"
            if not path.exists():
                raise DatasetError(str(path), f"no such video, while {file} names it", COMPLETE)
            clips.append(Clip(name, path, (), FPS))
    return clips


def _list_file(root: Path, name: str) -> Path:
    for path in (root / "scripts" / name, root / name):
        if path.exists():
            return path
    if not (root / "Scene1").is_dir():
        raise wrong_layout(root, "Scene1", NAME)
    raise DatasetError(str(root), f"no scripts/{name} in it", "put the authors' folder `scripts` into it")


def _scene_of(name: str) -> str:
    """Scene of a clip.

    >>> _scene_of("normal_scene_7_scenario_3_fog")
    '7'
    """
    parts = name.split("_")
    if len(parts) < 4 or parts[1] != "scene":
        raise DatasetError(name, "no scene in this name", "take the authors' lists of names")
    return parts[2]


def _normal(clip: Clip) -> LabelledClip:
    require_footage(clip)
    frames, size = clip.frame_count(), frame_size(clip)
    masks, tracks = EmptyMasks([size] * frames), BoxTracks([], size)
    labels: Labels = np.zeros(frames, dtype=np.bool_)
    return LabelledClip(clip.name, _scene_of(clip.name), clip, labels, masks, tracks, LIST_SLACK_FRAMES)


def _abnormal(clip: Clip) -> LabelledClip:
    require_footage(clip)
    frames = clip.frame_count()
    folder = clip.path.with_name(f"{clip.name}_annotations")
    objects = AbnormalObjects(folder / f"{clip.name}_tracks.txt", frames, frame_size(clip))
    masks, tracks = ObjectMasks(objects), ObjectTracks(objects)
    scene = _scene_of(clip.name)
    return LabelledClip(clip.name, scene, clip, objects.labels, masks, tracks, LIST_SLACK_FRAMES)
