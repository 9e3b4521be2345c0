"""A learned scene, and its calibration on held-out frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import LEAST_FRAMES, Calibration, Tail
from streammon.errors import FootageError
from streammon.motion import MotionSums
from streammon.padim import Bank
from streammon.scene.fusion import Fusion, Parts
from streammon.scene.held_out import HeldOutFrames, Stretch
from streammon.scene.pictures import PictureSums
from streammon.scene.settings import SETTINGS

BLOCKS = SETTINGS.held_out.blocks
"""Of held-out footage, in order of time. Each is scored by the tails of the others, as new footage will be."""

HalfSums = tuple[MotionSums, MotionSums]


@dataclass(frozen=True, eq=False)
class MotionTails:
    """Tails of motion evidence in held-out frames, and their calibration: all that scoring needs beside `Measure`.

    Attributes:
        fusion: Fusion of a frame's evidence into its score.
        patches: Tail of patch distances, for the anomaly map.
        calibration: False alarms a day as a function of that score.
    """

    fusion: Fusion
    patches: Tail
    calibration: Calibration


@dataclass(eq=False)
class SceneMotion:
    """Statistics of motion in a scene, with their calibration.

    Attributes:
        halves: Sums over each of the two cross-validation halves of the footage.
        detector: Fingerprint of the object detector; empty for regions of motion.
        tails: Tails of held-out frames; None without any.
        widths: Widths of the pooling kernels (`motion.chosen_widths`) as the motion file has them; None if not chosen
            yet.
    """

    halves: HalfSums
    detector: str
    tails: MotionTails | None = None
    widths: Mapping[str, float] | None = None


@dataclass(eq=False)
class Scene:
    """A learned scene: `SceneScorer` scores frames with it, `files` save and load it.

    Attributes:
        bank: Gaussians of the patches, with the calibration of PaDiM's frame score.
        motion: Statistics of motion; None for PaDiM alone.
        pictures: Sums over whole pictures; None of a scene that an earlier release learned.
    """

    bank: Bank
    motion: SceneMotion | None = None
    pictures: PictureSums | None = None

    @property
    def method(self) -> str:
        """`motion` or `padim`."""
        return "padim" if self.motion is None else "motion"

    @property
    def calibration(self) -> Calibration | None:
        """False alarms a day as a function of the method's score; None without held-out frames."""
        if self.motion is None:
            return self.bank.calibration
        return None if self.motion.tails is None else self.motion.tails.calibration


def looks_calibration(scene: str, held_out: HeldOutFrames) -> Calibration | None:
    """Calibration of PaDiM's frame score; None without held-out frames.

    Raises:
        FootageError: Too few frames are held out, or they carry no time.
    """
    if not len(held_out):
        return None
    return _calibration(scene, held_out.stretches, np.array([frame.looks for frame in held_out], np.float64))


def motion_of(scene: str, halves: HalfSums, detector: str, held_out: HeldOutFrames) -> SceneMotion:
    """Statistics of motion with tails fitted on held-out frames, if there are any.

    Raises:
        FootageError: Too few frames are held out, or they carry no time.
    """
    return SceneMotion(halves, detector, motion_tails(scene, held_out) if len(held_out) else None)


def motion_tails(scene: str, held_out: HeldOutFrames, parts: Parts | None = None) -> MotionTails:
    """Tails of held-out frames with some kinds of evidence in use, by default all.

    Raises:
        FootageError: Too few frames are held out, or they carry no time.
    """
    require_held_out(scene, len(held_out))
    stretches = held_out.stretches
    fusion = Fusion.of(stretches, parts)
    calibration = _calibration(scene, stretches, cross_fitted_scores(stretches, parts), decades=True)
    patches = Tail.of(np.concatenate([frame.sample for frame in held_out]))
    return MotionTails(fusion, patches, calibration)


def require_held_out(scene: str, frames: int) -> None:
    """Require enough held-out frames to calibrate.

    Raises:
        FootageError: Fewer than 10 frames are held out.
    """
    if frames < LEAST_FRAMES:
        found = f"{frames} frames are left to calibrate on"
        remedy = f"give more footage (at least {LEAST_FRAMES} held-out frames), or fit with --hold-out 0"
        raise FootageError(f"scene {scene!r}", found, remedy)


def cross_fitted_scores(stretches: Sequence[Stretch], parts: Parts | None = None) -> NDArray[np.float64]:
    """(N,) scores of held-out frames, cross-fitted: each by tails of the other blocks of footage.

    By tails of all N frames no frame is rarer than one in N; future frames can be.
    """
    blocks = _blocks(stretches)
    if len(blocks) < 2:
        return Fusion.of(stretches, parts).scores(stretches)
    scores = []
    for number, block in enumerate(blocks):
        others = [stretch for other, each in enumerate(blocks) if other != number for stretch in each]
        scores.append(Fusion.of(others, parts).scores(block))
    return np.concatenate(scores)


def _blocks(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """At most four neighbouring parts of about as many frames, stretches cut where there are too few of them."""
    frames = [(stretch, frame) for stretch in stretches for frame in stretch.frames]
    count = min(BLOCKS, len(frames) // LEAST_FRAMES)
    borders = [len(frames) * number // max(count, 1) for number in range(count + 1)]
    blocks = []
    for first, last in pairwise(borders):
        cut: dict[int, Stretch] = {}
        for stretch, frame in frames[first:last]:
            cut.setdefault(id(stretch), Stretch(stretch.recording, [])).frames.append(frame)
        blocks.append(list(cut.values()))
    return blocks


def _calibration(
    scene: str, stretches: Sequence[Stretch], scores: NDArray[np.float64], *, decades: bool = False
) -> Calibration:
    require_held_out(scene, len(scores))
    names = [str(number) for number, stretch in enumerate(stretches) for _ in stretch.frames]
    times_s = [frame.time_s for stretch in stretches for frame in stretch.frames]
    try:
        return Calibration.from_scores(scores, names, times_s, decades=decades)
    except ValueError as error:
        remedy = "take frames closer in time, or --hold-out 0"
        raise FootageError(f"scene {scene!r}", f"it can't be calibrated ({error})", remedy) from None
