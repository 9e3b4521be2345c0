"""Moving figures on the plaza: pedestrians with a gait, a van, and the shadows of both."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.demo.scenery import (
    CAMERA_HEIGHT_M,
    FIXED_BITS,
    SHADE,
    SUN_SHADOW,
    Colour,
    Floats,
    PinholeCamera,
    Point,
    Scenery,
    fixed,
    lit,
)
from streammon.records import Picture

BodyToPlaza: TypeAlias = Callable[[float, float, float], Point]
"""Point on the plaza by a body's own coordinates: forward, aside and up."""

STRIDE_OF_STATURE = 0.77  # stride (two steps) over stature
HIP_SWING = 0.39  # radians each way: gives that stride with legs half the stature long
VAN_LENGTH_M, VAN_WIDTH_M, VAN_HEIGHT_M = 5.2, 2.0, 2.3
WHEEL_RADIUS_M = 0.37
SHADOW_DEPTH = 1 - SHADE
OCTAGON = [(cos(turn * pi / 4), sin(turn * pi / 4)) for turn in range(8)]


@dataclass(frozen=True)
class Appearance:
    """Appearance of a pedestrian."""

    stature_m: float
    shirt: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    coat: bool
    bag: Colour | None


SHIRTS = [
    (46, 62, 92), (132, 46, 44), (206, 200, 188), (58, 84, 66), (36, 36, 40), (94, 112, 140),
    (150, 116, 72), (104, 70, 98), (176, 156, 64), (84, 86, 92),
]  # fmt: skip
TROUSERS = [(40, 46, 64), (30, 30, 34), (92, 82, 68), (66, 72, 84), (122, 112, 96)]
SKINS = [(222, 184, 158), (196, 150, 120), (140, 98, 74), (96, 66, 50)]
HAIRS = [(42, 32, 26), (26, 24, 24), (98, 70, 44), (150, 124, 84), (128, 126, 124)]


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Random appearance of a pedestrian."""

    def one_of(colours: list[tuple[int, int, int]]) -> Colour:
        return colours[int(rng.integers(len(colours)))]

    return Appearance(
        stature_m=float(np.clip(rng.normal(1.72, 0.08), 1.52, 1.92)),
        shirt=lit(one_of(SHIRTS), float(rng.uniform(0.85, 1.15))),
        trousers=one_of(TROUSERS),
        skin=one_of(SKINS),
        hair=one_of(HAIRS),
        coat=bool(rng.uniform() < 0.3),
        bag=one_of(SHIRTS) if rng.uniform() < 0.4 else None,
    )


@dataclass(frozen=True)
class Pose:
    """Position, heading and gait of a pedestrian.

    Attributes:
        right: Metres to the right of the camera.
        away: Metres away from the camera.
        heading: Direction of the walk, in radians: 0 to the right, pi / 2 away from the camera.
        walked_m: Distance walked, which gives the phase of the gait.
        stands: True while both feet stand on the ground.
    """

    right: float
    away: float
    heading: float
    walked_m: float
    stands: bool = False


def draw_pedestrian(canvas: Picture, scene: Scenery, view: PinholeCamera, who: Appearance, pose: Pose) -> None:
    """Draw a pedestrian and the shadow, behind scenery that stands nearer."""
    scale = view.px_per_m(pose.away)
    foot = view.project([(pose.right, pose.away, 0.0)])[0]
    half, tall, below = 0.5 * scale + 3, (who.stature_m * 1.08) * scale + 3, 0.3 * scale + 3
    sprite = _Sprite(
        view,
        left=int(foot[0] - half),
        top=int(foot[1] - tall),
        width=int(2 * half) + 2,
        height=int(tall + below) + 2,
        detail=2 if scale > 45 else 3 if scale > 25 else 4,
    )
    _draw_body(sprite, who, pose)
    column = int(np.clip(foot[0], 0, view.width - 1))
    row = int(np.clip(foot[1], 0, view.height - 1))
    picture = sprite.picture(light=SHADE + 0.08 + (0.92 - SHADE) * float(scene.sunlight[row, column]))
    _cast_shadow(canvas, scene, picture, sprite, foot, pose.away)
    _blend(canvas, scene.depth_m, picture, sprite.left, sprite.top, pose.away)


class _Sprite:
    """Patch of a picture with alpha, drawn `detail` times larger than its final size."""

    def __init__(self, view: PinholeCamera, left: int, top: int, width: int, height: int, detail: int) -> None:
        self.view, self.left, self.top, self.detail = view, left, top, detail
        self.size = (width, height)
        self.rgba = np.zeros((height * detail, width * detail, 4), np.uint8)

    def corners(self, points: list[Point]) -> NDArray[np.int32]:
        """Pixels of the patch, in OpenCV's fixed-point format, of points on the plaza."""
        # Plain Python in one step is faster here: this runs two hundred times a picture.
        unit = self.detail << FIXED_BITS
        focal = self.view.focal_px * unit
        left, top = (self.view.width / 2 - self.left) * unit, (self.view.horizon_px - self.top) * unit
        return np.array(
            [
                (round(left + focal * right / away), round(top + focal * (CAMERA_HEIGHT_M - up) / away))
                for right, away, up in points
            ],
            np.int32,
        )

    def limb(self, points: list[Point], width_m: float, colour: Colour) -> None:
        """Draw a stroke with round joints."""
        scale = self.view.px_per_m(points[0][1]) * self.detail
        thick = max(1, round(width_m * scale))
        cv2.polylines(self.rgba, [self.corners(points)], False, (*colour, 255), thick, cv2.LINE_8, FIXED_BITS)

    def hull(self, points: list[Point], colour: Colour) -> None:
        """Draw the filled convex outline of a solid."""
        outline = cv2.convexHull(self.corners(points))
        cv2.fillConvexPoly(self.rgba, outline, (*colour, 255), cv2.LINE_8, FIXED_BITS)

    def polygon(self, points: list[Point], colour: Colour) -> None:
        """Draw a flat face."""
        cv2.fillPoly(self.rgba, [self.corners(points)], (*colour, 255), cv2.LINE_8, FIXED_BITS)

    def ball(self, centre: Point, radius_m: float, colour: Colour) -> None:
        """Draw a sphere."""
        radius = round(radius_m * self.view.px_per_m(centre[1]) * self.detail * (1 << FIXED_BITS))
        spot = self.corners([centre])[0].tolist()
        cv2.circle(self.rgba, spot, radius, (*colour, 255), -1, cv2.LINE_8, FIXED_BITS)

    def picture(self, light: float) -> Floats:
        """Patch (H, W, 4) at its final size: premultiplied colour 0..255, scaled by `light`, and alpha 0..1."""
        small = cv2.resize(self.rgba, self.size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small *= np.array((light, light, light, 1 / 255), np.float32)
        return small


def _draw_body(sprite: _Sprite, who: Appearance, pose: Pose) -> None:
    """Draw a body from far to near: far limbs, near leg, trunk and head, bag, near arm."""
    ahead, aside = (cos(pose.heading), sin(pose.heading)), (-sin(pose.heading), cos(pose.heading))
    tall = who.stature_m
    phase = 2 * pi * pose.walked_m / (STRIDE_OF_STATURE * tall)
    legs = [_leg(phase + turn, pose.stands) for turn in (0.0, pi)]
    sink = min(joint[1] for leg in legs for joint in leg[2:]) - 0.012  # the lower foot stays on the ground

    def at(forward: float, side: float, up: float) -> Point:
        return (
            pose.right + tall * (forward * ahead[0] + side * aside[0]),
            pose.away + tall * (forward * ahead[1] + side * aside[1]),
            tall * up,
        )

    near = -1 if aside[1] > 0 else 1  # the side that is towards the camera
    sides = [(-near, 0), (near, 1)]

    def leg(side: int, which: int, light: float) -> None:
        joints = [at(a, 0.048 * side, h - sink) for a, h in legs[which]]
        sprite.limb(joints[:2], 0.098 * tall, lit(who.trousers, light))
        sprite.limb(joints[1:3], 0.072 * tall, lit(who.trousers, light * 0.96))
        sprite.limb(joints[2:], 0.05 * tall, lit((44, 38, 36), light))

    def arm(side: int, which: int, light: float) -> None:
        swing = 0.0 if pose.stands else -0.45 * sin(phase + which * pi)
        elbow = (0.17 * sin(swing), 0.79 - 0.17 * cos(swing))
        hand = (elbow[0] + 0.15 * sin(swing + 0.35), elbow[1] - 0.15 * cos(swing + 0.35))
        joints = [at(a, (0.125 + 0.012 * i) * side, h - sink) for i, (a, h) in enumerate([(0, 0.79), elbow, hand])]
        sprite.limb(joints[:2], 0.062 * tall, lit(who.shirt, light))
        sprite.limb(joints[1:], 0.05 * tall, lit(who.shirt, light * 0.97))
        sprite.ball(joints[2], 0.028 * tall, lit(who.skin, light))

    leg(*sides[0], light=0.72)
    arm(*sides[0], light=0.7)
    leg(*sides[1], light=1.0)
    _draw_trunk(sprite, who, at, sink)
    if who.bag is not None:
        bag = [at(a, b, h - sink) for a in (-0.15, -0.06) for b in (-0.075, 0.075) for h in (0.59, 0.78)]
        if sin(pose.heading) > -0.3:  # on the back: hidden when the pedestrian walks towards the camera
            sprite.hull(bag, lit(who.bag, 0.85))
    arm(*sides[1], light=1.05)


def _draw_trunk(sprite: _Sprite, who: Appearance, at: BodyToPlaza, sink: float) -> None:
    """Draw hips, coat or shirt with a sunny side, neck and head."""
    tall = who.stature_m
    hem = 0.36 if who.coat else 0.5

    def ring(up: float, wide: float, deep: float) -> list[Point]:
        return [at(deep * forward, wide * side, up - sink) for forward, side in OCTAGON]

    sprite.hull(ring(0.47, 0.085, 0.06) + ring(0.54, 0.088, 0.065), lit(who.trousers, 0.95))
    sprite.hull(ring(hem, 0.09 if who.coat else 0.084, 0.068) + ring(0.63, 0.088, 0.066), who.shirt)
    sprite.hull(ring(0.6, 0.088, 0.066) + ring(0.79, 0.122, 0.062) + ring(0.825, 0.085, 0.045), who.shirt)
    right, away, _ = at(0, 0, 0)
    sunny = [(right - 0.055 * tall, away, tall * (up - sink)) for up in (hem + 0.03, 0.78)]
    sprite.limb(sunny, 0.06 * tall, lit(who.shirt, 1.16))
    sprite.limb([at(0.005, 0, 0.81 - sink), at(0.012, 0, 0.88 - sink)], 0.05 * tall, lit(who.skin, 0.85))
    sprite.ball(at(0.0, 0, 0.937 - sink), 0.062 * tall, who.hair)
    if at(1, 0, 0)[1] < away + 0.75 * tall:  # not walking away: the face shows
        sprite.ball(at(0.026, 0, 0.922 - sink), 0.05 * tall, who.skin)


def _leg(phase: float, stands: bool) -> list[tuple[float, float]]:
    """Hip, knee, ankle and toe as (forward, up), in statures; the knee bends while the leg swings forward."""
    swing = 0.03 if stands else HIP_SWING * sin(phase)
    bend = 0.04 if stands else 0.1 + 0.95 * max(0.0, cos(phase + 0.4)) ** 1.5
    knee = (0.245 * sin(swing), 0.52 - 0.245 * cos(swing))
    shin = swing - bend
    ankle = (knee[0] + 0.245 * sin(shin), knee[1] - 0.245 * cos(shin))
    pitch = -0.1 + (0.9 * shin if shin < 0 else 0.5 * shin)  # the heel rises behind, the toe in front
    return [(0.0, 0.52), knee, ankle, (ankle[0] + 0.1 * cos(pitch), ankle[1] + 0.1 * sin(pitch))]


@dataclass(frozen=True)
class VanPose:
    """Position of the van's tail, right and away in metres; the van drives to the right."""

    tail: float
    away: float


def draw_van(canvas: Picture, scene: Scenery, view: PinholeCamera, pose: VanPose) -> None:
    """Draw a delivery van and its shadow."""

    def at(along: float, side: float, up: float) -> Point:
        return pose.tail + along, pose.away + side * VAN_WIDTH_M / 2, up

    _van_shadow(canvas, scene, view, at)
    ends = view.project([at(a, b, h) for a in (0, VAN_LENGTH_M) for b in (-1, 1) for h in (0, VAN_HEIGHT_M)])
    left, top = np.floor(ends.min(axis=0)).astype(int) - 3
    right, bottom = np.ceil(ends.max(axis=0)).astype(int) + 6
    sprite = _Sprite(view, int(left), int(top), int(right - left), int(bottom - top), detail=2)
    _draw_van_body(sprite, at, pose)
    _blend(canvas, scene.depth_m, sprite.picture(light=1.0), sprite.left, sprite.top, pose.away - VAN_WIDTH_M / 2)


VAN_BODY: Colour = (226, 168, 38)
GLASS: Colour = (44, 54, 64)
# Side outline from the tail: along and up, in metres.
VAN_OUTLINE = [(0.0, 0.4), (0.0, 2.2), (0.12, 2.3), (3.5, 2.3), (4.25, 1.5), (5.05, 1.2), (5.2, 0.85), (5.2, 0.4)]


def _draw_van_body(sprite: _Sprite, at: BodyToPlaza, pose: VanPose) -> None:
    def across(start: tuple[float, float], end: tuple[float, float], inset: float = 1.0) -> list[Point]:
        return [
            at(start[0], -inset, start[1]),
            at(end[0], -inset, end[1]),
            at(end[0], inset, end[1]),
            at(start[0], inset, start[1]),
        ]

    def side(*outline: tuple[float, float]) -> list[Point]:
        return [at(along, -1, up) for along, up in outline]

    sprite.hull(
        [at(a, b, 0.36) for a in (0.1, 5.1) for b in (-0.9, 0.9)] + side((0.1, 0.2), (5.1, 0.2)), (22, 22, 24)
    )
    tail_shows, front_shows = pose.tail > 0, pose.tail + VAN_LENGTH_M < 0
    if tail_shows:
        sprite.polygon(across((0.0, 0.4), (0.0, 2.3)), lit(VAN_BODY, 0.66))
        sprite.polygon(across((0.0, 1.3), (0.0, 1.95), 0.8), GLASS)
        for edge in (-0.95, 0.75):
            sprite.polygon(
                [at(0, edge + b, h) for b, h in ((0, 0.8), (0.2, 0.8), (0.2, 1.15), (0, 1.15))], (168, 30, 26)
            )
    if front_shows:
        sprite.polygon(across((5.2, 0.4), (5.2, 0.9)), lit(VAN_BODY, 0.74))
        sprite.polygon(across((5.2, 0.45), (5.2, 0.7), 0.7), (40, 40, 42))
        for edge in (-0.95, 0.65):
            sprite.polygon(
                [at(5.2, edge + b, h) for b, h in ((0, 0.7), (0.3, 0.7), (0.3, 0.9), (0, 0.9))], (240, 236, 214)
            )
    sprite.polygon(across((0.06, 2.3), (3.5, 2.3)), lit(VAN_BODY, 1.2))
    sprite.polygon(across((0.5, 2.31), (2.9, 2.31), 0.7), lit(VAN_BODY, 1.1))
    if pose.tail + 3.9 < 6:
        sprite.polygon(across((3.5, 2.3), (4.25, 1.5)), GLASS)
    sprite.polygon(across((4.25, 1.5), (5.05, 1.2)), lit(VAN_BODY, 1.08))
    sprite.polygon(side(*VAN_OUTLINE), lit(VAN_BODY, 0.9))
    sprite.polygon(side((0.0, 0.4), (5.2, 0.4), (5.2, 0.62), (0.0, 0.62)), lit(VAN_BODY, 0.6))
    sprite.polygon(side((0.0, 1.0), (3.2, 1.0), (3.0, 1.32), (0.0, 1.32)), (176, 42, 34))
    sprite.polygon(side((0.55, 1.48), (2.5, 1.48), (2.5, 2.0), (0.55, 2.0)), (238, 234, 222))
    for stroke in range(4):
        start = 0.75 + 0.42 * stroke
        sprite.polygon(side((start, 1.6), (start + 0.28, 1.6), (start + 0.28, 1.88), (start, 1.88)), (60, 70, 108))
    sprite.polygon(side((3.15, 1.4), (4.2, 1.4), (3.55, 2.12), (3.15, 2.12)), GLASS)
    sprite.limb(side((3.08, 0.6), (3.08, 2.2)), 0.03, lit(VAN_BODY, 0.55))
    sprite.limb(side((4.2, 0.7), (4.2, 1.42)), 0.03, lit(VAN_BODY, 0.55))
    sprite.polygon(side((4.95, 0.78), (5.2, 0.78), (5.18, 1.0), (4.95, 1.0)), (236, 228, 200))
    turned = pose.tail / WHEEL_RADIUS_M
    for axle in (1.0, 4.25):
        _wheel(sprite, at, axle, turned)


def _wheel(sprite: _Sprite, at: BodyToPlaza, axle: float, turned: float) -> None:
    def disc(radius: float) -> list[Point]:
        return [
            at(axle + radius * cos(t), -1.01, WHEEL_RADIUS_M + radius * sin(t)) for t in np.arange(0, 2 * pi, pi / 12)
        ]

    sprite.polygon(disc(WHEEL_RADIUS_M + 0.07), (30, 26, 22))
    sprite.polygon(disc(WHEEL_RADIUS_M), (24, 24, 26))
    sprite.polygon(disc(0.22), (158, 158, 162))
    for spoke in np.arange(0, 2 * pi, pi / 2.5):
        tip = (axle + 0.19 * cos(spoke - turned), WHEEL_RADIUS_M + 0.19 * sin(spoke - turned))
        sprite.limb([at(axle, -1.01, WHEEL_RADIUS_M), at(tip[0], -1.01, tip[1])], 0.05, (84, 84, 90))


def _van_shadow(canvas: Picture, scene: Scenery, view: PinholeCamera, at: BodyToPlaza) -> None:
    to_right, to_away = SUN_SHADOW
    ground = []
    for along in (0.0, VAN_LENGTH_M):
        for side in (-1.0, 1.0):
            for up in (0.0, 1.2 if along else VAN_HEIGHT_M):
                right, away, _ = at(along, side, up)
                ground.append((right + to_right * up, away + to_away * up, 0.0))
    pixels = view.project(ground)
    left, top = np.floor(pixels.min(axis=0)).astype(int) - 6
    right, bottom = np.ceil(pixels.max(axis=0)).astype(int) + 6
    mask = np.zeros((bottom - top, right - left), np.uint8)
    outline = cv2.convexHull(fixed(pixels - (left, top)))
    cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_8, FIXED_BITS)
    _darken(canvas, scene, mask, int(left), int(top), blur_px=1.8)


