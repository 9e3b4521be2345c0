"""A scene as video: its patches (PaDiM) and its motion, learned together and judged together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.calibration import Calibration
from streammon.config import ModelConfig
from streammon.errors import BankError, FootageError
from streammon.motion.observe import Observer
from streammon.motion.statistics import MotionSums
from streammon.motion.still import StillPatches
from streammon.padim import (
    Backbone,
    Bank,
    MapSmoother,
    Reduction,
    SceneLearner,
    Statistics,
)
from streammon.records import Channel, Frame
from streammon.scene.motion_file import load_motion
from streammon.scene.motion_learner import MotionBank, MotionLearner

PATCH_SAMPLE = 64  # distances of a held-out frame that are kept, evenly spread over the picture


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is said of one frame.

    Attributes:
        score: Surprise, higher is more abnormal.
        channel: The evidence that spoke.
        grids: Surprise of each patch (g, g) and of what moves (64, 64), float32: upsampled, blurred and added up
            they are the anomaly map.
    """

    score: float
    channel: Channel
    grids: tuple[NDArray[np.float32], NDArray[np.float32]]


class VideoBank:
    """All that was learned of a scene, ready to judge its frames.

    Args:
        patches: The scene's Gaussian bank, prepared.
        motion: What judges motion.
        observer: Looks at frames; one for each scoring thread.

    Attributes:
        calibration: From scores to false alarms a day.
    """

    def __init__(self, patches: Bank, motion: MotionBank, observer: Observer) -> None:
        self.patches = patches
        self.motion = motion
        self.calibration: Calibration = motion.calibration
        self._observer = observer
        self._still = StillPatches(motion.measure.rarity)
        self._smoothers: dict[int, MapSmoother] = {}

    def judge(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Verdict]:
        """Judge B frames, each stream's in their order.

        Args:
            frames: With `detail`.
            maps: The backbone's three maps of them, (B, C, h, w) each.
        """
        observations = self._observer.observe(frames, maps)
        distances = self.patches.distances(maps).cpu().numpy()
        judgements = self.motion.judge(observations, self._still.heights(observations, distances))
        patches = self.motion.patch_surprise(distances)
        return [
            Verdict(judgement.score, judgement.channel, (patch, judgement.motion))
            for judgement, patch in zip(judgements, patches, strict=True)
        ]

    @torch.inference_mode()
    def anomaly_maps(self, verdicts: Sequence[Verdict]) -> NDArray[np.float32]:
        """(B, S, S) surprise per pixel of the model's input, of B verdicts.

        At once, since two threads that meet for each small product wait for each other.
        """
        side = self.patches.facts.crop
        total = np.zeros((len(verdicts), side, side), np.float32)
        for kind in zip(*(verdict.grids for verdict in verdicts), strict=True):
            cells = len(kind[0])
            if cells not in self._smoothers:
                self._smoothers[cells] = MapSmoother((cells, cells), (side, side), torch.device("cpu"))
            total += self._smoothers[cells](torch.from_numpy(np.stack(kind))).numpy()
        return total

    @classmethod
    def beside(cls, folder: Path, patches: Bank, backbone: Backbone, observer: Observer) -> Self:
        """Join a scene's patch bank, not yet prepared, with the motion in its folder.

        Raises:
            BankError: The motion file is missing, broken, or was fitted with something else.
        """
        learner = MotionLearner(observer.dimensions, observer.detector)
        load_motion(folder, learner, patches.facts)
        try:
            motion = learner.bank()
        except ValueError as error:
            remedy = "fit it again on more footage, with some held out, or set model.method to padim"
            raise BankError(f"scene {folder.name!r}", f"its motion can't be judged ({error})", remedy) from None
        return cls(patches.prepare(backbone.device), motion, observer)


class VideoLearner:
    """Takes normal frames in their order and becomes a `VideoBank`.

    Attributes:
        patches: Learns the patches.
        motion: Learns the motion.
    """

    def __init__(
        self,
        scene: str,
        backbone: Backbone,
        model: ModelConfig,
        size: int,
        observer: Observer,
        reduction: Reduction | None = None,
        earlier: Statistics | None = None,
    ) -> None:
        """Start afresh, or go on from `earlier` patch statistics (and, by the caller, motion's).

        Raises:
            BankError: `earlier` was fitted with something else.
            ConfigError: More channels are to be kept than there are.
        """
        self.patches = SceneLearner(scene, backbone, model, size, None, reduction, earlier)
        self.motion = MotionLearner(observer.dimensions, observer.detector)
        self._scene = scene
        self._observer = observer
        self._still: StillPatches | None = None  # of what is held out
        self._backbone = backbone

    @property
    def calibrating(self) -> bool:
        """Whether frames calibrate now."""
        return self.patches.calibrating

    def learn(self, frames: Sequence[Frame], maps: list[Tensor], times_s: list[float]) -> None:
        """Take in B frames with their maps, in order.

        Args:
            frames: With `detail`.
            maps: (B, C, h, w) each.
            times_s: Their times on the clock that calibrates.
        """
        observations = self._observer.observe(frames, maps)
        distances = self.patches.learn(maps, times_s)
        if distances is None:
            self.motion.learn(observations)
            return
        assert self._still is not None
        grids = distances.cpu().numpy()
        heights = self._still.heights(observations, grids)
        self.motion.hold_out(observations, heights, _spread(grids.reshape(len(grids), -1)), times_s)

    def begin_calibration(self) -> None:
        """Judge what comes from now on by what was learned so far, before it is learned as well.

        Raises:
            FootageError: Fewer than 2 frames were seen.
        """
        self.patches.begin_calibration()
        self._still = StillPatches(self.motion.begin_calibration().rarity)

    def go_on_calibrating(self, judge: Bank, halves: tuple[MotionSums, MotionSums]) -> None:
        """Go on where another learner calibrated, by what it judged by: its patches' bank, and its sums of motion."""
        self.patches.judge = judge
        self._still = StillPatches(self.motion.calibrate_by(halves).rarity)

    def bank(self) -> VideoBank:
        """The finished bank, ready to judge.

        Raises:
            FootageError: Too little was seen or held out.
        """
        patches, motion = self.patches.bank(), motion_bank(self._scene, self.motion)
        return VideoBank(patches.prepare(self._backbone.device), motion, self._observer)


def motion_bank(scene: str, motion: MotionLearner) -> MotionBank:
    """What judges by the motion that was learned of a scene.

    Raises:
        FootageError: Too little was held out.
    """
    try:
        return motion.bank()
    except ValueError as error:
        remedy = "give more footage, or fit with --method padim"
        raise FootageError(f"scene {scene!r}", f"its motion can't be judged ({error})", remedy) from None


def _spread(distances: NDArray[np.float32]) -> NDArray[np.float16]:
    """(B, 64) of (B, P) distances, evenly spread over the positions."""
    chosen = np.linspace(0, distances.shape[1] - 1, PATCH_SAMPLE).astype(int)
    return distances[:, chosen].astype(np.float16)
