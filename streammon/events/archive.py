"""Folder of the evidence: names of its files, retention, and agreement with the index after a crash.

Files are in `<day>/<camera>/`, and their names begin with the alert's id. The row of an alert is written before its
first file and deleted after its last one, so no file is without a row. `reconcile` settles what a kill left.
"""

import contextlib
import datetime
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from streammon.config import EventsConfig
from streammon.durations import DAY_S
from streammon.errors import ConfigError, StorageError, system_reason
from streammon.events.index import ANOTHER_FOLDER, KEPT, RECORDING, REMOVING, Index, row_of
from streammon.events.side_car import interrupted_side_car
from streammon.records import Alert, EventRow
from streammon.storage import replace_file, require_writable

LOCK_FILE = "lock"
GIGABYTE = 10**9
PROBE_BYTES = 1 << 16  # written to test a disk, which may have a quota
ROOM_BYTES = 100 << 20  # free before recording goes on after a full disk: a minute or two, so that it doesn't flutter
REJOINED_S = 300.0
"""A missing row is added for alerts that opened so long before the newest row, or later: a killed monitor leaves out
the latest alerts alone, and older ones without a row were removed."""

OWN_FILE = re.compile(r"\.?([0-9a-f]{32})(-\d+)?\.(mp4|jpg|png|json)(\.\d+)?")
FOLDER = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/*"
INTERRUPTED = "the monitor was ended before the evidence was complete"
NOT_RECORDED = "nothing was recorded of it"


def require_events(events: EventsConfig) -> None:
    """Check at the start that evidence can be kept.

    Raises:
        StorageError: The folder can't be written.
        ConfigError: More is to be kept than the disk holds.
    """
    require_writable(events.folder, "set events.folder to a folder that can be written")
    total_gb = shutil.disk_usage(events.folder).total / GIGABYTE
    if events.keep_gb > total_gb:
        found = f"it is {events.keep_gb:g}, and the disk of {events.folder} holds {total_gb:.3g} GB in all"
        raise ConfigError("events.keep_gb", found, "keep less, or set events.folder to a folder on a larger disk")


class Archive:
    """The evidence on disk, locked for this process.

    Args:
        events: Folder and retention.

    Attributes:
        folder: The folder.
        index: Index of the evidence.

    Raises:
        StorageError: The folder can't be written, is used by another monitor, or its index is of another format.
    """

    def __init__(self, events: EventsConfig) -> None:
        self.folder = events.folder
        self._events = events
        self._lock = _locked(events.folder)
        try:
            self.index = Index(events.folder)
        except StorageError:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the index, and unlock the folder."""
        self.index.close()
        os.close(self._lock)

    def new_row(self, alert: Alert, false_alarms_per_day: float) -> EventRow:
        """A row for an alert that is not in the index; its folder is not created yet."""
        day = datetime.datetime.fromtimestamp(alert.opened_s).date().isoformat()
        return row_of(alert, f"{day}/{alert.camera}", false_alarms_per_day)

    def require_room(self) -> None:
        """Test that there is room again after a failure, and write the changes of the index that wait.

        Raises:
            OSError: The disk is full or fails.
        """
        if shutil.disk_usage(self.folder).free < ROOM_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        probe = self.folder / f".probe.{os.getpid()}"
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
        self.index.write_waiting()

    def restore(self, alerts: Iterable[Alert], false_alarms_per_day: float) -> None:
        """Add rows of alerts that were published and whose rows a killed monitor did not write.

        Args:
            alerts: The latest message of each of the newest alerts.
            false_alarms_per_day: Accepted rate of false alarms.

        Raises:
            OSError: The disk is full or fails; the rows wait.
        """
        rows = self.index.rows()
        newest_s = rows[-1].opened_s if rows else float("-inf")
        known = {row.id for row in rows}
        for alert in alerts:
            if alert.id not in known and alert.opened_s >= newest_s - REJOINED_S:
                row = self.new_row(alert, false_alarms_per_day)
                closed_s = alert.time_s if alert.closed_s is None else alert.closed_s
                self.index.add(replace(row, closed_s=closed_s, state=KEPT, note=NOT_RECORDED))

    def reconcile(self, recording: Collection[str] = ()) -> None:
        """Make index and files agree: finish removals, settle interrupted recordings, remove files without a row.

        Files that streammon did not write are left alone.

        Args:
            recording: Ids of alerts that are recorded now and have no files yet; their rows are left alone.

        Raises:
            OSError: The disk is full or fails.
        """
        for row in self.index.rows("state = ?", (REMOVING,)):
            self.remove(row)
        present = {str(folder.relative_to(self.folder)) for folder in self.folder.glob(FOLDER) if folder.is_dir()}
        for name in sorted(present | {row.folder for row in self.index.rows()}):
            self._reconcile_folder(name, recording)

    def settle(self, row: EventRow, note: str) -> None:
        """Complete the row of a recording that was broken off, with the files that can be used.

        Raises:
            OSError: The disk is full or fails.
        """
        folder = self.folder / row.folder
        folder.mkdir(parents=True, exist_ok=True)
        names = [name for name in _names(folder) if _is_of(row, name)]
        for name in names:
            if name.endswith(".mp4") and not mend_clip(folder / name):
                (folder / name).unlink()
        used = {name for name in names if not name.startswith(".") and (folder / name).exists()}
        closed_s = row.updated_s if row.closed_s is None else row.closed_s
        row = replace(row, closed_s=closed_s, state=KEPT, note=note)
        side_car = f"{row.id}.json"
        if side_car not in used:
            content = interrupted_side_car(row, sorted(used))
            replace_file(folder / side_car, lambda beside: beside.write_bytes(content))
        self.index.put(self._with_files(row, used | {side_car}))

    def remove(self, row: EventRow) -> None:
        """Remove the files of an alert, then its row."""
        with contextlib.suppress(OSError):  # on a full disk the files go first, which makes room for the index
            self.index.put(replace(row, state=REMOVING))
        folder = self.folder / row.folder
        for name in {*row.files, *(name for name in _names(folder) if _is_of(row, name))}:
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others' files are in them
            folder.rmdir()
            folder.parent.rmdir()
        self.index.remove(row.id)

    def tidy(self, now_s: float, written_bytes: int) -> None:
        """Remove the evidence that is too old, then what is too much: judged normal first, then the oldest.

        Args:
            now_s: Unix time now.
            written_bytes: Bytes of what is being written, which is never removed.

        Raises:
            OSError: The disk is full or fails.
        """
        before_s = now_s - self._events.keep_days * DAY_S
        for row in self.index.rows("state = ? AND coalesce(closed_s, updated_s) < ?", (KEPT, before_s)):
            self.remove(row)
        excess = self.index.bytes + written_bytes - self._events.keep_gb * GIGABYTE
        if excess <= 0:
            return
        with_files = self.index.rows("state = ? AND bytes > 0", (KEPT,))
        for row in sorted(with_files, key=lambda row: row.verdict != "normal"):
            if excess <= 0:
                return
            self.remove(row)
            excess -= row.bytes

    def with_all_files(self, row: EventRow) -> EventRow:
        """The row with its files as they are on the disk."""
        names = _names(self.folder / row.folder)
        return self._with_files(row, {name for name in names if _is_of(row, name) and not name.startswith(".")})

    def _with_files(self, row: EventRow, names: Iterable[str]) -> EventRow:
        """The row with those of the files that exist."""
        sizes = {name: _size(self.folder / row.folder / name) for name in sorted(names)}
        files = tuple(name for name, size in sizes.items() if size is not None)
        return replace(row, files=files, bytes=sum(size or 0 for size in sizes.values()))

    def _reconcile_folder(self, name: str, recording: Collection[str]) -> None:
        for row in self.index.rows("folder = ?", (name,)):
            if row.state == RECORDING and row.id not in recording:
                self.settle(row, INTERRUPTED)
            elif (whole := self._with_files(row, row.files)) != row:
                self.index.put(whole)
        known = {file for row in self.index.rows("folder = ?", (name,)) for file in row.files}
        for file in set(_names(self.folder / name)) - known:
            if OWN_FILE.fullmatch(file):
                (self.folder / name / file).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.folder / name).rmdir()
            (self.folder / name).parent.rmdir()


def mend_clip(path: Path) -> bool:
    """Cut a fragmented MP4 file after its last whole fragment; False if it has none.

    Raises:
        OSError: The file can't be read or cut.
    """
    size, end, fragment = path.stat().st_size, 0, False
    with path.open("rb+") as file:
        for kind, stop in _boxes(file.read, file.seek, size):
            fragment = fragment or kind == b"moof"
            if kind == b"mdat" or (fragment and kind == b"mfra"):
                end = stop
        if end and end < size:
            file.truncate(end)
    return fragment and end > 0


def _boxes(read: Callable[[int], bytes], seek: Callable[[int], int], size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each whole box at the top level of an MP4 file."""
    position = 0
    while position + 8 <= size:
        seek(position)
        head = read(16)
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8 or position + length > size:
            return
        position += length
        yield head[4:8], position


def _names(folder: Path) -> list[str]:
    """Names of the files in a folder; none if it doesn't exist."""
    try:
        return [entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _size(file: Path) -> int | None:
    """Size of a file in bytes; None if it doesn't exist."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def _is_of(row: EventRow, name: str) -> bool:
    match = OWN_FILE.fullmatch(name)
    return match is not None and match[1] == row.id


def _locked(folder: Path) -> int:
    """Descriptor of the locked lock file of a folder, created if missing.

    Raises:
        StorageError: The folder can't be written, or another process has locked it.
    """
    require_writable(folder, "set events.folder to a folder that can be written")
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(str(folder), f"it can't be locked ({system_reason(error)})", ANOTHER_FOLDER) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StorageError(
            str(folder), "another monitor keeps its evidence there", f"stop it, or {ANOTHER_FOLDER}"
        ) from None
    return descriptor
