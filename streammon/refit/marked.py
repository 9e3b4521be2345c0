"""Clips judged normal that a scene has not learned yet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streammon.events import EventRow
from streammon.ingest import Clip
from streammon.scene import marked_clips, reviewed_clips

ALERT_ID = re.compile(r"[0-9a-f]{32}")
NORMAL, REAL, RECORDING = "normal", "real", "recording"


@dataclass(frozen=True)
class Marks:
    """Clips judged normal, by their names.

    Attributes:
        every: All clips in the scene's folder `normal`.
        new: Of these, those to learn.
        left_out: Names of new clips whose alert is still recorded, or not judged normal in the index.
        taken_back: Names of clips that were learned and whose alert is not judged normal any more.
    """

    every: dict[str, Clip]
    new: dict[str, Clip]
    left_out: tuple[str, ...]
    taken_back: tuple[str, ...]


def marks(folder: Path, rows: Mapping[str, EventRow], image_fps: float) -> Marks:
    """The clips judged normal in a scene's folder.

    A clip whose alert is in the index with another verdict, or with none, was taken back and is left out; so is one
    that is still recorded. Clips without a row, such as those of alerts whose evidence is gone, are judged normal.
    Of an alert that was learned, nothing is new, whether its frames or its video are kept.

    Args:
        folder: Folder of the scene.
        rows: Rows of the index of events, by the alerts' ids.
        image_fps: Frames a second of image folders without `times.csv`.

    Raises:
        InputError: The clips or the scene's statistics can't be read.
    """
    every = marked_clips(folder, image_fps)
    learned = reviewed_clips(folder) if every else set()
    alerts = {alert_of(name) for name in learned} - {None}
    new = {name: clip for name, clip in every.items() if name not in learned and alert_of(name) not in alerts}
    left_out = tuple(name for name in new if not _is_normal(name, rows) or _is_recorded(name, rows))
    taken_back = tuple(name for name in sorted(learned) if not _is_normal(name, rows))
    return Marks(every, {name: clip for name, clip in new.items() if name not in left_out}, left_out, taken_back)


def alert_of(name: str) -> str | None:
    """Id of the alert that a clip is named after.

    >>> alert_of("018bcfe568001f3a9b2c4d5e6f708192-2"), alert_of("monday")
    ('018bcfe568001f3a9b2c4d5e6f708192', None)
    """
    found = ALERT_ID.match(name)
    return found and found[0]


def _is_recorded(name: str, rows: Mapping[str, EventRow]) -> bool:
    row = rows.get(alert_of(name) or "")
    return row is not None and row.state == RECORDING


def _is_normal(name: str, rows: Mapping[str, EventRow]) -> bool:
    row = rows.get(alert_of(name) or "")
    return row is None or row.verdict == NORMAL
