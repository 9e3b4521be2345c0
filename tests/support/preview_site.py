"""A preview that serves on loopback, with one camera that is watched and has had an alert."""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
from argon2 import PasswordHasher

from streammon.config import Config
from streammon.preview import Gauges, Preview
from streammon.records import Alert, AlertEvent, CameraFigures, CameraState, CameraStatus, ScoredFrame
from support.deadlines import DEADLINE_S

TOKEN = "a-token-of-many-letters"
PASSWORD = "correct horse battery"
CAMERA_PASSWORD = "s3cret-of-the-camera"
USERS = {"anna": PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ALERT = "01a208f8a98d0e0ecaf9a77306fa342c"
SECRETS = (TOKEN, PASSWORD, CAMERA_PASSWORD, USERS["anna"], USERS["anna"].rpartition("$")[2])


def site_config(folder: Path, **preview: Any) -> Config:
    """Two cameras; further keys of the preview section."""
    url = f"rtsp://admin:{CAMERA_PASSWORD}@127.0.0.1:1/stream"
    cameras = {"lobby": {"url": url}, "gate": {"url": url, "scene": "lobby"}}
    preview = {"port": 0, **preview}
    return Config.parse({"cameras": cameras, "preview": preview, "scenes": folder / "scenes"}, "test")


def new_figures(config: Config) -> dict[str, CameraFigures]:
    """As the monitor begins."""
    statuses = (CameraStatus(name, CameraState.CONNECTING, time.time()) for name in config.cameras)
    return {status.camera: CameraFigures(status) for status in statuses}


def scored(camera: str = "lobby", age_s: float = 0.0) -> ScoredFrame:
    anomaly_map = np.full((64, 64), 4.0, np.float32)
    return ScoredFrame(camera, "lobby", 1, time.time() - age_s, 0.2, 4.0, 1.0, 8.0, anomaly_map, (320, 240))


def alert_message(event: AlertEvent = AlertEvent.OPEN) -> Alert:
    closed_s = time.time() if event is AlertEvent.CLOSE else None
    part = int(event is AlertEvent.CLOSE)
    return Alert(ALERT, event, part, "lobby", "lobby", time.time() - 1, time.time(), closed_s, 9.0, 1.0, 9.0, 1.0)


def watch_lobby(preview: Preview, figures: dict[str, CameraFigures]) -> None:
    """The lobby comes online, shows a picture, is scored, and has an alert."""
    status = CameraStatus("lobby", CameraState.ONLINE, time.time())
    figures["lobby"].status = status
    preview.on_event(status)
    picture = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 90, np.uint8), "rgb24").reformat(format="yuv420p")
    preview.pictures.put_picture("lobby", picture, 0.2)
    preview.on_event(scored())
    preview.on_event(alert_message())


@contextlib.asynccontextmanager
async def serving(
    config: Config, gauges: Gauges | None = None, **session: Any
) -> AsyncIterator[tuple[Preview, aiohttp.ClientSession]]:
    """The preview and a client of it, whose requests are relative to its address."""
    figures = new_figures(config)
    async with Preview(config, figures, gauges) as preview:
        watch_lobby(preview, figures)
        async with aiohttp.ClientSession(preview.url, cookie_jar=aiohttp.CookieJar(unsafe=True), **session) as client:
            yield preview, client


@dataclass(frozen=True)
class Site:
    """A preview in a thread of its own.

    Attributes:
        port: Where it listens.
        routes: Method and pattern of each route.
    """

    port: int
    routes: list[tuple[str, str]]


@contextlib.contextmanager
def site(config: Config) -> Iterator[Site]:
    """A preview that serves while the test's thread asks."""
    ready, done = threading.Event(), asyncio.Event()
    found: list[tuple[asyncio.AbstractEventLoop, Site]] = []

    async def serve() -> None:
        figures = new_figures(config)
        try:
            async with Preview(config, figures) as preview:
                watch_lobby(preview, figures)
                port = int(preview.url.rstrip("/").rpartition(":")[2])
                found.append((asyncio.get_running_loop(), Site(port, routes_of(preview))))
                ready.set()
                await done.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="preview")
    thread.start()
    assert ready.wait(DEADLINE_S)
    loop, served = found[0]
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def routes_of(preview: Preview) -> list[tuple[str, str]]:
    """Method and pattern of every route; HEAD goes with its GET."""
    found = [(route.method, route.resource) for route in preview._runner.app.router.routes()]
    return [(method, resource.canonical) for method, resource in found if resource is not None and method != "HEAD"]


async def response_on_socket(
    preview: Preview, *chunks: bytes, within_s: float = DEADLINE_S, tls: ssl.SSLContext | None = None
) -> bytes:
    """All that is answered to these bytes, until the server hangs up."""
    port = int(preview.url.rstrip("/").rpartition(":")[2])
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        try:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
