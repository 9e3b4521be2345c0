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
from streammon.padim.facts import BankFacts, facts_for
from streammon.padim.gaussian import pack_lower, unpack_lower, whitened_distance, whitening
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


class Bank:
    """Fitted Gaussians of one scene; a bank scores after `prepare`.

    Attributes:
        facts: Facts of the fit.
        reduction: Reduction of the backbone's channels.
        mean: (P, D) float32 mean of each position.
        cholesky: (P, D, D) float32 lower-triangular L of each covariance; emptied by `prepare`, which keeps L^-1.
        whitening: (P, D, D) float32 W = L^-1; None before `prepare`, unless passed to the constructor.
        calibration: False alarms a day as a function of the frame score; None without held-out frames.
    """

    def __init__(
        self,
        facts: BankFacts,
        reduction: Reduction,
        mean: Tensor,
        cholesky: Tensor,
        calibration: Calibration | None,
        whitening: Tensor | None = None,
    ) -> None:
        self.facts = facts
        self.reduction = reduction
        self.mean = mean
        self.cholesky = cholesky
        self.calibration = calibration
        self.whitening = whitening
        self._smoother: MapSmoother | None = None

    def prepare(self, device: torch.device) -> Self:
        """Move the bank to the scoring device, and compute the whitening matrices and the map smoother."""
        self.reduction = self.reduction.to(device)
        self.mean = self.mean.to(device)
        solved = whitening(self.cholesky.to(device)) if self.whitening is None else self.whitening
        self.whitening = solved.to(device)
        self.cholesky = torch.empty(0)
        self._smoother = MapSmoother(self.facts.grid, (self.facts.crop, self.facts.crop), device)
        return self

    @torch.inference_mode()
    def distances(self, maps: Sequence[Tensor]) -> Tensor:
        """Mahalanobis distances (B, h, w) on the patch grid, from a backbone's three maps (B, C, h, w)."""
        assert self.whitening is not None, "prepare() comes first"
        distances = whitened_distance(self.reduction.embed(maps), self.mean, self.whitening)  # (B, P)
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
        """Memory of the means, the whitening matrices and the reduction, in bytes; only after `prepare`."""
        assert self.whitening is not None, "prepare() comes first"
        tensors = (self.mean, self.whitening, *reduction_tensors(self.reduction).values())
        return sum(tensor.nbytes for tensor in tensors)

    def save(self, folder: Path) -> None:
        """Write `bank.safetensors` into a scene's folder; only before `prepare`.

        Raises:
            StorageError: The file can't be written.
        """
        assert self.cholesky.numel(), "a prepared bank no longer holds what is saved"
        tensors = {"mean": self.mean, "cholesky": pack_lower(self.cholesky)} | reduction_tensors(self.reduction)
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
        positions, dimensions = facts.grid[0] * facts.grid[1], facts.dimensions
        triangle = dimensions * (dimensions + 1) // 2
        require_shapes(path, tensors, {"mean": (positions, dimensions), "cholesky": (positions, triangle)})
        prefix = "calibration."
        kept = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
        try:
            arrays = {name: each.numpy().copy() for name, each in kept.items()}
            calibration = Calibration.of_arrays(arrays) if arrays else None
        except (KeyError, ValueError, TypeError):
            raise BankError(str(path), "its calibration is not valid", FIT_AGAIN) from None
        reduction = stored_reduction(path, facts, tensors)
        mean = tensors["mean"].clone()  # a view would keep the whole mapped file in memory
        return cls(facts, reduction, mean, unpack_lower(tensors["cholesky"], dimensions), calibration)

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
    """Means and packed whitening matrices of a prepared bank, for a checkpoint of a running fit."""
    assert bank.whitening is not None, "prepare() comes first"
    return {"mean": bank.mean.clone(), "whitening": pack_lower(bank.whitening)}


def restored_bank(facts: BankFacts, reduction: Reduction, kept: Mapping[str, Tensor], device: torch.device) -> Bank:
    """Prepared bank from the tensors that `scoring_tensors` returned; it has no calibration."""
    factor = unpack_lower(kept["whitening"].to(device), facts.dimensions)
    return Bank(facts, reduction, kept["mean"].clone(), torch.empty(0), None, whitening=factor).prepare(device)
