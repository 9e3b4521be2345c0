"""The people of the long plaza: bodies painted once without colours, and their whole ways as knots in time."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import atan2, ceil, hypot, pi, sin
from typing import NamedTuple

import numpy as np

from streammon.demo.figures import STRIDE_OF_STATURE, Appearance, Pose, draw_pedestrian, random_appearance
from streammon.demo.scenery import SHADE, Colour, Floats, PinholeCamera, Scenery

Spot = tuple[float, float]
"""Metres right of the camera and away from it."""

SHADED = SHADE + 0.08
"""Light on a body in the shade (`draw_pedestrian`)."""

BODY_M = 1.72
SHEET_AWAY_M = 20.0
SHEET_VIEW = PinholeCamera(1024, 576)
LEVELS = 3
HEADINGS = 12
PHASES = 16
COLOURS = 6
SHOES: Colour = (44.0, 38.0, 36.0)
BLACK: Colour = (0.0, 0.0, 0.0)
FULL = 200.0
"""Of 255, the brightness with which the weight of a colour is measured: sunny sides are up to 1.16 times lighter."""

BRIGHTEST = 215.0
"""So that no sunny side is beyond 255."""

PURE: list[Colour] = [(FULL, 0.0, 0.0), (0.0, FULL, 0.0), (0.0, 0.0, FULL)]

STEP_M = 3.0
SWAY_M = 0.12
"""Standard deviation to the side, drawn every 3 m: nobody walks along a ruler."""

STEP_PACE_SPREAD = 0.04


class Sprite(NamedTuple):
    """One body in one phase of its gait, without its colours.

    Attributes:
        weights: (h, w, 7) float32: how much shows of shirt, trousers, skin, hair, bag and shoes, and alpha.
        foot: x, y of the ground point between the feet.
        px_per_m: Pixels of an upright metre.
    """

    weights: Floats
    foot: tuple[float, float]
    px_per_m: float

    def coloured(self, palette: Floats) -> Floats:
        """(h, w, 4) premultiplied RGBA, colours 0..255 and alpha 0..1, from a (7, 4) palette."""
        height, width, parts = self.weights.shape
        return (self.weights.reshape(-1, parts) @ palette).reshape(height, width, 4)


class Person(NamedTuple):
    """What someone looks like.

    Attributes:
        stature_m: Height.
        coat: Wears one.
        bag: Carries one.
        palette: (7, 4) RGBA of shirt, trousers, skin, hair, bag and shoes, and of alpha.
    """

    stature_m: float
    coat: bool
    bag: bool
    palette: Floats


class Leg(NamedTuple):
    """A piece of way: to a spot at a pace, and a wait there."""

    to: Spot
    pace_mps: float
    wait_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Way:
    """Where someone is at any time: knots, between which they move evenly.

    Attributes:
        times_s: Of the knots, rising.
        rights: Of the knots, metres.
        aways: Of the knots, metres.
        walked_m: Way behind at each knot; equal at two knots where they wait.
        arrivals_s: At the end of each leg, before its wait.
    """

    times_s: list[float]
    rights: list[float]
    aways: list[float]
    walked_m: list[float]
    arrivals_s: list[float]

    def pose(self, time_s: float) -> Pose | None:
        """Place, heading and gait; None before the first knot and after the last.

        >>> way = Way([0.0, 10.0], [0.0, 13.0], [20.0, 20.0], [0.0, 13.0], [10.0])
        >>> way.pose(5.0)
        Pose(right=6.5, away=20.0, heading=0.0, walked_m=6.5, stands=False)
        """
        there = bisect_right(self.times_s, time_s)
        if there in (0, len(self.times_s)):
            return None
        here = there - 1
        part = (time_s - self.times_s[here]) / (self.times_s[there] - self.times_s[here])
        to_right, to_away = self.rights[there] - self.rights[here], self.aways[there] - self.aways[here]
        walked_m = self.walked_m[here] + part * (self.walked_m[there] - self.walked_m[here])
        stands = self.walked_m[there] == self.walked_m[here]
        right = self.rights[here] + part * to_right
        if stands:  # the weight shifts from foot to foot
            right += 0.03 * sin(time_s / 0.9 + self.times_s[0])
            to_right, to_away = right, -self.aways[here]  # to the camera
        return Pose(
            right, self.aways[here] + part * to_away * (not stands), atan2(to_away, to_right), walked_m, stands
        )


def way(start_s: float, start: Spot, legs: Sequence[Leg], rng: np.random.Generator) -> Way:
    """The way along the legs, swaying a little to the side and in pace every 3 m."""
    times_s, rights, aways, walked_m, arrivals_s = [start_s], [start[0]], [start[1]], [0.0], []

    def knot(right: float, away: float, lasts_s: float, metres: float) -> None:
        times_s.append(times_s[-1] + lasts_s)
        rights.append(right)
        aways.append(away)
        walked_m.append(walked_m[-1] + metres)

    for (right, away), pace_mps, wait_s in legs:
        from_right, from_away = rights[-1], aways[-1]
        steps = max(1, ceil(hypot(right - from_right, away - from_away) / STEP_M))
        for step in range(1, steps + 1):
            sway = rng.normal(0, SWAY_M, 2).clip(-2 * SWAY_M, 2 * SWAY_M) * (step < steps)
            x = from_right + (right - from_right) * step / steps + float(sway[0])
            z = from_away + (away - from_away) * step / steps + float(sway[1])
            metres = hypot(x - rights[-1], z - aways[-1])
            knot(x, z, max(metres, 0.01) / (pace_mps * float(np.exp(rng.normal(0, STEP_PACE_SPREAD)))), metres)
        arrivals_s.append(times_s[-1])
        if wait_s:
            knot(right, away, wait_s, 0.0)
    return Way(times_s, rights, aways, walked_m, arrivals_s)


def person(rng: np.random.Generator) -> Person:
    """Someone: the demo's clothes, or for every second a shirt of any colour, more or less washed out."""
    who = random_appearance(rng)
    grey = float(rng.uniform(30, 210))
    any_colour: Colour = (
        0.5 * grey + float(rng.uniform(10, 110)),
        0.5 * grey + float(rng.uniform(10, 110)),
        0.5 * grey + float(rng.uniform(10, 110)),
    )
    shirt = any_colour if rng.uniform() < 0.5 else who.shirt
    colours = [shirt, who.trousers, who.skin, who.hair, who.bag or BLACK, SHOES]
    palette = np.zeros((COLOURS + 1, 4), np.float32)
    palette[:COLOURS, :3] = np.minimum(colours, BRIGHTEST)
    palette[COLOURS, 3] = 1
    return Person(who.stature_m, who.coat, who.bag is not None, palette)


