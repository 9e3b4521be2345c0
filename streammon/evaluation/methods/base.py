"""What every method is to the harness: something that learns one scene from batches and then scores batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streammon.padim import Backbone
from streammon.records import Frame

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the steps done and the steps there are."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some frames of one clip, in order, with their features.

    Attributes:
        pictures: (B, S, S, 3) uint8 RGB, the model's input.
        maps: The backbone's three maps, (B, C, h, w) each; empty where no method at work asks for them.
        times_s: B times within their clip.
        frames: The B frames themselves, with their `detail` where a method at work asks for it; those who look at
            pictures and maps alone may be given none.
    """

    pictures: Tensor
    maps: list[Tensor]
    times_s: list[float]
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, eq=False)
class Scored:
    """What a method says of a batch.

    Attributes:
        scores: (B,) float64, one a frame; higher is more abnormal.
        grids: The anomaly map before upsampling and blur: (B, g, g) float32 each, non-negative. Upsampled and
            blurred as PaDiM does (`padim.MapSmoother`, which is linear) and then added up they are the (B, S, S)
            anomaly maps. Empty where a method does not localise. Small grids are what makes 40,791 maps fit a disk.
    """

    scores: NDArray[np.float64]
    grids: tuple[NDArray[np.float32], ...]


class Scorer(Protocol):
    """What scores the frames of one scene."""

    def score(self, batch: Batch) -> Scored:
        """Score frames, each clip's in their order."""

    def scoring_bytes(self) -> int:
        """Memory of all that scoring needs beyond the backbone, from the tensors themselves."""


class Model(Scorer, Protocol):
    """One method's model of one scene; it scores after `finish` only.

    The harness gives it the scene's training footage `passes` times, calling `end_pass` after each, then `finish`
    once; from then on it scores. Between two clips of a pass it may be saved and restored, so that an interrupted
    run goes on where it ended.
    """

    passes: int

    def learn(self, batch: Batch) -> None:
        """Take in normal frames, in order."""

    def end_pass(self) -> None:
        """The footage was given once."""

    def finish(self, progress: Progress) -> None:
        """Solve for what scoring needs, and let go of what only learning needed."""

    def state(self) -> dict[str, Tensor]:
        """What was learned so far, between two clips."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state` of a model made alike."""


class Method(Protocol):
    """A method and its settings, which makes one model for each scene.

    Attributes:
        name: As the report shows it, such as `PaDiM resnet18 Rd100, seed 0`.
        key: All settings that change its scores, as one line: two methods with one key score alike.
        needs_maps: Whether its models read the backbone's maps.
        needs_details: Whether they read the frames' details.
    """

    name: str
    key: str
    needs_maps: bool
    needs_details: bool

    def model(self, scene: str, backbone: Backbone, side: int) -> Model:
        """A model of one scene that has learned nothing yet, for S = `side`."""


@runtime_checkable
class Reading(Protocol):
    """A method that learns nothing of its own: it scores by what another has learned, read in another way.

    Its `model` is the other's. Only the other is given training footage, kept and restored.

    Attributes:
        source: The method that learns; to be run beside it.
    """

    source: Method

    def read(self, model: Model) -> Scorer:
        """What scores by the source's finished model, which has to score each batch first."""
