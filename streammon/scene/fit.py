"""Learning a scene from footage on disk, and its folder written."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from torch import Tensor

from streammon.calibration import HOLD_OUT
from streammon.config import ModelConfig
from streammon.errors import ConfigError, FootageError
from streammon.ingest import Clip, Pace, batched, clips, default_jobs, frames_ahead
from streammon.motion import Observer
from streammon.padim import (
    BANK_FILE,
    CALIBRATION_PICTURES,
    INPUT_SIZE,
    Backbone,
    PrincipalComponents,
    Reduction,
    as_batch,
    load_backbone,
    quantise_backbone,
    reduced_dimensions,
    thresholds,
    torch_threads,
)
from streammon.records import Frame
from streammon.scene.detector import configured_observer
from streammon.scene.features import with_maps
from streammon.scene.files import earlier_reduction, go_on, merge_folders, save_scene, save_statistics
from streammon.scene.learned import Scene
from streammon.scene.learner import SceneLearner
from streammon.scene.marked import marked_name
from streammon.scene.replacing import NewFiles

PCA_FRAMES = 200  # spread over the footage; 200 frames of 4,096 patches fix 448 directions well
LEAST_SHARE_READ = 0.8  # of the frames that the files list; with fewer the footage is damaged

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames there are."""


@dataclass(frozen=True)
class FitReport:
    """Summary of a fit.

    Attributes:
        scene: Name of the scene.
        method: `motion` or `padim`.
        bank: The file written.
        bank_bytes: Its size.
        clips: Clips read.
        frames: Frames fitted, those of earlier fits included.
        score_fps: Frames a second that were learned, at most; None for all.
        calibration_frames: Of the frames, those that calibrated before they were learned.
        calibration_s: Seconds of normal footage that the false-alarm rates rest on.
        seconds: How long reading and fitting took.
        frames_per_s: Frames read in this fit a second.
        thresholds: Frame score for each of a few false-alarm rates a day; empty without calibration.
    """

    scene: str
    method: str
    bank: str
    bank_bytes: int
    clips: int
    frames: int
    score_fps: float | None
    calibration_frames: int
    calibration_s: float
    seconds: float
    frames_per_s: float
    thresholds: dict[str, float]


@dataclass(frozen=True)
class FitOptions:
    """How footage is read and kept.

    Attributes:
        score_fps: Frames a second that are learned, at most: the rate at which the camera will be scored.
        hold_out: Share of the footage, its end, that calibrates before it is learned; 0 for none.
        every: Take the first of each so many frames, before `score_fps`.
        max_frames: Take no more frames than this; None for all.
        crop: Side of a centre crop of the model's input, for PaDiM alone; None for none.
        add: Go on from the scene's running statistics.
        keep_statistics: Keep the running statistics beside the bank, for `--add` and `merge`.
        image_fps: Pace of folders of images.
        jobs: Number of clips that are decoded at once; what is learned doesn't depend on it.
    """

    score_fps: float | None = 5.0
    hold_out: float = HOLD_OUT
    every: int = 1
    max_frames: int | None = None
    crop: int | None = None
    add: bool = False
    keep_statistics: bool = True
    image_fps: float = 25.0
    jobs: int = field(default_factory=default_jobs)

    @property
    def pace(self) -> Pace:
        """Which frames are taken."""
        return Pace(self.every, self.score_fps)


def fit_scene(
    scene: str, footage: list[Path], folder: Path, model: ModelConfig, options: FitOptions, progress: Progress
) -> FitReport:
    """Learn one scene in one pass over its footage, and write its files.

    Args:
        scene: Its name.
        footage: Files and folders of normal footage, in order of time.
        folder: The scene's folder.
        model: Method, backbone and reduction.
        options: How to read.
        progress: Called after each batch.

    Raises:
        InputError: The footage, the weights or the folder is wrong.
    """
    require_whole_picture(model, options.crop)
    pieces = [clip for path in footage for clip in clips(path, options.image_fps)]
    if not options.add:
        quantise_on_footage(model, folder.parent, pieces, options)
    backbone = load_backbone(model, folder.parent)
    with NewFiles(folder) as new:
        report = learn_into(new, scene, footage, pieces, backbone, model, options, progress)
        new.commit()
    return report


