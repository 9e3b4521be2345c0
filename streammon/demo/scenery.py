"""Static scenery of the plaza, and the projection of the camera."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from streammon.records import Picture

Floats: TypeAlias = NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]
Point: TypeAlias = tuple[float, float, float]
"""Metres right of the camera, away from the camera and above the ground."""

CAMERA_HEIGHT_M = 6.0
FOCAL_OF_WIDTH = 0.8125  # focal length over the picture's width: a field of view of 63 degrees
HORIZON_OF_HEIGHT = 0.055
SUN_SHADOW = (0.62, 0.42)  # shadow's metres to the right and away from the camera, per metre of height
SHADE = 0.56  # share of the light left in a shadow
SUPERSAMPLING = 2
SLAB_M = 0.9
JOINT_M = 0.035
BACK_WALL_M = 44.0
SIDE_WALL_X_M = -13.0
SIDE_WALL_FROM_M = 26.0
FIXED_BITS = 4  # fractional bits of OpenCV's fixed-point coordinates


@dataclass(frozen=True)
class PinholeCamera:
    """Level camera above the plaza with a downward shift of the picture, so that verticals stay vertical.

    >>> PinholeCamera(640, 360).project([(0.0, 52.0, 6.0)]).tolist()  # at the camera's height: on the horizon
    [[320.0, 19.8]]
    """

    width: int
    height: int

    @property
    def focal_px(self) -> float:
        """Focal length, in pixels."""
        return FOCAL_OF_WIDTH * self.width

    @property
    def horizon_px(self) -> float:
        """Row of the horizon."""
        return HORIZON_OF_HEIGHT * self.height

    def project(self, points: Iterable[Point]) -> NDArray[np.float64]:
        """Pixels (N, 2) of N points."""
        # Plain Python: most calls have two or three points, for which numpy's overhead is ten times the arithmetic.
        focal, middle, horizon = self.focal_px, self.width / 2, self.horizon_px
        return np.array(
            [
                (middle + focal * right / away, horizon + focal * (CAMERA_HEIGHT_M - up) / away)
                for right, away, up in points
            ]
        )

    def px_per_m(self, away: float) -> float:
        """Pixels of an upright metre at distance `away`."""
        return self.focal_px / away

    def half_width_m(self, away: float) -> float:
        """Half the width of the view at distance `away`, in metres."""
        return self.width / 2 / self.px_per_m(away)


@dataclass(frozen=True, eq=False)
class Scenery:
    """Static scenery, at the picture's size.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        depth_m: (H, W) distance of the standing object in each pixel; infinite without one, as on the ground.
        sunlight: (H, W) 0 in a shadow to 1 in the sun.
    """

    picture: Picture
    depth_m: Floats
    sunlight: Floats


def fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pixels in OpenCV's fixed-point format, for sub-pixel drawing."""
    return np.rint(points * (1 << FIXED_BITS)).astype(np.int32)


def lit(colour: Colour, light: float) -> Colour:
    """Colour multiplied by `light`, at most 255 a channel."""
    red, green, blue = colour
    return min(255.0, red * light), min(255.0, green * light), min(255.0, blue * light)


def scenery(view: PinholeCamera, rng: np.random.Generator) -> Scenery:
    """Paint the empty plaza, larger and then scaled down, so that edges are smooth."""
    painter = _Painter(PinholeCamera(view.width * SUPERSAMPLING, view.height * SUPERSAMPLING), rng)
    painter.ground()
    painter.shadows()
    painter.buildings()
    for box in sorted(BOXES, key=lambda box: -box.away):
        painter.box(box)
        if box.planted:
            painter.foliage((box.right, box.away, box.up + 0.25), (box.width / 2, 0.42), 130)
    for right, away in LAMPS:
        painter.lamp(right, away)
    for right, away, radius in TREES:
        painter.tree(right, away, radius)
    size = (view.width, view.height)
    picture = cv2.resize(painter.canvas.clip(0, 255), size, interpolation=cv2.INTER_AREA)
    return Scenery(
        picture=np.rint(picture).astype(np.uint8),
        depth_m=np.ascontiguousarray(painter.depth_m[::SUPERSAMPLING, ::SUPERSAMPLING]),
        sunlight=cv2.resize(painter.sunlight, size, interpolation=cv2.INTER_AREA).astype(np.float32),
    )


