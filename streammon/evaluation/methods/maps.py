"""Anomaly maps from the grids of a method: upsampling, blur and sum."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.padim import MapSmoother, frame_scores

CPU = torch.device("cpu")


class GridSmoother:
    """Turns the grids of `Scored` into (B, S, S) anomaly maps: each grid upsampled and blurred, then all summed.

    Args:
        side: S, the side of the maps.
        device: Device that computes.
    """

    def __init__(self, side: int, device: torch.device = CPU) -> None:
        self.side = side
        self._device = device
        self._smoothers: dict[int, MapSmoother] = {}

    def __call__(self, grids: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
        """The (B, S, S) anomaly maps of one or more (B, g, g) grids.

        Raises:
            ValueError: There is no grid.
        """
        maps: NDArray[np.float32] = self._smoothed(grids).cpu().numpy()
        return maps

    def scores(self, grids: tuple[NDArray[np.float32], ...], frame_score: str = "max") -> NDArray[np.float64]:
        """(B,) frame scores: `max` of each map, or `worst_percent`, the mean of the highest 1 %.

        Raises:
            ValueError: There is no grid.
        """
        scores: NDArray[np.float64] = frame_scores(self._smoothed(grids), frame_score).double().cpu().numpy()
        return scores

    @torch.inference_mode()
    def _smoothed(self, grids: tuple[NDArray[np.float32], ...]) -> Tensor:
        if not grids:
            raise ValueError("a map needs at least one grid")
        maps = self._upsampled(grids[0])
        for grid in grids[1:]:
            maps += self._upsampled(grid)
        return maps

    def _upsampled(self, grid: NDArray[np.float32]) -> Tensor:
        cells = grid.shape[1]
        if cells not in self._smoothers:
            self._smoothers[cells] = MapSmoother((cells, cells), (self.side, self.side), self._device)
        # a grid read from a file may be read-only, which torch warns of
        return self._smoothers[cells](torch.from_numpy(np.require(grid, requirements=["C", "W"])).to(self._device))
