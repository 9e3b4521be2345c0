"""Journal of the newest alerts: messages, pictures, frames for normal footage, acknowledgements and verdicts."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from streammon.boxes import with_boxes
from streammon.errors import StorageError, bug_in_one_line
from streammon.preview.board.entry import Entry
from streammon.preview.board.kept import KeptEvents
from streammon.preview.board.normal_footage import keep_as_normal, keep_clip_as_normal, remove_from_normal
from streammon.preview.streams import Still
from streammon.preview.tasks import Tasks
from streammon.records import Alert, AlertEvent, EventRow, Judgement, ScoredFrame, Verdict, VerdictName

logger = logging.getLogger(__name__)

ALERTS = 200
SHOWN = ("picture", "blended")
SHOWN_WIDTH = 960
SHOWN_QUALITY = 80
KEPT_QUALITY = 92  # footage to learn from should look like the camera's own picture
KEPT_WIDTH = 1 << 16  # wider than any picture, so frames are not scaled
BEFORE = 4  # frames from before the alert
BEFORE_PER_S = 1.0  # frames a second of each camera
BEFORE_PER_S_IN_ALL = 8.0  # frames a second of all cameras together, since encoding costs CPU time
FRAMES = 240  # frames of one alert; a longer one keeps every second, fourth, ... frame
FIRST_PICTURE_S = 5.0  # longest wait for the first picture of an alert that has just opened
FRAME_BYTES = 128 << 20  # JPEG bytes of all alerts; the oldest alert's frames are dropped first


class NoFootageError(Exception):
    """There is no footage of an alert that could be kept as normal; the message says why."""


class StillSource(Protocol):
    """Source of a camera's newest picture, such as `LivePictures`."""

    def timed_still(
        self, camera: str, stream: str = "picture", quality: int = 80, width: int | None = None
    ) -> Still | None:
        """The newest picture; None when there is none."""


