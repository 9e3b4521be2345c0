"""The alerts, newest first, with their pictures: what happened, how it looked, and whether somebody has seen it."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from streammon.preview.normal_footage import keep_as_normal, remove_from_normal
from streammon.preview.pictures import Still
from streammon.preview.tasks import Tasks
from streammon.preview.timeline import shown_level
from streammon.records import Alert, AlertEvent, Box, ScoredFrame, Verdict

ALERTS = 200
SHOWN = ("picture", "blended")
SHOWN_WIDTH = 960
SHOWN_QUALITY = 80
KEPT_QUALITY = 92  # what is learned from should look as the camera's own picture does
KEPT_WIDTH = 1 << 16  # wider than any
BEFORE = 4  # pictures from before the alert
BEFORE_PER_S = 1.0  # of each camera,
BEFORE_PER_S_IN_ALL = 8.0  # and of all together: encoding them costs
FRAMES = 240  # of one alert; a longer one keeps every second, fourth, ... frame
FRAME_BYTES = 128 << 20  # of all alerts together; the oldest alert gives its frames up first


class Stills(Protocol):
    """Gives a camera's newest picture, as `LivePictures` does."""

    def timed_still(
        self, camera: str, stream: str = "picture", quality: int = 80, width: int | None = None
    ) -> Still | None:
        """The newest picture; None when there is none."""


@dataclass(slots=True)
class Entry:
    """One alert.

    Attributes:
        alert: Its latest message.
        size: Width and height of the camera's own picture; None before its first scored frame.
        boxes: Abnormal regions at its peak, as its pictures show them.
        pictures: JPEG at its peak, by stream.
        version: Counts the changes of `pictures`; 0 while there are none.
        acknowledged_s: Unix time at which somebody acknowledged it.
        frames: Its frames, for normal footage: those before it, then those while it was open.
        verdict: What somebody said of it; None while nobody has.
        normal_frames: How many frames are kept as normal footage; None unless its verdict is that it was normal.
    """

    alert: Alert
    size: tuple[int, int] | None = None
    boxes: tuple[Box, ...] = ()
    pictures: dict[str, bytes] = field(default_factory=dict)
    version: int = 0
    acknowledged_s: float | None = None
    frames: list[Still] = field(default_factory=list)
    verdict: Verdict | None = None
    normal_frames: int | None = None
    shown_score: float = float("-inf")  # of the frame that `pictures` shows
    boxed_score: float = float("-inf")  # of the frame that `boxes` are of
    keep_every: int = 1  # of the frames while it is open
    seen: int = 0  # frames while it was open

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.alert.event is not AlertEvent.CLOSE

    def as_json(self) -> dict[str, Any]:
        """What a page is told of it; boxes are [x, y, width, height] in pixels of the camera's own picture."""
        alert = self.alert
        return {
            "id": alert.id,
            "camera": alert.camera,
            "scene": alert.scene,
            "open": self.is_open,
            "opened_s": round(alert.opened_s, 3),
            "time_s": round(alert.time_s, 3),
            "closed_s": None if alert.closed_s is None else round(alert.closed_s, 3),
            "level": shown_level(alert.level),
            "peak_level": shown_level(alert.peak_level),
            "channel": str(alert.channel),
            "reason": alert.channel.reason,
            "basis_s": round(alert.basis_s, 3),
            "provisional": alert.provisional,
            "size": self.size,
            "boxes": [[box.x, box.y, box.width, box.height] for box in self.boxes],
            "boxes_now": [[box.x, box.y, box.width, box.height] for box in alert.boxes] if self.is_open else [],
            "pictures": self.version,
            "acknowledged_s": self.acknowledged_s,
            "frames": len(self.frames),
            "verdict": None if self.verdict is None else "normal" if self.verdict.normal else "real",
            "normal_frames": self.normal_frames,
        }


