"""ShanghaiTech Campus (Liu et al., CVPR 2018): 13 scenes of one campus, 856x480 at 24 frames a second.

```
training/videos/<scene>_<clip>.avi            330 clips, 274,515 frames, scenes 01 to 13
testing/frames/<scene>_<clip>/NNN.jpg         107 clips, 40,791 frames
testing/test_frame_mask/<scene>_<clip>.npy    (T,) 0 or 1
testing/test_pixel_mask/<scene>_<clip>.npy    (T, H, W); may be absent as a whole
```

Training clips may instead be extracted to `training/frames/<scene>_<clip>/NNN.jpg`, which is read if there are no
videos. Test clips may instead be videos, in `testing/videos` or directly in `testing/frames`; a folder of frames
takes precedence over a video in `testing/videos`. Frames are ordered by number, padded or not. Scene 13 has no test
clip, so no bank is learned for it, but a complete copy contains its training clips.
"""

from collections.abc import Container, Iterator
from pathlib import Path

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import npy_labels
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    COMPLETE,
    Defects,
    Extent,
    frame_size,
    labelled_clips,
    require_footage,
    require_label_count,
)
from streammon.evaluation.datasets.listing import entries, files_in, footage_in, required
from streammon.evaluation.datasets.masks import ArrayMasks
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip, Labels
from streammon.ingest import Clip

FPS = 24.0
OFFICIAL = Extent(training_clips=330, training_frames=274_515, test_clips=107, test_frames=40_791)
TRUTH = "testing/test_frame_mask"


def load_stc(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check ShanghaiTech Campus.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    training = footage_in(required(root, "stc", "training/videos", "training/frames"), FPS, defects)
    scenes = by_scene(with_scene(checked(training.values(), defects), defects))
    clips = labelled_test_clips(root, defects)
    return assembled("stc", root, scenes, clips, FPS, defects, official=OFFICIAL)


def labelled_test_clips(root: Path, defects: Defects) -> list[LabelledClip]:
    """The test clips with their labels and masks.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    return _labelled(_test_footage(root, defects), required(root, "stc", TRUTH), defects)


def load_stc_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the labels and masks of ShanghaiTech Campus; nothing else need be there.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    return assembled_truth("stc", root, truth_of_test_clips(root, defects), FPS, defects, OFFICIAL)


def truth_of_test_clips(root: Path, defects: Defects) -> list[ClipTruth]:
    """Labels and masks of the test clips.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    folder = required(root, "stc", TRUTH)
    files = files_in(folder, ".npy")
    pixels = _pixel_files(folder, files, defects)
    clips = []
    for name, path in files.items():
        with defects.leaving_out():
            labels = npy_labels(path)
            masks = None if pixels is None else _masks(name, path, labels, pixels, None)
            clips.append(ClipTruth(name, scene_of(name), labels, masks))
    return clips


def scene_of(name: str) -> str:
    """Scene of a clip: the part of the clip's name before `_`.

    >>> scene_of("01_0014")
    '01'
    """
    return name.partition("_")[0]


def with_scene(clips: list[Clip], defects: Defects) -> Iterator[tuple[str, Clip]]:
    """The clips with their scenes.

    Raises:
        DatasetError: A clip has no scene in its name, without `allow_partial`.
    """
    for clip in clips:
        if "_" in clip.name:
            yield scene_of(clip.name), clip
        else:
            flaw = DatasetError(str(clip.path), "no scene in its name", "name it <scene>_<clip>, as 01_0014")
            defects.record(flaw, "the clip is left out")


def _test_footage(root: Path, defects: Defects) -> dict[str, Clip]:
    """Test clips by name; a clip that exists as video and as frames is read from the frames."""
    folder, frames = required(root, "stc", "testing/videos", "testing/frames"), root / "testing" / "frames"
    found = footage_in(folder, FPS, defects)
    if folder != frames and frames.is_dir() and entries(frames):
        found |= footage_in(frames, FPS, defects)
    return found


def _labelled(footage: dict[str, Clip], truth: Path, defects: Defects) -> list[LabelledClip]:
    found: list[LabelledClip] = []
    pixels = _pixel_files(truth, footage, defects)
    files = files_in(truth, ".npy")
    for clip in labelled_clips(footage.values(), files, f"{truth}/{{}}.npy", defects):
        with defects.leaving_out():
            found.append(_labelled_clip(clip, files[clip.name], pixels))
    return found


def _labelled_clip(clip: Clip, labels_file: Path, pixels: dict[str, Path] | None) -> LabelledClip:
    require_footage(clip)
    labels = npy_labels(labels_file)
    require_label_count(labels_file, labels, clip)
    masks = None if pixels is None else _masks(clip.name, clip.path, labels, pixels, frame_size(clip))
    return LabelledClip(clip.name, scene_of(clip.name), clip, labels, masks)


def _pixel_files(truth: Path, names: Container[str], defects: Defects) -> dict[str, Path] | None:
    """Mask file of each clip, by clip name; None without masks. Masks of a clip outside `names` are defects."""
    folder = truth.parent / "test_pixel_mask"
    if not folder.is_dir():
        return None
    files = files_in(folder, ".npy")
    for name, path in files.items():
        if name not in names:
            defects.record(DatasetError(str(path), f"masks of a missing clip ('{name}')", COMPLETE))
    return files


def _masks(
    name: str, place: Path, labels: Labels, pixels: dict[str, Path], size: tuple[int, int] | None
) -> ArrayMasks:
    """Masks of a clip; `place` is named in the error if there are none, `size` is that of the frames if known."""
    if name not in pixels:
        lacking = f"no masks in testing/test_pixel_mask for the clip '{name}', while others have them"
        raise DatasetError(str(place), lacking, COMPLETE)
    return ArrayMasks(pixels[name], len(labels), size)
