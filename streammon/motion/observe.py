"""Observations: motion, moving objects and change of each frame, independent of any scene.

Observations are the input of both learning and scoring.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streammon.calibration import RecentRecordings
from streammon.motion.change import CoarseEmbedding, Embedding, EmbeddingHistory
from streammon.motion.flow import FlowEstimator, Motion
from streammon.motion.objects import FeatureNetwork, MovingObject, ObjectFeatures, PixelBox, crop_of, moving_objects
from streammon.records import Frame, Picture

MOST_THREADS = 8
"""Largest number of threads for flow, however many there are: a batch rarely has more frames."""


BegunMotions = dict[Frame, Callable[[], Motion | None]]
"""Motions under way, by frame (the object, since two clips may have one name); each function waits for its motion."""


class Detector(Protocol):
    """Object detector.

    Attributes:
        fingerprint: Identifies the detector; a scene fitted with one detector is refused with another.
    """

    fingerprint: str

    def __call__(self, picture: Picture) -> Sequence[PixelBox]:
        """Boxes of the objects in a picture, in pixels of the picture."""


@dataclass(frozen=True, eq=False)
class Observation:
    """Motion, moving objects and change of one frame.

    Attributes:
        stream: Name of the camera or clip.
        time_s: Time of the frame in its stream.
        motion: Motion by optical flow; None without an earlier picture.
        objects: N moving objects, the largest first.
        features: (N, D) features of the objects.
        change: (16, 16, 32) rate of change of the embedding, per second; None while the stream's history is shorter
            than a lag.
        embedding: (16, 16, 32) coarse embedding of the whole picture; None where it was not computed.
    """

    stream: str
    time_s: float
    motion: Motion | None
    objects: list[MovingObject] = field(default_factory=list)
    features: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    change: Embedding | None = None
    embedding: Embedding | None = None


class Observer:
    """Computes observations of frames, which must come in order within each stream.

    Not thread-safe: one observer for each scoring thread. The state of the most recent streams is kept.

    Args:
        backbone: Network that computed the maps of the frames, and computes the maps of the crops.
        detector: Detector whose boxes are the objects; None for the connected regions of motion.
        threads: Number of CPU threads to compute the motion of a batch in; any number gives the same motion.

    Attributes:
        dimensions: D, number of an object's features.
        detector: Fingerprint of the detector; empty without a detector.
    """

    def __init__(self, backbone: FeatureNetwork, detector: Detector | None = None, threads: int = 1) -> None:
        self._flow = FlowEstimator(min(threads, MOST_THREADS))
        self._embedding = CoarseEmbedding(backbone.architecture.channels)
        self._features = ObjectFeatures(backbone)
        self._histories = RecentRecordings(EmbeddingHistory)
        self._begun: tuple[BegunMotions, ...] = ()  # of the latest two batches: one is observed, one comes next
        self._detector = detector
        self.detector = "" if detector is None else detector.fingerprint
        self.dimensions = self._features.dimensions

    def observe(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Observation]:
        """Observations of B frames; all crops go through the backbone in one batch.

        Args:
            frames: B frames; a frame without `detail` has no motion.
            maps: The backbone's three maps of the frames, (B, C, h, w) each.
        """
        motions, embeddings = self.motions(frames), self.embeddings(maps)
        each = zip(
            frames,
            motions,
            self.objects_and_features(frames, motions),
            self.changes(frames, embeddings),
            embeddings,
            strict=True,
        )
        return [
            Observation(frame.camera, frame.stream_time_s, motion, *found, change, embedding)
            for frame, motion, found, change, embedding in each
        ]

    def begin(self, frames: Sequence[Frame]) -> None:
        """Begin to compute the motion of the next batch, while one is observed. Callable from another thread."""
        begun = {frame: self._flow.begin(frame.detail) for frame in frames}
        self._begun = (*self._begun[-1:], begun)

    def motions(self, frames: Sequence[Frame]) -> list[Motion | None]:
        """Motion of each frame."""
        begun = {frame: motion for batch in self._begun for frame, motion in batch.items()}
        motions = [begun.get(each) or self._flow.begin(each.detail) for each in frames]
        return [motion() for motion in motions]

    def objects_and_features(
        self, frames: Sequence[Frame], motions: Sequence[Motion | None]
    ) -> list[tuple[list[MovingObject], NDArray[np.float32]]]:
        """Objects of each frame and their features (N, D); all crops go through the backbone in one batch."""
        objects = [self._objects(frame, motion) for frame, motion in zip(frames, motions, strict=True)]
        crops = [
            crop_of(frame.detail.picture, each)
            for frame, found in zip(frames, objects, strict=True)
            if frame.detail is not None
            for each in found
        ]
        features = self._features.features(crops)
        ends = np.cumsum([len(found) for found in objects])
        return [(found, features[end - len(found) : end]) for found, end in zip(objects, ends, strict=True)]

    def embeddings(self, maps: list[Tensor]) -> Embedding:
        """Coarse embeddings (B, 16, 16, 32) of the whole pictures."""
        return self._embedding.embed(maps)

    def changes(self, frames: Sequence[Frame], embeddings: Embedding) -> list[Embedding | None]:
        """Rate of change of each frame's embedding within its stream; None while a history is shorter than a lag."""
        return [
            self._histories[frame.camera].change(embedding, frame.stream_time_s)
            for frame, embedding in zip(frames, embeddings, strict=True)
        ]

    def _objects(self, frame: Frame, motion: Motion | None) -> list[MovingObject]:
        """Objects of one frame, the largest first."""
        if motion is None or frame.detail is None:
            return []
        boxes = None if self._detector is None else self._detector(frame.detail.picture)
        return moving_objects(motion, boxes)
