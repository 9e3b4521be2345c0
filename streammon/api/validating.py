"""Validating a scene on its normal footage."""

from pathlib import Path
from typing import Any

from pydantic import Field

from streammon.api.learning import Reading
from streammon.api.models import Model, model_of_scene, require_whole_pictures
from streammon.api.paths import Paths, paths_of, scene_folder
from streammon.calibration import HOLD_OUT
from streammon.config import SCENES, parse_section
from streammon.ingest import DEFAULT_IMAGE_FPS
from streammon.validation import ValidationOptions, ValidationReport
from streammon.validation import validate_scene as validate
from streammon.validation.run import Progress

WHERE = "validate_scene"
"""Place of a wrong argument, in messages."""


class Staging(Reading):
    """How a scene is validated: the arguments of `validate_scene` of the same names."""

    false_alarms_per_day: float = Field(1.0, gt=0, le=86400)
    folds: int = Field(4, ge=2, le=50)
    staged: int = Field(6, ge=1, le=100)


def validate_scene(
    footage: Paths,
    scene: str | Path,
    *,
    model: Model | None = None,
    false_alarms_per_day: float = 1.0,
    folds: int = 4,
    staged: int = 6,
    hold_out: float = HOLD_OUT,
    fps: float = DEFAULT_IMAGE_FPS,
    every: int = 1,
    max_frames: int | None = None,
    scenes: str | Path = SCENES,
    progress: Progress | None = None,
) -> ValidationReport:
    """Estimate what a scene would detect, and check its false-alarm rates, as `streammon fit --validate` does.

    The footage is divided into folds. Each is scored by a scene that learned the others as this scene was learned:
    the false alarms of its normal frames are counted, and anomalies are staged in it. `validation.png` in the scene's
    folder shows where in the picture they are missed.

    Args:
        footage: The normal footage that the scene learned: files and folders in order of time.
        scene: Folder of the scene, or its name in `scenes`.
        model: Settings of the section `model` of `config.yaml`; method, backbone, reduction and frame score that are
            left out are those that the scene was learned with.
        false_alarms_per_day: Rate at whose threshold an anomaly counts as detected.
        folds: Number of folds.
        staged: Number of anomalies of each kind.
        hold_out: Share of the learned folds, their end, that calibrates.
        fps: Frames a second of folders of images without `times.csv`.
        every: Take the first of each so many frames, before the scene's `score_fps`.
        max_frames: Take no more frames than this.
        scenes: Folder of all scenes.
        progress: Called after each batch with the numbers of frames done and of all, about.

    Returns:
        Promised and observed false alarms, and of each kind of anomaly how many were detected, how soon and by what.

    Raises:
        BankError: The scene can't be read, or was learned from a crop.
        ConfigError: A setting is wrong.
        FootageError: The footage can't be read, or is too short.
        StorageError: The picture can't be written.
        WeightsError: The backbone's weights are missing.

    >>> validate_scene("recordings/attic", "attic")
    Traceback (most recent call last):
    streammon.errors.BankError: scene 'attic': it has no bank (scenes/attic/bank.safetensors); learn it with \
`streammon fit`
    """
    taken: dict[str, Any] = {"hold_out": hold_out, "every": every, "max_frames": max_frames}
    given = {"false_alarms_per_day": false_alarms_per_day, "folds": folds, "staged": staged, "fps": fps}
    staging = parse_section(Staging, taken | given, WHERE)
    paths, folder = paths_of(footage, WHERE), scene_folder(scene, scenes)
    config, facts = model_of_scene(folder, model)
    require_whole_pictures(facts)
    fields = staging.model_dump(include={*taken, "false_alarms_per_day", "folds", "staged"})
    options = ValidationOptions(**fields, score_fps=facts.score_fps, image_fps=staging.fps)
    return validate(folder.name, paths, folder, config, options, progress or (lambda _done, _total: None))
