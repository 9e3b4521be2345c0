"""What moves in a batch, found once for all that learn from it or score it."""

from collections.abc import Sequence

from torch import Tensor

from streammon.config import ModelConfig
from streammon.motion import (
    Detector,
    Observation,
    Observer,
)
from streammon.padim import Backbone
from streammon.records import Frame
from streammon.scene import (
    configured_detector,
)


class RememberingObserver(Observer):
    """An observer that knows the last frames again: asked twice, it looks once."""

    def __init__(self, backbone: Backbone, detector: Detector | None) -> None:
        super().__init__(backbone, detector)
        self._frames: tuple[Frame, ...] = ()
        self._seen: list[Observation] = []

    def observe(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Observation]:
        """What B frames show."""
        if tuple(frames) != self._frames:  # frames are equal where they are the same object
            self._seen = super().observe(frames, maps)
            self._frames = tuple(frames)
        return self._seen


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
