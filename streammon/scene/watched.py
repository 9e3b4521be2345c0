"""`watched.json` in a scene's folder: state of the calibration that goes on while the scene is watched."""

import json
from dataclasses import asdict
from pathlib import Path

from streammon.calibration import Calibration, WatchedState
from streammon.padim import write_text

WATCHED_FILE = "watched.json"


def save_watched(folder: Path, calibration: Calibration, state: WatchedState) -> None:
    """Write what was watched, whole or not at all.

    Args:
        folder: The scene's.
        calibration: Of its held-out footage, which the state extends.
        state: What to keep.

    Raises:
        StorageError: It can't be written.
    """
    write_text(folder / WATCHED_FILE, json.dumps({"calibration": _mark(calibration), **asdict(state)}))


def load_watched(folder: Path, calibration: Calibration) -> WatchedState | None:
    """State since this calibration; None without a file, or if the file belongs to an earlier fit."""
    try:
        kept = json.loads((folder / WATCHED_FILE).read_text(encoding="utf-8"))
        if kept.pop("calibration") != _mark(calibration):
            return None
        return WatchedState(float(kept["watched_s"]), tuple(map(float, kept["peaks"])), float(kept["shift"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def forget_watched(folder: Path) -> None:
    """Start anew: the scene is learned anew."""
    (folder / WATCHED_FILE).unlink(missing_ok=True)


def _mark(calibration: Calibration) -> list[float]:
    """Tells one fit's calibration from another's."""
    return [calibration.watched_s, calibration.tail_start, calibration.tail_scale]
