"""Retention and reconciliation: what goes first, what never goes, and what a crash may leave behind."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from streammon.config import EventsConfig
from streammon.durations import DAY_S
from streammon.errors import ConfigError, StorageError
from streammon.events.archive import Archive, require_events
from streammon.events.index import KEPT, RECORDING, REMOVING
from streammon.events.review import EventReview
from streammon.records import Alert, AlertEvent, EventRow, Judgement, VerdictName

NOW_S = 1_796_000_000.0


def identity(number: int) -> str:
    return f"{number:032x}"


def alert_of(number: int, opened_s: float, event: AlertEvent = AlertEvent.CLOSE) -> Alert:
    closed_s = opened_s + 3.0 if event is AlertEvent.CLOSE else None
    return Alert(identity(number), event, 1, "lobby", "hall", opened_s, opened_s + 3.0, closed_s, 4.0, 1.0, 9.0, 1.5)


@contextmanager
def archive_in(folder: Path, **events: float) -> Iterator[Archive]:
    archive = Archive(EventsConfig(folder=folder, **events))
    try:
        yield archive
    finally:
        archive.close()


def keep(
    archive: Archive,
    number: int,
    opened_s: float,
    size: int = 1000,
    state: str = KEPT,
    verdict: VerdictName | None = None,
) -> EventRow:
    """Evidence of an alert, of a certain size."""
    row = archive.new_row(alert_of(number, opened_s), 1.0)
    folder = archive.folder / row.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row.id}.json").write_bytes(bytes(size))
    row = replace(row, state=state, files=(f"{row.id}.json",), bytes=size)
    archive.index.put(row)
    if verdict:
        judge(archive, row, Judgement().judged(verdict, opened_s + 60.0, "anna"))
    return row


def judge(archive: Archive, row: EventRow, judgement: Judgement) -> None:
    with closing(EventReview(archive.folder)) as review:
        review.judge(row.id, judgement)


def kept(archive: Archive) -> list[int]:
    """Numbers of the alerts that are there, after their files were compared with the index."""
    rows = archive.index.rows()
    files = {file.name for file in archive.folder.glob("*/*/*")}
    assert files == {name for row in rows for name in row.files}
    return sorted(int(row.id, 16) for row in rows)


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    with archive_in(tmp_path, keep_days=2) as archive:
        for number, days in enumerate((5.0, 2.01, 1.99, 0.0)):
            keep(archive, number, NOW_S - days * DAY_S)
        archive.tidy(NOW_S + 3.0, 0)
        assert kept(archive) == [2, 3]
        assert len(list(archive.folder.glob("*/*"))) == len({row.folder for row in archive.index.rows()})


def test_beyond_its_bytes_what_was_judged_normal_goes_first_then_the_oldest(tmp_path: Path) -> None:
    with archive_in(tmp_path, keep_gb=5e-6, keep_days=1000) as archive:  # 5,000 bytes
        verdicts: tuple[VerdictName | None, ...] = (None, "real", "normal", None, "normal", None)
        for number, verdict in enumerate(verdicts):
            keep(archive, number, NOW_S + number, verdict=verdict)
        archive.tidy(NOW_S, 0)
        assert kept(archive) == [0, 1, 3, 4, 5]
        archive.tidy(NOW_S, 1000)  # so much is being written
        assert kept(archive) == [0, 1, 3, 5]
        archive.tidy(NOW_S, 3000)
        assert kept(archive) == [3, 5]


def test_a_row_without_files_stays_until_it_is_too_old(tmp_path: Path) -> None:
    with archive_in(tmp_path, keep_gb=1e-6, keep_days=1) as archive:
        archive.restore([alert_of(1, NOW_S)], 1.0)
        keep(archive, 2, NOW_S + 1, size=2000)
        archive.tidy(NOW_S + 60, 0)
        assert kept(archive) == [1]
        archive.tidy(NOW_S + 1.1 * DAY_S, 0)
        assert kept(archive) == []


def test_what_is_being_written_never_goes(tmp_path: Path) -> None:
    with archive_in(tmp_path, keep_gb=1e-6, keep_days=1) as archive:
        keep(archive, 1, NOW_S - 9 * DAY_S, size=9000, state=RECORDING)
        keep(archive, 2, NOW_S)
        archive.tidy(NOW_S, 9000)
        assert kept(archive) == [1]


def test_a_removal_that_was_broken_off_is_finished(tmp_path: Path) -> None:
    with archive_in(tmp_path) as archive:
        row = keep(archive, 1, NOW_S, state=REMOVING)
        keep(archive, 2, NOW_S)
        gone = keep(archive, 3, NOW_S, state=REMOVING)
        (archive.folder / gone.folder / gone.files[0]).unlink()
        archive.reconcile()
        assert kept(archive) == [2]
        assert row.folder == gone.folder


def test_files_without_a_row_go_and_those_of_others_stay(tmp_path: Path) -> None:
    with archive_in(tmp_path) as archive:
        row = keep(archive, 1, NOW_S)
        folder = archive.folder / row.folder
        for name in (f"{identity(7)}-2.mp4", f"{identity(7)}.png", f".{identity(1)}.json.4711"):
            (folder / name).write_bytes(b"left over")
        empty = archive.folder / "2026-01-01" / "gate"
        empty.mkdir(parents=True)
        (empty / f"{identity(8)}.jpg").write_bytes(b"left over")
        archive.reconcile()
        assert kept(archive) == [1]
        assert not empty.parent.exists()
        for others in (folder / "notes.txt", archive.folder / "2026-01-01.txt"):
            others.write_text("the operator's")
        archive.reconcile()
        assert sorted(file.name for file in folder.iterdir()) == [*row.files, "notes.txt"]
        assert (archive.folder / "2026-01-01.txt").exists()


def test_files_that_were_deleted_by_hand_leave_the_row(tmp_path: Path) -> None:
    with archive_in(tmp_path) as archive:
        row = keep(archive, 1, NOW_S)
        (archive.folder / row.folder / row.files[0]).unlink()
        archive.reconcile()
        (left,) = archive.index.rows()
        assert (left.id, left.files, left.bytes) == (row.id, (), 0)


def test_a_recording_that_was_broken_off_is_completed(tmp_path: Path) -> None:
    with archive_in(tmp_path) as archive:
        alert = alert_of(1, NOW_S, AlertEvent.UPDATE)
        row = archive.new_row(alert, 2.0)
        archive.index.put(row)
        folder = archive.folder / row.folder
        folder.mkdir(parents=True)
        (folder / f"{row.id}-1.mp4").write_bytes(b"\0\0\0\x08ftyp")  # no fragment yet
        (folder / f"{row.id}.jpg").write_bytes(b"a picture")
        archive.reconcile()
        (left,) = archive.index.rows()
        assert left.files == (f"{row.id}.jpg", f"{row.id}.json")
        assert (left.state, left.closed_s, left.updated_s) == (KEPT, alert.time_s, alert.time_s)
        assert left.note == "the monitor was ended before the evidence was complete"
        assert kept(archive) == [1]
        again = archive.index.rows()
        archive.reconcile()
        assert archive.index.rows() == again


def test_published_alerts_without_a_row_get_one_and_removed_ones_do_not_come_back(tmp_path: Path) -> None:
    with archive_in(tmp_path) as archive:
        keep(archive, 5, NOW_S)
        alerts = [alert_of(1, NOW_S - 3 * DAY_S), alert_of(5, NOW_S), alert_of(6, NOW_S + 9, AlertEvent.OPEN)]
        for _ in range(2):
            archive.restore(alerts, 1.0)
        assert [int(row.id, 16) for row in archive.index.rows()] == [5, 6]
        added = archive.index.rows()[1]
        assert (added.state, added.files, added.closed_s) == (KEPT, (), NOW_S + 12)
        assert added.note == "nothing was recorded of it"
        archive.reconcile()
        assert archive.index.rows()[1] == added


def test_more_than_the_disk_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"events\.keep_gb: it is 1e\+06, and the disk of .* holds .* GB in all; keep"
    ):
        require_events(EventsConfig(folder=tmp_path, keep_gb=1e6))
    require_events(EventsConfig(folder=tmp_path / "new"))
    assert (tmp_path / "new").is_dir()


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="it can't be written"):
        require_events(EventsConfig(folder=tmp_path / "file"))


def test_removing_many_takes_their_days_along(tmp_path: Path) -> None:
    with archive_in(tmp_path, keep_gb=1e-9) as archive:
        for number in range(20):
            keep(archive, number, time.time() - number * DAY_S / 2)
        archive.tidy(time.time(), 0)
        assert kept(archive) == []
        assert [entry.name for entry in archive.folder.iterdir() if entry.is_dir()] == []
