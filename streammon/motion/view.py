"""Likeness of a picture to the learned view: low when a camera was turned, moved or covered.

Mahalanobis distances don't separate another view from the learned view at another hour, since both raise the
distances everywhere. The spatial pattern of each channel hardly depends on the light and differs between views. So
the patterns are compared by their correlation, channel by channel.
"""

import numpy as np
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, Embedding
from streammon.motion.settings import SETTINGS


class LearnedView:
    """Spatial pattern of each channel in the learned view.

    Args:
        total: (16, 16, 32) sum of the embeddings of normal frames; the correlation doesn't depend on their number.
    """

    def __init__(self, total: NDArray[np.float64]) -> None:
        self._learned = _pattern(total.astype(np.float32))

    def likeness(self, embedding: Embedding) -> float:
        """Mean over channels of the correlation, over places, between an embedding and the learned view.

        Args:
            embedding: (16, 16, 32) of one frame.

        Returns:
            -1 to 1: about 1 for a usual frame, about 0 for another view.
        """
        return float((_pattern(embedding) * self._learned).sum(0).mean())


def _pattern(embedding: Embedding) -> Embedding:
    """Channels (P, 32) with mean 0 and norm 1 over the P places within a margin; norm 0 where a channel is constant.

    The margin leaves out places at the border, which the backbone's padding makes alike in all pictures.
    """
    margin = SETTINGS.view.margin
    inner = embedding[margin:-margin, margin:-margin].reshape(-1, CHANGE_CHANNELS)
    centred = inner - inner.mean(0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=0), SETTINGS.view.least_norm), np.float32)
