"""Scores of frames against a learned scene."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.calibration import Calibration, OnlineCalibration
from streammon.errors import BankError
from streammon.motion import Measure, Observer
from streammon.motion.evidence import OBJECT_CHANNELS
from streammon.padim import Backbone, MapSmoother
from streammon.records import AnomalyMap, Channel, Frame, ScoredFrame
from streammon.scene.learned import MotionTails, Scene
from streammon.scene.measure import Measured, SceneMeasure

Grids = tuple[NDArray[np.float32], ...]
"""Grids of (g, g) each; the anomaly map is the sum of the grids, each upsampled and blurred as in PaDiM."""


@dataclass(frozen=True, eq=False)
class Fused:
    """One frame's score.

    Attributes:
        score: PaDiM's frame score, or the fused score with motion.
        channel: Kind of evidence that contributes most.
        grids: Grids of the frame's anomaly map.
    """

    score: float
    channel: Channel
    grids: Grids


class SceneScorer:
    """Scores the frames of one scene; the frames of each recording come in their order.

    Args:
        scene: The learned scene.
        backbone: Network whose maps accompany the frames.
        observer: Observes motion; None for PaDiM alone, even if the scene was learned with motion.
        open_level: Level at which alerts open; the threshold of each frame is the score at this level.

    Attributes:
        name: Name of the scene.
        observer: Observes motion; None for PaDiM alone.
        tails: Tails of motion evidence; None for PaDiM alone, or without held-out frames.
        known_calibration: False alarms a day as a function of the score; None without held-out frames.
        measure: Measures frames against the scene.
        online: Calibration that goes on while the scene is watched; None for that of held-out footage alone.
    """

    def __init__(self, scene: Scene, backbone: Backbone, observer: Observer | None, open_level: float = 0.0) -> None:
        self.name = scene.bank.facts.scene
        motion = None if observer is None else scene.motion
        self.tails = None if motion is None else motion.tails
        self.known_calibration = scene.bank.calibration if motion is None else scene.calibration
        self.observer = observer
        self._open_level = open_level
        bank = scene.bank.prepare(backbone.device)
        measure = None if motion is None else Measure(motion.halves, motion.widths)
        self.measure = SceneMeasure(bank, measure, looks=measure is None)
        self._smoothers: dict[int, MapSmoother] = {}
        self.online: OnlineCalibration | None = None

    @property
    def calibration(self) -> Calibration:
        """False alarms a day as a function of the score, from held-out footage.

        Raises:
            BankError: No frames were held out.
        """
        if self.known_calibration is None:
            found, remedy = "its bank has no calibration", "fit it again on more footage, without --hold-out 0"
            raise BankError(f"scene {self.name!r}", found, remedy)
        return self.known_calibration

    @property
    def threshold(self) -> float:
        """The score at which an alert opens."""
        return (self.online or self.calibration).score_at(self._open_level)

    @property
    def basis_s(self) -> float:
        """Seconds of normal footage that levels rest on."""
        return (self.calibration if self.online is None else self.online.calibration).watched_s

    def score(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[ScoredFrame]:
        """Score B frames: by the scene's method, but those without the `detail` that motion needs by looks alone.

        Args:
            frames: Frames, with `detail` where motion is scored.
            maps: The backbone's three maps of them, (B, C, h, w) each.
        """
        by_looks = [number for number, frame in enumerate(frames) if self.scores_looks_only(frame)]
        if not by_looks:
            return self._score(frames, maps)
        rest = sorted(set(range(len(frames))) - set(by_looks))
        scored = dict(zip(by_looks, self._score_looks(*_chosen(by_looks, frames, maps)), strict=True))
        if rest:
            scored |= zip(rest, self._score(*_chosen(rest, frames, maps)), strict=True)
        return [scored[number] for number in range(len(frames))]

    def scores_looks_only(self, frame: Frame) -> bool:
        """True if the scene has motion and the frame has none: the bank and its own calibration then score it."""
        return self.measure.motion is not None and frame.detail is None

    def _score(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[ScoredFrame]:
        measured = self.measured(frames, maps)
        if self.measure.motion is None:
            fused = self.fuse(frames, measured)
            anomaly_maps = self.anomaly_maps(fused)
        else:
            fused, anomaly_maps = self._fused_and_maps(frames, measured)
        threshold, basis_s, levels = self.threshold, self.basis_s, self.online or self.calibration
        return [
            self._scored(
                frame,
                each,
                anomaly_map,
                level=levels.level(each.score),
                threshold=threshold,
                basis_s=basis_s,
                moves=len(seen.evidence.cells) > 0,
            )
            for frame, each, anomaly_map, seen in zip(frames, fused, anomaly_maps, measured, strict=True)
        ]

    def _score_looks(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[ScoredFrame]:
        """Frames scored by the bank, with its own calibration.

        Levels are those of PaDiM's frame scores on held-out footage, less the threshold's shift. Scores and maps are
        given on the scale of the scene's method, as the score of the same level, so that alerts and their peaks
        compare with those of other frames.
        """
        bank, levels = self.measure.bank, self.online or self.calibration
        shift, threshold = 0.0 if self.online is None else self.online.shift, self.threshold
        assert bank.calibration is not None, "made of the same held-out frames as the calibration of motion"
        anomaly_maps, distances = bank.score(maps)
        scored = []
        for frame, anomaly_map, distance in zip(frames, anomaly_maps.cpu().numpy(), distances.tolist(), strict=True):
            level, peak = bank.calibration.level(distance) - shift, float(anomaly_map.max())
            fused = Fused(levels.score_at(level), Channel.LOOKS, ())
            scaled = anomaly_map * np.float32(fused.score / peak if peak > 0 else 1.0)
            basis_s = bank.calibration.watched_s
            scored.append(self._scored(frame, fused, scaled, level=level, threshold=threshold, basis_s=basis_s))
        return scored

    def _scored(
        self,
        frame: Frame,
        fused: Fused,
        anomaly_map: AnomalyMap,
        *,
        level: float,
        threshold: float,
        basis_s: float,
        moves: bool = False,
    ) -> ScoredFrame:
        return ScoredFrame(
            camera=frame.camera,
            scene=self.name,
            seq=frame.seq,
            wall_time_s=frame.wall_time_s,
            stream_time_s=frame.stream_time_s,
            score=fused.score,
            level=level,
            threshold=threshold,
            anomaly_map=anomaly_map,
            source_size=frame.source_size,
            channel=fused.channel,
            basis_s=basis_s,
            moves=moves,
            light_changes=frame.light_changes,
        )

    def measured(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Measured]:
        """Measurements of B frames against the scene."""
        observations = [] if self.observer is None else self.observer.observe(frames, maps)
        return self.measure.measure(maps, observations)

    def fuse(self, frames: Sequence[Frame], measured: Sequence[Measured]) -> list[Fused]:
        """One score for each measured frame.

        With motion the grids are scaled so that the maximum of each anomaly map is its frame's score (a map of zeros
        stays zero): boxes and heatmaps of every camera then share one threshold. The score is averaged over time and
        calibrated, the surprise of each cell is not; a factor does not move the maximum.
        """
        if self.measure.motion is None:
            return [Fused(each.looks, Channel.LOOKS, (each.distances,)) for each in measured]
        return self._fused_and_maps(frames, measured)[0]

    def _fused_and_maps(
        self, frames: Sequence[Frame], measured: Sequence[Measured]
    ) -> tuple[list[Fused], list[AnomalyMap]]:
        """Fused score and anomaly map of each frame with motion: the map is the sum that its scale is computed of."""
        fused = [self._fused(frame, each) for frame, each in zip(frames, measured, strict=True)]
        summed = self._summed([each.grids for each in fused])
        scaled = []
        for each, total in zip(fused, summed, strict=True):
            peak = float(total.max())
            factor = np.float32(each.score / peak if peak > 0 else 1.0)
            total *= factor
            scaled.append(replace(each, grids=tuple(grid * factor for grid in each.grids)))
        return scaled, list(summed)

    def _fused(self, frame: Frame, measured: Measured) -> Fused:
        tails, measure, seen = self.tails, self.measure.motion, measured.observation
        assert tails is not None
        assert measure is not None
        assert seen is not None
        score, channel, moving = tails.fusion.fuse(
            measured.evidence, measured.still, frame.camera, frame.stream_time_s
        )
        if channel in OBJECT_CHANNELS:  # the cells of the object that caused it may be usual, one by one
            moving.reshape(-1)[measure.most_unusual_object_cells(seen, channel)] += score
        patches = tails.patches.surprise(measured.distances).astype(np.float32)
        if Channel.LOOKS not in tails.fusion.parts.witnesses:
            patches = np.zeros_like(patches)
        return Fused(score, channel, (patches, moving))

    def anomaly_maps(self, fused: Sequence[Fused]) -> list[AnomalyMap]:
        """Anomaly maps, (S, S) float32 each, in the unit of the scores."""
        if self.measure.motion is None:
            bank, distances = self.measure.bank, torch.from_numpy(np.stack([each.grids[0] for each in fused]))
            return list(bank.maps_and_scores(distances.to(bank.mean.device))[0].cpu().numpy())
        return list(self._summed([each.grids for each in fused]))

    @torch.inference_mode()
    def _summed(self, grids: Sequence[Grids]) -> NDArray[np.float32]:
        """(B, S, S): all grids of one size at once, since two threads that meet for each small product wait."""
        side = self.measure.bank.facts.crop
        total = np.zeros((len(grids), side, side), np.float32)
        for kind in zip(*grids, strict=True):
            cells = len(kind[0])
            if cells not in self._smoothers:
                self._smoothers[cells] = MapSmoother((cells, cells), (side, side), torch.device("cpu"))
            total += self._smoothers[cells](torch.from_numpy(np.stack(kind))).numpy()
        return total

    def variant(self, tails: MotionTails) -> Self:
        """The same scorer with other tails and another calibration."""
        other = copy(self)
        other.tails, other.known_calibration = tails, tails.calibration
        return other

    def scoring_bytes(self) -> int:
        """Bytes of memory of the bank, and of the Gaussians and rates of motion."""
        motion = self.measure.motion
        return self.measure.bank.scoring_bytes() + (0 if motion is None else motion.scoring_bytes())


def _chosen(numbers: list[int], frames: Sequence[Frame], maps: list[Tensor]) -> tuple[list[Frame], list[Tensor]]:
    """Some of the frames, and their maps."""
    return [frames[number] for number in numbers], [each[numbers] for each in maps]
