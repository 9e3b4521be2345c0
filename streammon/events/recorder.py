"""The recorder: a thread that keeps the evidence of alerts on disk while the cameras are watched."""

import hashlib
import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from streammon.config import Config, EventsConfig
from streammon.errors import bug_in_one_line
from streammon.events.archive import Archive
from streammon.events.index import KEPT
from streammon.events.recording import Recording
from streammon.events.review import EventReview
from streammon.events.side_car import ScorePoint
from streammon.ingest import PacketRing
from streammon.records import Alert, AlertEvent, Event, ScoredFrame
from streammon.threads import StoppableThread

RING_SLACK_S = 15.0
"""Seconds of packets kept beyond those before an alert: for the time until it opens, and for a disk that stalls."""

POLL_S = 0.25  # between two looks at the packets of open alerts
ROOM_CHECK_S = 5.0  # between two tests of a full disk
TIDY_EVERY_S = 60.0
SNAPSHOT_WAIT_S = 5.0  # longest wait for the snapshot of a new alert
MOST_SCORES = 256  # scored frames that wait for the thread; each has a map of 256 KB
MOST_MESSAGES = 4096  # of all kinds that wait while the disk hangs
MOST_RECORDINGS = 500  # that wait while the disk is full; the oldest are then completed without more
BROKEN_OFF = "its recording was ended by an error"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An alert that opens, with what was scored before.

    Attributes:
        alert: Its first message.
        points: Scores from before the alert, the oldest first.
        peak: The frame with the largest score since the first abnormal frame.
    """

    alert: Alert
    points: tuple[ScorePoint, ...]
    peak: ScoredFrame | None


@dataclass(frozen=True, slots=True)
class _Restored:
    """Alerts of an earlier monitor."""

    alerts: tuple[Alert, ...]


Message = _Opened | _Restored | Alert | ScoredFrame


class _WatchedCamera:
    """Scores of one camera from before an alert, and for how long scores are recorded."""

    def __init__(self, score_fps: float, before_s: float) -> None:
        self.points: deque[ScorePoint] = deque(maxlen=round(score_fps * (before_s + RING_SLACK_S)) + 1)
        self.candidate: ScoredFrame | None = None  # peak of the frames that may open an alert
        self.until_s = float("-inf")  # Unix time up to which scores are recorded


class EventRecorder(StoppableThread):
    """Records clips, pictures and scores of every alert, and keeps their index, in a thread of its own.

    The methods for alerts and scores never wait; they are called on the event loop. As a context manager
    it locks the folder and starts the thread, and asks it to end; the thread then completes what it records.

    When the disk is full or fails, nothing is recorded until there is room; alerts wait in memory for their row.

    Args:
        config: Configuration with an `events` section.
        banks: File of each scene's bank, whose hash goes into the side-cars.
        on_disk: Called in the recorder's thread when recording stops, with the reason in a few words, and with an
            empty text when it goes on.

    Attributes:
        rings: The ring of packets of each camera, for its reader.
    """

    def __init__(self, config: Config, banks: dict[str, Path], on_disk: Callable[[str], None]) -> None:
        super().__init__("streammon-events")
        assert config.events is not None
        self._config = config
        self._events: EventsConfig = config.events
        self._banks = banks
        self._on_disk = on_disk
        span_s = self._events.before_s + config.alerting.min_duration_s + RING_SLACK_S
        self.rings = {
            name: PacketRing(span_s, is_live=camera.scored.is_live) for name, camera in config.cameras.items()
        }
        self._cameras = {
            name: _WatchedCamera(camera.score_fps, self._events.before_s) for name, camera in config.cameras.items()
        }
        self._messages: queue.Queue[Message] = queue.Queue(MOST_MESSAGES)
        self._archive: Archive | None = None
        self._recordings: dict[str, Recording] = {}
        self._hashes: dict[Path, tuple[tuple[int, int], str]] = {}
        self._is_reconciled = False
        self._failure = ""
        self._room_due_s = 0.0
        self._tidy_due_s = 0.0

    def __enter__(self) -> Self:
        """Lock the folder, open the index, and start the thread.

        Raises:
            StorageError: The folder or its index can't be used.
        """
        self._archive = Archive(self._events)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Add the alerts of an earlier monitor to the index that it had no time to add.

        Args:
            alerts: The latest message of each of the newest published alerts.
        """
        self._send(_Restored(tuple(alerts)))

    def on_event(self, event: Event) -> None:
        """Record an alert or a scored frame; other events are ignored. Called on the event loop; never waits."""
        match event:
            case ScoredFrame():
                self._on_score(event)
            case Alert():
                self._on_alert(event)

    def snapshot(self, alert_id: str) -> bytes | None:
        """Snapshot of an alert as JPEG; of one that has just opened, waits until it is written.

        Callable in any thread; may block for `SNAPSHOT_WAIT_S`.

        Returns:
            The JPEG; None if the alert has none.

        Raises:
            StorageError: The index can't be read.
            OSError: The file can't be read.
        """
        review, deadline_s = EventReview(self._events.folder), time.monotonic() + SNAPSHOT_WAIT_S
        try:
            while time.monotonic() < deadline_s:
                row = review.find(alert_id)
                file = None if row is None else review.file(row, ".jpg")
                if file is not None:
                    return file.read_bytes()
                if row is not None and row.state == KEPT:
                    return None
                time.sleep(POLL_S)
            return None
        finally:
            review.close()

    def _on_score(self, score: ScoredFrame) -> None:
        camera = self._cameras[score.camera]
        camera.points.append(ScorePoint(score.wall_time_s, score.score, score.level))
        if score.wall_time_s <= camera.until_s and self._messages.qsize() < MOST_SCORES:
            self._send(score)
        if score.level < self._config.alerting.open_level:
            camera.candidate = None
        elif camera.candidate is None or score.score > camera.candidate.score:
            camera.candidate = score

    def _on_alert(self, alert: Alert) -> None:
        camera = self._cameras[alert.camera]
        if alert.event is AlertEvent.OPEN:
            since_s = alert.opened_s - self._events.before_s
            points = tuple(point for point in camera.points if point.time_s >= since_s)
            self._send(_Opened(alert, points, camera.candidate))
            camera.until_s = float("inf")
            return
        if alert.event is AlertEvent.CLOSE:
            camera.until_s = alert.time_s + self._events.after_s
        self._send(alert)

    def _send(self, message: Message) -> None:
        with suppress(queue.Full):  # the disk has hung for so long that even alerts are left to the alert log
            self._messages.put_nowait(message)

    def _run(self) -> None:
        assert self._archive is not None
        try:
            self._guarded(self._reconcile)
            while not self._stopping.is_set():
                self._take_messages(POLL_S if self._recordings else 2 * POLL_S)
                self._work()
            self._take_messages(0.0)
            self._end()
        finally:
            self._archive.close()

    def _take_messages(self, wait_s: float) -> None:
        """Handle the messages that wait; if there are none, wait for the first."""
        with suppress(queue.Empty):
            message = self._messages.get(timeout=wait_s) if wait_s else self._messages.get_nowait()
            while True:
                self._guarded(partial(self._handle, message))
                message = self._messages.get_nowait()

    def _handle(self, message: Message) -> None:
        assert self._archive is not None
        match message:
            case _Opened():
                self._open(self._archive, message)
            case Alert() if message.id in self._recordings:
                recording = self._recordings[message.id]
                recording.on_alert(message)
                self._archive.index.put(recording.row)
            case Alert():  # its recording was given up
                for row in self._archive.index.rows("id = ?", (message.id,)):
                    self._archive.index.put(row.updated(message))
            case ScoredFrame():
                for recording in self._recordings.values():
                    if recording.row.camera == message.camera:
                        recording.on_score(message)
            case _Restored():
                self._archive.restore(message.alerts, self._config.alerting.false_alarms_per_day)

    def _open(self, archive: Archive, opened: _Opened) -> None:
        alert = opened.alert
        row = archive.new_row(alert, self._config.alerting.false_alarms_per_day)
        ring = self.rings[alert.camera]
        recording = Recording(row, ring, archive, self._events, opened.points, opened.peak)
        self._recordings[alert.id] = recording
        if self._failure:
            recording.break_off(self._failure)
            self._give_up_oldest(archive)
        archive.index.put(row)  # before the first file

    def _give_up_oldest(self, archive: Archive) -> None:
        """Complete the row of the oldest recording if too many wait for room."""
        if len(self._recordings) > MOST_RECORDINGS:
            oldest = self._recordings.pop(next(iter(self._recordings)))
            archive.index.put(archive.with_all_files(replace(oldest.row, state=KEPT, note=self._failure)))

    def _work(self) -> None:
        """Write what has come, unless the disk is full."""
        assert self._archive is not None
        if self._failure and not self._has_room():
            return
        if not self._is_reconciled:
            self._guarded(self._reconcile)
        for recording in list(self._recordings.values()):
            self._advance(recording)
        if time.monotonic() >= self._tidy_due_s and not self._failure:
            self._tidy_due_s = time.monotonic() + TIDY_EVERY_S
            self._guarded(self._tidy)

    def _reconcile(self) -> None:
        """Make index and files agree; on a full disk this is done when there is room, before anything is recorded."""
        assert self._archive is not None
        self._is_reconciled = True
        try:
            self._archive.reconcile(self._recordings)
        except OSError:
            self._is_reconciled = False
            raise

    def _advance(self, recording: Recording) -> None:
        if self._failure:
            return
        try:
            recording.advance()
            if recording.is_complete:
                self._finish(recording)
        except OSError as error:
            self._stop_recording(error)
        except Exception as error:  # one camera's clip must not cost those of the others
            self._break_off(recording, error)

    def _finish(self, recording: Recording) -> None:
        recording.finish(self._bank_sha256(recording.row.scene))
        del self._recordings[recording.row.id]
        self._tidy_due_s = 0.0

    def _break_off(self, recording: Recording, error: Exception) -> None:
        """Give up a recording after an unexpected error, with what it has written so far."""
        assert self._archive is not None
        row = recording.row
        logger.error("camera '%s': its alert is not recorded: %s", row.camera, bug_in_one_line(error))
        self._recordings.pop(row.id, None)
        recording.break_off("an error")
        self._guarded(partial(self._archive.settle, row, BROKEN_OFF))

    def _end(self) -> None:
        """Complete every recording with what there is, as the monitor ends."""
        for recording in list(self._recordings.values()):
            self._advance(recording)
            if recording.row.id in self._recordings and not self._failure:
                self._guarded(partial(self._finish, recording))

    def _tidy(self) -> None:
        assert self._archive is not None
        self._archive.tidy(time.time(), sum(recording.written_bytes for recording in self._recordings.values()))

    def _guarded(self, write: Callable[[], None]) -> None:
        """Call something that writes; if the disk fails, recording stops."""
        try:
            write()
        except OSError as error:
            self._stop_recording(error)
        except Exception as error:
            logger.error("events: %s", bug_in_one_line(error))

    def _stop_recording(self, error: OSError) -> None:
        """Record nothing until there is room, and say so once."""
        if self._failure:
            return
        self._room_due_s = time.monotonic() + ROOM_CHECK_S
        self._failure = (error.strerror or "the disk fails").lower()
        for recording in self._recordings.values():
            recording.break_off(self._failure)
        self._on_disk(self._failure)

    def _has_room(self) -> bool:
        """True if the disk can be written again, which is tested every `ROOM_CHECK_S`."""
        assert self._archive is not None
        if time.monotonic() < self._room_due_s:
            return False
        self._room_due_s = time.monotonic() + ROOM_CHECK_S
        try:
            self._archive.require_room()
        except OSError:
            return False
        self._failure = ""
        self._on_disk("")
        return True

    def _bank_sha256(self, scene: str) -> str | None:
        """SHA-256 of a scene's bank, computed anew when the file has changed; None without a file."""
        file = self._banks[scene]
        try:
            facts = file.stat()
            version = facts.st_mtime_ns, facts.st_size
            if self._hashes.get(file, (None, ""))[0] != version:
                with file.open("rb") as opened:
                    self._hashes[file] = version, hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError:
            return None
        return self._hashes[file][1]
