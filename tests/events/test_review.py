"""The index as operators review it: selections in pages, counts, judgements, and files."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streammon.errors import StorageError
from streammon.events import EventReview
from streammon.events.index import INDEX_FILE, KEPT, RECORDING, REMOVING, Index
from streammon.records import Channel, EventCounts, EventQuery, EventRow, Judgement
from support.kept_events import event_row

NOW_S = 1_796_000_000.0


def row(number: int, **changes: Any) -> EventRow:
    """A row; alerts 2 and 3 opened at the same time."""
    return event_row(number, NOW_S + (2 if number == 3 else number), **changes)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with closing(Index(tmp_path)) as index:
        yield index


@pytest.fixture
def review(tmp_path: Path, index: Index) -> Iterator[EventReview]:
    """A review of six alerts: the last one is open and being recorded; another one is being removed."""
    for number in range(6):
        index.put(row(number))
    index.put(row(5, closed_s=None, state=RECORDING))
    index.put(row(6, state=REMOVING))
    with closing(EventReview(tmp_path)) as review:
        yield review


def numbers(rows: list[EventRow]) -> list[int]:
    return [int(each.id, 16) for each in rows]


@pytest.mark.parametrize(
    ("query", "selected"),
    [
        (EventQuery(), [5, 4, 3, 2, 1, 0]),
        (EventQuery(camera="lobby"), [5, 3, 1]),
        (EventQuery(channel=Channel.LOOKS), [3, 0]),
        (EventQuery(since_s=NOW_S + 2, until_s=NOW_S + 4), [3, 2]),
        (EventQuery(verdict="real"), [4]),
        (EventQuery(verdict="none"), [5, 3, 2, 1]),
        (EventQuery(is_open=True), [5]),
        (EventQuery(is_open=False, verdict="normal"), [0]),
        (EventQuery(acknowledged=True), [4, 1, 0]),
        (EventQuery(acknowledged=False, camera="gate"), [2]),
    ],
)
def test_alerts_are_selected_newest_first_and_counted(
    review: EventReview, query: EventQuery, selected: list[int]
) -> None:
    review.judge(row(0).id, Judgement().judged("normal", NOW_S + 9, "anna"))
    review.judge(row(4).id, Judgement().judged("real", NOW_S + 9, "anna"))
    review.judge(row(1).id, Judgement().acknowledged(NOW_S + 9, "anna"))
    rows, counts = review.newest(query, 100)
    assert numbers(rows) == selected
    assert counts.matching == len(selected)
    assert counts.unacknowledged == len(set(selected) - {0, 1, 4})
    assert (counts.unjudged, counts.normal, counts.real) == (
        len(set(selected) - {0, 4}),
        selected.count(0),
        selected.count(4),
    )


def test_pages_follow_each_other_also_where_alerts_opened_at_once(review: EventReview, index: Index) -> None:
    seen, before = [], None
    while page := review.newest(EventQuery(), 1, before)[0]:
        seen += numbers(page)
        before = page[-1].opened_s, page[-1].id
        index.put(row(len(seen) + 99))  # a newer alert does not shift the pages
    assert seen == [5, 4, 3, 2, 1, 0]


def test_an_empty_selection_counts_nothing(review: EventReview) -> None:
    assert review.newest(EventQuery(camera="nowhere"), 9) == ([], EventCounts(0, 0, 0, 0, 0))


def test_a_judgement_stays_while_the_recording_goes_on(review: EventReview, index: Index) -> None:
    judgement = Judgement().acknowledged(NOW_S + 6, "anna").judged("real", NOW_S + 7, "ben")
    review.judge(row(5).id, judgement)
    index.put(row(5))
    found = review.find(row(5).id)
    assert found is not None
    assert (found.state, found.judgement) == (KEPT, judgement)
    review.judge(found.id, found.judgement.withdrawn())
    assert index.rows("id = ?", (found.id,))[0].judgement == Judgement().acknowledged(NOW_S + 6, "anna")
    assert review.find(row(6).id) is None  # it is being removed
    assert review.find("unknown") is None


def test_files_are_those_of_the_alert_within_the_folder(review: EventReview, tmp_path: Path) -> None:
    kept = row(1)
    folder = tmp_path / "events" / kept.folder
    folder.mkdir(parents=True)
    (tmp_path / "secret.jpg").touch()
    (folder / f"{kept.id}.jpg").symlink_to(tmp_path / "secret.jpg")
    for name in (f"{kept.id}-10.mp4", f"{kept.id}-9.mp4", f"{row(2).id}-1.mp4", f".{kept.id}-1.mp4.7"):
        (folder / name).touch()
    with closing(EventReview(tmp_path / "events")) as elsewhere:
        assert elsewhere.clip_parts(kept) == [folder / f"{kept.id}-9.mp4", folder / f"{kept.id}-10.mp4"]
        assert elsewhere.file(kept, "-9.mp4") == folder / f"{kept.id}-9.mp4"
        assert elsewhere.file(kept, "-1.mp4") is None
        assert elsewhere.file(kept, ".jpg") is None  # it leads out of the folder
        assert elsewhere.file(replace(kept, id="secret", folder=".."), ".jpg") is None


def test_an_index_that_cannot_be_read_is_one_line_without_its_path(tmp_path: Path) -> None:
    remedy = "make room on its disk, or check its permissions"
    with closing(EventReview(tmp_path)) as review, pytest.raises(StorageError) as refused:
        review.find("a")
    assert str(refused.value) == f"index of the events: it can't be read (unable to open database file); {remedy}"
    (tmp_path / INDEX_FILE).write_text("no database at all, but long enough for a header" * 9)
    with closing(EventReview(tmp_path)) as review, pytest.raises(StorageError, match="file is not a database"):
        review.find("a")


def test_a_judgement_that_cannot_be_written_is_refused(review: EventReview, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / INDEX_FILE, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER broken BEFORE UPDATE ON alert BEGIN SELECT RAISE(FAIL, 'disk'); END")
    with pytest.raises(StorageError, match=r"^index of the events: it can't be written \(disk\); make room"):
        review.judge(row(1).id, Judgement().acknowledged(NOW_S, "anna"))
