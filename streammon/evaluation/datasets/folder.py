"""Labelled footage of any origin, in a simple layout that only streammon uses.

```
train/<clip>                normal footage; a clip is a video file or a folder of images
test/<clip>                 footage to score
labels/<clip>.npy           one label a frame, 0 normal and 1 abnormal: a NumPy array (T,)
labels/<clip>.txt           or a text file with one 0 or 1 a line
masks/<clip>/NNN.png        optional: one image a frame, as large as the frame, abnormal pixels not black
masks/<clip>.npy            or a NumPy array (T, H, W)
dataset.yaml                optional: `fps: 12.5`, the frame rate of the footage; default 25, 0 for still images
```

With several scenes (one for each camera's view) each of the four folders has one folder a scene:
`train/<scene>/<clip>`, `test/<scene>/<clip>`, `labels/<scene>/<clip>.npy`, `masks/<scene>/<clip>.npy`. Without scene
folders there is a single scene, called `scene`. Images are ordered by the numbers in their names. A clip without
abnormal frames needs no masks.
"""

from pathlib import Path

import yaml

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import npy_labels, text_labels
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    COMPLETE,
    DEFAULT_FPS,
    Defects,
    frame_size,
    labelled_clips,
    require_footage,
    require_label_count,
)
from streammon.evaluation.datasets.listing import (
    STILLS_FPS,
    entries,
    files_in,
    footage_in,
    images_of,
    is_video,
    required,
)
from streammon.evaluation.datasets.masks import (
    UNKNOWN_SIZE,
    ArrayMasks,
    EmptyMasks,
    ImageMasks,
    StoredMasks,
    image_size,
)
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip, Labels
from streammon.ingest import Clip
from streammon.ingest.images import is_image

ONLY_SCENE = "scene"


def load_folder(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check labelled footage in streammon's own layout.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    train, test, _ = (required(root, "folder", part) for part in ("train", "test", "labels"))
    fps = _fps(root / "dataset.yaml")
    training = [
        (scene, clip)
        for scene, folder in _scenes(train).items()
        for clip in checked(footage_in(folder, fps or STILLS_FPS, defects, _prefix(root, folder)).values(), defects)
    ]
    clips: list[LabelledClip] = []
    for scene, folder in _scenes(test).items():
        prefix = _prefix(root, folder)
        footage = footage_in(folder, fps or STILLS_FPS, defects, prefix)
        files = {prefix + stem: path for stem, path in files_in(root / "labels" / prefix, ".npy", ".txt").items()}
        for clip in labelled_clips(footage.values(), files, f"{root / 'labels'}/{{}}.npy", defects):
            with defects.leaving_out():
                clips.append(_labelled_clip(root, scene, clip, files[clip.name]))
    return assembled("folder", root, by_scene(training), clips, fps, defects)


def load_folder_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the labels and masks of footage in streammon's own layout; nothing else need be there.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    labels = required(root, "folder", "labels")
    fps = _fps(root / "dataset.yaml")
    scenes = {path.name: path for path in entries(labels) if path.is_dir()} or {ONLY_SCENE: labels}
    clips = []
    for scene, folder in scenes.items():
        for stem, path in files_in(folder, ".npy", ".txt").items():
            with defects.leaving_out():
                clips.append(_clip_truth(root, scene, _prefix(root, folder) + stem, path))
    return assembled_truth("folder", root, clips, fps, defects)


def _fps(path: Path) -> float:
    """Frames a second from `dataset.yaml`; 25 without the file."""
    if not path.exists():
        return DEFAULT_FPS
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise DatasetError(str(path), "it can't be read as YAML", "write a line as `fps: 25`") from None
    if not isinstance(content, dict) or set(content) != {"fps"}:
        raise DatasetError(str(path), "its only key must be `fps`", "write a line as `fps: 25`")
    fps = content["fps"]
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 <= fps <= 1000:
        raise DatasetError(str(path), f"fps is {fps!r}", "write frames a second, or 0 for still images")
    return float(fps)


def _scenes(folder: Path) -> dict[str, Path]:
    """Scene folders in `train` or `test`, by scene: a folder with clips and without images is a scene."""
    inside = [path for path in entries(folder) if path.is_dir() or is_video(path)]
    scenes = {path.name: path for path in inside if path.is_dir() and _holds_clips(path)}
    if not scenes:
        return {ONLY_SCENE: folder}
    if len(scenes) < len(inside):
        stray = next(path for path in inside if path.name not in scenes)
        raise DatasetError(str(stray), "a clip beside scene folders", "put it into the folder of its scene")
    return scenes


def _holds_clips(folder: Path) -> bool:
    inside = entries(folder)
    return not any(map(is_image, inside)) and any(path.is_dir() or is_video(path) for path in inside)


def _prefix(root: Path, folder: Path) -> str:
    """Prefix of the clip names in a folder: `<scene>/` for a scene folder, empty for `train` or `test` itself."""
    return f"{folder.name}/" if folder.parent != root else ""


def _labelled_clip(root: Path, scene: str, clip: Clip, labels_file: Path) -> LabelledClip:
    require_footage(clip)
    labels = _labels(labels_file)
    require_label_count(labels_file, labels, clip)
    masks = None
    if (root / "masks").is_dir():
        masks = _masks(root / "masks", clip.name, labels, frame_size(clip))
    return LabelledClip(clip.name, scene, clip, labels, masks)


def _clip_truth(root: Path, scene: str, name: str, labels_file: Path) -> ClipTruth:
    labels = _labels(labels_file)
    masks = _masks(root / "masks", name, labels, None) if (root / "masks").is_dir() else None
    return ClipTruth(name, scene, labels, masks)


def _labels(file: Path) -> Labels:
    return npy_labels(file) if file.suffix == ".npy" else text_labels(file)


def _masks(folder: Path, name: str, labels: Labels, size: tuple[int, int] | None) -> StoredMasks:
    """Masks of a clip; `size` is the width and height of the frames if known."""
    images, array = folder / name, folder / f"{name}.npy"
    if images.is_dir():
        files = images_of(images)
        return ImageMasks(files, [size or image_size(files[0])] * len(labels))
    if array.exists():
        return ArrayMasks(array, len(labels), size)
    if labels.any():
        raise DatasetError(str(array), "no such file, while the clip has abnormal frames", COMPLETE)
    return EmptyMasks([size or UNKNOWN_SIZE] * len(labels))
