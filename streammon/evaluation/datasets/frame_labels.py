"""Data sets whose ground truth is the labels of the frames alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from streammon.evaluation.datasets.checking import Defects, labelled_clips, require_footage, require_label_count
from streammon.evaluation.labelled import ClipTruth, LabelledClip, Labels
from streammon.ingest import Clip


@dataclass(frozen=True)
class LabelFiles:
    """Files of the frame labels.

    Attributes:
        paths: File with the labels of each clip, by clip name; several clips may share one.
        read: Labels of the clip of a name; raises DatasetError if they are wrong.
        expected: Expected path of a clip's labels, `{}` standing for the clip name, for messages.
    """

    paths: dict[str, Path]
    read: Callable[[str], Labels]
    expected: str


def frame_labelled(
    clips: Iterable[Clip], files: LabelFiles, scene: Callable[[str], str], defects: Defects
) -> list[LabelledClip]:
    """The test clips that have a label for each frame, without masks.

    Args:
        clips: All test clips.
        files: Their labels.
        scene: The scene of a clip, by the clip's name.
        defects: Receives clips without labels, labels without a clip, and wrong or broken ones.

    Raises:
        DatasetError: There is such a defect, without `allow_partial`.
    """
    found = []
    for clip in labelled_clips(clips, files.paths, files.expected, defects):
        with defects.leaving_out():
            require_footage(clip)
            labels = files.read(clip.name)
            require_label_count(files.paths[clip.name], labels, clip)
            found.append(LabelledClip(clip.name, scene(clip.name), clip, labels, None))
    return found


def frame_truths(files: LabelFiles, scene: Callable[[str], str], defects: Defects) -> list[ClipTruth]:
    """The labels of all clips that have any, without their footage.

    Args:
        files: The labels.
        scene: The scene of a clip, by the clip's name.
        defects: Receives wrong or broken labels.

    Raises:
        DatasetError: There is such a defect, without `allow_partial`.
    """
    found = []
    for name in files.paths:
        with defects.leaving_out():
            found.append(ClipTruth(name, scene(name), files.read(name), None))
    return found
