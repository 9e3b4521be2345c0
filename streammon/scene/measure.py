"""Frames against a learned scene: distances of patches, evidence of motion."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streammon.motion import Evidence, Measure, Observation, StillPatches
from streammon.padim import Bank
from streammon.scene.held_out import NO_EVIDENCE


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements of one frame against a learned scene.

    Attributes:
        looks: PaDiM's frame score; 0 where it wasn't asked for.
        distances: (g, g) float32 Mahalanobis distances of its patches.
        still: Height of its patches where nothing moves (`motion.StillPatches`); 0 without motion.
        evidence: Evidence of motion; empty without motion.
        observation: Observed motion; None without motion.
    """

    looks: float
    distances: NDArray[np.float32]
    still: float = 0.0
    evidence: Evidence = NO_EVIDENCE
    observation: Observation | None = None


class SceneMeasure:
    """Measures the frames of one scene, those of each recording in their order.

    Args:
        bank: Gaussians of the patches, prepared for the device.
        motion: Measures motion; None for PaDiM alone.
        looks: False to leave out PaDiM's frame score, which costs a whole anomaly map.
    """

    def __init__(self, bank: Bank, motion: Measure | None, *, looks: bool = True) -> None:
        self.bank = bank
        self._has_looks = looks
        self.motion = motion
        self._still = None if motion is None else StillPatches(motion.rarity)

    def measure(self, maps: list[Tensor], observations: Sequence[Observation] = ()) -> list[Measured]:
        """Measure B frames.

        Args:
            maps: The backbone's three maps, (B, C, h, w) each.
            observations: Observed motion of each frame; empty for PaDiM alone.
        """
        distances = self.bank.distances(maps)
        looks = self.bank.maps_and_scores(distances)[1].tolist() if self._has_looks else [0.0] * len(distances)
        grids = distances.float().cpu().numpy()
        if self.motion is None or self._still is None:
            return [Measured(score, grid) for score, grid in zip(looks, grids, strict=True)]
        still = self._still.heights(observations, grids)
        return [
            Measured(score, grid, height, self.motion.evidence(seen), seen)
            for score, grid, height, seen in zip(looks, grids, still, observations, strict=True)
        ]
