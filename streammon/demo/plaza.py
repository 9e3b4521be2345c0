"""Synthetic video of a plaza where people walk; at a chosen time a van drives across.

All randomness comes from one seed, so the same arguments give the same pictures. The abnormal frames are known.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, hypot
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.demo.figures import (
    VAN_LENGTH_M,
    VAN_WIDTH_M,
    Appearance,
    Pose,
    VanPose,
    draw_pedestrian,
    draw_van,
    random_appearance,
)
from streammon.demo.scenery import PinholeCamera, scenery
from streammon.records import Picture

CROSSING_S = 6.0  # duration of the van's drive from one edge of the picture to the other
VAN_AWAY_M = 16.8
ARRIVAL_EVERY_S = 1.6  # mean time between new pedestrians, so short that 36 s contain nearly all normal motion
WARM_UP_S = 36.0  # duration of the longest walk, so that the plaza is as busy at the first picture as later
NOISE_SIGMA = 2.3  # grey levels of 255, as of a small sensor by daylight
NOISE_ZERO = 128
NOISE_TILES = 6
NOISE_SHIFT_PX = 64
BITRATE_KBPS = 1200

# Pedestrians' routes: corners (right, away) in metres, from an edge to another edge or a door, walked both ways.
ROUTES = [
    [(-9.3, 12.6), (9.3, 12.1)],
    [(-15.5, 21.9), (15.5, 21.5)],
    [(-4.0, 43.2), (-1.0, 36.0), (10.4, 13.2)],
    [(8.0, 43.2), (-9.6, 13.0)],
    [(-14.0, 37.0), (-6.0, 31.8), (20.5, 30.4)],
    [(2.9, 5.4), (2.0, 22.0), (-0.6, 43.2)],
]


def is_abnormal(time_s: float, anomaly_at_s: float | None) -> bool:
    """True while the van is in the picture.

    >>> [is_abnormal(t, anomaly_at_s=60.0) for t in (59.9, 60.0, 65.9, 66.0)]
    [False, True, True, False]
    """
    return anomaly_at_s is not None and anomaly_at_s <= time_s < anomaly_at_s + CROSSING_S


@dataclass(eq=False)
class _Walker:
    """Pedestrian on a route.

    Attributes:
        who: Appearance of the pedestrian.
        corners: (N, 2) corners of the route, right and away in metres.
        speed_mps: Walking speed.
        starts_s: Time at which the walk starts.
        walked_m: Distance walked so far.
        waits: True while the pedestrian lets the van pass.
    """

    who: Appearance
    corners: NDArray[np.float64]
    speed_mps: float
    starts_s: float
    walked_m: float = 0.0
    waits: bool = False

    def place(self, walked_m: float) -> tuple[float, float, float] | None:
        """Right, away and heading after `walked_m` metres; None beyond the end of the route."""
        for here, there in zip(self.corners[:-1], self.corners[1:], strict=True):
            step = (float(there[0] - here[0]), float(there[1] - here[1]))
            along = hypot(*step)
            if walked_m < along:
                part = walked_m / along
                return float(here[0] + part * step[0]), float(here[1] + part * step[1]), atan2(step[1], step[0])
            walked_m -= along
        return None


def plaza_pictures(
    *,
    seconds: float,
    fps: int = 12,
    size: tuple[int, int] = (640, 360),
    seed: int = 7,
    anomaly_at_s: float | None = None,
) -> Iterator[Picture]:
    """Pictures of the camera, (H, W, 3) uint8 RGB, in order; picture n is taken at n / fps seconds.

    Two runs that differ only in `anomaly_at_s` give equal pictures until the earlier van enters.
    """
    view = PinholeCamera(*size)
    stage, people, sensor, weather = np.random.default_rng(seed).spawn(4)
    scene = scenery(view, stage)
    walkers = _arrivals(people, seconds)
    tiles = _noise_tiles(view, sensor)
    flicker, beat = 0.0, float(weather.uniform(0, 2 * np.pi))
    for number in range(round(seconds * fps)):
        time_s = number / fps
        van = _van_pose(time_s, anomaly_at_s, view)
        canvas = scene.picture.copy()
        figures: list[tuple[float, _Walker | VanPose, Pose | None]] = []
        for walker in walkers:
            pose = _advance(walker, time_s, 1 / fps, van)
            if pose is not None:
                figures.append((pose.away, walker, pose))
        if van is not None:
            figures.append((van.away, van, None))
        for _, figure, pose in sorted(figures, key=lambda entry: -entry[0]):
            if isinstance(figure, VanPose):
                draw_van(canvas, scene, view, figure)
            elif pose is not None:
                draw_pedestrian(canvas, scene, view, figure.who, pose)
        flicker = 0.7 * flicker + float(weather.normal(0, 0.0028))
        gain = 1 + 0.035 * np.sin(2 * np.pi * time_s / 41 + beat) + flicker
        yield _exposed(canvas, gain, tiles, sensor)


def render_plaza(
    path: Path,
    *,
    seconds: float,
    fps: int = 12,
    size: tuple[int, int] = (640, 360),
    seed: int = 7,
    anomaly_at_s: float | None = None,
) -> None:
    """Encode the pictures to a file as a surveillance camera would: H.264, a keyframe each second, no B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "superfast", "tune": "zerolatency"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BITRATE_KBPS * 1000
        stream.codec_context.gop_size = fps
        stream.codec_context.max_b_frames = 0
        stream.codec_context.time_base = Fraction(1, fps)

        def encode(number: int, picture: Picture) -> None:
            yuv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))

        pictures = plaza_pictures(seconds=seconds, fps=fps, size=size, seed=seed, anomaly_at_s=anomaly_at_s)
        with ThreadPoolExecutor(1, thread_name_prefix="plaza-encoder") as encoder:  # x264 encodes while Python draws
            encoded: Future[None] | None = None
            for number, picture in enumerate(pictures):
                if encoded is not None:
                    encoded.result()
                encoded = encoder.submit(encode, number, picture)
            if encoded is not None:
                encoded.result()
        container.mux(stream.encode(None))


