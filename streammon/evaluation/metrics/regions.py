"""Regions and tracks: RBDC and TBDC (Ramachandra and Jones, Street Scene, WACV 2020).

A detected region is an 8-connected component of a map at or above a threshold, a true region one of a frame's mask.
The two match when the IoU of their bounding boxes is at least beta; published results compare boxes too, because the
data sets annotate boxes. A true region is detected when a detected region matches it, a track when at least the share
alpha of its regions is detected. A detected region that matches no true region is a false positive.

The true regions of a clip, and which of them are one track, come from its masks or from published boxes with track
numbers. Published results are by the latter. They differ where two objects touch, and where one leaves and returns.

RBDC and TBDC are the areas under the rate y of detected regions and of detected tracks over the number x of false
positives a frame, from x = 0 to 1. Each threshold is one point (x, y), and the curve through the points is:

- y is the best rate of all thresholds with at most x false positives a frame, because at low thresholds regions merge
  and both rates fall again.
- y(0) is the best rate of the thresholds without a false positive, 0 if there is none.
- Between points y is linear in x. After the last point y is constant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics.curves import area
from streammon.evaluation.metrics.pixels import CONNECTIVITY

ALPHA = 0.1  # share of a track's regions that must be detected
BETA = 0.1  # minimum IoU of a match
FALSE_POSITIVES_LIMIT = 1.0  # false positives a frame up to which the curves are integrated

Floats = NDArray[np.float64]
Boxes = NDArray[np.int64]
"""(N, 4): left, top, right, bottom, the last two exclusive."""


def components(flags: NDArray[np.uint8]) -> tuple[NDArray[np.int32], Boxes]:
    """The 8-connected components of an (H, W) image of 0 and 1: (H, W) labels from 1, and (N, 4) bounding boxes."""
    # OpenCV takes half the time with 16-bit labels; at most a quarter of the pixels can be separate components
    kind = cv2.CV_16U if flags.size < 4 * 0xFFFF else cv2.CV_32S
    _, labels, found, _ = cv2.connectedComponentsWithStats(flags, connectivity=CONNECTIVITY, ltype=kind)
    boxes = found[1:, :4].astype(np.int64)  # left, top, width, height
    boxes[:, 2:] += boxes[:, :2]
    return labels.astype(np.int32, copy=False), boxes


def box_iou(one: Boxes | Floats, other: Boxes | Floats) -> Floats:
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
    """Union-find that links the regions of a clip into tracks.

    A track is a connected component of the clip's masks in space and time; in time a pixel is connected to the same
    pixel of the frames before and after. Regions are numbered in order of arrival.

    Attributes:
        earlier: For each region an earlier region of the same track, or the region itself.
    """

    earlier: list[int] = field(default_factory=list)
    _before: NDArray[np.int32] | None = None  # labels of the last frame's regions, from 1 within that frame
    _before_first: int = 0

    def add(self, labels: NDArray[np.int32], count: int) -> None:
        """Add the next frame, given as the (H, W) labels of its regions (from 1) and their number."""
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
        """(R,) track number of each region, from 0."""
        roots = np.array([self._root(region) for region in range(len(self.earlier))], dtype=np.int64)
        return np.unique(roots, return_inverse=True)[1].astype(np.int64)


class RegionLevel:
    """RBDC and TBDC at given thresholds, accumulated clip by clip.

    Args:
        thresholds: Thresholds of the maps, such as `PixelFigures.thresholds` of the same maps.
        alpha: Share of a track's regions that must be detected.
        beta: Minimum IoU of a match.

    Attributes:
        frames: Frames added so far.
        regions: True regions added so far.
        tracks: True tracks added so far.

    Raises:
        ValueError: `thresholds` is empty.
    """

    def __init__(self, thresholds: Sequence[float] | NDArray[np.float32], alpha: float = ALPHA, beta: float = BETA):
        if not len(thresholds):
            raise ValueError("regions need at least one threshold")
        self._thresholds = np.unique(
            np.asarray(thresholds, dtype=np.float32)
        )  # ascending, so that `segment` can stop at the first one above the map
        self._alpha, self._beta = alpha, beta
        self.frames = self.regions = self.tracks = 0
        self._detected_regions = np.zeros(len(self._thresholds), dtype=np.int64)
        self._detected_tracks = np.zeros(len(self._thresholds), dtype=np.int64)
        self._false_positives = np.zeros(len(self._thresholds), dtype=np.int64)
        self._hits: list[NDArray[np.bool_]] = []  # (regions, thresholds) of each frame of the clip being added

    def update_clip(self, maps: Iterable[NDArray[np.float32]], masks: Iterable[NDArray[np.bool_]]) -> None:
        """Add one clip, frame by frame.

        Args:
            maps: T anomaly maps, (S, S) float32 each, higher is more abnormal.
            masks: T masks, (S, S) bool each.

        Raises:
            ValueError: Maps and masks differ in number or shape.
        """
        update_levels(maps, masks, self)

    def segment(self, anomaly_map: NDArray[np.float32]) -> list[Boxes]:
        """Boxes of the detected regions at each threshold, ascending, up to the highest value of the map."""
        found = []
        row_peaks, column_peaks = anomaly_map.max(1), anomaly_map.max(0)
        for threshold in self._thresholds:
            rows, columns = np.flatnonzero(row_peaks >= threshold), np.flatnonzero(column_peaks >= threshold)
            if not len(rows):
                break  # the following thresholds are higher still
            top, left = int(rows[0]), int(columns[0])
            part = anomaly_map[top : rows[-1] + 1, left : columns[-1] + 1]  # contains every component
            _, boxes = components((part >= threshold).astype(np.uint8))
            found.append(boxes + np.array([left, top, left, top]))
        return found

    def add_frame(self, detected: Sequence[Boxes], true_boxes: Boxes | Floats) -> None:
        """Add the next frame of a clip, given as `segment` of its map and the (R, 4) boxes of its true regions."""
        hit = np.zeros((len(true_boxes), len(self._thresholds)), dtype=np.bool_)
        for number, boxes in enumerate(detected):
            if not len(true_boxes):
                self._false_positives[number] += len(boxes)
                continue
            matched = box_iou(true_boxes, boxes) >= self._beta
            hit[:, number] = matched.any(1)
            self._false_positives[number] += int((~matched.any(0)).sum())
        self._hits.append(hit)
        self.frames += 1

    def close_clip(self, tracks: NDArray[np.int64]) -> None:
        """End a clip, given the (R,) track numbers of the true regions of all its frames, in their order."""
        hits, self._hits = self._hits, []
        if not len(tracks):
            return
        hit = np.concatenate(hits)
        _, numbers, sizes = np.unique(tracks, return_inverse=True, return_counts=True)
        hits_of_tracks = np.zeros((len(sizes), len(self._thresholds)))
        np.add.at(hits_of_tracks, numbers, hit)
        self.regions += len(hit)
        self.tracks += len(sizes)
        self._detected_regions += hit.sum(0)
        self._detected_tracks += (hits_of_tracks / sizes[:, None] >= self._alpha).sum(0)

    @classmethod
    def weighted(cls, levels: Sequence["RegionLevel"], weights: Sequence[int] | NDArray[np.int64]) -> "RegionLevel":
        """Weighted sum of several levels; exact, because a track never spans clips.

        Args:
            levels: Levels of different clips, at the same thresholds.
            weights: How often each level counts.
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

    def rbdc(self) -> float | None:
        """Region-based detection criterion, 0 to 1; None without a true region."""
        return self._criterion(self._detected_regions, self.regions)

    def tbdc(self) -> float | None:
        """Track-based detection criterion, 0 to 1; None without a true track."""
        return self._criterion(self._detected_tracks, self.tracks)

    def _criterion(self, detected: NDArray[np.int64], total: int) -> float | None:
        """Area under the curve that the module's docstring defines; None if `total` is 0."""
        if not total:
            return None
        x = self._false_positives / self.frames
        y = np.maximum.accumulate((detected / total)[order := np.lexsort((detected, x))])
        x = x[order]
        last = np.append(np.diff(x) > 0, True)  # the best of the thresholds with equal x
        x, y = x[last], y[last]
        if x[0] > 0:
            x, y = np.append(0.0, x), np.append(0.0, y)
        if x[-1] < FALSE_POSITIVES_LIMIT:
            x, y = np.append(x, FALSE_POSITIVES_LIMIT), np.append(y, y[-1])
        return area(x, y, FALSE_POSITIVES_LIMIT)


