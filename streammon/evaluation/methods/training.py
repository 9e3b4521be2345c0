"""Least number of training frames, and a bounded sample of training pictures."""

from collections.abc import Mapping

import torch
from torch import Tensor

from streammon.errors import FootageError


def require_enough_frames(scene: str, frames: int, least: int) -> None:
    """Require at least `least` training frames.

    Raises:
        FootageError: Fewer than `least` frames were given.
    """
    if frames < least:
        found = f"it has {frames} frames to learn from"
        raise FootageError(f"scene {scene!r}", found, f"give at least {least}, and many more for a useful model")


class PictureSample:
    """Evenly spread sample of footage of unknown length: every 2^k-th picture, in bounded memory.

    Every picture is kept at first. When `most` are kept, every other one is dropped and the stride doubles. So at
    least half of `most` are kept of footage that is long enough.

    Args:
        most: Largest number of pictures kept, an even number.
    """

    def __init__(self, most: int) -> None:
        assert most % 2 == 0, "else the frames after a halving would not go on evenly"
        self._most = most
        self._stride = 1
        self._seen = 0
        self._kept: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, pictures: Tensor) -> None:
        """Sample the next (B, S, S, 3) pictures of the footage."""
        for picture in pictures:
            if self._seen % self._stride == 0 and len(self._kept) == self._most:
                self._kept = self._kept[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._kept.append(picture.clone())  # a view would keep the whole batch in memory
            self._seen += 1

    def pictures(self) -> Tensor:
        """(N, S, S, 3) pictures kept, in order."""
        return torch.stack(self._kept) if self._kept else torch.empty(0, 0, 0, 3, dtype=torch.uint8)

    def clear(self) -> None:
        """Drop all pictures."""
        self._kept = []

    def state(self) -> dict[str, Tensor]:
        """Pictures kept, stride and number of pictures seen."""
        return {"pictures": self.pictures(), "stride": torch.tensor(self._stride), "seen": torch.tensor(self._seen)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of another sample."""
        self._kept = [picture.clone() for picture in state["pictures"]]
        self._stride, self._seen = int(state["stride"]), int(state["seen"])
