"""Fit of a bank that can be saved and restored, for methods with one Gaussian per position."""

from collections.abc import Mapping
from dataclasses import replace
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from streammon.evaluation.methods.base import Scored
from streammon.evaluation.methods.training import require_enough_frames
from streammon.padim import (
    Bank,
    BankFacts,
    Reduction,
    RunningGaussian,
    Statistics,
)


class BankFit:
    """Running Gaussians that can be saved, restored and turned into a `padim.Bank`, the scorer of live cameras.

    The Gaussians, P D^2 floats, are allocated with the first frame, whose maps determine the grid: a single layer of
    a backbone may have a coarser grid than all layers together.

    Args:
        facts: Facts of the bank; the first frame replaces the grid.
        reduction: Reduction of the channels.
        device: Device that computes.
    """

    def __init__(self, facts: BankFacts, reduction: Reduction, device: torch.device) -> None:
        self._facts = facts
        self._device = device
        self.reduction = reduction.to(device)
        self._statistics: Statistics | None = None

    @property
    def frames(self) -> int:
        """Number of frames learned."""
        return self._statistics.gaussian.count if self._statistics else 0

    def learn(self, maps: list[Tensor]) -> None:
        """Learn the maps of B frames, (B, C, h, w) each."""
        if self._statistics is None:
            self._statistics = self._fresh(maps[0].shape[2], maps[0].shape[3])
        self._statistics.gaussian.update(self.reduction.embed(maps))

    def finish(self) -> Bank:
        """Prepared bank of all frames learned.

        The statistics are freed before the whitening, which is as large, is computed.

        Raises:
            FootageError: Fewer than 2 frames, which have no covariance.
        """
        require_enough_frames(self._facts.scene, self.frames, 2)
        assert self._statistics is not None
        unprepared = self._statistics.bank(None)
        self._statistics = None
        return unprepared.prepare(self._device)

    def state(self) -> dict[str, Tensor]:
        """Counts, means, and the lower triangles of the scatters; empty before the first frame."""
        if self._statistics is None:
            return {}
        return self._statistics.gaussian.tensors()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a fit with the same settings: exactly, since upper triangles are never read."""
        if "count" not in state:
            return
        self._statistics = self._fresh(*_square(len(state["mean"])))
        self._statistics.gaussian.restore(state)

    def _fresh(self, rows: int, columns: int) -> Statistics:
        facts = replace(self._facts, grid=(rows, columns))
        gaussian = RunningGaussian(rows * columns, self.reduction.dimensions, self._device)
        return Statistics(facts, self.reduction, gaussian)


def _square(positions: int) -> tuple[int, int]:
    return isqrt(positions), isqrt(positions)


def scored_by(bank: Bank, maps: list[Tensor]) -> Scored:
    """Frame scores of a bank, and the grid of Mahalanobis distances."""
    distances = bank.distances(maps)
    _, scores = bank.maps_and_scores(distances)
    grid = distances.cpu().numpy().astype(np.float32, copy=False)
    return Scored(scores.double().cpu().numpy(), (grid,))
