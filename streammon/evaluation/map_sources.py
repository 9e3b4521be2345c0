"""Sources of the anomaly maps whose pixels and regions are measured, and the progress over their clips."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from streammon.evaluation.labelled import Mask, TrackedBoxes, Truth
from streammon.records import AnomalyMap

if TYPE_CHECKING:  # its package loads torch, which scores of other methods don't need
    from streammon.evaluation.methods import Progress

Clip = TypeVar("Clip", bound=Truth)
ShownClip = TypeVar("ShownClip", bound=Truth, contravariant=True)


class Maps(Protocol[ShownClip]):
    """Source of the maps, masks and tracks of a clip: a draw of a method, or a null control."""

    def maps(self, clip: ShownClip) -> Iterator[AnomalyMap]:
        """(H, W) maps of the scored frames, non-negative."""

    def masks(self, clip: ShownClip) -> Iterator[Mask]:
        """(H, W) masks of the same frames."""

    def tracks(self, clip: ShownClip) -> Iterator[TrackedBoxes]:
        """Boxes of the published tracks in the (H, W) maps of the same frames."""


class LocalisingDraw(Maps[Clip], Protocol[Clip]):
    """One draw of a method whose anomaly maps are measured."""

    @property
    def clips(self) -> Sequence[Clip]:
        """Test clips that were scored."""

    @property
    def localises(self) -> bool:
        """True if there are anomaly maps."""

    @property
    def is_still(self) -> bool:
        """True for a data set of still images."""

    def null(self, constant: bool) -> Maps[Clip]:
        """Null control of the maps: constant or random ones."""


class StepCounter:
    """Reports the number of measured clips to `progress`."""

    def __init__(self, progress: "Progress", rounds: int, clips: int, what: str = "measuring pixels") -> None:
        self._progress = progress
        self._total = rounds * clips
        self._what = what
        self._done = 0

    def step(self) -> None:
        """Count one more clip."""
        self._done += 1
        self._progress(self._what, self._done, self._total)
