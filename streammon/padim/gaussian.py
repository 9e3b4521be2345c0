"""One multivariate Gaussian per patch position: fitted in one pass, merged exactly.

Shapes: B frames, P positions, D channels.
"""

import torch
from torch import Tensor

from streammon.padim.devices import one_cpu_thread

EPSILON = 0.01  # PaDiM, eq. 1: makes every covariance invertible
CHOLESKY_POSITIONS = 256  # positions a batch: finishing a fit then needs little more memory than the fit


class RunningGaussian:
    """Mean and scatter per position, in memory that doesn't grow with the footage.

    Blocks of frames and whole fits merge by Chan, Golub and LeVeque (1979): with counts n and m, means a and b,
    and d = b - a, the joint mean is a + d m / (n + m) and the joint scatter S_a + S_b + d d^T n m / (n + m).

    Attributes:
        count: Number of frames added.
        mean: (P, D) float64; float32 on MPS, which has no float64.
        scatter: (P, D, D) float32, the sum of (x - mean)(x - mean)^T.
    """

    def __init__(self, positions: int, dimensions: int, device: torch.device | None = None) -> None:
        self.count = 0
        # float64 where the device has it: the mean moves by ever smaller steps
        self._mean_dtype = torch.float32 if device is not None and device.type == "mps" else torch.float64
        self.mean = torch.zeros(positions, dimensions, dtype=self._mean_dtype, device=device)
        self.scatter = torch.zeros(positions, dimensions, dimensions, device=device)

    @torch.inference_mode()
    def update(self, embeddings: Tensor) -> None:
        """Add (B, P, D) embeddings of B frames."""
        frames = len(embeddings)
        if frames == 0:
            return
        block_mean = embeddings.mean(0, dtype=self._mean_dtype)  # (P, D)
        delta = block_mean - self.mean
        total = self.count + frames
        # the correction term is one more row, so scatter += rows^T rows takes one pass over the scatter
        correction = delta.float() * (self.count * frames / total) ** 0.5
        rows = torch.cat([embeddings - block_mean.float(), correction[None]]).permute(1, 0, 2)  # (P, B + 1, D)
        self.scatter.baddbmm_(rows.mT, rows)
        self.mean += delta * (frames / total)
        self.count = total

    @torch.inference_mode()
    def merge(self, other: "RunningGaussian") -> None:
        """Add the frames of another fit; the result is that of one fit of all the frames.

        Raises:
            ValueError: The two fits differ in P or D.
        """
        if self.mean.shape != other.mean.shape:
            raise ValueError(f"{tuple(self.mean.shape)} positions and channels against {tuple(other.mean.shape)}")
        total = self.count + other.count
        if other.count == 0:
            return
        delta = other.mean.to(self.mean) - self.mean
        correction = (delta * (self.count * other.count / total) ** 0.5).float()
        self.scatter += other.scatter.to(self.scatter)
        self.scatter.baddbmm_(correction[:, :, None], correction[:, None, :])
        self.mean += delta * (other.count / total)
        self.count = total

    @torch.inference_mode()
    def cholesky(self, epsilon: float = EPSILON) -> Tensor:
        """Lower-triangular L of each position's covariance, L L^T = scatter / (count - 1) + epsilon I.

        Returns:
            (P, D, D) float32.

        Raises:
            ValueError: Fewer than 2 frames, which have no covariance.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 frames, not {self.count}")
        factors = torch.empty_like(self.scatter)
        ridge = epsilon * torch.eye(self.scatter.shape[-1], device=self.scatter.device)
        with one_cpu_thread():
            for start in range(0, len(self.scatter), CHOLESKY_POSITIONS):
                part = slice(start, start + CHOLESKY_POSITIONS)
                factors[part] = torch.linalg.cholesky(self.scatter[part] / (self.count - 1) + ridge)
        return factors


def mahalanobis(embeddings: Tensor, mean: Tensor, cholesky: Tensor) -> Tensor:
    """How far each patch lies from what is normal at its position.

    PaDiM eq. 2 (arXiv:2011.08785): sqrt((x - mu)^T Sigma^-1 (x - mu)).
    With Sigma = L L^T this is the length of L^-1 (x - mu): one triangular solve, no inverse.

    Args:
        embeddings: (B, P, D) patch embeddings.
        mean: (P, D) mu of each position.
        cholesky: (P, D, D) lower-triangular L of each position.

    Returns:
        (B, P) distances, >= 0, in standard deviations; for a normal patch the square is D on average.

    Raises:
        ValueError: The three disagree on P or D.

    >>> mahalanobis(torch.tensor([[[6.0]]]), torch.tensor([[0.0]]), torch.tensor([[[2.0]]]))
    tensor([[3.]])
    """
    if embeddings.shape[1:] != mean.shape or cholesky.shape != (*mean.shape, mean.shape[-1]):
        raise ValueError(f"{tuple(embeddings.shape)}, {tuple(mean.shape)} and {tuple(cholesky.shape)} don't fit")
    centred = (embeddings - mean).permute(1, 2, 0)  # (P, D, B)
    whitened = torch.linalg.solve_triangular(cholesky, centred, upper=False)
    distances: Tensor = torch.linalg.vector_norm(whitened, dim=1).T  # (B, P)
    return distances


def pack_lower(matrices: Tensor) -> Tensor:
    """Lower triangles of (P, D, D) matrices, row by row, as (P, D (D + 1) / 2): half the size."""
    rows, columns = torch.tril_indices(*matrices.shape[1:], device=matrices.device)
    return matrices[:, rows, columns]


def unpack_lower(packed: Tensor, dimensions: int) -> Tensor:
    """Lower-triangular matrices (P, D, D) from the rows that `pack_lower` returned."""
    rows, columns = torch.tril_indices(dimensions, dimensions, device=packed.device)
    matrices = packed.new_zeros(len(packed), dimensions, dimensions)
    matrices[:, rows, columns] = packed
    return matrices
