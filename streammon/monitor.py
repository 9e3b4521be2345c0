"""Wires the live rooms: readers → scorer → alert rules → Redis, in one task group."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from streammon.alerting import AlertRule, RedisPublisher, Spool, embedded_valkey
from streammon.config import Config, RedisConfig
from streammon.ingest import CameraReader, LatestFrames, probe
from streammon.padim import INPUT_SIZE, hold_writable, load_backbone
from streammon.records import (
    Alert,
    AlertEvent,
    CameraFigures,
    CameraState,
    CameraStatus,
    Event,
    FrameScore,
    Notice,
    SceneProgress,
)
from streammon.scoring import Outcome, ScorerThread, missing_banks

UNDELIVERED_BATCHES = 4  # the scorer waits when the event loop is so many batches behind
HOUSEKEEPING_S = 0.5
PUBLISH_COUNTS_S = 5.0
JOIN_S = 1.0  # the three add up to less than the 5 s in which a service manager expects an end
DRAIN_S = 2.0
READERS_JOIN_S = 0.5
RATE_WINDOW_S = 2.0


class Monitor:
    """A running streammon: every camera read, scored and alerted on, until cancelled.

    Making it checks all that can be checked before the first frame: weights, banks, folders.

    Args:
        config: What to watch.
        on_event: Called on the event loop for everything that happens; must not block.

    Attributes:
        config: What it watches.
        figures: Each camera's figures, kept up to date.

    Raises:
        InputError: The weights, a bank, a camera's file or the scenes folder can't be used.
    """

    def __init__(self, config: Config, on_event: Callable[[Event], None]) -> None:
        self.config = config
        self._on_event = on_event
        now = time.time()
        connecting = {name: CameraStatus(name, CameraState.CONNECTING, now) for name in config.cameras}
        self.figures = {name: CameraFigures(status) for name, status in connecting.items()}
        self._read_status = dict(connecting)  # as the readers say it, without what the scene adds
        self._latest = LatestFrames()
        hold_footage_readable(config)
        hold_banks_writable(config)
        backbone = load_backbone(config.model)
        self._scorer = ScorerThread(config, backbone, self._latest, self._deliver, self._scorer_failed)
        self._readers = {name: self._reader(name) for name in config.cameras}
        self._rules = {
            name: AlertRule(name, config.scene_of(name), config.alerting, frame_interval_s=1 / camera.score_fps)
            for name, camera in config.cameras.items()
        }
        self._undelivered = threading.BoundedSemaphore(UNDELIVERED_BATCHES)
        self._stopping = threading.Event()
        self._crash: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publisher: RedisPublisher | None = None
        self._rates: dict[str, tuple[float, int]] = {}

    async def run(self) -> None:
        """Watch until cancelled, or until every camera is a file that ended.

        On the way out every open alert is closed and delivered, or kept in the spool for the next start.

        Raises:
            RedisError: Redis can't be used at the start; later outages are events.
            StorageError: The spool can't be used.
        """
        self._loop = asyncio.get_running_loop()
        self._crash = self._loop.create_future()
        alerting = self.config.alerting
        with (
            redis_for(self.config.redis) as redis,
            Spool(alerting.spool, alerting.spool_length) as spool,
        ):
            async with RedisPublisher(redis, spool, self._on_event) as publisher:
                self._publisher = publisher
                await publisher.check()
                self._on_event(Notice(f"publishing to {publisher.address} under {redis.prefix}"))
                try:
                    await self._watch(publisher)
                finally:
                    await self._wind_down(publisher)

    async def _watch(self, publisher: RedisPublisher) -> None:
        self._scorer.start()
        for reader in self._readers.values():
            reader.start()
        async with asyncio.TaskGroup() as group:
            endless = [
                group.create_task(publisher.run(), name="publisher"),
                group.create_task(self._keep_house(publisher), name="housekeeping"),
            ]
            await self._all_ended()
            for task in endless:
                task.cancel()

    async def _all_ended(self) -> None:
        """Return when every camera is a file that played to its end and all its frames are scored."""
        assert self._crash is not None
        while True:
            ended = all(status.state is CameraState.ENDED for status in self._read_status.values())
            if ended and self._scorer.idle:
                return
            done, _ = await asyncio.wait([self._crash], timeout=HOUSEKEEPING_S)
            if done:
                self._crash.result()  # raises: a bug ends the group

    async def _wind_down(self, publisher: RedisPublisher) -> None:
        """End the threads, close what is open, deliver what waits: each step with a deadline, nothing lost."""
        self._stopping.set()
        for reader in self._readers.values():
            reader.stop()
        self._scorer.stop()
        self._latest.close()
        with contextlib.suppress(asyncio.CancelledError):  # a second signal must not cost alerts
            await asyncio.to_thread(self._scorer.join, JOIN_S)
        await asyncio.sleep(0)  # what the scorer handed over last
        now = time.time()
        for rule in self._rules.values():
            self._tell_alerts(rule.close_now(now))
        left = await publisher.drain(DRAIN_S)
        if left:
            self._on_event(Notice(f"{left} alert messages wait in {self.config.alerting.spool} for the next start"))
        deadline = time.monotonic() + READERS_JOIN_S
        for reader in self._readers.values():
            reader.join(max(0.0, deadline - time.monotonic()))

    @property
    def blocked_readers(self) -> list[str]:
        """Cameras whose thread hasn't ended: FFmpeg still waits for them, and nothing but a timeout ends that."""
        return [name for name, reader in self._readers.items() if not reader.join(0)]

    async def _keep_house(self, publisher: RedisPublisher) -> None:
        told_s = time.monotonic()
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            self._count()
            for name, reader in self._readers.items():
                if reader.crash is not None:
                    raise reader.crash
                if self.figures[name].status.state is CameraState.LEARNING:
                    self._tell_status(name)
            if time.monotonic() - told_s >= PUBLISH_COUNTS_S:
                told_s = time.monotonic()
                for figures in self.figures.values():
                    publisher.publish_status_nowait(figures.status, figures.counters())

    def _reader(self, name: str) -> CameraReader:
        camera = self.config.cameras[name]
        waits = camera.play == "fast" and not camera.is_live
        put = partial(self._latest.put, stopping=self._is_stopping) if waits else self._latest.put_nowait
        return CameraReader(name, camera, INPUT_SIZE, put, self._report)

    def _is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _report(self, status: CameraStatus) -> None:
        """Called in a reader's thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._on_camera, status)

    def _deliver(self, outcomes: list[Outcome]) -> None:
        """Called in the scorer's thread."""
        assert self._loop is not None
        while not self._undelivered.acquire(timeout=HOUSEKEEPING_S):
            if self._stopping.is_set():
                return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_outcomes, outcomes)

    def _scorer_failed(self, error: BaseException) -> None:
        """Called in the scorer's thread."""
        assert self._loop is not None
        assert self._crash is not None
        self._loop.call_soon_threadsafe(self._crash.set_exception, error)

    def _on_camera(self, status: CameraStatus) -> None:
        self._read_status[status.camera] = status
        self._tell_status(status.camera)
        if status.state not in (CameraState.ONLINE, CameraState.CONNECTING):
            self._tell_alerts(self._rules[status.camera].close_now(time.time()))

    def _tell_status(self, camera: str) -> None:
        """Tell a camera's state with what its scene adds: online and without a bank is learning."""
        assert self._publisher is not None
        status, scene = self._read_status[camera], self._scorer.scenes[self.config.scene_of(camera)]
        figures = self.figures[camera]
        if scene.learning:
            state = CameraState.LEARNING if status.state is CameraState.ONLINE else status.state
            status = replace(status, state=state, progress=round(scene.progress, 2))
        elif figures.status.state is CameraState.LEARNING and status.state is CameraState.ONLINE:
            status = self._read_status[camera] = replace(status, since_s=time.time())  # watching since now
        if status != figures.status:
            figures.status = status
            self._publisher.publish_status_nowait(status, figures.counters())
            self._on_event(status)

    def _on_outcomes(self, outcomes: list[Outcome]) -> None:
        self._undelivered.release()
        for outcome in outcomes:
            if isinstance(outcome, SceneProgress):
                self._on_progress(outcome)
            else:
                self._on_score(outcome)

    def _on_progress(self, progress: SceneProgress) -> None:
        if progress.done:
            threshold = self._scorer.scenes[progress.scene].threshold
            self._on_event(Notice(f"scene '{progress.scene}' is learned; alerts open at score {threshold:.1f}"))
        if progress.trouble:
            self._on_event(Notice(f"{progress.trouble}; the bank is lost when the monitor ends"))
        for camera in self.config.cameras:
            if self.config.scene_of(camera) == progress.scene:
                self._tell_status(camera)

    def _on_score(self, score: FrameScore) -> None:
        assert self._publisher is not None
        figures = self.figures[score.camera]
        figures.score, figures.level = score.score, score.level
        self._publisher.publish_score_nowait(score)
        self._on_event(score)
        self._tell_alerts(self._rules[score.camera].step(score), score)

    def _tell_alerts(self, alerts: list[Alert], score: FrameScore | None = None) -> None:
        assert self._publisher is not None
        if not alerts:
            return
        self._publisher.publish_alerts_nowait(alerts, score)
        for alert in alerts:
            figures = self.figures[alert.camera]
            figures.alert_open = alert.event is not AlertEvent.CLOSE
            figures.alerts += alert.event is AlertEvent.OPEN
            self._on_event(alert)

    def _count(self) -> None:
        lost: Counter[str] = Counter(self._latest.lost)
        now = time.monotonic()
        for name, figures in self.figures.items():
            reader = self._readers[name]
            figures.decoded, figures.corrupt = reader.counts.decoded, reader.counts.corrupt
            figures.connections = reader.counts.connections
            figures.fps_read = reader.fps
            figures.scored, figures.dropped = self._scorer.scored[name], lost[name]
            then_s, then = self._rates.setdefault(name, (now, figures.scored))
            if now - then_s >= RATE_WINDOW_S:
                figures.fps_scored = (figures.scored - then) / (now - then_s)
                self._rates[name] = now, figures.scored


@contextlib.contextmanager
def redis_for(redis: RedisConfig) -> Iterator[RedisConfig]:
    """The configured Redis, or for `embedded` a server of our own for as long as this lasts."""
    if redis.address != "embedded":
        yield redis
        return
    with embedded_valkey(redis.port) as url:
        yield RedisConfig.model_validate({**redis.model_dump(), "url": url})


def hold_footage_readable(config: Config) -> None:
    """Refuse a file or folder without video now: unlike a camera that is away, it won't come by itself.

    Raises:
        FootageError: A camera's url names a file or folder that gives no picture.
    """
    for name, camera in config.cameras.items():
        if not camera.is_live:
            probe(camera, name)


def hold_banks_writable(config: Config) -> None:
    """Find out now, not after ten minutes of learning, whether banks can be written.

    Raises:
        StorageError: A scene that will be learned live has no folder we can write.
    """
    for file in missing_banks(config):
        hold_writable(file.parent)
