"""Who moves through footage: found against the background, followed from frame to frame, and cut out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.staging.scenery import MASKED, Backdrop

LEAST_AREA = 0.0005
MOST_AREA = 0.15
"""Of the picture. Smaller is a speck, larger a change of the whole scene."""

MOST_GROWTH = 1.5
MOST_STRETCH = 1.3
"""Area and height of one thing in neighbouring frames differ by less; more is two things that met or parted."""

LEAST_PACE = 0.2
"""Of its own size per second: what is slower lingers."""

LEAST_FILL = 0.3
"""Of its box. A thing is compact; thin arcs are shadows' edges and ghosts."""

LEAST_STRAIGHTNESS = 0.75
"""Net way over way walked: what moves steadily has a direction."""

MOST_UNEVENNESS = 0.3
"""Spread of the area around its trend, as a share of it: what grows and shrinks at random was cut out badly."""

LEAST_EDGE = 1.3
"""How much stronger edges along an outline are in the pictures than in the background, where a thing is there."""

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


def smooth_path(path: NDArray[np.float64], reach: int = 3) -> NDArray[np.float64]:
    """The path with its jitter taken out: at each point a straight line through its neighbours.

    Args:
        path: (N, 2) positions.
        reach: Neighbours to either side.

    >>> smooth_path(np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])).round(6).tolist()
    [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]
    """
    smooth = np.empty_like(path)
    steps = np.arange(len(path), dtype=np.float64)
    for index in range(len(path)):
        near = slice(max(0, index - reach), index + reach + 1)
        offsets = steps[near] - steps[near].mean()
        middle = path[near].mean(axis=0)
        slope = offsets @ (path[near] - middle) / max(float(offsets @ offsets), 1e-9)
        smooth[index] = middle + slope * (index - steps[near].mean())
    return smooth


@dataclass(slots=True)
class _Sighting:
    """One connected region of one frame: its box, its middle, its area, its shape within the box."""

    frame: int
    box: tuple[int, int, int, int]
    middle: NDArray[np.float64]
    area: float
    shape: MASKED


@dataclass(slots=True)
class _Track:
    """Sightings of one thing, in order."""

    sightings: list[_Sighting] = field(default_factory=list)

    def expected(self) -> NDArray[np.float64]:
        """Where its middle should be next."""
        last = self.sightings[-1].middle
        if len(self.sightings) < 2:
            return last
        earlier = self.sightings[-min(4, len(self.sightings))]
        return last + (last - earlier.middle) / (self.sightings[-1].frame - earlier.frame)