def _arrivals(rng: np.random.Generator, seconds: float) -> list[_Walker]:
    """Pedestrians and their start times: each route in each direction equally often, so a minute has them all."""
    walkers: list[_Walker] = []
    time_s = -WARM_UP_S
    while time_s < seconds:
        for choice in rng.permutation(2 * len(ROUTES)):
            corners = np.array(ROUTES[choice // 2], dtype=np.float64)
            corners += rng.normal(0, 0.22, 2).clip(-0.5, 0.5)
            speed_mps = float(np.clip(rng.normal(1.36, 0.13), 1.05, 1.7))
            route = corners if choice % 2 else corners[::-1]
            walkers.append(_Walker(random_appearance(rng), route, speed_mps, time_s))
            time_s += ARRIVAL_EVERY_S * float(rng.uniform(0.5, 1.5))
    for walker in walkers:
        walker.walked_m = max(0.0, -walker.starts_s * walker.speed_mps)
    return walkers


def _advance(walker: _Walker, time_s: float, step_s: float, van: VanPose | None) -> Pose | None:
    """Current pose of a walker, None off the route; also advances the walker by a step unless the van is coming."""
    here = walker.place(walker.walked_m)
    if time_s < walker.starts_s or here is None:
        return None
    pose = Pose(*here, walked_m=walker.walked_m, stands=walker.waits)
    walker.waits = van is not None and _in_the_way(walker, van)
    if not walker.waits:
        walker.walked_m += walker.speed_mps * step_s
    return pose


def _in_the_way(walker: _Walker, van: VanPose) -> bool:
    """True if a walker at the edge of the van's lane would step into the lane while the van passes or approaches."""
    here, ahead = walker.place(walker.walked_m), walker.place(walker.walked_m + 0.4)
    if here is None or ahead is None:
        return False
    clear_m = VAN_WIDTH_M / 2 + 0.7
    approaches = abs(ahead[1] - van.away) < abs(here[1] - van.away)
    at_the_edge = clear_m <= abs(here[1] - van.away) < clear_m + 0.6
    from_tail = here[0] - van.tail
    return approaches and at_the_edge and -1.0 < from_tail < VAN_LENGTH_M + 13.0


def _van_pose(time_s: float, anomaly_at_s: float | None, view: PinholeCamera) -> VanPose | None:
    """Pose of the van, which crosses the picture within `CROSSING_S` of `anomaly_at_s`; None before and after."""
    if anomaly_at_s is None or not is_abnormal(time_s, anomaly_at_s):
        return None
    edge = view.half_width_m(VAN_AWAY_M + VAN_WIDTH_M / 2) + 1.0
    start, end = -edge - VAN_LENGTH_M, edge
    return VanPose(start + (end - start) * (time_s - anomaly_at_s) / CROSSING_S, VAN_AWAY_M)


def _noise_tiles(view: PinholeCamera, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Tiles of sensor noise around `NOISE_ZERO`, made once: new noise per picture would take longer than drawing."""
    shape = (view.height + NOISE_SHIFT_PX, view.width + NOISE_SHIFT_PX)
    tiles = []
    for _ in range(NOISE_TILES):
        luma = rng.normal(NOISE_ZERO, NOISE_SIGMA, (*shape, 1))
        chroma = cv2.GaussianBlur(rng.normal(0, NOISE_SIGMA * 1.6, (*shape, 3)), (0, 0), 0.8)
        tiles.append(np.rint(luma + chroma).clip(0, 255).astype(np.uint8))
    return tiles


def _exposed(canvas: Picture, gain: float, tiles: list[NDArray[np.uint8]], rng: np.random.Generator) -> Picture:
    """Picture of the canvas multiplied by `gain`, plus a random window of a random noise tile."""
    height, width = canvas.shape[:2]
    tile = tiles[int(rng.integers(len(tiles)))]
    top, left = (int(offset) for offset in rng.integers(0, NOISE_SHIFT_PX, 2))
    noise = tile[top : top + height, left : left + width]
    return np.asarray(cv2.addWeighted(canvas, gain, noise, 1.0, -NOISE_ZERO), np.uint8)
