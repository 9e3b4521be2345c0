"""The preview's costs: CPU by number of viewers, memory over many visits, and delay from camera to eye.

    python tests/benchmark_preview.py                            # all three, fed by a synthetic camera
    python tests/benchmark_preview.py --measure delay --rtsp     # from a live RTSP camera, read and scored
    python tests/benchmark_preview.py --measure delay --url http://127.0.0.1:8088/whep/lobby   # a running preview's

Viewers are real WebRTC peers in processes of their own. The delay is read from a time code burnt into each picture
where it is made, decoded by the viewer; both clocks are the machine's monotonic one. With `--url` the camera must be
`tests/support/preview_timecode_camera.py`. Prints JSON.
"""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urljoin

import aiohttp
import av
import numpy as np
import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from support.preview_peers import Player, Preview, offer_of, player, post_offer, preview, score_of
from support.preview_timecode_camera import BITS, COMMAND, ROWS, TESTS, timecode_rows

WARM_UP_S = 2.0


def stripes(width: int, height: int) -> list[av.VideoFrame]:
    """A second of a moving picture."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    frames = []
    for number in range(25):
        luma = (128 + 80 * np.sin((x + 8 * number) / 37) * np.cos((y - 5 * number) / 23)).astype(np.uint8)
        planes = np.concatenate([luma.ravel(), np.full(width * height // 2, 128, np.uint8)])
        frames.append(av.VideoFrame.from_ndarray(planes.reshape(-1, width), "yuv420p"))
    return frames


def footage(path: str) -> list[av.VideoFrame]:
    """The first ten seconds of a clip."""
    with av.open(path) as container:
        return list(itertools.islice(container.decode(video=0), 250))


def with_timecode(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture, taken now."""
    planes = frame.to_ndarray()
    width = frame.width
    planes[:ROWS] = np.frombuffer(timecode_rows(width, time.monotonic()), np.uint8).reshape(ROWS, width)
    return av.VideoFrame.from_ndarray(planes, "yuv420p")


def age_ms(frame: av.VideoFrame, camera_width: int) -> int:
    """How long ago a decoded picture was taken."""
    now_ms = int(time.monotonic() * 1000)
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    scale = frame.width / camera_width
    block = camera_width // BITS * scale
    row = int(ROWS * scale / 2)
    bits = [int(luma[row, int((place + 0.5) * block)] > 128) for place in range(BITS)]
    code = int("".join(map(str, bits)), 2)
    return (now_ms - code) & (1 << BITS) - 1


class Camera(threading.Thread):
    """Takes 25 pictures a second in a thread of its own, as a reader does, and is scored five times a second."""

    def __init__(self, shown: Preview, options: argparse.Namespace) -> None:
        super().__init__(name="camera", daemon=True)
        self._shown, self._options = shown, options
        self._frames = footage(options.footage) if options.footage else stripes(options.width, options.height)
        self.stopping = threading.Event()

    def run(self) -> None:
        fps, began_s, count = self._options.fps, time.monotonic(), 0
        while not self.stopping.wait(max(0.0, began_s + count / fps - time.monotonic())):
            self._shown.pictures.put_picture(
                "lobby", with_timecode(self._frames[count % len(self._frames)]), count / fps
            )
            if count % 5 == 0:
                anomaly_map = np.zeros((256, 256), np.float32)
                anomaly_map[80:120, count % 200 : count % 200 + 50] = 15.0
                self._shown.pictures.put_score(score_of("lobby", anomaly_map))
            count += 1


@asynccontextmanager
async def watched_camera(options: argparse.Namespace) -> AsyncIterator[Preview]:
    """A preview with one synthetic camera."""
    async with preview(bitrate_kbps=2000) as shown:
        camera = Camera(shown, options)
        camera.start()
        try:
            yield shown
        finally:
            camera.stopping.set()
            await asyncio.to_thread(camera.join)


