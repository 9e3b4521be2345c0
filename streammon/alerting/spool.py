"""Alert messages on disk, until Redis has them."""

import contextlib
import sqlite3
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streammon.errors import StorageError
from streammon.records import AlertEvent, SpoolStatus

APPLICATION_ID = 0x5354414C  # "STAL", SQLite's mark of whose file it is
FORMAT = 1
SCHEMA = f"""
    CREATE TABLE message (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        part INTEGER NOT NULL,
        event TEXT NOT NULL,
        camera TEXT NOT NULL,
        json TEXT NOT NULL,
        UNIQUE (id, part)
    );
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {FORMAT};
"""
EVICT = """
    DELETE FROM message WHERE position = coalesce(
        (SELECT min(position) FROM message WHERE event = 'update' AND position > :delivered),
        (SELECT min(position) FROM message WHERE position > :delivered))
"""


@dataclass(frozen=True, slots=True)
class SpooledAlert:
    """One waiting message.

    Attributes:
        position: Its place in line.
        id: The alert's id.
        part: The message's number within the alert.
        event: Open, update or close.
        camera: Name of the camera.
        json: What is to be published.
    """

    position: int
    id: str
    part: int
    event: str
    camera: str
    json: str


class Spool:
    """The line in which alert messages wait for Redis, in a SQLite file.

    A message is in the file before `put` returns, so it outlives the process however that ends. It isn't synced to
    the disk one by one: after a power cut the last moments may be missing, and the file is whole.

    When `length` messages wait, updates are refused; for an open or a close the oldest update makes room, or the
    oldest message where no update is left. All are counted. When the disk fails, new messages wait in
    memory within the same bound, `status.reason` says why, and each `put` tries the disk again.

    One process at a time: the file stays locked while it is open. One thread: the one that opened it.

    Args:
        path: The file; made where there is none.
        length: At most so many messages wait.

    Raises:
        StorageError: The file can't be made, written or locked, or isn't a spool.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self.length = length
        self._database: sqlite3.Connection | None = _opened(path)
        self._saved: int
        self._saved, last = self._database.execute("SELECT count(*), max(position) FROM message").fetchone()
        self._next_position: int = (last or 0) + 1
        self._unsaved: deque[SpooledAlert] = deque()
        self._delivered_to = 0
        self._stale = 0  # rows up to there which a failing disk doesn't let go of
        self._refused = 0
        self._dropped = 0
        self._reason = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._saved + len(self._unsaved)

    @property
    def status(self) -> SpoolStatus:
        """How many wait, what was lost, and whether the disk takes them."""
        return SpoolStatus(len(self), self._refused, self._dropped, self._reason)

    def put(self, alert_id: str, part: int, event: AlertEvent, camera: str, json: str) -> bool:
        """Add a message to the end of the line.

        Returns:
            Whether it was taken; False only for an update when the spool is full.
        """
        if len(self) >= self.length:
            if event is AlertEvent.UPDATE:
                self._refused += 1
                return False
            self._drop_one()
        self._unsaved.append(SpooledAlert(self._next_position, alert_id, part, str(event), camera, json))
        self._next_position += 1
        self._save()
        return True

    def oldest(self) -> SpooledAlert | None:
        """The message whose turn it is, or None when none waits."""
        if self._saved and self._database:
            try:
                row = self._database.execute(
                    "SELECT position, id, part, event, camera, json FROM message"
                    " WHERE position > ? ORDER BY position LIMIT 1",
                    (self._delivered_to,),
                ).fetchone()
            except sqlite3.Error as error:
                self._abandon(error)
            else:
                if row:
                    return SpooledAlert(*row)
        return self._unsaved[0] if self._unsaved else None

    def delivered(self, message: SpooledAlert) -> None:
        """Forget a message that `oldest` gave: Redis has it."""
        if self._unsaved and self._unsaved[0].position == message.position:
            self._unsaved.popleft()
            return
        if message.position <= self._delivered_to:
            return
        self._delivered_to = message.position
        if self._database:
            try:
                rows = self._database.execute("DELETE FROM message WHERE position <= ?", (message.position,)).rowcount
            except sqlite3.Error:
                self._stale += 1  # a later delivery takes the row along; after a restart Redis knows it by its id
                self._saved -= 1
            else:
                self._saved -= rows - self._stale
                self._stale = 0

    def close(self) -> None:
        """Close the file; what waits in memory alone is lost, and counted as dropped."""
        self._save()
        self._dropped += len(self._unsaved)
        self._unsaved.clear()
        if self._database:
            self._database.close()
            self._database = None

    def _save(self) -> None:
        """Move what is in memory to the file, oldest first, as far as the disk takes it."""
        while self._unsaved and self._database:
            message = self._unsaved[0]
            try:
                self._database.execute(
                    "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
                    (message.position, message.id, message.part, message.event, message.camera, message.json),
                )
            except sqlite3.IntegrityError:  # (id, part) already waits: putting it twice is putting it once
                self._unsaved.popleft()
                continue
            except sqlite3.Error as error:
                self._reason = _reason(error)
                return
            self._unsaved.popleft()
            self._saved += 1
            self._reason = ""

    def _drop_one(self) -> None:
        if self._saved and self._database:
            with contextlib.suppress(sqlite3.Error):
                rows = self._database.execute(EVICT, {"delivered": self._delivered_to}).rowcount
                self._saved -= rows
                self._dropped += rows
                return
        if self._unsaved:
            victim = next((old for old in self._unsaved if old.event == AlertEvent.UPDATE), self._unsaved[0])
            self._unsaved.remove(victim)
            self._dropped += 1

    def _abandon(self, error: sqlite3.Error) -> None:
        """The file can't even be read: what it holds is lost to this run, and memory alone serves from here."""
        self._reason = _reason(error)
        self._dropped += self._saved
        self._saved = 0
        if self._database:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None


