"""Many cameras over RTSP on this machine: frames scored of those asked, and the time from capture to score.

    python tests/benchmark_cameras.py --clip one-by-one-person-detection.mp4 --cameras 16 --seconds 60

The clip is made 640x360 at 10 frames a second and played by one GStreamer server, which shares the cores, as a camera
each. Every camera has a learned scene of its own. The preview is on and nobody watches. With `--events` the evidence
of alerts is recorded, of which a high `--false-alarms-per-day` makes many. Prints a line of JSON.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil

from streammon.config import Config, ModelConfig
from streammon.events import read_index
from streammon.live.monitor import Monitor
from streammon.records import CameraState, CameraStatus, Event, ScoredFrame
from streammon.scene.fit import FitOptions, fit_scene
from support.cameras import RtspServer
from support.monitors import running_until_cancelled

SIZE, FPS = (640, 360), 10
SETTLE_S = 5.0


def as_camera(clip: Path, path: Path) -> Path:
    """The clip as an inexpensive camera would send it: 640x360, 10 frames a second, a keyframe each second."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.gop_size = FPS
        number = 0
        for picture in source.decode(video=0):
            if picture.time is not None and picture.time * FPS >= number:
                scaled = picture.reformat(*SIZE, format="yuv420p")
                scaled.pts, scaled.time_base = number, Fraction(1, FPS)
                target.mux(stream.encode(scaled))
                number += 1
        target.mux(stream.encode(None))
    return path


class Counted:
    """Frames scored and their delays, once every camera is online and `SETTLE_S` have passed."""

    def __init__(self, cameras: int) -> None:
        self.all_online = asyncio.Event()
        self.scored: Counter[str] = Counter()
        self.delays_s: list[float] = []
        self.first_score_s: float | None = None
        self.counting = False
        self._online: set[str] = set()
        self._cameras = cameras

    def __call__(self, event: Event) -> None:
        match event:
            case CameraStatus(state=CameraState.ONLINE):
                self._online.add(event.camera)
                if len(self._online) == self._cameras:
                    self.all_online.set()
            case ScoredFrame():
                self.first_score_s = self.first_score_s or time.monotonic()
                if self.counting:
                    self.scored[event.camera] += 1
                    self.delays_s.append(time.time() - event.wall_time_s)


async def watch(config: Config, seconds: float) -> dict[str, float]:
    """Figures of a monitor that watches for so long."""
    counted, process = Counted(len(config.cameras)), psutil.Process()
    began_s = time.monotonic()
    async with running_until_cancelled(Monitor(config, counted)):
        await counted.all_online.wait()
        await asyncio.sleep(SETTLE_S)
        counted.counting, used_s, from_s = True, sum(process.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(seconds)
        counted.counting = False
        elapsed_s, used_s = time.monotonic() - from_s, sum(process.cpu_times()[:2]) - used_s
        memory_mb = process.memory_info().rss / 1e6
    each = [counted.scored[name] / elapsed_s for name in config.cameras]
    asked = sum(camera.score_fps for camera in config.cameras.values())
    percentiles = np.quantile(counted.delays_s, (0.5, 0.95, 0.99)).round(3).tolist()
    return {
        "asked_per_s": asked,
        "scored_per_s": round(sum(each), 2),
        "scored_per_s_least": round(min(each), 2),
        "dropped_share": round(max(0.0, 1 - sum(each) / asked), 4),
        **dict(zip(("delay_p50_s", "delay_p95_s", "delay_p99_s"), percentiles, strict=True)),
        "cores": round(used_s / elapsed_s, 2),
        "memory_mb": round(memory_mb),
        "first_score_s": round((counted.first_score_s or np.nan) - began_s, 1),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--score-fps", type=float, default=5)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--events", action="store_true")
    parser.add_argument("--false-alarms-per-day", type=float, default=1)
    args = parser.parse_args()
    model = ModelConfig(engine=args.engine)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clip = as_camera(args.clip, folder / "clip.mp4")
        names = [f"camera{number}" for number in range(args.cameras)]
        options = FitOptions(score_fps=args.score_fps, keep_statistics=False)
        fit_scene(names[0], [clip], folder / "scenes" / names[0], model, options, lambda *_: None)
        for name in names[1:]:
            shutil.copytree(folder / "scenes" / names[0], folder / "scenes" / name)
        server = RtspServer(dict(zip(names, itertools.repeat(clip))))
        try:
            values = {
                "cameras": {name: {"url": server.url(name), "score_fps": args.score_fps} for name in names},
                "scenes": folder / "scenes",
                "redis": {"folder": folder / "redis"},
                "alerting": {"spool": folder / "spool", "false_alarms_per_day": args.false_alarms_per_day},
                "events": {"folder": folder / "events", "keep_gb": 1} if args.events else None,
                "preview": {"port": 0},
                "model": model.model_dump(),
            }
            report = asyncio.run(watch(Config.parse(values, "benchmark"), args.seconds))
            kept = read_index(folder / "events") if args.events else []
            report |= {"alerts_recorded": len(kept), "recorded_mb": round(sum(row.bytes for row in kept) / 1e6, 1)}
        finally:
            server.close()
    print(json.dumps({"cameras": args.cameras, "engine": args.engine} | report))


if __name__ == "__main__":
    main()
