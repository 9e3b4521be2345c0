"""Assembly of a data set, or of its ground truth alone, from its parts: scenes, size check and fingerprint."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import (
    COMPLETE,
    LIST_SLACK_FRAMES,
    Defects,
    Extent,
    require_extent,
    require_footage,
)
from streammon.evaluation.datasets.masks import StoredMasks
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip, SceneFootage, Truth
from streammon.ingest import Clip
from streammon.ingest.images import natural_key


def checked(clips: Iterable[Clip], defects: Defects) -> list[Clip]:
    """The clips that can be opened.

    Raises:
        DatasetError: A clip can't be opened, without `allow_partial`.
    """
    sound = []
    for clip in clips:
        with defects.leaving_out():
            require_footage(clip)
            sound.append(clip)
    return sound


def by_scene(clips: Iterable[tuple[str, Clip]]) -> tuple[SceneFootage, ...]:
    """Training clips grouped by scene, the scenes in natural order."""
    scenes: dict[str, list[Clip]] = {}
    for scene, clip in clips:
        scenes.setdefault(scene, []).append(clip)
    return tuple(SceneFootage(name, tuple(scenes[name])) for name in sorted(scenes, key=natural_key))


def assembled(
    name: str,
    root: Path,
    scenes: tuple[SceneFootage, ...],
    clips: Iterable[LabelledClip],
    fps: float,
    defects: Defects,
    *,
    crop: int | None = None,
    official: Extent | None = None,
    untaught: tuple[str, ...] = (),
) -> Dataset:
    """The data set from its parts, checked against the official size where there is one.

    The test clips of a scene without training footage are defects, except of the scenes in `untaught`, which have
    none in a complete copy.

    Raises:
        DatasetError: There is no training footage or no test clip, or parts are missing without `allow_partial`.
    """
    if not scenes:
        raise DatasetError(str(root), "no training footage that can be read", "copy the data set again")
    taught, scored = {scene.name for scene in scenes}, []
    for clip in sorted(clips, key=lambda clip: natural_key(clip.name)):
        if clip.scene in taught or clip.scene in untaught:
            scored.append(clip)
        else:
            lacking = f"no training footage of its scene '{clip.scene}'"
            defects.record(DatasetError(str(clip.clip.path), lacking, COMPLETE), "the clip is left out")
    if not scored:
        raise DatasetError(str(root), "no test clip that can be scored", "copy the data set again")
    if official:
        training = [clip for scene in scenes for clip in scene.clips]
        frames = sum(clip.frame_count() for clip in training)
        found = Extent(len(training), frames, len(scored), sum(len(clip.labels) for clip in scored))
        videos = sum(not clip.images for clip in training)
        require_extent(root, found, official, LIST_SLACK_FRAMES * videos, defects)
    return Dataset(name, root, scenes, tuple(scored), fps, crop, tuple(defects.messages), fingerprint(scenes, scored))


def assembled_truth(
    name: str, root: Path, clips: Iterable[ClipTruth], fps: float, defects: Defects, official: Extent | None = None
) -> GroundTruth:
    """The ground truth from its parts; its test clips and frames are checked against the official size.

    Raises:
        DatasetError: There is no clip, or clips or frames are missing without `allow_partial`.
    """
    ordered = tuple(sorted(clips, key=lambda clip: natural_key(clip.name)))
    if not ordered:
        raise DatasetError(str(root), "no labels that can be read", "copy the data set again")
    if official:
        found = replace(official, test_clips=len(ordered), test_frames=sum(len(clip.labels) for clip in ordered))
        require_extent(root, found, official, 0, defects)
    lines = [line for clip in ordered for line in _truth_lines(clip)]
    return GroundTruth(name, root, ordered, fps, tuple(defects.messages), _hash(lines))


def fingerprint(scenes: Iterable[SceneFootage], clips: Iterable[LabelledClip]) -> str:
    """SHA-256 of a data set, independent of the location and the times of the files.

    The hash covers names and sizes of the footage files, the labels, and names and sizes of the mask files.
    """
    lines = [line for scene in scenes for clip in scene.clips for line in _file_lines(f"train {scene.name}", clip)]
    for clip in clips:
        lines += _truth_lines(clip) + _file_lines(f"test {clip.scene}", clip.clip)
    return _hash(lines)


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _truth_lines(clip: Truth) -> list[str]:
    labels = np.packbits(clip.labels).tobytes().hex()
    lines = [f"labels {clip.scene} {clip.name} {len(clip.labels)} {labels}"]
    if isinstance(clip.masks, StoredMasks):
        lines += [f"mask {clip.name} {path.name} {path.stat().st_size}" for path in clip.masks.files]
    return lines


def _file_lines(role: str, clip: Clip) -> list[str]:
    return [f"{role} {clip.name} {path.name} {path.stat().st_size}" for path in clip.images or (clip.path,)]
