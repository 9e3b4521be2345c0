"""Queues on disk of the alert messages that Redis and the sinks do not have yet."""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streammon.alerting.spool_file import REDIS_TABLE, SpoolFile, failure_reason, sink_table
from streammon.records import AlertEvent, SpoolStatus

EVICT = """
    DELETE FROM {table} WHERE position = coalesce(
        (SELECT min(position) FROM {table} WHERE event = 'update' AND position > :spared),
        (SELECT min(position) FROM {table} WHERE position > :spared))
"""

NO_CAMERA = ""
"""Camera of a health message in the spool."""


@dataclass(frozen=True, slots=True)
class SpooledAlert:
    """One alert message or health message in the spool.

    Attributes:
        position: Sequence number in the queue.
        id: The alert's id.
        part: The message's number within the alert.
        event: Open, update or close.
        camera: Name of the camera; `NO_CAMERA` for a health message.
        json: The message to publish.
    """

    position: int
    id: str
    part: int
    event: str
    camera: str
    json: str


class AlertQueue:
    """Bounded queue of the alert messages for one receiver, in a table of the spool's file.

    A message is in the file before `put` returns, so it survives any end of the process. Messages are not synced to
    the disk one by one: a power cut may lose the last ones, but leaves the file consistent.

    When `length` messages wait, a new update is refused; a new open or close evicts the oldest update, or the oldest
    message if there is no update. Refused and evicted messages are counted. If the disk fails, new messages wait in
    memory within the same bound, `status.reason` says why, and each `put` tries the disk again.

    Args:
        file: The spool's file.
        table: Quoted name of the table, which exists.
        length: Largest number of waiting messages.
    """

    def __init__(self, file: SpoolFile, table: str, length: int) -> None:
        self.length = length
        self._file = file
        self._table = table
        self._saved: int
        self._saved, last = file.require_open().execute(f"SELECT count(*), max(position) FROM {table}").fetchone()
        self._next_position: int = (last or 0) + 1
        self._unsaved: deque[SpooledAlert] = deque()
        self._in_delivery = 0  # position of `oldest`'s last result: it may be in delivery, so it is never evicted
        self._delivered_to = 0
        self._undeleted = 0  # delivered rows still in the file
        self._refused = 0
        self._dropped = 0
        self._reason = ""

    def __len__(self) -> int:
        return self._saved + len(self._unsaved)

    @property
    def status(self) -> SpoolStatus:
        """Numbers of waiting, refused and dropped messages, and the disk's error if it fails."""
        return SpoolStatus(len(self), self._refused, self._dropped, self._reason)

    @property
    def last_position(self) -> int:
        """Position of the message that was put last; positions grow."""
        return self._next_position - 1

    def put(self, alert_id: str, part: int, event: AlertEvent, camera: str, json: str) -> bool:
        """Append a message to the queue.

        Returns:
            False if the message was refused: an update when the spool is full.
        """
        if len(self) >= self.length:
            if event is AlertEvent.UPDATE:
                self._refused += 1
                return False
            while len(self) >= self.length and self._drop_one():
                pass  # more than one where the disk failed and is back
        self._unsaved.append(SpooledAlert(self._next_position, alert_id, part, str(event), camera, json))
        self._next_position += 1
        self._save()
        return True

    def newest(self, limit: int) -> list[str]:
        """JSON of the newest waiting messages, the newest first, without those that can't be read from the file."""
        texts = [message.json for message in reversed(self._unsaved)][:limit]
        if self._saved and self._file.database:
            with contextlib.suppress(sqlite3.Error):
                rows = self._file.database.execute(
                    f"SELECT json FROM {self._table} WHERE position > ? ORDER BY position DESC LIMIT ?",
                    (self._delivered_to, limit - len(texts)),
                )
                texts += [text for (text,) in rows]
        return texts

    def oldest(self) -> SpooledAlert | None:
        """The oldest waiting message, or None if none waits."""
        message = self._oldest_saved() or (self._unsaved[0] if self._unsaved else None)
        if message:
            self._in_delivery = message.position
        return message

    def delivered(self, message: SpooledAlert) -> None:
        """Remove a message that `oldest` returned and its receiver now has."""
        if self._unsaved and self._unsaved[0].position == message.position:
            self._unsaved.popleft()
            return
        if message.position <= self._delivered_to:
            return
        self._delivered_to = message.position
        self._saved -= 1
        self._undeleted += 1
        self._erase_delivered()

    def flush(self) -> None:
        """Bring the table up to date; messages that can't be moved to it are lost, and counted as dropped."""
        self._save()
        self._erase_delivered()
        self._dropped += len(self._unsaved)
        self._unsaved.clear()

    def _oldest_saved(self) -> SpooledAlert | None:
        if not self._file.database:
            self._forget_saved()  # given up by another queue of the file
        elif self._saved:
            try:
                row = self._file.database.execute(
                    f"SELECT position, id, part, event, camera, json FROM {self._table}"
                    " WHERE position > ? ORDER BY position LIMIT 1",
                    (self._delivered_to,),
                ).fetchone()
            except sqlite3.Error as error:
                self._abandon(error)
            else:
                return SpooledAlert(*row)
        return None

    def _save(self) -> None:
        """Move the messages in memory to the file, oldest first, until the disk fails."""
        while self._unsaved and self._file.database:
            message = self._unsaved[0]
            try:
                self._file.database.execute(
                    f"INSERT INTO {self._table} VALUES (?, ?, ?, ?, ?, ?)",
                    (message.position, message.id, message.part, message.event, message.camera, message.json),
                )
            except sqlite3.IntegrityError:  # (id, part) is already in the file: `put` is idempotent
                self._unsaved.popleft()
                continue
            except sqlite3.Error as error:
                self._reason = failure_reason(error)
                return
            self._unsaved.popleft()
            self._saved += 1
            self._reason = ""

    def _erase_delivered(self) -> None:
        """Delete the delivered rows; if the disk fails, a later delivery retries.

        Rows left over after a restart are delivered again, and `DELIVER` ignores the repetition.
        """
        if self._undeleted and self._file.database:
            with contextlib.suppress(sqlite3.Error):
                self._file.database.execute(f"DELETE FROM {self._table} WHERE position <= ?", (self._delivered_to,))
                self._undeleted = 0

    def _drop_one(self) -> bool:
        """Drop a waiting message; False if none can be dropped."""
        if self._saved and self._file.database:
            with contextlib.suppress(sqlite3.Error):
                evict = EVICT.format(table=self._table)
                rows = self._file.database.execute(evict, {"spared": self._in_delivery}).rowcount
                self._saved -= rows
                self._dropped += rows
                return rows > 0
        droppable = [message for message in self._unsaved if message.position > self._in_delivery]
        if droppable:
            self._unsaved.remove(next((old for old in droppable if old.event == AlertEvent.UPDATE), droppable[0]))
            self._dropped += 1
        return bool(droppable)

    def _abandon(self, error: sqlite3.Error) -> None:
        """Give up an unreadable file: count its messages as dropped, and keep messages in memory from now on."""
        self._reason = failure_reason(error)
        self._forget_saved()
        self._file.close()

    def _forget_saved(self) -> None:
        self._dropped += self._saved
        self._saved = 0


class Spool(AlertQueue):
    """The queue of the alert messages for Redis, and those of the sinks, in one SQLite file.

    The file is locked while open, so one process at a time can use it, and only in the thread that opened it.

    Args:
        path: The file, created if missing.
        length: Largest number of waiting messages of each queue.

    Raises:
        StorageError: The file can't be created, written or locked, or is not a spool of this format.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        super().__init__(SpoolFile(path), REDIS_TABLE, length)
        self._queues: list[AlertQueue] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def queues(self, sinks: Iterable[str]) -> dict[str, AlertQueue]:
        """The queue of each sink, created if missing; those of other sinks are deleted.

        A sink that is configured again later begins with new alerts, not with those of long ago.

        Raises:
            StorageError: The file can't be written.
        """
        names = list(sinks)
        self._file.keep_sinks(names)
        queues = {name: AlertQueue(self._file, sink_table(name), self.length) for name in names}
        self._queues += queues.values()
        return queues

    def close(self) -> None:
        """Close the file; messages that can't be moved from memory to it are lost, and counted as dropped."""
        for queue in (self, *self._queues):
            queue.flush()
        self._file.close()
