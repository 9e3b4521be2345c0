"""Scores, alert messages and a running publisher, for the tests of alerting."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import numpy as np
import redis as redis_client

from streammon.alerting import RedisPublisher, Spool, alert_from_json
from streammon.config import RedisConfig
from streammon.records import Alert, AlertEvent, RedisStatus, ScoredFrame, SpoolStatus
from support.deadlines import DEADLINE_S
from support.redis_server import RedisServer

CAMERAS = ("lobby", "gate", "yard", "dock")
Name = tuple[str, int]
"""An alert's id and a message's part."""


def scored(camera: str = "lobby", seq: int = 0, level: float = 1.0) -> ScoredFrame:
    anomaly_map = np.full((8, 8), 4.0, np.float32)
    return ScoredFrame(camera, "hall", seq, time.time(), seq / 5, 4.0, level, 8.0, anomaly_map, (640, 360))


def message(alert_id: str, part: int, camera: str = "lobby", last: int = 9) -> Alert:
    event = AlertEvent.OPEN if part == 0 else AlertEvent.CLOSE if part == last else AlertEvent.UPDATE
    closed_s = 100.0 + part if event is AlertEvent.CLOSE else None
    return Alert(alert_id, event, part, camera, "hall", 100.0, 100.0 + part, closed_s, 4.0, 1.0, 4.0, 1.0)


def logged(server: RedisServer) -> list[Name]:
    """Every (id, part) in the log, in order."""
    return logged_at(server.url)


def logged_at(url: str) -> list[Name]:
    """The same, of a Redis anywhere."""
    with redis_client.Redis.from_url(url) as client:
        entries = client.xrange("streammon:v1:alerts:log")
    alerts = [alert_from_json(fields[b"json"]) for _, fields in entries]
    return [(alert.id, alert.part) for alert in alerts]


async def until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """The publisher has no event for these, so look often, under a deadline."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_delivered(publisher: RedisPublisher, count: int) -> None:
    await until(lambda: publisher.counts.alerts_delivered >= count)


@contextlib.asynccontextmanager
async def publishing(
    redis: RedisConfig,
    spool: Spool,
    events: list[RedisStatus | SpoolStatus] | None = None,
    call_timeout_s: float = 5.0,
    cameras: Collection[str] = (),
) -> AsyncIterator[RedisPublisher]:
    """A publisher whose tasks run; cancelled at the end, as the monitor does it."""
    on_event = (events if events is not None else []).append
    publisher = RedisPublisher(redis, spool, on_event, call_timeout_s=call_timeout_s, cameras=cameras)
    async with publisher:
        running = asyncio.create_task(publisher.run(), name="publisher")
        try:
            yield publisher
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


def at(url: str) -> RedisConfig:
    return RedisConfig.model_validate({"url": url})


def open_files() -> int:
    """Files, sockets and pipes this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