@asynccontextmanager
async def viewers(
    endpoint: str, options: argparse.Namespace, count: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """So many viewers in a process of their own, all playing."""
    command = [sys.executable, __file__, "--watch", endpoint, "--viewers", str(count), "--width", str(options.width)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 20
    )
    assert process.stdout
    assert process.stdin
    try:
        assert await process.stdout.readline() == b"playing\n"
        yield process
    finally:
        process.stdin.close()
        await process.wait()


async def watch(options: argparse.Namespace) -> None:
    """Be the viewers: print `playing` once all do, then each picture's age, until standard input closes."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(
        target=lambda: (sys.stdin.buffer.read(), loop.call_soon_threadsafe(ended.set)), daemon=True
    ).start()
    ages: list[int] = []

    async def play(one: Player, remember: bool) -> None:
        while True:
            frame = await one.frame(30)
            if remember:
                ages.append(age_ms(frame, options.width))

    async with contextlib.AsyncExitStack() as stack:
        players = [await stack.enter_async_context(player(options.watch)) for _ in range(options.viewers)]
        for one in players:
            await one.frame(30)
        print("playing", flush=True)
        tasks = [asyncio.create_task(play(one, one is players[0])) for one in players]
        await ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(ages), flush=True)


async def cpu(options: argparse.Namespace) -> dict[str, float]:
    """CPU of the preview's process in percent of one core, at 0, 1, 4 and 8 viewers of one camera."""
    process = psutil.Process()

    async def percent() -> float:
        await asyncio.sleep(WARM_UP_S)
        before, began_s = process.cpu_times(), time.monotonic()
        await asyncio.sleep(options.seconds)
        after = process.cpu_times()
        used_s = after.user + after.system - before.user - before.system
        return round(100 * used_s / (time.monotonic() - began_s), 1)

    async with watched_camera(options) as shown:
        endpoint = f"{shown.url}/whep/lobby?stream={options.stream}"
        figures = {"camera alone": await percent()}
        for count in (1, 4, 8):
            async with viewers(endpoint, options, count):
                figures[f"{count} viewers"] = await percent()
    alone = figures["camera alone"]
    figures["8 to 1"] = round(figures["8 viewers"] / figures["1 viewers"], 2)
    figures["8 to 1 without the camera"] = round((figures["8 viewers"] - alone) / (figures["1 viewers"] - alone), 2)
    return figures


async def visit(http: aiohttp.ClientSession, endpoint: str) -> None:
    """Connect, see a picture, hang up."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    one = Player(http, peer)
    try:
        _, headers, answer = await post_offer(http, endpoint, await offer_of(peer))
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await one.frame(30)
        async with http.delete(urljoin(endpoint, headers["Location"])) as response:
            assert response.status == 200
    finally:
        await peer.close()


async def visits(options: argparse.Namespace) -> None:
    """Be the visitors, one after the other, as often as a line on standard input says."""
    async with aiohttp.ClientSession() as http:
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            for _ in range(int(line)):
                await visit(http, options.watch)
            print("done", flush=True)


async def memory(options: argparse.Namespace) -> dict[str, object]:
    """Resident memory of the preview's process, in MB, after every so many visits of 200."""
    process = psutil.Process()
    async with watched_camera(options) as shown:
        command = [sys.executable, __file__, "--watch", f"{shown.url}/whep/lobby", "--viewers", "0"]
        visitor = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert visitor.stdin
        assert visitor.stdout
        resident = []
        for _ in range(9):  # the first is to warm up
            visitor.stdin.write(b"25\n")
            assert await visitor.stdout.readline() == b"done\n"
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # what is free counts as free
            resident.append(round(process.memory_info().rss / 1e6, 1))
        visitor.stdin.close()
        await visitor.wait()
        return {
            "visits": 200,
            "MB after each 25": resident,
            "growth of the last 100 visits, MB": round(resident[-1] - resident[-5], 1),
            "threads": threading.active_count(),
            "sessions": shown.sessions.count,
            "open files": process.num_fds(),
        }


@contextlib.contextmanager
def rtsp_camera(options: argparse.Namespace) -> Iterator[str]:
    """The address of a live camera whose pictures carry the time."""
    size = ["--width", str(options.width), "--height", str(options.height), "--fps", str(options.fps)]
    command = [*COMMAND, *size]
    with subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"rtsp://127.0.0.1:{process.stdout.readline().split()[1]}/live"
        finally:
            process.stdin.close()


@contextlib.contextmanager
def read_and_scored(shown: Preview, url: str) -> Iterator[list[float]]:
    """A camera read and scored as the monitor does it; gives how long each batch of frames took from decoding on."""
    from streammon.config import Config
    from streammon.ingest import CameraReader, LatestFrames
    from streammon.live.scorer import ScorerThread
    from streammon.padim import INPUT_SIZE, load_backbone

    latest, batches = LatestFrames(), list[float]()
    loop = asyncio.get_running_loop()

    def hand_over(report: object) -> None:
        batches.append(time.monotonic())
        for outcome in report if isinstance(report, list) else []:
            if hasattr(outcome, "anomaly_map"):
                loop.call_soon_threadsafe(shown.pictures.put_score, outcome)

    with tempfile.TemporaryDirectory() as scenes:
        cameras = {"lobby": {"url": url, "score_fps": 5, "learn_for": 10}}
        config = Config.model_validate({"cameras": cameras, "scenes": scenes})
        scorer = ScorerThread(config, load_backbone(config.model), latest, hand_over, hand_over)
        reader = CameraReader(
            "lobby",
            config.cameras["lobby"],
            INPUT_SIZE,
            latest.put_nowait,
            lambda status: None,
            show=partial(shown.pictures.put_picture, "lobby"),
        )
        scorer.start()
        reader.start()
        try:
            yield batches
        finally:
            reader.stop()
            scorer.stop()
            latest.close()
            scorer.join(10)
            reader.join(10)


async def ages_of(endpoint: str, options: argparse.Namespace, warm_up_s: float = WARM_UP_S) -> list[int]:
    """The age of each picture one viewer sees, after a while."""
    async with viewers(endpoint, options, 1) as process:
        await asyncio.sleep(warm_up_s + options.seconds)
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        ages: list[int] = json.loads(await process.stdout.readline())
    return ages[int(warm_up_s * options.fps) :]


def summary(ages: list[int]) -> dict[str, float]:
    """Median, 95th percentile and largest."""
    ordered = sorted(ages)
    return {
        "pictures": len(ordered),
        "median_ms": statistics.median(ordered),
        "p95_ms": ordered[int(len(ordered) * 0.95)],
        "max_ms": ordered[-1],
    }


async def delay(options: argparse.Namespace) -> dict[str, float]:
    """From the picture's making to its decoding by the viewer."""
    query = f"?stream={options.stream}"
    if options.url:
        return summary(await ages_of(options.url, options))
    if not options.rtsp:
        async with watched_camera(options) as shown:
            return summary(await ages_of(f"{shown.url}/whep/lobby{query}", options))
    with rtsp_camera(options) as url:
        async with preview(bitrate_kbps=2000) as shown:
            with read_and_scored(shown, url) as batches:
                figures = summary(await ages_of(f"{shown.url}/whep/lobby{query}", options, warm_up_s=15.0))
                return {**figures, "scored a second": round(len(batches) / (time.monotonic() - batches[0]), 1)}


MEASURES = {"cpu": cpu, "memory": memory, "delay": delay}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", choices=MEASURES, action="append", help="all unless named")
    parser.add_argument("--width", type=int, default=960)
    parser.add_argument("--height", type=int, default=540)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--stream", default="picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each figure is measured")
    parser.add_argument("--footage", help="a clip to show instead of a moving pattern; set its width too")
    parser.add_argument("--rtsp", action="store_true", help="delay: from a live RTSP camera, read and scored")
    parser.add_argument("--url", help="delay: of this WHEP endpoint")
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    parser.add_argument("--viewers", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        asyncio.run(watch(options) if options.viewers else visits(options))
        return
    figures: dict[str, object] = {"cores": os.cpu_count(), "load before": os.getloadavg()[0]}
    for name in options.measure or MEASURES:
        figures[name] = asyncio.run(MEASURES[name](options))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
