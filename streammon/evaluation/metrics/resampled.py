"""Bootstrap intervals of the pixel-level and region-level figures, by resampling clips or images.

These figures are functions of sums over clips: histograms for pixels, counts at each threshold for regions. The
histograms and counts of each clip are stored, and a resample is a weighted sum of them. The stored histograms are
coarser than those of the figure itself (values closer than 1 in 2,048 may share a bin), which moves the ends of an
interval by less than their last digit.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics.bootstrap import RESAMPLES, Interval, percentile_interval, resampled_weights
from streammon.evaluation.metrics.frames import defined_mean
from streammon.evaluation.metrics.pixels import Cumulated, PixelFigures, PixelLevel
from streammon.evaluation.metrics.regions import RegionLevel

COARSER_BITS = 4
AT_ONCE = 50  # resamples whose histograms are in memory at once

Floats = NDArray[np.float64]


class PixelUnits:
    """Pixel histograms of the units that are resampled: clips, or images."""

    def __init__(self) -> None:
        self._bins: list[NDArray[np.intp]] = []
        self._rows: list[Floats] = []
        self._counts: list[tuple[float, float, float]] = []

    def add(self, level: PixelLevel) -> None:
        """Add the histograms of one unit."""
        bins, rows = level.histograms()
        coarse, place = np.unique(bins >> COARSER_BITS, return_inverse=True)
        self._bins.append(coarse)
        self._rows.append(np.stack([np.bincount(place, weights=row, minlength=len(coarse)) for row in rows]))
        self._counts.append((level.regions, level.normal_images, level.abnormal_images))

    def __len__(self) -> int:
        return len(self._bins)

    def resample(
        self,
        figures: Mapping[str, Callable[[PixelFigures], float | None]],
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> dict[str, list[float | None]]:
        """Values of each figure over the resamples, by name."""
        bins = np.unique(np.concatenate(self._bins))
        histograms = np.zeros((len(self._bins), 5, len(bins)))  # (U, 5, K)
        for unit, (own, rows) in enumerate(zip(self._bins, self._rows, strict=True)):
            histograms[unit][:, np.searchsorted(bins, own)] = rows
        counts = np.array(self._counts, dtype=np.float64)  # (U, 3)
        drawn: dict[str, list[float | None]] = {name: [] for name in figures}
        every = list(resampled_weights(len(self), seed, resamples))
        for weights in np.array_split(every, -(-resamples // AT_ONCE)):
            summed = np.tensordot(weights, histograms, axes=1)  # (R, 5, K)
            for own, (regions, normal, abnormal) in zip(summed, weights @ counts, strict=True):
                used = own[:3].any(axis=0)
                resample = PixelFigures(Cumulated.of(bins[used], own[:, used]), regions, normal, abnormal)
                for name, compute in figures.items():
                    drawn[name].append(compute(resample))
        return drawn


def pixel_intervals(
    groups: Sequence[PixelUnits],
    figures: Mapping[str, Callable[[PixelFigures], float | None]],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Interval]:
    """The 95 % interval of each figure's mean over the groups, by name; every group is resampled on its own."""
    drawn = [units.resample(figures, seed + number, resamples) for number, units in enumerate(groups)]
    fewest = min(len(units) for units in groups)
    intervals = {}
    for name in figures:
        of_groups = zip(*(one[name] for one in drawn), strict=True)
        means = [None if None in values else defined_mean(values) for values in of_groups]
        intervals[name] = percentile_interval(means, fewest)
    return intervals


def region_intervals(
    units: Sequence[RegionLevel],
    figures: Mapping[str, Callable[[RegionLevel], float | None]],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Interval]:
    """The 95 % interval of each figure by name.

    Args:
        units: The regions of each clip, all at the same thresholds.
        figures: Functions from a resample to a figure, by name.
        seed: Random seed of the draws.
        resamples: Number of resamples.
    """
    drawn: dict[str, list[float | None]] = {name: [] for name in figures}
    for weights in resampled_weights(len(units), seed, resamples):
        resample = RegionLevel.weighted(units, weights)
        for name, compute in figures.items():
            drawn[name].append(compute(resample))
    return {name: percentile_interval(values, len(units)) for name, values in drawn.items()}
