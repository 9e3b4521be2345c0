"""`streammon bench --sustain`: the largest number of cameras that this machine scores without falling behind.

Each camera is a reader that decodes the footage at its own pace, in a loop, with a scene of its own, and one scorer
serves all of them, as in a running monitor. Redis, the page and the network are left out.
"""

import gc
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from rich.table import Table

from streammon.bench.machine import MeasuredOn, measured_on
from streammon.config import Config, ModelConfig
from streammon.ingest import CameraReader, LatestFrames, clips
from streammon.live.scenes import Outcome
from streammon.live.scorer import ScorerThread
from streammon.padim import INPUT_SIZE, Backbone
from streammon.records import ScoredFrame

RATES = (1.0, 5.0, 25.0)
"""Scored frames a second of each camera; a rate above that of the footage is left out."""

MOST_DROPPED = 0.01
MOST_CAMERAS = 256
FINEST_STEP = 1 / 16
"""Fraction of the number of cameras at which the search ends."""

RATE_FRAMES = 50
LONGEST_START_S = 20.0
SETTLE_S = 2.0
JOIN_S = 10.0

Learn = Callable[[Path, float], object]
"""Learns a scene of the footage into a folder, for a number of scored frames a second."""


@dataclass(frozen=True)
class SustainedLoad:
    """Measurement of one number of cameras.

    Attributes:
        cameras: Number of cameras.
        score_fps: Scored frames a second that each camera asks for.
        scored_per_s: Frames scored a second, of all cameras.
        dropped_share: Share of the frames asked for that was not scored.
        delay_s: Median, 95th and 99th percentile of the seconds from a picture's due time to its score.
        cores: Processor time used per second.
        memory_mb: Resident memory of the process.
    """

    cameras: int
    score_fps: float
    scored_per_s: float
    dropped_share: float
    delay_s: tuple[float, float, float]
    cores: float
    memory_mb: float

    @property
    def sustained(self) -> bool:
        """True if at most 1 % of the frames was dropped."""
        return self.dropped_share <= MOST_DROPPED


@dataclass(frozen=True, kw_only=True)
class SustainReport(MeasuredOn):
    """Largest sustained number of cameras at each rate, with all measurements.

    Attributes:
        method: `padim` or `motion`.
        largest: Largest number of cameras by scored frames a second of each; 0 if one camera is too much.
        loads: All measurements.
    """

    method: str
    largest: dict[str, int] = field(default_factory=dict)
    loads: list[SustainedLoad] = field(default_factory=list)

    def tables(self) -> tuple[Table, str]:
        """Table of the measurements, and a line on each rate."""
        table = Table(
            title=f"{self.method}, {self.backbone}, {self.engine} in {self.precision}", title_justify="left"
        )
        for name in ("frames/s each", "cameras", "frames/s", "dropped", "delay p50", "p95", "p99", "cores", "memory"):
            table.add_column(name, justify="right")
        for load in sorted(self.loads, key=lambda each: (each.score_fps, each.cameras)):
            table.add_row(
                f"{load.score_fps:g}",
                str(load.cameras),
                f"{load.scored_per_s:.1f}",
                f"{load.dropped_share:.1%}",
                *(f"{each:.2f} s" for each in load.delay_s),
                f"{load.cores:.2f}",
                f"{load.memory_mb:.0f} MB",
            )
        return table, "\n".join(self._line(float(rate), cameras) for rate, cameras in self.largest.items())

    def _line(self, score_fps: float, cameras: int) -> str:
        """Largest number of cameras at one rate, and by least squares the cores that one more camera takes."""
        found = f"at {score_fps:g} frames a second: {cameras} cameras"
        loads = [each for each in self.loads if each.score_fps == score_fps and each.sustained]
        if len({each.cameras for each in loads}) < 2:
            return found
        counts = [each.cameras for each in loads]
        cores = np.polyfit(counts, [each.cores for each in loads], 1)[0]
        return f"{found}; each takes {cores:.3f} cores"


def search_sustained(
    footage: Path, model: ModelConfig, backbone: Backbone, learn: Learn, seconds: float
) -> SustainReport:
    """Search the largest number of cameras at 1, 5 and 25 scored frames a second each.

    Args:
        footage: A video file, which every camera plays.
        model: Method and backbone.
        backbone: Backbone of the scorer.
        learn: Learns the cameras' scene.
        seconds: Duration of each measurement.
    """
    report = SustainReport(**measured_on(backbone), method=model.method)
    for score_fps in (each for each in RATES if each <= footage_fps(footage)):
        with TemporaryDirectory(prefix="streammon-bench-") as folder:
            scene = Path(folder) / "scene"
            learn(scene, score_fps)

            def measure(cameras: int, score_fps: float = score_fps, scene: Path = scene) -> bool:
                load = sustained_load(footage, cameras, score_fps, scene, model, backbone, seconds)
                report.loads.append(load)
                return load.sustained

            report.largest[f"{score_fps:g}"] = largest_sustained(measure)
    return report


