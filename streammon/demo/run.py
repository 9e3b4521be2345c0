"""Demo: a plaza is learned over RTSP, a van crosses the plaza, and the alert arrives over Redis.

The whole product runs: the camera is a real RTSP stream on loopback, the bank is learned live from that stream, the
alert goes through a real Valkey server and is read back by a subscriber, and the page shows the camera and the alert.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streammon.alerting import redis_for, subscribe
from streammon.config import Config, RedisConfig
from streammon.demo.camera import plaza_camera
from streammon.demo.plaza import CROSSING_S, render_plaza
from streammon.live.monitor import Monitor
from streammon.records import CameraState, CameraStatus, Event, Notice

CAMERA = "plaza"
LEARN_S = 45
ANOMALY_AT_S = 51.0  # a few normal seconds are watched first
FILM_S = 62.0
SLACK_S = 3.0  # allowance for decoding, scoring and alerting
FALSE_ALARMS_PER_DAY = 100.0  # nine seconds of calibration can't support a much lower rate


@dataclass(slots=True)
class DemoReport:
    """Outcome of the demo.

    Attributes:
        alert_id: Id of the first alert during the van's crossing, as read back from Redis; None without one.
        reason: Reason given in that alert.
        first_alert_after_s: Seconds from the start of the demo until that alert arrived over Redis.
        delay_s: Seconds from the van's entrance until that alert arrived over Redis.
        peak_score: Largest frame score of that alert.
        false_alerts: Number of alerts that opened outside the van's crossing.
        messages: Number of alert messages read back from Redis.
    """

    alert_id: str | None = None
    reason: str | None = None
    first_alert_after_s: float | None = None
    delay_s: float | None = None
    peak_score: float | None = None
    false_alerts: int = 0
    messages: int = 0


async def run_demo(show: Callable[[Event], None], started_s: float) -> DemoReport:
    """Run the whole demo, which takes about a minute.

    Args:
        show: Receives every event, on the event loop.
        started_s: Unix time at which the user started the demo.
    """
    with tempfile.TemporaryDirectory(prefix="streammon-demo-") as folder:
        return await _play(show, started_s, Path(folder))


async def _play(show: Callable[[Event], None], started_s: float, folder: Path) -> DemoReport:
    async with redis_for(RedisConfig(folder=folder / "alerts.valkey")) as redis:
        film = folder / "plaza.mp4"
        show(
            Notice(f"painting {FILM_S:.0f} s of a plaza where people walk; after {ANOMALY_AT_S:.0f} s a van crosses")
        )
        await asyncio.to_thread(render_plaza, film, seconds=FILM_S, anomaly_at_s=ANOMALY_AT_S)
        async with plaza_camera(film) as url:
            show(Notice(f"the plaza is a camera now: {url}; learning what is normal for {LEARN_S} s"))
            demo = _Demo(show, started_s)
            monitor = Monitor(demo_config(url, folder, redis), demo.on_event)
            await demo.watch(monitor, redis)
            return demo.report


def demo_config(url: str, folder: Path, redis: RedisConfig) -> Config:
    """Configuration of the demo: one camera, learned live."""
    return Config.parse(
        {
            "cameras": {CAMERA: {"url": url, "learn_for": LEARN_S, "score_fps": 12}},
            "redis": {"url": redis.address},
            "preview": {"port": 0},
            "scenes": folder / "scenes",
            "alerting": {"spool": folder / "alerts.spool.sqlite", "false_alarms_per_day": FALSE_ALARMS_PER_DAY},
        },
        where="demo",
    )


class _Demo:
    """Receives the monitor's events and, as a user's program would, the alerts over Redis."""

    def __init__(self, show: Callable[[Event], None], started_s: float) -> None:
        self.report = DemoReport()
        self._show = show
        self._started_s = started_s
        self._played_from_s: float | None = None
        self._finished = asyncio.Event()

    async def watch(self, monitor: Monitor, redis: RedisConfig) -> None:
        async with asyncio.TaskGroup() as group:
            listener = group.create_task(self._listen(redis), name="subscriber")
            watching = group.create_task(monitor.run(), name="monitor")
            ends = group.create_task(self._finished.wait(), name="end of film")
            await asyncio.wait([watching, ends], return_when=asyncio.FIRST_COMPLETED)
            ends.cancel()
            watching.cancel()
            await asyncio.wait([watching])  # the subscriber still receives the last alerts
            listener.cancel()

    def on_event(self, event: Event) -> None:
        if isinstance(event, CameraStatus):
            if event.state is CameraState.LEARNING and self._played_from_s is None:
                self._played_from_s = event.since_s
            if event.state is CameraState.OFFLINE and self._played_from_s is not None:
                self._finished.set()  # the film is over; a real camera would be reconnected
                return
        self._show(event)

    async def _listen(self, redis: RedisConfig) -> None:
        async with contextlib.aclosing(subscribe(redis)) as messages:
            async for message in messages:
                if message["kind"] == "alert":
                    self._on_alert(message)

    def _on_alert(self, message: dict[str, object]) -> None:
        assert self._played_from_s is not None
        self.report.messages += 1
        opened_s = float(str(message["opened_s"]))
        van_s = self._played_from_s + ANOMALY_AT_S
        if message["event"] == "open":
            if not van_s - 0.5 <= opened_s <= van_s + CROSSING_S + SLACK_S:
                self.report.false_alerts += 1
            elif self.report.alert_id is None:
                self.report.alert_id = str(message["id"])
                self.report.reason = str(message["reason"])
                self.report.first_alert_after_s = round(time.time() - self._started_s, 1)
                self.report.delay_s = round(time.time() - van_s, 2)
                self._show(Notice(f"alert {message['id']} arrived over Redis"))
        if message["id"] == self.report.alert_id:
            self.report.peak_score = float(str(message["peak_score"]))
            if message["event"] == "close":
                self._finished.set()
