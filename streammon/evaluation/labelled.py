"""A labelled data set once its layout was read: the same shape for every one of them.

A data set has scenes, each with normal footage to learn from, and test clips with a label a frame and, where it has
them, a mask a frame. A data set of still images (MVTec AD) is the same thing: its categories are scenes, and the
images of one folder are a clip whose frames have no time between them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streammon.ingest import Clip

Labels = NDArray[np.bool_]
"""(T,) bool: whether each frame is abnormal."""

Mask = NDArray[np.bool_]
"""(H, W) bool: which pixels are abnormal."""


class Masks(Protocol):
    """The masks of one clip, read when asked for: a clip of STC has hundreds of megabytes of them."""

    def __len__(self) -> int:
        """T, one a frame."""

    def __getitem__(self, index: int, /) -> Mask:
        """(H, W) mask of a frame, at the data set's own resolution.

        Raises:
            DatasetError: It can't be read.
        """


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """One test clip and its truth.

    Attributes:
        name: Its name in the data set, unique there.
        scene: Whose bank scores it.
        clip: The frames.
        labels: (T,) bool, one for each frame of the clip.
        masks: T masks, or None where the data set has none for it.
    """

    name: str
    scene: str
    clip: Clip
    labels: Labels
    masks: Masks | None


@dataclass(frozen=True, eq=False)
class SceneFootage:
    """The normal footage of one scene.

    Attributes:
        name: The scene.
        clips: Its clips, in order.
    """

    name: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled data set, checked.

    Attributes:
        name: `stc`, `ped2`, …
        root: Its folder.
        scenes: What is learned from.
        clips: What is scored, in natural order.
        fps: Frames a second of its footage, for delays and rates; 0 for still images, which have no time.
        crop: Side of the crop of the 256x256 input that its field takes (224 for MVTec AD); None for none.
        missing: What was found to be wrong and let pass, one line each; the evaluation is PARTIAL when there is any.
        fingerprint: SHA-256 of what was read: names and sizes of footage and masks, contents of labels; the same for
            a copy at another place.
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
        """Whether its frames are images of their own, without time."""
        return self.fps == 0