class Journal:
    """The newest 200 alerts with their pictures, kept in memory.

    One task takes the pictures, one at a time, and the newest request of a camera replaces a waiting one. So the work
    is bounded however many alerts are open at once, and the event loop never waits.

    Args:
        scenes: Folder with one folder per scene, for normal footage.
        stills: Source of the pictures.
        on_change: Called on the event loop with each alert that changed.
        on_judged: Called on the event loop with each alert whose judgement changed, in memory or not.
        on_verdict: Called on the event loop with each verdict that is new, has changed or is withdrawn.
        kept: Alerts whose evidence is kept; None where none is.

    Attributes:
        entries: Entries by alert id, oldest first.
    """

    def __init__(
        self,
        scenes: Path,
        stills: StillSource,
        on_change: Callable[[Entry], None],
        on_judged: Callable[[Entry], None],
        on_verdict: Callable[[Verdict], None],
        kept: KeptEvents | None = None,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._scenes = scenes
        self._stills = stills
        self._on_change = on_change
        self._on_judged = on_judged
        self._kept = kept
        self._on_verdict = on_verdict
        self._open: dict[str, Entry] = {}  # camera → its open alert
        self._before: dict[str, deque[Still]] = {}  # camera that sends pictures → its latest frames without alert
        self._wanted: dict[str, ScoredFrame | Alert] = {}  # camera → the frame or alert that requested a picture
        self._logged: dict[str, str] = {}  # camera → latest error of its pictures
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._worker = ThreadPoolExecutor(1, "streammon-journal")
        self._tasks = Tasks()
        self._task: asyncio.Task[None] | None = None

    def newest(self, limit: int) -> list[Entry]:
        """The newest alerts, the newest first."""
        return list(reversed(self.entries.values()))[:limit]

    def start_nowait(self) -> None:
        """Start the task that takes pictures; if the task has failed, raise its error."""
        if self._task is None:
            self._task = self._tasks.start_nowait(self._take_pictures(), name="journal")
        elif self._task.done() and not self._task.cancelled():
            self._task.result()

    async def close(self) -> None:
        """End the task and the worker threads."""
        await self._tasks.close()
        if self._kept is not None:
            await self._kept.close()
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)

    def watch(self, camera: str, is_sending: bool) -> None:
        """Start or stop collecting frames from before an alert, as the camera starts or stops sending pictures."""
        if is_sending:
            self._before.setdefault(camera, deque(maxlen=BEFORE))
        else:
            self._before.pop(camera, None)

    def on_score(self, score: ScoredFrame) -> None:
        """While the camera's alert is open, request a picture for a scored frame.

        A picture is requested for a new peak and for every `keep_every`-th frame.
        """
        entry = self._open.get(score.camera)
        if entry is None:
            return
        entry.size = score.source_size
        entry.seen += 1
        if score.score > entry.shown_score or entry.seen % entry.keep_every == 0:
            self._want(score.camera, score)

    def on_alert(self, alert: Alert, size: tuple[int, int] | None) -> Entry:
        """Create or update the entry of an alert.

        Args:
            alert: Message about the alert.
            size: Width and height of the stream that is scored; None if unknown.
        """
        entry = self.entries.get(alert.id)
        if entry is None:
            entry = Entry(alert, size, frames=list(self._before.get(alert.camera, ())))
            self._add(entry)
            self._want(alert.camera, alert)
        entry.alert = alert
        if not entry.is_open or alert.score >= entry.boxed_score:
            entry.boxed_score, entry.boxes = alert.score, alert.boxes
        if entry.is_open:
            self._open[alert.camera] = entry
        elif self._open.get(alert.camera) is entry:
            del self._open[alert.camera]
        return entry

    def restore(self, alerts: Iterable[Alert]) -> list[Entry]:
        """Add the latest messages of an earlier monitor's alerts, oldest first; their entries have no pictures.

        An alert whose latest message is not a `close` is from a monitor that was killed. The entry shows it as closed
        at the time of that message.

        Returns:
            All entries of the journal, oldest first.
        """
        for alert in alerts:
            if alert.event is not AlertEvent.CLOSE:
                alert = replace(alert, event=AlertEvent.CLOSE, closed_s=alert.time_s)
            entry = Entry(alert, boxes=alert.boxes)
            entry.pictured.set()
            self._add(entry)
        return list(self.entries.values())

    def _add(self, entry: Entry) -> None:
        """Add an entry; the oldest beyond `ALERTS` is removed."""
        self.entries[entry.alert.id] = entry
        if len(self.entries) > ALERTS:
            del self.entries[next(iter(self.entries))]

    async def snapshot(self, alert_id: str) -> bytes | None:
        """Picture at an alert's peak so far with its boxes, as JPEG; of a new alert, waits for its first picture.

        Returns:
            The JPEG; None if the journal has no picture of this alert.
        """
        entry = self.entries.get(alert_id)
        if entry is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PICTURE_S):
                await entry.pictured.wait()
        picture = entry.pictures.get("picture")
        if picture is None or entry.size is None:
            return picture
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, with_boxes, picture, entry.boxes, entry.size, SHOWN_QUALITY)

    async def find(self, alert_id: str) -> Entry | None:
        """The entry of an alert, with its current judgement; None if the alert is unknown.

        With kept events an alert is known while its evidence is kept, and need not be in memory.

        Raises:
            StorageError: The index of the events can't be read.
        """
        if self._kept is None:
            return self.entries.get(alert_id)
        row = await self._kept.ask(lambda events: events.find(alert_id))
        if row is None:
            return None
        entry = self.entries.get(alert_id) or Entry(_alert_of(row))
        entry.judgement = row.judgement
        return entry

    async def acknowledge(self, entry: Entry, user: str) -> None:
        """Record an alert's first acknowledgement; idempotent.

        Raises:
            StorageError: The index of the events can't be written.
        """
        await self._judge(entry, lambda judgement: judgement.acknowledged(_now_s(), user), user)

    async def call(self, entry: Entry, verdict: VerdictName, user: str) -> None:
        """Record a verdict; idempotent. It also acknowledges.

        The verdict `normal` keeps the alert's clip, or else its frames, as normal footage of its scene; every other
        removes it.

        Args:
            entry: The alert.
            verdict: `normal` or `real`.
            user: Name of the user.

        Raises:
            NoFootageError: The verdict is `normal`, and there is no footage of the whole alert.
            StorageError: The footage or the index of the events can't be written.
        """

        def judged(judgement: Judgement) -> Judgement:
            return judgement if judgement.verdict == verdict else judgement.judged(verdict, _now_s(), user)

        await self._judge(entry, judged, user)

    async def undo(self, entry: Entry, user: str) -> None:
        """Withdraw the verdict and the acknowledgement that came with it; without a verdict, the acknowledgement.

        Args:
            entry: The alert.
            user: Name of the user.

        Raises:
            StorageError: The normal footage can't be removed, or the index of the events can't be written.
        """
        await self._judge(entry, Judgement.withdrawn, user)

    async def _judge(self, entry: Entry, change: Callable[[Judgement], Judgement], user: str) -> None:
        """Change the judgement of an alert: in the index, as normal footage, on the pages and in the calibration."""
        async with self._writing:
            await self.find(entry.alert.id)  # updates the judgement of an entry in memory
            before, alert = entry.judgement, entry.alert
            after = change(before)
            if after == before:
                return
            is_new_normal = after.verdict == "normal" and before.verdict != "normal"
            clip = await self._clip(entry) if is_new_normal else ()
            await self._write(alert.id, after)
            try:
                if after.verdict != before.verdict:
                    await self._set_footage(entry, after.verdict, clip)
            except StorageError:
                await self._write(alert.id, before)
                raise
            entry.judgement = after
            self._on_change(entry)
            self._on_judged(entry)
            if after.verdict != before.verdict:
                normal = None if after.verdict is None else after.verdict == "normal"
                times_s = alert.opened_s, alert.closed_s
                self._on_verdict(
                    Verdict(alert.camera, alert.scene, alert.id, *times_s, normal, alert.peak_score, user)
                )

    async def _write(self, alert_id: str, judgement: Judgement) -> None:
        if self._kept is not None:
            await self._kept.ask(lambda events: events.judge(alert_id, judgement))

    async def _clip(self, entry: Entry) -> Sequence[Path]:
        """Files of an alert's clip; none without kept events, or of a camera without clips.

        Raises:
            NoFootageError: The alert is open, or there are neither a clip nor frames.
        """
        if entry.is_open:
            raise NoFootageError("this alert is still open; wait for its end")
        alert_id, clip = entry.alert.id, list[Path]()
        if self._kept is not None and (row := await self._kept.ask(lambda events: events.find(alert_id))):
            clip = await self._kept.ask(lambda events: events.clip_parts(row))
        if not clip and not entry.frames:
            raise NoFootageError("this alert's frames have been discarded")
        return clip

    async def _set_footage(self, entry: Entry, verdict: str | None, clip: Sequence[Path]) -> None:
        scene, alert_id, frames = entry.alert.scene, entry.alert.id, list(entry.frames)
        entry.normal_frames = None
        if verdict != "normal":
            await asyncio.to_thread(remove_from_normal, self._scenes, scene, alert_id)
        elif clip:
            await asyncio.to_thread(keep_clip_as_normal, self._scenes, scene, alert_id, clip)
        else:
            entry.normal_frames = await asyncio.to_thread(keep_as_normal, self._scenes, scene, alert_id, frames)

    def _want(self, camera: str, reason: ScoredFrame | Alert) -> None:
        self._wanted[camera] = reason
        self._wake.set()

    async def _take_pictures(self) -> None:
        """Take the requested pictures, and in between a frame of each camera in turn, for its next alert."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            self._wake.clear()
            if self._wanted:
                camera = next(iter(self._wanted))
                began_s = loop.time()
                await self._take_for_alert(camera, self._wanted.pop(camera))
                await asyncio.sleep(loop.time() - began_s)  # at most half of one core is used
            elif loop.time() < due_s:
                await self._woken_before(due_s)
            if loop.time() >= due_s:
                await self._take_before()
                due_s = loop.time() + 1 / min(BEFORE_PER_S_IN_ALL, BEFORE_PER_S * max(1, len(self._before)))

    async def _woken_before(self, due_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due_s):
                await self._wake.wait()

    async def _take_before(self) -> None:
        """Take a frame of the camera that has waited longest, for its next alert.

        A camera with an open alert is skipped, since its pictures are taken for that alert.
        """
        if not self._before:
            return
        camera, pictures = next(iter(self._before.items()))
        self._before[camera] = self._before.pop(camera)  # to the end of the queue
        if camera in self._open:
            pictures.clear()
            return
        picture = await self._still(camera, "picture", KEPT_QUALITY, KEPT_WIDTH)
        if picture is not None and not (pictures and _is_same(pictures[-1], picture)):
            pictures.append(picture)

    async def _take_for_alert(self, camera: str, reason: ScoredFrame | Alert) -> None:
        entry = self._open.get(camera)
        if entry is None and isinstance(reason, Alert):  # an alert that has closed already
            entry = self.entries.get(reason.id)
        if entry is not None:
            await self._take_for_entry(entry, camera, reason)
            entry.pictured.set()

    async def _take_for_entry(self, entry: Entry, camera: str, reason: ScoredFrame | Alert) -> None:
        if (frame := await self._still(camera, "picture", KEPT_QUALITY, KEPT_WIDTH)) is not None:
            self._keep_frame(entry, frame)
        if reason.score <= entry.shown_score and entry.pictures:
            return
        taken = {stream: await self._still(camera, stream, SHOWN_QUALITY, SHOWN_WIDTH) for stream in SHOWN}
        if pictures := {stream: still.jpeg for stream, still in taken.items() if still is not None}:
            entry.pictures, entry.shown_score = pictures, reason.score
            entry.version += 1
            self._on_change(entry)

    async def _still(self, camera: str, stream: str, quality: int, width: int | None) -> Still | None:
        """The newest picture of a camera; None without one, or if it can't be drawn, which is logged once."""
        loop = asyncio.get_running_loop()
        drawn = self._stills.timed_still
        try:
            return await loop.run_in_executor(self._worker, drawn, camera, stream, quality, width)
        except Exception as error:  # the pictures of one camera must not cost those of the others
            bug = bug_in_one_line(error)
        if bug != self._logged.get(camera):
            self._logged[camera] = bug
            logger.error("camera '%s': its picture can't be drawn: %s", camera, bug)
        return None

    def _keep_frame(self, entry: Entry, frame: Still) -> None:
        if entry.frames and _is_same(entry.frames[-1], frame):
            return
        entry.frames.append(frame)
        if len(entry.frames) > FRAMES:
            entry.frames = entry.frames[::2]
            entry.keep_every *= 2
        kept = sum(len(each.jpeg) for one in self.entries.values() for each in one.frames)
        for oldest in self.entries.values():
            if kept <= FRAME_BYTES:
                return
            if oldest is not entry:
                kept -= sum(len(each.jpeg) for each in oldest.frames)
                oldest.frames = []
        if kept > FRAME_BYTES:
            entry.frames = entry.frames[::2]
            entry.keep_every *= 2


def _is_same(before: Still, after: Still) -> bool:
    """True if two successive stills of a camera show the same picture, as no new one came in between."""
    return before.stream_time_s == after.stream_time_s


def _now_s() -> float:
    return round(time.time(), 3)


def _alert_of(row: EventRow) -> Alert:
    """The latest message of an alert, as far as its row tells."""
    return Alert(
        id=row.id,
        event=AlertEvent.UPDATE if row.closed_s is None else AlertEvent.CLOSE,
        part=0,
        camera=row.camera,
        scene=row.scene,
        opened_s=row.opened_s,
        time_s=row.updated_s,
        closed_s=row.closed_s,
        score=row.peak_score,
        level=row.peak_level,
        peak_score=row.peak_score,
        peak_level=row.peak_level,
        channel=row.channel,
        basis_s=row.basis_s,
        provisional=row.provisional,
    )
