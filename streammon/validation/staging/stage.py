"""Staging of one anomaly in normal footage, with masks of the pasted pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.cast import Mover
from streammon.validation.staging.nearby import NearbyMotion
from streammon.validation.staging.paths import MoverPath, PlacedCutout, footprint
from streammon.validation.staging.placement import (
    LEAST_SHOWN,
    STARTS,
    Placement,
    StagedSegment,
    faded,
    least_crowded,
)
from streammon.validation.staging.places import QUIET_SHARE, likely_shift, quiet_shifts
from streammon.validation.staging.scenery import Backdrop
from streammon.validation.staging.textures import foreign_texture, oval, texture_size, textured

FADE_S = 0.5
"""Seconds in which a standing object fades in."""

ATTEMPTS = 12
"""Maximum number of movers tried for one anomaly."""

MOST_WIDER, MOST_HIGHER = 2.0, 1.5
"""Largest width and height of a large object, relative to the mover's: a cyclist or a cart among pedestrians."""

MOST_FLICKER = 6.0
"""Maximum flicker of the background, in grey levels, that is added to a standing object."""


class AnomalyKind(StrEnum):
    """Kinds of staged anomalies."""

    FAST = "fast"
    WRONG_WAY = "wrong way"
    WRONG_PLACE = "wrong place"
    STANDING = "standing"
    STRANGER = "stranger"
    LARGE = "large"


def stage(
    kind: AnomalyKind,
    pictures: Sequence[Picture],
    times_s: Sequence[float],
    cast: Sequence[Mover],
    traffic: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    speed: float = 2.0,
    texture_sources: Sequence[Picture] = (),
) -> StagedSegment | None:
    """Paste one anomaly into normal footage.

    Args:
        kind: AnomalyKind of the anomaly.
        pictures: (H, W, 3) uint8 RGB each, of a fixed camera.
        times_s: Time of each picture, ascending.
        cast: Movers of the same camera, from this or other footage.
        traffic: (H, W) share of the frames with motion at each pixel, over all the normal footage at hand.
        rng: Only source of randomness: the same draws give the same footage.
        speed: Speed of a fast object, as a multiple of the mover's own; the largest such multiple for a large object.
        texture_sources: Pictures to take foreign textures from, such as those of other cameras; if empty, textures
            come from this camera's background or are synthetic.

    Returns:
        The footage, or None where it doesn't allow the anomaly: nothing moves, the opposite direction or such a speed
        is usual, or there is no place without motion.

    Raises:
        ValueError: Pictures and times differ in number.
    """
    if len(pictures) != len(times_s):
        raise ValueError(f"{len(pictures)} pictures and {len(times_s)} times")
    if len(pictures) < LEAST_SHOWN or not cast:
        return None
    scene = _Stage(
        pictures, np.asarray(times_s, np.float64), traffic, rng, NearbyMotion(cast), speed, texture_sources
    )
    followed = np.array([len(mover.times_s) for mover in cast], np.float64)  # longer tracks are preferred
    for index in rng.choice(len(cast), min(ATTEMPTS, len(cast)), replace=False, p=followed / followed.sum()):
        placement = scene.placement(kind, cast[int(index)])
        if placement is not None:
            return placement.pasted(kind, pictures)
    return None


Poses = Callable[[NDArray[np.float64]], list[PlacedCutout]]
"""Function from (N,) seconds since an object entered to its poses; fewer than N where its path ends earlier."""


def _along(path: MoverPath, begin_s: float, elapsed_s: NDArray[np.float64]) -> list[PlacedCutout]:
    return [path.pose(begin_s + float(at)) for at in elapsed_s]


def _corner(path: MoverPath, moment_s: float, middle: NDArray[np.float64]) -> tuple[float, float]:
    x, y = path.middle(moment_s) - middle
    return float(x), float(y)


