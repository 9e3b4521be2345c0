"""What moves in a batch, found once for all that learn from it or score it."""

from collections import deque
from collections.abc import Sequence

from torch import Tensor

from streammon.calibration.hold_out import STEPS
from streammon.config import ModelConfig
from streammon.motion import Detector, Observation, Observer
from streammon.padim import Backbone
from streammon.records import Frame
from streammon.scene import configured_detector

MOST_PARTS = STEPS + 1
"""Of one batch: it is cut where a step of the hold-out begins."""


class RememberingObserver(Observer):
    """An observer that observes each frame once, however many models ask for it.

    Models ask one after the other, each for a whole batch or, where its hold-out begins within, for its parts.
    """

    def __init__(self, backbone: Backbone, detector: Detector | None) -> None:
        super().__init__(backbone, detector)
        self._seen: deque[dict[Frame, Observation]] = deque(maxlen=MOST_PARTS)

    def observe(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Observation]:
        """What B frames show."""
        known = {frame: seen for part in self._seen for frame, seen in part.items()}
        first = next((index for index, frame in enumerate(frames) if frame not in known), len(frames))
        if first < len(frames):
            fresh = super().observe(frames[first:], [each[first:] for each in maps])
            self._seen.append(dict(zip(frames[first:], fresh, strict=True)))
            known |= self._seen[-1]
        return [known[frame] for frame in frames]


class OneObserver:
    """The observer of all models of one scene, afresh for the next scene, so that it forgets the clips before.

    Args:
        model: Says what finds objects.
    """

    def __init__(self, model: ModelConfig) -> None:
        self._model = model
        self._scene: str | None = None
        self._observer: RememberingObserver | None = None

    def of(self, scene: str, backbone: Backbone) -> RememberingObserver:
        """The scene's observer."""
        if self._observer is None or scene != self._scene:
            self._observer = RememberingObserver(backbone, configured_detector(self._model, backbone))
            self._scene = scene
        return self._observer
