"""Everything at once: four RTSP cameras of real footage, the monitor as a process, Redis, and a browser."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
import yaml

from streammon.config import ModelConfig
from streammon.scene.fit import FitOptions, fit_scene
from support.cameras import RtspServer
from support.chromium import Chromium, Page, find_chromium
from support.commands import RunningCommand
from support.deadlines import DEADLINE_S
from support.precision import LIVE

pytestmark = pytest.mark.slow

MODEL = {"dimensions": 40, **LIVE}
TOKEN = "a-token-of-many-letters"
CLIPS = {
    "people": "one-by-one-person-detection.mp4",
    "cars": "car-detection.mp4",
    "bottles": "bottle-detection.mp4",
}
# how bright and how varied the picture of each playing video is
SCREENS = """[...document.querySelectorAll('video.picture')].map((video) => {
  const canvas = new OffscreenCanvas(64, 36), pen = canvas.getContext('2d');
  pen.drawImage(video, 0, 0, 64, 36);
  const grey = [...pen.getImageData(0, 0, 64, 36).data].filter((_, i) => i % 4 === 1);
  return [Math.max(...grey) - Math.min(...grey), video.currentTime];
})"""


@dataclass
class Told:
    """What the monitor printed."""

    preview: str = ""
    redis: str = ""
    opened: list[tuple[str, float]] = field(default_factory=list)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A bank of each clip, of its first frames."""
    folder = tmp_path_factory.mktemp("live") / "scenes"
    model = ModelConfig.model_validate(MODEL)
    for scene, clip in CLIPS.items():
        options = FitOptions(score_fps=3, max_frames=60, keep_statistics=False)
        fit_scene(scene, [shared_data / "clips" / clip], folder / scene, model, options, lambda _done, _total: None)
    return folder


def configured(folder: Path, scenes: Path, server: RtspServer) -> Path:
    """Three cameras that see what they learned, and one that sees another place than its scene."""
    seen = {"people": "people", "cars": "cars", "bottles": "bottles", "moved": "people"}  # camera: scene
    cameras = {
        camera: {"url": server.url("bottles" if camera == "moved" else camera), "scene": scene, "score_fps": 3}
        for camera, scene in seen.items()
    }
    config = {
        "cameras": cameras,
        "scenes": str(scenes),
        "model": MODEL,
        "alerting": {"false_alarms_per_day": 20_000, "cooldown_s": 1, "adapt": False},  # 20 s are learned
        "preview": {"port": 0, "token": TOKEN, "width": 240, "fps": 5},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


async def opened_alerts(address: str, on_alert: Callable[[dict[str, Any], float], None]) -> None:
    """Call `on_alert` with every alert that opens or has opened before, and the time at which its message came."""
    async with redis.asyncio.Redis.from_url(address, socket_timeout=None) as client:
        last: str | bytes = "0"
        while True:
            streams: Any = await client.xread({"streammon:v1:alerts:log": last}, block=1000)
            for entry, fields in (each for _, entries in streams for each in entries):
                last = entry
                if (alert := json.loads(fields[b"json"]))["event"] == "open":
                    on_alert(alert, time.monotonic())


async def log_in(page: Page, token: str) -> None:
    await page.evaluate(
        f"fetch('/login', {{method: 'POST', headers: {{'Content-Type': 'application/json', 'X-Streammon': '1'}},"
        f" body: JSON.stringify({{token: '{token}'}})}}).then((answer) => answer.status)"
    )


async def watched(page: Page, url: str, address: str, restart_cameras: Callable[[], None]) -> None:
    """Log in, see four cameras play, and find Redis' alerts in the feed: those from before, and those that come.

    One camera sees another place than its scene: its alert is open as long as the camera is online, and opens again
    once the cameras are back.
    """
    alerts: asyncio.Queue[tuple[dict[str, Any], float]] = asyncio.Queue()
    listener = asyncio.create_task(opened_alerts(address, lambda alert, at_s: alerts.put_nowait((alert, at_s))))
    try:
        await page.open(url)
        await page.until("document.getElementById('login').open")
        assert await page.evaluate("fetch('/api/cameras').then((answer) => answer.status)") == 401
        await log_in(page, "another-token-of-many-letters")
        assert await page.evaluate("fetch('/api/cameras').then((answer) => answer.status)") == 401
        await log_in(page, TOKEN)
        await page.open(url)
        await page.until("document.querySelectorAll('.tile').length === 4")
        await page.until(f"{SCREENS}.filter(([range, at]) => range > 60 && at > 0.5).length === 4")
        clocks = [at for _, at in await page.evaluate(SCREENS)]
        await page.until(f"{SCREENS}.every(([range, at], i) => range > 60 && at > {clocks}[i] + 0.5)")
        restarted_s, live = time.monotonic(), False
        await asyncio.to_thread(restart_cameras)
        while not live:
            alert, at_s = await asyncio.wait_for(alerts.get(), DEADLINE_S)
            live = alert["camera"] == "moved" and at_s > restarted_s
            shown = (
                f"[...document.querySelectorAll('.card')].some((card) => card.dataset.alertId === '{alert['id']}')"
            )
            await page.until(shown)
    finally:
        listener.cancel()


def test_four_cameras_a_monitor_and_a_browser(
    tmp_path: Path, scenes: Path, shared_data: Path, rtsp_server: Callable[..., RtspServer], closed_port: int
) -> None:
    server = rtsp_server({name: shared_data / "clips" / clip for name, clip in CLIPS.items()})
    config = configured(tmp_path, scenes, server)
    text = config.read_text() + f"redis: {{url: embedded, port: {closed_port}}}\n"
    config.write_text(text)

    def restart_cameras() -> None:
        server.kill()
        server.start()

    async def in_the_browser(url: str) -> None:
        async with (
            asyncio.timeout(2 * DEADLINE_S),
            Chromium(find_chromium()) as browser,
            browser.page(url.rstrip("/")) as page,
        ):
            await page.look(1440, 900, dark=True)
            await watched(page, url, f"redis://127.0.0.1:{closed_port}", restart_cameras)

    with RunningCommand("run", "--config", config, "--log-json", folder=tmp_path) as monitor:
        line = monitor.lines.wait_for(lambda line: '"preview on ' in line)
        asyncio.run(in_the_browser(json.loads(line)["text"].removeprefix("preview on ")))
        ended = monitor.terminate()
    assert ended.code == 0, ended.stderr
    assert TOKEN not in ended.stdout + ended.stderr
