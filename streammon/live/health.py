"""The health of cameras and of the monitor: what is wrong now, and the alerts about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shutil import disk_usage
from urllib.parse import urlsplit

from streammon.alerting import HealthFinding, HealthRule
from streammon.config import CameraConfig, Config
from streammon.ingest import CameraReader
from streammon.live.health_signals import BankFit, DroppedShare, RateFall, nearly_full
from streammon.live.scenes import LiveScene
from streammon.records import (
    Alert,
    AlertEvent,
    CameraFigures,
    CameraState,
    Condition,
    HealthAlert,
    RedisStatus,
    ScoredFrame,
    SinkStatus,
)

GONE = (CameraState.OFFLINE, CameraState.FROZEN, CameraState.UNAUTHORISED, CameraState.CONNECTING)
OF_PICTURES = (Condition.BLACK, Condition.OVEREXPOSED, Condition.COVERED, Condition.BLURRED, Condition.VIEW)
LONGEST_FRAME_STEP_S = 10.0
"""Longest time between two frames that counts as watched."""


class Health:
    """Finds what is wrong with cameras and monitor, and makes health alerts of it. Used on the event loop.

    Args:
        config: The cameras, `health` and the folders.
        readers: Reader of each camera.
        scenes: Scenes by name.
        figures: Figures of each camera.

    Attributes:
        recording_fault: Why no evidence of alerts can be recorded; empty while it can. May be set in any thread.
    """

    def __init__(
        self,
        config: Config,
        readers: Mapping[str, CameraReader],
        scenes: Mapping[str, LiveScene],
        figures: Mapping[str, CameraFigures],
    ) -> None:
        self.recording_fault = ""
        self._config = config
        self._readers = readers
        self._scenes = scenes
        self._figures = figures
        self._ignored = frozenset(config.health.ignore)
        self._rule = HealthRule(config.health.grace_s, {name: host_of(each) for name, each in config.cameras.items()})
        self._rates = {name: RateFall() for name, camera in config.cameras.items() if not camera.scored.waits}
        self._banks = {name: BankFit(config.alerting.false_alarms_per_day) for name in config.cameras}
        self._dropped = DroppedShare()
        self._frame_s: dict[str, float] = {}  # camera → time of its latest scored frame
        self._lights = dict.fromkeys(config.cameras, 0)  # changes seen
        self._full = ""
        self._now_s: float | None = None

    def watch(self, score: ScoredFrame) -> None:
        """Take in a scored frame."""
        step_s = score.wall_time_s - self._frame_s.get(score.camera, score.wall_time_s)
        self._frame_s[score.camera] = score.wall_time_s
        if 0 < step_s <= LONGEST_FRAME_STEP_S and not score.light_changes:
            is_abnormal = score.level >= self._config.alerting.open_level
            self._banks[score.camera].watch(step_s, score.basis_s, abnormal=is_abnormal)

    def watch_alert(self, alert: Alert) -> None:
        """Take in an alert message."""
        if alert.event is AlertEvent.OPEN:
            self._banks[alert.camera].alert_opened()

    def step(self, redis: RedisStatus, sinks: Sequence[SinkStatus], now_s: float) -> list[HealthAlert]:
        """Look at everything once.

        Args:
            redis: State of Redis.
            sinks: State of each sink of notifications.
            now_s: Unix time.

        Returns:
            Messages that are due.
        """
        step_s = 0.0 if self._now_s is None else max(now_s - self._now_s, 0.0)
        self._now_s = now_s
        findings = [
            each for each in self._findings(redis, sinks, step_s, now_s) if each.condition not in self._ignored
        ]
        return self._rule.step(findings, now_s)

    def close_now(self, now_s: float) -> list[HealthAlert]:
        """Close all alerts, as when the monitor ends."""
        return self._rule.close_now(now_s)

    def measure_disks(self, usage: Callable[[Path], tuple[int, int, int]] | None = None) -> None:
        """Measure the free space of the folders that the monitor writes to. Callable in another thread; may block.

        Args:
            usage: Total, used and free bytes of the disk of a folder; default: the system's.
        """
        folders = [self._config.scenes, self._config.alerting.spool.parent]
        if self._config.events is not None:
            folders.append(self._config.events.folder)
        if self._config.redis.address == "embedded":
            folders.append(self._config.redis.folder)
        found = ""
        for folder in folders:
            there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
            total, _, free = (usage or disk_usage)(there)
            if full := nearly_full(free, total):
                found = f"the disk of {folder} is nearly full: {full}"
                break
        self._full = found

    def scenes_without_pictures(self) -> list[str]:
        """Names of learned scenes that have no statistics of whole pictures."""
        return [name for name, scene in self._scenes.items() if not scene.learning and scene.pictures is None]

    def _findings(
        self, redis: RedisStatus, sinks: Sequence[SinkStatus], step_s: float, now_s: float
    ) -> Iterator[HealthFinding]:
        for name in self._config.cameras:
            yield from self._of_camera(name, step_s)
        yield HealthFinding(Condition.DISK, reason=self._full)
        unrecorded = f"no evidence of alerts is recorded ({self.recording_fault})" if self.recording_fault else ""
        yield HealthFinding(Condition.RECORDING, reason=unrecorded)
        yield HealthFinding(Condition.REDIS, reason="" if redis.online else f"redis is away ({redis.reason})")
        away = [f"sink '{sink.sink}' takes no messages ({sink.reason})" for sink in sinks if not sink.online]
        yield HealthFinding(Condition.SINK, reason="; ".join(away))
        scored = sum(figures.scored for figures in self._figures.values())
        lost = sum(figures.dropped for figures in self._figures.values())
        yield HealthFinding(Condition.SCORER, reason=self._dropped.found(scored, lost, now_s))

    def _of_camera(self, name: str, step_s: float) -> Iterator[HealthFinding]:
        status = self._figures[name].status
        reason = f" ({status.reason})" if status.reason else ""
        yield HealthFinding(Condition.OFFLINE, name, f"{status.state}{reason}" if status.state in GONE else "")
        if not status.state.sends_pictures:
            return
        yield from self._of_light(name)
        yield from self._of_picture(name)
        if name in self._rates:
            yield HealthFinding(Condition.RATE, name, self._rates[name].found(self._readers[name].fps, step_s))
        if status.state is CameraState.ONLINE:
            yield HealthFinding(Condition.BANK, name, self._banks[name].found())

    def _of_light(self, name: str) -> Iterator[HealthFinding]:
        light = self._readers[name].light
        changes, self._lights[name] = light.changes - self._lights[name], light.changes
        reason = f"{light.reason}; no alert opens until it is steady" if changes or light.changing else ""
        yield HealthFinding(Condition.LIGHT, name, reason)

    def _of_picture(self, name: str) -> Iterator[HealthFinding]:
        """Findings about the latest picture; none while the light changes or the scene isn't learned."""
        reader, normal = self._readers[name], self._scenes[self._config.scene_of(name)].pictures
        glance = reader.glance
        if glance is None or normal is None or reader.light.changing:
            return
        condition, words = normal.fault(glance) or (None, "")
        for each in OF_PICTURES:
            yield HealthFinding(each, name, words if each is condition else "")


def host_of(camera: CameraConfig) -> str:
    """Host of the stream that is scored; empty for a file, a device or an address without one.

    >>> host_of(CameraConfig(url="rtsp://viewer:secret@10.0.3.7:554/1"))
    '10.0.3.7'
    """
    address = camera.scored.address
    try:
        return (urlsplit(address).hostname or "") if "://" in address else ""
    except ValueError:
        return ""
