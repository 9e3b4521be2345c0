"""Index of the evidence: one row an alert, in an SQLite file."""

import contextlib
import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from streammon.errors import StorageError
from streammon.records import Alert, Channel, EventRow, Judgement

INDEX_FILE = "index.sqlite"
APPLICATION_ID = 0x53544556  # "STEV"; marks the database as an index of evidence (SQLite's application id)
FORMAT = 1
SCHEMA = f"""
    CREATE TABLE alert (
        id TEXT PRIMARY KEY,
        scene TEXT NOT NULL,
        camera TEXT NOT NULL,
        channel TEXT NOT NULL,
        opened_s REAL NOT NULL,
        closed_s REAL,
        updated_s REAL NOT NULL,
        peak_score REAL NOT NULL,
        peak_level REAL NOT NULL,
        basis_s REAL NOT NULL,
        provisional INTEGER NOT NULL,
        false_alarms_per_day REAL NOT NULL,
        verdict TEXT,
        judged_s REAL,
        judged_by TEXT,
        acknowledged_s REAL,
        acknowledged_by TEXT,
        folder TEXT NOT NULL,
        files TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        state TEXT NOT NULL,
        note TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX by_time ON alert (opened_s);
    CREATE INDEX by_folder ON alert (folder);
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {FORMAT};
"""
RECORDING, KEPT, REMOVING = "recording", "kept", "removing"
MOST_WAITING = 10_000  # changes that wait in memory while the disk is full
ANOTHER_FOLDER = "set events.folder to another folder"


def row_of(alert: Alert, folder: str, false_alarms_per_day: float) -> EventRow:
    """A new row for an alert, without files.

    Args:
        alert: Message about the alert.
        folder: Folder of the files, relative to that of the index.
        false_alarms_per_day: Accepted rate of false alarms.
    """
    return EventRow(
        id=alert.id,
        scene=alert.scene,
        camera=alert.camera,
        channel=alert.channel,
        opened_s=alert.opened_s,
        closed_s=alert.closed_s,
        updated_s=alert.time_s,
        peak_score=alert.peak_score,
        peak_level=alert.peak_level,
        basis_s=alert.basis_s,
        provisional=alert.provisional,
        false_alarms_per_day=false_alarms_per_day,
        folder=folder,
    )


COLUMNS = tuple(each.name for each in fields(EventRow))
PUT = (
    f"INSERT INTO alert ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    f" ON CONFLICT (id) DO UPDATE SET {{changes}}"
)
OF_JUDGEMENT = tuple(each.name for each in fields(Judgement))
OF_EVIDENCE = tuple(name for name in COLUMNS if name not in ("id", *OF_JUDGEMENT))
"""Columns that the recording of an alert changes; the others are the operator's."""


class Index:
    """Index of the evidence in one folder. Used in one thread, by one process; others may read the file meanwhile.

    A change that can't be written, as on a full disk, waits in memory with all later ones, in their order;
    `write_waiting` tries again.

    Args:
        folder: Folder of the evidence.

    Raises:
        StorageError: The file can't be written, or is no index of this format.
    """

    def __init__(self, folder: Path) -> None:
        self._database = _writable(folder / INDEX_FILE)
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=MOST_WAITING)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def put(self, row: EventRow) -> None:
        """Insert a row, or update all of it but the operator's judgement.

        Raises:
            OSError: The disk is full or fails; the change waits.
        """
        changes = ", ".join(f"{name} = excluded.{name}" for name in OF_EVIDENCE)
        self._write(PUT.format(changes=changes), _values(row))

    def add(self, row: EventRow) -> None:
        """Insert a row, unless there is one of its alert.

        Raises:
            OSError: The disk is full or fails; the change waits.
        """
        self._write(PUT.format(changes="id = id"), _values(row))

    def remove(self, alert_id: str) -> None:
        """Delete a row.

        Raises:
            OSError: The disk is full or fails; the change waits.
        """
        self._write("DELETE FROM alert WHERE id = ?", (alert_id,))

    def write_waiting(self) -> None:
        """Write the changes that wait.

        Raises:
            OSError: The disk is full or fails; they wait on.
        """
        try:
            while self._waiting:
                self._database.execute(*self._waiting[0])
                self._waiting.popleft()
        except sqlite3.Error as error:
            raise OSError(0, _reason(error)) from None

    def rows(self, condition: str = "true", parameters: Iterable[Any] = ()) -> list[EventRow]:
        """Rows by an SQL condition, the oldest first."""
        return _rows(self._database, condition, parameters)

    @property
    def bytes(self) -> int:
        """Size of all evidence in the index."""
        return int(self._database.execute("SELECT coalesce(sum(bytes), 0) FROM alert").fetchone()[0])

    def _write(self, statement: str, parameters: tuple[Any, ...]) -> None:
        self._waiting.append((statement, parameters))
        self.write_waiting()


