"""UCSD Pedestrian 1 and 2 (Mahadevan et al., CVPR 2010): two walkways, grey, 10 frames a second.

Official layout; the root is `UCSDped1` or `UCSDped2`, or the folder that contains both:

```
Train/Train001/001.tif           Ped1: 34 clips, 6,800 frames. Ped2: 16 clips, 2,550 frames
Test/Test001/001.tif             Ped1: 36 clips, 7,200 frames. Ped2: 12 clips, 2,010 frames
Test/Test001_gt/001.bmp          masks: of 10 clips of Ped1, of all of Ped2
Test/UCSDped1.m                  abnormal spans of each test clip, counted from 1
```

Layout in which the data sets are often redistributed:

```
training/frames/NN/NNN.jpg
testing/frames/NN/NNN.jpg
testing/pixel_mask/NN/NNN.png
ped2.mat                         abnormal spans
```

A frame is abnormal if a pixel of its mask is set. All clips of Ped2 have masks, so the labels of Ped2 come from the
masks, and spans may differ from the masks in a few frames: the spans of `ped2.mat` equal the masks in every frame,
while the spans published in `UCSDped2.m` end three frames later in clip 6 (162 against 159). Most clips of Ped1 have
only spans, so the labels of all clips of Ped1 come from the spans, and masks serve as ground truth of the pixels. A
difference within `Walkway.disagreement` is logged as a warning; a larger one is an error. Where a test clip has
neither frames nor masks on disk, its length is the official one: 200 frames in Ped1, `PED2_LENGTHS` in Ped2.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import Spans, mat_spans, script_spans, span_labels
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    COMPLETE,
    COPY_AGAIN,
    INCOMPLETE,
    Defects,
    Extent,
    frame_size,
    require_footage,
    require_mask_count,
)
from streammon.evaluation.datasets.listing import footage_in, has_folder, images_of, required
from streammon.evaluation.datasets.masks import ImageMasks, image_size
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip, Labels
from streammon.ingest import Clip

FPS = 10.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Walkway:
    """Pedestrian 1 or Pedestrian 2.

    Attributes:
        name: `ped1` or `ped2`.
        official: Official size.
        masked_clips: Number of test clips with masks.
        masks_decide: Take the labels of a clip with both masks and spans from the masks instead of the spans.
        disagreement: Largest share of a clip's frames in which masks and spans may differ.
        lengths: Official number of frames of each test clip.
    """

    name: str
    official: Extent
    masked_clips: int
    masks_decide: bool
    disagreement: float
    lengths: tuple[int, ...]


PED1_LENGTHS = (200,) * 36
PED2_LENGTHS = (180, 180, 150, 180, 150, 180, 180, 180, 120, 150, 180, 180)
PED1 = Walkway("ped1", Extent(34, 6_800, 36, 7_200), 10, masks_decide=False, disagreement=0.25, lengths=PED1_LENGTHS)
PED2 = Walkway("ped2", Extent(16, 2_550, 12, 2_010), 12, masks_decide=True, disagreement=0.05, lengths=PED2_LENGTHS)


@dataclass(frozen=True)
class Truth:
    """Ground truth of the test clips.

    Attributes:
        masks: Folder of masks, by clip name.
        spans_file: The file of abnormal spans; None if there is none.
        spans: Abnormal spans, by clip number.
    """

    masks: dict[str, Path]
    spans_file: Path | None
    spans: dict[int, Spans]


def load_ucsd(walkway: Walkway, root: Path, options: DatasetOptions) -> Dataset:
    """Read and check UCSD Pedestrian 1 or 2.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects, name = Defects(options.allow_partial), walkway.name
    root = _own_root(walkway, root)
    training = footage_in(required(root, name, "Train", "training/frames"), FPS, defects)
    test = footage_in(required(root, name, "Test", "testing/frames"), FPS, defects)
    truth = _official_truth(root, name) if has_folder(root, "Test") else _common_truth(root, name)
    scenes = by_scene((name, clip) for clip in checked(training.values(), defects))
    _record_strays(truth, test, defects)
    clips = []
    for clip in test.values():
        with defects.leaving_out():
            clips.append(_labelled(clip, truth, walkway))
    _record_missing_masks(walkway, root, len(clips), truth, defects)
    return assembled(name, root, scenes, clips, FPS, defects, official=walkway.official)


