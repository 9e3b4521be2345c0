"""Which part of normal footage is held out until the rest is learned, to calibrate on; then it is learned too.

Not its end alone: an hour's last minutes are one light and one crowd. Parts spread over all of it show how much
normal footage varies, each long enough that its middle is no neighbour of what was learned.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

HOLD_OUT = 0.2
"""Of the footage."""

GOOD_PART = 150
"""Frames: of long footage each part has at least so many, 15 s at ten a second."""

LEAST_PART = 50
"""Of short footage each part has at least so many."""

LEAST_PARTS = 5
MOST_PARTS = 50


@dataclass(frozen=True)
class HoldOut:
    """Divides footage whose length is known.

    Attributes:
        total: Frames of it.
        share: Of them, held out.

    >>> division = HoldOut(total=10, share=0.2)
    >>> [index for index in range(10) if division.holds(index)]
    [4, 5]
    """

    total: int
    share: float = HOLD_OUT

    @property
    def parts(self) -> int:
        """How many are held out."""
        held_out = int(self.total * self.share)
        return max(1, min(LEAST_PARTS, held_out // LEAST_PART), min(MOST_PARTS, held_out // GOOD_PART))

    @property
    def learned(self) -> int:
        """How many frames are learned."""
        return sum(not self.holds(index) for index in range(self.total))

    def part(self, frames: Iterable[T], *, held_out: bool) -> Iterator[T]:
        """Of all frames, in order, those that are held out, or those that are learned."""
        return (frame for index, frame in enumerate(frames) if self.holds(index) is held_out)

    def holds(self, index: int) -> bool:
        """Whether the frame of this number is held out: the middle of each of `parts` equal lengths is."""
        if self.total * self.share < 1:
            return False
        period = self.total / self.parts
        within = (index + 0.5) % period / period
        return (1 - self.share) / 2 <= within < (1 + self.share) / 2