def _cast_shadow(
    canvas: Picture, scene: Scenery, picture: Floats, sprite: _Sprite, foot: NDArray[np.float64], away: float
) -> None:
    """Draw a figure's shadow: the figure's outline, projected on the ground away from the sun and blurred."""
    to_right, to_away = SUN_SHADOW
    # The shadow of a point h pixels above the foot lies h * to_right pixels to the right and h * rise pixels up.
    rise = to_away * CAMERA_HEIGHT_M / (away + 0.4)
    width, height = sprite.size
    foot_y = float(foot[1]) - sprite.top
    border = 4
    shift_x, shift_y = border, int(foot_y - rise * foot_y) - border
    affine = np.array([[1, -to_right, to_right * foot_y + shift_x], [0, rise, foot_y - rise * foot_y - shift_y]])
    size = (int(width + to_right * height) + 2 * border, int(rise * height + border + height - foot_y) + border)
    mask = cv2.warpAffine((picture[..., 3] * 255).astype(np.uint8), affine, size).astype(np.uint8)
    _darken(canvas, scene, mask, sprite.left - shift_x, sprite.top + shift_y, blur_px=0.8 + 0.012 * height)


def _darken(canvas: Picture, scene: Scenery, mask: NDArray[np.uint8], left: int, top: int, blur_px: float) -> None:
    """Remove the sunlight from sunny ground under the blurred mask."""
    rows, columns, inner = _overlap(canvas.shape, mask.shape, left, top)
    sun = scene.sunlight[rows, columns] * np.isinf(scene.depth_m[rows, columns])
    light = 1 - (SHADOW_DEPTH / 255) * cv2.GaussianBlur(mask, (0, 0), blur_px)[inner] * sun
    part = canvas[rows, columns]
    part[:] = part * light[..., None]


def _blend(canvas: Picture, depth_m: Floats, picture: Floats, left: int, top: int, away: float) -> None:
    """Blend a premultiplied picture over the canvas where no scenery stands nearer."""
    rows, columns, inner = _overlap(canvas.shape, picture.shape, left, top)
    shown = picture[inner] * (depth_m[rows, columns] >= away)[..., None]
    part = canvas[rows, columns]
    part[:] = np.minimum(part * (1 - shown[..., 3:]) + shown[..., :3], 255)


def _overlap(
    canvas: tuple[int, ...], patch: tuple[int, ...], left: int, top: int
) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns of the canvas that a patch at (left, top) covers, and the covering part of the patch."""
    first_row, last_row = max(0, top), max(0, min(canvas[0], top + patch[0]))
    first_column, last_column = max(0, left), max(0, min(canvas[1], left + patch[1]))
    last_row, last_column = max(first_row, last_row), max(first_column, last_column)
    inner = (slice(first_row - top, last_row - top), slice(first_column - left, last_column - left))
    return slice(first_row, last_row), slice(first_column, last_column), inner
