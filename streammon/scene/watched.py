"""`watched.json` in a scene's folder: state of the calibration that goes on while the scene is watched."""

import json
from dataclasses import asdict
from pathlib import Path

from streammon.calibration import Calibration, OnlineCalibration, WatchedState
from streammon.config import AlertingConfig
from streammon.motion import Observer
from streammon.padim import Backbone, write_text
from streammon.scene.learned import Scene
from streammon.scene.scorer import SceneScorer

WATCHED_FILE = "watched.json"


def watching_scorer(
    scene: Scene, folder: Path, backbone: Backbone, observer: Observer | None, alerting: AlertingConfig
) -> SceneScorer:
    """A scorer with the calibration that goes on while the scene is watched (`alerting.adapt`).

    That calibration continues the state in `watched.json` if the file belongs to this fit, and begins anew otherwise.

    Args:
        scene: The learned scene.
        folder: The scene's folder.
        backbone: Network whose maps accompany the frames.
        observer: Observes motion; None for PaDiM alone.
        alerting: Rate of false alarms.

    Raises:
        BankError: The scene has no calibration.
    """
    scorer = SceneScorer(scene, backbone, observer, alerting.open_level)
    calibration = scorer.calibration
    if alerting.adapt:
        state = load_watched(folder, calibration)
        scorer.online = OnlineCalibration(calibration, alerting.false_alarms_per_day, state)
    return scorer


def is_same_fit(one: Calibration, other: Calibration) -> bool:
    """True if two calibrations are of one fit: what was watched of one then goes on in the other."""
    return _mark(one) == _mark(other)


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
