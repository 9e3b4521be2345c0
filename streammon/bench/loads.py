"""Throughput of the live scorer with frames from memory, and peak memory of the process."""

import itertools
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from streammon.config import Config, ModelConfig
from streammon.ingest import LatestFrames
from streammon.live.scenes import Outcome
from streammon.live.scorer import ScorerThread
from streammon.padim import Backbone
from streammon.records import Frame, ScoredFrame


@dataclass(frozen=True)
class CameraLoad:
    """Throughput of the live scorer with a number of cameras, each with its own scene and always an unread frame.

    Attributes:
        method: `padim` or `motion`.
        cameras: Number of cameras.
        frames_per_s: Frames scored a second over all cameras, from decoded frame to frame score.
        frames_per_s_each: Frames scored a second for each camera.
    """

    method: str
    cameras: int
    frames_per_s: float
    frames_per_s_each: float


def camera_load(
    count: int, frames: list[Frame], backbone: Backbone, model: ModelConfig, scenes: Path, seconds: float
) -> CameraLoad:
    """Measure the throughput of the live scorer's thread, with one bank in memory for each camera.

    Args:
        count: Number of cameras.
        frames: Frames with details, which every camera repeats.
        backbone: Backbone of the scorer.
        model: Method and backbone.
        scenes: Folder with the scene `camera0`, which is linked for all other cameras.
        seconds: Duration of the measurement.
    """
    names = [f"camera{number}" for number in range(count)]
    for name in names[1:]:
        if not (scenes / name).exists():
            (scenes / name).symlink_to(scenes / names[0])
    values = {"cameras": {name: {"url": "-"} for name in names}, "scenes": scenes, "model": model.model_dump()}
    latest, errors = LatestFrames(), list[BaseException]()
    began, ended = threading.Event(), threading.Event()
    scored, numbers = 0, itertools.count()

    def deliver(outcomes: list[Outcome]) -> None:
        nonlocal scored
        scored += len(outcomes)
        began.set()
        for outcome in outcomes:
            if isinstance(outcome, ScoredFrame):  # each scene has its bank, so every outcome is a score
                put(outcome.camera)

    def put(name: str) -> None:
        number = next(numbers)
        frame = frames[number % len(frames)]
        latest.put_nowait(
            Frame(name, number, frame.picture, frame.source_size, number / 25, time.time(), frame.detail)
        )

    def failed(error: BaseException) -> None:
        errors.append(error)
        ended.set()
        began.set()

    scorer = ScorerThread(Config.parse(values, "bench"), backbone, latest, deliver, failed)
    for name in names:
        put(name)
    scorer.start()
    began.wait()  # until the scenes are loaded and the network is compiled
    began_s, scored_before = time.perf_counter(), scored
    ended.wait(seconds)
    fps = (scored - scored_before) / (time.perf_counter() - began_s)
    scorer.stop()
    scorer.join(10.0)
    if errors:
        raise errors[0]
    return CameraLoad(model.method, count, round(fps, 2), round(fps / count, 3))


class PeakMemory:
    """Context manager that samples the resident memory of the process.

    Attributes:
        mb: Largest resident memory so far, in megabytes.
    """

    def __enter__(self) -> "PeakMemory":
        self.mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.02):
            self.mb = max(self.mb, process.memory_info().rss / 1e6)
