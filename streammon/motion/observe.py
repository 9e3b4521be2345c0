"""What one frame shows of motion, before anything is known of the scene: the input of learning and of scoring."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.motion.change import CoarseEmbedding, Embedding, EmbeddingHistory
from streammon.motion.flow import FlowReader, Motion
from streammon.motion.objects import Box, FeatureNetwork, MovingObject, ObjectFeatures, crop_of, moving_objects
from streammon.motion.streams import RecentStreams
from streammon.records import Frame, Picture

MOST_THREADS = 8
"""That read flow at once, of those that torch may use: a batch has hardly more frames."""


class Detector(Protocol):
    """Finds things in a picture.

    Attributes:
        fingerprint: Tells it from every other; what one has learned is refused with another.
    """

    fingerprint: str

    def __call__(self, picture: Picture) -> Sequence[Box]:
        """Boxes of the things in a picture, in its pixels."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One frame.

    Attributes:
        stream: Which camera or clip it came from.
        time_s: Its time there.
        motion: The flow; None where there is no earlier picture to compare with.
        objects: N moving objects, the largest first.
        features: (N, D) how they look.
        change: (16, 16, 32) difference of embeddings a second; None where the stream isn't known for long enough.
        embedding: (16, 16, 32) of the whole picture; None where nobody looked.
    """

    stream: str
    time_s: float
    motion: Motion | None
    objects: list[MovingObject] = field(default_factory=list)
    features: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    change: Embedding | None = None
    embedding: Embedding | None = None


class Observer:
    """Looks at frames, each stream's in their order; one for each scoring thread.

    Args:
        backbone: Whose maps come with the frames, and which looks at the crops.
        detector: Finds objects instead of the regions of motion; None for those.

    Attributes:
        dimensions: D, of the objects' features.
        detector: Fingerprint of what finds objects; empty for the regions of motion.
    """

    def __init__(self, backbone: FeatureNetwork, detector: Detector | None = None) -> None:
        self._flow = FlowReader(min(torch.get_num_threads(), MOST_THREADS))
        self._embedding = CoarseEmbedding(backbone.architecture.channels)
        self._features = ObjectFeatures(backbone)
        self._histories = RecentStreams(EmbeddingHistory)
        self._detector = detector
        self.detector = "" if detector is None else detector.fingerprint
        self.dimensions = self._features.dimensions

    def observe(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Observation]:
        """What B frames show; the crops of all of them go through the backbone at once.

        Args:
            frames: With `detail`, without which nothing moves.
            maps: Of the backbone, (B, C, h, w) each.
        """
        motions, embeddings = self.motions(frames), self.embeddings(maps)
        each = zip(
            frames,
            motions,
            self.closer_looks(frames, motions),
            self.changes(frames, embeddings),
            embeddings,
            strict=True,
        )
        return [
            Observation(frame.camera, frame.stream_time_s, motion, *closer, change, embedding)
            for frame, motion, closer, change, embedding in each
        ]

    def motions(self, frames: Sequence[Frame]) -> list[Motion | None]:
        """What moves in each frame."""
        return self._flow.read_all([frame.detail for frame in frames])

    def closer_looks(
        self, frames: Sequence[Frame], motions: Sequence[Motion | None]
    ) -> list[tuple[list[MovingObject], NDArray[np.float32]]]:
        """The objects in each frame, and how they look, (N, D): all crops go through the backbone at once."""
        objects = [self._objects(frame, motion) for frame, motion in zip(frames, motions, strict=True)]
        crops = [
            crop_of(frame.detail.picture, each)
            for frame, found in zip(frames, objects, strict=True)
            if frame.detail is not None
            for each in found
        ]
        features = self._features.of(crops)
        ends = np.cumsum([len(found) for found in objects])
        return [(found, features[end - len(found) : end]) for found, end in zip(objects, ends, strict=True)]

    def embeddings(self, maps: list[Tensor]) -> Embedding:
        """(B, 16, 16, 32), the whole pictures."""
        return self._embedding.of(maps)

    def changes(self, frames: Sequence[Frame], embeddings: Embedding) -> list[Embedding | None]:
        """How the embeddings of each frame differ from those of its stream a moment before."""
        return [
            self._histories[frame.camera].change(embedding, frame.stream_time_s)
            for frame, embedding in zip(frames, embeddings, strict=True)
        ]

    def _objects(self, frame: Frame, motion: Motion | None) -> list[MovingObject]:
        if motion is None or frame.detail is None:
            return []
        boxes = None if self._detector is None else self._detector(frame.detail.picture)
        return moving_objects(motion, boxes)
