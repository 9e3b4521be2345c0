"""The weakly supervised split of ShanghaiTech Campus (Zhong et al., CVPR 2019), in a copy of that data set.

```
SH_Train.txt                238 clips: 175 normal training videos and 63 abnormal test clips
SH_Test.txt                 199 clips: 155 and 44
training/…, testing/…       ShanghaiTech Campus, as for `--dataset stc`
```

Each line of a list begins with the name of a clip, with or without `.avi`. Other authors' `SH_Train_new.txt` and
`SH_Test_NEW.txt` add the clip's label and number of frames, as in `01_001,0,764`, and are accepted too. The lists may
also be in `ShanghaiTech_new_split`. All test clips of ShanghaiTech Campus (`01_0014`) are abnormal and all training
videos (`01_001`) normal, so the lists' labels are not read. All frames of a normal clip are labelled normal. Listed
numbers of frames are read of normal clips alone, for scores without footage: of an abnormal one `SH_Test_NEW.txt`
repeats the number of the line before.

The split is made for methods that learn from abnormal videos. Ours learn from the 175 normal ones alone.

Sources: counts and fields from the lists `data/SH_Train_new.txt` and `data/SH_Test_NEW.txt` of
github.com/fjchange/MIST_VAD; the names of the original lists from public listings of `ShanghaiTech_new_split` in
github.com/jx-zhong-for-academic-purpose/GCN-Anomaly-Detection, whose lists themselves were not available.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import text_lines
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene, checked
from streammon.evaluation.datasets.checking import (
    COMPLETE,
    INCOMPLETE,
    LIST_SLACK_FRAMES,
    Defects,
    Extent,
    frame_size,
)
from streammon.evaluation.datasets.listing import footage_in, required
from streammon.evaluation.datasets.masks import UNKNOWN_SIZE, EmptyMasks
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.datasets.stc import FPS, labelled_test_clips, scene_of, truth_of_test_clips
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip, Truth
from streammon.ingest import Clip

NAME = "stc-weakly"
TRAINING_LISTS, TEST_LISTS = ("SH_Train.txt", "SH_Train_new.txt"), ("SH_Test.txt", "SH_Test_NEW.txt")
LISTED = (238, 199)  # clips in each list
OFFICIAL = Extent(training_clips=175, training_frames=None, test_clips=199, test_frames=None)
FOOTAGE = ("training/videos", "training/frames")
LINE = re.compile(r"(\d\d_\d{3,4})(?:\.avi)?(?:[,\s]+\d(?:[,\s]+(\d+))?)?(?:[,\s].*)?")
ABNORMAL = re.compile(r"\d\d_\d{4}")


@dataclass(frozen=True)
class Listed:
    """A clip in a list.

    Attributes:
        file: The list.
        frames: Its number of frames; 0 if the list doesn't have it.
    """

    file: Path
    frames: int


def load_stc_weakly(root: Path, options: DatasetOptions) -> Dataset:
    """Read and check the weakly supervised split of ShanghaiTech Campus.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    learned, tested = _lists(root, defects)
    normal = _normal_clips(root, defects)
    abnormal = {clip.name: clip for clip in labelled_test_clips(root, defects)}
    _record_missing(learned | tested, normal.keys() | abnormal.keys(), defects)
    scenes = by_scene((scene_of(name), normal[name]) for name in learned if name in normal)
    masked = _are_masked(abnormal)
    clips = [abnormal[name] for name in tested if name in abnormal]
    clips += [_normal(normal[name], masked) for name in tested if name in normal]
    return assembled(NAME, root, scenes, clips, FPS, defects, official=OFFICIAL)