class Journal:
    """The newest 200 alerts with their pictures, kept in memory.

    Pictures are taken by one task, one at a time: a camera that wants another before its last was taken gets one,
    the newest. So however many alerts are open at once, the work is bounded and the event loop never waits.

    Args:
        scenes: Folder with one folder per scene, for normal footage.
        stills: Where pictures come from.
        on_change: Called on the event loop with each alert that changed.
        on_verdict: Called on the event loop with each verdict that is new or has changed.

    Attributes:
        entries: By the alert's id, oldest first.
    """

    def __init__(
        self,
        scenes: Path,
        stills: Stills,
        on_change: Callable[[Entry], None],
        on_verdict: Callable[[Verdict], None],
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._scenes = scenes
        self._stills = stills
        self._on_change = on_change
        self._on_verdict = on_verdict
        self._open: dict[str, Entry] = {}  # camera → its open alert
        self._before: dict[str, deque[Still]] = {}  # of the cameras that send pictures now
        self._wanted: dict[str, ScoredFrame | Alert] = {}  # camera → why a picture of it shall be taken
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._worker = ThreadPoolExecutor(1, "streammon-journal")
        self._tasks = Tasks()
        self._task: asyncio.Task[None] | None = None

    def newest(self, limit: int) -> list[Entry]:
        """The newest alerts, the newest first."""
        return list(reversed(self.entries.values()))[:limit]

    def start_nowait(self) -> None:
        """Begin to take pictures; where that ended in an error, raise it: nothing else would tell."""
        if self._task is None:
            self._task = self._tasks.start_nowait(self._take_pictures(), name="journal")
        elif self._task.done() and not self._task.cancelled():
            self._task.result()

    async def close(self) -> None:
        """End what runs."""
        await self._tasks.close()
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)

    def watch(self, camera: str, is_sending: bool) -> None:
        """A camera begins or ends to send pictures: from before an alert, only fresh ones count."""
        if is_sending:
            self._before.setdefault(camera, deque(maxlen=BEFORE))
        else:
            self._before.pop(camera, None)

    def on_score(self, score: ScoredFrame) -> None:
        """Take a scored frame: while its camera's alert is open, its picture is kept."""
        entry = self._open.get(score.camera)
        if entry is None:
            return
        entry.size = score.source_size
        entry.seen += 1
        if score.score > entry.shown_score or entry.seen % entry.keep_every == 0:
            self._want(score.camera, score)

    def on_alert(self, alert: Alert, size: tuple[int, int] | None) -> Entry:
        """Take a message about an alert.

        Args:
            alert: The message.
            size: Width and height of the camera's own picture, where known.
        """
        entry = self.entries.get(alert.id)
        if entry is None:
            entry = self.entries[alert.id] = Entry(alert, size, frames=list(self._before.get(alert.camera, ())))
            while len(self.entries) > ALERTS:
                self.entries.pop(next(iter(self.entries)))
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
        """Take the latest messages of alerts from before this monitor, oldest first; they have no pictures.

        An alert whose latest message is no `close` belongs to a monitor that was killed: it is shown as ended at
        the time of that message.

        Returns:
            Their entries.
        """
        for alert in alerts:
            if alert.event is not AlertEvent.CLOSE:
                alert = replace(alert, event=AlertEvent.CLOSE, closed_s=alert.time_s)
            self.entries[alert.id] = Entry(alert, boxes=alert.boxes)
        while len(self.entries) > ALERTS:
            self.entries.pop(next(iter(self.entries)))
        return list(self.entries.values())

    def acknowledge(self, entry: Entry) -> None:
        """Somebody has seen it; the first time counts."""
        if entry.acknowledged_s is None:
            entry.acknowledged_s = round(time.time(), 3)
            self._on_change(entry)

    async def call_normal(self, entry: Entry) -> None:
        """Keep an alert's frames as normal footage of its scene; calling it again changes nothing.

        Raises:
            StorageError: They can't be written.
        """
        async with self._writing:
            if entry.verdict is None or not entry.verdict.normal:
                alert, frames = entry.alert, list(entry.frames)
                entry.normal_frames = await asyncio.to_thread(
                    keep_as_normal, self._scenes, alert.scene, alert.id, frames
                )
                self._judge(entry, normal=True)

    async def call_real(self, entry: Entry) -> None:
        """Call an alert a real anomaly: none of its frames is normal footage. Calling it again changes nothing.

        Raises:
            StorageError: Frames that were kept as normal footage can't be removed.
        """
        async with self._writing:
            if entry.verdict is None or entry.verdict.normal:
                alert = entry.alert
                await asyncio.to_thread(remove_from_normal, self._scenes, alert.scene, alert.id)
                entry.normal_frames = None
                self._judge(entry, normal=False)

    def _judge(self, entry: Entry, *, normal: bool) -> None:
        """Take a verdict; whoever gives one has seen the alert."""
        alert = entry.alert
        entry.verdict = Verdict(
            alert.camera, alert.scene, alert.id, alert.opened_s, alert.closed_s, normal, alert.peak_score
        )
        entry.acknowledged_s = entry.acknowledged_s or round(time.time(), 3)
        self._on_change(entry)
        self._on_verdict(entry.verdict)

    def _want(self, camera: str, reason: ScoredFrame | Alert) -> None:
        self._wanted[camera] = reason
        self._wake.set()

    async def _take_pictures(self) -> None:
        """Take the pictures that alerts want, and between them, in turn, one of each camera for the next alert."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            self._wake.clear()
            if self._wanted:
                camera = next(iter(self._wanted))
                began_s = loop.time()
                await self._take_for_alert(camera, self._wanted.pop(camera))
                await asyncio.sleep(loop.time() - began_s)  # half of one core at most, whatever happens
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
        """One picture of the camera that has waited longest, unless its alert is open: then it is taken anyway."""
        if not self._before:
            return
        camera, pictures = next(iter(self._before.items()))
        self._before[camera] = self._before.pop(camera)  # to the end of the line
        if camera in self._open:
            pictures.clear()
            return
        picture = await self._still(camera, "picture", KEPT_QUALITY, KEPT_WIDTH)
        if picture is not None and not (pictures and _is_same(pictures[-1], picture)):
            pictures.append(picture)

    async def _take_for_alert(self, camera: str, reason: ScoredFrame | Alert) -> None:
        entry = self._open.get(camera)
        if entry is None and isinstance(reason, Alert):  # one that closed at once
            entry = self.entries.get(reason.id)
        if entry is None:
            return
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
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._stills.timed_still, camera, stream, quality, width)

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
    """Whether two stills of a camera, taken in turn, show one picture: none came meanwhile."""
    return before.stream_time_s == after.stream_time_s
