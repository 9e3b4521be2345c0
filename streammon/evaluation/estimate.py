"""Estimate of the time that a run takes on this machine, from a few pictures that are timed before it begins.

Each method learns and scores the same few training pictures. The seconds are multiplied by the pictures, banks and
maps that are not in the cache. Two methods need a further factor: of the autoencoder only a few batches of the
training are timed, and SPADE searches more training pictures in the run than were timed.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice, repeat

import numpy as np

from streammon.durations import in_words
from streammon.errors import DatasetError, FootageError
from streammon.evaluation.harness import BankPlan, plan_banks
from streammon.evaluation.methods import Batch, GridSmoother, Method, Spade, Vae
from streammon.evaluation.metrics import PixelLevel
from streammon.evaluation.study import Study
from streammon.padim import as_batch

TIMED_PICTURES = 8
READING, MEASURING = "reading and features", "measuring pixels"


@dataclass(frozen=True)
class Work:
    """Methods that are run and measured together, as for one table.

    Attributes:
        study: Data set, backbone and cache.
        groups: Methods that differ only in the seed, by the name of their group.
        localised: True if the pixels of the anomaly maps are measured, which is done again in every run.
    """

    study: Study
    groups: Mapping[str, Sequence[Method]]
    localised: bool


@dataclass(frozen=True)
class Estimate:
    """Estimated time of the work that is not in the cache.

    Attributes:
        parts_s: Seconds of each group of methods, of reading the pictures, and of measuring the maps.
        pictures: Number of pictures that were timed; 0 if all results are in the cache.
    """

    parts_s: Mapping[str, float]
    pictures: int

    @property
    def words(self) -> str:
        """The estimate in one line.

        >>> Estimate({"SPADE": 5400.0, READING: 600.0}, 8).words
        'about 100 minutes, from 8 pictures timed (SPADE 90 minutes, reading and features 10 minutes)'
        >>> Estimate({MEASURING: 20.0}, 0).words
        'about 20 s, since all results are in the cache (measuring pixels 20 s)'
        >>> Estimate({}, 0).words
        'under 1 s, since all results are in the cache'
        """
        basis = f"from {self.pictures} pictures timed" if self.pictures else "since all results are in the cache"
        parts = ", ".join(f"{name} {in_words(seconds)}" for name, seconds in self.parts_s.items())
        total = in_words(sum(self.parts_s.values()))
        about = total if total.startswith("under") else f"about {total}"
        return f"{about}, {basis}" + (f" ({parts})" if parts else "")


@dataclass(frozen=True)
class Cost:
    """Seconds of one method.

    Attributes:
        learning_s: Of one training picture, over all passes.
        finishing_s: Of one bank.
        scoring_s: Of one test picture.
    """

    learning_s: float
    finishing_s: float
    scoring_s: float


def estimate(works: Sequence[Work]) -> Estimate | None:
    """Estimate the time of several works in turn, of which a later one reads the results of an earlier one.

    Returns:
        The estimate; None if the pictures to be timed can't be read or learned, which the run itself reports.
    """
    parts_s: dict[str, float] = {}
    estimators: dict[Study, _Estimator] = {}
    try:
        for work in works:
            if work.study not in estimators:
                estimators[work.study] = _Estimator(work.study)
            for name, seconds in estimators[work.study].parts_s(work).items():
                parts_s[name] = parts_s.get(name, 0.0) + seconds
    except (DatasetError, FootageError):
        return None
    timed = any(estimator.has_timed for estimator in estimators.values())
    return Estimate(parts_s, TIMED_PICTURES if timed else 0)


class _Estimator:
    """Estimates the works of one study, in turn, from pictures of its first bank that are timed when needed."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._plan = plan_banks(study.dataset, study.options.selection)[0]
        self._done: set[str] = set()  # keys of the methods of earlier works
        self._batch: Batch | None = None
        self._reading_s = 0.0  # of one picture
        self._measuring_s: float | None = None  # of one map

    @property
    def has_timed(self) -> bool:
        """True if pictures were timed, because a work has results that are not in the cache."""
        return self._batch is not None

    def parts_s(self, work: Work) -> dict[str, float]:
        """Seconds of each group of methods, of reading, and of measuring."""
        found = self._run_s(work)
        if maps := self._maps(work):
            if self._measuring_s is None:
                self._measuring_s = measuring_s(self._study)
            found[MEASURING] = maps * self._measuring_s
        self._done |= {method.key for methods in work.groups.values() for method in methods}
        return found

    def _run_s(self, work: Work) -> dict[str, float]:
        """Seconds of learning and scoring, except with methods of earlier works."""
        groups = {
            method: name
            for name, methods in work.groups.items()
            for method in methods
            if method.key not in self._done
        }
        found: dict[str, float] = {}
        costs: dict[str, Cost] = {}  # by group
        for view in self._study.views():
            harness = self._study.harness(view, list(groups))
            for bank in harness.work():
                batch = self._timed_batch()
                found[READING] = found.get(READING, 0.0) + bank.frames * self._reading_s
                for method, clips in bank.unscored.items():
                    name = groups[method]
                    if name not in costs:
                        self._study.progress(f"timing {name}", len(costs), len(work.groups))
                        costs[name] = cost_of(method, self._study, self._plan, batch)
                    scored = sum(harness.scored(clip) for clip in clips)
                    found[name] = found.get(name, 0.0) + _seconds(method, costs[name], bank.plan, scored)
        return found

    def _timed_batch(self) -> Batch:
        """The batch that all methods are timed with; the first call also times its reading and features."""
        if self._batch is None:
            view, every = self._study.views()[0], self._study.options.selection.every
            rounds = repeat(self._plan.training[0].clip, TIMED_PICTURES + 1)  # a clip may be shorter
            frames = chain.from_iterable(view.frames(clip, every) for clip in rounds)
            self._study.backbone.maps(as_batch([next(frames).picture]))  # opens the clip and prepares the engine
            began = time.perf_counter()
            taken = tuple(islice(frames, TIMED_PICTURES))
            pictures = as_batch([frame.picture for frame in taken])
            maps = self._study.backbone.maps(pictures)
            self._reading_s = (time.perf_counter() - began) / TIMED_PICTURES
            self._batch = Batch(pictures, maps, [frame.stream_time_s for frame in taken], taken)
        return self._batch

    def _maps(self, work: Work) -> int:
        """Number of anomaly maps that are measured."""
        if not work.localised:
            return 0
        every = self._study.options.selection.every
        frames = sum(-(-len(clip.labels) // every) for clip in self._study.dataset.clips if clip.masks is not None)
        return frames * sum(map(len, work.groups.values())) * len(self._study.views())


def cost_of(method: Method, study: Study, plan: BankPlan, batch: Batch) -> Cost:
    """Time a method on a batch of a bank's pictures; its first picture is learned and scored once before.

    Raises:
        FootageError: The method can't learn the pictures.
    """
    one = Batch(batch.pictures[:1], [maps[:1] for maps in batch.maps], batch.times_s[:1], batch.frames[:1])
    model = _shortened(method).model(plan.name, study.backbone, study.views()[0].side)
    pictures = len(batch.times_s)
    model.learn(one)
    began = time.perf_counter()
    for _ in range(model.passes):
        model.learn(batch)
        model.end_pass()
    learned = time.perf_counter()
    model.finish(lambda *_: None)
    finished = time.perf_counter()
    model.score(one)
    scoring = time.perf_counter()
    model.score(batch)
    return Cost((learned - began) / pictures, finished - learned, (time.perf_counter() - scoring) / pictures)


def measuring_s(study: Study) -> float:
    """Seconds of measuring one anomaly map of a clip with masks; 0 if no abnormal frame has a mask."""
    view = study.views()[0]
    clip = next((clip for clip in study.dataset.clips if clip.masks is not None and clip.labels.any()), None)
    if clip is None or clip.masks is None:
        return 0.0
    cells = view.side // study.backbone.architecture.stride
    grid = np.random.default_rng(0).random((1, cells, cells), dtype=np.float32)
    smoother, whole = GridSmoother(view.side, study.backbone.device), PixelLevel()
    indices = np.flatnonzero(clip.labels)[:TIMED_PICTURES].tolist()
    began = time.perf_counter()
    for index in indices:
        image = PixelLevel()
        image.update(np.maximum(smoother((grid,))[0], 0), view.mask(clip.clip, index, clip.masks[index]))
        whole.merge(image)
    return (time.perf_counter() - began) / len(indices)


def _shortened(method: Method) -> Method:
    """The method itself, or the autoencoder with a short training."""
    if not isinstance(method, Vae):
        return method
    import_module("torchvision")  # takes seconds, once
    return method.shortened


def _seconds(method: Method, cost: Cost, plan: BankPlan, scored: int) -> float:
    """Seconds that a method takes for a bank of which `scored` pictures are scored."""
    finishing_s, scoring_s = cost.finishing_s, cost.scoring_s
    if isinstance(method, Vae):
        finishing_s *= method.batches / method.shortened.batches
    if isinstance(method, Spade):
        scoring_s *= min(plan.kept, method.neighbours) / min(TIMED_PICTURES + 1, method.neighbours)
    return plan.kept * cost.learning_s + finishing_s + scored * scoring_s
