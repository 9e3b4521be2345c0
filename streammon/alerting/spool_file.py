"""SQLite file of the spool: schema, exclusive lock, format check and error messages."""

import sqlite3
from pathlib import Path

from streammon.errors import StorageError

APPLICATION_ID = 0x5354414C  # "STAL"; marks the database as a spool (SQLite's application id)
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
ANOTHER_FILE = "set alerting.spool to another file"
WRITE_REMEDY = "check the folder's permissions and free space"


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
