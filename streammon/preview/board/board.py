"""State of the page: each camera's status, its scores of the last minutes, and the alerts."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from streammon.config import Config, PreviewConfig
from streammon.durations import DAY_S
from streammon.preview.board.api import BoardApi
from streammon.preview.board.changes import Changes
from streammon.preview.board.entry import Entry
from streammon.preview.board.evidence import EvidenceApi
from streammon.preview.board.journal import Journal, StillSource
from streammon.preview.board.kept import KeptEvents, ReviewedEvents
from streammon.preview.board.timeline import Timeline, shown_level, threshold_ratio
from streammon.records import (
    Alert,
    AlertEvent,
    CameraFigures,
    CameraStatus,
    Event,
    HealthAlert,
    MainStreamStatus,
    Notice,
    RedisStatus,
    ScoredFrame,
    SpoolStatus,
    Verdict,
)

SCORES_PER_S = 4.0  # of each camera, to each page
NOTICES = 20
FEED = 50


class Board:
    """State of the page: each camera's status, its scores of the last minutes, and the alerts.

    Must be used on one event loop. Its memory is bounded: timelines are thinned, and only the newest alerts are kept.

    Args:
        config: Configuration of the cameras, of alerting, and of the folder for normal footage.
        figures: Each camera's figures, which the monitor keeps up to date.
        pictures: Source of the alerts' pictures.
        on_verdict: Called on the event loop with each verdict on an alert.
        events: Alerts whose evidence is kept; None where none is.

    Attributes:
        journal: The alerts.
        changes: Server-sent events to the open pages.
    """

    def __init__(
        self,
        config: Config,
        figures: Mapping[str, CameraFigures],
        pictures: StillSource,
        on_verdict: Callable[[Verdict], None] = lambda _: None,
        events: ReviewedEvents | None = None,
    ) -> None:
        preview = config.preview or PreviewConfig()
        self._config = config
        self._figures = figures
        self._cameras = {
            name: _ShownCamera(name, config, figures[name], preview.history_s) for name in config.cameras
        }
        self._redis: RedisStatus | None = None
        self._spool: SpoolStatus | None = None
        self._notices: deque[dict[str, Any]] = deque(maxlen=NOTICES)
        self.changes = Changes(self.snapshot)
        self._kept = None if events is None else KeptEvents(events)
        self.journal = Journal(config.scenes, pictures, self._on_entry, self._on_judged, on_verdict, self._kept)

    def routes(self) -> list[web.AbstractRouteDef]:
        """The page at `/`, its files under `/page/`, JSON and server-sent events under `/api/`."""
        board = BoardApi(self.snapshot, self.changes, self.journal).routes()
        return [*board, *EvidenceApi(self._kept).routes()]

    async def close(self) -> None:
        """End every page's event stream, and close the journal."""
        self.changes.close()
        await self.journal.close()

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Add the latest messages of earlier alerts to the journal, and publish them to the open pages."""
        for entry in self.journal.restore(alerts):
            self._on_entry(entry)

    def on_event(self, event: Event) -> None:
        """Update the state with an event of the monitor. Called on the event loop; never blocks."""
        self.journal.start_nowait()
        match event:
            case ScoredFrame():
                self._on_score(event)
            case CameraStatus():
                self.journal.watch(event.camera, event.state.sends_pictures)
                self.changes.publish_nowait("camera", self._cameras[event.camera].update_status(event))
            case MainStreamStatus():
                self.changes.publish_nowait("camera", self._cameras[event.camera].update_main_stream(event))
            case Alert():
                camera = self._cameras[event.camera]
                camera.timeline.add_alert(event)
                self._on_entry(self.journal.on_alert(event, camera.size))
            case Notice():
                self._add_notice(event.text)
            case HealthAlert(event=AlertEvent.OPEN):
                self._add_notice(f"{event.subject}: {event.reason}")
            case HealthAlert():
                self._add_notice(f"{event.subject}: over ({event.reason})")
            case RedisStatus():
                self._redis = event
                self.changes.publish_nowait("redis", asdict(event))
            case SpoolStatus():
                self._spool = event
                self.changes.publish_nowait("spool", asdict(event))

    def snapshot(self) -> dict[str, Any]:
        """The complete current state, as JSON."""
        return {
            "now_s": round(time.time(), 3),
            "history_s": (self._config.preview or PreviewConfig()).history_s,
            "open_level": round(self._config.alerting.open_level, 3),
            "reviews": self._kept is not None,
            "asked_s": round(DAY_S / self._config.alerting.false_alarms_per_day, 3),
            "cameras": [camera.as_json() for camera in self._cameras.values()],
            "alerts": [entry.as_json() for entry in self.journal.newest(FEED)],
            "redis": None if self._redis is None else asdict(self._redis),
            "spool": None if self._spool is None else asdict(self._spool),
            "notices": list(self._notices),
        }

    def _add_notice(self, text: str) -> None:
        self._notices.append({"time_s": round(time.time(), 3), "text": text})
        self.changes.publish_nowait("notice", self._notices[-1])

    def _on_score(self, score: ScoredFrame) -> None:
        self.journal.on_score(score)
        change = self._cameras[score.camera].update_score(score, asyncio.get_running_loop().time())
        if change is not None:
            self.changes.publish_nowait("score", change)

    def _on_entry(self, entry: Entry) -> None:
        if entry.alert.id in self.journal.entries:
            self.changes.publish_nowait("alert", entry.as_json())

    def _on_judged(self, entry: Entry) -> None:
        self.changes.publish_nowait("judged", {"id": entry.alert.id, **asdict(entry.judgement)})


class _ShownCamera:
    """State of one camera on the page."""

    def __init__(self, name: str, config: Config, figures: CameraFigures, history_s: float) -> None:
        self.name = name
        self.scene = config.scene_of(name)
        self.status = figures.status
        self.main_fault = ""
        self.size: tuple[int, int] | None = None
        self.timeline = Timeline(history_s)
        self._figures = figures
        self._score_fps = config.cameras[name].score_fps
        self._level: float | None = None
        self._ratio: float | None = None
        self._basis_s: float | None = None
        self._peak = 0.0  # largest ratio since the last published score
        self._sent_s = float("-inf")

    def update_status(self, status: CameraStatus) -> dict[str, Any]:
        """Update the status; returns the change to publish."""
        if not status.state.sends_pictures:
            self._level = self._ratio = None
        self.status = status
        return {"name": self.name, **self._status()}

    def update_main_stream(self, status: MainStreamStatus) -> dict[str, Any]:
        """Update the state of the main stream; returns the change to publish."""
        self.main_fault = status.reason
        return {"name": self.name, **self._status()}

    def update_score(self, score: ScoredFrame, now_s: float) -> dict[str, Any] | None:
        """Update the scores; returns the change to publish, at most `SCORES_PER_S` times a second, else None.

        `peak` of a change is the largest ratio since the previous change.
        """
        level, ratio = shown_level(score.level), threshold_ratio(score)
        self.size, self._level, self._ratio = score.source_size, level, ratio
        self._basis_s = round(score.basis_s, 3)
        self.timeline.add(score.wall_time_s, level, ratio)
        self._peak = max(self._peak, ratio)
        if now_s - self._sent_s < 1 / SCORES_PER_S:
            return None
        self._sent_s, peak, self._peak = now_s, self._peak, 0.0
        return {
            "camera": self.name,
            "time_s": round(score.wall_time_s, 3),
            "level": level,
            "ratio": ratio,
            "peak": peak,
            "basis_s": self._basis_s,
            "fps": round(self._figures.fps_read, 1),
            **self._planned(),
        }

    def as_json(self) -> dict[str, Any]:
        """Complete state of the camera, as JSON."""
        return {
            "name": self.name,
            "scene": self.scene,
            **self._status(),
            "fps": round(self._figures.fps_read, 1),
            "fps_scored": round(self._figures.fps_scored, 1),
            "score_fps": self._score_fps,
            **self._planned(),
            "level": self._level,
            "ratio": self._ratio,
            "basis_s": self._basis_s,
            "size": self.size,
            "step_s": self.timeline.step_s,
            "timeline": self.timeline.points(),
            "spans": self.timeline.spans(),
        }

    def _planned(self) -> dict[str, Any]:
        return {"fps_planned": round(self._figures.fps_planned, 2), "looks_only": self._figures.looks_only}

    def _status(self) -> dict[str, Any]:
        status = self.status
        return {
            "state": str(status.state),
            "since_s": round(status.since_s, 3),
            "reason": status.reason,
            "retry_in_s": status.retry_in_s,
            "progress": status.progress,
            "main_fault": self.main_fault,
        }
