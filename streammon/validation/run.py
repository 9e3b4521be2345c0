"""The whole validation: learn all folds but one, watch that one, stage anomalies in it, and so for each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import HOLD_OUT
from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.ingest import Pace, batched, clips
from streammon.padim import (
    Backbone,
    load_backbone,
)
from streammon.padim.scene_files import write_atomically
from streammon.records import Picture
from streammon.validation.blind import BlindMap, png
from streammon.validation.catching import Outcome, outcome
from streammon.validation.control import ACTS, CONTROL, pasted
from streammon.validation.footage import (
    LEAST_SEGMENT_FRAMES,
    Fold,
    Segment,
    Taken,
    folds,
    read_segment,
    spots,
)
from streammon.validation.learning import Counted, FoldBank, learn_fold
from streammon.validation.rates import LEAST_EXPECTED, PER_DAY, SECONDS_PER_HOUR, Watch
from streammon.validation.report import ValidationReport, act_reports
from streammon.validation.staging import background, movers, traffic

VALIDATION_PICTURE = "validation.png"

SEGMENTS = 8
"""In all; anomalies are staged into each in turn."""

MOST_FRAMES = 10_000
"""Of all the footage, the beginning of each five minutes: each is scored as often as there are folds."""

LEAST_FRAMES = 80
"""Fewer don't leave each fold enough to learn from and to calibrate on."""

FRAMES_A_STAGING = 60
"""About how many are judged for one staged thing, for the time left."""

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames there are, about."""


@dataclass(frozen=True)
class ValidationOptions:
    """How a scene is validated.

    Attributes:
        false_alarms_per_day: The rate at whose threshold something counts as caught.
        folds: Parts the footage is divided into.
        staged: How often each kind of anomaly is staged.
        seed: Of everything that chance decides.
        hold_out: Share of what a fold's bank is given that calibrates it.
        score_fps: Frames a second that are learned and watched, at most; None for all.
        every: Take the first of each so many frames, before `score_fps`.
        max_frames: Take no more frames than this; None for all.
        image_fps: Pace of folders of images.
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
    """What is validated on.

    Attributes:
        folds: Its parts.
        taken: Which of its frames.
        frames: How many there are.
    """

    folds: list[Fold]
    taken: Taken
    frames: int


def hold_enough_footage(footage: Sequence[Path], options: ValidationOptions) -> None:
    """Find out before the work that there is too little footage to validate on.

    Raises:
        FootageError: There is, or it can't be read.
    """
    _divided(footage, options)


def validate_scene(
    scene: str,
    footage: Sequence[Path],
    folder: Path,
    model: ModelConfig,
    options: ValidationOptions,
    progress: Progress,
) -> ValidationReport:
    """Tell what would be caught on a scene, and whether its false alarms stay as rare as promised.

    Args:
        scene: Its name.
        footage: Files and folders of normal footage, in order of time.
        folder: The scene's folder, which gets `validation.png`.
        model: Backbone and reduction.
        options: How.
        progress: Told as it goes.

    Raises:
        FootageError: It can't be read, or is too little.
        StorageError: The picture can't be written.
    """
    started = time.monotonic()
    parts = _divided(footage, options)
    validation = _Validation(scene, parts, load_backbone(model), model, options, progress)
    for index in range(len(parts.folds)):
        validation.validate_fold(index)
    picture = ""
    if validation.background is not None and validation.blind.staged.any():
        path = folder / VALIDATION_PICTURE
        drawn = png(validation.blind.drawn(validation.background))
        write_atomically(path, lambda beside: beside.write_bytes(drawn))
        picture = str(path)
    chosen_per_hour = options.false_alarms_per_day * PER_DAY
    return ValidationReport(
        scene=scene,
        folds=len(parts.folds),
        frames=validation.watched,
        watched_s=round(validation.watch.watched_s, 2),
        false_alarms_per_day=options.false_alarms_per_day,
        rates=validation.watch.checks(),
        chosen_needs_s=round(LEAST_EXPECTED / chosen_per_hour * SECONDS_PER_HOUR, 1),
        acts=act_reports(validation.outcomes, options.staged),
        blind=validation.blind.fractions(),
        blind_picture=picture,
        seconds=round(time.monotonic() - started, 3),
    )