@dataclass(frozen=True)
class Cuboid:
    """Block that stands on the ground, or above the ground with `base`: a planter or a part of a bench."""

    right: float
    away: float
    width: float
    deep: float
    up: float
    colour: Colour
    base: float = 0.0
    planted: bool = False

    def corners(self, up: float) -> list[Point]:
        """Corners at height `up`: near left, near right, far right, far left."""
        half, deep = self.width / 2, self.deep / 2
        return [
            (self.right - half, self.away - deep, up),
            (self.right + half, self.away - deep, up),
            (self.right + half, self.away + deep, up),
            (self.right - half, self.away + deep, up),
        ]


STONE = (150.0, 146.0, 140.0)
WOOD = (126.0, 88.0, 56.0)


def _bench(right: float, away: float) -> list[Cuboid]:
    legs = [Cuboid(right + side, away, 0.12, 0.45, 0.42, (78, 78, 80)) for side in (-0.75, 0.75)]
    back = Cuboid(right, away + 0.28, 1.9, 0.07, 0.92, lit(WOOD, 0.9), base=0.55)
    return [*legs, Cuboid(right, away, 1.9, 0.5, 0.48, WOOD, base=0.41), back]


BOXES = [
    Cuboid(-9.6, 20.0, 2.8, 1.0, 0.55, STONE, planted=True),
    Cuboid(8.6, 25.6, 2.8, 1.0, 0.55, STONE, planted=True),
    Cuboid(-3.9, 14.3, 2.4, 0.9, 0.5, STONE, planted=True),
    *_bench(-7.4, 26.4),
    *_bench(5.6, 14.5),
    *_bench(11.6, 25.7),
]
LAMPS = [(-8.4, 23.9), (9.6, 19.4)]
TREES = [(12.5, 36.5, 2.6), (19.5, 38.0, 2.9), (-4.8, 36.2, 1.9)]
LAWN = (8.5, 33.0, 26.0, 42.0)  # left, near, right, far, in metres


