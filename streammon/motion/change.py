"""How the features of the picture change over a moment: differences of embeddings a fixed lag apart.

Lags are in time. The embedding a lag ago is interpolated between the frames around that moment, so that the frame
rate may be uneven; a gap or a step back in time starts afresh.
"""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

LAG_S = 0.3
GAP_S = 1.0  # between two frames; after a longer one nothing is said until a lag has passed
CHANGE_GRID = 16
CHANGE_CHANNELS = 32
Embedding = NDArray[np.float32]
"""(16, 16, 32), or (B, 16, 16, 32)."""


class CoarseEmbedding:
    """Few channels on a coarse grid: what a difference over time needs.

    Args:
        channels: Of each of the backbone's maps.
        seed: Of the channel choice.
    """

    def __init__(self, channels: tuple[int, int, int], seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        total = sum(channels)
        chosen = torch.randperm(total, generator=generator)[:CHANGE_CHANNELS].sort().values
        self._channels: list[Tensor] = []  # of each map
        first = 0
        for count in channels:
            self._channels.append(chosen[(chosen >= first) & (chosen < first + count)] - first)
            first += count

    @torch.inference_mode()
    def of(self, maps: list[Tensor]) -> Embedding:
        """(B, 16, 16, 32) from three maps (B, C, h, w)."""
        pooled = [
            F.adaptive_avg_pool2d(each[:, channels.to(each.device)], CHANGE_GRID)
            for each, channels in zip(maps, self._channels, strict=True)
        ]
        result: Embedding = torch.cat(pooled, 1).permute(0, 2, 3, 1).float().cpu().numpy()
        return result


class EmbeddingHistory:
    """The embeddings of one stream over the last moments."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Embedding]] = deque()

    def change(self, embedding: Embedding, time_s: float) -> Embedding | None:
        """The difference to a lag ago, a second; None where the stream isn't known for so long.

        Args:
            embedding: Of the next frame.
            time_s: Its time in the stream.
        """
        if self._past and not 0 < time_s - self._past[-1][0] <= GAP_S:
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
        """The embedding at a time in the past, between the frames around it, or the newest where that is older."""
        before = None
        for when, embedding in self._past:
            if when > time_s:
                if before is None:
                    return None
                share = (time_s - before[0]) / (when - before[0])
                return time_s, before[1] + np.float32(share) * (embedding - before[1])
            before = when, embedding
        return before
