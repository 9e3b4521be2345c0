"""Learns every scene and scores every test clip with several methods at once, which share the extracted features.

The result of each clip is cached as soon as the clip is scored. Cached clips are not scored again.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from streammon.calibration import Calibration
from streammon.errors import DatasetError, FootageError
from streammon.evaluation.cache import Cache, ClipResult, Position
from streammon.evaluation.datasets import View, require_frame_count
from streammon.evaluation.frame_facts import FrameFacts, frame_facts, of_all_frames, with_levels
from streammon.evaluation.labelled import Dataset, LabelledClip, SceneFootage
from streammon.evaluation.methods import Batch, DerivedMethod, Method, Model, Progress, Scored, Scorer
from streammon.ingest import Clip, Pace, batched
from streammon.padim import Backbone, as_batch
from streammon.records import Frame
from streammon.scene import SCORING_SOURCE, with_maps

LEAST_WORK_PER_SAVE = 5  # least time between two checkpoints, as a multiple of the time that the last one took
THRESHOLD_RATES = {"1 a day": 1.0, "1 an hour": 24.0}


@runtime_checkable
class Calibrated(Protocol):
    """A model with a calibration from scores to false-alarm rates."""

    def expect(self, total_s: float, score_fps: float | None) -> None:
        """Prepare for `total_s` seconds of footage at `score_fps` frames a second (None: the footage's own rate)."""

    @property
    def calibration(self) -> Calibration | None:
        """Calibration from scores to false alarms a day; None if there is none."""


@runtime_checkable
class Trained(Protocol):
    """A model that `finish` trains for long, and that is saved meanwhile."""

    def save_with(self, save: Callable[[Mapping[str, Tensor]], None]) -> None:
        """Call `save` every now and then in the training, with a state from which `restore` resumes it."""


@dataclass(frozen=True)
class FrameSelection:
    """Selection of frames, batch size, and one bank or several.

    Attributes:
        every: Step of the selection, in training and test: the first of every `every` frames is taken.
        score_fps: Largest number of frames scored a second, thinned as for a live camera; None for all.
        max_train_frames: Largest number of training frames for each bank, evenly spread; None for all.
        batch: Frames in one batch of the backbone.
        global_bank: One bank for all scenes instead of one for each.
    """

    every: int = 1
    score_fps: float | None = None
    max_train_frames: int | None = None
    batch: int = 8
    global_bank: bool = False

    def count(self, frames: int) -> int:
        """Number of a clip's frames that enter the figures: ceil(frames / every).

        With `score_fps` a frame that is not scored repeats the score of the last scored frame.
        """
        return -(-frames // self.every)

    def scored(self, frames: int, fps: float) -> int:
        """Approximate number of frames that are scored of a clip with `fps` frames a second."""
        measured = self.count(frames)
        return Pace(1, self.score_fps).count(measured, frames / fps) if fps and measured else measured


@dataclass(frozen=True, eq=False)
class TrainingClip:
    """One training clip of a bank.

    Attributes:
        clip: The clip.
        frames: Number of frames that `every` leaves.
        scored: Approximate number of frames that `every` and `score_fps` leave.
    """

    clip: Clip
    frames: int
    scored: int


@dataclass(frozen=True, eq=False)
class BankPlan:
    """Training clips and test clips of one bank.

    Attributes:
        name: Name of the scene, or `all scenes`.
        training: Training clips.
        kept: Number of frames learned from the training clips.
        total_s: Seconds from the first to the last learned frame, summed over the clips; 0 for still images.
        test: Test clips that are scored by the bank.
    """

    name: str
    training: tuple[TrainingClip, ...]
    kept: int
    total_s: float
    test: tuple[LabelledClip, ...]

    @property
    def total(self) -> int:
        """Frames of all training clips that `every` leaves."""
        return sum(each.frames for each in self.training)

    @property
    def scored(self) -> int:
        """Approximate number of frames of all training clips that `every` and `score_fps` leave."""
        return sum(each.scored for each in self.training)

    def takes(self, index: int) -> bool:
        """True if training frame `index`, counted after thinning, is learned: index * kept mod scored < kept."""
        return index * self.kept % max(1, self.scored) < self.kept


def plan_banks(dataset: Dataset, selection: FrameSelection) -> list[BankPlan]:
    """Plans of the banks that the test clips need, in the data set's order."""
    scenes = list(dataset.scenes)
    test = {scene.name: [clip for clip in dataset.clips if clip.scene == scene.name] for scene in scenes}
    if selection.global_bank:
        scenes = [SceneFootage("all scenes", tuple(clip for scene in scenes for clip in scene.clips))]
        test = {"all scenes": list(dataset.clips)}
    plans = []
    for scene in scenes:
        if not test[scene.name]:
            continue
        training = tuple(_training_clip(clip, selection, dataset.fps) for clip in scene.clips)
        scored = sum(each.scored for each in training)
        kept = min(scored, selection.max_train_frames or scored)
        kept_fps = dataset.fps / selection.every * kept / max(1, sum(each.frames for each in training))
        total_s = max(0.0, (kept - len(training)) / kept_fps) if kept_fps else 0.0
        plans.append(BankPlan(scene.name, training, kept, total_s, tuple(test[scene.name])))
    return plans


def unscored_clips(dataset: Dataset, selection: FrameSelection) -> list[str]:
    """One message for each test clip that no bank scores: its scene has no training footage in a complete copy."""
    taught = {scene.name for scene in dataset.scenes}
    return [
        f"{clip.clip.path}: no training footage of its scene '{clip.scene}' is published; --global-bank scores it"
        for clip in dataset.clips
        if clip.scene not in taught and not selection.global_bank
    ]


def _training_clip(clip: Clip, selection: FrameSelection, fps: float) -> TrainingClip:
    frames = clip.frame_count()
    return TrainingClip(clip, selection.count(frames), selection.scored(frames, fps))


@dataclass(frozen=True, eq=False)
class BankWork:
    """Work of one bank whose results are not all in the cache.

    Attributes:
        plan: The bank.
        unscored: Test clips without a cached result, by method; methods with all results are left out.
        frames: Frames that are read to learn, in all passes, and to score.
    """

    plan: BankPlan
    unscored: Mapping[Method, Sequence[LabelledClip]]
    frames: int


@dataclass(eq=False)
class Harness:
    """One run of some methods over one data set.

    Attributes:
        dataset: Data set that is learned and scored.
        view: Resize, rotation and crop from pictures to the model's input.
        methods: Methods, each with its cache.
        backbone: Backbone shared by all methods.
        selection: Selection of frames.
        progress: Called after every batch.
        allow_partial: Leave out damaged clips instead of raising.
        missing: One message for each damaged clip that was left out.
    """

    dataset: Dataset
    view: View
    methods: Mapping[Method, Cache]
    backbone: Backbone
    selection: FrameSelection
    progress: Progress
    allow_partial: bool = False
    missing: list[str] = field(default_factory=list)
    _done: int = field(default=0, init=False)
    _total: int = field(default=0, init=False)

    def run(self) -> None:
        """Learn and score everything that is not in the cache.

        Raises:
            InputError: The data set is damaged, or the cache can't be written.
        """
        work = self.work()
        self._done, self._total = 0, sum(bank.frames for bank in work)
        for bank in work:
            plan, unscored = bank.plan, bank.unscored
            scorers = self._scorers(plan, list(unscored))
            for clip in plan.test:
                eager = {method: scorers[method] for method, clips in unscored.items() if clip in clips}
                if eager:
                    self._score(clip, eager)
            for method in unscored:
                self.methods[_source(method)].drop_fit(plan.name)

    def work(self) -> list[BankWork]:
        """Banks with results that are not in the cache, in the data set's order."""
        found = []
        for plan in plan_banks(self.dataset, self.selection):
            if unscored := self._unscored(plan):
                learned = plan.kept * max(self._passes(method, plan) for method in unscored)
                read = [clip for clip in plan.test if any(clip in clips for clips in unscored.values())]
                found.append(BankWork(plan, unscored, learned + sum(map(self.scored, read))))
        return found

    def scored(self, clip: LabelledClip) -> int:
        """Approximate number of frames of a test clip that are scored."""
        return self.selection.scored(len(clip.labels), self.dataset.fps)

    def result(self, method: Method, clip: LabelledClip) -> ClipResult | None:
        """Cached result of a clip by a method; None if the clip is not scored."""
        return self.methods[method].result(clip.name, self._frames(clip))

    def model(self, method: Method, plan: BankPlan) -> Scorer:
        """Finished model of a bank by one method, learned even where the cache has all scores."""
        self._done, self._total = 0, plan.kept * self._passes(method, plan)
        scorer = self._scorers(plan, [method])[method]
        self.methods[_source(method)].drop_fit(plan.name)
        return scorer

    def _frames(self, clip: LabelledClip) -> int:
        return self.selection.count(len(clip.labels))

    def _unscored(self, plan: BankPlan) -> dict[Method, list[LabelledClip]]:
        """Clips without a cached result, by method; methods with all results are left out."""
        lacking = {method: [c for c in plan.test if self.result(method, c) is None] for method in self.methods}
        return {method: clips for method, clips in lacking.items() if clips}

    def _passes(self, method: Method, plan: BankPlan) -> int:
        return method.model(plan.name, self.backbone, self.view.side).passes

    def _scorers(self, plan: BankPlan, methods: Sequence[Method]) -> dict[Method, Scorer]:
        """Finished scorer of one bank for each method."""
        learned = self._models(plan, list(dict.fromkeys(map(_source, methods))))
        scorers = {
            method: method.read(learned[method.source]) if isinstance(method, DerivedMethod) else learned[method]
            for method in methods
        }
        for method, scorer in scorers.items():
            self.methods[method].keep_facts(plan.name, _facts(scorer))
        return scorers

    def _models(self, plan: BankPlan, methods: Sequence[Method]) -> dict[Method, Model]:
        """Learned model of one bank for each method; saved fits are resumed."""
        models = {method: method.model(plan.name, self.backbone, self.view.side) for method in methods}
        for model in models.values():
            if isinstance(model, Calibrated):
                model.expect(plan.total_s, self.selection.score_fps)
        positions = {method: self._restore(plan, method, model) for method, model in models.items()}
        saver = _Saver(plan, models, self.methods)
        for number in range(max(model.passes for model in models.values())):
            learning = {method: model for method, model in models.items() if number < model.passes}
            first = 0
            for index, each in enumerate(plan.training):
                here = Position(number, index)
                eager = [method for method in learning if positions[method] <= here]
                if eager:
                    self._learn(plan, each, first, [models[method] for method in eager])
                    positions |= dict.fromkeys(eager, Position(number, index + 1))
                    saver.save(positions)
                first += each.scored
            for method, model in learning.items():
                if positions[method] < Position(number + 1, 0):
                    model.end_pass()
                    positions[method] = Position(number + 1, 0)
        for method, model in models.items():
            if isinstance(model, Trained):
                model.save_with(partial(saver.save_training, method))
            model.finish(self.progress)
        return models

    def _restore(self, plan: BankPlan, method: Method, model: Model) -> Position:
        """Restore the saved fit of a model, if there is one, and return its progress."""
        if (kept := self.methods[method].fit(plan.name)) is None:
            return Position(0, 0)
        position, state = kept
        model.restore(state)
        return position

    def _learn(self, plan: BankPlan, training: TrainingClip, first: int, models: Sequence[Model]) -> None:
        """Learn one training clip with each model."""
        decoded, clip = 0, training.clip
        numbered = enumerate(self._decoded(clip), first)
        kept = (frame for number, frame in numbered if plan.takes(number))
        try:
            for batch, last in self._batches(kept):
                for model in models:
                    model.learn(batch)
                self._advance(f"learning {plan.name}", len(batch.times_s))
                decoded = last + 1
            if self.dataset.name != "folder" and plan.kept == plan.scored:
                listed = None if clip.listed_frames() is None else training.frames
                require_frame_count(clip.name, clip.path, listed, decoded, self._slack)
        except (DatasetError, FootageError) as error:
            self._leave_out(error)

    def _score(self, clip: LabelledClip, models: Mapping[Method, Scorer]) -> None:
        """Score one test clip and cache the results."""
        parts: dict[Method, list[Scored]] = {method: [] for method in models}
        numbers: list[int] = []
        shown: list[FrameFacts] = []
        total = self._frames(clip)
        try:
            for batch, _ in self._batches(self._decoded(clip.clip)):
                for method, model in models.items():
                    parts[method].append(model.score(batch))
                numbers += [frame.seq for frame in batch.frames]
                shown.append(frame_facts(batch.frames))
                self._advance(f"scoring {clip.name}", len(batch.frames))
            slack, decoded = self._slack + clip.length_slack, numbers[-1] + 1 if numbers else 0
            require_frame_count(clip.name, clip.clip.path, total, decoded, slack)
        except (DatasetError, FootageError) as error:
            self._leave_out(error)
            return
        latest = np.searchsorted(numbers, np.arange(total), side="right") - 1  # (total,) last scored frame
        for method, scored in parts.items():
            kinds = zip(*(part.grids for part in scored), strict=True)
            grids = tuple(np.concatenate(kind)[latest] for kind in kinds)
            scores = np.concatenate([part.scores for part in scored])[latest]
            facts = [with_levels(each, part.levels, part.channels) for each, part in zip(shown, scored, strict=True)]
            frames = of_all_frames(np.concatenate(facts), np.array(numbers), latest, self.interval_s)
            self.methods[method].keep_result(clip.name, ClipResult(scores, grids, frames))

    def _decoded(self, clip: Clip) -> Iterator[Frame]:
        details = any(method.needs_details for method in self.methods)
        return self.view.frames(clip, self.selection.every, details, self.selection.score_fps)

    @property
    def interval_s(self) -> float:
        """Seconds between two frames that `every` leaves, by the data set's frame rate; 0 for still images."""
        return self.selection.every / self.dataset.fps if self.dataset.fps else 0.0

    @property
    def _slack(self) -> int:
        """Frames that may be missing at a clip's end because thinning leaves them out."""
        if self.selection.score_fps is None or not self.dataset.fps:
            return 0
        return math.ceil(self.dataset.fps / self.selection.every / self.selection.score_fps)

    def _batches(self, frames: Iterator[Frame]) -> Iterator[tuple[Batch, int]]:
        """Batches, each with the `seq` of the last frame; the next one is decoded and its maps computed meanwhile."""
        taken = batched(frames, self.selection.batch)
        needs_maps = any(method.needs_maps for method in self.methods)
        with_their_maps = with_maps(taken, self.backbone, None) if needs_maps else ((each, []) for each in taken)
        with closing(with_their_maps) as batches:
            for each, maps in batches:
                pictures = as_batch([frame.picture for frame in each])
                yield Batch(pictures, maps, [frame.stream_time_s for frame in each], tuple(each)), each[-1].seq

    def _advance(self, what: str, frames: int) -> None:
        self._done += frames
        self.progress(what, min(self._done, self._total), self._total)

    def _leave_out(self, error: DatasetError | FootageError) -> None:
        """Record a damaged clip in `missing`.

        Raises:
            InputError: The error itself, without `allow_partial`.
        """
        if not self.allow_partial:
            raise error
        if str(error) not in self.missing:
            self.missing.append(str(error))


class _Saver:
    """Writes checkpoints of the models of one bank."""

    def __init__(self, plan: BankPlan, models: Mapping[Method, Model], caches: Mapping[Method, Cache]) -> None:
        self._bank = plan.name
        self._models = models
        self._caches = caches
        self._saved_at = time.monotonic()
        self._took_s = 0.0

    def save(self, positions: Mapping[Method, Position]) -> None:
        """Write a checkpoint of all models between two clips."""
        self._write((method, positions[method], model.state()) for method, model in self._models.items())

    def save_training(self, method: Method, state: Mapping[str, Tensor]) -> None:
        """Write a checkpoint of one model in its training, which comes after all passes."""
        self._write([(method, Position(self._models[method].passes, 0), state)])

    def _write(self, states: Iterable[tuple[Method, Position, Mapping[str, Tensor] | None]]) -> None:
        """Write states, unless less than `LEAST_WORK_PER_SAVE` times the last writing's duration passed since."""
        began = time.monotonic()
        if began - self._saved_at < LEAST_WORK_PER_SAVE * self._took_s:
            return
        for method, position, state in states:
            if state is not None:
                self._caches[method].keep_fit(self._bank, position, state)
        self._saved_at = time.monotonic()
        self._took_s = self._saved_at - began


def _source(method: Method) -> Method:
    """Method that learns the model: the source of a `DerivedMethod`, otherwise the method itself."""
    return method.source if isinstance(method, DerivedMethod) else method


def _facts(model: Scorer) -> dict[str, object]:
    """Memory of a finished model, and its scores at the false-alarm rates of `THRESHOLD_RATES`."""
    calibration = model.calibration if isinstance(model, Calibrated) else None
    thresholds = {
        words: calibration.score_at_rate(rate) for words, rate in THRESHOLD_RATES.items() if calibration is not None
    }
    return {"scoring_bytes": model.scoring_bytes(), "thresholds": thresholds}


def cache_context(
    dataset: Dataset, view: View, backbone: Backbone, selection: FrameSelection, version: str
) -> tuple[object, ...]:
    """Everything that the scores of every method depend on, for the hash of the cache."""
    return (
        version,
        SCORING_SOURCE,
        dataset.name,
        dataset.fingerprint,
        *(scene.name for scene in dataset.scenes),
        view,
        backbone.name,
        backbone.weights_sha256,
        backbone.engine.name,
        backbone.precision,
        # a network in int8 depends on the footage that it was made on
        backbone.probe if backbone.precision == "int8" else (),
        selection,
    )
