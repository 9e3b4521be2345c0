"""A method of one's own, which `streammon eval` evaluates beside the built-in ones."""

from collections.abc import Sequence
from typing import Protocol

from numpy.typing import ArrayLike

from streammon.records import Frame


class AnomalyMethod(Protocol):
    """A method that learns normal frames of one scene and scores frames of it: two methods, and no arguments to make.

    For each scene of a data set one object is made. It learns the training clips, then scores the test clips, each
    clip's frames in order, a few at a time. A package registers the class under a name:

        [project.entry-points."streammon.methods"]
        brightness = "my_package:Brightness"

    and `streammon eval --method brightness` evaluates it, as `streammon.evaluate(…, method=Brightness)` does.

    A frame has `picture`, (256, 256, 3) uint8 RGB, `camera`, the clip's name, `seq`, its number in the clip, and
    `stream_time_s`, seconds since the clip's first frame. A new clip begins where `camera` changes.

    >>> class Brightness:
    ...     def __init__(self):
    ...         self.learned = []
    ...
    ...     def learn(self, frames):
    ...         self.learned += [frame.picture.mean() for frame in frames]
    ...
    ...     def score(self, frames):
    ...         usual = sum(self.learned) / len(self.learned)
    ...         return [abs(frame.picture.mean() - usual) for frame in frames]
    """

    def learn(self, frames: Sequence[Frame], /) -> None:
        """Learn the next normal frames of the training clips."""

    def score(self, frames: Sequence[Frame], /) -> ArrayLike:
        """Scores of the next B frames of a test clip: (B,) finite numbers, higher is more abnormal."""
