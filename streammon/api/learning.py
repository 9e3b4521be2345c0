"""Learning a scene from footage on disk or from pictures in memory."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import Field

from streammon.api.models import Model, model_config
from streammon.api.paths import Paths, paths_of, scene_folder
from streammon.api.scenes import LearnedScene, SceneParts
from streammon.calibration import HOLD_OUT
from streammon.config import SCENES, AlertingConfig, ModelConfig, Section, parse_section
from streammon.errors import ConfigError
from streammon.ingest import DEFAULT_IMAGE_FPS, GivenPicture, GivenPictures, clips, default_jobs
from streammon.padim import INPUT_SIZE, load_backbone
from streammon.scene import SceneLearner, configured_observer
from streammon.scene.files import earlier_reduction, go_on
from streammon.scene.fit import (
    FitOptions,
    FitReport,
    Progress,
    learn_clips,
    learn_frames,
    quantise_on_footage,
    require_whole_picture,
)
from streammon.scene.fit import merge_scenes as merge_fits

WHERE = "learn_scene"
"""Place of a wrong argument, in messages."""


class Reading(Section):
    """How footage is read and learned: the arguments of `learn_scene` of the same names."""

    score_fps: float | None = Field(5.0, ge=0.2, le=240)
    hold_out: float = Field(HOLD_OUT, ge=0, le=0.9)
    fps: float = Field(DEFAULT_IMAGE_FPS, ge=0.1, le=240)
    every: int = Field(1, ge=1)
    max_frames: int | None = Field(None, ge=2)
    crop: int | None = Field(None, ge=32, le=INPUT_SIZE)
    jobs: int | None = Field(None, ge=1, le=64)
    seconds: float | None = Field(None, ge=0)
    keep_statistics: bool = True
    add_to: Path | None = None

    @property
    def options(self) -> FitOptions:
        """The same for files."""
        taken = self.model_dump(include={"score_fps", "hold_out", "every", "max_frames", "crop", "keep_statistics"})
        jobs = default_jobs() if self.jobs is None else self.jobs
        return FitOptions(**taken, jobs=jobs, image_fps=self.fps, add=self.add_to is not None)


def learn_scene(
    footage: Paths | Iterable[GivenPicture],
    name: str = "scene",
    *,
    model: Model | None = None,
    score_fps: float | None = 5.0,
    hold_out: float = HOLD_OUT,
    fps: float = DEFAULT_IMAGE_FPS,
    every: int = 1,
    max_frames: int | None = None,
    crop: int | None = None,
    jobs: int | None = None,
    times_s: Sequence[float] | None = None,
    seconds: float | None = None,
    add_to: str | Path | None = None,
    keep_statistics: bool = True,
    false_alarms_per_day: float = 1.0,
    scenes: str | Path = SCENES,
    progress: Progress | None = None,
) -> LearnedScene:
    """Learn what is normal in front of one camera, in one pass, as `streammon fit` does, but in memory.

    Args:
        footage: Normal footage: files and folders in order of time, as `streammon fit` takes them; or pictures, each
            an array (H, W, 3) uint8 RGB or a frame of PyAV, such as an array (T, H, W, 3).
        name: Name of the scene.
        model: Method and backbone, as in the section `model` of `config.yaml`: `{"method": "padim"}`.
        score_fps: Largest number of frames a second that are learned and will be scored; None for all.
        hold_out: Share of the footage, its end, that calibrates before it is learned. Without any, nothing can be
            scored.
        fps: Pictures a second, of folders of images without `times.csv` and of pictures without a time.
        every: Take the first of each so many frames, before `score_fps`.
        max_frames: Take no more frames than this.
        crop: Side in pixels of a centre crop of the network's input, 256x256, with the method `padim`; None for none.
            Whole pictures are scored, so such a scene can be saved, added to and merged, but not scored.
        jobs: Number of clips that are decoded at once; default: the cores, at most 4.
        times_s: Time of each picture in seconds, by any clock; default: that of PyAV's frames, else by their number.
        seconds: Length of the footage in seconds; needed only for pictures that come from an iterator.
        add_to: Folder of a scene that was learned with the same model, whose running statistics go on.
        keep_statistics: Keep the running statistics in memory, for `LearnedScene.save`.
        false_alarms_per_day: Rate of false alarms at which alerts open, for `LearnedScene.threshold` and boxes.
        scenes: Folder of all scenes, where the network in int8 is.
        progress: Called after each batch with the numbers of frames done and of all.

    Raises:
        FootageError: The footage can't be read, or there is too little of it.
        ConfigError: A setting is wrong.
        WeightsError: The backbone's weights are missing.
        BankError: The scene of `add_to` has no statistics, or was learned with another model.

    >>> noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), np.uint8)
    >>> small = {"method": "padim", "dimensions": 4, "engine": "torch", "precision": "float32"}
    >>> scene = learn_scene(noise[:40], "noise", fps=5, model=small)
    >>> scene
    <LearnedScene 'noise': padim, 40 frames learned, 5 frames a second scored>
    >>> records = scene.score_batch(noise[40:])
    >>> [record.seconds for record in records[:3]]
    [0.0, 0.2, 0.4]
    >>> max(record.score for record in records) < scene.threshold
    True
    """
    given: dict[str, Any] = {"score_fps": score_fps, "hold_out": hold_out, "fps": fps, "seconds": seconds}
    given |= {"every": every, "max_frames": max_frames, "crop": crop, "jobs": jobs}
    given |= {"keep_statistics": keep_statistics, "add_to": add_to}
    reading = parse_section(Reading, given, WHERE)
    alerting = parse_section(AlertingConfig, {"false_alarms_per_day": false_alarms_per_day}, WHERE)
    config, shown = model_config(model), progress or (lambda _done, _total: None)
    require_whole_picture(config, crop)
    paths = _files(footage)
    if paths is None:
        pictures = cast(Iterable[GivenPicture], footage)
        parts = _of_pictures(pictures, times_s, name, config, reading, Path(scenes), shown)
    elif times_s is None:
        parts = _of_files(paths, name, config, reading, Path(scenes), shown)
    else:
        raise ConfigError(WHERE, "times_s are given for files, which have times of their own", "leave them out")
    return LearnedScene(parts, alerting, reading.fps)


def merge_scenes(parts: Paths, scene: str | Path, *, scenes: str | Path = SCENES) -> FitReport:
    """Merge several fits of one scene, made on different days or machines, into one, as `streammon merge` does.

    Args:
        parts: Folders of the fits, with their running statistics.
        scene: Folder of the merged scene, or its name in `scenes`; what was there before is kept for `fit --undo`.
        scenes: Folder of all scenes.

    Returns:
        Summary of the merged scene: its frames, seconds behind the false-alarm rates, and thresholds.

    Raises:
        BankError: A part has no statistics, or was learned with something else.
        StorageError: The folder can't be written, or another fit writes it.

    >>> merge_scenes([], "lobby")
    Traceback (most recent call last):
    streammon.errors.ConfigError: merge_scenes: no file or folder is given; give at least one
    """
    folder = scene_folder(scene, scenes)
    return merge_fits(folder.name, paths_of(parts, "merge_scenes"), folder)


def _files(footage: Paths | Iterable[GivenPicture]) -> list[Path] | None:
    """The files and folders; None for pictures in memory."""
    if isinstance(footage, str | Path):
        return [Path(footage)]
    if not isinstance(footage, Sequence):
        return None
    paths = [Path(each) for each in footage if isinstance(each, str | Path)]
    return paths if paths and len(paths) == len(footage) else None


def _of_files(
    paths: list[Path], name: str, model: ModelConfig, reading: Reading, scenes: Path, progress: Progress
) -> SceneParts:
    options, folder = reading.options, reading.add_to or scenes / name
    pieces = [clip for path in paths for clip in clips(path, reading.fps)]
    if not options.add:
        quantise_on_footage(model, scenes, pieces, options)
    backbone = load_backbone(model, scenes)
    learned = learn_clips(name, paths, pieces, folder, backbone, model, options, progress)
    return SceneParts(
        learned.scene,
        backbone,
        learned.observer,
        model.batch,
        learner=learned.learner if options.keep_statistics else None,
        learned_from=tuple(map(str, paths)),
    )


def _of_pictures(
    pictures: Iterable[GivenPicture],
    times_s: Sequence[float] | None,
    name: str,
    model: ModelConfig,
    reading: Reading,
    scenes: Path,
    progress: Progress,
) -> SceneParts:
    if model.reduction == "pca" and reading.add_to is None:
        found = "reduction is pca, which reads the footage twice, and the pictures are in memory"
        raise ConfigError("model", found, "give files, or choose another reduction")
    total_s = _length_s(pictures, times_s, reading)
    backbone = load_backbone(model, scenes)
    observer = configured_observer(model, backbone)
    learner = SceneLearner(
        name,
        backbone,
        model,
        observer,
        total_s=total_s,
        hold_out=reading.hold_out,
        score_fps=reading.score_fps,
        crop=reading.crop,
        reduction=None if reading.add_to is None else earlier_reduction(reading.add_to, model),
    )
    if reading.add_to is not None:
        go_on(learner, reading.add_to)
    given = GivenPictures(
        name, INPUT_SIZE, detail=observer is not None, fps=reading.score_fps, picture_fps=reading.fps
    )
    frames = islice(given.frames(pictures, times_s, reading.every), reading.max_frames)
    total = int(total_s * (reading.score_fps or reading.fps) + 0.01) + 1
    with closing(learn_frames(learner, frames, backbone, observer, model.batch, reading.crop)) as learned:
        for done in learned:
            progress(done, max(done, total))
    return SceneParts(
        learner.finish(),
        backbone,
        observer,
        model.batch,
        learner=learner if reading.keep_statistics else None,
        learned_from=("pictures in memory",),
    )


def _length_s(pictures: Iterable[GivenPicture], times_s: Sequence[float] | None, reading: Reading) -> float:
    """Seconds from the first picture to the last.

    Raises:
        ConfigError: The pictures come from an iterator, and no length is given.
    """
    if reading.seconds is not None:
        return reading.seconds
    if times_s is not None:
        return max(0.0, times_s[-1] - times_s[0]) if len(times_s) else 0.0
    if not isinstance(pictures, Sequence | np.ndarray):
        found = "the pictures come from an iterator, so the length of the footage is unknown"
        raise ConfigError(WHERE, found, "give seconds=…, about as long as it is")
    first_s, last_s = (getattr(pictures[index], "time", None) if len(pictures) else None for index in (0, -1))
    if first_s is None or last_s is None:  # arrays, or frames of PyAV without a timestamp
        return max(0, len(pictures) - 1) / reading.fps
    return max(0.0, float(last_s - first_s))
