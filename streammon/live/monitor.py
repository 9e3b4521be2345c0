"""The live monitor: connects readers → scorer → alert rules → Redis, sinks and the recorder, in one task group."""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from streammon.alerting import AlertRule, RedisPublisher, Spool, redis_for
from streammon.alerting.sinks import Notifier
from streammon.config import Config, RedisConfig
from streammon.errors import RedisError
from streammon.events import EventRecorder, EventReview, require_events
from streammon.ingest import CameraReader, LatestFrames
from streammon.live.health import Health
from streammon.live.main_streams import MainStreams
from streammon.live.overload import Overload
from streammon.live.reloading import SceneReloader
from streammon.live.scenes import Outcome
from streammon.live.scorer import ScorerThread
from streammon.live.startup import require_banks_writable, require_footage_readable
from streammon.padim import BANK_FILE, INPUT_SIZE, device_memory_bytes, load_backbone
from streammon.records import (
    Alert,
    AlertEvent,
    CameraFigures,
    CameraState,
    CameraStatus,
    Condition,
    Event,
    HealthAlert,
    MainStreamStatus,
    Notice,
    SceneProgress,
    ScoredFrame,
    ScoringStatus,
    Verdict,
)

if TYPE_CHECKING:
    from streammon.preview import Preview

EARLIER_ALERTS = 200  # as many as the page keeps
UNTAKEN_REPORTS = 8  # back-pressure: threads block while so many of their reports wait for the event loop
HOUSEKEEPING_S = 0.5
DISKS_S = 10.0
PUBLISH_COUNTS_S = 5.0
SAVE_WATCHED_S = 60.0  # a killed monitor loses at most so much of the online calibration
SCORER_JOIN_S = 1.0  # these four and 1 s for the preview stay below the 5 s in which the monitor must end
DRAIN_S = 1.0
RECORDER_JOIN_S = 1.0
READERS_JOIN_S = 0.5
RATE_WINDOW_S = 2.0

Report = CameraStatus | MainStreamStatus | Notice | list[Outcome] | BaseException
"""Report of a thread to the event loop; an error ends the monitor."""


