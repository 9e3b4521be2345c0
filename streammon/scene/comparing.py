"""Scores of the same frames by several scenes of one camera, which share the network and the observed motion."""

from collections.abc import Sequence

from streammon.motion import Observer
from streammon.padim import Backbone, as_batch
from streammon.records import Frame
from streammon.scene.scorer import SceneScorer


class SceneComparison:
    """Scores frames by several scenes; the frames of each recording come in their order.

    Args:
        scorers: Scorers of the scenes.
        backbone: Network that computes the maps.
        observer: Observes motion; None for PaDiM alone.

    Attributes:
        scorers: Scorers of the scenes.
    """

    def __init__(self, scorers: Sequence[SceneScorer], backbone: Backbone, observer: Observer | None) -> None:
        self.scorers = tuple(scorers)
        self._backbone = backbone
        self._observer = observer

    def scores(self, frames: Sequence[Frame]) -> list[list[float]]:
        """Frame scores of B frames, (B,) for each scorer."""
        maps = self._backbone.maps(as_batch([frame.picture for frame in frames]))
        observations = [] if self._observer is None else self._observer.observe(frames, maps)
        measured = [scorer.measure.measure(maps, observations) for scorer in self.scorers]
        return [
            [fused.score for fused in scorer.fuse(frames, each)]
            for scorer, each in zip(self.scorers, measured, strict=True)
        ]
