"""Labelled data sets in a common form, independent of their layouts on disk.

A data set has scenes, each with normal footage to learn from, and test clips with a label for each frame and, where
available, a mask for each frame. In a data set of still images (MVTec AD) the categories are scenes, and the images
of one folder are a clip without time. `GroundTruth` is the labels and masks alone, without footage.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from streammon.ingest import Clip

Labels = NDArray[np.bool_]
"""(T,) bool, True for abnormal frames."""

Mask = NDArray[np.bool_]
"""(H, W) bool, True for abnormal pixels."""


class Masks(Protocol):
    """Masks of one clip, read from disk on access: a clip of STC has hundreds of megabytes of masks."""

    def __len__(self) -> int:
        """T, the number of frames."""

    def __getitem__(self, index: int, /) -> Mask:
        """(H, W) mask of a frame, at the data set's own resolution.

        Raises:
            DatasetError: The mask can't be read.
        """


TrackedBoxes = tuple[NDArray[np.float64], NDArray[np.int64]]
"""(N, 4) boxes of one frame in pixels (left, top, right, bottom, the last two exclusive), and (N,) their tracks."""


class Tracks(Protocol):
    """Published boxes of a clip's abnormal objects, each with the number of its track."""

    def __getitem__(self, index: int, /) -> TrackedBoxes:
        """The boxes of a frame, at the data set's own resolution.

        Raises:
            DatasetError: They can't be read.
        """

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, in pixels."""


class Truth(Protocol):
    """Ground truth of one test clip, with its footage (`LabelledClip`) or without (`ClipTruth`)."""

    @property
    def name(self) -> str:
        """Name, unique in the data set."""

    @property
    def scene(self) -> str:
        """Scene of the clip."""

    @property
    def labels(self) -> Labels:
        """(T,) bool, one for each frame of the clip."""

    @property
    def masks(self) -> Masks | None:
        """T masks, or None where the data set has none for the clip."""

    @property
    def tracks(self) -> Tracks | None:
        """Published tracks, or None where the data set has none."""


@dataclass(frozen=True, eq=False)
class ClipTruth:
    """Ground truth of one test clip, without its footage.

    Attributes:
        name: Name, unique in the data set.
        scene: Scene of the clip.
        labels: (T,) bool, one for each frame of the clip.
        masks: T masks, or None where the data set has none for the clip.
        tracks: Published tracks, or None where the data set has none.
    """

    name: str
    scene: str
    labels: Labels
    masks: Masks | None
    tracks: Tracks | None = None

    @classmethod
    def of(cls, clip: Truth) -> Self:
        """The ground truth of a clip, without its footage."""
        return cls(clip.name, clip.scene, clip.labels, clip.masks, clip.tracks)


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Ground truth of a data set, checked, without its footage.

    Attributes:
        name: `stc`, `ped2`, …
        root: Folder of the data set.
        clips: Test clips, in natural order.
        fps: Frames a second of the footage; 0 for still images, which have no time.
        missing: One message for each accepted defect; the evaluation is PARTIAL if there is any.
        fingerprint: SHA-256 of the labels and of names and sizes of the mask files.
    """

    name: str
    root: Path
    clips: tuple[ClipTruth, ...]
    fps: float
    missing: tuple[str, ...]
    fingerprint: str

    @property
    def is_still(self) -> bool:
        """True for a data set of still images, without time."""
        return self.fps == 0


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """One test clip and its ground truth.

    Attributes:
        name: Name, unique in the data set.
        scene: Scene whose bank scores the clip.
        clip: The frames.
        labels: (T,) bool, one for each frame of the clip.
        masks: T masks, or None where the data set has none for the clip.
        tracks: Published tracks, or None where the data set has none.
        length_slack: Frames by which the decoded clip may differ from the labels: above 0 where the number of labels
            is the number of frames that a video file lists.
    """

    name: str
    scene: str
    clip: Clip
    labels: Labels
    masks: Masks | None
    tracks: Tracks | None = None
    length_slack: int = 0


@dataclass(frozen=True, eq=False)
class SceneFootage:
    """The normal footage of one scene.

    Attributes:
        name: Name of the scene.
        clips: Training clips, in order.
    """

    name: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled data set, checked.

    Attributes:
        name: `stc`, `ped2`, …
        root: Folder of the data set.
        scenes: Scenes with their training clips.
        clips: Test clips, in natural order.
        fps: Frames a second of the footage, for delays and rates; 0 for still images, which have no time.
        crop: Side of the crop of the 256x256 input that is customary for the data set (224 for MVTec AD); None for
            none.
        missing: One message for each accepted defect; the evaluation is PARTIAL if there is any.
        fingerprint: SHA-256 of names and sizes of footage and mask files and of the labels; equal for all copies.
    """

    name: str
    root: Path
    scenes: tuple[SceneFootage, ...]
    clips: tuple[LabelledClip, ...]
    fps: float
    crop: int | None
    missing: tuple[str, ...]
    fingerprint: str

    @property
    def is_still(self) -> bool:
        """True for a data set of still images, without time."""
        return self.fps == 0