class Monitor:
    """Reads, scores and alerts on every camera until cancelled.

    The constructor checks everything that can be checked before the first frame: weights, banks, files, folders.

    Args:
        config: Configuration of the cameras and of everything else.
        on_event: Called on the event loop with each event; must not block.

    Attributes:
        config: The configuration.
        figures: Figures of each camera, kept up to date.

    Raises:
        InputError: The weights, a bank, a camera's file, the scenes or events folder, a sink or the preview's
            certificate can't be used.
    """

    def __init__(self, config: Config, on_event: Callable[[Event], None]) -> None:
        self.config = config
        self._on_event_callback = on_event
        now = time.time()
        connecting = {name: CameraStatus(name, CameraState.CONNECTING, now) for name in config.cameras}
        self.figures = {name: CameraFigures(status) for name, status in connecting.items()}
        self._read_status = dict(connecting)  # as reported by the readers, whatever the scorer does with the frames
        self._scoring_faults: dict[str, ScoringStatus] = {}  # of the cameras whose frames can't be scored now
        self._latest = LatestFrames()
        self._preview = self._new_preview()
        self._notifier = self._new_notifier()
        self._recorder = self._new_recorder()
        require_footage_readable(config)
        require_banks_writable(config)
        backbone = load_backbone(config.model, config.scenes)
        self._device = backbone.device
        self._scorer = ScorerThread(config, backbone, self._latest, self._hand_over, self._hand_over)
        self._reloader = SceneReloader(self._scorer.scenes.values(), self._hand_over)
        self._readers = {name: self._reader(name) for name in config.cameras}
        self._main_streams = self._new_main_streams()
        self._overload = Overload(config, self._readers, self._latest, self._scorer, self.figures)
        self._health = Health(config, self._readers, self._scorer.scenes, self.figures)
        self._rules = {
            name: AlertRule(name, config.scene_of(name), config.alerting, frame_interval_s=1 / camera.score_fps)
            for name, camera in config.cameras.items()
        }
        self._reports: asyncio.Queue[Report] = asyncio.Queue()  # bounded by the semaphore
        self._report_slots = threading.BoundedSemaphore(UNTAKEN_REPORTS)
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publisher: RedisPublisher | None = None
        self._spool: Spool | None = None
        self._rates: dict[str, tuple[float, int]] = {}

    async def run(self) -> None:
        """Watch until cancelled, or until every camera is a file that ended.

        On the way out every open alert is closed and delivered, or kept in the spool for the next start.

        Raises:
            ConfigError: The preview can't listen on the configured address, or a sink can't be reached at the start.
            RedisError: Redis can't be used at the start; later outages are events.
            StorageError: The spool or the events folder can't be used.
        """
        self._loop = asyncio.get_running_loop()
        with self._recorder or contextlib.nullcontext():
            await self._serve()

    async def _serve(self) -> None:
        if self._preview is None:
            return await self._publish()
        async with self._preview:
            self._on_event(Notice(f"preview on {self._preview.url}"))
            return await self._publish()

    async def _publish(self) -> None:
        alerting = self.config.alerting
        async with redis_for(self.config.redis) as redis:
            with Spool(alerting.spool, alerting.spool_length) as spool:
                await self._publish_to(redis, spool)

    async def _publish_to(self, redis: RedisConfig, spool: Spool) -> None:
        async with RedisPublisher(redis, spool, self._on_event, cameras=tuple(self.config.cameras)) as publisher:
            self._publisher = publisher
            self._spool = spool
            await publisher.check()
            await self._notifier.require_reachable()
            self._on_event(Notice(f"publishing to {publisher.place}"))
            await self._show_earlier_alerts(publisher)
            for name, place in self._notifier.places.items():
                self._on_event(Notice(f"sink '{name}' is {place}"))
            async with self._notifier.running(spool):
                try:
                    await self._watch(publisher)
                finally:
                    await self._wind_down(publisher)

    async def _show_earlier_alerts(self, publisher: RedisPublisher) -> None:
        """Pass the newest alerts of earlier runs to page and recorder; if Redis can't be read, there are none."""
        if self._preview is None and self._recorder is None:
            return
        try:
            alerts = await publisher.newest_alerts(self.config.cameras, EARLIER_ALERTS)
        except RedisError as error:
            self._on_event(Notice(f"the page starts without earlier alerts ({error.found})"))
            return
        if self._preview is not None:
            self._preview.restore(alerts)
        if self._recorder is not None:
            self._recorder.restore(alerts)

    def _new_preview(self) -> "Preview | None":
        if self.config.preview is None:
            return None
        from streammon.preview import Gauges, Preview  # WebRTC takes half a second to load, so only where it is used

        gauges = Gauges(
            unread_frames=lambda: len(self._latest),
            spooled_alerts=lambda: 0 if self._spool is None else len(self._spool),
            sinks=lambda: self._notifier.statuses,
            redis_online=lambda: self._publisher is not None and self._publisher.status.online,
            device_memory_bytes=lambda: device_memory_bytes(self._device),
        )
        events = None if self.config.events is None else EventReview(self.config.events.folder)
        return Preview(self.config, self.figures, gauges, self._on_verdict, events)

    def _on_verdict(self, verdict: Verdict) -> None:
        """Pass a verdict to its scene and to Redis."""
        self._queue_feedback(verdict)
        if self._publisher is not None:
            self._publisher.publish_verdict_nowait(verdict)

    def _new_recorder(self) -> EventRecorder | None:
        if self.config.events is None:
            return None
        require_events(self.config.events)
        scenes = {self.config.scene_of(name) for name in self.config.cameras}
        banks = {scene: self.config.scenes / scene / BANK_FILE for scene in scenes}
        return EventRecorder(self.config, banks, self._on_events_disk)

    def _on_events_disk(self, failure: str) -> None:
        """Take note that evidence can't be recorded, or can again. Called in the recorder's thread."""
        self._health.recording_fault = failure

    def _new_notifier(self) -> Notifier:
        return Notifier(self.config, self._on_event, self._alert_picture)

    async def _alert_picture(self, alert_id: str) -> bytes | None:
        """Picture of an alert with its boxes, as JPEG: the page's, else that of the kept evidence."""
        picture = None if self._preview is None else await self._preview.alert_snapshot(alert_id)
        if picture is None and self._recorder is not None:
            picture = await asyncio.to_thread(self._recorder.snapshot, alert_id)
        return picture

    def _queue_feedback(self, message: Alert | Verdict) -> None:
        """Pass an alert or a verdict to its scene. The scene of an earlier run's alert may not be configured."""
        if message.scene in self._scorer.scenes:
            self._scorer.scenes[message.scene].queue_feedback(message)

    def _on_event(self, event: Event) -> None:
        """Pass an event to the preview, the recorder and the `on_event` callback."""
        if self._preview is not None:
            self._preview.on_event(event)
        if self._recorder is not None:
            self._recorder.on_event(event)
        self._on_event_callback(event)

    async def _watch(self, publisher: RedisPublisher) -> None:
        if scenes := self._health.scenes_without_pictures():
            unnoticed = "black, covered, blurred or turned cameras are not noticed until it is fitted again"
            self._on_event(Notice(f"{_listed(scenes)}: {unnoticed}, since no pictures were measured"))
        self._scorer.start()
        self._reloader.start()
        for reader in self._all_readers():
            reader.start()
        async with asyncio.TaskGroup() as group:
            endless = [
                group.create_task(publisher.run(), name="publisher"),
                group.create_task(self._take_reports(), name="reports"),
                group.create_task(self._measure_disks(), name="disks"),
            ]
            await self._housekeep(publisher)
            for task in endless:
                task.cancel()

    async def _wind_down(self, publisher: RedisPublisher) -> None:
        """Stop the threads, close all alerts, deliver them under a deadline; undelivered ones stay in the spool."""
        self._stopping.set()
        for reader in self._all_readers():
            reader.stop()
        self._reloader.stop()
        self._scorer.stop()
        self._latest.close()
        try:
            await asyncio.to_thread(self._scorer.join, SCORER_JOIN_S)
        finally:  # even on a second cancellation, alerts are put into the spool before the next await
            self._close_alerts(publisher)
        if self._recorder is not None:
            self._recorder.stop()
        await self._save_watched()
        left = sum(await asyncio.gather(publisher.drain(DRAIN_S), self._notifier.drain(DRAIN_S)))
        if left:
            self._on_event(Notice(f"{left} alert messages wait in {self.config.alerting.spool} for the next start"))
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.join, RECORDER_JOIN_S)
        await asyncio.to_thread(self._join_threads, READERS_JOIN_S)

    def _close_alerts(self, publisher: RedisPublisher) -> None:
        """Take the last reports of the threads, then close every alert and publish the final counts."""
        try:
            while not self._reports.empty():
                self._on_report(self._reports.get_nowait())
        finally:
            now = time.time()
            self._publish_alerts([alert for rule in self._rules.values() for alert in rule.close_now(now)])
            self._publish_health(self._health.close_now(now))
        self._count()
        self._publish_counts(publisher)

    def _join_threads(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for thread in (*self._all_readers(), self._reloader):
            thread.join(max(0.0, deadline - time.monotonic()))

    async def _housekeep(self, publisher: RedisPublisher) -> None:
        """Update and publish figures, save the online calibration, until every camera is footage that has ended."""
        published_s = saved_s = time.monotonic()
        while not self._all_ended():
            await asyncio.sleep(HOUSEKEEPING_S)
            self._count()
            self._publish_health(self._health.step(publisher.status, self._notifier.statuses, time.time()))
            if overload := self._overload.step(time.monotonic()):
                self._on_event(Notice(overload))
            if time.monotonic() - saved_s >= SAVE_WATCHED_S:
                saved_s = time.monotonic()
                await self._save_watched()
            for name in self._readers:
                if self.figures[name].status.state is CameraState.LEARNING:
                    self._publish_status(name)
            if time.monotonic() - published_s >= PUBLISH_COUNTS_S:
                published_s = time.monotonic()
                self._publish_counts(publisher)

    async def _measure_disks(self) -> None:
        while True:
            await asyncio.to_thread(self._health.measure_disks)
            await asyncio.sleep(DISKS_S)

    async def _save_watched(self) -> None:
        """Save the online calibration of every scene; a failure to write is a notice, and the monitor goes on."""
        for failure in await asyncio.to_thread(self._scorer.save_watched):
            self._on_event(Notice(str(failure)))

    def _all_ended(self) -> bool:
        """True if every camera is footage that played to its end, and all kept frames are scored, failed or lost."""
        if any(status.state is not CameraState.ENDED for status in self._read_status.values()):
            return False
        kept = sum(reader.counts.kept for reader in self._readers.values())
        taken = self._scorer.scored.total() + self._scorer.unscored.total()
        return kept == taken + sum(self._latest.lost.values())

    def _publish_counts(self, publisher: RedisPublisher) -> None:
        for figures in self.figures.values():
            publisher.publish_status_nowait(figures.status, figures.counters())

    def _reader(self, name: str) -> CameraReader:
        camera = self.config.cameras[name].scored
        put = partial(self._latest.put, stopping=self._is_stopping) if camera.waits else self._latest.put_nowait
        show = None if self._preview is None else partial(self._preview.pictures.put_picture, name)
        detail = self.config.model.method == "motion"
        return CameraReader(
            name,
            camera,
            INPUT_SIZE,
            put,
            self._hand_over,
            show,
            detail=detail,
            ring=None if self._recorder is None else self._recorder.rings[name],
            watches_light=Condition.LIGHT not in self.config.health.ignore,
        )

    def _new_main_streams(self) -> MainStreams | None:
        if self._preview is None:
            return None
        return MainStreams(self.config, self._preview.pictures, self._readers, self._hand_over)

    def _all_readers(self) -> list[CameraReader]:
        main_streams = [] if self._main_streams is None else self._main_streams.readers.values()
        return [*self._readers.values(), *main_streams]

    def _is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _hand_over(self, report: Report) -> None:
        """Queue a report for the event loop, blocking while too many wait (back-pressure). Called in the threads."""
        assert self._loop is not None
        while not self._report_slots.acquire(timeout=HOUSEKEEPING_S):
            if self._stopping.is_set():
                return
        with contextlib.suppress(RuntimeError):  # the loop has closed, so the report is dropped
            self._loop.call_soon_threadsafe(self._reports.put_nowait, report)

    async def _take_reports(self) -> None:
        while True:
            self._on_report(await self._reports.get())

    def _on_report(self, report: Report) -> None:
        self._report_slots.release()
        match report:
            case CameraStatus():
                self._on_camera(report)
            case MainStreamStatus() | Notice():
                self._on_event(report)
            case list():
                for outcome in report:
                    self._on_outcome(outcome)
            case BaseException():
                raise report

    def _on_camera(self, status: CameraStatus) -> None:
        self._read_status[status.camera] = status
        self._publish_status(status.camera)
        if status.state not in (CameraState.ONLINE, CameraState.CONNECTING):
            self._publish_alerts(self._rules[status.camera].close_now(time.time()))

    def _publish_status(self, camera: str) -> None:
        """Publish a camera's state if it changed.

        An online camera is `offline` while its frames can't be scored, and `learning` if its scene has no bank.
        """
        assert self._publisher is not None
        status, scene = self._read_status[camera], self._scorer.scenes[self.config.scene_of(camera)]
        figures, fault = self.figures[camera], self._scoring_faults.get(camera)
        if fault is not None and status.state is CameraState.ONLINE:
            status = replace(status, state=CameraState.OFFLINE, reason=fault.reason, retry_in_s=fault.retry_in_s)
        elif scene.learning:
            state = CameraState.LEARNING if status.state is CameraState.ONLINE else status.state
            status = replace(status, state=state, progress=round(scene.progress, 2))
        elif figures.status.state is CameraState.LEARNING and status.state is CameraState.ONLINE:
            status = self._read_status[camera] = replace(status, since_s=time.time())  # scored from now on
        if status != figures.status:
            figures.status = status
            self._notifier.show_camera_nowait(status)
            self._publisher.publish_status_nowait(status, figures.counters())
            self._on_event(status)

    def _on_outcome(self, outcome: Outcome) -> None:
        match outcome:
            case SceneProgress():
                self._on_progress(outcome)
            case ScoringStatus():
                self._on_scoring(outcome)
            case ScoredFrame():
                self._on_score(outcome)

    def _on_scoring(self, status: ScoringStatus) -> None:
        """Note that a camera's frames can't be scored, or can again; its alert is closed while they can't."""
        read, failed_before = self._read_status[status.camera], status.camera in self._scoring_faults
        if status.reason:
            self._scoring_faults[status.camera] = status
            self._publish_alerts(self._rules[status.camera].close_now(time.time()))
        else:
            self._scoring_faults.pop(status.camera, None)
        if read.state is CameraState.ONLINE and failed_before != bool(status.reason):  # another state begins
            self._read_status[status.camera] = replace(read, since_s=time.time())
        self._publish_status(status.camera)

    def _on_progress(self, progress: SceneProgress) -> None:
        if progress.done:
            threshold = self._scorer.scenes[progress.scene].threshold
            self._on_event(Notice(f"scene '{progress.scene}' is learned; alerts open at score {threshold:.1f}"))
        if progress.trouble:
            self._on_event(Notice(progress.trouble))
        for camera in self.config.cameras:
            if self.config.scene_of(camera) == progress.scene:
                self._publish_status(camera)

    def _on_score(self, score: ScoredFrame) -> None:
        assert self._publisher is not None
        figures = self.figures[score.camera]
        figures.score, figures.level = score.score, score.level
        self._overload.watch(score, time.monotonic())
        self._health.watch(score)
        self._publisher.publish_score_nowait(score)
        self._on_event(score)
        rule = self._rules[score.camera]
        alerts = rule.step(score)
        if self._read_status[score.camera].state is not CameraState.ONLINE:  # frames scored after the loss
            alerts += rule.close_now(score.wall_time_s)
        self._publish_alerts(alerts, score)

    def _publish_alerts(self, alerts: list[Alert], score: ScoredFrame | None = None) -> None:
        assert self._publisher is not None
        if not alerts:
            return
        self._publisher.publish_alerts_nowait(alerts, score)
        self._notifier.publish_alerts_nowait(alerts, self._publisher.heatmap_key)
        for alert in alerts:
            figures = self.figures[alert.camera]
            figures.alert_open = alert.event is not AlertEvent.CLOSE
            figures.alerts += alert.event is AlertEvent.OPEN
            self._queue_feedback(alert)
            self._health.watch_alert(alert)
            self._on_event(alert)

    def _publish_health(self, alerts: list[HealthAlert]) -> None:
        assert self._publisher is not None
        self._publisher.publish_health_nowait(alerts)
        self._notifier.publish_health_nowait(alerts)
        for alert in alerts:
            self._on_event(alert)

    def _count(self) -> None:
        lost: Counter[str] = Counter(self._latest.lost)
        now = time.monotonic()
        for name, figures in self.figures.items():
            reader = self._readers[name]
            figures.decoded, figures.corrupt = reader.counts.decoded, reader.counts.corrupt
            figures.connections = reader.counts.connections
            figures.failures = reader.counts.failures + self._scorer.failures[name]
            figures.fps_read = reader.fps
            figures.scored, figures.dropped = self._scorer.scored[name], lost[name] + self._scorer.unscored[name]
            then_s, then = self._rates.setdefault(name, (now, figures.scored))
            if now - then_s >= RATE_WINDOW_S:
                figures.fps_scored = (figures.scored - then) / (now - then_s)
                self._rates[name] = now, figures.scored


def _listed(scenes: list[str]) -> str:
    """Names of scenes in words.

    >>> _listed(["hall"]), _listed(["hall", "yard", "gate"])
    ("scene 'hall'", "scenes 'hall', 'yard', 'gate'")
    """
    return f"scene{'s' if len(scenes) > 1 else ''} {', '.join(map(repr, scenes))}"
