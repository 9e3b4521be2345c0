"""A bank in the making: the part that all methods of Gaussians per position share."""

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from streammon.evaluation.methods.base import Scored
from streammon.evaluation.methods.training import hold_enough_frames
from streammon.padim import (
    Bank,
    BankFacts,
    Reduction,
    RunningGaussian,
    Statistics,
    pack_lower,
    unpack_lower,
)


class BankInTheMaking:
    """Running Gaussians that can be saved, restored and made a `padim.Bank`, the scorer of live cameras.

    The memory of the Gaussians, P D^2 floats, is taken when the first frame comes, which also tells the grid: a
    single layer of a backbone may have a coarser one than all its layers together.

    Args:
        facts: What the bank will say of itself.
        reduction: How channels are reduced.
        device: Where it computes.
    """

    def __init__(self, facts: BankFacts, reduction: Reduction, device: torch.device) -> None:
        self._facts = facts
        self._device = device
        self.reduction = reduction.to(device)
        self._statistics: Statistics | None = None

    @property
    def frames(self) -> int:
        """How many were taken in."""
        return self._statistics.gaussian.count if self._statistics else 0

    def take_in(self, maps: list[Tensor]) -> None:
        """Take in the maps of B frames, (B, C, h, w) each."""
        if self._statistics is None:
            self._statistics = self._fresh(maps[0].shape[2], maps[0].shape[3])
        self._statistics.gaussian.update(self.reduction.embed(maps))

    def last_bank(self) -> Bank:
        """The bank of what was taken in. Its statistics go before the whitening, of their size, is solved for.

        Raises:
            FootageError: Fewer than 2 frames, which have no covariance.
        """
        hold_enough_frames(self._facts.scene, self.frames, 2)
        assert self._statistics is not None
        unprepared = self._statistics.bank(None)
        self._statistics = None
        return unprepared.prepare(self._device)

    def state(self) -> dict[str, Tensor]:
        """Counts, means, and the lower triangles of the scatters; empty before the first frame."""
        if self._statistics is None:
            return {}
        gaussian = self._statistics.gaussian
        scatter = pack_lower(gaussian.scatter)
        return {"count": torch.tensor(gaussian.count), "mean": gaussian.mean.clone(), "scatter": scatter}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state` of one made alike: exactly, since nothing ever reads the upper triangles."""
        if "count" not in state:
            return
        self._statistics = self._fresh(*_square(len(state["mean"])))
        gaussian = self._statistics.gaussian
        gaussian.count = int(state["count"])
        gaussian.mean = state["mean"].to(gaussian.mean, copy=True)
        gaussian.scatter = unpack_lower(state["scatter"].to(gaussian.scatter), self._facts.dimensions)

    def _fresh(self, rows: int, columns: int) -> Statistics:
        facts = replace(self._facts, grid=(rows, columns))
        gaussian = RunningGaussian(rows * columns, self.reduction.dimensions, self._device)
        return Statistics(facts, self.reduction, gaussian)


def _square(positions: int) -> tuple[int, int]:
    return isqrt(positions), isqrt(positions)


def scored_by(bank: Bank, maps: list[Tensor]) -> Scored:
    """The distances that a bank measures, and the frame scores that it reads from them."""
    distances = bank.distances(maps)
    _, scores = bank.read(distances)
    grid = distances.cpu().numpy().astype(np.float32, copy=False)
    return Scored(scores.double().cpu().numpy(), (grid,))