def _opened(path: Path) -> sqlite3.Connection:
    where = f"spool {path}"
    if not path.parent.is_dir():
        raise StorageError(
            where, f"there is no folder {path.parent}", "make it, or set alerting.spool to another file"
        )
    if path.is_dir():
        raise StorageError(where, "it is a folder", "set alerting.spool to a file")
    try:
        database = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(where, f"it can't be opened ({_reason(error)})", _REMEDY) from None
    try:
        _claim(database, where)
    except sqlite3.Error as error:
        database.close()
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StorageError(where, "another process holds it", "end that one, or give this one its own") from None
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
            raise StorageError(where, "it is not a spool", "set alerting.spool to another file") from None
        raise StorageError(where, f"it can't be written ({_reason(error)})", _REMEDY) from None
    except StorageError:
        database.close()
        raise
    return database


_REMEDY = "check the folder's permissions and free space"


def _claim(database: sqlite3.Connection, where: str) -> None:
    """Lock the file for as long as it is open, and make its table where it is new."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN IMMEDIATE")
    owner, tables = database.execute(
        "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    ).fetchone()
    database.execute("COMMIT")
    if (owner, tables) == (0, 0):
        database.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    elif owner != APPLICATION_ID:
        raise StorageError(where, "it is another program's database", "set alerting.spool to another file")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        raise StorageError(
            where, f"its format is {version}, this streammon writes {FORMAT}", "set alerting.spool to another file"
        )
    database.execute("PRAGMA journal_mode = WAL")
    # NORMAL outlives a killed process; FULL would outlive a power cut too, and sync the disk for every message.
    database.execute("PRAGMA synchronous = NORMAL")


def _reason(error: sqlite3.Error) -> str:
    reasons = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "it is read-only",
        sqlite3.SQLITE_CANTOPEN: "permission denied",
        sqlite3.SQLITE_IOERR: "the disk fails",
        sqlite3.SQLITE_CORRUPT: "the file is damaged",
    }
    return reasons.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))