def movers(
    pictures: Sequence[Picture],
    times_s: Sequence[float],
    least_frames: int = 8,
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
    tracks = _follow([_sightings(backdrop.foreground(picture), index) for index, picture in enumerate(pictures)])
    steady = [track for track in tracks if len(track.sightings) >= least_frames and _is_steady(track)]
    steady = [track for track in steady if _is_there(track, pictures, backdrop.picture)]
    steady.sort(key=lambda track: -len(track.sightings))
    found = [_cut_out(track, pictures, times_s, backdrop) for track in steady]
    return [mover for mover in found if np.hypot(*mover.velocity) >= LEAST_PACE * mover.size]


def _sightings(there: MASKED, frame: int) -> list[_Sighting]:
    """The regions of sane size that don't touch the border, where only a part of the thing is seen."""
    height, width = there.shape
    count, labels, figures, _ = cv2.connectedComponentsWithStats(there.astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, count):
        x, y, w, h, _ = (int(figure) for figure in figures[label])
        if x == 0 or y == 0 or x + w == width or y + h == height:
            continue
        shape = _filled(labels[y : y + h, x : x + w] == label)
        area = float(shape.sum())
        if not LEAST_AREA * there.size <= area <= MOST_AREA * there.size or area < LEAST_FILL * w * h:
            continue
        rows, columns = np.nonzero(shape)
        middle = np.array([x + columns.mean(), y + rows.mean()])
        found.append(_Sighting(frame, (x, y, w, h), middle, area, shape))
    return found


def _filled(shape: MASKED) -> MASKED:
    outlines, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(shape.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled.astype(np.bool_)


def _follow(frames: list[list[_Sighting]]) -> list[_Track]:
    """Links each sighting to the nearest track that expected it; a thing unseen for a frame is lost."""
    ended: list[_Track] = []
    active: list[_Track] = []
    for sightings in frames:
        pairs = sorted(
            (float(np.hypot(*(track.expected() - seen.middle))), row, column)
            for row, track in enumerate(active)
            for column, seen in enumerate(sightings)
            if _may_follow(track, seen)
        )
        rows: dict[int, int] = {}
        for _, row, column in pairs:
            if row not in rows and column not in rows.values():
                rows[row] = column
        for row, column in rows.items():
            active[row].sightings.append(sightings[column])
        taken = set(rows.values())
        ended += [track for row, track in enumerate(active) if row not in rows]
        active = [track for row, track in enumerate(active) if row in rows]
        active += [_Track([seen]) for column, seen in enumerate(sightings) if column not in taken]
    return ended + active


def _may_follow(track: _Track, seen: _Sighting) -> bool:
    last = track.sightings[-1]
    reach = 2 + 0.5 * np.sqrt(last.area) * (1 if len(track.sightings) > 1 else 2)
    near = np.hypot(*(track.expected() - seen.middle)) <= reach
    grown, stretched = seen.area / last.area, (seen.box[3] + 2) / (last.box[3] + 2)
    alike = 1 / MOST_GROWTH <= grown <= MOST_GROWTH and 1 / MOST_STRETCH <= stretched <= MOST_STRETCH
    return bool(near and alike)


def _is_steady(track: _Track) -> bool:
    """Whether it goes somewhere, on a way much longer than its jitter, and keeps its size."""
    middles = np.array([seen.middle for seen in track.sightings])
    areas = np.array([seen.area for seen in track.sightings])
    path = smooth_path(middles)
    net = float(np.hypot(*(path[-1] - path[0])))
    way = float(np.hypot(*np.diff(path, axis=0).T).sum())
    jitter = float(np.sqrt(np.mean((middles - path) ** 2)))
    trend = np.polyval(np.polyfit(np.arange(len(areas)), areas, 1), np.arange(len(areas)))
    unevenness = float(np.std(areas - trend) / areas.mean())
    return bool(
        net >= max(4.0, 0.4 * np.sqrt(areas.mean()), 5 * jitter)
        and net >= LEAST_STRAIGHTNESS * way
        and unevenness <= MOST_UNEVENNESS
    )


def _is_there(track: _Track, pictures: Sequence[Picture], background: Picture) -> bool:
    """Whether its outline is in the pictures rather than in the background.

    What stood still for most of the time is part of the background and leaves a hole where it is gone;
    pieces of what passes in front of such a hole are no things either.
    """
    edges = [_edge_strength(seen, pictures[seen.frame], background) for seen in track.sightings]
    there, behind = np.mean(edges, axis=0)
    return bool(there >= LEAST_EDGE * behind)


def _edge_strength(seen: _Sighting, picture: Picture, background: Picture) -> tuple[float, float]:
    """Mean gradient along the outline, in the picture and in the background."""
    x, y, w, h = seen.box
    around = slice(max(0, y - 1), y + h + 1), slice(max(0, x - 1), x + w + 1)
    outline = np.zeros(picture.shape[:2], np.uint8)[around]
    outline[y - around[0].start :, x - around[1].start :][:h, :w] = seen.shape
    rim = cv2.morphologyEx(outline, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    there, behind = (
        cv2.morphologyEx(whole[around], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2)[rim].mean()
        for whole in (picture, background)
    )
    return float(there), float(behind)


def _cut_out(track: _Track, pictures: Sequence[Picture], times_s: Sequence[float], backdrop: Backdrop) -> Mover:
    cuts = [_cut(seen, pictures[seen.frame], backdrop) for seen in track.sightings]
    return Mover(
        pictures=tuple(cut[0] for cut in cuts),
        mattes=tuple(cut[1] for cut in cuts),
        corners=tuple(cut[2] for cut in cuts),
        times_s=tuple(float(times_s[seen.frame]) for seen in track.sightings),
    )


def _cut(
    seen: _Sighting, picture: Picture, backdrop: Backdrop
) -> tuple[Picture, NDArray[np.float32], tuple[int, int]]:
    """The thing with a soft matte. Around its rim its own colours go on, so that no old background comes along."""
    x, y, w, h = seen.box
    left, top = max(0, x - MARGIN), max(0, y - MARGIN)
    right, bottom = min(picture.shape[1], x + w + MARGIN), min(picture.shape[0], y + h + MARGIN)
    shape = np.zeros((bottom - top, right - left), np.float32)
    outline = _filled(backdrop.outline(picture, seen.box) & seen.shape)
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
