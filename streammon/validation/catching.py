"""Whether a bank sees what was pasted into footage that it didn't learn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from streammon.ingest import batched
from streammon.ingest.detail import GAP_S
from streammon.ingest.timing import FrameThinning
from streammon.records import Channel, Detail, Frame, Picture
from streammon.validation.blind import touched_cells
from streammon.validation.control import Pasted
from streammon.validation.footage import Segment

Judge = Callable[[Sequence[Frame]], list[tuple[float, Channel]]]
"""Frames of one stream in their order → score and channel of each."""

LEAD_IN_S = 2.0
"""Of untouched frames before: what is averaged over time has settled by then."""

AFTER_S = 1.0
"""After something has gone an alert still counts: evidence is averaged over time."""

MOST_JUDGED_S = 15.0
"""What stands there for so long without an alert is missed."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one pasted thing.

    Attributes:
        act: What it did.
        cells: (ROWS, COLUMNS) bool, where in the picture it was.
        delay_s: From its first frame to the first that reached the threshold; None: missed.
        channel: The evidence that spoke in that frame; None: missed.
    """

    act: str
    cells: NDArray[np.bool_]
    delay_s: float | None = None
    channel: Channel | None = None

    @property
    def caught(self) -> bool:
        """Whether the threshold was reached in time."""
        return self.delay_s is not None


def outcome(
    staged: Pasted,
    segment: Segment,
    judge: Judge,
    threshold: float,
    name: str,
    batch: int,
    score_fps: float | None = None,
) -> Outcome:
    """Judge what was pasted, until it is caught or its time is over.

    Args:
        staged: It.
        segment: The footage it was pasted into.
        judge: Of a bank that didn't learn this footage.
        threshold: Score at which an alert opens.
        name: The stream's, of its own: what is averaged over time begins afresh.
        batch: Frames judged at once.
        score_fps: Frames a second that are judged, at most: as many as were learned; None for all.
    """
    times_s = segment.times_s
    shown = [index for index, mask in enumerate(staged.masks) if mask.any()]
    begin_s = times_s[shown[0]]
    end_s = min(times_s[shown[-1]] + AFTER_S, begin_s + MOST_JUDGED_S)
    judged = [index for index, at in enumerate(times_s) if begin_s - LEAD_IN_S <= at <= end_s]
    if score_fps is not None:
        thinning = FrameThinning(score_fps)
        judged = [index for index in judged if thinning.keeps(times_s[index])]
    cells = touched_cells([mask for mask, at in zip(staged.masks, times_s, strict=True) if at <= end_s])
    frames = (staged_frame(staged, segment, index, name) for index in judged)
    for some in batched(frames, batch):
        for frame, (score, channel) in zip(some, judge(some), strict=True):
            if frame.stream_time_s >= begin_s and score >= threshold:
                return Outcome(staged.act, cells, frame.stream_time_s - begin_s, channel)
    return Outcome(staged.act, cells)


def staged_frame(staged: Pasted, segment: Segment, index: int, name: str) -> Frame:
    """A frame as the camera would have given it: larger, small, and with the picture before.

    The small picture is the camera's own with the difference that the pasting made, scaled down: where nothing was
    touched it is the same bit for bit.
    """
    frame = segment.frames[index]
    before = index - 1 if index else index
    detail = frame.detail
    assert detail is not None
    if staged.masks[index].any() or staged.masks[before].any():
        earlier = cv2.cvtColor(staged.pictures[before], cv2.COLOR_RGB2GRAY)
        step_s = frame.stream_time_s - segment.frames[before].stream_time_s
        known = 0 < step_s <= GAP_S
        shown = staged.pictures[index]
        detail = Detail(shown, np.asarray(earlier, np.uint8) if known else None, step_s if known else 0.0)
    picture = frame.picture
    if staged.masks[index].any():
        picture = with_difference(picture, segment.pictures[index], staged.pictures[index])
    return replace(frame, camera=name, picture=picture, detail=detail)


@torch.inference_mode()
def with_difference(small: Picture, before: Picture, after: Picture) -> Picture:
    """A small picture with what changed in the large one.

    Args:
        small: (S, S, 3) uint8.
        before: (H, W, 3) uint8, the same moment larger.
        after: (H, W, 3) uint8, with the change.
    """
    change = torch.from_numpy(after.astype(np.float32) - before.astype(np.float32)).permute(2, 0, 1)[None]
    size = small.shape[:2]
    scaled = F.interpolate(change, size, mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    return np.asarray(np.clip(np.rint(small + scaled), 0, 255), np.uint8)
