"""One multivariate Gaussian per patch position: fitted in one pass, merged exactly.

Shapes: B frames, P positions, D channels.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from streammon.padim.devices import one_cpu_thread

EPSILON = 0.01  # PaDiM, eq. 1: makes every covariance invertible
CHOLESKY_POSITIONS = 256  # positions a batch: finishing a fit then needs little more memory than the fit
BLOCK_FRAMES = 32  # added at once: half the time of blocks of 8, and 32 / D of the scatter's memory


class RunningGaussian:
    """Mean and scatter per position, in memory that doesn't grow with the footage.

    Blocks of frames and whole fits merge by Chan, Golub and LeVeque (1979): with counts n and m, means a and b,
    and d = b - a, the joint mean is a + d m / (n + m) and the joint scatter S_a + S_b + d d^T n m / (n + m).

    Frames wait until there are `BLOCK_FRAMES`, since each block reads and writes the whole scatter. So the sums don't
    depend on the sizes of the batches either. Reading `mean` or `scatter` adds the frames that wait.
    """

    def __init__(self, positions: int, dimensions: int, device: torch.device | None = None) -> None:
        # float64 where the device has it: the mean moves by ever smaller steps
        mean_dtype = torch.float32 if device is not None and device.type == "mps" else torch.float64
        self._count = 0
        self._mean = torch.zeros(positions, dimensions, dtype=mean_dtype, device=device)
        self._scatter = torch.zeros(positions, dimensions, dimensions, device=device)
        self._waiting: list[Tensor] = []  # (P, D) embeddings, fewer than a block

    @property
    def count(self) -> int:
        """Number of frames added."""
        return self._count + len(self._waiting)

    @property
    def mean(self) -> Tensor:
        """(P, D) float64; float32 on MPS, which has no float64."""
        self.add_waiting()
        return self._mean

    @property
    def scatter(self) -> Tensor:
        """(P, D, D) float32, the sum of (x - mean)(x - mean)^T."""
        self.add_waiting()
        return self._scatter

    @property
    def device(self) -> torch.device:
        """Device of the sums."""
        return self._mean.device

    def update(self, embeddings: Tensor) -> None:
        """Add (B, P, D) embeddings of B frames."""
        for embedding in embeddings:
            self._waiting.append(embedding)
            if len(self._waiting) == BLOCK_FRAMES:
                self.add_waiting()

    @torch.inference_mode()
    def add_waiting(self) -> None:
        """Add the frames that wait to the sums, though they are no whole block."""
        if not self._waiting:
            return
        block = torch.stack(self._waiting)  # (B, P, D)
        frames, self._waiting = len(block), []
        block_mean = block.mean(0, dtype=self._mean.dtype)  # (P, D)
        delta = block_mean - self._mean
        total = self._count + frames
        # the correction term is one more row, so scatter += rows^T rows takes one pass over the scatter
        correction = delta.float() * (self._count * frames / total) ** 0.5
        rows = torch.cat([block - block_mean.float(), correction[None]]).permute(1, 0, 2)  # (P, B + 1, D)
        self._scatter.baddbmm_(rows.mT, rows)
        self._mean += delta * (frames / total)
        self._count = total

    @torch.inference_mode()
    def merge(self, other: "RunningGaussian") -> None:
        """Add the frames of another fit; the result is that of one fit of all the frames.

        Raises:
            ValueError: The two fits differ in P or D.
        """
        if self._mean.shape != other._mean.shape:
            raise ValueError(f"{tuple(self._mean.shape)} positions and channels against {tuple(other._mean.shape)}")
        total = self.count + other.count
        if other.count == 0:
            return
        delta = other.mean.to(self.mean) - self.mean
        correction = (delta * (self.count * other.count / total) ** 0.5).float()
        self._scatter += other.scatter.to(self._scatter)
        self._scatter.baddbmm_(correction[:, :, None], correction[:, None, :])
        self._mean += delta * (other.count / total)
        self._count = total

    def tensors(self) -> dict[str, Tensor]:
        """Exact state as tensors by name: the lower triangles of the scatters, and the frames that wait, if any."""
        sums = {"mean": self._mean.clone(), "scatter": pack_lower(self._scatter), "count": torch.tensor(self._count)}
        return sums | ({"waiting": torch.stack(self._waiting)} if self._waiting else {})

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the state by what `tensors` returned of a fit with the same P and D.

        Scatters get lower triangles only. That is exact, since their upper triangles are never read.
        """
        self._count = int(tensors["count"])
        self._mean = tensors["mean"].to(self._mean, copy=True)
        self._scatter = unpack_lower(tensors["scatter"].to(self._scatter), self._mean.shape[1])
        waiting = tensors.get("waiting")
        self._waiting = [] if waiting is None else list(waiting.to(self._scatter, copy=True))

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
        scatter = self.scatter
        factors = torch.empty_like(scatter)
        ridge = epsilon * torch.eye(scatter.shape[-1], device=self.device)
        with one_cpu_thread():
            for start in range(0, len(scatter), CHOLESKY_POSITIONS):
                part = slice(start, start + CHOLESKY_POSITIONS)
                factors[part] = torch.linalg.cholesky(scatter[part] / (self.count - 1) + ridge)
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
