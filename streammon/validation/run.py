"""Leave-one-fold-out validation: learn the other folds, count false alarms in this one, stage anomalies in it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streammon import storage
from streammon.calibration import HOLD_OUT
from streammon.config import ModelConfig
from streammon.errors import ConfigError, FootageError
from streammon.ingest import Pace, batched, clips
from streammon.padim import Backbone, load_backbone
from streammon.padim.scene_files import FREE_SPACE
from streammon.records import Picture
from streammon.validation.blind import BlindMap, png
from streammon.validation.catching import StagedOutcome, score_staged
from streammon.validation.control import CONTROL, KINDS, staged_segment
from streammon.validation.footage import (
    LEAST_SEGMENT_FRAMES,
    Fold,
    SampledPace,
    Segment,
    folds,
    read_segment,
    segment_pieces,
)
from streammon.validation.learning import FoldBank, learn_fold
from streammon.validation.rates import LEAST_EXPECTED, PER_DAY, SECONDS_PER_HOUR, FalseAlarmCounter
from streammon.validation.report import ValidationReport, kind_reports
from streammon.validation.staging import background, movers, traffic

VALIDATION_PICTURE = "validation.png"

SEGMENTS = 8
"""About how many segments are cut from all folds; the anomalies are spread over them."""

MOST_FRAMES = 10_000
"""Maximum number of frames used, from the beginning of each five minutes: each fold processes them all."""

LEAST_FRAMES = 80
"""Minimum number of frames of footage; fewer would leave a fold too few to learn and to calibrate."""

FRAMES_A_STAGING = 60
"""Approximate number of frames scored for one staged anomaly, for the progress."""

Progress = Callable[[int, int], None]
"""Callback with the frames done and the approximate total."""


@dataclass(frozen=True)
class ValidationOptions:
    """Options of a validation.

    Attributes:
        false_alarms_per_day: False-alarm rate at whose threshold an anomaly counts as caught.
        folds: Number of folds of the footage.
        staged: Number of anomalies of each kind.
        seed: Random seed of the staging.
        hold_out: Share of a bank's footage that is held out for its calibration.
        score_fps: Highest number of frames a second that are learned and scored; None for all.
        every: The first of each `every` frames is selected, before `score_fps`.
        max_frames: Maximum number of frames selected; None for all.
        image_fps: Frame rate of folders of images.
    """

    false_alarms_per_day: float = 1.0
    folds: int = 4
    staged: int = 6
    seed: int = 0
    hold_out: float = HOLD_OUT
    score_fps: float | None = 5.0
    every: int = 1
    max_frames: int | None = None
    image_fps: float = 25.0


@dataclass(frozen=True)
class _Footage:
    """Footage of a validation.

    Attributes:
        folds: Folds of the footage.
        selection: Selection of its frames.
        frames: Approximate number of frames selected.
    """

    folds: list[Fold]
    selection: SampledPace
    frames: int


def require_usable(footage: Sequence[Path], model: ModelConfig, options: ValidationOptions) -> None:
    """Require, before any work, that a scene can be validated on its footage.

    Raises:
        ConfigError: The reduction is one that a fold can't learn.
        FootageError: The footage is too short, or can't be read.
    """
    _divided(footage, model, options)


def validate_scene(
    scene: str,
    footage: Sequence[Path],
    folder: Path,
    model: ModelConfig,
    options: ValidationOptions,
    progress: Progress,
) -> ValidationReport:
    """Validate a scene: measure the detection of staged anomalies, and promised against observed false alarms.

    Args:
        scene: Name of the scene.
        footage: Files and folders of normal footage, in order of time.
        folder: Folder of the scene, to which `validation.png` is written.
        model: Backbone and reduction.
        options: Options of the validation.
        progress: Callback after each batch and each staged anomaly.

    Raises:
        ConfigError: The reduction is one that a fold can't learn.
        FootageError: The footage can't be read, or is too short.
        StorageError: The picture can't be written.
    """
    started = time.monotonic()
    parts = _divided(footage, model, options)
    validation = _Validation(scene, parts, load_backbone(model, folder.parent), model, options, progress)
    for index in range(len(parts.folds)):
        validation.validate_fold(index)
    picture = ""
    if validation.background is not None and validation.blind.staged.any():
        path = folder / VALIDATION_PICTURE
        drawn = png(validation.blind.drawn(validation.background))
        storage.write_atomically(path, lambda beside: beside.write_bytes(drawn), FREE_SPACE)
        picture = str(path)
    chosen_per_hour = options.false_alarms_per_day * PER_DAY
    return ValidationReport(
        scene=scene,
        folds=len(parts.folds),
        frames=validation.watched,
        watched_s=round(validation.false_alarms.watched_s, 2),
        false_alarms_per_day=options.false_alarms_per_day,
        rates=validation.false_alarms.checks(),
        chosen_needs_s=round(LEAST_EXPECTED / chosen_per_hour * SECONDS_PER_HOUR, 1),
        acts=kind_reports(validation.outcomes, options.staged),
        blind=validation.blind.fractions(),
        blind_picture=picture,
        seconds=round(time.monotonic() - started, 3),
    )


def _divided(footage: Sequence[Path], model: ModelConfig, options: ValidationOptions) -> _Footage:
    if model.reduction == "pca":
        raise ConfigError("reduction", "it is pca, and the parts of a validation are read once", "choose another")
    found = [clip for path in footage for clip in clips(path, options.image_fps)]
    counts = [clip.frame_count() for clip in found]
    kept = _kept(counts, options.every, options.max_frames)
    pace = Pace(1, options.score_fps)
    total = sum(
        pace.count(number, clip.seconds() * number * options.every / max(1, count))
        for clip, number, count in zip(found, kept, counts, strict=True)
    )
    if total < LEAST_FRAMES:
        remedy = f"give at least {LEAST_FRAMES} frames, for a useful result several minutes"
        raise FootageError(str(footage[0]), f"it has {total} frames, too few to validate", remedy)
    share = min(1.0, MOST_FRAMES / total)
    selection = SampledPace(options.every, options.score_fps, share)
    return _Footage(folds(found, kept, options.folds), selection, round(total * share))


def _kept(counts: Sequence[int], every: int, most: int | None) -> list[int]:
    """Number of frames of each clip that `every` and `most` leave."""
    kept, left = [], sum(counts) if most is None else most
    for count in counts:
        kept.append(min(left, -(-count // every)))
        left -= kept[-1]
    return kept


@dataclass
class _Validation:
    """State of a running validation."""

    scene: str
    footage: _Footage
    backbone: Backbone
    model: ModelConfig
    options: ValidationOptions
    progress: Progress
    false_alarms: FalseAlarmCounter = field(default_factory=FalseAlarmCounter)
    blind: BlindMap = field(default_factory=BlindMap)
    outcomes: list[StagedOutcome] = field(default_factory=list)
    background: Picture | None = None
    watched: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.options.seed)
        per_fold = -(-SEGMENTS // len(self.footage.folds))
        self._pieces = [segment_pieces(fold, per_fold) for fold in self.footage.folds]
        self._segments_left = sum(map(len, self._pieces))
        self._wanted = dict.fromkeys(KINDS, self.options.staged)
        self._done = 0
        staging = FRAMES_A_STAGING * len(KINDS) * self.options.staged
        self._total = len(self.footage.folds) * self.footage.frames + staging
        self._traffic = self._all_traffic()

    def _count(self, frames: int) -> None:
        self._done += frames
        self.progress(min(self._done, self._total), self._total)

    def validate_fold(self, index: int) -> None:
        """Learn all other folds, count false alarms in this fold, and stage anomalies in it."""
        learned = [piece for other, fold in enumerate(self.footage.folds) if other != index for piece in fold]
        hold_out = self.options.hold_out or HOLD_OUT
        bank = learn_fold(
            self.scene, learned, self.footage.selection, hold_out, self.backbone, self.model, self._count
        )
        self._count_false_alarms(self.footage.folds[index], bank)
        for piece in self._pieces[index]:
            self._stage(read_segment(piece, self.footage.selection), bank)

    def _count_false_alarms(self, fold: Fold, bank: FoldBank) -> None:
        for piece in fold:
            scores: list[float] = []
            times_s: list[float] = []
            for some in batched(piece.frames(self.footage.selection), self.model.batch):
                scores += [score for score, _ in bank.score_frames(some)]
                times_s += [frame.stream_time_s for frame in some]
                self._count(len(some))
            self.false_alarms.add(scores, times_s, bank.calibration)
            self.watched += len(scores)

    def _stage(self, segment: Segment, bank: FoldBank) -> None:
        share = 1 / self._segments_left  # anomalies that earlier segments didn't allow are staged in later ones
        self._segments_left -= 1
        if len(segment.frames) < LEAST_SEGMENT_FRAMES:
            return
        if self.background is None:
            self.background = background(segment.pictures)
        cast = movers(segment.pictures, segment.times_s)
        usual = self._traffic[segment.pictures[0].shape[:2]]
        threshold = bank.calibration.score_at_rate(self.options.false_alarms_per_day)
        for kind in KINDS:
            for _ in range(round(self._wanted[kind] * share) if share < 1 else self._wanted[kind]):
                staged = staged_segment(kind, segment, cast, usual, self._rng)
                if staged is None:
                    break
                name = f"{segment.name} {kind} {self._wanted[kind]}"
                fps = self.footage.selection.fps
                self._record(score_staged(staged, segment, bank.score_frames, threshold, name, self.model.batch, fps))
                self._wanted[kind] -= 1
                self._count(FRAMES_A_STAGING)

    def _record(self, found: StagedOutcome) -> None:
        self.outcomes.append(found)
        if found.kind != CONTROL:
            self.blind.add(found.cells, found.caught)

    def _all_traffic(self) -> dict[tuple[int, ...], NDArray[np.float32]]:
        """Mean traffic over the segments, by the height and width of the picture."""
        found: dict[tuple[int, ...], list[NDArray[np.float32]]] = {}
        for piece in (piece for fold in self._pieces for piece in fold):
            segment = read_segment(piece, self.footage.selection)
            if len(segment.frames) >= LEAST_SEGMENT_FRAMES:
                found.setdefault(segment.pictures[0].shape[:2], []).append(traffic(segment.pictures))
        return {shape: np.mean(each, axis=0).astype(np.float32) for shape, each in found.items()}
