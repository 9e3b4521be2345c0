"""Side-car of an alert: what was seen and what was promised, as JSON beside its clip."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streammon.alerting import false_alarms_per_day
from streammon.records import Box, EventRow

VERSION = 1
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """One scored frame of the curve in a side-car.

    Attributes:
        time_s: Unix time of the frame.
        score: Frame score.
        level: Level.
        boxes: Abnormal regions, the worst first; none of frames before the alert.
    """

    time_s: float
    score: float
    level: float
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class ClipPart:
    """One file of a clip.

    Attributes:
        file: Name of the file.
        codec: FFmpeg's name of the codec.
        began_s: Unix time of the first picture.
        ended_s: Unix time of the last picture.
    """

    file: str
    codec: str
    began_s: float
    ended_s: float


def side_car(
    row: EventRow,
    *,
    parts: Sequence[ClipPart],
    points: Sequence[ScorePoint],
    peak: ScorePoint | None,
    source_size: tuple[int, int] | None,
    threshold: float | None,
    bank_sha256: str | None,
    snapshot: str | None,
    heatmap: str | None,
) -> bytes:
    """The side-car of a recorded alert.

    Args:
        row: The alert.
        parts: Files of the clip, in order.
        points: Scores from before the alert to after it.
        peak: The frame with the largest score; None if none was scored.
        source_size: Width and height of the scored stream's pictures, in whose pixels boxes are.
        threshold: Score at which the alert opened.
        bank_sha256: SHA-256 of the scene's bank; None if there is no file.
        snapshot: Name of the peak's picture; None without one.
        heatmap: Name of the peak's heatmap; None without one.
    """
    content = _head(row) | {
        "bank_sha256": bank_sha256,
        "threshold": None if threshold is None else _number(threshold),
        "source_size": source_size,
        "peak": None if peak is None else _point(peak),
        "clip": [
            {"file": part.file, "codec": part.codec, "began_s": _time(part.began_s), "ended_s": _time(part.ended_s)}
            for part in parts
        ],
        "snapshot": snapshot,
        "heatmap": heatmap,
        "scores": [_point(point) for point in points],
    }
    return _encoded(content)


def interrupted_side_car(row: EventRow, files: Sequence[str]) -> bytes:
    """The side-car of an alert whose recording was broken off: what its row says, and the files that are there.

    Args:
        row: The alert.
        files: Names of the files.
    """
    content = _head(row) | {
        "clip": [{"file": name} for name in files if name.endswith(".mp4")],
        "snapshot": next((name for name in files if name.endswith(".jpg")), None),
        "heatmap": next((name for name in files if name.endswith(".png")), None),
    }
    return _encoded(content)


def _head(row: EventRow) -> dict[str, Any]:
    return {
        "v": VERSION,
        "id": row.id,
        "camera": row.camera,
        "scene": row.scene,
        "channel": row.channel,
        "reason": row.channel.reason,
        "opened_s": _time(row.opened_s),
        "closed_s": None if row.closed_s is None else _time(row.closed_s),
        "peak_score": _number(row.peak_score),
        "peak_level": _number(row.peak_level),
        "false_alarms_per_day": _number(false_alarms_per_day(row.peak_level)),
        "promised": {
            "false_alarms_per_day": row.false_alarms_per_day,
            "basis_hours": _number(row.basis_s / HOUR_S),
            "provisional": row.provisional,
        },
        "note": row.note,
    }


def _point(point: ScorePoint) -> dict[str, Any]:
    return {
        "time_s": _time(point.time_s),
        "score": _number(point.score),
        "level": _number(point.level),
        "boxes": [[box.x, box.y, box.width, box.height] for box in point.boxes],
    }


def _time(time_s: float) -> float:
    return round(time_s, 3)


def _number(number: float) -> float:
    """Six significant digits, enough for a float32 score; a level may be infinite, and JSON has no infinity."""
    return float(f"{max(-1e300, min(1e300, number)):.6g}")


def _encoded(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, allow_nan=False, indent=1) + "\n").encode()
