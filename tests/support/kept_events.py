"""Evidence on disk for the tests of the review: recorded from a clip, or many rows of an index alone."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from streammon.config import Config
from streammon.events import EventReview, EventRow, read_index
from streammon.events.index import KEPT, Index
from streammon.preview import Preview
from streammon.records import Channel, Verdict
from support.evidence import config_of, recorded, wait_for_row
from support.numbered_footage import encode
from support.preview_events import figures_of

FRAMES = 225
ABNORMAL = range(100, 125)


def record_events(folder: Path) -> list[EventRow]:
    """Evidence of an alert of each of two cameras in `folder/events`, the oldest first."""
    clip = encode(folder / "clip.mp4", frames=FRAMES)
    config = config_of(folder, {"lobby": str(clip), "gate": str(clip)})
    with recorded(config, folder, ABNORMAL.__contains__):
        wait_for_row(folder / "events", lambda row: row.state == KEPT, count=2)
    return read_index(folder / "events")


def event_row(number: int, opened_s: float, **changes: Any) -> EventRow:
    """A row of an alert of 3 s without files: of lobby if the number is odd, else of gate."""
    row = EventRow(
        id=f"{number:032x}",
        scene="hall",
        camera="lobby" if number % 2 else "gate",
        channel=Channel.SPEED if number % 3 else Channel.LOOKS,
        opened_s=opened_s,
        closed_s=opened_s + 3,
        updated_s=opened_s + 3,
        peak_score=9.0,
        peak_level=1.5,
        basis_s=7200.0,
        provisional=False,
        false_alarms_per_day=1.0,
        folder="2026-11-30/lobby",
        state=KEPT,
    )
    return replace(row, **changes)


def seed_index(folder: Path, count: int) -> None:
    """An index with so many alerts of the last days, a minute apart, without files."""
    now_s = time.time()
    with closing(Index(folder)) as index:
        index._database.execute("BEGIN")
        for number in range(count):
            index.put(event_row(number, now_s - 60.0 * (count - number)))
        index._database.execute("COMMIT")


def reviewing(config: Config, folder: Path, verdicts: list[Verdict]) -> Preview:
    """A preview whose page reviews the evidence in a folder."""
    return Preview(config, figures_of(config), on_verdict=verdicts.append, events=EventReview(folder))
