"""Foreground regions linked into tracks, and the selection of tracks of steadily moving objects."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.scenery import LEAST_CONTRAST, MASKED, Backdrop, most_of_colours

LEAST_AREA = 0.0005
MOST_AREA = 0.15
"""Area of an object as a share of the picture. A smaller region is a speck, a larger one a change of the scene."""

MOST_GROWTH = 1.5
MOST_STRETCH = 1.3
"""Largest ratio of an object's area and of its height between neighbouring frames; a larger ratio means that two
objects merged or split."""

LEAST_FILL = 0.3
"""Minimum share of its box that an object fills; thin arcs are edges of shadows and ghosts."""

LEAST_STRAIGHTNESS = 0.75
"""Minimum ratio of net displacement to path length of a steadily moving object."""

MOST_UNEVENNESS = 0.3
"""Largest standard deviation of the area around its linear trend, as a share of the mean area; more means that the
outlines are unreliable."""

LEAST_EDGE = 1.3
"""Minimum ratio of the edge strength along an object's outline in the pictures to that in the background."""

MOST_UNSEGMENTED_MOTION = 0.1
"""Largest area of unsegmented motion beside an object, as a share of the object's area: parts of the object that
don't stand out from the background, and would be missing from the cut-out."""


def smooth_path(path: NDArray[np.float64], reach: int = 3) -> NDArray[np.float64]:
    """The path smoothed by fitting a straight line to the neighbourhood of each point.

    Args:
        path: (N, 2) positions.
        reach: Number of neighbours on either side.

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
class Sighting:
    """One connected region of one frame.

    Attributes:
        frame: Number of the frame.
        box: x, y, width, height in pixels.
        middle: (2,) x, y of the region's centre of mass.
        area: Area in pixels.
        shape: (height, width) bool, the region within the box.
        unsegmented_motion: Changed pixels around the region that aren't foreground, as a share of the area.
    """

    frame: int
    box: tuple[int, int, int, int]
    middle: NDArray[np.float64]
    area: float
    shape: MASKED
    unsegmented_motion: float


@dataclass(slots=True)
class Track:
    """Sightings of one object in consecutive frames, one per frame."""

    sightings: list[Sighting] = field(default_factory=list)

    def expected(self) -> NDArray[np.float64]:
        """(2,) predicted centre of mass in the next frame, at constant velocity."""
        last = self.sightings[-1].middle
        if len(self.sightings) < 2:
            return last
        earlier = self.sightings[-min(4, len(self.sightings))]
        return last + (last - earlier.middle) / (self.sightings[-1].frame - earlier.frame)


def tracks(pictures: Sequence[Picture], backdrop: Backdrop, least_frames: int) -> list[Track]:
    """Tracks of at least `least_frames` frames of objects that move steadily and are segmented whole."""
    seen: list[list[Sighting]] = []
    before: tuple[Picture, MASKED] | None = None
    for index, picture in enumerate(pictures):
        there = backdrop.foreground(picture)
        seen.append(_sightings(there, _unsegmented_motion(picture, there, before), index))
        before = picture, there
    long = [track for track in _follow(seen) if len(track.sightings) >= least_frames]
    return [track for track in long if _is_steady(track) and _is_there(track, pictures, backdrop.picture)]


def _unsegmented_motion(picture: Picture, there: MASKED, before: tuple[Picture, MASKED] | None) -> MASKED:
    """(H, W) bool, pixels that changed since the picture before and are foreground in neither picture."""
    if before is None:
        return np.zeros_like(there)
    apart = cv2.absdiff(cv2.GaussianBlur(picture, (0, 0), 1.0), cv2.GaussianBlur(before[0], (0, 0), 1.0))
    changed = most_of_colours(np.asarray(apart, np.uint8)) > 2 * LEAST_CONTRAST
    around = cv2.dilate((there | before[1]).astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(changed & (around == 0), np.bool_)


def _sightings(there: MASKED, unsegmented_motion: MASKED, frame: int) -> list[Sighting]:
    """Compact foreground regions of plausible size. Regions at the border are left out, as only a part is visible."""
    height, width = there.shape
    count, labels, figures, _ = cv2.connectedComponentsWithStats(there.astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, count):
        x, y, w, h, _ = (int(figure) for figure in figures[label])
        if x == 0 or y == 0 or x + w == width or y + h == height:
            continue
        shape = filled(labels[y : y + h, x : x + w] == label)
        area = float(shape.sum())
        if not LEAST_AREA * there.size <= area <= MOST_AREA * there.size or area < LEAST_FILL * w * h:
            continue
        rows, columns = np.nonzero(shape)
        beside = unsegmented_motion[max(0, y - h // 2) : y + h + h // 2, max(0, x - w // 2) : x + w + w // 2]
        middle = np.array([x + columns.mean(), y + rows.mean()])
        found.append(Sighting(frame, (x, y, w, h), middle, area, shape, float(beside.sum()) / area))
    return found


def filled(shape: MASKED) -> MASKED:
    """The shape with its enclosed holes closed."""
    outlines, _ = cv2.findContours(shape.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(shape.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled.astype(np.bool_)


def _follow(frames: list[list[Sighting]]) -> list[Track]:
    """Link sightings to tracks, nearest predicted position first; a track ends at a frame without a sighting."""
    ended: list[Track] = []
    active: list[Track] = []
    for sightings in frames:
        pairs = sorted(
            (float(np.hypot(*(track.expected() - seen.middle))), row, column)
            for row, track in enumerate(active)
            for column, seen in enumerate(sightings)
            if _is_plausible_successor(track, seen)
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
        active += [Track([seen]) for column, seen in enumerate(sightings) if column not in taken]
    return ended + active


def _is_plausible_successor(track: Track, seen: Sighting) -> bool:
    last = track.sightings[-1]
    reach = 2 + 0.5 * np.sqrt(last.area) * (1 if len(track.sightings) > 1 else 2)
    near = np.hypot(*(track.expected() - seen.middle)) <= reach
    grown, stretched = seen.area / last.area, (seen.box[3] + 2) / (last.box[3] + 2)
    alike = 1 / MOST_GROWTH <= grown <= MOST_GROWTH and 1 / MOST_STRETCH <= stretched <= MOST_STRETCH
    return bool(near and alike)


def _is_steady(track: Track) -> bool:
    """True if the object's net displacement is long, nearly straight and well above jitter, and its area is even."""
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


def _is_there(track: Track, pictures: Sequence[Picture], background: Picture) -> bool:
    """True if the track's outline is in the pictures rather than in the background.

    An object that stood still for most of the time is part of the background, and leaves a ghost when it is gone.
    Fragments of objects that pass in front of such a ghost are rejected too.
    """
    edges = [_edge_strength(seen, pictures[seen.frame], background) for seen in track.sightings]
    there, behind = np.mean(edges, axis=0)
    lost = float(np.mean([seen.unsegmented_motion for seen in track.sightings]))
    return bool(there >= LEAST_EDGE * behind and lost <= MOST_UNSEGMENTED_MOTION)


def _edge_strength(seen: Sighting, picture: Picture, background: Picture) -> tuple[float, float]:
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
