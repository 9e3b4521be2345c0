"""The running statistics of a scene: what `fit --add` goes on with and `streammon merge` joins."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import torch

from streammon import __version__
from streammon.calibration.rates import KEPT_SCORES, Calibration
from streammon.errors import BankError
from streammon.padim.bank import Bank
from streammon.padim.facts import BankFacts
from streammon.padim.gaussian import RunningGaussian, pack_lower, unpack_lower
from streammon.padim.reduction import Reduction
from streammon.padim.scene_files import (
    STATISTICS_FILE,
    hold_shapes,
    read_tensors,
    reduction_of,
    reduction_tensors,
    write_tensors,
)


@dataclass(eq=False)
class Statistics:
    """The running Gaussian of a scene with the facts that make it mergeable, and the held-out scores.

    Attributes:
        facts: What it was fitted with.
        reduction: How channels were reduced.
        gaussian: Counts, means and scatters.
        scores: Held-out frame scores, the newest 100,000.
        times_s: Their times.
    """

    facts: BankFacts
    reduction: Reduction
    gaussian: RunningGaussian
    scores: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def merge(self, other: "Statistics", where: str) -> None:
        """Take in another fit of the same scene: the Gaussians exactly, the held-out scores one after the other.

        Raises:
            BankError: Fitted with something else (backbone, weights, grid, channels, frame score).
        """
        difference = other.facts.mismatch(self.facts)
        if difference:
            raise BankError(where, f"it was fitted with {difference[0]}, the other with {difference[1]}", "fit alike")
        if other.facts.frame_score != self.facts.frame_score:
            found = f"its frames were scored by {other.facts.frame_score}, the other's by {self.facts.frame_score}"
            raise BankError(where, found, "fit both with the same --frame-score")
        if not _same_reduction(self.reduction, other.reduction):
            raise BankError(where, "it kept other channels", "fit both with the same reduction, dimensions and seed")
        self.gaussian.merge(other.gaussian)
        self.hold_out(other.scores, other.times_s)

    def hold_out(self, scores: list[float], times_s: list[float]) -> None:
        """Add held-out frames' scores and times; only the newest 100,000 are kept, so memory is bounded."""
        for kept, new in ((self.scores, scores), (self.times_s, times_s)):
            kept.extend(new)
            del kept[:-KEPT_SCORES]

    def rename(self, scene: str) -> None:
        """Make it the statistics of a scene of another name."""
        self.facts = replace(self.facts, scene=scene)

    def bank(self, *, calibrated: bool = True) -> Bank:
        """The bank of what was taken in so far.

        Args:
            calibrated: Calibrate on the held-out frames, if there are any.

        Raises:
            ValueError: Fewer than 2 frames, or held-out frames that are too few or carry no time.
        """
        held_out = calibrated and len(self.scores)
        calibration = Calibration.from_scores(self.scores, self.times_s) if held_out else None
        facts = replace(self.facts, frames=self.gaussian.count, calibration_frames=held_out, version=__version__)
        mean = self.gaussian.mean.to(torch.float32, copy=True)  # learning may go on, in place
        return Bank(facts, self.reduction, mean, self.gaussian.cholesky(), calibration)

    def save(self, folder: Path) -> None:
        """Write `statistics.safetensors` into a scene's folder.

        Raises:
            StorageError: It can't be written.
        """
        tensors = {
            "mean": self.gaussian.mean,
            "scatter": pack_lower(self.gaussian.scatter),
            "count": torch.tensor(self.gaussian.count),
            "scores": torch.tensor(self.scores, dtype=torch.float64),
            "times_s": torch.tensor(self.times_s, dtype=torch.float64),
        }
        write_tensors(folder / STATISTICS_FILE, tensors | reduction_tensors(self.reduction), self.facts)

    @classmethod
    def load(cls, folder: Path, device: torch.device | None = None) -> Self:
        """Read `statistics.safetensors` from a scene's folder.

        Raises:
            BankError: It is missing or broken.
        """
        path = folder / STATISTICS_FILE
        facts, tensors, _ = read_tensors(path)
        dimensions, positions = facts.dimensions, facts.grid[0] * facts.grid[1]
        triangle = dimensions * (dimensions + 1) // 2
        shapes = {"mean": (positions, dimensions), "scatter": (positions, triangle), "count": ()}
        held_out = tuple(tensors["scores"].shape) if "scores" in tensors else (0,)
        hold_shapes(path, tensors, shapes | {"scores": held_out, "times_s": held_out})
        gaussian = RunningGaussian(positions, dimensions, device)
        gaussian.count = int(tensors["count"])
        gaussian.mean = tensors["mean"].to(gaussian.mean)
        lower = unpack_lower(tensors["scatter"].to(gaussian.scatter), dimensions)
        gaussian.scatter = lower + lower.tril(-1).mT
        scores, times_s = tensors["scores"].tolist(), tensors["times_s"].tolist()
        return cls(facts, reduction_of(path, facts, tensors), gaussian, scores, times_s)


def _same_reduction(one: Reduction, other: Reduction) -> bool:
    for a, b in ((one.indices, other.indices), (one.projection, other.projection)):
        if (a is None) != (b is None) or (a is not None and b is not None and not torch.equal(a.cpu(), b.cpu())):
            return False
    return True