def read_index(folder: Path, since_s: float | None = None, camera: str | None = None) -> list[EventRow]:
    """The rows of an index, the oldest first, also while a monitor writes it.

    Args:
        folder: Folder of the evidence.
        since_s: Unix time before which an alert opened to be left out; None for all.
        camera: Name of the camera; None for all.

    Raises:
        StorageError: There is no index in the folder, or it can't be read.
    """
    file = folder / INDEX_FILE
    if not file.exists():
        raise StorageError(str(folder), f"there is no {INDEX_FILE} in it", "name the folder of a monitor's evidence")
    conditions = {"opened_s >= ?": since_s, "camera = ?": camera}
    asked = {condition: value for condition, value in conditions.items() if value is not None}
    try:
        with contextlib.closing(_opened(file, "mode=rw")) as database:
            if _is_new(database):  # a monitor is about to write it
                return []
            _require_index(database, file)
            return _rows(database, " AND ".join(asked) or "true", asked.values())
    except sqlite3.Error as error:
        raise StorageError(str(file), f"it can't be read ({_reason(error)})", "check its permissions") from None


def _opened(file: Path, options: str = "") -> sqlite3.Connection:
    """Open an SQLite file.

    Args:
        file: The file, created if missing, unless the options say otherwise.
        options: Options of SQLite's URI.
    """
    address = f"{file.absolute().as_uri()}?{options}"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def _writable(file: Path) -> sqlite3.Connection:
    """Open an index for writing, created if missing.

    Raises:
        StorageError: The file can't be written, or is no index of this format.
    """
    with contextlib.ExitStack() as failed:
        try:
            database = failed.enter_context(contextlib.closing(_opened(file)))
            if _is_new(database):
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            _require_index(database, file)
            # NORMAL survives a killed process; a power cut may lose the last rows, not the file.
            database.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as error:
            raise StorageError(str(file), f"it can't be used ({_reason(error)})", ANOTHER_FOLDER) from None
        failed.pop_all()
    return database


def _is_new(database: sqlite3.Connection) -> bool:
    query = "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    return tuple(database.execute(query).fetchone()) == (0, 0)


def _require_index(database: sqlite3.Connection, file: Path) -> None:
    """Refuse a database that is no index of this format.

    Raises:
        StorageError: It is another program's, or of another format.
    """
    owner, version = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if owner != APPLICATION_ID:
        raise StorageError(str(file), "it is another program's database", ANOTHER_FOLDER)
    if version != FORMAT:
        raise StorageError(str(file), f"its format is {version}, this streammon reads {FORMAT}", ANOTHER_FOLDER)


def _rows(database: sqlite3.Connection, condition: str, parameters: Iterable[Any]) -> list[EventRow]:
    """Rows by an SQL condition, the oldest first."""
    query = f"SELECT {', '.join(COLUMNS)} FROM alert WHERE {condition} ORDER BY opened_s, id"
    return [row_of_values(values) for values in database.execute(query, tuple(parameters))]


def row_of_values(values: Sequence[Any]) -> EventRow:
    """The row with these values of `COLUMNS`."""
    named = dict(zip(COLUMNS, values, strict=True))
    named["channel"] = Channel(named["channel"])
    named["provisional"] = bool(named["provisional"])
    named["files"] = tuple(json.loads(named["files"]))
    return EventRow(**named)


def _values(row: EventRow) -> tuple[Any, ...]:
    return tuple(json.dumps(row.files) if name == "files" else getattr(row, name) for name in COLUMNS)


def _reason(error: sqlite3.Error) -> str:
    """Reason of an SQLite failure, in a few words."""
    full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return "no space left on device" if full else str(error).lower()
