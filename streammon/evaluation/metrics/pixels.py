"""Pixel-level figures over billions of pixels, from histograms that are updated one map at a time.

All figures are computed from histograms of the normal pixels, of the abnormal pixels, and of the abnormal pixels
weighted by 1 / (size of the pixel's region) and by 1 / (abnormal pixels of the pixel's image), so memory doesn't grow
with the footage. Pixels in one bin count as tied: `PixelFigures.tied` bounds the resulting error of the AUROC.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics.curves import area, cut, log_area, thinned
from streammon.evaluation.metrics.histograms import BINS, bins_of, lowest_of

PRO_LIMIT = 0.3  # of the FPR, as in MVTec AD (Bergmann et al., 2021)
AUPIMO_LIMITS = (1e-5, 1e-4)  # of the FPR, as in arXiv:2401.01984
CURVE_POINTS = 2000  # more than a plot has pixels
CONNECTIVITY = 8  # pixels that touch at a corner are one region

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cumulated:
    """Pixels at or above each used bin, from the highest bin down; each entry gives one point of every curve.

    Attributes:
        bins: (K,) bins that contain a pixel, descending.
        normal: (K,) normal pixels of all images.
        normal_images: (K,) pixels of the images without an abnormal pixel.
        abnormal: (K,) abnormal pixels.
        by_region: (K,) share of each region's pixels at or above the bin, summed over regions.
        by_image: (K,) share of each image's abnormal pixels at or above the bin, summed over abnormal images.
    """

    bins: NDArray[np.intp]
    normal: Floats
    normal_images: Floats
    abnormal: Floats
    by_region: Floats
    by_image: Floats

    @classmethod
    def of(cls, bins: NDArray[np.intp], histograms: Floats) -> Self:
        """Cumulate (K,) ascending bins and (5, K) histograms, as `PixelLevel.histograms` returns them."""
        outside, normal_images, abnormal, by_region, by_image = np.cumsum(histograms[:, ::-1], axis=1)
        return cls(bins[::-1], outside + normal_images, normal_images, abnormal, by_region, by_image)


@dataclass(frozen=True, eq=False)
class PixelFigures:
    """Pixel-level figures, computed from cumulated histograms.

    Attributes:
        cumulated: All histograms, cumulated from the highest value down.
        regions: Number of 8-connected regions of the masks.
        normal_images: Number of images without an abnormal pixel.
        abnormal_images: Number of images with an abnormal pixel.
    """

    cumulated: Cumulated
    regions: float
    normal_images: float
    abnormal_images: float

    def auroc(self) -> float | None:
        """Chance that an abnormal pixel lies above a normal one, ties counted half; None for a single class."""
        if not self._has_both:
            return None
        above = self.cumulated
        return float(np.trapezoid(_from_0(above.abnormal), _from_0(above.normal))) / self._pairs

    def tied(self) -> float:
        """Upper bound of the error of `auroc` from binning: half the share of pairs in one bin; 0 without pairs."""
        above = self.cumulated
        normal, abnormal = np.diff(above.normal, prepend=0), np.diff(above.abnormal, prepend=0)
        return float((normal * abnormal).sum()) / 2 / self._pairs if self._has_both else 0.0

    def average_precision(self) -> float | None:
        """Average precision of pixels; None without an abnormal pixel."""
        above = self.cumulated
        if not self.abnormal_images:
            return None
        gained = np.diff(above.abnormal, prepend=0) / above.abnormal[-1]
        return float((gained * above.abnormal / (above.abnormal + above.normal)).sum())

    def pro(self, limit: float = PRO_LIMIT) -> float | None:
        """Per-region overlap: area under `pro_curve` up to `limit`, by trapezoids, over `limit`.

        The curve has one point per threshold. Its y is the share of a region's pixels at or above the threshold,
        averaged over regions of whatever size; its x is the same share of the normal pixels of all images (FPR).
        None without a region or without a normal pixel.
        """
        return area(*self._pro_points(), limit) if self._has_both else None

    def aupimo(self, low: float = AUPIMO_LIMITS[0], high: float = AUPIMO_LIMITS[1]) -> float | None:
        """Per-image overlap at very low false-positive rates of normal images (Bertoldo et al., arXiv:2401.01984).

        The curve has one point per threshold. Its y is the share of an image's abnormal pixels at or above the
        threshold, averaged over abnormal images; its x is the same share of the pixels of normal images (FPR).
        The result is the mean of y over ln FPR from `low` to `high`, which equals the paper's mean over images of the
        area of each image. The curve is linear in FPR between its points and integrated exactly; the paper sums
        trapezoids over ln FPR, which is the same in the limit of many pixels.

        Returns:
            0 to 1; None without abnormal images, and where the normal images have fewer than 1 / `low` pixels, so
            that a single pixel is an FPR above `low`.
        """
        above = self.cumulated
        if not self.abnormal_images or not self.normal_images or above.normal_images[-1] * low < 1:
            return None
        x = _from_0(above.normal_images) / above.normal_images[-1]
        return log_area(x, _from_0(above.by_image) / self.abnormal_images, low, high)

    def roc(self) -> tuple[Floats, Floats] | None:
        """FPR and TPR over all pixels, (N,) each, thinned for plotting."""
        if not self._has_both:
            return None
        above = self.cumulated
        x, y = _from_0(above.normal) / above.normal[-1], _from_0(above.abnormal) / above.abnormal[-1]
        return thinned(x, y, CURVE_POINTS)

    def pro_curve(self, limit: float = PRO_LIMIT) -> tuple[Floats, Floats] | None:
        """FPR up to `limit` and mean overlap of the regions, (N,) each, thinned for plotting."""
        return thinned(*cut(*self._pro_points(), limit), CURVE_POINTS) if self._has_both else None

    def thresholds(self, count: int = 50, low: float = 1e-6, high: float = 0.2) -> NDArray[np.float32]:
        """Thresholds at which the share of pixels at or above them grows geometrically from `low` to `high`.

        The spacing is fine at the highest values, because only these give few false regions a frame.

        Returns:
            (N,) descending, N <= `count`, because equal thresholds are returned once.

        Raises:
            ValueError: No image was added.
        """
        above = self.cumulated
        if not len(above.bins):
            raise ValueError("no map was added, so there are no thresholds")
        total = above.normal + above.abnormal
        places = np.searchsorted(total / total[-1], np.geomspace(low, high, count))
        return lowest_of(above.bins[np.unique(places)])

    @property
    def _has_both(self) -> bool:
        return self.abnormal_images > 0 and bool(self.cumulated.normal[-1] > 0)

    @property
    def _pairs(self) -> float:
        return float(self.cumulated.normal[-1] * self.cumulated.abnormal[-1])

    def _pro_points(self) -> tuple[Floats, Floats]:
        above = self.cumulated
        return _from_0(above.normal) / above.normal[-1], _from_0(above.by_region) / self.regions


class PixelLevel:
    """Histograms of maps and masks that are added one at a time, in any order.

    Attributes:
        regions: Number of 8-connected regions of the masks.
        normal_images: Number of images without an abnormal pixel.
        abnormal_images: Number of images with an abnormal pixel.
    """

    def __init__(self) -> None:
        self.regions = 0
        self.normal_images = 0
        self.abnormal_images = 0
        # The rows of `histograms`. float64 counts exactly up to 2^53 pixels; memory pages without a value are not
        # allocated.
        self._histograms = tuple(np.zeros(BINS) for _ in range(5))
        self._lowest, self._highest = BINS, -1  # range of the used bins

    def update(self, anomaly_map: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Add one image.

        Args:
            anomaly_map: (S, S) float32, finite and non-negative, higher is more abnormal.
            mask: (S, S) bool, True where a pixel is abnormal.

        Raises:
            ValueError: The shapes differ, or the map is negative or not finite somewhere.
        """
        if anomaly_map.shape != mask.shape:
            raise ValueError(f"map {anomaly_map.shape} and mask {mask.shape} differ in shape")
        bins = bins_of(anomaly_map)
        self._use(int(bins.min()), int(bins.max()))
        outside, normal_images, all_abnormal, by_region, by_image = self._histograms
        if not mask.any():
            self.normal_images += 1
            np.add.at(normal_images, bins.ravel(), 1)
            return
        count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=CONNECTIVITY)
        self.regions += count - 1  # label 0 is the normal area
        self.abnormal_images += 1
        abnormal = bins[mask]
        region = numbers[mask]
        sizes = np.bincount(region)
        np.add.at(outside, bins[~mask], 1)
        np.add.at(all_abnormal, abnormal, 1)
        np.add.at(by_region, abnormal, 1 / sizes[region])
        np.add.at(by_image, abnormal, 1 / len(abnormal))

    def merge(self, other: "PixelLevel") -> None:
        """Add the images of another `PixelLevel`."""
        self.regions += other.regions
        self.normal_images += other.normal_images
        self.abnormal_images += other.abnormal_images
        self._use(other._lowest, other._highest)
        bins, theirs = other.histograms()
        for ours, row in zip(self._histograms, theirs, strict=True):
            ours[bins] += row

    def histograms(self) -> tuple[NDArray[np.intp], Floats]:
        """(K,) used bins, ascending, and (5, K) histograms over these bins.

        The rows: normal pixels of abnormal images, pixels of normal images, abnormal pixels, abnormal pixels weighted
        by 1 / (size of the pixel's region), abnormal pixels weighted by 1 / (abnormal pixels of the pixel's image).
        """
        part = np.stack([histogram[self._lowest : self._highest + 1] for histogram in self._histograms])
        used = np.flatnonzero(part[:3].any(axis=0))
        return used + self._lowest, part[:, used]

    def figures(self) -> PixelFigures:
        """Figures of all images added so far."""
        return PixelFigures(Cumulated.of(*self.histograms()), self.regions, self.normal_images, self.abnormal_images)

    def _use(self, lowest: int, highest: int) -> None:
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)


def _from_0(cumulated: Floats) -> Floats:
    """Prepend 0, the value of a curve at a threshold above every pixel."""
    return np.concatenate([np.zeros(1), cumulated])
