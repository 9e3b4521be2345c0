"""Change of the picture's features over time: differences of embeddings a fixed lag apart.

The lag is a time, not a number of frames: the embedding a lag ago is interpolated between the two frames around that
time, so the frame rate may be uneven. After a gap or a step back in time the history begins again.
"""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streammon.motion.settings import SETTINGS

CHANGE_GRID = SETTINGS.change.grid
CHANGE_CHANNELS = SETTINGS.change.channels
LAG_S = SETTINGS.change.lag_s

Embedding = NDArray[np.float32]
"""Coarse embedding of one frame, (16, 16, 32), or of B frames, (B, 16, 16, 32)."""


class CoarseEmbedding:
    """Random selection of channels, averaged onto a coarse grid.

    Args:
        channels: Number of channels in each of the backbone's three maps.
        seed: Random seed of the selection.
    """

    def __init__(self, channels: tuple[int, int, int], seed: int = SETTINGS.change.seed) -> None:
        generator = torch.Generator().manual_seed(seed)
        total = sum(channels)
        chosen = torch.randperm(total, generator=generator)[:CHANGE_CHANNELS].sort().values
        self._channels: list[Tensor] = []  # selected indices of each map
        first = 0
        for count in channels:
            self._channels.append(chosen[(chosen >= first) & (chosen < first + count)] - first)
            first += count

    @torch.inference_mode()
    def embed(self, maps: list[Tensor]) -> Embedding:
        """Coarse embeddings (B, 16, 16, 32) of three feature maps (B, C, h, w)."""
        pooled = [
            F.adaptive_avg_pool2d(each[:, channels.to(each.device)], CHANGE_GRID)
            for each, channels in zip(maps, self._channels, strict=True)
        ]
        result: Embedding = torch.cat(pooled, 1).permute(0, 2, 3, 1).float().cpu().numpy()
        return result


class EmbeddingHistory:
    """Embeddings of one stream over the last lag, and the last one before."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Embedding]] = deque()

    def change(self, embedding: Embedding, time_s: float) -> Embedding | None:
        """Rate of change of the embedding over the last lag, (e(t) - e(t - lag)) / lag, per second.

        Where frames are further apart than the lag, the last frame takes the place of e(t - lag), and its age that of
        the lag.

        Args:
            embedding: Embedding of the newest frame; it is added to the history.
            time_s: Time of the frame in its stream.

        Returns:
            (16, 16, 32), per second; None while the history is shorter than a lag.
        """
        if self._past and not 0 < time_s - self._past[-1][0] <= SETTINGS.change.gap_s:
            self._past.clear()
        then = self._at(time_s - LAG_S)
        self._past.append((time_s, embedding))
        while len(self._past) > 2 and self._past[1][0] <= time_s - LAG_S:
            self._past.popleft()
        if then is None:
            return None
        then_s, earlier = then
        return (embedding - earlier) / np.float32(time_s - then_s)

    def _at(self, time_s: float) -> tuple[float, Embedding] | None:
        """Time and embedding at `time_s`, interpolated; the newest if all are older, None if all are newer."""
        before = None
        for when, embedding in self._past:
            if when > time_s:
                if before is None:
                    return None
                share = (time_s - before[0]) / (when - before[0])
                return time_s, before[1] + np.float32(share) * (embedding - before[1])
            before = when, embedding
        return before
