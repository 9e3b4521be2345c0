"""A few numbers of one whole picture: how bright and sharp it is, and where it has edges.

They take about 0.17 ms of a 256x256 picture (`tests/benchmark_health.py`), so every scored picture can have them.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture

FINE, COARSE = 128, 64
"""Sides in pixels of the two small pictures: focus changes their ratio, and edges of the coarse one are compared."""

LIGHT_GRID, EDGE_GRID = 16, 32
"""Cells a side of brightness and of edges."""

WHITE = 250
"""Grey level from which a pixel counts as over-exposed."""

STRONGEST = 0.25
"""Share of the cells, those with the strongest coarse detail, whose sharpness counts: the others show noise."""

COLOURED = 0.95
"""Quantile of the cells' colour: grey asphalt has little, infrared pictures none at all."""

NOISE = 0.5
"""Grey levels added to the divisor of the sharpness, so that it is finite."""

BROAD = 3.0
"""Width, in cells, above which patterns of edges are left out: broad ones (ground below, sky above) are alike in many
views. With them, the likeness changes about half as much when a camera is turned by 10 degrees."""

BLACK_LEVEL = 8.0
"""Grey levels added to the divisor of the contrast, about the noise of a black picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """Brightness, colour and edges of one picture.

    Attributes:
        luma: (16, 16) mean grey level of each cell.
        colour: Largest minus smallest of R, G and B, that of the 5 % most coloured cells; about 0 for a grey picture.
        white: Share of pixels that are over-exposed.
        edges: (2, 32, 32) mean strength of vertical and of horizontal edges in each cell.
        sharpness: Strength of fine over that of coarse detail: it falls out of focus, and hardly with the light.
    """

    luma: NDArray[np.float32]
    colour: float
    white: float
    edges: NDArray[np.float32]
    sharpness: float

    @property
    def brightness(self) -> float:
        """Mean grey level, 0 to 255."""
        return float(self.luma.mean())

    @property
    def contrast(self) -> float:
        """Mean strength of the edges over the brightness, so that it hardly depends on the light."""
        return float(self.edges.mean()) / (self.brightness + BLACK_LEVEL)


def glance_at(picture: Picture) -> Glance:
    """Measure one picture, (H, W, 3) RGB."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    fine = _resized(grey, FINE)
    coarse = _resized(fine, COARSE)
    colours = _resized(picture, LIGHT_GRID)
    edges = [cv2.absdiff(coarse[:, 2:], coarse[:, :-2]), cv2.absdiff(coarse[2:], coarse[:-2])]
    return Glance(
        luma=_resized(coarse.astype(np.float32), LIGHT_GRID),
        colour=float(np.quantile(colours.max(2) - colours.min(2), COLOURED)),
        white=np.count_nonzero(grey >= WHITE) / grey.size,
        edges=np.stack([_resized(each.astype(np.float32), EDGE_GRID) for each in edges]),
        sharpness=_sharpness(_detail(fine), _detail(coarse)),
    )


def likeness(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Correlation of the places of edges in two pictures, mean over the two directions.

    Args:
        one: (2, H, W) edge strengths.
        other: The same of the other picture.

    Returns:
        -1 to 1: 0.3 to 1 for one view in any light, about 0 for two views; 0 where a picture has no edges.
    """
    return float((_pattern(one) * _pattern(other)).sum((1, 2)).mean())


def _pattern(edges: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Edge strengths (2, H, W) without broad differences, with mean 0 and norm 1 in each direction."""
    level = np.sqrt(np.maximum(edges, 0.0)).astype(np.float32)  # so that one strong edge isn't all
    narrow = np.stack([each - cv2.GaussianBlur(each, (0, 0), BROAD, borderType=cv2.BORDER_REFLECT) for each in level])
    centred = narrow - narrow.mean((1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-6), np.float32)


def _sharpness(fine: NDArray[np.float32], coarse: NDArray[np.float32]) -> float:
    """Fine over coarse detail in the cells with the strongest coarse detail."""
    chosen = coarse >= np.quantile(coarse, 1 - STRONGEST)
    return float(fine[chosen].mean() / (coarse[chosen].mean() + NOISE))


def _detail(grey: NDArray[Any]) -> NDArray[np.float32]:
    """(32, 32) mean strength of the second derivative in each cell."""
    return _resized(np.abs(cv2.Laplacian(grey, cv2.CV_16S)).astype(np.float32), EDGE_GRID)


def _resized(values: NDArray[Any], side: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA))
