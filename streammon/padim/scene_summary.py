"""`scene.yaml`: a summary of a fitted scene for people."""

import datetime
from pathlib import Path

import yaml

from streammon import __version__
from streammon.calibration.rates import Calibration
from streammon.padim.facts import BankFacts
from streammon.padim.scene_files import write_text

SCENE_FILE = "scene.yaml"
SHOWN_RATES_PER_DAY = (24.0, 1.0, 0.1)


def write_scene_file(
    folder: Path, facts: BankFacts, learned_from: list[str], method: str, calibration: Calibration | None
) -> None:
    """Write `scene.yaml`, a summary of a fitted scene for people. streammon never reads the file.

    Args:
        folder: Folder of the scene.
        facts: Facts of the scene's bank.
        learned_from: Names of the footage or camera.
        method: `motion` or `padim`.
        calibration: Calibration of the method's scores; None without held-out frames.

    Raises:
        StorageError: The file can't be written.
    """
    summary = {
        "scene": facts.scene,
        "method": method,
        "learned_from": learned_from,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "streammon": __version__,
        "backbone": facts.backbone,
        "reduction": f"{facts.reduction}, {facts.dimensions} channels, seed {facts.seed}",
        "frames": facts.frames,
        "calibration_frames": facts.calibration_frames,
        "score_at_false_alarms_per_day": thresholds(calibration),
    }
    write_text(folder / SCENE_FILE, yaml.safe_dump(summary, sort_keys=False, allow_unicode=True))


def thresholds(calibration: Calibration | None) -> dict[str, float]:
    """Frame score at which an alert would open, for a few false-alarm rates a day; empty without calibration."""
    if calibration is None:
        return {}
    return {f"{rate:g}": round(calibration.score_at_rate(rate), 3) for rate in SHOWN_RATES_PER_DAY}