def load_stc_weakly_truth(root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the truth of the split's test clips.

    The normal ones are videos of `training`, which are needed if the list doesn't tell how many frames they have.

    Raises:
        DatasetError: It is broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    _, tested = _lists(root, defects)
    abnormal = {clip.name: clip for clip in truth_of_test_clips(root, defects)}
    _record_missing({name: each for name, each in tested.items() if ABNORMAL.fullmatch(name)}, abnormal, defects)
    masked = _are_masked(abnormal)
    there = any((root / folder).is_dir() for folder in FOOTAGE)
    footage = footage_in(required(root, "stc", *FOOTAGE), FPS, defects) if there else {}
    clips = [abnormal[name] for name in tested if name in abnormal]
    for name, each in tested.items():
        if not ABNORMAL.fullmatch(name):
            with defects.leaving_out():
                clips.append(_normal_truth(name, each, footage.get(name), masked))
    return assembled_truth(NAME, root, clips, FPS, defects, OFFICIAL)


def _lists(root: Path, defects: Defects) -> tuple[dict[str, Listed], dict[str, Listed]]:
    """Clips of the training list and of the test list, by name."""
    files = [_list_file(root, names) for names in (TRAINING_LISTS, TEST_LISTS)]
    learned, tested = (_listed(file, count, defects) for file, count in zip(files, LISTED, strict=True))
    if twice := learned.keys() & tested.keys():
        found = f"the clip '{min(twice)}' is in both lists"
        raise DatasetError(str(tested[min(twice)].file), found, "take the published lists")
    return learned, tested


def _normal_clips(root: Path, defects: Defects) -> dict[str, Clip]:
    """The videos of `training`, by name."""
    footage = footage_in(required(root, "stc", *FOOTAGE), FPS, defects)
    return {clip.name: clip for clip in checked(footage.values(), defects)}


def _are_masked(abnormal: Mapping[str, Truth]) -> bool:
    return any(clip.masks is not None for clip in abnormal.values())


def _listed(file: Path, count: int, defects: Defects) -> dict[str, Listed]:
    """The clips of a list, by name."""
    found: dict[str, Listed] = {}
    for number, line in enumerate(text_lines(file), 1):
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise DatasetError(
                str(file), f"line {number} is '{line[:20]}'", "begin each line with a clip, as 01_0015"
            )
        if match[1] in found:
            raise DatasetError(str(file), f"line {number} repeats '{match[1]}'", "take the published lists")
        found[match[1]] = Listed(file, int(match[2] or 0))
    if len(found) != count:
        defects.record(DatasetError(str(file), f"{len(found)} of {count} clips in it", INCOMPLETE))
    return found


def _list_file(root: Path, names: tuple[str, ...]) -> Path:
    for folder in (root, root / "ShanghaiTech_new_split"):
        for name in names:
            if (folder / name).exists():
                return folder / name
    raise DatasetError(str(root), f"no {' and no '.join(names)} in it", "put the lists of the split into it")


def _record_missing(listed: Mapping[str, Listed], there: Container[str], defects: Defects) -> None:
    for name, each in listed.items():
        if name not in there:
            flaw = DatasetError(str(each.file), f"it names a missing clip ('{name}')", COMPLETE)
            defects.record(flaw, "the clip is left out")


def _normal(clip: Clip, masked: bool) -> LabelledClip:
    frames = clip.frame_count()
    masks = EmptyMasks([frame_size(clip)] * frames) if masked else None
    labels = np.zeros(frames, dtype=np.bool_)
    slack = 0 if clip.images else LIST_SLACK_FRAMES
    return LabelledClip(clip.name, scene_of(clip.name), clip, labels, masks, length_slack=slack)


def _normal_truth(name: str, listed: Listed, clip: Clip | None, masked: bool) -> ClipTruth:
    frames = listed.frames or (clip.frame_count() if clip else 0)
    if not frames:
        found, remedy = f"no number of frames of '{name}'", f"append it, as in {name},0,764, or copy its video"
        raise DatasetError(str(listed.file), found, remedy)
    masks = EmptyMasks([UNKNOWN_SIZE] * frames) if masked else None
    return ClipTruth(name, scene_of(name), np.zeros(frames, dtype=np.bool_), masks)
