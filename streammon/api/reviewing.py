"""Learning what operators called normal."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streammon.api.learning import Reading
from streammon.api.models import Model, model_of_scene
from streammon.api.paths import scene_folder
from streammon.config import SCENES, AlertingConfig, parse_section
from streammon.ingest import DEFAULT_IMAGE_FPS
from streammon.refit import RefitOptions, RefitReport, refit_scene
from streammon.refit.run import Progress


def learn_from_review(
    scene: str | Path,
    *,
    model: Model | None = None,
    alerting: AlertingConfig | Mapping[str, Any] | None = None,
    events: str | Path | None = None,
    fps: float = DEFAULT_IMAGE_FPS,
    jobs: int | None = None,
    scenes: str | Path = SCENES,
    confirm: Callable[[RefitReport], bool] | None = None,
    progress: Progress | None = None,
) -> RefitReport | None:
    """Learn what was judged normal since the last fit of a scene, as `streammon fit --from-review` does.

    Args:
        scene: Folder of the scene, or its name in `scenes`; the clips are those in its folder `normal`.
        model: Settings of the section `model` of `config.yaml`; method, backbone, reduction and frame score that are
            left out are those that the scene was learned with.
        alerting: Settings of the section `alerting`, by which alerts are rescored: `{"false_alarms_per_day": 0.5}`.
        events: Folder of the kept alerts, which are rescored; default: none are.
        fps: Frames a second of folders of images without `times.csv`.
        jobs: Number of clips that are decoded at once; default: the cores, at most 4.
        scenes: Folder of all scenes.
        confirm: Called with what would change; the scene's files are replaced if it returns True. Default: they are.
        progress: Called after each step with the name of the work, the number of steps done and of all.

    Returns:
        What was changed, or would have been; None with nothing new to learn.

    Raises:
        BankError: The scene can't be read, has no statistics or no calibration, or was learned with something else.
        ConfigError: A setting is wrong.
        FootageError: The clips can't be read.
        StorageError: The scene's files or the kept alerts can't be used, or another fit writes the scene.
        WeightsError: The backbone's weights are missing.

    >>> learn_from_review("attic")
    Traceback (most recent call last):
    streammon.errors.BankError: scene 'attic': it has no bank (scenes/attic/bank.safetensors); learn it with \
`streammon fit`
    """
    reading = parse_section(Reading, {"fps": fps, "jobs": jobs}, "learn_from_review")
    if not isinstance(alerting, AlertingConfig):
        alerting = parse_section(AlertingConfig, dict(alerting or {}), "alerting")
    folder = scene_folder(scene, scenes)
    config, facts = model_of_scene(folder, model)
    options = RefitOptions(
        model=config,
        alerting=alerting,
        events=None if events is None else Path(events),
        score_fps=facts.score_fps,
        image_fps=reading.fps,
        jobs=reading.jobs,
    )
    shown = progress or (lambda _what, _done, _total: None)
    return refit_scene(folder, options, shown, confirm or (lambda _report: True))