def update_levels(
    maps: Iterable[NDArray[np.float32]],
    masks: Iterable[NDArray[np.bool_]],
    by_masks: RegionLevel,
    by_tracks: RegionLevel | None = None,
    published: Iterable[tuple[Floats, NDArray[np.int64]]] = (),
) -> None:
    """Add one clip to a level by the regions of its masks and, if given, to one by its published tracks.

    Each map is segmented once for both.

    Args:
        maps: T anomaly maps, (S, S) float32 each, higher is more abnormal.
        masks: T masks, (S, S) bool each.
        by_masks: Level by the regions of the masks.
        by_tracks: Level by the published tracks, at the same thresholds.
        published: T pairs of (N, 4) boxes in the map and their (N,) track numbers, for `by_tracks`.

    Raises:
        ValueError: Maps and masks differ in number or shape.
    """
    links, boxes_of_frames = TrackLinks(), iter(published)
    numbers: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for anomaly_map, mask in zip(maps, masks, strict=True):
        if anomaly_map.shape != mask.shape:
            raise ValueError(f"map {anomaly_map.shape} and mask {mask.shape} differ in shape")
        labels, regions = components(mask.astype(np.uint8))
        links.add(labels, len(regions))
        detected = by_masks.segment(anomaly_map)
        by_masks.add_frame(detected, regions)
        if by_tracks is not None:
            boxes, tracks = next(boxes_of_frames)
            by_tracks.add_frame(detected, boxes)
            numbers.append(tracks)
    by_masks.close_clip(links.tracks())
    if by_tracks is not None:
        by_tracks.close_clip(np.concatenate(numbers))
