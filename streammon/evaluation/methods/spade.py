"""SPADE (Cohen and Hoshen, arXiv:2005.02357): nearest neighbours among the training frames, then among their patches.

Departures from the paper, which compares frames by the pooled last convolution of WideResNet50-2: the backbones here
end after the third stage, so the third stage is pooled, and the network is the configured one.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streammon.errors import FootageError
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.training import require_enough_frames
from streammon.padim import Backbone

NEIGHBOURS = 50  # K of the paper, for MVTec AD
SHARE_OF_MEMORY = 0.8  # of the memory that is free when learning begins; scoring needs memory too
Array = NDArray[np.float32]


class Spade:
    """SPADE with K nearest training frames.

    Args:
        backbone: Name of the backbone.
        neighbours: K; fewer where there are fewer training frames.
        memory_limit_bytes: Largest memory of the training frames' features; None for four fifths of the memory that
            is free when learning begins.

    Attributes:
        name: Name in the report, such as `SPADE resnet18 K50`.
        key: All settings that change the scores.
        needs_maps: True, the models read the backbone's maps.
        needs_details: False, the models don't read the frames' details.
        neighbours: K.
    """

    def __init__(self, backbone: str, neighbours: int = NEIGHBOURS, memory_limit_bytes: int | None = None) -> None:
        assert neighbours >= 1, "there is no nearest of none"
        self.neighbours = neighbours
        self._memory_limit_bytes = memory_limit_bytes
        self.name = f"SPADE {backbone} K{neighbours}"
        self.key = self.name
        self.needs_maps = True
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> "SpadeModel":
        """A model of one scene, for pictures of `side` pixels."""
        return SpadeModel(scene, self.neighbours, self._memory_limit_bytes)


class SpadeModel:
    """Features of all training frames of one scene, with nearest-neighbour search.

    Memory grows with the training frames: no other method keeps the feature maps of every frame (1.8 MB a frame with
    resnet18 at 256x256).

    Attributes:
        passes: 1.
    """

    def __init__(self, scene: str, neighbours: int, memory_limit_bytes: int | None) -> None:
        self.passes = 1
        self._scene = scene
        self._neighbours = neighbours
        self._limit_bytes = memory_limit_bytes
        self._frames: list[list[Tensor]] = []  # maps of each training frame, (C, h, w) on the CPU
        self._frame_index: Any = None  # faiss.IndexFlatL2 over the (N, C) pooled features

    def learn(self, batch: Batch) -> None:
        """Keep the features of normal frames.

        Raises:
            FootageError: The features no longer fit the memory.
        """
        for number in range(len(batch.pictures)):
            # copies: a view would keep the whole batch in memory
            maps = [feature[number].cpu().clone(memory_format=torch.contiguous_format) for feature in batch.maps]
            self._require_memory(sum(feature.nbytes for feature in maps))
            self._frames.append(maps)

    def end_pass(self) -> None:
        """Do nothing: there is one pass."""

    def finish(self, progress: Progress) -> None:
        """Index the frames by their pooled features.

        Raises:
            FootageError: There was no frame.
        """
        require_enough_frames(self._scene, len(self._frames), 1)
        pooled = _pooled(torch.stack([maps[-1] for maps in self._frames]))
        self._frame_index = _exact_index(pooled)
        progress(f"indexing {self._scene}", 1, 1)

    def score(self, batch: Batch) -> Scored:
        """Score frames.

        Frame score, eq. 2: the mean squared distance of the pooled features to the K nearest training frames'.
        Grid, eq. 4 with kappa = 1, as in the paper: the squared distance of each position's features to the
        nearest one among all positions of those K frames.
        """
        assert self._frame_index is not None, "finish() comes first"
        _match_threads()
        neighbours = min(self._neighbours, len(self._frames))
        distances, nearest = self._frame_index.search(_pooled(batch.maps[-1].cpu()), neighbours)  # (B, K) both
        patches = _patches(batch.maps)
        grids = [self._patch_distances(own, frames) for own, frames in zip(patches, nearest, strict=True)]
        cells = batch.maps[0].shape[2:]
        return Scored(distances.mean(1, dtype=np.float64), (np.stack(grids).reshape(-1, *cells),))

    def state(self) -> dict[str, Tensor]:
        """Features of all frames learned, not copied."""
        return {f"{n}.{stage}": feature for n, maps in enumerate(self._frames) for stage, feature in enumerate(maps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""
        numbered = sorted(tuple(map(int, name.split("."))) for name in state)
        self._frames = []
        for number, stage in numbered:
            if stage == 0:
                self._frames.append([])
            self._frames[-1].append(state[f"{number}.{stage}"])

    def scoring_bytes(self) -> int:
        """Memory of all training frames' features, and of the index over the pooled ones."""
        features = sum(feature.nbytes for maps in self._frames for feature in maps)
        return features + int(self._frame_index.ntotal * self._frame_index.d * 4)

    def _patch_distances(self, own: Array, frames: NDArray[np.int64]) -> Array:
        """(P,) squared distances of (P, C) patches to the nearest patch of any of the frames.

        The minimum is taken over one frame after the other: a gallery of fifty frames at once would take 370 MB with
        resnet18 and 1.5 GB with wide_resnet50_2.
        """
        best: Array = np.full(len(own), np.inf, dtype=np.float32)
        for number in frames:
            (gallery,) = _patches([feature[None] for feature in self._frames[number]])
            distances, _ = _exact_index(gallery).search(own, 1)
            np.minimum(best, distances[:, 0], out=best)
        return best

    def _require_memory(self, frame_bytes: int) -> None:
        if self._limit_bytes is None:
            held_bytes = len(self._frames) * frame_bytes  # restored frames are in memory already
            self._limit_bytes = int((psutil.virtual_memory().available + held_bytes) * SHARE_OF_MEMORY)
        room = self._limit_bytes // frame_bytes
        if len(self._frames) >= room:
            size = f"{frame_bytes / 1e6:.1f} MB"
            found = (
                f"SPADE keeps the features of every training frame ({size} each), and {room} of them fill the memory"
            )
            raise FootageError(f"scene {self._scene!r}", found, f"give --max-train-frames {max(1, room)} or fewer")


def _pooled(features: Tensor) -> Array:
    """(B, C) means over the positions of (B, C, h, w)."""
    pooled: Array = features.mean((2, 3)).contiguous().numpy()
    return pooled


@torch.inference_mode()
def _patches(maps: list[Tensor]) -> list[Array]:
    """(P, C) features of each frame's positions: all maps, the coarser ones interpolated to the first grid."""
    grid = maps[0].shape[2:]
    spread = [F.interpolate(feature, size=grid, mode="bilinear", align_corners=False) for feature in maps[1:]]
    rows = torch.cat([maps[0], *spread], 1).flatten(2).mT.contiguous()  # (B, P, C)
    return list(rows.cpu().numpy())


def _exact_index(rows: Array) -> Any:
    """A faiss index over (N, C) rows with exact squared Euclidean distances."""
    # Imported only where needed, after torch: both bring their own OpenMP, and the two conflict on macOS.
    import faiss

    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    return index


def _match_threads() -> None:
    """Set faiss to the number of torch's threads; to one on macOS, where the OpenMP libraries of both conflict."""
    import faiss

    faiss.omp_set_num_threads(1 if sys.platform == "darwin" else torch.get_num_threads())