def footage_fps(footage: Path) -> float:
    """Frames a second at the beginning of the footage, rounded to whole numbers."""
    frames = clips(footage)[0].frames(INPUT_SIZE)
    times_s = [frame.stream_time_s for frame in islice(frames, RATE_FRAMES)]
    return round((len(times_s) - 1) / (times_s[-1] - times_s[0])) if len(times_s) > 1 else 0.0


def largest_sustained(sustains: Callable[[int], bool]) -> int:
    """Largest number of cameras that is sustained, found by doubling and halving; 0 if not even one is.

    >>> largest_sustained(lambda cameras: cameras <= 21)
    21
    >>> largest_sustained(lambda cameras: False)
    0
    """
    good, bad = 0, 1
    while bad <= MOST_CAMERAS and sustains(bad):
        good, bad = bad, 2 * bad
    while bad - good > max(1, int(good * FINEST_STEP)) and good < MOST_CAMERAS:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if sustains(middle) else (good, middle)
    return good


def sustained_load(
    footage: Path, cameras: int, score_fps: float, scene: Path, model: ModelConfig, backbone: Backbone, seconds: float
) -> SustainedLoad:
    """Play the footage on so many cameras, and measure what is scored of it.

    Args:
        footage: A video file.
        cameras: Number of cameras.
        score_fps: Scored frames a second of each camera.
        scene: Folder of a learned scene, which is copied for each camera.
        model: Method and backbone.
        backbone: Backbone of the scorer.
        seconds: Duration of the measurement, after the start.
    """
    gc.collect()  # the scorer before
    counts = _Counts(latest := LatestFrames())
    names = [f"camera{number}" for number in range(cameras)]
    with TemporaryDirectory(prefix="streammon-bench-") as folder:
        for name in names:
            shutil.copytree(scene, Path(folder) / name)
        camera = {"url": str(footage), "loop": True, "score_fps": score_fps}
        values = {"cameras": dict.fromkeys(names, camera), "scenes": folder, "model": model.model_dump()}
        config = Config.parse(values, "bench")
        scorer = ScorerThread(config, backbone, latest, counts.deliver, counts.failed)
        readers = [
            CameraReader(
                name, each, INPUT_SIZE, latest.put_nowait, lambda status: None, detail=model.method == "motion"
            )
            for name, each in config.cameras.items()
        ]
    try:
        scorer.start()
        for reader in readers:
            reader.start()
            time.sleep(1 / (score_fps * cameras))  # so that their frames are due at different moments
        return counts.measured(cameras, score_fps, seconds)
    finally:
        for thread in (*readers, scorer):
            thread.stop()
        latest.close()
        for thread in (*readers, scorer):
            thread.join(JOIN_S)


class _Counts:
    """Scored frames and their delays, as the scorer's thread delivers them."""

    def __init__(self, latest: LatestFrames) -> None:
        self._latest = latest
        self._ended = threading.Event()
        self._errors: list[BaseException] = []
        self._seen: set[str] = set()
        self._delays_s: list[float] = []

    def deliver(self, outcomes: list[Outcome]) -> None:
        now = time.time()
        self._seen.update(each.camera for each in outcomes if isinstance(each, ScoredFrame))
        self._delays_s += [now - each.wall_time_s for each in outcomes if isinstance(each, ScoredFrame)]

    def failed(self, error: BaseException) -> None:
        self._errors.append(error)
        self._ended.set()

    def measured(self, cameras: int, score_fps: float, seconds: float) -> SustainedLoad:
        """Load over `seconds`, after the first score of every camera."""
        process, deadline_s = psutil.Process(), time.monotonic() + LONGEST_START_S
        while len(self._seen) < cameras and time.monotonic() < deadline_s and not self._ended.wait(0.1):
            pass
        self._ended.wait(SETTLE_S)
        first, lost = len(self._delays_s), sum(self._latest.lost.values())
        used_s, began_s = sum(process.cpu_times()[:2]), time.monotonic()
        self._ended.wait(seconds)
        if self._errors:
            raise self._errors[0]
        elapsed_s, delays_s = time.monotonic() - began_s, self._delays_s[first:]
        used_s, scored_per_s = sum(process.cpu_times()[:2]) - used_s, len(delays_s) / elapsed_s
        lost = sum(self._latest.lost.values()) - lost
        due = cameras * (score_fps * elapsed_s - 1)  # one frame of each camera may lie at either end
        missing = max(lost, due - len(delays_s))
        low, high, highest = np.quantile(delays_s or [np.nan], (0.5, 0.95, 0.99)).round(3).tolist()
        return SustainedLoad(
            cameras=cameras,
            score_fps=score_fps,
            scored_per_s=round(scored_per_s, 2),
            dropped_share=round(max(0.0, missing) / max(due, 1.0), 4),
            delay_s=(low, high, highest),
            cores=round(used_s / elapsed_s, 2),
            memory_mb=round(process.memory_info().rss / 1e6, 1),
        )
