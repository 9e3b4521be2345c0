"""Whether a camera still shows the view that was learned, or was turned, moved or covered.

A picture of another place is unusual everywhere, but so is the right one at another hour: distances grow with both.
How each feature is spread over the picture hardly depends on the light, and in another place it is another spread. So
the two are held against each other by their correlation, feature by feature.
"""

import numpy as np
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, Embedding

MARGIN = 1  # places at the border, where the backbone's padding looks alike in all pictures
LEAST_NORM = 1e-6


class View:
    """The view that was learned.

    Args:
        total: (16, 16, 32) embeddings of normal frames, added up.
    """

    def __init__(self, total: NDArray[np.float64]) -> None:
        self._learned = _spread(total.astype(np.float32))

    def likeness(self, embedding: Embedding) -> float:
        """How much of it there is in a (16, 16, 32) embedding: about 1 for a usual frame, about 0 for another place.

        The correlation of each channel's values over the places with those learned, -1 to 1; the mean over channels.
        """
        return float((_spread(embedding) * self._learned).sum(0).mean())


def _spread(embedding: Embedding) -> Embedding:
    """(P, 32), each channel about its mean and of length 1; of length 0 where it is the same everywhere."""
    inner = embedding[MARGIN:-MARGIN, MARGIN:-MARGIN].reshape(-1, CHANGE_CHANNELS)
    centred = inner - inner.mean(0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=0), LEAST_NORM), np.float32)
