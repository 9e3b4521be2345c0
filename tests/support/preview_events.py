"""Events as a monitor publishes them, and painted cameras, for the tests of the page."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from streammon.config import Config
from streammon.records import (
    Alert,
    AlertEvent,
    Box,
    CameraFigures,
    CameraState,
    CameraStatus,
    Channel,
    Event,
    ScoredFrame,
)

SIZE = (640, 360)
MAP = 32
THRESHOLD = 10.0
BASIS_S = 7200.0  # two hours of normal footage, where a day is asked for
ANOMALY = Box(400, 120, 120, 160, 24.0)
NAMES = ("lobby", "gate", "yard", "dock")


def config_of(*names: str, scenes: str = "scenes", **preview: Any) -> Config:
    """Cameras that nothing reads: their pictures and events come from the test."""
    cameras = {name: {"url": f"rtsp://127.0.0.1:9/{name}"} for name in names}
    return Config.parse({"cameras": cameras, "scenes": scenes, "preview": {"port": 0, **preview}}, "test")


def figures_of(config: Config) -> dict[str, CameraFigures]:
    now = time.time()
    return {name: CameraFigures(CameraStatus(name, CameraState.CONNECTING, now)) for name in config.cameras}


def online(camera: str, state: CameraState = CameraState.ONLINE, **more: Any) -> CameraStatus:
    return CameraStatus(camera, state, time.time(), **more)


def anomaly_map(ratio: float) -> NDArray[np.float32]:
    """(32, 32) calm everywhere, and `ratio` times the threshold where `ANOMALY` is."""
    calm = np.full((MAP, MAP), 0.3 * THRESHOLD, np.float32)
    left, right = ANOMALY.x * MAP // SIZE[0], (ANOMALY.x + ANOMALY.width) * MAP // SIZE[0]
    top, bottom = ANOMALY.y * MAP // SIZE[1], (ANOMALY.y + ANOMALY.height) * MAP // SIZE[1]
    calm[top:bottom, left:right] = ratio * THRESHOLD
    return calm


def scored(
    camera: str, ratio: float = 0.5, seq: int = 0, time_s: float | None = None, basis_s: float = BASIS_S
) -> ScoredFrame:
    now = time.time() if time_s is None else time_s
    level = 3 * (ratio - 1)
    return ScoredFrame(
        camera,
        camera,
        seq,
        now,
        seq / 5,
        ratio * THRESHOLD,
        level,
        THRESHOLD,
        anomaly_map(ratio),
        SIZE,
        basis_s=basis_s,
    )


def opened(
    camera: str,
    alert_id: str,
    ratio: float = 1.5,
    time_s: float | None = None,
    channel: Channel = Channel.LOOKS,
) -> Alert:
    now = time.time() if time_s is None else time_s
    score, level = ratio * THRESHOLD, 3 * (ratio - 1)
    return Alert(
        id=alert_id,
        event=AlertEvent.OPEN,
        part=0,
        camera=camera,
        scene=camera,
        opened_s=now - 0.6,
        time_s=now,
        closed_s=None,
        score=score,
        level=level,
        peak_score=score,
        peak_level=level,
        boxes=(ANOMALY,),
        channel=channel,
        basis_s=BASIS_S,
        provisional=True,
    )


def closed(alert: Alert, after_s: float = 5.0) -> Alert:
    end_s = alert.time_s + after_s
    return replace(alert, event=AlertEvent.CLOSE, part=alert.part + 1, time_s=end_s + 2, closed_s=end_s)


class PaintedCameras:
    """A thread that shows a painted picture of each camera, 15 times a second, and one that scores it 5 times.

    A light bar wanders, so that every picture differs from the one before. While a camera is in `abnormal`, a
    bright thing stands where `ANOMALY` is and the anomaly map says so.

    Args:
        names: The cameras.
        put_picture: Takes each picture, in the thread.
        on_event: Takes each score, on the event loop.
        scenery: Gives a camera's background; plain blocks by default.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        put_picture: Callable[[str, av.VideoFrame, float], None],
        on_event: Callable[[Event], None],
        scenery: Callable[[str], NDArray[np.uint8]] | None = None,
    ) -> None:
        self.abnormal: set[str] = set()
        self.ratios = dict.fromkeys(names, 0.5)
        self.basis_s = BASIS_S
        self._put_picture = put_picture
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._backgrounds = {name: (scenery or blocks)(name) for name in names}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="painted-cameras", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        began_s, number = time.monotonic(), 0
        while not self._stopping.wait(max(0.0, began_s + number / 15 - time.monotonic())):
            for name in self._backgrounds:
                self._put_picture(name, self._paint(name, number), number / 15)
                if number % 3 == 0:
                    ratio = 1.8 if name in self.abnormal else self.ratios[name]
                    score = scored(name, ratio, number // 3, basis_s=self.basis_s)
                    self._loop.call_soon_threadsafe(self._on_event, score)
            number += 1

    def _paint(self, name: str, number: int) -> av.VideoFrame:
        picture = self._backgrounds[name].copy()
        x = number * 4 % SIZE[0]
        picture[300:330, x : x + 40] = 210
        if name in self.abnormal:
            picture[ANOMALY.y : ANOMALY.y + ANOMALY.height, ANOMALY.x : ANOMALY.x + ANOMALY.width] = (70, 110, 120)
        return av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")


def blocks(name: str) -> NDArray[np.uint8]:
    """(360, 640, 3) calm grey blocks, of another shade for each name."""
    random = np.random.default_rng(list(name.encode()))
    shades = random.integers(70, 130, (9, 16, 1), np.uint8)
    return np.ascontiguousarray(np.kron(shades, np.ones((40, 40, 3), np.uint8)))
