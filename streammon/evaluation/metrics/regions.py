"""Regions and tracks: RBDC and TBDC (Ramachandra and Jones, Street Scene, WACV 2020).

A detected region is an 8-connected component of a map at or above a threshold, a true one of a frame's mask. Two
match when the IoU of their bounding boxes is at least beta: the published figures compare boxes, for the data sets'
regions are given as boxes. A true region is detected when a detected one matches it, a track when at least alpha of
its regions are. A detected region that matches no true one is a false positive.

RBDC and TBDC are the areas under the rates of detected regions and tracks over false positives a frame from 0 to 1.
The curve is closed so: at x = 0 stands the best rate of the thresholds without a false positive (0 if there is none);
a rate is the best of all thresholds with no more false positives, since at low thresholds regions grow together and
both figures fall again; between thresholds it is linear; beyond the last threshold below 1 it stays level.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics.curves import area, cut
from streammon.evaluation.metrics.pixels import CONNECTIVITY

ALPHA = 0.1  # share of a track's regions
BETA = 0.1  # IoU
LIMIT = 1.0  # false positives a frame

Floats = NDArray[np.float64]
Boxes = NDArray[np.int64]
"""(N, 4): left, top, right, bottom, the last two exclusive."""


def components(flags: NDArray[np.uint8]) -> tuple[NDArray[np.int32], Boxes]:
    """The 8-connected components of an (H, W) picture of 0 and 1: (H, W) numbers from 1, and (N, 4) their boxes."""
    # numbers of 16 bits take OpenCV half the time; a quarter of the pixels at most are regions of their own
    kind = cv2.CV_16U if flags.size < 4 * 0xFFFF else cv2.CV_32S
    _, labels, found, _ = cv2.connectedComponentsWithStats(flags, connectivity=CONNECTIVITY, ltype=kind)
    boxes = found[1:, :4].astype(np.int64)  # left, top, width, height
    boxes[:, 2:] += boxes[:, :2]
    return labels.astype(np.int32, copy=False), boxes


def box_iou(one: Boxes, other: Boxes) -> Floats:
    """(N, M) intersection over union of (N, 4) and (M, 4) boxes.

    >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 1, 3, 3], [0, 0, 2, 2]]))  # 1 pixel of 4 + 4 - 1
    array([[0.14285714, 1.        ]])
    """
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (one, other)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None, :] - shared), dtype=np.float64)


@dataclass
class TrackLinks:
    """Which regions of a clip are one track: the connected components of its masks in space and time.

    In time a pixel touches the same pixel of the frames before and after. Regions are numbered in order of arrival;
    each points to an earlier one of its track, or to itself.
    """

    earlier: list[int] = field(default_factory=list)
    _before: NDArray[np.int32] | None = None  # numbers of the last frame's regions, from 1 within that frame
    _before_first: int = 0

    def add(self, labels: NDArray[np.int32], count: int) -> None:
        """Take in the next frame: (H, W) numbers of its regions from 1, and how many there are."""
        first = len(self.earlier)
        self.earlier += range(first, first + count)
        if self._before is not None and count:
            shared = (labels > 0) & (self._before > 0)
            pairs = np.unique(np.column_stack([labels[shared], self._before[shared]]), axis=0)
            for now, before in pairs.tolist():
                one, other = self._root(first + now - 1), self._root(self._before_first + before - 1)
                self.earlier[max(one, other)] = min(one, other)
        self._before, self._before_first = (labels, first) if count else (None, 0)

    def _root(self, region: int) -> int:
        while self.earlier[region] != region:
            self.earlier[region] = self.earlier[self.earlier[region]]
            region = self.earlier[region]
        return region

    def tracks(self) -> NDArray[np.int64]:
        """(R,) number of each region's track, from 0."""
        roots = np.array([self._root(region) for region in range(len(self.earlier))], dtype=np.int64)
        return np.unique(roots, return_inverse=True)[1].astype(np.int64)


