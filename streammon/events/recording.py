"""The recording of one alert: its clip, curve, snapshot and heatmap, written while it goes on."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2

from streammon.alerting import heatmap_png
from streammon.boxes import jpeg_with_boxes
from streammon.config import EventsConfig
from streammon.events.archive import Archive
from streammon.events.clip import ClipWriter
from streammon.events.index import KEPT
from streammon.events.side_car import ClipPart, ScorePoint, side_car
from streammon.ingest import EncodedPacket, PacketRing
from streammon.records import Alert, AlertEvent, EventRow, ScoredFrame
from streammon.regions import regions
from streammon.storage import replace_file

PART_S = 600.0  # files of ten minutes can be sent and played everywhere
MOST_PARTS = 6  # an hour of one alert: a view that has changed for good must not fill the disk
MOST_POINTS = 20_000  # of one curve; beyond, every second point is left out
SNAPSHOT_QUALITY = 90  # JPEG: fine enough to recognise what is in a box
SNAPSHOT_EVERY_S = 5.0  # of a rising peak; its packets are in memory for longer
IDLE_S = 3.0  # without a packet after which a clip that is due to end ends: the camera is lost, or its file ended
LATEST_S = 60.0  # after a clip should have ended at which it ends: the wall clock was set back


class Recording:
    """Evidence of one alert, written from its opening until some seconds after its close.

    Args:
        row: The alert's row.
        ring: The camera's packets.
        archive: Where it is written.
        events: Seconds before and after.
        points: Scores from before the alert.
        peak: The frame with the largest score so far; None if unknown.

    Attributes:
        row: The alert's row, as it was last written to the index or is to be written.
    """

    def __init__(
        self,
        row: EventRow,
        ring: PacketRing,
        archive: Archive,
        events: EventsConfig,
        points: Sequence[ScorePoint],
        peak: ScoredFrame | None,
    ) -> None:
        self.row = row
        self._ring = ring
        self._archive = archive
        self._after_s = events.after_s
        self._begin_s = row.opened_s - events.before_s
        self._points = list(points)
        self._stride = 1  # every n-th scored frame is a point
        self._frames = 0
        self._peak = peak
        self._shown: ScoredFrame | None = None  # the frame in the snapshot and the heatmap
        self._snapshot: str | None = None
        self._heatmap: str | None = None
        self._snapshot_due_s = 0.0  # monotonic time
        self._parts: list[ClipPart] = []
        self._writer: ClipWriter | None = None
        self._next: int | None = None  # number of the next packet
        self._packet_came_s = time.monotonic()
        self._end_s = float("inf")  # Unix time of the clip's end, known once the alert has closed
        self._end_due_s = float("inf")  # monotonic time from which an idle camera isn't waited for
        self._is_past_end = False
        self._notes: dict[str, None] = {}  # each once, in their order

    @property
    def is_complete(self) -> bool:
        """True once the clip has all its seconds, or no more packets come."""
        late_s = time.monotonic() - self._end_due_s
        idle = time.monotonic() - self._packet_came_s > IDLE_S
        return self._is_past_end or (idle and late_s >= 0) or late_s >= LATEST_S

    @property
    def written_bytes(self) -> int:
        """Size of what was written so far."""
        return self._archive.with_all_files(self.row).bytes

    def on_alert(self, alert: Alert) -> None:
        """Take the figures of a later message about the alert; its close sets the end of the clip."""
        self.row = self.row.updated(alert)
        if alert.event is AlertEvent.CLOSE:
            self._end_s = alert.time_s + self._after_s
            self._end_due_s = time.monotonic() + self._after_s

    def on_score(self, score: ScoredFrame) -> None:
        """Add a scored frame to the curve."""
        self._frames += 1
        if self._frames % self._stride == 0:
            self._points.append(_point(score))
        if len(self._points) > MOST_POINTS:
            self._points = self._points[::2]
            self._stride *= 2
        is_open = self.row.closed_s is None
        if is_open and (self._peak is None or score.score > self._peak.score):
            self._peak = score

    def advance(self) -> None:
        """Write the packets that have come, and the snapshot of a new peak.

        Raises:
            OSError: The disk is full or fails.
        """
        if self._next is None:
            self._next = self._ring.number_at(self._begin_s)
        if self._next is not None and not self._is_past_end:
            for packet in self._ring.following(self._next):
                if packet.time_s > self._end_s:
                    self._is_past_end = True
                    break
                self._take(packet, is_next=packet.number == self._next)
                self._next = packet.number + 1
                self._packet_came_s = time.monotonic()
        if self._peak is not self._shown and time.monotonic() >= self._snapshot_due_s:
            self._write_peak()
            self._snapshot_due_s = time.monotonic() + SNAPSHOT_EVERY_S

    def finish(self, bank_sha256: str | None) -> None:
        """Close the clip, write the side-car, and complete the row in the index.

        Args:
            bank_sha256: SHA-256 of the scene's bank; None if there is no file.

        Raises:
            OSError: The disk is full or fails; call it again when there is room.
        """
        self._close_part()
        if self._peak is not self._shown:
            self._write_peak()
        if not self._parts and not self._notes:
            self._note("no clip: no packets of a video came")
        if self._snapshot is None:
            self._note("no snapshot: the picture could not be decoded")
        self.row = replace(self.row, state=KEPT, note="; ".join(self._notes))
        content = side_car(
            self.row,
            parts=self._parts,
            points=self._points,
            peak=None if self._peak is None else _point(self._peak),
            source_size=None if self._peak is None else self._peak.source_size,
            threshold=None if self._peak is None else self._peak.threshold,
            bank_sha256=bank_sha256,
            snapshot=self._snapshot,
            heatmap=self._heatmap,
        )
        self._write(".json", content)
        self._archive.index.put(self._archive.with_all_files(self.row))

    def break_off(self, reason: str) -> None:
        """End the part of the clip that is being written, whatever the disk does; a later part may follow."""
        self._note(f"its recording was interrupted: {reason}")
        try:
            self._close_part()
        except (OSError, av.FFmpegError):
            self._writer = None

    def _note(self, text: str) -> None:
        self._notes[text] = None

    def _take(self, packet: EncodedPacket, *, is_next: bool) -> None:
        """Write a packet to the current part of the clip, or to a new one that it begins."""
        if packet.stream.template is None:
            self._note(f"no clip: {packet.stream.codec} is kept as a snapshot alone")
            return
        writer = self._writer
        if writer is not None:
            is_full = packet.is_keyframe and packet.time_s - writer.began_s >= PART_S
            if not is_next or is_full or packet.stream is not writer.stream:
                self._close_part()
        if self._writer is None:
            if not packet.is_keyframe:
                return
            if len(self._parts) == MOST_PARTS:
                self._note(f"the clip ends after {MOST_PARTS * PART_S / 60:.0f} minutes")
                return
            path = self._path(f"-{len(self._parts) + 1}.mp4")
            self._writer = ClipWriter(path, packet)
        try:
            self._writer.write(packet)
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            self.break_off(type(error).__name__)

    def _close_part(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        part = ClipPart(writer.path.name, writer.stream.codec, writer.began_s, writer.ended_s)
        self._parts.append(part)  # before the disk may fail: what was written can be played
        writer.close()

    def _write_peak(self) -> None:
        """Write snapshot and heatmap of the peak, in place of an earlier one."""
        peak = self._peak
        assert peak is not None
        png = heatmap_png(peak.anomaly_map, peak.threshold)
        self._write(".png", png)
        self._heatmap = f"{self.row.id}.png"
        self._shown = peak
        picture = self._ring.picture_at(peak.wall_time_s)
        if picture is not None:
            height, width = picture.shape[:2]
            drawn = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            self._write(".jpg", jpeg_with_boxes(drawn, _point(peak).boxes, (width, height), SNAPSHOT_QUALITY))
            self._snapshot = f"{self.row.id}.jpg"
        elif self._snapshot is not None:
            self._note("the snapshot is of an earlier frame than the heatmap")

    def _write(self, ending: str, content: bytes) -> None:
        replace_file(self._path(ending), lambda beside: beside.write_bytes(content))

    def _path(self, ending: str) -> Path:
        folder = self._archive.folder / self.row.folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.row.id}{ending}"


def _point(score: ScoredFrame) -> ScorePoint:
    boxes = regions(score.anomaly_map, score.threshold, score.source_size)
    return ScorePoint(score.wall_time_s, score.score, score.level, boxes)
