"""Gaussians by place, for observations that are unevenly spread over the places.

Counts, sums and sums of outer products are kept, so the sums of footage learned in parts add up to the sums of all.
A place with few observations borrows from its neighbours (sums pooled with a Gaussian kernel over the grid) and from
the whole scene (a prior of `shrinkage` observations). The kernel's width is chosen by two-fold cross-validation: the
likelihood of each half of the normal footage under the Gaussians of the other half. Gaussians and likelihoods are
computed from the sums alone.

Shapes: G x G places, D channels.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.motion.settings import SETTINGS

Sums = NDArray[np.float64]

WIDTHS = SETTINGS.gaussians.widths


@dataclass(frozen=True, eq=False)
class PlacedGaussians:
    """Mean mu of each place, and its whitening matrix W = L^-1, where Sigma = L L^T.

    Attributes:
        mean: (G, G, D).
        triangles: (G, G, D (D + 1) / 2) lower triangles of W, row by row.
        width: Standard deviation of the pooling kernel, in cells.
    """

    mean: NDArray[np.float32]
    triangles: NDArray[np.float32]
    width: float

    @property
    def whitening(self) -> NDArray[np.float32]:
        """W of each place, (G, G, D, D)."""
        return _unpacked(self.triangles, self.mean.shape[-1])

    def whitened(self, places: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Whitened values W (x - mu), (N, D): decorrelated, in standard deviations.

        Args:
            places: (N,) flat indices.
            values: (N, D) x, one at each place.
        """
        dimensions = self.mean.shape[-1]
        mean = self.mean.reshape(-1, dimensions)[places]
        triangles = self.triangles.reshape(-1, self.triangles.shape[-1])[places]
        factors = _unpacked(triangles, dimensions)
        result: NDArray[np.float32] = np.einsum("nij,nj->ni", factors, values - mean)
        return result


class PlacedSums:
    """Count, sum and sum of outer products of the observations at each place.

    Attributes:
        count: (G, G) n.
        total: (G, G, D) sum of x.
        products: (G, G, D, D) sum of x x^T.
    """

    def __init__(self, grid: int, dimensions: int) -> None:
        self.count: Sums = np.zeros((grid, grid))
        self.total: Sums = np.zeros((grid, grid, dimensions))
        self.products: Sums = np.zeros((grid, grid, dimensions, dimensions))

    def update(self, places: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Add N observations.

        Args:
            places: (N,) flat indices; a place may occur more than once.
            values: (N, D).
        """
        dimensions = values.shape[1]
        exact = values.astype(np.float64)
        np.add.at(self.count.reshape(-1), places, 1.0)
        np.add.at(self.total.reshape(-1, dimensions), places, exact)
        products = exact[:, :, None] * exact[:, None, :]
        np.add.at(self.products.reshape(-1, dimensions, dimensions), places, products)

    def merge(self, other: "PlacedSums") -> None:
        """Add the observations of another fit.

        Raises:
            ValueError: The two differ in places or channels.
        """
        if self.total.shape != other.total.shape:
            raise ValueError(f"{self.total.shape} places and channels against {other.total.shape}")
        self.count += other.count
        self.total += other.total
        self.products += other.products

    def pooled(self, width: float) -> PlacedGaussians:
        """Gaussian of each place, from sums pooled with a kernel of standard deviation `width`, in places.

        Raises:
            ValueError: Fewer than `least_observations` observations over all places.
        """
        mean, covariance = self._moments(width)
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        triangles = whitening[..., *np.tril_indices(mean.shape[-1])]
        return PlacedGaussians(mean.astype(np.float32), triangles.astype(np.float32), width)

    def _moments(self, width: float) -> tuple[Sums, Sums]:
        """Means and covariances of the pooled sums, shrunk towards those of the scene.

        With pooled n, s, P, scene mean m and second moment M, and k = shrinkage:
        mu = (s + k m) / (n + k),
        Sigma = (P + k M) / (n + k) - mu mu^T + diag(ridge * scene variance + least_variance).
        """
        chosen = SETTINGS.gaussians
        seen = self.count.sum()
        if seen < chosen.least_observations:
            raise ValueError(f"{seen:.0f} observations; Gaussians need at least {chosen.least_observations}")
        dimensions = self.total.shape[-1]
        scene_mean = self.total.sum((0, 1)) / seen
        scene_second = self.products.sum((0, 1)) / seen
        scene_covariance = scene_second - np.outer(scene_mean, scene_mean)
        flat = np.concatenate(
            [self.count[..., None], self.total, self.products.reshape(*self.count.shape, -1)], axis=-1
        )
        near = _blurred(flat, width)
        count = near[..., 0] + chosen.shrinkage
        mean = (near[..., 1 : 1 + dimensions] + chosen.shrinkage * scene_mean) / count[..., None]
        second = near[..., 1 + dimensions :].reshape(self.products.shape) + chosen.shrinkage * scene_second
        covariance = second / count[..., None, None] - mean[..., :, None] * mean[..., None, :]
        ridge = chosen.ridge * np.diag(scene_covariance) + chosen.least_variance
        return mean, covariance + np.diag(ridge)

    def log_likelihood(self, gaussians: PlacedGaussians) -> float:
        """Mean log-density, in nats, of these observations under another fit's Gaussians; nan without observations.

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


def _unpacked(triangles: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Matrices (..., D, D) of lower triangles (..., D (D + 1) / 2)."""
    matrices = np.zeros((*triangles.shape[:-1], dimensions, dimensions), np.float32)
    matrices[..., *np.tril_indices(dimensions)] = triangles
    return matrices


def _blurred(sums: Sums, width: float) -> Sums:
    """Sums (G, G, N) weighted over neighbours: 1 at the place itself, falling as a Gaussian, 0 off the grid."""
    if math.isinf(width):
        return np.broadcast_to(sums.sum((0, 1)), sums.shape)
    side, grid = 2 * math.ceil(SETTINGS.gaussians.kernel_reach * width) + 1, sums.shape[0]
    peak = float(cv2.getGaussianKernel(side, width).max()) ** 2  # of the kernel along both axes
    pooled = np.empty_like(sums)
    for first in range(0, sums.shape[-1], 4):  # OpenCV's limit, with this border
        part = np.ascontiguousarray(sums[..., first : first + 4])
        blurred = cv2.GaussianBlur(part, (side, side), width, borderType=cv2.BORDER_CONSTANT)
        pooled[..., first : first + 4] = blurred.reshape(grid, grid, -1) / peak
    return pooled


def chosen_width(halves: tuple[PlacedSums, PlacedSums], least: float = 0.0) -> float:
    """Standard deviation of the pooling kernel, chosen from `WIDTHS` by cross-validation.

    It maximises the mean log-density of either half under the Gaussians of the other, both halves counted alike. The
    widest, which pools all places, if a half has fewer than `least_observations`.

    Args:
        halves: Sums of the two halves.
        least: Least width, in places of the grid.
    """
    if any(half.count.sum() < SETTINGS.gaussians.least_observations for half in halves):
        return WIDTHS[-1]
    one, other = halves

    def likelihood(width: float) -> float:
        return one.log_likelihood(other.pooled(width)) + other.log_likelihood(one.pooled(width))

    return max((width for width in WIDTHS if width >= least), key=likelihood)
