"""Draws: cached results of one method with one seed, or in one random view, over all test clips."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.cache import ClipResult
from streammon.evaluation.frame_facts import FrameFacts, unknown_facts
from streammon.evaluation.harness import Harness
from streammon.evaluation.labelled import LabelledClip, Mask, TrackedBoxes
from streammon.evaluation.methods import GridSmoother, Method
from streammon.evaluation.metrics import ClipScores
from streammon.records import AnomalyMap

CHUNK = 64  # maps upsampled at once


@dataclass(frozen=True, eq=False)
class Draw:
    """One of the runs over which the spread of a method is computed.

    Attributes:
        harness: Harness that ran the method.
        method: Method whose results are read.
    """

    harness: Harness
    method: Method

    @property
    def clips(self) -> list[LabelledClip]:
        """The test clips that were scored, in the data set's order."""
        return [clip for clip in self.harness.dataset.clips if self.harness.result(self.method, clip) is not None]

    def scores(self) -> list[ClipScores]:
        """The raw frame scores of all clips."""
        every, fps = self.harness.selection.every, self.harness.dataset.fps
        return [
            ClipScores(clip.name, clip.scene, self._result(clip).scores, clip.labels[::every], fps / every)
            for clip in self.clips
        ]

    def facts(self, clip: LabelledClip) -> FrameFacts:
        """Times, sizes, levels and channels of a clip's frames."""
        result = self._result(clip)
        return unknown_facts(len(result.scores), self.harness.interval_s) if result.frames is None else result.frames

    @property
    def is_still(self) -> bool:
        """True for a data set of still images."""
        return self.harness.dataset.is_still

    @property
    def localises(self) -> bool:
        """True if the method computes anomaly maps."""
        clips = self.clips
        return bool(clips) and bool(self._result(clips[0]).grids)

    def maps(self, clip: LabelledClip) -> Iterator[AnomalyMap]:
        """The (S, S) anomaly maps of a clip's scored frames, one at a time.

        Bicubic upsampling undershoots 0 beside steep edges; negative values are set to 0.
        """
        smoother = GridSmoother(self.harness.view.side, self.harness.backbone.device)
        grids = self._result(clip).grids
        for start in range(0, len(grids[0]), CHUNK):
            yield from np.maximum(smoother(tuple(np.asarray(grid[start : start + CHUNK]) for grid in grids)), 0)

    def masks(self, clip: LabelledClip) -> Iterator[Mask]:
        """The (S, S) masks of the scored frames; all False for normal frames.

        Raises:
            DatasetError: A mask can't be read.
        """
        assert clip.masks is not None
        view, every = self.harness.view, self.harness.selection.every
        empty = np.zeros((view.side, view.side), dtype=np.bool_)
        for index in range(0, len(clip.labels), every):
            yield view.mask(clip.clip, index, clip.masks[index]) if clip.labels[index] else empty

    def tracks(self, clip: LabelledClip) -> Iterator[TrackedBoxes]:
        """Boxes of the published tracks in the (S, S) maps of the scored frames.

        Raises:
            DatasetError: The boxes of a frame can't be read.
        """
        assert clip.tracks is not None
        view, every = self.harness.view, self.harness.selection.every
        for index in range(0, len(clip.labels), every):
            boxes, tracks = clip.tracks[index]
            yield view.boxes(boxes, clip.tracks.size), tracks

    def null(self, constant: bool) -> "NoiseMaps":
        """Null control of the maps: constant or random ones."""
        return NoiseMaps(self, constant)

    def thresholds(self, clip: LabelledClip) -> dict[str, float]:
        """Raw score at each false-alarm rate, by the rate's name (`1 a day`); empty without calibration."""
        cache = self.harness.methods[self.method]
        bank = "all scenes" if self.harness.selection.global_bank else clip.scene
        thresholds: dict[str, float] = (cache.facts(bank) or {}).get("thresholds", {})
        return thresholds

    def _result(self, clip: LabelledClip) -> ClipResult:
        result = self.harness.result(self.method, clip)
        assert result is not None
        return result


@dataclass(frozen=True, eq=False)
class NoiseMaps:
    """Null control of the anomaly maps: seeded random grids of PaDiM's resolution, upsampled and blurred alike.

    Attributes:
        draw: Draw that gives the clips, the masks and the number of maps.
        constant: Maps of ones instead of random maps.
    """

    draw: Draw
    constant: bool = False

    def maps(self, clip: LabelledClip) -> Iterator[AnomalyMap]:
        """(S, S) maps, one for each scored frame of the clip."""
        side = self.draw.harness.view.side
        generator, smoother = np.random.default_rng(0), GridSmoother(side, self.draw.harness.backbone.device)
        cells = side // 4
        for _ in range(0, len(clip.labels), self.draw.harness.selection.every):
            if self.constant:
                yield np.ones((side, side), dtype=np.float32)
            else:
                grid: NDArray[np.float32] = generator.random((1, cells, cells), dtype=np.float32)
                yield smoother((grid,))[0]

    def masks(self, clip: LabelledClip) -> Iterator[Mask]:
        """The (S, S) masks of the draw."""
        return self.draw.masks(clip)

    def tracks(self, clip: LabelledClip) -> Iterator[TrackedBoxes]:
        """The published tracks, as of the draw."""
        return self.draw.tracks(clip)