def require_whole_picture(model: ModelConfig, crop: int | None) -> None:
    """Require that motion is learned without a crop.

    Raises:
        ConfigError: There is one.
    """
    if crop is not None and model.method == "motion":
        remedy = "choose the method padim, or leave it out"
        raise ConfigError("crop", "motion is learned of the whole picture", remedy)


def learn_into(
    new: NewFiles,
    scene: str,
    footage: list[Path],
    pieces: list[Clip],
    backbone: Backbone,
    model: ModelConfig,
    options: FitOptions,
    progress: Progress,
) -> FitReport:
    """Learn one scene in one pass over clips, and write its new files, which are not put in place.

    Args:
        new: The scene's new files.
        scene: Its name.
        footage: Files and folders that the clips are from, for messages.
        pieces: Clips of normal footage, in order of time.
        backbone: Network that computes the maps.
        model: Method and reduction.
        options: How to read; `add` goes on from the running statistics that are in place.
        progress: Called after each batch.

    Raises:
        InputError: The clips or the scene's files are wrong.
    """
    learned = learn_clips(scene, footage, pieces, new.scene, backbone, model, options, progress)
    save_scene(new.folder, learned.scene, [str(path) for path in footage])
    if options.keep_statistics:
        save_statistics(new.folder, learned.learner)
    return _report(learned.scene, new, len(pieces), learned.frames, learned.seconds)


@dataclass(frozen=True, eq=False)
class Learned:
    """A scene that was learned from clips.

    Attributes:
        scene: The scene.
        learner: Its learner, with the running statistics.
        observer: The learner's observer; None for PaDiM alone.
        frames: Frames read.
        seconds: How long reading and learning took.
    """

    scene: Scene
    learner: SceneLearner
    observer: Observer | None
    frames: int
    seconds: float


def learn_clips(
    scene: str,
    footage: list[Path],
    pieces: list[Clip],
    folder: Path,
    backbone: Backbone,
    model: ModelConfig,
    options: FitOptions,
    progress: Progress,
) -> Learned:
    """Learn one scene in one pass over clips, without writing anything.

    Args:
        scene: Its name.
        footage: Files and folders that the clips are from, for messages.
        pieces: Clips of normal footage, in order of time.
        folder: The scene's folder, which may be missing; with `options.add` its running statistics go on.
        backbone: Network that computes the maps.
        model: Method and reduction.
        options: How to read.
        progress: Called after each batch.

    Raises:
        InputError: The clips or the running statistics are wrong.
    """
    started = time.monotonic()
    total, total_s, listed = _length(pieces, options)
    reduction = None
    if options.add:
        reduction = earlier_reduction(folder, model)
    elif model.reduction == "pca":
        reduction = _principal_reduction(pieces, total, backbone, model, options)
    observer = configured_observer(model, backbone)
    learner = SceneLearner(
        scene,
        backbone,
        model,
        observer,
        total_s=total_s,
        hold_out=options.hold_out,
        score_fps=options.score_fps,
        crop=options.crop,
        reduction=reduction,
    )
    if options.add:
        go_on(learner, folder)
    done = 0
    with (
        closing(_frames(pieces, options, detail=observer is not None)) as frames,
        closing(learn_frames(learner, frames, backbone, observer, model.batch, options.crop)) as learned,
    ):
        for done in learned:
            progress(min(done, total), total)
    if done < listed * LEAST_SHARE_READ:
        short = f"it announces {listed} frames to learn from and has {done}"
        raise FootageError(str(footage[0]), short, "cut off the damaged end")
    seconds = time.monotonic() - started
    learner.reviewed |= {name for clip in pieces if (name := marked_name(folder, clip)) is not None}
    return Learned(learner.finish(), learner, observer, done, seconds)


def learn_frames(
    learner: SceneLearner,
    frames: Iterator[Frame],
    backbone: Backbone,
    observer: Observer | None,
    batch: int,
    crop: int | None = None,
) -> Generator[int]:
    """Learn frames batch by batch, while a second thread computes maps and motion of the next batch.

    Args:
        learner: Learner of the scene.
        frames: Frames in order.
        backbone: Network that computes the maps.
        observer: The learner's observer; None for PaDiM alone.
        batch: Largest number of frames of a batch.
        crop: Side of a centre crop of the pictures, in pixels; None for no crop.

    Yields:
        Number of frames learned so far, after each batch.
    """
    done = 0
    with (
        torch_threads(backbone.engine),
        closing(with_maps(batched(frames, batch), backbone, observer, crop)) as batches,
    ):
        for taken, maps in batches:
            learner.learn(taken, maps)
            done += len(taken)
            yield done


