"""Bank of one scene: the Gaussian of every patch position, the channel reduction, and the calibration of scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from streammon.calibration import Calibration
from streammon.errors import BankError
from streammon.padim.anomaly_map import MapSmoother, frame_scores
from streammon.padim.backbones import Backbone
from streammon.padim.distance_kernel import distance_kernel
from streammon.padim.facts import BankFacts, facts_for
from streammon.padim.gaussian import unpack_lower
from streammon.padim.reduction import Reduction
from streammon.padim.scene_files import (
    BANK_FILE,
    FIT_AGAIN,
    read_tensors,
    reduction_tensors,
    require_shapes,
    stored_reduction,
    write_tensors,
)
from streammon.padim.whitening import Whitening, whitened_distance


class Bank:
    """Fitted Gaussians of one scene; a bank scores after `prepare`.

    Attributes:
        facts: Facts of the fit.
        reduction: Reduction of the backbone's channels.
        mean: (P, D) float32 mean of each position.
        whitening: Packed whitening matrix of each position.
        calibration: False alarms a day as a function of the frame score; None without held-out frames.
    """

    def __init__(
        self,
        facts: BankFacts,
        reduction: Reduction,
        mean: Tensor,
        whitening: Whitening,
        calibration: Calibration | None,
    ) -> None:
        self.facts = facts
        self.reduction = reduction
        self.mean = mean
        self.whitening = whitening
        self.calibration = calibration
        self._smoother: MapSmoother | None = None

    def prepare(self, device: torch.device) -> Self:
        """Move the bank to the scoring device, and make the map smoother and the compiled distances ready."""
        self.reduction = self.reduction.to(device)
        self.mean = self.mean.to(device)
        self.whitening = self.whitening.to(device)
        if device.type == "cpu":
            distance_kernel()
        self._smoother = MapSmoother(self.facts.grid, (self.facts.crop, self.facts.crop), device)
        return self

    @torch.inference_mode()
    def distances(self, maps: Sequence[Tensor]) -> Tensor:
        """Mahalanobis distances (B, h, w) on the patch grid, from a backbone's three maps (B, C, h, w)."""
        if self.mean.device.type == "cpu":
            distances = self.whitening.distances(self.reduction.patches(maps), self.mean)  # (B, P)
        else:
            distances = whitened_distance(self.reduction.embed(maps), self.mean, self.whitening.matrices())
        return distances.view(-1, *self.facts.grid)

    @torch.inference_mode()
    def score(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Score frames.

        Args:
            maps: The backbone's three maps, (B, C, h, w) each.

        Returns:
            (B, S, S) anomaly maps over the model's whole input (0 outside the crop), and (B,) frame scores.
        """
        return self.maps_and_scores(self.distances(maps))

    @torch.inference_mode()
    def maps_and_scores(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Anomaly maps and frame scores, as `score` returns them, from (B, h, w) distances."""
        assert self._smoother is not None, "prepare() comes first"
        anomaly_maps = self._smoother(distances)
        scores = frame_scores(anomaly_maps, self.facts.frame_score)
        margin = (self.facts.size - self.facts.crop) // 2
        if margin:
            rest = self.facts.size - self.facts.crop - margin
            anomaly_maps = torch.nn.functional.pad(anomaly_maps, (margin, rest, margin, rest))
        return anomaly_maps, scores

    def scoring_bytes(self) -> int:
        """Memory of the means, the whitening matrices and the reduction, in bytes."""
        tensors = (self.mean, *reduction_tensors(self.reduction).values())
        return self.whitening.nbytes + sum(tensor.nbytes for tensor in tensors)

    def _tensors(self) -> dict[str, Tensor]:
        return scoring_tensors(self) | reduction_tensors(self.reduction)

    def save(self, folder: Path) -> None:
        """Write `bank.safetensors` into a scene's folder.

        Raises:
            StorageError: The file can't be written.
        """
        tensors = self._tensors()
        arrays = {} if self.calibration is None else self.calibration.arrays()
        tensors |= {f"calibration.{name}": torch.from_numpy(array) for name, array in arrays.items()}
        write_tensors(folder / BANK_FILE, tensors, self.facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `bank.safetensors` from a scene's folder.

        Raises:
            BankError: The file is missing, broken, or of another format.
        """
        path = folder / BANK_FILE
        facts, tensors = read_tensors(path)
        mean, whitening = _stored_gaussians(path, facts, tensors)
        prefix = "calibration."
        kept = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
        try:
            arrays = {name: each.numpy().copy() for name, each in kept.items()}
            calibration = Calibration.of_arrays(arrays) if arrays else None
        except (KeyError, ValueError, TypeError):
            raise BankError(str(path), "its calibration is not valid", FIT_AGAIN) from None
        reduction = stored_reduction(path, facts, tensors)
        return cls(facts, reduction, mean, whitening, calibration)

    def require_fit(self, backbone: Backbone, size: int, crop: int) -> None:
        """Require that the bank was fitted with this backbone, input size and crop.

        Raises:
            BankError: The bank was fitted with something else; the message names both sides.
        """
        difference = self.facts.mismatch(facts_for(self.facts.scene, backbone, self.reduction, size, crop))
        if difference:
            raise BankError(
                f"scene {self.facts.scene!r}",
                f"its bank was fitted with {difference[0]}, the config asks for {difference[1]}",
                f"fit it again with `streammon fit --scene {self.facts.scene}`",
            )


def scoring_tensors(bank: Bank) -> dict[str, Tensor]:
    """Means and packed whitening matrices of a bank, by their names in a file."""
    whitening = bank.whitening
    return {"mean": bank.mean, "whitening": whitening.triangles(), "whitening_scales": whitening.scales}


def restored_bank(facts: BankFacts, reduction: Reduction, kept: Mapping[str, Tensor], device: torch.device) -> Bank:
    """Prepared bank from the tensors that `scoring_tensors` returned; it has no calibration."""
    whitening = Whitening.of_triangles(kept["whitening"], kept["whitening_scales"])
    return Bank(facts, reduction, kept["mean"].clone(), whitening, None).prepare(device)


def _stored_gaussians(path: Path, facts: BankFacts, tensors: dict[str, Tensor]) -> tuple[Tensor, Whitening]:
    """Means and whitening matrices of a bank's file; a file of format 2 has Cholesky factors, which are inverted.

    Raises:
        BankError: A tensor is missing or has another shape than the header says.
    """
    positions, dimensions = facts.grid[0] * facts.grid[1], facts.dimensions
    triangle = (positions, dimensions * (dimensions + 1) // 2)
    require_shapes(path, tensors, {"mean": (positions, dimensions)})
    # copies: a view would keep the whole mapped file in memory
    if "cholesky" in tensors:
        require_shapes(path, tensors, {"cholesky": triangle})
        return tensors["mean"].clone(), Whitening.of(unpack_lower(tensors["cholesky"], dimensions))
    require_shapes(path, tensors, {"whitening": triangle, "whitening_scales": (positions, dimensions)})
    return tensors["mean"].clone(), Whitening.of_triangles(tensors["whitening"], tensors["whitening_scales"])
