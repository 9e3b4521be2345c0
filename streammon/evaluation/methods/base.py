"""Protocols between the harness and the methods: a model learns one scene from batches, then scores batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streammon.padim import Backbone
from streammon.records import Channel, Frame

Progress = Callable[[str, int, int], None]
"""Callback with the name of the work, the number of steps done and the total number of steps."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some frames of one clip, in order, with their features.

    Attributes:
        pictures: (B, S, S, 3) uint8 RGB, the model's input.
        maps: The backbone's three maps, (B, C, h, w) each; empty if no method of the run needs maps.
        times_s: B stream times in the clip, in seconds.
        frames: The B frames, with `detail` if a method of the run needs details; may be empty for methods that read
            only pictures and maps.
    """

    pictures: Tensor
    maps: list[Tensor]
    times_s: list[float]
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores and anomaly grids of a batch.

    Attributes:
        scores: (B,) float64, one a frame; higher is more abnormal.
        grids: Anomaly maps before upsampling and blur, (B, g, g) float32 each, non-negative. The (B, S, S) anomaly
            maps are the sum of the grids after `padim.MapSmoother`, which is linear. Empty if the method does not
            localise. Grids take far less disk space than maps: STC has 40,791 test frames.
        levels: (B,) `ScoredFrame.level` of each frame; None without a calibration.
        channels: Main channel of evidence of each frame; None if the method has no channels.
    """

    scores: NDArray[np.float64]
    grids: tuple[NDArray[np.float32], ...]
    levels: NDArray[np.float64] | None = None
    channels: tuple[Channel, ...] | None = None


class Scorer(Protocol):
    """Scorer of the frames of one scene."""

    def score(self, batch: Batch) -> Scored:
        """Score a batch; the frames of each clip must come in order."""

    def scoring_bytes(self) -> int:
        """Memory of the tensors that scoring needs, without the backbone."""


class Model(Scorer, Protocol):
    """One method's model of one scene, which scores only after `finish`.

    The harness calls `learn` with the scene's training footage `passes` times, `end_pass` after each pass, and
    `finish` once. Between two clips of a pass the model may be saved and restored, so that an interrupted run can
    resume.
    """

    passes: int

    def learn(self, batch: Batch) -> None:
        """Learn normal frames, in order."""

    def end_pass(self) -> None:
        """End a pass over the footage."""

    def finish(self, progress: Progress) -> None:
        """Compute what scoring needs, and free what only learning needed."""

    def state(self) -> dict[str, Tensor] | None:
        """Learned state, to be saved between two clips; None if it can't be: an interrupted fit then begins anew."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""


class Method(Protocol):
    """A method with its settings, which creates one model for each scene.

    Attributes:
        name: Name in the report, such as `PaDiM resnet18 Rd100, seed 0`.
        key: All settings that change the scores, as one line: methods with equal keys give equal scores.
        needs_maps: True if the models read the backbone's maps.
        needs_details: True if the models read the frames' details.
    """

    name: str
    key: str
    needs_maps: bool
    needs_details: bool

    def model(self, scene: str, backbone: Backbone, side: int) -> Model:
        """New model of one scene, for pictures of `side` pixels."""


@runtime_checkable
class DerivedMethod(Protocol):
    """A method that learns nothing, and scores with the learned model of another method in a different way.

    `model` is the model of `source`. Only `source` learns and is saved and restored.

    Attributes:
        source: Method that learns; must be part of the same run.
    """

    source: Method

    def read(self, model: Model) -> Scorer:
        """Scorer that uses the finished model of `source`."""
