"""MahalanobisAD (Rippel et al., arXiv:2005.14140): one Gaussian of pooled features at each stage of the backbone.

Departure from the paper, which uses all nine levels of EfficientNet-B4: here the three stages of the configured
backbone are used, as for PaDiM. MahalanobisAD does not localise.
"""

from collections.abc import Mapping

import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor

from streammon.errors import FootageError
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.training import require_enough_frames
from streammon.padim import Backbone, mahalanobis


class MahalanobisAD:
    """MahalanobisAD on a backbone's three stages.

    Args:
        backbone: Name of the backbone.

    Attributes:
        name: Name in the report, such as `MahalanobisAD resnet18`.
        key: All settings that change the scores.
        needs_maps: True, the models read the backbone's maps.
        needs_details: False, the models don't read the frames' details.
    """

    def __init__(self, backbone: str) -> None:
        self.name = f"MahalanobisAD {backbone}"
        self.key = self.name
        self.needs_maps = True
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> "MahalanobisADModel":
        """A model of one scene."""
        return MahalanobisADModel(scene)


class MahalanobisADModel:
    """The Gaussians of one scene's pooled features, one for each stage.

    Keeps the pooled features of every training frame until `finish`, since the shrinkage needs their fourth
    moments: 1.8 kB a frame with resnet18, half a gigabyte for all of ShanghaiTech.

    Attributes:
        passes: 1.
    """

    def __init__(self, scene: str) -> None:
        self.passes = 1
        self._scene = scene
        self._pooled: list[Tensor] = []  # (B, C_1 + C_2 + C_3) of each batch
        self._channels: list[int] = []  # C_1, C_2, C_3
        self._means: list[Tensor] = []  # (1, C) float64 of each stage
        self._factors: list[Tensor] = []  # (1, C, C) float64 of each stage, L of the covariance

    def learn(self, batch: Batch) -> None:
        """Keep the pooled features of normal frames."""
        pooled = _pooled(batch.maps)
        self._channels = [features.shape[1] for features in pooled]
        self._pooled.append(torch.cat(pooled, 1))

    def end_pass(self) -> None:
        """Do nothing: there is one pass."""

    def finish(self, progress: Progress) -> None:
        """Fit a Gaussian to each stage, with Ledoit-Wolf shrinkage of the covariance.

        Raises:
            FootageError: Fewer than 3 frames were given (of two frames the Ledoit-Wolf shrinkage is 0), or the frames
                are too alike for a covariance.
        """
        require_enough_frames(self._scene, sum(map(len, self._pooled)), 3)
        stages = torch.split(torch.cat(self._pooled).double(), self._channels, 1)
        for number, features in enumerate(stages):
            estimate = LedoitWolf().fit(features.numpy())
            factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(estimate.covariance_))
            if failed:
                found = "its frames are too alike for a covariance"
                raise FootageError(f"scene {self._scene!r}", found, "give footage in which something moves")
            self._means.append(torch.from_numpy(estimate.location_)[None])
            self._factors.append(factor[None])
            progress(f"fitting {self._scene}", number + 1, len(stages))
        self._pooled = []

    def score(self, batch: Batch) -> Scored:
        """(B,) sums over the stages of the Mahalanobis distances of the pooled features; no maps."""
        assert self._factors, "finish() comes first"
        stages = zip(_pooled(batch.maps), self._means, self._factors, strict=True)
        distances = [mahalanobis(x.double()[:, None], mean, factor)[:, 0] for x, mean, factor in stages]  # (B,) each
        return Scored(torch.stack(distances).sum(0).numpy(), ())

    def state(self) -> dict[str, Tensor]:
        """Pooled features of all frames learned."""
        if not self._pooled:
            return {}
        return {"pooled": torch.cat(self._pooled), "channels": torch.tensor(self._channels)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""
        if "pooled" in state:
            self._pooled, self._channels = [state["pooled"].clone()], state["channels"].tolist()

    def scoring_bytes(self) -> int:
        """Memory of the means and Cholesky factors."""
        return sum(tensor.nbytes for tensor in (*self._means, *self._factors))


def _pooled(maps: list[Tensor]) -> list[Tensor]:
    """(B, C) means over the positions of each stage, on the CPU."""
    return [feature.mean((2, 3)).cpu() for feature in maps]