class _Painter:
    """Paints one scenery, roughly from far to near."""

    def __init__(self, view: PinholeCamera, rng: np.random.Generator) -> None:
        self.view, self.rng = view, rng
        shape = (view.height, view.width)
        self.canvas: Floats = np.zeros((*shape, 3), np.float32)
        self.depth_m: Floats = np.full(shape, np.inf, np.float32)
        self.sunlight: Floats = np.ones(shape, np.float32)

    def ground(self) -> None:
        """Paint paving in running bond, a brick walk, a ring of pale stone and a lawn, with stains over all."""
        rows, columns = np.mgrid[0 : self.view.height, 0 : self.view.width].astype(np.float32)
        below = np.maximum(rows + 0.5 - self.view.horizon_px, 1.0)
        away = self.view.focal_px * CAMERA_HEIGHT_M / below
        right = (columns + 0.5 - self.view.width / 2) * away / self.view.focal_px

        row = np.floor(away / SLAB_M)
        bond = right / SLAB_M + 0.5 * (row % 2)
        tones = self.rng.normal(1.0, 0.055, (64, 64)).astype(np.float32)
        tone = tones[row.astype(int) % 64, np.floor(bond).astype(int) % 64]
        joint_away = _line_cover(away / SLAB_M % 1 * SLAB_M, away**2 / (self.view.focal_px * CAMERA_HEIGHT_M))
        joint_right = _line_cover(bond % 1 * SLAB_M, away / self.view.focal_px)
        tone *= 1 - 0.34 * np.maximum(joint_away, joint_right)

        colour = np.empty((*away.shape, 3), np.float32)
        colour[:] = (171, 165, 154)
        walk = np.abs(away - 21.7) < 1.35
        colour[walk] = (158, 128, 110)
        radius = np.hypot(right - 0.4, away - 29.0)
        colour[(radius < 4.6) & (radius > 3.7) | (radius < 1.3)] = (186, 178, 160)
        colour *= tone[..., None]

        left, near, far_right, far = LAWN
        inside = (right > left) & (right < far_right) & (away > near) & (away < far)
        kerb = (right > left - 0.35) & (right < far_right) & (away > near - 0.35) & (away < far) & ~inside
        blades = self.rng.normal(1.0, 0.10, away.shape).astype(np.float32)
        colour[inside] = np.array((92, 112, 62), np.float32) * blades[inside][:, None]
        colour[kerb] = (176, 172, 164)
        colour *= _stains(self.rng, right, away)[..., None]
        self.canvas[:] = colour * self.rng.normal(1.0, 0.018, away.shape).astype(np.float32)[..., None]

    def shadows(self) -> None:
        """Paint the shadows of the scenery on the ground, in one blurred layer."""
        to_right, to_away = SUN_SHADOW
        layer = np.zeros(self.sunlight.shape, np.uint8)
        tall = 8.5
        self._fill(
            layer,
            [
                (-60, SIDE_WALL_FROM_M, 0),
                (SIDE_WALL_X_M, SIDE_WALL_FROM_M, 0),
                (SIDE_WALL_X_M + tall * to_right, SIDE_WALL_FROM_M + tall * to_away, 0),
                (SIDE_WALL_X_M + tall * to_right, 60, 0),
                (-60, 60, 0),
            ],
        )
        for box in BOXES:
            ends = [*_cast(box.corners(box.base)), *_cast(box.corners(box.up))]
            outline = cv2.convexHull(fixed(self.view.project(ends)))
            cv2.fillConvexPoly(layer, outline, 255, cv2.LINE_8, FIXED_BITS)
        for right, away in LAMPS:
            line = fixed(self.view.project(_cast([(right, away, 0.0), (right, away, 4.6)])))
            cv2.polylines(layer, [line], False, 255, 3, cv2.LINE_8, FIXED_BITS)
        for right, away, radius in TREES:
            for _ in range(160):
                angle, reach = self.rng.uniform(0, 2 * np.pi), radius * np.sqrt(self.rng.uniform())
                spot = (right + 3.6 * to_right + reach * np.cos(angle), away + 3.6 * to_away + reach * np.sin(angle))
                self._disc(layer, spot, 0.34)
        soft = cv2.GaussianBlur(layer, (0, 0), 2.2).astype(np.float32) / np.float32(255)
        self.sunlight = np.float32(1) - soft
        self.canvas *= (1 - (1 - SHADE) * soft)[..., None] * (1 + soft[..., None] * _rgb((-0.03, 0.0, 0.05)))

    def buildings(self) -> None:
        """Paint the facade at the back and the house on the left."""
        away = BACK_WALL_M
        foot = int(self.view.project([(0, away, 0)])[0, 1])
        self._facade((slice(0, foot), slice(0, self.view.width)), away, (181, 158, 130))
        self._side_wall()
        near = SIDE_WALL_FROM_M
        foot_x, foot_y = self.view.project([(SIDE_WALL_X_M, near, 0)])[0]
        self._facade((slice(0, int(foot_y)), slice(0, int(foot_x))), near, (146, 124, 108))

    def _facade(self, part: tuple[slice, slice], away: float, colour: Colour) -> None:
        """Paint a wall across the view: a storey of windows over a row of shop fronts."""
        rows, columns = np.mgrid[part].astype(np.float32)
        right = (columns + 0.5 - self.view.width / 2) * away / self.view.focal_px
        up = CAMERA_HEIGHT_M - (rows + 0.5 - self.view.horizon_px) * away / self.view.focal_px
        wall = np.empty((*right.shape, 3), np.float32)
        wall[:] = colour
        wall *= _stains(self.rng, right * 1.3, up * 3 + 20)[..., None]
        wall[(up > 3.45) & (up < 3.75)] *= 1.12
        bay = right % 3.2
        shop, window = (
            (up > 0.45) & (up < 2.55) & (bay > 0.35) & (bay < 2.85),
            (up > 4.5) & (bay > 0.95) & (bay < 2.25),
        )
        window &= up < 6.6
        frame = (up > 4.35) & (up < 6.72) & (bay > 0.82) & (bay < 2.38)
        wall[frame] *= 1.16
        glass = _rgb((66, 78, 90)) * (0.75 + 0.12 * (up % 3.4))[..., None]
        glass *= (1 + 0.22 * np.sin(right * 1.7 + up))[..., None]
        wall[shop | window] = glass[shop | window]
        wall[(shop | window) & (np.abs(bay - 1.6) < 0.06)] = (150, 146, 140)
        awnings = _rgb([(140, 58, 48), (58, 84, 82), (168, 142, 88), (88, 78, 98)])
        awning = (up > 2.55) & (up < 3.2) & (bay > 0.15) & (bay < 3.05)
        stripes = 1 + 0.16 * np.sign(np.sin(right * 9))
        wall[awning] = (awnings[np.floor(right / 3.2).astype(int) % 4] * stripes[..., None])[awning]
        wall[up < 0.45] *= 0.72
        self.canvas[part] = wall
        self.depth_m[part] = away
        self.sunlight[part] = 1.0

    def _side_wall(self) -> None:
        """Paint the left house's wall that runs away from the camera, with windows, in shade."""
        base = _rgb((108, 93, 84))
        near, far = SIDE_WALL_FROM_M, BACK_WALL_M
        self._face([(SIDE_WALL_X_M, z, h) for z, h in ((near, 0), (far, 0), (far, 12), (near, 12))], base, far)
        for z in np.arange(near + 1.2, far - 1.6, 3.0):
            for low, high in ((0.5, 2.6), (4.4, 6.6)):
                opening = [(SIDE_WALL_X_M, a, h) for a, h in ((z, low), (z + 1.5, low), (z + 1.5, high), (z, high))]
                self._face([(x, a, h) for x, a, h in opening], _rgb((52, 58, 66)), far)
        self._face(
            [(SIDE_WALL_X_M, z, h) for z, h in ((near, 3.4), (far, 3.4), (far, 3.7), (near, 3.7))], base * 1.15, far
        )

    def box(self, box: Cuboid) -> None:
        """Paint the visible end, the near face and the lit top of a box."""
        low, high = box.corners(box.base), box.corners(box.up)
        colour = _rgb(box.colour)
        end = (1, 2) if box.right < 0 else (3, 0)
        self._face(
            [low[end[0]], low[end[1]], high[end[1]], high[end[0]]], colour * (0.6 if end == (1, 2) else 0.8), box.away
        )
        self._face([low[0], low[1], high[1], high[0]], colour * 0.86, box.away - box.deep / 2)
        self._face(high, colour * (0.45 if box.planted else 1.16), box.away)

    def foliage(self, centre: Point, half: tuple[float, float], leaves: int, light: float = 1.0) -> None:
        """Paint a bush or a crown of many small leaves, lighter on the sunny side."""
        scale = self.view.px_per_m(centre[1])
        for order in range(leaves):
            across, over = self.rng.normal(0, 0.42, 2).clip(-1, 1)
            point = (centre[0] + half[0] * across, centre[1], centre[2] + half[1] * over)
            spot = fixed(self.view.project([point]))[0].tolist()
            shine = light * (0.62 + 0.3 * order / leaves + 0.22 * (over - across) + self.rng.normal(0, 0.09))
            colour = lit((104, 128, 66), max(0.25, shine))
            size = max(1, round(scale * self.rng.uniform(0.07, 0.2) * max(1.0, half[1])))
            for layer, paint in ((self.canvas, colour), (self.depth_m, centre[1])):
                cv2.circle(layer, spot, size << FIXED_BITS, paint, -1, cv2.LINE_8, FIXED_BITS)

    def lamp(self, right: float, away: float) -> None:
        """Paint a post with a lantern."""
        for side, width, low, high, light in ((-0.02, 0.13, 0, 4.4, 58.0), (-0.06, 0.05, 0, 4.4, 92.0)):
            corners = [
                (right + side + s * width / 2, away, h) for s, h in ((-1, low), (1, low), (1, high), (-1, high))
            ]
            self._face(corners, _rgb((light, light, light + 4)), away)
        lantern = [(right + s, away, h) for s, h in ((-0.16, 4.3), (0.16, 4.3), (0.24, 4.8), (-0.24, 4.8))]
        self._face(lantern, _rgb((206, 202, 186)), away)
        self._face([(right + s, away, h) for s, h in ((-0.3, 4.8), (0.3, 4.8), (0, 5.0))], _rgb((60, 60, 64)), away)

    def tree(self, right: float, away: float, radius: float) -> None:
        """Paint a trunk and its crown."""
        trunk = [(right + s, away, h) for s, h in ((-0.2, 0), (0.2, 0), (0.13, 3.0), (-0.13, 3.0))]
        self._face(trunk, _rgb((86, 70, 56)), away)
        self.foliage((right, away, 2.4 + radius * 0.75), (radius, radius * 0.85), 420, light=0.95)

    def _face(self, corners: list[Point], colour: Floats, away: float) -> None:
        outline = fixed(self.view.project(corners))
        cv2.fillPoly(self.canvas, [outline], colour.tolist(), cv2.LINE_8, FIXED_BITS)
        cv2.fillPoly(self.depth_m, [outline], away, cv2.LINE_8, FIXED_BITS)

    def _fill(self, layer: Picture, corners: list[Point]) -> None:
        cv2.fillPoly(layer, [fixed(self.view.project(corners))], 255, cv2.LINE_8, FIXED_BITS)

    def _disc(self, layer: Picture, spot: tuple[float, float], radius: float) -> None:
        right, away = spot
        rim = [(right + radius * np.cos(a), away + radius * np.sin(a), 0.0) for a in np.linspace(0, 6.0, 9)]
        self._fill(layer, rim)


