"""Running statistics of a scene's patches, which `fit --add` continues and `streammon merge` joins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from streammon import __version__
from streammon.calibration import Calibration
from streammon.errors import BankError
from streammon.padim.bank import Bank
from streammon.padim.facts import BankFacts, format_rate
from streammon.padim.gaussian import RunningGaussian
from streammon.padim.reduction import Reduction
from streammon.padim.scene_files import (
    STATISTICS_FILE,
    read_tensors,
    reduction_tensors,
    require_shapes,
    stored_reduction,
    write_tensors,
)
from streammon.padim.whitening import Whitening


@dataclass(eq=False)
class Statistics:
    """Running Gaussians of a scene, with the facts that decide whether two fits can be merged.

    Attributes:
        facts: Facts of the fit.
        reduction: Reduction of the backbone's channels.
        gaussian: Frame count, means and scatters.
    """

    facts: BankFacts
    reduction: Reduction
    gaussian: RunningGaussian

    def merge(self, other: "Statistics", where: str) -> None:
        """Add the frames of another fit of the same scene, exactly.

        Args:
            other: Statistics of the other fit.
            where: Beginning of the error message, naming the other fit.

        Raises:
            BankError: The fits differ in backbone, weights, grid, input size, channels, frame score or frame rate.
        """
        self.require_alike(other.facts, where)
        if not _same_reduction(self.reduction, other.reduction):
            raise BankError(
                where,
                "its channel reduction differs from the other's",
                "fit both with the same reduction, dimensions and seed",
            )
        self.gaussian.merge(other.gaussian)

    def require_alike(self, facts: BankFacts, where: str) -> None:
        """Require that another fit can be added to this one.

        Args:
            facts: Facts of the other fit.
            where: Beginning of the error message, naming the other fit.

        Raises:
            BankError: The fits differ in backbone, weights, grid, input size, frame score or frame rate.
        """
        difference = facts.mismatch(self.facts)
        if difference:
            found = f"it was fitted with {difference[0]}, the other with {difference[1]}"
            raise BankError(where, found, "fit both with the same backbone, weights and input size")
        if facts.frame_score != self.facts.frame_score:
            found = f"its frames were scored by {facts.frame_score}, the other's by {self.facts.frame_score}"
            raise BankError(where, found, "fit both with the same --frame-score")
        if facts.score_fps != self.facts.score_fps:
            rates = [format_rate(each.score_fps) for each in (facts, self.facts)]
            found = f"it was learned at {rates[0]}, the other at {rates[1]}"
            raise BankError(where, found, "fit both with the same --score-fps")

    def rename(self, scene: str) -> None:
        """Replace the scene's name in the facts."""
        self.facts = replace(self.facts, scene=scene)

    def bank(self, calibration: Calibration | None, calibration_frames: int = 0) -> Bank:
        """Bank of all frames added so far.

        Args:
            calibration: Calibration of the bank's frame score; None without held-out frames.
            calibration_frames: Number of frames that were scored for calibration before they were learned.

        Raises:
            ValueError: Fewer than 2 frames.
        """
        facts = replace(
            self.facts, frames=self.gaussian.count, calibration_frames=calibration_frames, version=__version__
        )
        mean = self.gaussian.mean.to(torch.float32, copy=True)  # a copy: later updates change the mean in place
        return Bank(facts, self.reduction, mean, Whitening.of(self.gaussian.cholesky()), calibration)

    def tensors(self) -> dict[str, Tensor]:
        """Exact state of the Gaussians, and the reduction, as tensors by name."""
        return self.gaussian.tensors() | reduction_tensors(self.reduction)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the Gaussians by those in `tensors`."""
        self.gaussian.restore(tensors)

    def save(self, folder: Path, more: Mapping[str, Tensor]) -> None:
        """Write `statistics.safetensors` into a scene's folder, with further tensors.

        Raises:
            StorageError: The file can't be written.
        """
        self.gaussian.add_waiting()
        write_tensors(folder / STATISTICS_FILE, self.tensors() | dict(more), self.facts)

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None) -> tuple[Self, dict[str, Tensor]]:
        """Read `statistics.safetensors` from a scene's folder.

        Returns:
            The statistics, and all tensors of the file by name.

        Raises:
            BankError: The file is missing, broken, or of another format.
        """
        path = folder / STATISTICS_FILE
        facts, tensors = read_tensors(path)
        dimensions, positions = facts.dimensions, facts.grid[0] * facts.grid[1]
        triangle = dimensions * (dimensions + 1) // 2
        shapes = {"mean": (positions, dimensions), "scatter": (positions, triangle), "count": ()}
        require_shapes(path, tensors, shapes)
        found = cls(facts, stored_reduction(path, facts, tensors), RunningGaussian(positions, dimensions, device))
        found.restore(tensors)
        return found, tensors


def _same_reduction(one: Reduction, other: Reduction) -> bool:
    for a, b in ((one.indices, other.indices), (one.projection, other.projection)):
        if (a is None) != (b is None) or (a is not None and b is not None and not torch.equal(a.cpu(), b.cpu())):
            return False
    return True
