"""Learning a scene from footage on disk: ingest, padim and motion wired together, and the scene's folder written."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from streammon.calibration import HOLD_OUT, HoldOut
from streammon.config import ModelConfig
from streammon.errors import ConfigError, FootageError
from streammon.ingest import Clip, batched, clips
from streammon.padim import (
    BANK_FILE,
    INPUT_SIZE,
    Backbone,
    PrincipalComponents,
    Reduction,
    Statistics,
    as_batch,
    dimensions_kept,
    hold_writable,
    load_backbone,
    thresholds,
)
from streammon.records import Frame
from streammon.scene.detector import configured_observer
from streammon.scene.methods import Learned, Learning, learned, merged_motion

PCA_FRAMES = 200  # spread over the footage; 200 frames of 4,096 patches fix 448 directions well

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames there are."""


@dataclass(frozen=True)
class FitReport:
    """What a fit did.

    Attributes:
        scene: Name of the scene.
        method: `motion` or `padim`.
        bank: The file written.
        bank_bytes: Its size.
        clips: Clips read.
        frames: Frames fitted, those of earlier fits included.
        calibration_frames: Of them, those that calibrated before.
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
    calibration_frames: int
    seconds: float
    frames_per_s: float
    thresholds: dict[str, float]


@dataclass(frozen=True)
class FitOptions:
    """How footage is read and kept.

    Attributes:
        hold_out: Share of the footage, spread over it, that calibrates before it is fitted; 0 for none.
        every: Take the first of each so many frames.
        max_frames: Take no more frames than this; None for all.
        crop: Side of a centre crop of the model's input, for PaDiM alone; None for none.
        add: Go on from the scene's running statistics.
        keep_statistics: Keep the running statistics beside the bank, for `--add` and `merge`.
        image_fps: Pace of folders of images.
    """

    hold_out: float = HOLD_OUT
    every: int = 1
    max_frames: int | None = None
    crop: int | None = None
    add: bool = False
    keep_statistics: bool = True
    image_fps: float = 25.0


def fit_scene(
    scene: str, footage: list[Path], folder: Path, model: ModelConfig, options: FitOptions, progress: Progress
) -> FitReport:
    """Learn one scene's bank, and write it: one pass learns most of the footage, another takes what calibrates.

    Args:
        scene: Its name.
        footage: Files and folders of normal footage, in order of time.
        folder: The scene's folder.
        model: Method, backbone and reduction.
        options: How to read.
        progress: Told after each batch.

    Raises:
        InputError: The footage, the weights or the folder is wrong.
    """
    if options.crop is not None and model.method == "motion":
        raise ConfigError(
            "--crop", "motion is learned of the whole picture", "fit with --method padim, or leave it out"
        )
    started = time.monotonic()
    pieces = [clip for path in footage for clip in clips(path, options.image_fps)]
    total = _frames_in_all(pieces, options)
    backbone = load_backbone(model)
    earlier = Statistics.load(folder, backbone.device) if options.add else None
    hold_writable(folder)
    reduction = None
    if model.reduction == "pca" and earlier is None:
        reduction = _principal_reduction(pieces, total, backbone, model, options)
    observer = configured_observer(model, backbone)
    learner = Learning(scene, backbone, model, observer, options.crop, reduction, earlier)
    if earlier is not None:
        learner.add_motion(folder)
    division = HoldOut(total, options.hold_out)
    done = 0
    for held_out in (False, True) if options.hold_out else (False,):
        if held_out:
            learner.begin_calibration()
        frames = _frames(pieces, options, detail=observer is not None)
        for batch in batched(division.part(frames, held_out=held_out), model.batch):
            maps = backbone.maps(_as_tensor(batch, options.crop))
            learner.learn(batch, maps, [frame.stream_time_s for frame in batch])
            done += len(batch)
            progress(done, total)
        if not held_out and done < division.learned * (1 - options.hold_out):
            short = f"it announces {division.learned} frames to learn from and has {done}"
            raise FootageError(str(footage[0]), short, "cut off the damaged end")
    seconds = time.monotonic() - started
    found = learner.finish()
    found.save(folder, [str(path) for path in footage])
    if options.keep_statistics:
        learner.patches.statistics.save(folder)
    return _report(found, folder, len(pieces), done, seconds)


def merge_scenes(scene: str, parts: list[Path], folder: Path) -> FitReport:
    """Join fits of one scene, made on different days or machines: the Gaussians exactly, the held-out scores in turn.

    The held-out scores were measured by the parts' own banks, which knew less: the thresholds err on the quiet side.

    Raises:
        BankError: A part has no statistics, or was fitted with something else.
        StorageError: The folder can't be written.
    """
    started = time.monotonic()
    joint = Statistics.load(parts[0])
    hold_writable(folder)
    for part in parts[1:]:
        joint.merge(Statistics.load(part), str(part))
    joint.rename(scene)
    found = learned(scene, joint.bank(), merged_motion(parts))
    found.save(folder, [str(part) for part in parts])
    joint.save(folder)
    return _report(found, folder, len(parts), found.patches.facts.frames, time.monotonic() - started)


def _report(found: Learned, folder: Path, pieces: int, done: int, seconds: float) -> FitReport:
    file, facts = folder / BANK_FILE, found.patches.facts
    return FitReport(
        scene=facts.scene,
        method=found.method,
        bank=str(file),
        bank_bytes=file.stat().st_size,
        clips=pieces,
        frames=facts.frames,
        calibration_frames=facts.calibration_frames,
        seconds=round(seconds, 3),
        frames_per_s=round(done / seconds, 2),
        thresholds=thresholds(found.calibration),
    )


def _frames_in_all(pieces: list[Clip], options: FitOptions) -> int:
    total = sum(-(-clip.counted_frames() // options.every) for clip in pieces)
    return total if options.max_frames is None else min(total, options.max_frames)


def _frames(pieces: list[Clip], options: FitOptions, *, detail: bool = False) -> Iterator[Frame]:
    """Frames of all clips in order."""
    frames = (frame for clip in pieces for frame in clip.frames(INPUT_SIZE, options.every, detail))
    return islice(frames, options.max_frames)


def _as_tensor(frames: tuple[Frame, ...], crop: int | None) -> torch.Tensor:
    return as_batch([frame.picture for frame in frames], crop)


def _principal_reduction(
    pieces: list[Clip], total: int, backbone: Backbone, model: ModelConfig, options: FitOptions
) -> Reduction:
    """The first pass that `pca` needs: over at most 200 frames, evenly spread."""
    kept, channels = dimensions_kept(model, backbone), sum(backbone.architecture.channels)
    components = PrincipalComponents(channels)
    for index, frame in enumerate(_frames(pieces, options)):
        if index % max(1, total // PCA_FRAMES) == 0:
            components.update(backbone.maps(_as_tensor((frame,), options.crop)))
    return components.reduction(kept)
