"""What an operator lives with: memory of a long fit, the way to the first frame scored, stalls of the event loop.

    python tests/benchmark_operation.py fit scenes/          # learns 2,000 clips of ten seconds as scene `long`
    python tests/benchmark_operation.py start scenes/        # starts on 16 copies of that scene
    python tests/benchmark_operation.py stalls --minutes 60  # an hour on RTSP cameras

Each prints a JSON object. `fit` learns a few painted clips under many names. Stalls are the slow callbacks that
asyncio's debug mode reports.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import psutil

from streammon.config import Config, ModelConfig
from streammon.live.monitor import Monitor
from streammon.records import Event, ScoredFrame
from streammon.scene.fit import FitOptions, fit_scene
from support.cameras import RtspServer
from support.loop_stalls import Stalls, record_stalls, watch_loop

CLIPS = 2_000
CLIP_S = 10
PAINTED = 10  # clips; the others are links to them
CLIP_FPS = 2
SCENE = "long"


def paint_clip(path: Path, seed: int) -> None:
    """Ten seconds of H.264 in which a box crosses a noisy picture."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(40, 200, (180, 320, 3)).astype(np.uint8)
    background = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    left, top, pace = rng.integers(-40, 100), rng.integers(20, 100), rng.uniform(4, 10)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=CLIP_FPS)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(CLIP_S * CLIP_FPS):
            picture = background.copy()
            begin = int(left + pace * number)
            picture[top : top + 50, max(begin, 0) : max(begin + 20, 0)] = 230
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def measure_fit(folder: Path, clips: int) -> dict[str, Any]:
    """Resident memory of a fit after its first hundred clips, and after each quarter of all."""
    with tempfile.TemporaryDirectory() as temporary:
        painted = [Path(temporary, f"painted{number}.mp4") for number in range(PAINTED)]
        for number, path in enumerate(painted):
            paint_clip(path, number)
        footage = Path(temporary, "footage")
        footage.mkdir()
        for number in range(clips):
            (footage / f"clip{number:05}.mp4").symlink_to(painted[number % PAINTED])
        process, model = psutil.Process(), ModelConfig()
        wanted = {100: 0.0} | dict.fromkeys((clips * quarter // 4 for quarter in range(1, 5)), 0.0)

        def progress(done: int, total: int) -> None:
            for count in wanted:
                if not wanted[count] and done * clips >= count * total:
                    wanted[count] = round(process.memory_info().rss / 1e6, 1)

        options = FitOptions(score_fps=float(CLIP_FPS))
        report = fit_scene(SCENE, [footage], folder / SCENE, model, options, progress)
    peak_mb = round(process.memory_info().rss / 1e6, 1)
    return {
        "clips": clips,
        "frames": report.frames,
        "held_out_frames": report.calibration_frames,
        "rss_mb_after_clips": wanted,
        "rss_mb_at_the_end": peak_mb,
        "seconds": report.seconds,
    }


class FirstFrames:
    """When each camera's first frame was scored.

    Args:
        cameras: How many there are.

    Attributes:
        at_s: Of each camera, on `time.monotonic`.
        complete: Set when all were scored.
    """

    def __init__(self, cameras: int) -> None:
        self._cameras = cameras
        self.at_s: dict[str, float] = {}
        self.complete = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, ScoredFrame):
            self.at_s.setdefault(event.camera, time.monotonic())
            if len(self.at_s) == self._cameras:
                self.complete.set()


def configuration(folder: Path, cameras: dict[str, dict[str, Any]]) -> Config:
    """Of a monitor with an embedded Valkey and the page, all its files in one folder."""
    settings = {
        "cameras": cameras,
        "scenes": str(folder / "scenes"),
        "redis": {"url": "embedded", "folder": str(folder / "valkey")},
        "preview": {"port": 0},
        "alerting": {"spool": str(folder / "spool")},
    }
    return Config.parse(settings, "the benchmark")


async def watched_for(monitor: Monitor, seconds: float, first: FirstFrames) -> None:
    """Run for so long after every camera was scored, then stop as a signal does."""
    watch_loop()
    running = asyncio.ensure_future(monitor.run())
    complete = asyncio.ensure_future(first.complete.wait())
    await asyncio.wait([running, complete], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([running], timeout=seconds)
    for task in (running, complete):
        task.cancel()
    await asyncio.wait([running, complete])
    if not running.cancelled():
        await running


def run_monitor(config: Config, seconds: float) -> dict[str, Any]:
    """Seconds from the process's beginning to the first frame of the first and the last camera, and the stalls."""
    born_s = time.monotonic() - (time.time() - psutil.Process().create_time())
    first = FirstFrames(len(config.cameras))
    monitor = Monitor(config, first)
    made_s = time.monotonic() - born_s
    stalls = Stalls()
    with record_stalls(stalls):
        asyncio.run(watched_for(monitor, seconds, first), debug=True)
    return {
        "cameras": len(config.cameras),
        "checked_and_loaded_s": round(made_s, 2),
        "first_frame_s": round(min(first.at_s.values()) - born_s, 2),
        "first_frame_of_the_last_camera_s": round(max(first.at_s.values()) - born_s, 2),
        "longest_stall_s": stalls.longest_s,
        "stalls_over_50_ms": len(stalls.found),
        "longest": [f"{took_s:.3f} s: {what[:160]}" for took_s, what in sorted(stalls.found)[-3:]],
    }


def measure_start(folder: Path, scenes: int) -> dict[str, Any]:
    """Start on copies of the fitted scene, each with its own camera, until each camera's first frame is scored."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for number in range(scenes):
            shutil.copytree(folder / SCENE, root / "scenes" / f"scene{number}")
        clip = root / "camera.mp4"
        paint_clip(clip, PAINTED)
        cameras = {
            f"camera{number}": {"url": str(clip), "scene": f"scene{number}", "score_fps": float(CLIP_FPS)}
            for number in range(scenes)
        }
        return run_monitor(configuration(root, cameras), 5.0)


@contextmanager
def rtsp_cameras(clips: list[Path], count: int) -> Iterator[dict[str, dict[str, Any]]]:
    """Cameras on one server, the clips in turn; they learn for half a minute."""
    server = RtspServer({f"camera{number}": clips[number % len(clips)] for number in range(count)})
    try:
        yield {
            f"camera{number}": {"url": f"rtsp://127.0.0.1:{server.port}/camera{number}", "learn_for": 30}
            for number in range(count)
        }
    finally:
        server.close()


def measure_stalls(clips: Path, cameras: int, minutes: float) -> dict[str, Any]:
    """Learn, watch, alert and stop on RTSP cameras."""
    with tempfile.TemporaryDirectory() as temporary, rtsp_cameras(sorted(clips.glob("*.mp4")), cameras) as found:
        return run_monitor(configuration(Path(temporary), found), 60 * minutes) | {"minutes": minutes}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit")
    fit.add_argument("folder", type=Path, help="of scenes")
    fit.add_argument("--clips", type=int, default=CLIPS)
    start = commands.add_parser("start")
    start.add_argument("folder", type=Path, help="of scenes, with the fitted one")
    start.add_argument("--scenes", type=int, default=16)
    stalls = commands.add_parser("stalls")
    stalls.add_argument("--minutes", type=float, default=60.0)
    stalls.add_argument("--cameras", type=int, default=4)
    stalls.add_argument("--clips", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/clips")
    args = parser.parse_args()
    if args.command == "fit":
        found = measure_fit(args.folder, args.clips)
    elif args.command == "start":
        found = measure_start(args.folder, args.scenes)
    else:
        found = measure_stalls(args.clips, args.cameras, args.minutes)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
