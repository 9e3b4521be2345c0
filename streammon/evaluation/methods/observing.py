"""Observers that compute the observations of a frame once for all models that learn or score the frame."""

from collections import deque
from collections.abc import Sequence

from torch import Tensor

from streammon.calibration.hold_out import STEPS
from streammon.config import ModelConfig
from streammon.motion import Detector, Observation, Observer
from streammon.padim import Backbone, cpu_threads
from streammon.records import Frame
from streammon.scene import configured_detector

MOST_PARTS = STEPS + 1
"""Largest number of parts of one batch, which the learner cuts where a step of the hold-out begins."""


class CachingObserver(Observer):
    """Observer with a cache of the last observations, so that each frame is observed once for all models.

    The models request observations one after the other: each for a whole batch, or for the parts of the batch if a
    step of the model's hold-out begins within the batch.
    """

    def __init__(self, backbone: Backbone, detector: Detector | None) -> None:
        super().__init__(backbone, detector, cpu_threads())
        self._seen: deque[dict[Frame, Observation]] = deque(maxlen=MOST_PARTS)

    def observe(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Observation]:
        """Observations of B frames."""
        known = {frame: seen for part in self._seen for frame, seen in part.items()}
        first = next((index for index, frame in enumerate(frames) if frame not in known), len(frames))
        if first < len(frames):
            fresh = super().observe(frames[first:], [each[first:] for each in maps])
            self._seen.append(dict(zip(frames[first:], fresh, strict=True)))
            known |= self._seen[-1]
        return [known[frame] for frame in frames]


class SharedObserver:
    """Shares one observer among all models of a scene; the next scene gets a new one, without history of past clips.

    Args:
        model: Settings of the object detector.
    """

    def __init__(self, model: ModelConfig) -> None:
        self._model = model
        self._scene: str | None = None
        self._observer: CachingObserver | None = None

    def of(self, scene: str, backbone: Backbone) -> CachingObserver:
        """Observer of the scene."""
        if self._observer is None or scene != self._scene:
            self._observer = CachingObserver(backbone, configured_detector(self._model, backbone))
            self._scene = scene
        return self._observer