def load_ucsd_truth(walkway: Walkway, root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the masks and spans of UCSD Pedestrian 1 or 2; nothing else need be there.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    root = _own_root(walkway, root)
    if not (root / f"{walkway.name}.mat").exists():
        required(root, walkway.name, "Test", "testing/pixel_mask")
    if has_folder(root, "Test"):
        truth, spelling, frames = _official_truth(root, walkway.name), "Test{:03}", root / "Test"
    else:
        truth, spelling, frames = _common_truth(root, walkway.name), "{:02}", root / "testing" / "frames"
    masked = {_number(name, path) for name, path in truth.masks.items()}
    clips = []
    for name in [*truth.masks, *(spelling.format(number) for number in truth.spans if number not in masked)]:
        with defects.leaving_out():
            clips.append(_clip_truth(name, frames / name, truth, walkway))
    _record_missing_masks(walkway, root, len(clips), truth, defects)
    return assembled_truth(walkway.name, root, clips, FPS, defects, walkway.official)


def _own_root(walkway: Walkway, root: Path) -> Path:
    """Folder of this walkway in the folder of both, otherwise the folder itself.

    Raises:
        DatasetError: It is the folder of the other walkway.
    """
    if (root / f"UCSD{walkway.name}").is_dir():
        root = root / f"UCSD{walkway.name}"
    other = (PED1 if walkway is PED2 else PED2).name
    if (root / f"{other}.mat").exists() or (root / "Test" / f"UCSD{other}.m").exists():
        raise DatasetError(str(root), f"this is {other}", f"ask for --dataset {other}")
    return root


def _record_missing_masks(walkway: Walkway, root: Path, clips: int, truth: Truth, defects: Defects) -> None:
    if clips == walkway.official.test_clips and 0 < len(truth.masks) < walkway.masked_clips:
        found = f"masks of {len(truth.masks)} of {walkway.masked_clips} test clips"
        defects.record(DatasetError(str(root), found, INCOMPLETE))


def _official_truth(root: Path, name: str) -> Truth:
    masks = {path.name.removesuffix("_gt"): path for path in (root / "Test").glob("*_gt")}
    script = root / "Test" / f"UCSD{name}.m"
    if not script.exists():
        return Truth(masks, None, {})
    return Truth(masks, script, dict(enumerate(script_spans(script), 1)))


def _common_truth(root: Path, name: str) -> Truth:
    folder, spans = root / "testing" / "pixel_mask", root / f"{name}.mat"
    masks = {path.name: path for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else {}
    return Truth(masks, spans, dict(enumerate(mat_spans(spans), 1))) if spans.exists() else Truth(masks, None, {})


def _record_strays(truth: Truth, test: dict[str, Clip], defects: Defects) -> None:
    """Record masks and spans without a clip as defects."""
    for name in sorted(truth.masks.keys() - test.keys()):
        defects.record(DatasetError(str(truth.masks[name]), f"masks of a missing clip ('{name}')", COMPLETE))
    numbers = {_number(clip.name, clip.path) for clip in test.values()}
    for number in sorted(truth.spans.keys() - numbers):
        defects.record(DatasetError(str(truth.spans_file), f"spans of a missing clip ({number})", COMPLETE))


def _labelled(clip: Clip, truth: Truth, walkway: Walkway) -> LabelledClip:
    require_footage(clip)
    masks = _masks(clip, truth.masks[clip.name]) if clip.name in truth.masks else None
    labels = _labels(clip.name, clip.path, len(clip.images), masks, truth, walkway)
    return LabelledClip(clip.name, walkway.name, clip, labels, masks)


def _clip_truth(name: str, frames: Path, truth: Truth, walkway: Walkway) -> ClipTruth:
    """Truth of a clip whose folder of frames need not exist."""
    masks, number = None, _number(name, frames)
    if name in truth.masks:
        files = images_of(truth.masks[name])
        masks = ImageMasks(files, [image_size(files[0])] * len(files))
        length = len(files)
    elif frames.is_dir():
        length = len(images_of(frames))
    elif 1 <= number <= len(walkway.lengths):
        length = walkway.lengths[number - 1]
    else:
        raise DatasetError(str(truth.spans_file), f"spans of clip {number}, which {walkway.name} lacks", COPY_AGAIN)
    labels = _labels(name, frames, length, masks, truth, walkway)
    return ClipTruth(name, walkway.name, labels, masks)


def _labels(name: str, place: Path, frames: int, masks: ImageMasks | None, truth: Truth, walkway: Walkway) -> Labels:
    """(T,) labels of a clip of `frames` frames, whose folder `place` is named in errors."""
    number, of_masks, of_spans = _number(name, place), None, None
    if truth.masks and walkway.masks_decide and masks is None:
        raise DatasetError(str(place), "no masks for this clip, while others have them", COMPLETE)
    if masks is not None:
        of_masks = np.array([masks[index].any() for index in range(len(masks))])
    if number in truth.spans and truth.spans_file:
        of_spans = span_labels(truth.spans_file, number, truth.spans[number], frames)
    if of_masks is not None and of_spans is not None:
        _require_agreement(name, truth.spans_file, of_masks, of_spans, walkway)
    first, second = (of_masks, of_spans) if walkway.masks_decide else (of_spans, of_masks)
    labels = first if first is not None else second
    if labels is None:
        raise DatasetError(str(place), "it has neither masks nor abnormal spans, so no labels", COMPLETE)
    return labels


def _masks(clip: Clip, folder: Path) -> ImageMasks:
    """Masks of a clip's frames; each mask file must have the name of its frame."""
    files = images_of(folder)
    require_mask_count(folder, len(files), len(clip.images))
    for image, file in zip(clip.images, files, strict=True):
        if image.stem != file.stem:
            raise DatasetError(
                str(file), f"a mask with the name of no frame; the next frame is {image.name}", COPY_AGAIN
            )
    return ImageMasks(files, [frame_size(clip)] * len(files))


def _require_agreement(name: str, spans_file: Path | None, masks: Labels, spans: Labels, walkway: Walkway) -> None:
    differing = np.flatnonzero(masks != spans)
    found = f"the spans of clip '{name}' differ from its masks in {len(differing)} of {len(masks)} frames"
    if len(differing) > walkway.disagreement * len(masks):
        raise DatasetError(str(spans_file), f"{found}, first in frame {differing[0] + 1}", COPY_AGAIN)
    if len(differing):
        source = "masks" if walkway.masks_decide else "spans"
        logger.warning("%s: %s; its labels are the %s'", spans_file, found, source)


def _number(name: str, place: Path) -> int:
    """Number of a clip from the digits in its name: 1 for `Test001` and `01`."""
    digits = re.findall(r"\d+", name)
    if not digits:
        raise DatasetError(str(place), "no number in its name", "name it as the data set does")
    return int(digits[-1])
