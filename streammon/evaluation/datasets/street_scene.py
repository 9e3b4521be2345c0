"""Street Scene and ComplexVAD: data sets of one scene with published tracks, both from MERL.

Street Scene (Ramachandra and Jones, WACV 2020): a street, 1280x720 at 15 frames a second.

```
Train/Train001/NNN.jpg           46 clips, 56,847 frames
Test/Test001/NNN.jpg             35 clips, 146,410 frames
Test/Test001/Test001_gt.txt      a line `image track x y width height` for each box of an abnormal object
```

x and y are the centre of the box, in pixels; images are numbered from 1, tracks from 0. A frame with a box is
abnormal. The masks, from which the pixel figures and the regions without published tracks come, are the boxes.

Sources: folders, track files, and the numbering of images and tracks from a public script of the first author that
saves `anomalous_frames_streetscene.npy`; the names of the track files and the meaning of a box from
`evaluation/rbdc_tbdc_metrics.py` of github.com/SVIL2024/ST-RD-VAD, which reads MERL's track files of Ped2 and Avenue;
size and counts from the paper, the test frames also as counted in `src/evaluation/compute_tbdc_rbdc.py` of
github.com/jagob/harborfront-vad.

ComplexVAD (Mumcu et al., arXiv:2501.09733): a campus street.

```
Train/<clip>.mp4, or a folder of frames                104 clips
Test/<clip>.mp4, or a folder of frames                 113 clips
Test/<clip>_gt.txt, or in the folder of frames         tracks, as of Street Scene; of a video, the image is the
                                                       number of the frame from 1
```

The counts are the paper's. No public program that reads ComplexVAD was found, so this layout is assumed to be that of
Street Scene. A review of the paper (themoonlight.io) mentions one JSON file a test clip; such files would have to be
converted.
"""

from dataclasses import dataclass
from pathlib import Path

from streammon.errors import DatasetError
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    DEFAULT_FPS,
    LIST_SLACK_FRAMES,
    Defects,
    Extent,
    footage_fps,
    frame_size,
    labelled_clips,
    require_footage,
)
from streammon.evaluation.datasets.listing import entries, files_in, footage_in, required
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.datasets.tracks import BoxMasks, read_tracks
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip
from streammon.ingest import Clip

SUFFIX = "_gt"


@dataclass(frozen=True)
class TrackedScene:
    """Street Scene or ComplexVAD.

    Attributes:
        name: `street-scene` or `complexvad`.
        official: Official size.
        image_fps: Frames a second of folders of images.
    """

    name: str
    official: Extent
    image_fps: float


STREET_SCENE = TrackedScene("street-scene", Extent(46, 56_847, 35, 146_410), 15.0)
COMPLEXVAD = TrackedScene("complexvad", Extent(104, None, 113, None), DEFAULT_FPS)


def load_tracked(scene: TrackedScene, root: Path, options: DatasetOptions) -> Dataset:
    """Read and check Street Scene or ComplexVAD.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects, name, fps = Defects(options.allow_partial), scene.name, scene.image_fps
    training = checked(footage_in(required(root, name, "Train"), fps, defects).values(), defects)
    clips = _test_clips(scene, root, defects)
    scenes = by_scene((name, clip) for clip in training)
    return assembled(name, root, scenes, clips, footage_fps(training), defects, official=scene.official)


def load_tracked_truth(scene: TrackedScene, root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the tracks of Street Scene or ComplexVAD.

    The test footage is needed too: the tracks don't tell how many frames a clip has.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    clips = _test_clips(scene, root, defects)
    fps = footage_fps(clip.clip for clip in clips)
    return assembled_truth(scene.name, root, map(ClipTruth.of, clips), fps, defects, scene.official)


def _test_clips(scene: TrackedScene, root: Path, defects: Defects) -> list[LabelledClip]:
    folder = required(root, scene.name, "Test")
    test = footage_in(folder, scene.image_fps, defects)
    files = _track_files(folder, test)
    clips = []
    for clip in labelled_clips(test.values(), files, f"{folder}/{{0}}/{{0}}{SUFFIX}.txt", defects):
        with defects.leaving_out():
            clips.append(_labelled(clip, files[clip.name], scene.name))
    return clips


def _track_files(folder: Path, test: dict[str, Clip]) -> dict[str, Path]:
    """Track file of each clip, by clip name: in the clip's folder, or beside it."""
    files = {stem.removesuffix(SUFFIX): path for stem, path in files_in(folder, ".txt").items() if _is_truth(path)}
    for name in test:
        inside = [path for path in entries(folder / name) if _is_truth(path)] if (folder / name).is_dir() else []
        if len(inside) > 1:
            raise DatasetError(str(inside[1]), f"a second file of tracks of the clip '{name}'", "keep one of them")
        if inside:
            files[name] = inside[0]
    return files


def _is_truth(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and path.stem.endswith(SUFFIX)


def _labelled(clip: Clip, file: Path, scene: str) -> LabelledClip:
    require_footage(clip)
    frames = clip.frame_count()
    tracks = read_tracks(file, clip, frames, frame_size(clip))
    masks = BoxMasks(file, tracks, frames)
    slack = 0 if clip.images else LIST_SLACK_FRAMES
    return LabelledClip(clip.name, scene, clip, tracks.labels(frames), masks, tracks, slack)
