"""Review of the evidence: the index queried and judged by operators, while a recorder writes it."""

import errno
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple
from glob import escape
from pathlib import Path
from typing import Any

from streammon.errors import StorageError
from streammon.events.index import COLUMNS, INDEX_FILE, OF_JUDGEMENT, REMOVING, row_of_values
from streammon.records import EventCounts, EventQuery, EventRow, Judgement

SHOWN = "state != ?"  # what is being removed is not shown
COUNTS = (
    "count(*), coalesce(sum(acknowledged_s IS NULL), 0), coalesce(sum(verdict IS NULL), 0),"
    " coalesce(sum(verdict = 'normal'), 0), coalesce(sum(verdict = 'real'), 0)"
)
REMEDY = "make room on its disk, or check its permissions"


class EventReview:
    """Alerts whose evidence is kept, for the review on the page. Used in one thread.

    The index is opened at the first call, with a connection of its own: reading never waits for the recorder, and a
    change waits for one row at most.

    Args:
        folder: Folder of the evidence.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the index."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def newest(
        self, query: EventQuery, limit: int, before: tuple[float, str] | None = None
    ) -> tuple[list[EventRow], EventCounts]:
        """Selected alerts, the newest first, and the numbers of all that are selected.

        Args:
            query: Selection.
            limit: Most alerts returned.
            before: Opening time and id of an alert; only alerts that come after it in the list.

        Raises:
            StorageError: The index can't be read.
        """
        conditions, values = _conditions(query)
        where = " AND ".join(conditions)
        (numbers,) = self._read(f"SELECT {COUNTS} FROM alert WHERE {where}", values)
        page, page_values = (
            (f"{where} AND (opened_s, id) < (?, ?)", (*values, *before)) if before else (where, values)
        )
        select = f"SELECT {', '.join(COLUMNS)} FROM alert WHERE {page} ORDER BY opened_s DESC, id DESC LIMIT ?"
        return list(map(row_of_values, self._read(select, (*page_values, limit)))), EventCounts(*numbers)

    def find(self, alert_id: str) -> EventRow | None:
        """The row of an alert; None if its evidence isn't kept.

        Raises:
            StorageError: The index can't be read.
        """
        found = self._read(f"SELECT {', '.join(COLUMNS)} FROM alert WHERE {SHOWN} AND id = ?", (REMOVING, alert_id))
        return row_of_values(found[0]) if found else None

    def judge(self, alert_id: str, judgement: Judgement) -> None:
        """Write what operators said of an alert.

        Raises:
            StorageError: The index can't be written.
        """
        changes = ", ".join(f"{name} = ?" for name in OF_JUDGEMENT)
        try:
            self._database().execute(f"UPDATE alert SET {changes} WHERE id = ?", (*astuple(judgement), alert_id))
        except sqlite3.Error as error:
            raise _storage_error("written", error) from _as_os_error(error)

    def clip_parts(self, row: EventRow) -> list[Path]:
        """Files of an alert's clip, in order; of one that is being recorded, those begun so far."""
        folder = self._folder / row.folder
        parts = [file for file in folder.glob(f"{escape(row.id)}-*.mp4") if file.stem[len(row.id) + 1 :].isdigit()]
        return sorted(parts, key=lambda file: int(file.stem[len(row.id) + 1 :]))

    def file(self, row: EventRow, ending: str) -> Path | None:
        """A file of an alert; None if there is none, or if it isn't in the folder of the evidence.

        Args:
            row: The alert.
            ending: What follows the id in the file's name, such as `.jpg` or `-1.mp4`.
        """
        file = self._folder / row.folder / f"{row.id}{ending}"
        within = file.resolve().is_relative_to(self._folder.resolve())
        return file if within and file.is_file() else None

    def _database(self) -> sqlite3.Connection:
        """The open index; the recorder, which made it, has checked its format."""
        if self._opened is None:
            address = f"{(self._folder / INDEX_FILE).absolute().as_uri()}?mode=rw"
            self._opened = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        return self._opened

    def _read(self, query: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._database().execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise _storage_error("read", error) from _as_os_error(error)


def _storage_error(what: str, error: sqlite3.Error) -> StorageError:
    """The error of an index that can't be used, without its path, since the message is shown in a browser."""
    return StorageError("index of the events", f"it can't be {what} ({str(error).lower()})", REMEDY)


def _as_os_error(error: sqlite3.Error) -> OSError:
    full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return OSError(errno.ENOSPC if full else errno.EIO, str(error))


def _conditions(query: EventQuery) -> tuple[list[str], tuple[Any, ...]]:
    """SQL conditions of a selection, and their values."""
    conditions, values = [SHOWN], [REMOVING]
    asked: dict[str, Any] = {
        "camera = ?": query.camera,
        "channel = ?": query.channel,
        "opened_s >= ?": query.since_s,
        "opened_s < ?": query.until_s,
        "coalesce(verdict, 'none') = ?": query.verdict,
        "(closed_s IS NULL) = ?": query.is_open,
        "(acknowledged_s IS NOT NULL) = ?": query.acknowledged,
    }
    for condition, value in asked.items():
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return conditions, tuple(values)