def _divided(footage: Sequence[Path], options: ValidationOptions) -> _Footage:
    found = [clip for path in footage for clip in clips(path, options.image_fps)]
    counts = [clip.counted_frames() for clip in found]
    kept = _kept(counts, options.every, options.max_frames)
    pace = Pace(1, options.score_fps)
    total = sum(
        pace.count(number, clip.seconds() * number * options.every / max(1, count))
        for clip, number, count in zip(found, kept, counts, strict=True)
    )
    if total < LEAST_FRAMES:
        remedy = f"give at least {LEAST_FRAMES}, and minutes of them to learn anything from it, or drop --validate"
        raise FootageError(str(footage[0]), f"it has {total} frames, too few to validate on", remedy)
    share = min(1.0, MOST_FRAMES / total)
    taken = Taken(options.every, options.score_fps, share)
    return _Footage(folds(found, kept, options.folds), taken, round(total * share))


def _kept(counts: Sequence[int], every: int, most: int | None) -> list[int]:
    """Of each clip's frames, how many are taken."""
    kept, left = [], sum(counts) if most is None else most
    for count in counts:
        kept.append(min(left, -(-count // every)))
        left -= kept[-1]
    return kept


@dataclass
class _Validation:
    """One validation under way."""

    scene: str
    footage: _Footage
    backbone: Backbone
    model: ModelConfig
    options: ValidationOptions
    progress: Progress
    watch: Watch = field(default_factory=Watch)
    blind: BlindMap = field(default_factory=BlindMap)
    outcomes: list[Outcome] = field(default_factory=list)
    background: Picture | None = None
    watched: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.options.seed)
        per_fold = -(-SEGMENTS // len(self.footage.folds))
        self._spots = [spots(fold, per_fold) for fold in self.footage.folds]
        self._segments_left = sum(map(len, self._spots))
        self._wanted = dict.fromkeys(ACTS, self.options.staged)
        self._done = 0
        staging = FRAMES_A_STAGING * len(ACTS) * self.options.staged
        self._total = len(self.footage.folds) * self.footage.frames + staging
        self._traffic = self._all_traffic()

    def _count(self, frames: int) -> None:
        self._done += frames
        self.progress(min(self._done, self._total), self._total)

    def validate_fold(self, index: int) -> None:
        """Learn all but this fold, watch it, and stage anomalies in it."""
        learned = [piece for other, fold in enumerate(self.footage.folds) if other != index for piece in fold]
        hold_out = self.options.hold_out or HOLD_OUT
        bank = learn_fold(self.scene, learned, self.footage.taken, hold_out, self.backbone, self.model, self._count)
        self._watch(self.footage.folds[index], bank, self._count)
        for spot in self._spots[index]:
            self._stage(read_segment(spot, self.footage.taken), bank)

    def _watch(self, fold: Fold, bank: FoldBank, counted: Counted) -> None:
        for piece in fold:
            scores: list[float] = []
            times_s: list[float] = []
            for some in batched(piece.frames(self.footage.taken), self.model.batch):
                scores += [score for score, _ in bank.judge(some)]
                times_s += [frame.stream_time_s for frame in some]
                counted(len(some))
            self.watch.add(scores, times_s, bank.calibration)
            self.watched += len(scores)

    def _stage(self, segment: Segment, bank: FoldBank) -> None:
        share = 1 / self._segments_left  # what earlier ones left over falls to those that follow
        self._segments_left -= 1
        if len(segment.frames) < LEAST_SEGMENT_FRAMES:
            return
        if self.background is None:
            self.background = background(segment.pictures)
        cast = movers(segment.pictures, segment.times_s)
        usual = self._traffic[segment.pictures[0].shape[:2]]
        threshold = bank.calibration.score_at_rate(self.options.false_alarms_per_day)
        for act in ACTS:
            for _ in range(round(self._wanted[act] * share) if share < 1 else self._wanted[act]):
                staged = pasted(act, segment, cast, usual, self._rng)
                if staged is None:
                    break
                name = f"{segment.name} {act} {self._wanted[act]}"
                fps = self.footage.taken.fps
                self._take(outcome(staged, segment, bank.judge, threshold, name, self.model.batch, fps))
                self._wanted[act] -= 1
                self._count(FRAMES_A_STAGING)

    def _take(self, found: Outcome) -> None:
        self.outcomes.append(found)
        if found.act != CONTROL:
            self.blind.add(found.cells, found.caught)

    def _all_traffic(self) -> dict[tuple[int, ...], NDArray[np.float32]]:
        """Where things move in any of the segments, by the size of the picture."""
        found: dict[tuple[int, ...], list[NDArray[np.float32]]] = {}
        for spot in (spot for fold in self._spots for spot in fold):
            segment = read_segment(spot, self.footage.taken)
            if len(segment.frames) >= LEAST_SEGMENT_FRAMES:
                found.setdefault(segment.pictures[0].shape[:2], []).append(traffic(segment.pictures))
        return {shape: np.mean(each, axis=0).astype(np.float32) for shape, each in found.items()}
