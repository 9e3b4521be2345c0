"""Learning a scene's motion as frames pass by, and judging frames by what was learned."""

from collections import deque
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import Calibration
from streammon.calibration.tails import Tail
from streammon.motion.evidence import WHOLE_OBJECTS, Measure
from streammon.motion.observe import Observation
from streammon.motion.statistics import Halves, MotionSums
from streammon.scene.fusion import Averages, Fusion, HeldOut, Judgement, Parts

KEPT_FRAMES = 20_000  # held out, the newest: about 10 to 50 MB


class MotionLearner:
    """Takes normal frames in their order into the sums; the last of them calibrate, measured against those before.

    Attributes:
        halves: The sums of both halves.
        turns: Which of them the next frames go to.
        held_out: The newest frames that calibrate.
        calibrating_halves: The sums that those are measured against; None before.
        detector: Fingerprint of what found the objects; empty for the regions of motion.
    """

    def __init__(self, dimensions: int, detector: str | None = "") -> None:
        """Begin with nothing.

        Args:
            dimensions: D, of the objects' features.
            detector: Fingerprint of what finds objects; None takes that of what is loaded.
        """
        self.detector = detector
        self.halves = (MotionSums(dimensions), MotionSums(dimensions))
        self.held_out: deque[HeldOut] = deque(maxlen=KEPT_FRAMES)
        self.turns = Halves()
        self.calibrating_halves: tuple[MotionSums, MotionSums] | None = None
        self._measure: Measure | None = None

    def learn(self, observations: Sequence[Observation]) -> None:
        """Take in frames, in order, before any is held out."""
        assert self._measure is None
        for seen in observations:
            self._learn(seen)

    def hold_out(
        self,
        observations: Sequence[Observation],
        patches: Sequence[float],
        samples: NDArray[np.float16],
        clock_s: Sequence[float],
    ) -> None:
        """Measure B frames, in order, before they are learned as well.

        Args:
            observations: Of them.
            patches: What their patches show where nothing moves.
            samples: (B, N) some of their patches' distances.
            clock_s: Their times on the clock that calibrates.
        """
        assert self._measure is not None
        for seen, score, sample, clock in zip(observations, patches, samples, clock_s, strict=True):
            evidence = self._measure.evidence(seen)
            self.held_out.append(HeldOut(seen.stream, seen.time_s, clock, score, sample, evidence))
            self._learn(seen)

    def begin_calibration(self) -> Measure:
        """Measure what comes from now on against what was learned so far, which this returns."""
        return self.calibrate_by(deepcopy(self.halves))

    def calibrate_by(self, halves: tuple[MotionSums, MotionSums]) -> Measure:
        """Measure what comes from now on against these sums, which are kept as they are."""
        self.calibrating_halves = halves
        self._measure = Measure(halves)
        return self._measure

    def merge(self, other: "MotionLearner") -> None:
        """Take in another fit of the same scene: half by half, and the held-out frames one after the other.

        Raises:
            ValueError: The two differ in channels, or in what found the objects.
        """
        if self.detector != other.detector:
            raise ValueError("another detector")
        for mine, others in zip(self.halves, other.halves, strict=True):
            mine.merge(others)
        self.held_out.extend(other.held_out)

    def bank(self) -> "MotionBank":
        """What judges frames from now on.

        Raises:
            ValueError: Too little was held out.
        """
        if not self.held_out:
            raise ValueError("nothing was held out")
        return MotionBank(Measure(self.halves), list(self.held_out))

    def _learn(self, seen: Observation) -> None:
        number, begins = self.turns.turn(seen)
        self.halves[number].turns += begins
        self.halves[number].update(seen)


class MotionBank:
    """Judges the frames of one scene.

    Args:
        measure: What was learned.
        held_out: What normal frames showed that were not learned.
        parts: What takes part.

    Attributes:
        calibration: From scores to false alarms a day.

    Raises:
        ValueError: Too little was held out, or it carries no time.
    """

    def __init__(self, measure: Measure, held_out: Sequence[HeldOut], parts: Parts | None = None) -> None:
        self.measure = measure
        self._fusion = Fusion(held_out, parts)
        self.calibration = Calibration.from_surprise(self._fusion.scores, [each.clock_s for each in held_out])
        self._patches = Tail.of(np.concatenate([each.sample for each in held_out]))
        self._averages: dict[str, Averages] = {}

    def judge(self, observations: Sequence[Observation], patches: Sequence[float]) -> list[Judgement]:
        """Judge frames, each stream's in their order.

        Args:
            observations: Of the frames.
            patches: What their patches show where nothing moves.
        """
        judgements = []
        for seen, score in zip(observations, patches, strict=True):
            averages = self._averages.setdefault(seen.stream, self._fusion.averages())
            evidence = self.measure.evidence(seen)
            judgements.append(self._pointed(self._fusion.judge(evidence, score, seen.time_s, averages), seen))
        return judgements

    def _pointed(self, judgement: Judgement, seen: Observation) -> Judgement:
        """With the object that was told as a whole standing out by the score: its cells may be quite usual."""
        if judgement.channel not in WHOLE_OBJECTS:
            return judgement
        motion = judgement.motion.copy()
        motion.reshape(-1)[self.measure.culprit(seen, judgement.channel)] += judgement.score
        return replace(judgement, motion=motion)

    def patch_surprise(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Surprise of (B, g, g) patch distances: -log10 of the share of normal patches that reach each."""
        return self._patches.surprise(distances).astype(np.float32)
