"""Learning a scene: normal frames in their order, in one pass, in memory that does not grow with them."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streammon.calibration import HOLD_OUT, FootageClock, HoldOut
from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.motion import Measure, MotionSums, Observation, Observer
from streammon.motion.statistics import Halves
from streammon.padim import (
    INPUT_SIZE,
    Backbone,
    Bank,
    Reduction,
    RunningGaussian,
    Statistics,
    facts_for,
    make_reduction,
    reduced_dimensions,
)
from streammon.records import Frame
from streammon.scene.held_out import PATCH_SAMPLE, HeldOut, HeldOutFrames
from streammon.scene.learned import Scene, looks_calibration, motion_of, require_held_out
from streammon.scene.measure import Measured, SceneMeasure
from streammon.scene.pictures import PictureSums

LEAST_LEARNED = 2  # frames that have a covariance

LEAST_CONTRAST = 1.0
"""Standard deviation of a colour over the picture, in levels of 255, of a picture that shows anything at all."""


class SceneLearner:
    """Learns a scene from normal frames, with motion or without.

    The first half of the footage is learned. Every later frame is first measured against the scene as learned so far
    and added to the held-out frames, then learned too (`calibration.HoldOut`).

    Attributes:
        statistics: Running Gaussians of the patches.
        halves: Sums of motion over each of the two cross-validation halves of the footage; None for PaDiM alone.
        turns: Assigns frames to the halves.
        held_out: Frames measured before they were learned.
        pictures: Sums over whole pictures; None if a fit goes on that had none.
        reviewed: Names of the clips judged normal that were learned.
        measure: Measures held-out frames; None before the first.
        measured_halves: Sums of motion that `measure` was solved from; None before the first, and for PaDiM alone.
        step: Number of parts of the held-out footage that have begun.
    """

    def __init__(
        self,
        scene: str,
        backbone: Backbone,
        model: ModelConfig,
        observer: Observer | None,
        *,
        total_s: float,
        hold_out: float = HOLD_OUT,
        cameras: int = 1,
        score_fps: float | None = None,
        size: int = INPUT_SIZE,
        crop: int | None = None,
        reduction: Reduction | None = None,
    ) -> None:
        """Create an empty scene.

        Args:
            scene: Name of the scene.
            backbone: Network whose maps accompany the frames.
            model: Method, reduction and frame score.
            observer: Observes motion; None for PaDiM alone.
            total_s: Expected seconds of footage of each camera.
            hold_out: Share of the footage that is held out; 0 for none.
            cameras: Number of cameras that show the scene at the same time.
            score_fps: Frames a second that are learned and will be scored; None for the footage's own rate.
            size: Side of the model's input, in pixels.
            crop: Side of a centre crop of the input, for PaDiM alone; None for no crop.
            reduction: Reduction of the channels; None for the configured one.

        Raises:
            ConfigError: More channels are to be kept than there are.
        """
        if reduction is None:
            channels, kept = sum(backbone.architecture.channels), reduced_dimensions(model, backbone)
            reduction = make_reduction(model.reduction, channels, kept, model.seed)
        self._backbone = backbone
        self._model = model
        self._observer = observer
        self._cameras = cameras
        self._clock = FootageClock()
        self._division = HoldOut(total_s, hold_out)
        self.step = 0
        reduction = reduction.to(backbone.device)
        facts = facts_for(scene, backbone, reduction, size, crop or size, model.seed, model.frame_score, score_fps)
        gaussian = RunningGaussian(facts.grid[0] * facts.grid[1], reduction.dimensions, backbone.device)
        self.statistics = Statistics(facts, reduction, gaussian)
        self.halves: tuple[MotionSums, MotionSums] | None = None
        if observer is not None:
            self.halves = (MotionSums(observer.dimensions), MotionSums(observer.dimensions))
        self.turns = Halves()
        self.held_out = HeldOutFrames()
        self.pictures: PictureSums | None = PictureSums()
        self.reviewed: set[str] = set()
        self.measure: SceneMeasure | None = None
        self.measured_halves: tuple[MotionSums, MotionSums] | None = None
        self._shows_anything = False
        self._blank = 0

    @property
    def scene(self) -> str:
        """The scene's name."""
        return self.statistics.facts.scene

    @property
    def detector(self) -> str | None:
        """Fingerprint of the object detector, empty for regions of motion; None for PaDiM alone."""
        return None if self._observer is None else self._observer.detector

    @property
    def holds_out(self) -> bool:
        """True if a share of the footage is held out."""
        return self._division.share > 0

    @property
    def frames(self) -> int:
        """Frames learned."""
        return self.statistics.gaussian.count

    @property
    def seconds(self) -> float:
        """Seconds of footage so far, of each camera."""
        return self._clock.seconds / self._cameras

    def learn(self, frames: Sequence[Frame], maps: list[Tensor]) -> None:
        """Learn B normal frames; the frames of each recording come in their order.

        Learning begins with the first frame that has any contrast: a covered lens, a picture that has not come yet
        and one that was decoded wrong look alike, and all else would be an anomaly.

        Args:
            frames: Frames, with `detail` where motion is learned.
            maps: The backbone's three maps of them, (B, C, h, w) each.
        """
        frames, maps = self._from_contrast_on(frames, maps)
        first = 0
        for index, frame in enumerate(frames):
            if self._division.step(self.seconds) > self.step and self.frames + index - first >= LEAST_LEARNED:
                self._take(frames[first:index], [each[first:index] for each in maps])
                self.begin_hold_out()
                first = index
            self._clock.advance(frame.camera, frame.stream_time_s)
        self._take(frames[first:], [each[first:] for each in maps] if first else maps)

    def _from_contrast_on(self, frames: Sequence[Frame], maps: list[Tensor]) -> tuple[Sequence[Frame], list[Tensor]]:
        """The frames and their maps, without those before the first frame with contrast."""
        if self._shows_anything:
            return frames, maps
        blank = next((number for number, frame in enumerate(frames) if has_contrast(frame)), len(frames))
        self._shows_anything = blank < len(frames)
        self._blank += blank
        return frames[blank:], [each[blank:] for each in maps]

    def _take(self, frames: Sequence[Frame], maps: list[Tensor]) -> None:
        if not frames:
            return
        observations = [] if self._observer is None else self._observer.observe(frames, maps)
        if self.measure is not None:
            for frame, measured in zip(frames, self.measure.measure(maps, observations), strict=True):
                self.held_out.add(_held_out(frame, measured))
        self.statistics.gaussian.update(self.statistics.reduction.embed(maps))
        if self.pictures is not None:
            for frame in frames:
                self.pictures.learn(frame)
        for seen in observations:
            self._learn_motion(seen)

    def begin_hold_out(self) -> None:
        """Solve the scene as learned so far, and measure all further frames against it.

        Raises:
            FootageError: Fewer than 2 frames were learned.
        """
        self._require_frames()
        self.measure = None  # frees its memory before the next one is made
        self.step = max(self.step + 1, self._division.step(self.seconds))
        bank = self.statistics.bank(None).prepare(self._backbone.device)
        self.measured_halves = deepcopy(self.halves)
        self.measure = SceneMeasure(bank, None if self.halves is None else Measure(self.halves))

    def restore_clock(self, seconds: float, step: int) -> None:
        """Set the seconds of footage so far, and the number of held-out parts that have begun."""
        self._clock.seconds = seconds * self._cameras
        self.step = step

    def finish(self, *, calibrated: bool = True) -> Scene:
        """Solve the scene from all frames.

        Args:
            calibrated: Calibrate on the held-out frames, where a share is held out.

        Raises:
            FootageError: Too few frames were learned or held out, they carry no time, or none has any contrast.
        """
        if self._blank and not self._shows_anything:
            found = f"none of its {self._blank} frames has any contrast"
            remedy = "look at the footage: the lens was covered, or its files are decoded wrong"
            raise FootageError(f"scene {self.scene!r}", found, remedy)
        self._require_frames()
        self.measure = None
        if calibrated and self.holds_out:
            if not self._clock.seconds:
                found, remedy = "its frames carry no time", "take frames closer in time, or --hold-out 0"
                raise FootageError(f"scene {self.scene!r}", f"it can't be calibrated ({found})", remedy)
            require_held_out(self.scene, len(self.held_out))
        calibration = looks_calibration(self.scene, self.held_out) if calibrated else None
        bank: Bank = self.statistics.bank(calibration, len(self.held_out))
        if self.halves is None or self._observer is None:
            return Scene(bank, pictures=self.pictures)
        held_out = self.held_out if calibrated else HeldOutFrames()
        return Scene(bank, motion_of(self.scene, self.halves, self._observer.detector, held_out), self.pictures)

    def _learn_motion(self, seen: Observation) -> None:
        assert self.halves is not None
        number, begins = self.turns.turn(seen)
        self.halves[number].turns += begins
        self.halves[number].update(seen)

    def _require_frames(self) -> None:
        if self.frames < LEAST_LEARNED:
            remedy = "give at least 2, and far more for a bank that is of use"
            raise FootageError(f"scene {self.scene!r}", f"it has {self.frames} frames to learn from", remedy)


def has_contrast(frame: Frame) -> bool:
    """True if a frame's picture shows anything: it isn't one even area."""
    return bool(frame.picture.std(axis=(0, 1)).max() >= LEAST_CONTRAST)


def _held_out(frame: Frame, measured: Measured) -> HeldOut:
    if measured.observation is None:
        return HeldOut(frame.camera, frame.stream_time_s, measured.looks)
    sample = _spread(measured.distances)
    return HeldOut(frame.camera, frame.stream_time_s, measured.looks, measured.still, sample, measured.evidence)


def _spread(distances: NDArray[np.float32]) -> NDArray[np.float16]:
    """(64,) of (g, g) distances, evenly spread over the positions."""
    chosen = np.linspace(0, distances.size - 1, PATCH_SAMPLE).astype(int)
    return np.asarray(distances.reshape(-1)[chosen], np.float16)