class RegionLevel:
    """RBDC and TBDC of clips that are shown one by one, at given thresholds.

    Args:
        thresholds: Values to cut the maps at, such as `PixelLevel.thresholds` of the same maps.

    Attributes:
        frames: Frames seen.
        regions: True regions seen.
        tracks: True tracks seen.

    Raises:
        ValueError: No thresholds.
    """

    def __init__(self, thresholds: Sequence[float] | NDArray[np.float32], alpha: float = ALPHA, beta: float = BETA):
        if not len(thresholds):
            raise ValueError("regions need at least one threshold")
        self._thresholds = np.unique(
            np.asarray(thresholds, dtype=np.float32)
        )  # ascending: boxes of what remains nest
        self._alpha, self._beta = alpha, beta
        self.frames = self.regions = self.tracks = 0
        self._detected_regions = np.zeros(len(self._thresholds), dtype=np.int64)
        self._detected_tracks = np.zeros(len(self._thresholds), dtype=np.int64)
        self._false_positives = np.zeros(len(self._thresholds), dtype=np.int64)

    def update_clip(self, maps: Iterable[NDArray[np.float32]], masks: Iterable[NDArray[np.bool_]]) -> None:
        """Take in one clip, frame by frame.

        Args:
            maps: T anomaly maps, (S, S) float32 each, higher is more abnormal.
            masks: T masks, (S, S) bool each.

        Raises:
            ValueError: There are more of one than of the other, or shapes differ.
        """
        links = TrackLinks()
        hits: list[NDArray[np.bool_]] = []  # of each frame with regions: (regions, thresholds)
        for anomaly_map, mask in zip(maps, masks, strict=True):
            if anomaly_map.shape != mask.shape:
                raise ValueError(f"a map of {anomaly_map.shape} and a mask of {mask.shape} don't fit")
            labels, true_boxes = components(mask.astype(np.uint8))
            links.add(labels, len(true_boxes))
            hits.append(self._match(anomaly_map, true_boxes))
            self.frames += 1
        if not links.earlier:
            return
        hit = np.concatenate(hits)
        tracks = links.tracks()
        sizes = np.bincount(tracks)
        hits_of_tracks = np.zeros((len(sizes), len(self._thresholds)))
        np.add.at(hits_of_tracks, tracks, hit)
        self.regions += len(hit)
        self.tracks += len(sizes)
        self._detected_regions += hit.sum(0)
        self._detected_tracks += (hits_of_tracks / sizes[:, None] >= self._alpha).sum(0)

    @classmethod
    def weighted(cls, levels: Sequence["RegionLevel"], weights: Sequence[int] | NDArray[np.int64]) -> "RegionLevel":
        """What several would have seen together, each so many times; tracks never leave a clip, so it is exact.

        Args:
            levels: Of clips, at the same thresholds.
            weights: How often each counts.
        """
        whole = cls(levels[0]._thresholds, levels[0]._alpha, levels[0]._beta)
        for level, weight in zip(levels, weights, strict=True):
            whole.frames += weight * level.frames
            whole.regions += weight * level.regions
            whole.tracks += weight * level.tracks
            whole._detected_regions += weight * level._detected_regions
            whole._detected_tracks += weight * level._detected_tracks
            whole._false_positives += weight * level._false_positives
        return whole

    def _match(self, anomaly_map: NDArray[np.float32], true_boxes: Boxes) -> NDArray[np.bool_]:
        """(R, N) which true regions are detected at each threshold; false positives are counted."""
        hit = np.zeros((len(true_boxes), len(self._thresholds)), dtype=np.bool_)
        row_peaks, column_peaks = anomaly_map.max(1), anomaly_map.max(0)
        for number, threshold in enumerate(self._thresholds):
            rows, columns = np.flatnonzero(row_peaks >= threshold), np.flatnonzero(column_peaks >= threshold)
            if not len(rows):
                break  # the next ones are higher still
            top, left = int(rows[0]), int(columns[0])
            offset = np.array([left, top, left, top])
            part = anomaly_map[top : rows[-1] + 1, left : columns[-1] + 1]  # all that can be in a component
            _, boxes = components((part >= threshold).astype(np.uint8))
            if not len(true_boxes):
                self._false_positives[number] += len(boxes)
                continue
            matched = box_iou(true_boxes, boxes + offset) >= self._beta
            hit[:, number] = matched.any(1)
            self._false_positives[number] += int((~matched.any(0)).sum())
        return hit

    def rbdc(self) -> float | None:
        """Region-based detection criterion, 0 to 1; None without a true region."""
        return area(*self._curve(self._detected_regions, self.regions), LIMIT) if self.regions else None

    def tbdc(self) -> float | None:
        """Track-based detection criterion, 0 to 1; None without a true track."""
        return area(*self._curve(self._detected_tracks, self.tracks), LIMIT) if self.tracks else None

    def rbdc_curve(self) -> tuple[Floats, Floats] | None:
        """False positives a frame from 0 to 1 and the share of true regions detected, (N,) each."""
        return cut(*self._curve(self._detected_regions, self.regions), LIMIT) if self.regions else None

    def tbdc_curve(self) -> tuple[Floats, Floats] | None:
        """False positives a frame from 0 to 1 and the share of tracks detected, (N,) each."""
        return cut(*self._curve(self._detected_tracks, self.tracks), LIMIT) if self.tracks else None

    def _curve(self, detected: NDArray[np.int64], total: int) -> tuple[Floats, Floats]:
        """The curve, closed as the module says: x ascending from 0 to at least `LIMIT`, y ascending."""
        x = self._false_positives / self.frames
        y = np.maximum.accumulate((detected / total)[order := np.lexsort((detected, x))])
        x = x[order]
        last = np.append(np.diff(x) > 0, True)  # of thresholds with as many false positives, the best
        x, y = x[last], y[last]
        if x[0] > 0:
            x, y = np.append(0.0, x), np.append(0.0, y)
        return (np.append(x, LIMIT), np.append(y, y[-1])) if x[-1] < LIMIT else (x, y)
