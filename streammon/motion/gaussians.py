"""Gaussians by place, where every place has seen a different number of things: what moves doesn't move everywhere.

Kept as counts, sums and sums of products, so that footage learned in parts adds up to the footage learned at once.
A place that saw little borrows from its neighbours (sums pooled with a Gaussian kernel over the grid) and from the
whole scene (a prior of `SHRINKAGE` observations). How far to look is chosen by the likelihood of normal footage that
was not pooled: the footage is dealt into two halves, and each is judged by the other's Gaussians. Both sides of that
likelihood need the sums alone.

Shapes: G x G places, D channels.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.float64]

SHRINKAGE = 20.0  # observations that the scene's own Gaussian counts for at every place
RIDGE = 0.01  # of the scene's variance, added to each place's
WIDTHS = (0.75, 1.5, 3.0, 6.0, math.inf)  # of the pooling kernel, in cells; the last makes one Gaussian of all


@dataclass(frozen=True, eq=False)
class PlacedGaussians:
    """What was solved for: at each place a mean and the whitening W = L^-1 of Sigma = L L^T.

    Attributes:
        mean: (G, G, D).
        whitening: (G, G, D, D), lower-triangular.
        width: Of the kernel that pooled them, in cells.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    width: float

    def whitened(self, places: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) of N values (N, D) at places (N,), flat indices: in standard deviations, decorrelated."""
        dimensions = self.mean.shape[-1]
        mean = self.mean.reshape(-1, dimensions)[places]
        factors = self.whitening.reshape(-1, dimensions, dimensions)[places]
        result: NDArray[np.float32] = np.einsum("nij,nj->ni", factors, values - mean)
        return result


class PlacedSums:
    """Count, sum and sum of products at each place, about a fixed origin.

    Attributes:
        count: (G, G) observations.
        total: (G, G, D).
        products: (G, G, D, D).
    """

    def __init__(self, grid: int, dimensions: int) -> None:
        self.count: Sums = np.zeros((grid, grid))
        self.total: Sums = np.zeros((grid, grid, dimensions))
        self.products: Sums = np.zeros((grid, grid, dimensions, dimensions))

    def update(self, places: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Take in N values (N, D) at places (N,), flat indices; a place may come more than once."""
        dimensions = values.shape[1]
        exact = values.astype(np.float64)
        np.add.at(self.count.reshape(-1), places, 1.0)
        np.add.at(self.total.reshape(-1, dimensions), places, exact)
        products = exact[:, :, None] * exact[:, None, :]
        np.add.at(self.products.reshape(-1, dimensions, dimensions), places, products)

    def merge(self, other: "PlacedSums") -> None:
        """Take in what another fit saw.

        Raises:
            ValueError: The two differ in places or channels.
        """
        if self.total.shape != other.total.shape:
            raise ValueError(f"{self.total.shape} places and channels against {other.total.shape}")
        self.count += other.count
        self.total += other.total
        self.products += other.products

    def pooled(self, width: float) -> PlacedGaussians:
        """The Gaussian at each place, of all that was seen within about `width` cells.

        Raises:
            ValueError: Nothing was seen anywhere.
        """
        mean, covariance = self._moments(width)
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        return PlacedGaussians(mean.astype(np.float32), whitening.astype(np.float32), width)

    def _moments(self, width: float) -> tuple[Sums, Sums]:
        """Means and covariances, shrunk towards the scene's."""
        seen = self.count.sum()
        if seen < 2:
            raise ValueError("nothing moved")
        dimensions = self.total.shape[-1]
        scene_mean = self.total.sum((0, 1)) / seen
        scene_second = self.products.sum((0, 1)) / seen
        scene_covariance = scene_second - np.outer(scene_mean, scene_mean)
        flat = np.concatenate(
            [self.count[..., None], self.total, self.products.reshape(*self.count.shape, -1)], axis=-1
        )
        near = _blurred(flat, width)
        count = near[..., 0] + SHRINKAGE
        mean = (near[..., 1 : 1 + dimensions] + SHRINKAGE * scene_mean) / count[..., None]
        second = near[..., 1 + dimensions :].reshape(self.products.shape) + SHRINKAGE * scene_second
        covariance = second / count[..., None, None] - mean[..., :, None] * mean[..., None, :]
        ridge = RIDGE * np.diag(scene_covariance) + 1e-6
        return mean, covariance + np.diag(ridge)

    def log_likelihood(self, gaussians: PlacedGaussians) -> float:
        """Mean log-density, in nats, of what was seen here under another fit's Gaussians; nan where nothing was.

        From the sums alone: with n values of mean m and scatter S at a place,
        sum (x - mu)^T W^T W (x - mu) = tr(W (S + n (m - mu) (m - mu)^T) W^T).
        """
        seen = self.count.sum()
        if not seen:
            return math.nan
        mean, factors = gaussians.mean.astype(np.float64), gaussians.whitening.astype(np.float64)
        outer = self.total[..., :, None] * mean[..., None, :]
        about_mean = (
            self.products
            - outer
            - np.swapaxes(outer, -1, -2)
            + self.count[..., None, None] * mean[..., :, None] * mean[..., None, :]
        )
        squares = np.einsum("xyij,xyjk,xyik->", factors, about_mean, factors, optimize=True)
        log_determinant = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
        constant = 0.5 * mean.shape[-1] * math.log(2 * math.pi)
        return float(((self.count * (log_determinant - constant)).sum() - 0.5 * squares) / seen)


def _blurred(sums: Sums, width: float) -> Sums:
    """(G, G, N) sums pooled over neighbours with weight 1 at the place itself, falling as a Gaussian."""
    if math.isinf(width):
        return np.broadcast_to(sums.sum((0, 1)), sums.shape)
    peak = float(cv2.getGaussianKernel(2 * math.ceil(4 * width) + 1, width).max()) ** 2
    side, grid = 2 * math.ceil(4 * width) + 1, sums.shape[0]
    pooled = np.empty_like(sums)
    for first in range(0, sums.shape[-1], 4):  # OpenCV blurs four channels at once
        part = np.ascontiguousarray(sums[..., first : first + 4])
        blurred = cv2.GaussianBlur(part, (side, side), width, borderType=cv2.BORDER_CONSTANT)
        pooled[..., first : first + 4] = blurred.reshape(grid, grid, -1) / peak
    return pooled


def chosen_width(halves: tuple[PlacedSums, PlacedSums], least: float = 0.0) -> float:
    """The width, not below `least` cells, under which each half of the footage makes the other most likely."""
    if any(half.count.sum() < 2 for half in halves):
        return WIDTHS[-1]
    one, other = halves

    def likelihood(width: float) -> float:
        return one.log_likelihood(other.pooled(width)) + other.log_likelihood(one.pooled(width))

    return max((width for width in WIDTHS if width >= least), key=likelihood)
