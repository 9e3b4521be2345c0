"""Poses of a mover at any time of its path and beyond, and their pasting into a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.cast import Mover
from streammon.validation.staging.scenery import MASKED

WHOLE_PIXEL = 0.05
"""Offsets closer than this to a whole pixel are rounded, to avoid needless blur by interpolation."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedCutout:
    """A cut-out at a position in a picture.

    Attributes:
        picture: (h, w, 3) uint8 RGB.
        matte: (h, w) float32 opacity, 0 to 1.
        corner: x, y of the cut-out's top left corner in the picture, with sub-pixel precision.
    """

    picture: Picture
    matte: NDArray[np.float32]
    corner: tuple[float, float]

    def moved(self, x: float, y: float) -> "PlacedCutout":
        """The pose moved by x and y pixels."""
        return PlacedCutout(self.picture, self.matte, (self.corner[0] + x, self.corner[1] + y))

    def mirrored(self) -> "PlacedCutout":
        """The pose mirrored left to right in the same box."""
        turned = np.ascontiguousarray(self.picture[:, ::-1]), np.ascontiguousarray(self.matte[:, ::-1])
        return PlacedCutout(*turned, self.corner)

    def faded(self, share: float) -> "PlacedCutout":
        """The pose with its matte multiplied by `share`; 1 leaves the opacity unchanged."""
        return PlacedCutout(self.picture, (self.matte * np.float32(share)).astype(np.float32), self.corner)


class MoverPath:
    """Position and cut-out of a mover as a function of the seconds since it was first seen.

    Beyond its ends the path goes straight on at the mover's mean velocity,
    and the cut-outs are played back and forth, which keeps them continuous.
    """

    def __init__(self, mover: Mover) -> None:
        self._mover = mover
        self._middles = mover.path()
        self._moments = np.array(mover.times_s) - mover.times_s[0]
        self._velocity = mover.velocity

    def middle(self, moment_s: float) -> NDArray[np.float64]:
        """(2,) x, y of the mover's centre of mass."""
        within = float(np.clip(moment_s, 0, self._moments[-1]))
        at = np.array([np.interp(within, self._moments, self._middles[:, axis]) for axis in range(2)])
        return np.asarray(at + (moment_s - within) * self._velocity, np.float64)

    def pose(self, moment_s: float) -> PlacedCutout:
        """Placed cut-out of the mover, with the cut-out that is nearest in time."""
        duration_s = float(self._moments[-1])
        folded = abs((moment_s + duration_s) % (2 * duration_s) - duration_s)
        nearest = int(np.abs(self._moments - folded).argmin())
        shift = self.middle(moment_s) - self._middles[nearest]
        corner = self._mover.corners[nearest]
        place = (float(corner[0] + shift[0]), float(corner[1] + shift[1]))
        return PlacedCutout(self._mover.pictures[nearest], self._mover.mattes[nearest], place)


def paste(picture: Picture, pose: PlacedCutout) -> tuple[Picture, MASKED]:
    """Blend a cut-out over a picture.

    Returns:
        The new picture, and (H, W) bool of the touched pixels; all other pixels are bit-identical.
    """
    height, width = picture.shape[:2]
    cut, matte, (x, y) = _on_whole_pixels(pose)
    h, w = matte.shape
    left, top, right, bottom = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
    mask = np.zeros((height, width), np.bool_)
    pasted = picture.copy()
    if left >= right or top >= bottom:
        return pasted, mask
    source = slice(top - y, bottom - y), slice(left - x, right - x)
    target = slice(top, bottom), slice(left, right)
    weight = matte[source][..., None]
    blend = weight * cut[source] + (1 - weight) * picture[target]
    mask[target] = weight[..., 0] > 0
    pasted[target] = np.where(weight > 0, np.clip(blend.round(), 0, 255), picture[target]).astype(np.uint8)
    return pasted, mask


def _on_whole_pixels(pose: PlacedCutout) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[int, int]]:
    x, y = (int(np.floor(at + WHOLE_PIXEL)) for at in pose.corner)
    right, down = max(0.0, pose.corner[0] - x), max(0.0, pose.corner[1] - y)
    cut = pose.picture.astype(np.float32)
    if max(right, down) < WHOLE_PIXEL:
        return cut, pose.matte, (x, y)
    h, w = pose.matte.shape
    shift = np.array([[1, 0, right], [0, 1, down]])
    moved = cv2.warpAffine(cut, shift, (w + 1, h + 1), borderMode=cv2.BORDER_REPLICATE)
    matte = cv2.warpAffine(pose.matte, shift, (w + 1, h + 1), borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(moved, np.float32), np.asarray(matte, np.float32), (x, y)


def footprint(poses: Sequence[PlacedCutout]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Area that a sequence of poses covers.

    Returns:
        (h, w) uint8, 1 where any pose is, and x, y of the area's top left corner.
    """
    corners = np.array([np.round(pose.corner).astype(int) for pose in poses])
    ends = np.array([corner + pose.matte.shape[::-1] for corner, pose in zip(corners, poses, strict=True)])
    left, top = corners.min(axis=0)
    right, bottom = ends.max(axis=0)
    covered = np.zeros((bottom - top, right - left), np.uint8)
    for (x, y), pose in zip(corners, poses, strict=True):
        h, w = pose.matte.shape
        covered[y - top : y - top + h, x - left : x - left + w] |= (pose.matte > 0).astype(np.uint8)
    return covered, (int(left), int(top))