def _rgb(colour: ArrayLike) -> Floats:
    return np.array(colour, dtype=np.float32)


def _cast(corners: list[Point]) -> list[Point]:
    """Points on the ground where the shadows of `corners` fall."""
    to_right, to_away = SUN_SHADOW
    return [(x + to_right * up, z + to_away * up, 0.0) for x, z, up in corners]


def _line_cover(offset_m: Floats, pixel_m: Floats) -> Floats:
    """Share of each pixel that a joint covers, by the pixel's distance from the joint and the pixel's size."""
    distance = np.minimum(offset_m, SLAB_M - offset_m)
    cover = ((JOINT_M / 2 + pixel_m / 2 - distance) / pixel_m).clip(0, 1)
    return np.asarray(cover * np.minimum(1, JOINT_M / pixel_m), np.float32)


def _stains(rng: np.random.Generator, right: Floats, away: Floats) -> Floats:
    """Brightness factors around 1 of wear and dirt: smooth noise of three sizes, fixed to the surface."""
    texture = np.zeros((256, 256), np.float32)
    for cells, weight in ((9, 0.055), (34, 0.035), (120, 0.022)):
        rough = rng.normal(0, weight, (cells, cells)).astype(np.float32)
        texture += cv2.resize(rough, (256, 256), interpolation=cv2.INTER_CUBIC)
    wrapped = ((right * 4 + 128) % 256).astype(np.float32), (away * 4 % 256).astype(np.float32)
    return np.asarray(1 + cv2.remap(texture, *wrapped, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)
