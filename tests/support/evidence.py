"""Cameras whose alerts are recorded: real readers, packets and rules; only the levels are made up."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from streammon.alerting import AlertRule
from streammon.config import Config
from streammon.events import EventRecorder, EventRow, read_index
from streammon.ingest import CameraReader
from streammon.records import Alert, AlertEvent, CameraState, CameraStatus, Frame, ScoredFrame
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.numbered_footage import number_in

FPS = 25
BANK = b"a bank"
BANK_SHA256 = hashlib.sha256(BANK).hexdigest()


def config_of(folder: Path, urls: dict[str, str], **events: Any) -> Config:
    """Cameras of the scene `hall` that are scored with every picture; alerts open after a frame."""
    cameras = {name: {"url": url, "scene": "hall", "score_fps": FPS} for name, url in urls.items()}
    for camera in cameras.values():
        camera |= {"open_timeout_s": 2, "read_timeout_s": 2}
    alerting = {"min_duration_s": 0.2, "close_after_s": 0.4, "cooldown_s": 0.1, "update_every_s": 0.2}
    kept = {"folder": folder / "events", "before_s": 2, "after_s": 1} | events
    return Config.parse({"cameras": cameras, "alerting": alerting, "events": kept}, "test")


class RecordedCameras:
    """Readers whose frames are abnormal where their numbers say so, each with its rule, and one recorder.

    Attributes:
        alerts: Every alert message.
        frames: Every kept frame.
        statuses: Every camera's statuses.
        failures: Reasons that the recorder gave for its disk, empty when recording went on.
    """

    def __init__(self, config: Config, folder: Path, abnormal: Callable[[int], bool]) -> None:
        self.alerts: Recorder[Alert] = Recorder()
        self.frames: Recorder[Frame] = Recorder()
        self.statuses: Recorder[CameraStatus] = Recorder()
        self.failures: Recorder[str] = Recorder()
        bank = folder / "bank.safetensors"
        bank.write_bytes(BANK)
        self.recorder = EventRecorder(config, {"hall": bank}, self.failures)
        self._config = config
        self._abnormal = abnormal
        self._rules = {name: AlertRule(name, "hall", config.alerting) for name in config.cameras}
        self.readers = {
            name: CameraReader(name, camera, 240, self._score, self._on_status, ring=self.recorder.rings[name])
            for name, camera in config.cameras.items()
        }

    def _score(self, frame: Frame) -> None:
        number = number_in(frame.picture)
        score = scored(frame.camera, frame.wall_time_s, 9.0 + number / 1000 if self._abnormal(number) else 1.0)
        self.frames(frame)
        self.recorder.on_event(score)
        self._tell(self._rules[frame.camera].step(score))

    def _on_status(self, status: CameraStatus) -> None:
        self.statuses(status)
        if status.state not in (CameraState.ONLINE, CameraState.CONNECTING):
            self._tell(self._rules[status.camera].close_now(time.time()))

    def _tell(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            self.recorder.on_event(alert)
            self.alerts(alert)

    def wait_for_alert(self, event: AlertEvent, count: int = 1) -> Alert:
        return self.alerts.wait_for(lambda alert: alert.event is event, count=count)


def scored(camera: str, time_s: float, score: float) -> ScoredFrame:
    """A frame that is abnormal in its upper left quarter; alerts open at score 5."""
    anomaly_map = np.full((16, 16), 0.5, np.float32)
    anomaly_map[:8, :8] = score
    level = 1.0 if score >= 5.0 else -5.0
    return ScoredFrame(camera, "hall", 0, time_s, 0.0, score, level, 5.0, anomaly_map, (320, 240), basis_s=7200.0)


@contextmanager
def recorded(config: Config, folder: Path, abnormal: Callable[[int], bool]) -> Iterator[RecordedCameras]:
    """Cameras that are watched and recorded; at the end they are stopped as by the monitor."""
    cameras = RecordedCameras(config, folder, abnormal)
    with cameras.recorder:
        for reader in cameras.readers.values():
            reader.start()
        try:
            yield cameras
        finally:
            for reader in cameras.readers.values():
                reader.stop()
                assert reader.join(DEADLINE_S)
            cameras.recorder.stop()
            assert cameras.recorder.join(DEADLINE_S)


def wait_for_row(folder: Path, expected: Callable[[EventRow], bool], count: int = 1) -> EventRow:
    """The `count`-th row of an index that is as expected; another process writes it, so it is looked at often."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        rows = read_index(folder) if (folder / "index.sqlite").exists() else []
        matching = [row for row in rows if expected(row)]
        if len(matching) >= count:
            return matching[count - 1]
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)


def side_car_of(folder: Path, row: EventRow) -> dict[str, Any]:
    content = json.loads((folder / row.folder / f"{row.id}.json").read_text())
    assert isinstance(content, dict)
    return content


def clips_of(folder: Path, row: EventRow) -> list[Path]:
    return [folder / row.folder / name for name in row.files if name.endswith(".mp4")]
