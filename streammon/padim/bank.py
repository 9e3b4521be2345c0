"""What was learned about one scene: the Gaussian of every position, and how to read its distances."""

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
    reduction_of,
    reduction_tensors,
    require_shapes,
    write_tensors,
)


class Bank:
    """The Gaussians of one scene, ready to score.

    Attributes:
        facts: What it was fitted with.
        reduction: How channels are reduced.
        mean: (P, D) float32.
        cholesky: (P, D, D) float32, lower-triangular; emptied by `prepare`, which keeps its inverse instead.
        whitening: (P, D, D) float32, that inverse; None before `prepare`, unless it is at hand.
        calibration: From scores to false alarms a day; None for footage without time or too short.
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
        """Move to the device that scores, and solve for what every batch needs."""
        self.reduction = self.reduction.to(device)
        self.mean = self.mean.to(device)
        solved = whitening(self.cholesky.to(device)) if self.whitening is None else self.whitening
        self.whitening = solved.to(device)
        self.cholesky = torch.empty(0)
        self._smoother = MapSmoother(self.facts.grid, (self.facts.crop, self.facts.crop), device)
        return self

    @torch.inference_mode()
    def distances(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, h, w) Mahalanobis distances on the patch grid, from a backbone's three maps (B, C, h, w)."""
        assert self.whitening is not None, "prepare() comes first"
        distances = whitened_distance(self.reduction.embed(maps), self.mean, self.whitening)  # (B, P)
        return distances.view(-1, *self.facts.grid)

    @torch.inference_mode()
    def score(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Score frames.

        Args:
            maps: The backbone's three maps, (B, C, h, w) each.

        Returns:
            (B, S, S) anomaly maps over the model's whole input (0 outside the crop, where nothing is known),
            and (B,) frame scores.
        """
        return self.read(self.distances(maps))

    @torch.inference_mode()
    def read(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """What `score` says of frames whose (B, h, w) distances are at hand."""
        assert self._smoother is not None, "prepare() comes first"
        anomaly_maps = self._smoother(distances)
        scores = frame_scores(anomaly_maps, self.facts.frame_score)
        margin = (self.facts.size - self.facts.crop) // 2
        if margin:
            rest = self.facts.size - self.facts.crop - margin
            anomaly_maps = torch.nn.functional.pad(anomaly_maps, (margin, rest, margin, rest))
        return anomaly_maps, scores

    def scoring_bytes(self) -> int:
        """Memory of what scoring reads: the means, their whitening and the reduction; after `prepare`."""
        assert self.whitening is not None, "prepare() comes first"
        tensors = (self.mean, self.whitening, *reduction_tensors(self.reduction).values())
        return sum(tensor.nbytes for tensor in tensors)

    def save(self, folder: Path) -> None:
        """Write `bank.safetensors` into a scene's folder; only before `prepare`.

        Raises:
            StorageError: It can't be written.
        """
        assert self.cholesky.numel(), "a prepared bank no longer holds what is saved"
        tensors = {"mean": self.mean, "cholesky": pack_lower(self.cholesky)} | reduction_tensors(self.reduction)
        if self.calibration is None:
            write_tensors(folder / BANK_FILE, tensors, self.facts)
            return
        arrays = self.calibration.arrays()
        tensors |= {f"calibration.{name}": torch.from_numpy(array) for name, array in arrays.items()}
        write_tensors(folder / BANK_FILE, tensors, self.facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `bank.safetensors` from a scene's folder.

        Raises:
            BankError: It is missing, broken, or of another format.
        """
        path = folder / BANK_FILE
        facts, tensors, _ = read_tensors(path)
        positions, dimensions = facts.grid[0] * facts.grid[1], facts.dimensions
        triangle = dimensions * (dimensions + 1) // 2
        require_shapes(path, tensors, {"mean": (positions, dimensions), "cholesky": (positions, triangle)})
        prefix = "calibration."
        kept = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
        try:
            arrays = {name: each.numpy().copy() for name, each in kept.items()}
            calibration = Calibration.of_arrays(arrays) if arrays else None
        except (KeyError, ValueError, TypeError):
            raise BankError(str(path), "its calibration makes no sense", FIT_AGAIN) from None
        reduction = reduction_of(path, facts, tensors)
        mean = tensors["mean"].clone()  # else it would keep the whole mapped file in memory
        return cls(facts, reduction, mean, unpack_lower(tensors["cholesky"], dimensions), calibration)

    def require_fit(self, backbone: Backbone, size: int, crop: int) -> None:
        """Refuse to score with a backbone this bank wasn't fitted with.

        Raises:
            BankError: It doesn't fit; both sides are named.
        """
        difference = self.facts.mismatch(facts_for(self.facts.scene, backbone, self.reduction, size, crop))
        if difference:
            raise BankError(
                f"scene {self.facts.scene!r}",
                f"its bank was fitted with {difference[0]}, the config asks for {difference[1]}",
                f"fit it again with `streammon fit --scene {self.facts.scene}`",
            )


def scoring_tensors(bank: Bank) -> dict[str, Tensor]:
    """What a prepared bank scores by, to be kept while a scene is learned."""
    assert bank.whitening is not None, "prepare() comes first"
    return {"mean": bank.mean.clone(), "whitening": pack_lower(bank.whitening)}


def restored_bank(facts: BankFacts, reduction: Reduction, kept: Mapping[str, Tensor], device: torch.device) -> Bank:
    """The bank that `scoring_tensors` were of."""
    factor = unpack_lower(kept["whitening"].to(device), facts.dimensions)
    return Bank(facts, reduction, kept["mean"].clone(), torch.empty(0), None, whitening=factor).prepare(device)
