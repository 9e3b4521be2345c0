"""SQLite file of the spool: schema, exclusive lock, format check and error messages."""

import contextlib
import re
import sqlite3
from collections.abc import Collection
from pathlib import Path

from streammon.errors import StorageError

APPLICATION_ID = 0x5354414C  # "STAL"; marks the database as a spool (SQLite's application id)
FORMAT = 1
REDIS_TABLE = "message"
SINK_PREFIX = "sink "  # of the sinks' tables; a sink's name has no blank
TABLE = """
    CREATE TABLE IF NOT EXISTS {table} (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        part INTEGER NOT NULL,
        event TEXT NOT NULL,
        camera TEXT NOT NULL,
        json TEXT NOT NULL,
        UNIQUE (id, part)
    );
"""
SCHEMA = f"""
    {TABLE.format(table=REDIS_TABLE)}
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {FORMAT};
"""
ANOTHER_FILE = "set alerting.spool to another file"
WRITE_REMEDY = "check the folder's permissions and free space"


def sink_table(sink: str) -> str:
    """Quoted name of a sink's table; SQLite takes names that differ only in case for one, so capitals are marked.

    >>> sink_table("desk"), sink_table("Desk")
    ('"sink desk"', '"sink ^desk"')
    """
    return f'"{SINK_PREFIX}{re.sub("[A-Z]", lambda capital: f"^{capital[0].lower()}", sink)}"'


class SpoolFile:
    """The open file of a spool.

    Args:
        path: The file, created if missing.

    Attributes:
        database: The connection; None once closed.

    Raises:
        StorageError: The file can't be created, written or locked, or is not a spool of this format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database: sqlite3.Connection | None = open_spool_file(path)

    def require_open(self) -> sqlite3.Connection:
        """The connection.

        Raises:
            StorageError: The file was given up after a failure.
        """
        if self.database is None:
            raise StorageError(f"spool {self.path}", "it can't be read", WRITE_REMEDY)
        return self.database

    def keep_sinks(self, sinks: Collection[str]) -> None:
        """Create the tables of these sinks where missing, and delete those of others.

        Raises:
            StorageError: The file can't be written.
        """
        database, wanted = self.require_open(), {sink_table(sink) for sink in sinks}
        like = (f"{SINK_PREFIX}%",)
        try:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?", like)
            for (name,) in found.fetchall():
                if f'"{name}"' not in wanted:
                    database.execute(f'DROP TABLE "{name}"')
            for table in wanted:
                database.execute(TABLE.format(table=table))
        except sqlite3.Error as error:
            found_fault = f"it can't be written ({failure_reason(error)})"
            raise StorageError(f"spool {self.path}", found_fault, WRITE_REMEDY) from None

    def close(self) -> None:
        """Close the file; idempotent."""
        if self.database:
            with contextlib.suppress(sqlite3.Error):
                self.database.close()
            self.database = None


def open_spool_file(path: Path) -> sqlite3.Connection:
    """Open the spool's database, created if missing, and lock it for this process.

    Raises:
        StorageError: The file can't be created, written or locked, or is not a spool of this format.
    """
    where = f"spool {path}"
    if not path.parent.is_dir():
        raise StorageError(where, f"there is no folder {path.parent}", f"make it, or {ANOTHER_FILE}")
    if path.is_dir():
        raise StorageError(where, "it is a folder", "set alerting.spool to a file")
    try:
        database = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(where, f"it can't be opened ({failure_reason(error)})", WRITE_REMEDY) from None
    try:
        _claim(database, where)
    except sqlite3.Error as error:
        database.close()
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StorageError(
                where, "another process has locked it", f"stop that process, or {ANOTHER_FILE}"
            ) from None
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
            raise StorageError(where, "it is not a spool", ANOTHER_FILE) from None
        raise StorageError(where, f"it can't be written ({failure_reason(error)})", WRITE_REMEDY) from None
    except StorageError:
        database.close()
        raise
    return database


def _claim(database: sqlite3.Connection, where: str) -> None:
    """Lock the file until it is closed, create the table of a new file, and check the format."""
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN IMMEDIATE")
    owner, tables = database.execute(
        "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    ).fetchone()
    database.execute("COMMIT")
    if (owner, tables) == (0, 0):
        database.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    elif owner != APPLICATION_ID:
        raise StorageError(where, "it is another program's database", ANOTHER_FILE)
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        raise StorageError(where, f"its format is {version}, this streammon writes {FORMAT}", ANOTHER_FILE)
    database.execute("PRAGMA journal_mode = WAL")
    # NORMAL survives a killed process; FULL would also survive a power cut, but sync the disk for every message.
    database.execute("PRAGMA synchronous = NORMAL")


def failure_reason(error: sqlite3.Error) -> str:
    """Reason of an SQLite failure, in a few words."""
    reasons = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_READONLY: "it is read-only",
        sqlite3.SQLITE_CANTOPEN: "permission denied",
        sqlite3.SQLITE_IOERR: "the disk fails",
        sqlite3.SQLITE_CORRUPT: "the file is damaged",
    }
    return reasons.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))
