"""Whitening matrices of a bank, packed, and the Mahalanobis distances computed from them.

Memory bandwidth bounds the distances: a batch reads every matrix of the bank once. So only lower triangles are kept,
as 16-bit integers with one float32 scale a row: a quarter of what whole float32 matrices take. A value is rounded by
at most 1 / 65534 of the largest of its row. Products and sums are float32, so distinct distances stay distinct.

Shapes: B frames, P positions, D channels, T = D (D + 1) / 2, G groups of `LANES` positions.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from streammon.padim.devices import cpu_threads, one_cpu_thread
from streammon.padim.distance_kernel import LANES, distance_kernel
from streammon.padim.gaussian import CHOLESKY_POSITIONS, pack_lower, unpack_lower
from streammon.padim.reduction import Patches

STEPS = 32767  # of a 16-bit integer: the largest value of a row


@dataclass(frozen=True, eq=False)
class Whitening:
    """Packed whitening matrices W = L^-1 of covariances Sigma = L L^T, one of each position.

    The condition number of L is the square root of Sigma's (about sqrt(largest variance / epsilon) at most), so W
    keeps the digits that inverting Sigma would lose.

    Attributes:
        steps: (G, T, LANES) int16 lower triangles of W / scale, row by row, of `LANES` positions side by side; the
            last group is filled up with 0.
        scales: (P, D) float32 scale of each row of W.
    """

    steps: Tensor
    scales: Tensor

    @classmethod
    def of(cls, cholesky: Tensor) -> "Whitening":
        """Invert and pack the Cholesky factors L, (P, D, D) lower-triangular."""
        positions, dimensions = cholesky.shape[:2]
        device = cholesky.device
        triangles = torch.empty(positions, dimensions * (dimensions + 1) // 2, dtype=torch.int16, device=device)
        scales = torch.empty(positions, dimensions, device=device)
        identity = torch.eye(dimensions, device=device)
        with one_cpu_thread():
            for start in range(0, positions, CHOLESKY_POSITIONS):
                part = slice(start, start + CHOLESKY_POSITIONS)
                matrices = torch.linalg.solve_triangular(cholesky[part], identity, upper=False)
                scales[part] = matrices.abs().amax(2) / STEPS
                triangles[part] = pack_lower((matrices / scales[part, :, None]).round().to(torch.int16))
        return cls.of_triangles(triangles, scales)

    @classmethod
    def of_triangles(cls, triangles: Tensor, scales: Tensor) -> "Whitening":
        """From what `triangles` returned, (P, T) int16, and the scales; both are copied."""
        positions, length = triangles.shape
        groups = -(-positions // LANES)
        steps = triangles.new_empty(groups, length, LANES)
        steps[-1, :, positions - (groups - 1) * LANES :] = 0
        for group in range(groups):
            some = triangles[group * LANES : (group + 1) * LANES]
            steps[group, :, : len(some)] = some.T
        return cls(steps, scales.clone())

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return self.steps.nbytes + self.scales.nbytes

    def triangles(self) -> Tensor:
        """(P, T) int16 lower triangles of W / scale, row by row, as in a bank's file."""
        return self.steps.transpose(1, 2).flatten(0, 1)[: len(self.scales)]

    def to(self, device: torch.device) -> "Whitening":
        """The same matrices on another device."""
        return Whitening(self.steps.to(device), self.scales.to(device))

    def matrices(self) -> Tensor:
        """W as (P, D, D) float32."""
        return unpack_lower(self.triangles(), self.scales.shape[1]) * self.scales[:, :, None]

    def distances(self, patches: Patches, mean: Tensor) -> Tensor:
        """Mahalanobis distances (B, P) on the CPU: lengths of W (x - mu).

        A compiled loop reads the packed matrices and the embeddings' values, in `cpu_threads()` threads.

        Args:
            patches: The embeddings x.
            mean: (P, D) float32.
        """
        distances = np.empty((len(patches.maps[0]), patches.offsets.shape[1]), np.float32)
        where = (*patches.maps, patches.sources, patches.channels, patches.offsets)
        mu, steps, scales = (each.contiguous().numpy() for each in (mean, self.steps, self.scales))
        compute: Callable[[int, int], None] = partial(distance_kernel(), *where, mu, steps, scales, distances)
        threads = cpu_threads()
        if threads == 1:
            compute(0, len(self.steps))
        else:
            borders = np.linspace(0, len(self.steps), threads + 1).astype(int).tolist()
            list(_pool(threads).map(compute, borders, borders[1:]))  # list: raises what a thread raised
        return torch.from_numpy(distances)


def whitened_distance(embeddings: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    """Mahalanobis distances (B, P) as lengths of W (x - mu), with W (P, D, D): one batched product."""
    centred = (embeddings - mean).permute(1, 0, 2)  # (P, B, D)
    distances: Tensor = torch.linalg.vector_norm(torch.bmm(centred, whitening.mT), dim=2).T
    return distances


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "distances")
