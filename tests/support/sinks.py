"""Receivers of notifications that a test can slow down, break, stop and start again, and the notifier before them."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiomqtt
import pytest
from aiohttp import web

from streammon.alerting import Spool
from streammon.alerting.sinks import Notifier
from streammon.config import Config
from streammon.records import Alert, SinkStatus
from support.alerting_samples import Name
from support.deadlines import DEADLINE_S
from support.redis_server import HOST, free_port

PASSWORD = "s3cr3t-Pa55"
SECRET = "key-0f-the-Signature"
PICTURE = b"\xff\xd8 a picture \xff\xd9"


def config_of(notify: dict[str, Any], cameras: Iterable[str] = ("lobby", "gate")) -> Config:
    values = {"cameras": {name: {"url": "clip.mp4"} for name in cameras}, "notify": notify}
    return Config.parse(values, "config.yaml")


def heatmap_key(camera: str) -> str:
    return f"streammon:v1:cam:{camera}:heatmap"


@dataclass
class Sending:
    """A running notifier and what it reported."""

    notifier: Notifier
    statuses: list[SinkStatus] = field(default_factory=list)

    def send(self, *alerts: Alert) -> None:
        self.notifier.publish_alerts_nowait(alerts, heatmap_key)

    def status(self, sink: str) -> SinkStatus:
        return next(status for status in self.notifier.statuses if status.sink == sink)

    def changes(self, sink: str) -> list[tuple[bool, str]]:
        """Whether the sink was there, and why not, each time it was reported."""
        return [(status.online, status.reason) for status in self.statuses if status.sink == sink]


@asynccontextmanager
async def notifying(config: Config, spool: Spool) -> AsyncIterator[Sending]:
    statuses: list[SinkStatus] = []

    async def snapshot(_alert_id: str) -> bytes | None:
        return PICTURE

    notifier = Notifier(config, statuses.append, snapshot)
    async with notifier.running(spool):
        yield Sending(notifier, statuses)


@dataclass
class Request:
    """A request that a receiver got."""

    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)
        return message


class Receiver:
    """A web server on a port of its own that takes notifications.

    Attributes:
        answers: Status of each further answer, or headers and status; then 204.
        requests: What it was sent and has answered with 204.
        attempts: All that it was sent.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.answers: list[int | tuple[int, dict[str, str]]] = []
        self.requests: list[Request] = []
        self.attempts: list[Request] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self._tls = tls
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{'localhost' if self._tls else HOST}:{self.port}/hook"

    @property
    def taken(self) -> list[Name]:
        return [(request.message["id"], request.message["part"]) for request in self.requests]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application(client_max_size=10 << 20)
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port, ssl_context=self._tls, reuse_address=True).start()

    async def stop(self) -> None:
        """End, with every connection: who connects is refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        sent = Request(dict(request.headers), await request.read())
        self.attempts.append(sent)
        await self.goes_on.wait()
        answer = self.answers.pop(0) if self.answers else 204
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if 200 <= status < 300:
            self.requests.append(sent)
        return web.Response(status=status, headers=headers)


def mosquitto() -> str:
    """The broker's program; the test skips where it isn't installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    return shutil.which("mosquitto", path=path) or pytest.skip("no Mosquitto; see tests/install-mosquitto.sh")


class Broker:
    """A Mosquitto on a port of its own that forgets everything when it ends.

    Attributes:
        settings: Lines of its configuration.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        self._program = mosquitto()
        self.port = free_port()
        self.settings = settings or ("allow_anonymous true",)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._stop)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing (SIGSTOP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on with all that was sent meanwhile (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _start(self) -> None:
        file = self._folder / "mosquitto.conf"
        lines = (
            f"listener {self.port} {HOST}",
            "user root",
            *self.settings,
        )  # started by root it reads the test's files
        file.write_text("\n".join(lines) + "\n")
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(file)], stdout=log, stderr=log)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port), timeout=1.0).close()
                return
            assert self._process.poll() is None, (self._folder / "mosquitto.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None


@dataclass
class Subscriber:
    """Everything that a broker has published since it was subscribed to, by a client that stays connected.

    Attributes:
        messages: Topic, payload, and whether it was retained from before, in order.
    """

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def of(self, topic: str) -> list[bytes]:
        return [payload for at, payload, _ in self.messages if at == topic]

    def latest(self, topic: str) -> Any:
        """The latest payload, as JSON if it is; None before the first."""
        payloads = self.of(topic)
        if not payloads:
            return None
        with contextlib.suppress(ValueError):
            return json.loads(payloads[-1])
        return payloads[-1].decode()


@asynccontextmanager
async def subscribed(broker: Broker, **login: str) -> AsyncIterator[Subscriber]:
    subscriber = Subscriber()

    async def listen(client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the broker ended
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                subscriber.messages.append((str(message.topic), message.payload, message.retain))

    client = aiomqtt.Client(HOST, broker.port, **login)  # type: ignore[arg-type]
    async with asyncio.timeout(DEADLINE_S):
        await client.__aenter__()
    listening = asyncio.create_task(listen(client), name="subscriber")
    await client.subscribe("#", 1)
    try:
        yield subscriber
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            await client.__aexit__(None, None, None)
