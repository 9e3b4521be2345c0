"""The two ways to learn and judge a scene, behind one face: its patches alone (PaDiM), or what moves as well.

`fit`, `run` and `bench` speak to this and don't ask which it is. Without an `Observer` it is PaDiM alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from streammon.calibration import Calibration
from streammon.config import ModelConfig
from streammon.errors import BankError, StorageError
from streammon.motion.objects import feature_dimensions
from streammon.motion.observe import Observer
from streammon.padim import (
    ARCHITECTURES,
    INPUT_SIZE,
    Backbone,
    Bank,
    Reduction,
    SceneLearner,
    Statistics,
    write_scene_file,
)
from streammon.records import AnomalyMap, Channel, Frame
from streammon.scene.motion_file import MOTION_FILE, load_motion, save_motion
from streammon.scene.motion_learner import MotionBank, MotionLearner
from streammon.scene.video import VideoBank, VideoLearner, motion_bank


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a scene's bank says of one frame.

    Attributes:
        score: Frame score.
        channel: The evidence that spoke loudest.
        anomaly_map: (S, S) float32, on the scale of the score: where it is highest, the frame got its score.
    """

    score: float
    channel: Channel
    anomaly_map: AnomalyMap


class Judge(Protocol):
    """A learned scene, ready to judge its frames."""

    @property
    def calibration(self) -> Calibration:
        """From scores to false alarms a day."""

    def read(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Reading]:
        """Judge B frames, each stream's in their order, by the backbone's maps of them, (B, C, h, w) each."""

    def scores(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[tuple[float, Channel]]:
        """Score and channel of each, as `read` has them, without drawing its map."""


class PatchJudge:
    """PaDiM alone.

    Args:
        bank: Prepared and calibrated.
    """

    def __init__(self, bank: Bank) -> None:
        assert bank.calibration is not None
        self.calibration = bank.calibration
        self._bank = bank

    def read(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Reading]:
        """Judge B frames by their maps alone."""
        anomaly_maps, scores = self._bank.score(maps)
        pictures = anomaly_maps.cpu().numpy()
        return [
            Reading(score, Channel.LOOKS, picture) for score, picture in zip(scores.tolist(), pictures, strict=True)
        ]

    def scores(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[tuple[float, Channel]]:
        """Score B frames by their maps alone."""
        return [(score, Channel.LOOKS) for score in self._bank.score(maps)[1].tolist()]


class VideoJudge:
    """PaDiM and motion.

    Args:
        bank: Of both.
    """

    def __init__(self, bank: VideoBank) -> None:
        self.calibration = bank.calibration
        self._bank = bank

    def read(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Reading]:
        """Judge B frames with `detail`, each stream's in their order."""
        verdicts = self._bank.judge(frames, maps)
        return [
            Reading(verdict.score, verdict.channel, scaled(anomaly_map, verdict.score))
            for verdict, anomaly_map in zip(verdicts, self._bank.anomaly_maps(verdicts), strict=True)
        ]

    def scores(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[tuple[float, Channel]]:
        """Score B frames with `detail`, each stream's in their order."""
        return [(verdict.score, verdict.channel) for verdict in self._bank.judge(frames, maps)]


def scaled(anomaly_map: AnomalyMap, score: float) -> AnomalyMap:
    """A map of surprise whose peak is its frame's score, as in PaDiM: boxes and heatmaps share one threshold.

    The score is averaged over time and weighed against normal footage, so surprise summed by place is no measure of
    it; where in the picture the frame is abnormal doesn't change by a factor. A map that is 0 stays so.

    >>> scaled(np.array([[1.0, 4.0]], np.float32), 2.0)
    array([[0.5, 2. ]], dtype=float32)
    """
    peak = float(anomaly_map.max())
    return anomaly_map * np.float32(score / peak) if peak > 0 else anomaly_map


@dataclass(eq=False)
class Learned:
    """All that was learned of a scene, to be saved and then judged by.

    Attributes:
        patches: The patch bank, not yet prepared.
        motion: What was learned of motion; None for PaDiM alone.
        motion_bank: What judges by it; None without motion, or where nothing was held out.
    """

    patches: Bank
    motion: MotionLearner | None = None
    motion_bank: MotionBank | None = None

    @property
    def method(self) -> str:
        """`motion` or `padim`."""
        return "padim" if self.motion is None else "motion"

    @property
    def calibration(self) -> Calibration | None:
        """From the method's own scores to false alarms a day; None where nothing was held out."""
        if self.motion is None:
            return self.patches.calibration
        return None if self.motion_bank is None else self.motion_bank.calibration

    def save(self, folder: Path, learned_from: list[str]) -> None:
        """Write the scene's files; only before `judge`.

        Raises:
            StorageError: One can't be written.
        """
        self.patches.save(folder)
        if self.motion is not None:
            save_motion(folder, self.motion, self.patches.facts)
        else:
            _forget_motion(folder)
        write_scene_file(folder, self.patches.facts, learned_from, self.method, self.calibration)

    def judge(self, backbone: Backbone, observer: Observer | None) -> Judge:
        """Make it ready to judge frames.

        Args:
            backbone: Whose device computes.
            observer: What looks at the frames; None for PaDiM alone.
        """
        patches = self.patches.prepare(backbone.device)
        if observer is None:
            return PatchJudge(patches)
        assert self.motion_bank is not None
        return VideoJudge(VideoBank(patches, self.motion_bank, observer))


def _forget_motion(folder: Path) -> None:
    """Remove what an earlier fit learned of motion: the patches beside it are others now."""
    file = folder / MOTION_FILE
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise StorageError(
            str(file), f"it can't be removed ({reason})", "remove it, or choose --scenes DIR"
        ) from None


class Learning:
    """One scene while it is learned.

    Attributes:
        patches: Learns the patches, and knows what calibrates.
    """

    def __init__(
        self,
        scene: str,
        backbone: Backbone,
        model: ModelConfig,
        observer: Observer | None,
        crop: int | None = None,
        reduction: Reduction | None = None,
        earlier: Statistics | None = None,
    ) -> None:
        """Start afresh, or go on from `earlier` patch statistics; motion's follow by `add_motion`.

        Args:
            scene: Its name.
            backbone: Whose maps come with the frames.
            model: The bank's shape.
            observer: What looks at the frames; None for PaDiM alone.
            crop: Side of a centre crop of the model's input, for PaDiM alone.
            reduction: Of the channels; None makes the configured one.
            earlier: Patch statistics to go on from.

        Raises:
            BankError: `earlier` was fitted with something else.
            ConfigError: More channels are to be kept than there are.
        """
        self._scene = scene
        self._video: VideoLearner | None = None
        if observer is None:
            self.patches = SceneLearner(scene, backbone, model, INPUT_SIZE, crop, reduction, earlier)
        else:
            self._video = VideoLearner(scene, backbone, model, INPUT_SIZE, observer, reduction, earlier)
            self.patches = self._video.patches

    def add_motion(self, folder: Path) -> None:
        """Go on from the motion that a scene's folder holds; nothing to do for PaDiM alone.

        Raises:
            BankError: It is missing, broken, or belongs to another bank.
        """
        if self._video is not None:
            load_motion(folder, self._video.motion, self.patches.statistics.facts)

    def learn(self, frames: Sequence[Frame], maps: list[Tensor], times_s: list[float]) -> None:
        """Take in B frames with their maps (B, C, h, w) and their times on the clock that calibrates, in order."""
        if self._video is None:
            self.patches.learn(maps, times_s)
        else:
            self._video.learn(frames, maps, times_s)

    def begin_calibration(self) -> None:
        """Judge what comes from now on by what was learned so far, before it is learned as well.

        Raises:
            FootageError: Fewer than 2 frames were seen.
        """
        (self.patches if self._video is None else self._video).begin_calibration()

    def finish(self) -> Learned:
        """All that was learned.

        Raises:
            FootageError: Too little was seen or held out.
        """
        patches = self.patches.bank()
        return learned(self._scene, patches, None if self._video is None else self._video.motion)


def learned(scene: str, patches: Bank, motion: MotionLearner | None) -> Learned:
    """What was learned of patches and of motion, together.

    Raises:
        FootageError: Too little was held out to judge motion by.
    """
    if motion is None or not motion.held_out:
        return Learned(patches, motion)
    return Learned(patches, motion, motion_bank(scene, motion))


def load_judge(folder: Path, backbone: Backbone, model: ModelConfig, observer: Observer | None) -> Judge:
    """What a scene's folder holds, ready to judge.

    Args:
        folder: The scene's.
        backbone: Whose maps come with the frames.
        model: What the configuration asks for.
        observer: What looks at the frames; None for PaDiM alone.

    Raises:
        BankError: A file is missing, broken, uncalibrated, or was fitted with something else.
    """
    where = f"scene {folder.name!r}"
    bank = Bank.load(folder)
    bank.hold_fit(backbone, INPUT_SIZE, INPUT_SIZE)
    if bank.facts.frame_score != model.frame_score:
        found = f"its bank is calibrated for frame_score {bank.facts.frame_score}, the config asks for"
        remedy = f"fit it again with `streammon fit --scene {folder.name}`"
        raise BankError(where, f"{found} {model.frame_score}", remedy)
    if bank.calibration is None:
        found = "its bank has no calibration"
        raise BankError(where, found, "fit it again on more footage, without --hold-out 0")
    if observer is None:
        return PatchJudge(bank.prepare(backbone.device))
    return VideoJudge(VideoBank.beside(folder, bank, backbone, observer))


def merged_motion(parts: Sequence[Path]) -> MotionLearner | None:
    """What several fits of one scene learned of motion; None where none of them did.

    Raises:
        BankError: Some did and some did not, or a file is broken.
    """
    lacking = [part for part in parts if not (part / MOTION_FILE).exists()]
    if len(lacking) == len(parts):
        return None
    if lacking:
        found = "it has no motion file, and another part has one"
        raise BankError(str(lacking[0]), found, "fit all parts with the same --method")
    joint: MotionLearner | None = None
    for part in parts:
        facts = Bank.load(part).facts
        learner = MotionLearner(feature_dimensions(ARCHITECTURES[facts.backbone].channels), None)
        load_motion(part, learner, facts)
        if joint is None:
            joint = learner
        elif joint.detector != learner.detector:
            found = f"its objects were found otherwise than those of {parts[0]}"
            raise BankError(str(part), found, "fit all parts with the same model.detector")
        else:
            joint.merge(learner)
    return joint
