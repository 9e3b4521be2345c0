"""Loading a scene, and scoring footage by it."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from streammon.api.models import Model, model_of_scene
from streammon.api.paths import Paths, scene_folder
from streammon.api.scenes import LearnedScene, SceneParts
from streammon.config import SCENES, AlertingConfig, parse_section
from streammon.ingest import DEFAULT_IMAGE_FPS, clips
from streammon.padim import load_backbone
from streammon.records import ScoreRecord
from streammon.scene import configured_observer
from streammon.scene import load_scene as read_scene


def load_scene(
    scene: str | Path,
    *,
    model: Model | None = None,
    false_alarms_per_day: float = 1.0,
    scenes: str | Path = SCENES,
) -> LearnedScene:
    """Load a scene that was learned by `streammon fit`, by a camera or by `learn_scene`.

    Args:
        scene: Folder of the scene, or its name in `scenes`.
        model: Settings of the section `model` of `config.yaml`; method, backbone, reduction and frame score that are
            left out are those that the scene was learned with.
        false_alarms_per_day: Rate of false alarms at which alerts open, for `LearnedScene.threshold` and boxes.
        scenes: Folder of all scenes, where the network in int8 is too.

    Raises:
        BankError: A file is missing, broken, was learned with something else, or has no calibration.
        ConfigError: A setting is wrong.
        WeightsError: The backbone's weights are missing.

    >>> load_scene("attic")
    Traceback (most recent call last):
    streammon.errors.BankError: scene 'attic': it has no bank (scenes/attic/bank.safetensors); learn it with \
`streammon fit`
    """
    folder = scene_folder(scene, scenes)
    alerting = parse_section(AlertingConfig, {"false_alarms_per_day": false_alarms_per_day}, "load_scene")
    config, _ = model_of_scene(folder, model)
    backbone = load_backbone(config, Path(scenes))
    observer = configured_observer(config, backbone)
    found = read_scene(folder, backbone, config, None if observer is None else observer.detector)
    loaded = LearnedScene(SceneParts(found, backbone, observer, config.batch, folder=folder), alerting)
    loaded.require_calibration()
    return loaded


def score_video(
    footage: Paths,
    scene: LearnedScene | str | Path,
    *,
    fps: float = DEFAULT_IMAGE_FPS,
    maps: bool = False,
) -> Iterator[ScoreRecord]:
    """Score footage frame by frame, as a camera that shows it would be scored.

    Frames are thinned to the scene's `score_fps`, decoded and computed ahead; memory does not grow with the footage.

    Args:
        footage: Files and folders, as `streammon fit` takes them.
        scene: The learned scene, or what `load_scene` takes.
        fps: Frames a second of folders of images without `times.csv`.
        maps: Keep the anomaly maps in the records, a quarter of a megabyte each.

    Returns:
        One record for each scored frame, clip after clip.

    Raises:
        FootageError: The footage can't be read, found before the first frame or while it is scored.
        BankError: The scene can't be loaded, or has no calibration.

    >>> score_video("nowhere.mp4", "lobby")
    Traceback (most recent call last):
    streammon.errors.FootageError: nowhere.mp4: it can't be read as footage (no such file); give a video \
file, a folder of images, or a folder of such clips
    """
    paths = [footage] if isinstance(footage, str | Path) else footage
    pieces = [clip for path in paths for clip in clips(Path(path), fps)]
    loaded = scene if isinstance(scene, LearnedScene) else load_scene(scene)
    return chain.from_iterable(loaded.score_clip(clip, maps=maps) for clip in pieces)