def sprite(who: Person, pose: Pose, px_per_m: float) -> Sprite:
    """The prepainted body for this pose, the smallest that need not be enlarged to `px_per_m`."""
    sheet = SHEET_VIEW.px_per_m(SHEET_AWAY_M)
    level = next((level for level in reversed(range(LEVELS)) if sheet / 2**level >= px_per_m), 0)
    heading = round(pose.heading / (2 * pi) * HEADINGS) % HEADINGS
    phase = int(pose.walked_m / (STRIDE_OF_STATURE * who.stature_m) * PHASES) % PHASES
    return _sprite(who.coat, who.bag, heading, None if pose.stands else phase, level)


@cache
def _sprite(coat: bool, bag: bool, heading: int, phase: int | None, level: int) -> Sprite:
    if level == 0:
        return _painted(coat, bag, heading, phase)
    larger = _sprite(coat, bag, heading, phase, level - 1)
    height, width, parts = larger.weights.shape
    halves = larger.weights.reshape(height // 2, 2, width // 2, 2, parts).mean(axis=(1, 3))
    return Sprite(halves.astype(np.float32), (larger.foot[0] / 2, larger.foot[1] / 2), larger.px_per_m / 2)


def _painted(coat: bool, bag: bool, heading: int, phase: int | None) -> Sprite:
    """A body's weights, measured: painted with some of its colours pure and the others black."""
    scale = SHEET_VIEW.px_per_m(SHEET_AWAY_M)
    ((foot_x, foot_y),) = SHEET_VIEW.project([(0.0, SHEET_AWAY_M, 0.0)]).tolist()
    left, top = int(foot_x - 0.6 * scale), int(foot_y - 1.12 * BODY_M * scale)
    width, height = (4 * ceil(metres * scale / 4) for metres in (1.2, 1.12 * BODY_M + 0.3))
    rows, columns = slice(top, top + height), slice(left, left + width)
    walked_m = 0.0 if phase is None else (phase + 0.5) / PHASES * STRIDE_OF_STATURE * BODY_M
    pose = Pose(0.0, SHEET_AWAY_M, 2 * pi * heading / HEADINGS, walked_m, phase is None)

    shape = (SHEET_VIEW.height, SHEET_VIEW.width)
    nothing_m = np.broadcast_to(np.float32(np.inf), shape)  # in the way

    def painted(paper: int, sunlight: float, *colours: Colour) -> Floats:
        """Paint a body of these shirt, trousers, skin, hair and bag on black or white paper."""
        shirt, trousers, skin, hair, carried = colours
        canvas = np.full((*shape, 3), paper, np.uint8)
        stage = Scenery(canvas, nothing_m, np.broadcast_to(np.float32(sunlight), shape))
        who = Appearance(BODY_M, shirt, trousers, skin, hair, coat, carried if bag else None)
        draw_pedestrian(canvas, stage, SHEET_VIEW, who, pose)
        return canvas[rows, columns].astype(np.float32)

    shoes = painted(0, 1.0, BLACK, BLACK, BLACK, BLACK, BLACK)
    clothes = painted(0, 1.0, *PURE, BLACK, BLACK) - shoes
    others = painted(0, 1.0, BLACK, BLACK, BLACK, *PURE[:2]) - shoes
    on_white = painted(255, 0.0, BLACK, BLACK, BLACK, BLACK, BLACK)  # in the shade, where no shadow falls
    alpha = 1 - (on_white[..., :1] - SHADED * shoes[..., :1]) / 255
    weights = np.concatenate([clothes / FULL, others[..., :2] / FULL, shoes[..., :1] / SHOES[0], alpha], axis=2)
    return Sprite(weights.clip(0, 1.2).astype(np.float32), (foot_x - left, foot_y - top), scale)