@dataclass(eq=False)
class _Stage:
    """Footage and settings for the staging of one anomaly."""

    pictures: Sequence[Picture]
    times_s: NDArray[np.float64]
    traffic: NDArray[np.float32]
    rng: np.random.Generator
    nearby: NearbyMotion
    speed: float
    texture_sources: Sequence[Picture]

    @cached_property
    def backdrop(self) -> Backdrop:
        return Backdrop(self.pictures)

    def placement(self, kind: AnomalyKind, mover: Mover) -> Placement | None:
        """One anomaly with this mover, or None where the mover doesn't allow it."""
        match kind:
            case AnomalyKind.FAST:
                return self._fast(mover)
            case AnomalyKind.WRONG_WAY:
                return self._wrong_way(mover)
            case AnomalyKind.WRONG_PLACE:
                return self._wrong_place(mover)
            case AnomalyKind.STANDING:
                return self._standing(mover)
            case AnomalyKind.STRANGER:
                return self._stranger(mover)
            case AnomalyKind.LARGE:
                return self._large(mover)

    def _fast(self, mover: Mover) -> Placement | None:
        if self.nearby.is_speed_usual(mover, self.speed):
            return None
        path = MoverPath(mover)

        begin_s = self._lead_in_s(path, mover)

        def poses(elapsed_s: NDArray[np.float64]) -> list[PlacedCutout]:
            moments_s = begin_s + elapsed_s * self.speed
            return [path.pose(at) for at in takewhile(lambda at: self._is_travelled(path, mover, at), moments_s)]

        return self._moving(poses, mover.duration_s)

    def _lead_in_s(self, path: MoverPath, mover: Mover) -> float:
        """Start on the path in s, at most 0: a fast object leaves soon, so its path is extended back over traffic."""
        earlier_s = -np.linspace(0, 0.5, 6) * mover.duration_s
        return float(list(takewhile(lambda at: self._is_travelled(path, mover, at), earlier_s))[-1])

    def _is_travelled(self, path: MoverPath, mover: Mover, moment_s: float) -> bool:
        """True if the path at this time is the mover's own, or its straight extension over a pixel with traffic."""
        if 0 <= moment_s <= mover.duration_s:
            return True
        x, y = path.middle(moment_s).round().astype(int)
        height, width = self.traffic.shape
        return bool(0 <= x < width and 0 <= y < height and self.traffic[y, x] > QUIET_SHARE)

    def _wrong_way(self, mover: Mover) -> Placement | None:
        if self.nearby.is_opposite_usual(mover):
            return None
        path = MoverPath(mover)
        sideways = abs(mover.velocity[0]) >= 0.5 * abs(mover.velocity[1])

        def poses(elapsed_s: NDArray[np.float64]) -> list[PlacedCutout]:
            backwards = [path.pose(mover.duration_s - moment) for moment in elapsed_s]
            return [pose.mirrored() for pose in backwards] if sideways else backwards

        return self._moving(poses, mover.duration_s)

    def _wrong_place(self, mover: Mover) -> Placement | None:
        path = MoverPath(mover)
        for share in (1.0, 0.5, 0.25):  # a shorter path fits into a smaller place
            duration_s = share * mover.duration_s
            start_s = float(self.rng.uniform(0, mover.duration_s - duration_s))
            placement = self._moving(partial(_along, path, start_s), duration_s)
            shift = self._shift(placement.poses, mover) if placement else None
            if placement and shift:
                return Placement(placement.start, [pose.moved(*shift) for pose in placement.poses])
        return None

    def _shift(self, poses: Sequence[PlacedCutout], mover: Mover) -> tuple[int, int] | None:
        shifts = quiet_shifts(*footprint(poses), self.traffic, margin=max(3, round(mover.size / 4)))
        return likely_shift(shifts, self.rng) if len(shifts) else None

    def _standing(self, mover: Mover) -> Placement | None:
        areas = np.array([float(matte.sum()) for matte in mover.mattes])
        usual = int(np.abs(areas - np.median(areas)).argmin())
        standing = MoverPath(mover).pose(mover.times_s[usual] - mover.times_s[0])
        shift = self._shift([standing], mover)
        latest = int(np.searchsorted(self.times_s, self.times_s[-1] - 2.0))
        start = int(self.rng.integers(latest // 4, max(latest // 4 + 1, latest // 2)))
        if shift is None or len(self.pictures) - start < LEAST_SHOWN:
            return None
        standing = standing.moved(*shift)
        since_s = self.times_s[start:] - self.times_s[start] + np.diff(self.times_s)[start - 1 if start else 0]
        shares = np.minimum(1.0, since_s / FADE_S)
        shown = zip(self.pictures[start:], shares, strict=True)
        return Placement(start, [self._flickering(standing, each).faded(float(share)) for each, share in shown])

    def _flickering(self, pose: PlacedCutout, picture: Picture) -> PlacedCutout:
        """The pose with the frame's noise and illumination added: a frozen patch would be an artefact."""
        (x, y), (h, w) = (round(at) for at in pose.corner), pose.matte.shape
        here = slice(y, y + h), slice(x, x + w)
        flicker = picture[here].astype(np.float32) - self.backdrop.picture[here]
        lively = pose.picture + np.clip(flicker, -MOST_FLICKER, MOST_FLICKER)
        return PlacedCutout(np.clip(lively.round(), 0, 255).astype(np.uint8), pose.matte, pose.corner)

    def _stranger(self, mover: Mover) -> Placement | None:
        path = MoverPath(mover)
        placement = self._moving(partial(_along, path, 0.0), mover.duration_s)
        if placement is None:
            return None
        poses = placement.poses
        texture = self._texture(texture_size(mover.mattes), poses[len(poses) // 2].corner)
        return Placement(placement.start, [textured(pose, texture) for pose in poses])

    def _large(self, mover: Mover) -> Placement | None:
        """A foreign patch, larger than the mover, on the mover's path and up to `speed` times as fast."""
        path, (height, width) = MoverPath(mover), texture_size(mover.mattes)
        pace, wider, higher = (float(self.rng.uniform(1, most)) for most in (self.speed, MOST_WIDER, MOST_HIGHER))
        most_high, most_wide = (side // 2 for side in self.traffic.shape)
        size = min(round(height * higher), most_high), min(round(width * wider), most_wide)
        middle = np.array(size[::-1]) / 2
        patch, matte = self._texture(size, _corner(path, mover.duration_s / 2, middle)), oval(size)

        def poses(elapsed_s: NDArray[np.float64]) -> list[PlacedCutout]:
            moments_s = elapsed_s * pace
            return [
                PlacedCutout(patch, matte, _corner(path, float(at), middle))
                for at in moments_s
                if at <= mover.duration_s
            ]

        return self._moving(poses, mover.duration_s / pace)

    def _texture(self, size: tuple[int, int], corner: tuple[float, float]) -> Picture:
        """A texture that stands out from the background at this place."""
        top = int(np.clip(round(corner[1]), 0, max(0, self.traffic.shape[0] - size[0])))
        left = int(np.clip(round(corner[0]), 0, max(0, self.traffic.shape[1] - size[1])))
        covered = self.backdrop.picture[top : top + size[0], left : left + size[1]]
        sources = list(self.texture_sources) or ([self.backdrop.picture] if self.rng.random() < 0.5 else [])
        return foreign_texture(size, covered, sources, self.rng)

    def _moving(self, poses: Poses, duration_s: float) -> Placement | None:
        """Place a moving object at the start time, of `STARTS` random ones, at which it overlaps others least."""
        latest = int(np.searchsorted(self.times_s, self.times_s[-1] - duration_s, side="right")) - 1
        first = min(max(0, latest), int(np.searchsorted(self.times_s, self.times_s[0] + 1.0)))
        starts = np.unique(self.rng.integers(first, max(first, latest) + 1, STARTS))
        placements = [Placement(int(start), self._from(int(start), poses, duration_s)) for start in starts]
        return least_crowded(placements, self.pictures, self.times_s, self.backdrop)

    def _from(self, start: int, poses: Poses, duration_s: float) -> list[PlacedCutout]:
        elapsed_s = self.times_s[start:] - self.times_s[start]
        elapsed_s = elapsed_s[elapsed_s <= duration_s + 1e-6]
        return faded(poses(elapsed_s), elapsed_s)
