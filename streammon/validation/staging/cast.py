"""Movers: objects found by background subtraction, tracked from frame to frame, and cut out."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.scenery import Backdrop
from streammon.validation.staging.tracks import Sighting, Track, filled, smooth_path, tracks

LEAST_PACE = 0.3
"""Minimum speed of a mover, in its own sizes per second; slower objects linger."""

LEAST_OF_LARGEST = 1 / 6
"""Minimum size of a mover, as a share of the largest mover's. Near and far objects differ by less, so smaller movers
are fragments of objects."""

MARGIN = 3
"""Pixels around the box of an object, for the soft edge of its matte."""

FEATHER = 1.0
"""Standard deviation of the blur that softens a matte's edge, in pixels."""


@dataclass(frozen=True, eq=False)
class Mover:
    """One moving object, cut out of the footage.

    Attributes:
        pictures: (h, w, 3) uint8 RGB cut-outs, one per frame in which the object was tracked.
        mattes: (h, w) float32 opacity of each cut-out, from 0 (background) to 1 (object), with soft edges.
        corners: x, y of each cut-out's top left corner in the picture.
        times_s: Time of each cut-out's frame.
    """

    pictures: tuple[Picture, ...]
    mattes: tuple[NDArray[np.float32], ...]
    corners: tuple[tuple[int, int], ...]
    times_s: tuple[float, ...]

    def path(self) -> NDArray[np.float64]:
        """(N, 2) x, y of the centre of mass in each frame, smoothed against jitter of the outline."""
        return smooth_path(np.array([_middle(*cut) for cut in zip(self.mattes, self.corners, strict=True)]))

    @property
    def duration_s(self) -> float:
        """Seconds from the first cut-out to the last."""
        return self.times_s[-1] - self.times_s[0]

    @property
    def size(self) -> float:
        """Square root of the mean area, in pixels."""
        return float(np.sqrt(np.mean([matte.sum() for matte in self.mattes])))

    @property
    def velocity(self) -> NDArray[np.float64]:
        """(2,) mean velocity over the whole path, x and y in pixels per second."""
        path = self.path()
        return np.asarray((path[-1] - path[0]) / self.duration_s, np.float64)


def _middle(matte: NDArray[np.float32], corner: tuple[int, int]) -> tuple[float, float]:
    total = float(matte.sum())
    x = float(matte.sum(axis=0) @ np.arange(matte.shape[1])) / total
    y = float(matte.sum(axis=1) @ np.arange(matte.shape[0])) / total
    return corner[0] + x, corner[1] + y


def movers(
    pictures: Sequence[Picture],
    times_s: Sequence[float],
    least_frames: int = 6,
) -> list[Mover]:
    """Objects that move steadily through footage of a fixed camera, cut out of every frame.

    Args:
        pictures: (H, W, 3) uint8 RGB each.
        times_s: Time of each picture, ascending.
        least_frames: Minimum number of frames of a track.

    Returns:
        Compact objects that kept their size and direction, those with the longest tracks first.

    Raises:
        ValueError: Pictures and times differ in number.
    """
    if len(pictures) != len(times_s):
        raise ValueError(f"{len(pictures)} pictures and {len(times_s)} times")
    if len(pictures) < least_frames:
        return []
    backdrop = Backdrop(pictures)
    steady = tracks(pictures, backdrop, least_frames)
    steady.sort(key=lambda track: -len(track.sightings))
    found = [_cut_out(track, pictures, times_s, backdrop) for track in steady]
    largest = max((mover.size for mover in found), default=0.0)
    return [
        mover
        for mover in found
        if np.hypot(*mover.velocity) >= LEAST_PACE * mover.size and mover.size >= LEAST_OF_LARGEST * largest
    ]


def _cut_out(track: Track, pictures: Sequence[Picture], times_s: Sequence[float], backdrop: Backdrop) -> Mover:
    cuts = [_cut(seen, pictures[seen.frame], backdrop) for seen in track.sightings]
    return Mover(
        pictures=tuple(cut[0] for cut in cuts),
        mattes=tuple(cut[1] for cut in cuts),
        corners=tuple(cut[2] for cut in cuts),
        times_s=tuple(float(times_s[seen.frame]) for seen in track.sightings),
    )


def _cut(
    seen: Sighting, picture: Picture, backdrop: Backdrop
) -> tuple[Picture, NDArray[np.float32], tuple[int, int]]:
    """Cut-out of an object with a soft matte; its colours extend over its rim, so no old background is included."""
    x, y, w, h = seen.box
    left, top = max(0, x - MARGIN), max(0, y - MARGIN)
    right, bottom = min(picture.shape[1], x + w + MARGIN), min(picture.shape[0], y + h + MARGIN)
    shape = np.zeros((bottom - top, right - left), np.float32)
    outline = filled(backdrop.outline(picture, seen.box) & seen.shape)
    shape[y - top : y - top + h, x - left : x - left + w] = outline if outline.sum() > 0.6 * seen.area else seen.shape
    matte = cv2.GaussianBlur(shape, (0, 0), FEATHER, borderType=cv2.BORDER_CONSTANT)
    matte = np.clip((matte - 0.25) / 0.6, 0, 1).astype(np.float32)
    matte[[0, -1], :] = 0
    matte[:, [0, -1]] = 0
    return _bled(picture[top:bottom, left:right], shape), matte, (left, top)


def _bled(cut: Picture, shape: NDArray[np.float32]) -> Picture:
    """The cut-out with the colours of the object's inside extended over its rim."""
    core = cv2.erode(shape, np.ones((3, 3), np.uint8))[..., None]
    weight = cv2.GaussianBlur(core, (0, 0), 2.0)[..., None]
    carried_on = cv2.GaussianBlur(cut * core, (0, 0), 2.0) / np.maximum(weight, 1e-6)
    coloured = np.where((core > 0) | (weight < 1e-4), cut, carried_on)
    return np.asarray(np.clip(coloured.round(), 0, 255), np.uint8)
