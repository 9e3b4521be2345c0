"""Who moves through footage: found against the background, followed from frame to frame, and cut out."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.scenery import Backdrop
from streammon.validation.staging.tracks import Sighting, Track, filled, smooth_path, tracks

LEAST_PACE = 0.3
"""Of its own size per second: what is slower lingers."""

LEAST_OF_LARGEST = 1 / 6
"""Sizes in one picture differ by less, near and far; a smaller one is a piece of something."""

MARGIN = 3
"""Pixels around the box of a thing, for its soft edge."""

FEATHER = 1.0
"""Pixels: the standard deviation of a matte's soft edge."""


@dataclass(frozen=True, eq=False)
class Mover:
    """One thing moving through footage, cut out.

    Attributes:
        pictures: (h, w, 3) uint8 RGB cut-outs, one per frame it was followed through.
        mattes: (h, w) float32 of each cut-out, 0 where the background shows to 1 where the thing is; soft edges.
        corners: x, y of each cut-out's top left in the picture.
        times_s: When each was seen.
    """

    pictures: tuple[Picture, ...]
    mattes: tuple[NDArray[np.float32], ...]
    corners: tuple[tuple[int, int], ...]
    times_s: tuple[float, ...]

    def path(self) -> NDArray[np.float64]:
        """(N, 2) x, y of its middle in each frame, freed of the outline's jitter."""
        return smooth_path(np.array([_middle(*cut) for cut in zip(self.mattes, self.corners, strict=True)]))

    @property
    def duration_s(self) -> float:
        """From the first cut-out to the last."""
        return self.times_s[-1] - self.times_s[0]

    @property
    def size(self) -> float:
        """Side of the square of its mean area, in pixels."""
        return float(np.sqrt(np.mean([matte.sum() for matte in self.mattes])))

    @property
    def velocity(self) -> NDArray[np.float64]:
        """(2,) x, y in pixels per second, over the whole path."""
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
    """What moves steadily through footage of a fixed camera, each thing cut out of every frame.

    Args:
        pictures: (H, W, 3) uint8 RGB each.
        times_s: When each was taken, rising.
        least_frames: Shorter tracks are left out.

    Returns:
        The compact things that kept their size and their direction, the longest followed first.

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
    """The thing with a soft matte. Around its rim its own colours go on, so that no old background comes along."""
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
    """The cut-out with the colours of its inside carried over its rim."""
    core = cv2.erode(shape, np.ones((3, 3), np.uint8))[..., None]
    weight = cv2.GaussianBlur(core, (0, 0), 2.0)[..., None]
    carried_on = cv2.GaussianBlur(cut * core, (0, 0), 2.0) / np.maximum(weight, 1e-6)
    coloured = np.where((core > 0) | (weight < 1e-4), cut, carried_on)
    return np.asarray(np.clip(coloured.round(), 0, 255), np.uint8)
