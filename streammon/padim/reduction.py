"""Patch embeddings: three feature maps, concatenated at each position and reduced to fewer channels.

PaDiM, sections III-A and III-D: the activation vectors of the three maps at a patch position are concatenated, then
reduced. The grid is that of the first (finest) map; coarser maps are upsampled by nearest neighbour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAPS = 3
"""Maps of a backbone, at most."""

Floats = NDArray[np.float32]


class Patches(NamedTuple):
    """Embeddings (B, P, D) that were not made: where each value is in a backbone's maps.

    For a batch, making them takes about as long as the distances (`streammon/bench/README.md`).

    Attributes:
        maps: Values (B, N) of each of three maps; of frame b, channel d at position p is
            `maps[sources[d]][b, offsets[sources[d], p] + channels[d]]`.
        sources: (D,) int64 number of the map.
        channels: (D,) int64 channel within the map.
        offsets: (3, P) int64 first channel of each position in each map.
    """

    maps: tuple[Floats, Floats, Floats]
    sources: NDArray[np.int64]
    channels: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, embeddings: Tensor) -> Self:
        """From embeddings (B, P, D) float32 on the CPU."""
        _, positions, dimensions = embeddings.shape
        maps = _filled_up([embeddings.contiguous().flatten(1).numpy()])
        sources, channels = np.zeros(dimensions, np.int64), np.arange(dimensions)
        return cls(maps, sources, channels, _offsets(((dimensions, positions, 1),)))


@dataclass(frozen=True, eq=False)
class Reduction:
    """Selection or projection of channels: exactly one of `indices` and `projection` is set.

    Attributes:
        kind: `random`, `all`, `pca` or `orthogonal`.
        indices: (D,) int64, ascending indices of the channels kept.
        projection: (C, D) float32 matrix with orthonormal columns, which mixes all channels.
    """

    kind: str
    indices: Tensor | None = None
    projection: Tensor | None = None

    @property
    def dimensions(self) -> int:
        """D, the number of channels of an embedding."""
        tensor = self.indices if self.indices is not None else self.projection
        assert tensor is not None
        return tensor.shape[-1]

    def to(self, device: torch.device) -> "Reduction":
        """The same reduction on another device."""
        moved = [None if tensor is None else tensor.to(device) for tensor in (self.indices, self.projection)]
        return Reduction(self.kind, *moved)

    def embed(self, maps: Sequence[Tensor]) -> Tensor:
        """Concatenate the maps at each position and reduce the channels.

        Each map is reduced before upsampling: the result is the same, since reduction acts on channels and
        upsampling on positions, and less memory is touched.

        Args:
            maps: (B, C_i, h_i, w_i), from fine to coarse; h_i and w_i divide h_0 and w_0.

        Returns:
            (B, P, D) with P = h_0 w_0, row by row.
        """
        batch, _, height, width = maps[0].shape
        embeddings = maps[0].new_zeros(batch, height, width, self.dimensions)
        first, start = 0, 0  # first channel of this map; where its kept channels go
        for feature in maps:
            channels, last = feature.permute(0, 2, 3, 1), first + feature.shape[1]  # (B, h, w, C)
            if self.projection is not None:
                reduced = channels @ self.projection[first:last]  # (B, h, w, D)
                embeddings += _onto_grid(reduced, height, width)
            else:
                assert self.indices is not None
                within = (self.indices >= first) & (self.indices < last)
                reduced = channels.index_select(3, self.indices[within] - first)
                embeddings[..., start : start + reduced.shape[3]] = _onto_grid(reduced, height, width)
                start += reduced.shape[3]
            first = last
        return embeddings.reshape(batch, height * width, self.dimensions)

    def patches(self, maps: Sequence[Tensor]) -> Patches:
        """The embeddings that `embed` makes, of maps on the CPU; kept channels stay where they are."""
        if self.indices is None:
            return Patches.of(self.embed(maps))
        sizes = tuple(tuple(feature.shape[1:]) for feature in maps)
        counts = np.array([channels for channels, _, _ in sizes])
        firsts = np.cumsum(counts) - counts  # first channel of each map
        kept = self.indices.numpy()
        sources = np.searchsorted(firsts, kept, side="right") - 1
        flat = [feature.permute(0, 2, 3, 1).contiguous().flatten(1).numpy() for feature in maps]
        return Patches(_filled_up(flat), sources, kept - firsts[sources], _offsets(sizes))


@lru_cache
def _offsets(sizes: tuple[tuple[int, ...], ...]) -> NDArray[np.int64]:
    """First channel (3, P) of each position of the first map's grid in maps of C channels, h rows and w columns."""
    _, height, width = sizes[0]
    rows, columns = np.divmod(np.arange(height * width), width)
    offsets = np.zeros((MAPS, height * width), np.int64)
    for number, (channels, h, w) in enumerate(sizes):
        offsets[number] = channels * (rows // (height // h) * w + columns // (width // w))
    return offsets


def _filled_up(maps: list[Floats]) -> tuple[Floats, Floats, Floats]:
    """Fill up with maps without values."""
    first, second, third = maps + [maps[0][:, :0].copy()] * (MAPS - len(maps))
    return first, second, third


def _onto_grid(feature: Tensor, height: int, width: int) -> Tensor:
    """Repeat each position of (B, h, w, D) so that the grid becomes height x width."""
    batch, h, w, channels = feature.shape
    rows, columns = height // h, width // w
    spread = feature[:, :, None, :, None, :].expand(batch, h, rows, w, columns, channels)
    return spread.reshape(batch, height, width, channels)


def make_reduction(kind: str, channels: int, dimensions: int, seed: int) -> Reduction:
    """Seeded reduction from C to D channels; `pca` needs footage and comes from `PrincipalComponents`.

    `random` keeps D channels (the paper's Rd). `orthogonal` mixes all channels by a random matrix with
    orthonormal columns (semi-orthogonal embedding, Kim et al., arXiv:2105.14737).

    Raises:
        ValueError: Unknown kind, or D is below 1 or above C.

    >>> make_reduction("random", 448, 3, seed=0).indices.tolist() == sorted(
    ...     make_reduction("random", 448, 3, seed=0).indices.tolist())
    True
    """
    if not 1 <= dimensions <= channels:
        raise ValueError(f"dimensions is {dimensions}; it must be 1 to {channels}")
    generator = torch.Generator().manual_seed(seed)
    if kind == "all":
        return Reduction(kind, indices=torch.arange(channels))
    if kind == "random":
        return Reduction(kind, indices=torch.randperm(channels, generator=generator)[:dimensions].sort().values)
    if kind == "orthogonal":
        gaussian = torch.randn(channels, dimensions, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gaussian)
        return Reduction(kind, projection=(q * r.diagonal().sign()).float())  # the signs make it uniform (Haar)
    raise ValueError(f"no reduction is called {kind}")


class PrincipalComponents:
    """Streaming PCA of embeddings, pooled over frames and positions: the first pass that `pca` needs.

    Keeps only (C,) and (C, C) sums, in float64.
    """

    def __init__(self, channels: int) -> None:
        self._every = make_reduction("all", channels, channels, seed=0)
        self._count = 0
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._products = torch.zeros(channels, channels, dtype=torch.float64)

    def update(self, maps: Sequence[Tensor]) -> None:
        """Add three maps (B, C_i, h_i, w_i) of B frames."""
        patches = self._every.to(maps[0].device).embed(maps).flatten(0, 1)  # (B P, C)
        self._count += len(patches)
        self._sum += patches.mean(0).cpu().double() * len(patches)
        self._products += (patches.T @ patches).cpu().double()

    def reduction(self, dimensions: int) -> Reduction:
        """Projection on the `dimensions` directions of largest variance.

        Raises:
            ValueError: No frames were added, or D is below 1 or above C.
        """
        channels = len(self._sum)
        if self._count == 0 or not 1 <= dimensions <= channels:
            raise ValueError(f"{dimensions} components of {channels} channels from {self._count} patches")
        mean = self._sum / self._count
        covariance = self._products / self._count - mean[:, None] * mean
        _, vectors = torch.linalg.eigh(covariance)  # ascending
        return Reduction("pca", projection=vectors.flip(1)[:, :dimensions].float().contiguous())
