"""Hours of a painted plaza, each frame rendered from its time alone: what the promised alert rate is checked on.

Crowd, clothes, pace and light vary as they do over a day; everything is drawn from one seed. The buildings, the
pedestrians' bodies and the van are those of `streammon.demo`; here bodies are painted once and then only coloured,
scaled and placed, so that a frame (two pictures, 0.1 s apart) costs a few milliseconds.

    cd tests && python -m support.long_plaza /tmp   # PNGs of day, dusk and each staged anomaly, and the speed
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, log, pi, sin
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.demo.figures import VAN_LENGTH_M, Pose, VanPose, draw_van
from streammon.demo.scenery import CAMERA_HEIGHT_M, LAMPS, SHADE, SUN_SHADOW, Floats, PinholeCamera, Scenery, scenery
from streammon.ingest.images import Scaler
from streammon.padim import INPUT_SIZE
from streammon.records import Detail, Frame, Picture
from support.long_figures import BODY_M, SHADED, Leg, Person, Spot, Sprite, Way, person, sprite, way

SIZE = (480, 270)
"""Pixels of a rendered picture: as large as a `Detail` gets."""

CAMERA = "plaza"
BEGAN_S = 1_760_000_000.0
"""Unix time of the first frame."""

LAG_S = 0.1
"""Between the two pictures of a frame."""

LEARNING_S = 600.0
"""Ordinary conditions: full light, the mean crowd, nothing staged."""

MEAN_PACE_MPS = 1.3
PACE_SPREAD = 0.16
"""Of the logarithm: one in a thousand walks 1.6 times as fast as the median."""

RUNNER_PACES = 3.0
ARRIVALS_PER_S = 0.28
"""While learning: 7 people in view on average."""

CROWD_KNOT_S = 1200.0
QUIETEST, BUSIEST = 0.25, 2.2
"""Times the mean rate of arrivals, drawn anew every 20 minutes and interpolated in between."""

COUPLE_SHARE = 0.12
STOP_SHARE = 0.3
"""Of those whose way leads past a place where people stop."""

LONGEST_STOP_S = 90.0
WARM_UP_S = 180.0
"""Longer than most walks and stops: the first picture is as busy as the next."""

DUSK_BEGINS_S, DARKEST_S, DAWN_ENDS_S = 7200.0, 12600.0, 18000.0
DARKEST = 0.35
LAMPS_ON_BELOW = 0.62
LAMP_RAMP = 0.06
"""Of the light: lamps warm up for about six minutes."""

ANOMALY_EVERY_S = 1800.0
KINDS = ("runner", "van", "flower bed", "standing")
INTRUDER = "intruder"
STANDING_S = 60.0
VAN_AWAY_M = 21.7
VAN_CROSSING_S = 6.0

NOISE_SIGMA = 2.3
NOISE_TILES = 6
NOISE_SHIFT_PX = 64
NOISE_ZERO = 128

ROUTES: list[list[Spot]] = [
    [(-9.3, 12.6), (0.4, 13.2), (1.0, 22.0), (-0.6, 43.2)],
    [(-15.5, 21.9), (15.5, 21.5)],
    [(-4.0, 43.2), (-1.0, 36.0), (10.8, 13.2)],
    [(8.0, 43.2), (-9.6, 13.0)],
    [(-14.0, 37.0), (-6.0, 31.8), (20.5, 30.4)],
    [(1.8, 5.4), (1.2, 22.0), (-0.6, 43.2)],
]
"""Taken in both directions. None leads through the part of the picture with the flower bed and the paving before."""

STOPS: dict[int, list[Spot]] = {1: [(-6.5, 22.4), (10.6, 21.0)], 3: [(-1.6, 28.2)], 4: [(-5.2, 32.2)]}
"""Where people of a route stand a while."""

STOP_BEFORE = {1: 1, 3: 1, 4: 2}
"""The corner of the route, forwards, that follows the stop."""

RUNS: list[list[Spot]] = [ROUTES[1], ROUTES[3], ROUTES[2]]
BED: list[Spot] = [(3.2, 10.9), (6.9, 10.9), (7.6, 13.7), (3.5, 13.7)]
THROUGH_THE_BED: list[Spot] = [(3.8, 11.6), (5.6, 11.4), (4.6, 12.4), (6.0, 13.2), (3.9, 13.0)]
LEAVES_WAY: Spot = (1.6, 10.6)
COMES_BACK: Spot = (1.4, 15.5)
STANDING_AT: Spot = (-3.4, 10.2)
BELOW: Spot = (-3.2, 5.6)
"""Just below the picture."""


class Anomaly(NamedTuple):
    """Something staged, in seconds since the first frame: from its coming into view, or into the bed, to its end."""

    kind: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Figure:
    """Someone on their way."""

    who: Person
    way: Way


class LongPlaza:
    """The plaza over hours: what is in it at any time, and its picture.

    Args:
        hours: Length. Light and crowd at a time don't depend on it.
        seed: Of everything.
        anomalies: Stage one every half hour.
        intruder_hour: Follow with one hour more, in which someone moves about in the flower bed.

    Attributes:
        anomalies: What is staged, in order of time.
        length_s: Length, the intruder's hour included.
    """

    def __init__(self, hours: float, seed: int, *, anomalies: bool = True, intruder_hour: bool = False) -> None:
        self.seed = seed
        self.length_s = 3600 * (hours + intruder_hour)
        self.anomalies: list[Anomaly] = []
        self._view = PinholeCamera(*SIZE)
        stage, crowd, people, sky, staged, sensor = np.random.default_rng(seed).spawn(6)
        self._scene = _with_flower_bed(scenery(self._view, stage), self._view, stage)
        self._even = _without_sun(self._scene)
        self._ground_sun = self._scene.sunlight * np.isinf(self._scene.depth_m)
        self._glow = _lamp_glow(self._view)
        self._tiles = _noise_tiles(sensor)
        self._waves = [(period_s, float(sky.uniform(0, 2 * pi))) for period_s in (41.0, 173.0, 610.0)]
        self._scaler = Scaler(INPUT_SIZE)
        self._crowd = _crowd_knots(crowd, self.length_s)
        figures = _passers_by(people, self._crowd, self.length_s)
        figures += self._staged(staged, 3600 * hours) if anomalies else []
        if intruder_hour:
            self.anomalies.append(Anomaly(INTRUDER, 3600 * hours, self.length_s))
            figures.append(_intruder(staged, 3600 * hours, self.length_s))
        self._figures = figures
        self._comes_s = np.array([figure.way.times_s[0] for figure in figures])
        self._goes_s = np.array([figure.way.times_s[-1] for figure in figures])
        self._background: tuple[float, Picture] = (1.0, self._scene.picture)
        self._lit: tuple[float, Floats] = (1.0, np.ones_like(self._glow))

    def frame(self, number: int, score_fps: float) -> Frame:
        """Frame `number` of the stream thinned to `score_fps`, rendered with the picture 0.1 s before it."""
        time_s = number / score_fps
        earlier, picture = self.picture(time_s - LAG_S), self.picture(time_s)
        grey = np.asarray(cv2.cvtColor(earlier, cv2.COLOR_RGB2GRAY), np.uint8)
        # By YUV 4:2:0, as every camera's pictures come, and the scaler that reads those.
        yuv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
        scaled = self._scaler.scale(av.VideoFrame.from_ndarray(yuv, format="yuv420p"))
        return Frame(CAMERA, number, scaled, SIZE, time_s, BEGAN_S + time_s, Detail(picture, grey, LAG_S))

    def picture(self, time_s: float) -> Picture:
        """(270, 480, 3) uint8 RGB of the camera at this time."""
        light, sun = daylight(time_s), sunshine(time_s)
        canvas = self._empty(sun).copy()
        things: list[tuple[float, Figure | VanPose, Pose | None]] = []
        for index in np.flatnonzero((self._comes_s <= time_s) & (time_s < self._goes_s)):
            pose = self._figures[index].way.pose(time_s)
            if pose is not None:
                things.append((pose.away, self._figures[index], pose))
        van = self._van(time_s)
        if van is not None:
            things.append((van.away, van, None))
        for _, thing, pose in sorted(things, key=lambda entry: -entry[0]):
            if isinstance(thing, VanPose):
                self._draw_van(canvas, thing, sun)
            elif pose is not None:
                self._draw(canvas, thing, pose, sun)
        return self._exposed(canvas, time_s, light)

    def people(self, time_s: float) -> int:
        """How many are on their way, a few of them beside the picture."""
        return int(np.count_nonzero((self._comes_s <= time_s) & (time_s < self._goes_s)))

    def _empty(self, sun: float) -> Picture:
        """The plaza without people, its shadows as deep as the sun is bright."""
        if self._background[0] != sun:
            mixed = cv2.addWeighted(self._scene.picture, sun, self._even, 1 - sun, 0)
            self._background = (sun, np.asarray(mixed, np.uint8))
        return self._background[1]

    def _exposed(self, canvas: Picture, time_s: float, light: float) -> Picture:
        """The picture in this moment's light, with noise of its own."""
        rng = np.random.default_rng((self.seed, round(1000 * (time_s + WARM_UP_S))))
        swell = sum(sin(2 * pi * time_s / period_s + phase) for period_s, phase in self._waves)
        gain = 1 + 0.012 * swell + float(rng.normal(0, 0.003))
        shown = cv2.multiply(canvas, self._light_map(light), dtype=cv2.CV_8U)
        tile = self._tiles[int(rng.integers(NOISE_TILES))]
        top, left = (int(offset) for offset in rng.integers(0, NOISE_SHIFT_PX, 2))
        noise = tile[top : top + SIZE[1], left : left + SIZE[0]]
        grain = 1 + 0.9 * (1 - light)  # a sensor amplifies its noise in little light
        return np.asarray(cv2.addWeighted(shown, gain, noise, grain, -NOISE_ZERO * grain), np.uint8)

    def _light_map(self, light: float) -> Floats:
        """(270, 480, 3) light of sky and lamps on each pixel: bluer the darker the sky, warm below the lamps."""
        if self._lit[0] != light:
            dusk = 1 - light
            tint = np.array([light * (1 - 0.12 * dusk), light, light * (1 + 0.16 * dusk)], np.float32)
            lamps = 0.5 * float(np.clip((LAMPS_ON_BELOW - light) / LAMP_RAMP, 0, 1))
            self._lit = (light, self._glow * np.float32(lamps) + tint)
        return self._lit[1]

    def _draw(self, canvas: Picture, figure: Figure, pose: Pose, sun: float) -> None:
        """One person and their shadow, behind whatever stands nearer."""
        px_per_m = self._view.px_per_m(pose.away)
        ((foot_x, foot_y),) = self._view.project([(pose.right, pose.away, 0.0)]).tolist()
        if not (-2 * px_per_m < foot_x < SIZE[0] + px_per_m and foot_y < SIZE[1] + 2.5 * px_per_m):
            return
        painted = sprite(figure.who, pose, px_per_m)
        row, column = min(int(foot_y), SIZE[1] - 1), min(max(int(foot_x), 0), SIZE[0] - 1)
        sunny = float(self._scene.sunlight[row, column])
        light = 1 - sun * (1 - SHADED) * (1 - sunny)
        body = painted.coloured(figure.who.palette * np.array((light, light, light, 1.0), np.float32))
        height, width = body.shape[:2]
        zoom = px_per_m * figure.who.stature_m / BODY_M / painted.px_per_m
        if sun * sunny > 0.05:
            self._cast_shadow(canvas, body, painted, (foot_x, foot_y), pose.away, zoom, sun)
        left, top = int(foot_x - painted.foot[0] * zoom), int(foot_y - painted.foot[1] * zoom)
        shift = (foot_x - left - painted.foot[0] * zoom, foot_y - top - painted.foot[1] * zoom)
        size = (int(width * zoom) + 2, int(height * zoom) + 2)
        placed = cv2.warpAffine(body, np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), size)
        rows, columns, inner = _overlap((top, left), (size[1], size[0]))
        part = canvas[rows, columns]
        shown = placed[inner] * (self._scene.depth_m[rows, columns] >= pose.away)[..., None]
        part[:] = part * (1 - shown[..., 3:]) + shown[..., :3]

    def _cast_shadow(
        self, canvas: Picture, body: Floats, painted: Sprite, foot: Spot, away: float, zoom: float, sun: float
    ) -> None:
        """The body's outline laid on the ground away from the sun."""
        lean, rise = SUN_SHADOW[0] * zoom, SUN_SHADOW[1] * CAMERA_HEIGHT_M / (away + 0.4) * zoom
        height, width = body.shape[:2]
        border = 3
        left, top = int(foot[0] - painted.foot[0] * zoom) - border, int(foot[1] - rise * painted.foot[1]) - border
        size = (
            int(width * zoom + lean * height) + 2 * border,
            int(rise * painted.foot[1] + zoom * (height - painted.foot[1])) + 2 * border,
        )
        # A point h above the foot falls lean * h to the right and rise * h up the picture.
        x = foot[0] - left - painted.foot[0] * zoom + lean * painted.foot[1]
        y = foot[1] - top - rise * painted.foot[1]
        affine = np.array([[zoom, -lean, x], [0, rise, y]])
        mask = cv2.blur(cv2.warpAffine(cv2.extractChannel(body, 3), affine, size), (3, 3))
        rows, columns, inner = _overlap((top, left), (size[1], size[0]))
        dark = mask[inner] * self._ground_sun[rows, columns]
        part = canvas[rows, columns]
        part[:] = part * (1 - np.float32((1 - SHADE) * sun) * dark)[..., None]

    def _draw_van(self, canvas: Picture, van: VanPose, sun: float) -> None:
        scene = Scenery(canvas, self._scene.depth_m, self._scene.sunlight * np.float32(sun))
        draw_van(canvas, scene, self._view, van)

    def _van(self, time_s: float) -> VanPose | None:
        for kind, begin_s, end_s in self.anomalies:
            if kind == "van" and begin_s <= time_s < end_s:
                edge = self._view.half_width_m(VAN_AWAY_M + 1.0) + 1.0
                start, end = -edge - VAN_LENGTH_M, edge
                return VanPose(start + (end - start) * (time_s - begin_s) / (end_s - begin_s), VAN_AWAY_M)
        return None

    def _staged(self, rng: np.random.Generator, until_s: float) -> list[Figure]:
        """Plan one anomaly for each half hour, the kinds in turn; the people it takes."""
        figures = []
        for number in range(int(until_s / ANOMALY_EVERY_S)):
            begin_s = ANOMALY_EVERY_S * (number + 0.5) + float(rng.uniform(-200, 400))
            kind = KINDS[number % len(KINDS)]
            if kind == "van":
                self.anomalies.append(Anomaly(kind, begin_s, begin_s + VAN_CROSSING_S))
                continue
            figure, anomaly = _actor(kind, number // len(KINDS), begin_s, rng)
            figures.append(figure)
            self.anomalies.append(anomaly)
        return figures


def frames(
    hours: float,
    seed: int,
    score_fps: float,
    anomalies: bool = True,
    intruder_hour: bool = False,
    from_s: float = 0.0,
) -> Iterator[Frame]:
    """The plaza's frames in order, from `from_s` on; the truth of them is `LongPlaza(...).anomalies`."""
    plaza = LongPlaza(hours, seed, anomalies=anomalies, intruder_hour=intruder_hour)
    for number in range(round(from_s * score_fps), round(plaza.length_s * score_fps)):
        yield plaza.frame(number, score_fps)


def daylight(time_s: float) -> float:
    """Light of the sky: 1 by day, falling to 0.35 at 3.5 hours, 1 again from 5 hours on; in steps of 1/2000.

    >>> [round(daylight(3600 * hour), 2) for hour in (0, 2, 2.75, 3.5, 5, 6)]
    [1.0, 1.0, 0.68, 0.35, 1.0, 1.0]
    """
    if time_s < DARKEST_S:
        part = (time_s - DUSK_BEGINS_S) / (DARKEST_S - DUSK_BEGINS_S)
    else:
        part = (DAWN_ENDS_S - time_s) / (DAWN_ENDS_S - DARKEST_S)
    return round(2000 - 2000 * (1 - DARKEST) * (1 - cos(pi * min(max(part, 0.0), 1.0))) / 2) / 2000


def sunshine(time_s: float) -> float:
    """How deep shadows are: 1 by day, 0 once the light is below 0.55; in 200 steps, to reuse backgrounds."""
    return round(200 * min(max((daylight(time_s) - 0.55) / 0.4, 0.0), 1.0)) / 200


def _actor(kind: str, turn: int, begin_s: float, rng: np.random.Generator) -> tuple[Figure, Anomaly]:
    """Someone who runs, walks through the flower bed, or stands where nobody does."""
    who = person(rng)
    pace = MEAN_PACE_MPS * float(rng.uniform(0.9, 1.1))
    if kind == "runner":
        start, *corners = RUNS[turn % len(RUNS)]
        run = way(begin_s, start, [Leg(corner, RUNNER_PACES * pace) for corner in corners], rng)
        return Figure(who, run), Anomaly(kind, begin_s, run.times_s[-1])
    if kind == "standing":
        spot = (STANDING_AT[0] + float(rng.uniform(-0.6, 0.6)), STANDING_AT[1] + float(rng.uniform(-0.4, 0.4)))
        visit = way(begin_s, BELOW, [Leg(spot, pace, STANDING_S), Leg(BELOW, pace)], rng)
        return Figure(who, visit), Anomaly(kind, begin_s, visit.times_s[-1])
    spots = [LEAVES_WAY, *THROUGH_THE_BED, COMES_BACK, *ROUTES[5][2:]]
    stroll = way(begin_s, ROUTES[5][0], [Leg(spot, pace) for spot in spots], rng)
    return Figure(who, stroll), Anomaly(kind, stroll.arrivals_s[0], stroll.arrivals_s[len(THROUGH_THE_BED) + 1])


def _intruder(rng: np.random.Generator, begin_s: float, end_s: float) -> Figure:
    """Someone who walks about in the flower bed, and waits here and there, from `begin_s` to beyond `end_s`."""
    legs, lasts_s = [Leg(THROUGH_THE_BED[0], MEAN_PACE_MPS)], 0.0
    while lasts_s < end_s - begin_s:
        spot = (float(rng.uniform(3.6, 6.2)), float(rng.uniform(11.1, 13.5)))
        legs.append(Leg(spot, MEAN_PACE_MPS * float(rng.uniform(0.5, 1.1)), float(rng.lognormal(log(6), 0.9))))
        lasts_s += legs[-1].wait_s + 0.5
    return Figure(person(rng), way(begin_s, LEAVES_WAY, legs, rng))


def _crowd_knots(rng: np.random.Generator, length_s: float) -> list[float]:
    """Times the mean rate of arrivals at each 20 minutes: 1 at the first two, then quiet or busy."""
    later = int(length_s / CROWD_KNOT_S)
    return [1.0, 1.0] + [float(np.exp(rng.uniform(log(QUIETEST), log(BUSIEST)))) for _ in range(later)]


def _passers_by(rng: np.random.Generator, crowd: list[float], length_s: float) -> list[Figure]:
    """A Poisson process of arrivals, its rate between the knots interpolated."""
    knots_s = CROWD_KNOT_S * np.arange(len(crowd))
    figures = []
    for second in range(-int(WARM_UP_S), int(length_s)):
        rate = ARRIVALS_PER_S * float(np.interp(second, knots_s, crowd))
        for _ in range(rng.poisson(rate)):
            figures += _passer_by(rng, second + float(rng.uniform()))
    return figures


def _passer_by(rng: np.random.Generator, begin_s: float) -> list[Figure]:
    """Someone on one of the routes, in either direction; now and then two side by side."""
    route = int(rng.integers(len(ROUTES)))
    backwards, couple, stops = rng.uniform() < 0.5, rng.uniform() < COUPLE_SHARE, rng.uniform() < STOP_SHARE
    pace = MEAN_PACE_MPS * float(np.exp(rng.normal(0, PACE_SPREAD)))
    aside = rng.normal(0, 0.22, 2).clip(-0.5, 0.5)
    wait_s = min(LONGEST_STOP_S, float(rng.lognormal(log(18), 0.8)))
    corners: list[tuple[Spot, float]] = [(spot, 0.0) for spot in ROUTES[route]]
    if stops and route in STOPS:
        place = STOPS[route][int(rng.integers(len(STOPS[route])))]
        corners.insert(STOP_BEFORE[route], (place, wait_s))
    if backwards:
        corners.reverse()
    figures = []
    for one in range(1 + couple):
        right, away = float(aside[0]) + 0.45 * one, float(aside[1]) + 0.45 * one
        (start, _), *rest = [((x + right, z + away), wait) for (x, z), wait in corners]
        figures.append(Figure(person(rng), way(begin_s, start, [Leg(spot, pace, wait) for spot, wait in rest], rng)))
    return figures


def _with_flower_bed(empty: Scenery, view: PinholeCamera, rng: np.random.Generator) -> Scenery:
    """The demo's plaza with a bed of flowers where no route leads."""
    picture = empty.picture.copy()
    outline = np.rint(view.project([(right, away, 0.0) for right, away in BED])).astype(np.int32)
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(inside, [outline], 255)
    open_ground = np.isinf(empty.depth_m)
    flowers = inside.astype(bool) & open_ground
    colours = np.array([(74, 98, 52), (58, 84, 44), (92, 66, 48), (196, 64, 72), (214, 176, 62), (168, 96, 170)])
    chosen = colours[rng.choice(len(colours), picture.shape[:2], p=[0.38, 0.26, 0.12, 0.1, 0.08, 0.06])]
    planted = cv2.GaussianBlur(chosen.astype(np.uint8), (0, 0), 0.6)
    shade = 1 - (1 - SHADE) * (1 - empty.sunlight[..., None])
    picture[flowers] = (planted * shade)[flowers].astype(np.uint8)
    kerb = np.zeros_like(inside)
    cv2.polylines(kerb, [outline], True, 255, 1)
    picture[kerb.astype(bool) & open_ground] = (168, 164, 156)
    return Scenery(picture, empty.depth_m, empty.sunlight)


def _without_sun(scene: Scenery) -> Picture:
    """The same under an even sky: its shadows taken out."""
    shadow = (1 - scene.sunlight) * np.isinf(scene.depth_m)  # walls and boxes were painted over the shadows
    shade = 1 - (1 - SHADE) * shadow[..., None]
    return np.asarray((scene.picture / shade).clip(0, 255), np.uint8)


def _lamp_glow(view: PinholeCamera) -> Floats:
    """(270, 480, 3) how much light the street lamps add to the sky's, at full power."""
    rows, columns = np.mgrid[0 : view.height, 0 : view.width].astype(np.float32)
    glow = np.zeros((view.height, view.width), np.float32)
    for right, away in LAMPS:
        scale = view.px_per_m(away)
        (head_x, head_y), (foot_x, foot_y) = view.project([(right, away, 4.5), (right, away, 0.0)]).tolist()
        glow += 1.6 * np.exp(-((columns - head_x) ** 2 + (rows - head_y) ** 2) / (2 * (0.35 * scale) ** 2))
        flat = ((rows - foot_y) / (1.5 * scale * CAMERA_HEIGHT_M / away)) ** 2
        glow += np.exp(-(((columns - foot_x) / (4.0 * scale)) ** 2 + flat) / 2)
    return glow[..., None] * np.array((1.0, 0.84, 0.58), np.float32)


def _noise_tiles(rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Sensor noise around `NOISE_ZERO`, made once."""
    shape = (SIZE[1] + NOISE_SHIFT_PX, SIZE[0] + NOISE_SHIFT_PX)
    tiles = []
    for _ in range(NOISE_TILES):
        luma = rng.normal(NOISE_ZERO, NOISE_SIGMA, (*shape, 1))
        chroma = cv2.GaussianBlur(rng.normal(0, 1.6 * NOISE_SIGMA, (*shape, 3)), (0, 0), 0.8)
        tiles.append(np.rint(luma + chroma).clip(0, 255).astype(np.uint8))
    return tiles


def _overlap(corner: tuple[int, int], patch: tuple[int, int]) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns of the picture that a patch at (top, left) covers, and which part of the patch that is."""
    (top, left), (height, width) = corner, patch
    if top >= 0 and left >= 0 and top + height <= SIZE[1] and left + width <= SIZE[0]:
        return slice(top, top + height), slice(left, left + width), (slice(None), slice(None))
    rows = slice(min(max(top, 0), SIZE[1]), min(max(top + height, 0), SIZE[1]))
    columns = slice(min(max(left, 0), SIZE[0]), min(max(left + width, 0), SIZE[0]))
    return rows, columns, (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the PNGs go")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=200, help="to measure the speed with, over the whole six hours")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    plaza = LongPlaza(6.0, args.seed, intruder_hour=True)
    moments = {"day": 60.0, "dusk": 9900.0, "night": DARKEST_S, "dawn": 15000.0}
    moments |= {f"{a.kind} {number}": (a.begin_s + a.end_s) / 2 for number, a in enumerate(plaza.anomalies)}
    for name, time_s in moments.items():
        picture = cv2.cvtColor(plaza.picture(time_s), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(args.folder / f"plaza-{name.replace(' ', '-')}.png"), picture)
        print(f"{name}: {time_s:.0f} s, light {daylight(time_s):.2f}, {plaza.people(time_s)} people")
    numbers = np.linspace(0, 2 * plaza.length_s - 1, args.frames).astype(int).tolist()
    for painted in ("and bodies painted", "bodies painted before"):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for number in numbers:
            plaza.frame(number, 2.0)
        wall_ms = 1000 * (time.perf_counter() - began_s) / len(numbers)
        cpu_ms = 1000 * (time.process_time() - began_cpu_s) / len(numbers)
        print(f"rendered, {painted}: {wall_ms:.1f} ms a frame, {cpu_ms:.1f} ms of CPU")


if __name__ == "__main__":
    _main()