def quantise_on_footage(model: ModelConfig, scenes: Path, pieces: list[Clip], options: FitOptions) -> None:
    """If int8 is configured, and a folder of scenes has no network in int8 yet, make it in a first pass over footage.

    Args:
        model: The backbone.
        scenes: Folder of all scenes.
        pieces: Normal footage; at most 100 frames, evenly spread, are used.
        options: How to read it.

    Raises:
        InputError: The footage, the weights or the folder is wrong, or int8 can't be used here.
    """

    def pictures() -> list[Tensor]:
        total, _, _ = _length(pieces, options)
        chosen = _spread(pieces, total, options, CALIBRATION_PICTURES)
        read = [as_batch([frame.picture], options.crop) for frame in chosen]
        if not read:
            raise FootageError(str(pieces[0].path), "no frame of it can be read", "look at the footage")
        return read

    quantise_backbone(model, scenes, pictures)


def merge_scenes(scene: str, parts: list[Path], folder: Path) -> FitReport:
    """Join fits of one scene, made on different days or machines, and write its files.

    Raises:
        BankError: A part has no statistics, or was fitted with something else.
        StorageError: The folder can't be written.
    """
    started = time.monotonic()
    with NewFiles(folder) as new:
        found, statistics, more = merge_folders(scene, parts)
        save_scene(new.folder, found, [str(part) for part in parts])
        statistics.save(new.folder, more)
        report = _report(found, new, len(parts), found.bank.facts.frames, time.monotonic() - started)
        new.commit()
    return report


def _report(found: Scene, new: NewFiles, pieces: int, done: int, seconds: float) -> FitReport:
    facts, calibration = found.bank.facts, found.calibration
    return FitReport(
        scene=facts.scene,
        method=found.method,
        bank=str(new.scene / BANK_FILE),
        bank_bytes=(new.folder / BANK_FILE).stat().st_size,
        clips=pieces,
        frames=facts.frames,
        score_fps=facts.score_fps,
        calibration_frames=facts.calibration_frames,
        calibration_s=0.0 if calibration is None else round(calibration.watched_s, 1),
        seconds=round(seconds, 3),
        frames_per_s=round(done / seconds, 2),
        thresholds=thresholds(calibration),
    )


def _length(pieces: list[Clip], options: FitOptions) -> tuple[int, float, int]:
    """Frames that will be taken, about, the seconds they are from, and how many of them the files list."""
    total, total_s, listed = 0, 0.0, 0.0
    for clip in pieces:
        length = clip.length(options.pace)
        total += length.taken
        listed += length.taken * (clip.listed_frames() or 0) / max(1, length.frames)
        if length.taken:
            total_s += length.seconds * (length.taken - 1) / length.taken  # from the first frame taken to the last
    if options.max_frames is None or total <= options.max_frames:
        return total, total_s, round(listed)
    return options.max_frames, total_s * options.max_frames / total, min(round(listed), options.max_frames)


def _frames(pieces: list[Clip], options: FitOptions, *, detail: bool = False) -> Generator[Frame]:
    """Frames of all clips in order."""
    with closing(frames_ahead(pieces, options.jobs, INPUT_SIZE, options.pace, detail=detail)) as frames:
        yield from islice(frames, options.max_frames)


def _principal_reduction(
    pieces: list[Clip], total: int, backbone: Backbone, model: ModelConfig, options: FitOptions
) -> Reduction:
    """The first pass that `pca` needs: over at most 200 frames, evenly spread."""
    kept, channels = reduced_dimensions(model, backbone), sum(backbone.architecture.channels)
    components = PrincipalComponents(channels)
    for frame in _spread(pieces, total, options, PCA_FRAMES):
        components.update(backbone.maps(as_batch([frame.picture], options.crop)))
    return components.reduction(kept)


def _spread(pieces: list[Clip], total: int, options: FitOptions, most: int) -> Iterator[Frame]:
    """At most so many of about `total` frames, evenly spread."""
    return islice(_frames(pieces, options), 0, None, max(1, -(-total // most)))
