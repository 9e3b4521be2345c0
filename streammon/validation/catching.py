"""Detection of pasted objects by a bank that didn't learn the footage."""

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
from streammon.validation.footage import Segment
from streammon.validation.staging import StagedSegment

ScoreFrames = Callable[[Sequence[Frame]], list[tuple[float, Channel]]]
"""Function from frames of one stream, in their order, to the score and channel of each."""

LEAD_IN_S = 2.0
"""Seconds of untouched frames before the object appears, in which averages over time settle."""

AFTER_S = 1.0
"""Seconds after the object disappears in which an alert still counts, because evidence is averaged over time."""

MAX_SCORED_S = 15.0
"""Longest time in seconds that an object is scored; an object without an alert by then is missed."""


@dataclass(frozen=True, eq=False)
class StagedOutcome:
    """Detection of one pasted object.

    Attributes:
        kind: AnomalyKind of anomaly, or the control.
        cells: (ROWS, COLUMNS) bool, cells of the picture that the object touched.
        delay_s: Seconds from the object's first frame to the first frame at or above the threshold; None if missed.
        channel: Channel of the frame that reached the threshold; None if missed.
    """

    kind: str
    cells: NDArray[np.bool_]
    delay_s: float | None = None
    channel: Channel | None = None

    @property
    def caught(self) -> bool:
        """True if the threshold was reached in time."""
        return self.delay_s is not None


def score_staged(
    staged: StagedSegment,
    segment: Segment,
    score_frames: ScoreFrames,
    threshold: float,
    name: str,
    batch: int,
    score_fps: float | None = None,
) -> StagedOutcome:
    """Score the frames with a pasted object until it is caught or its time is over.

    Args:
        staged: Footage with the pasted object.
        segment: Segment that the object was pasted into.
        score_frames: Scoring function of a bank that didn't learn this footage.
        threshold: Score at which an alert opens.
        name: Name of the stream; a new name restarts the averages over time.
        batch: Number of frames scored at once.
        score_fps: Highest number of frames a second that are scored, the same as in learning; None for all.
    """
    scored, begin_s, end_s = scored_frames(staged, segment, score_fps)
    cells = touched_cells([mask for mask, at in zip(staged.masks, segment.times_s, strict=True) if at <= end_s])
    frames = (staged_frame(staged, segment, index, name) for index in scored)
    for some in batched(frames, batch):
        for frame, (score, channel) in zip(some, score_frames(some), strict=True):
            if frame.stream_time_s >= begin_s and score >= threshold:
                return StagedOutcome(staged.kind, cells, frame.stream_time_s - begin_s, channel)
    return StagedOutcome(staged.kind, cells)


def scored_frames(staged: StagedSegment, segment: Segment, score_fps: float | None) -> tuple[list[int], float, float]:
    """Indices of the frames that are scored for a pasted object.

    Args:
        staged: Footage with the pasted object.
        segment: Segment that the object was pasted into.
        score_fps: Highest number of frames a second; None for all.

    Returns:
        The indices; the time of the object's first frame; the time of the last frame in which an alert counts.
    """
    times_s = segment.times_s
    shown = [index for index, mask in enumerate(staged.masks) if mask.any()]
    begin_s = times_s[shown[0]]
    end_s = min(times_s[shown[-1]] + AFTER_S, begin_s + MAX_SCORED_S)
    scored = [index for index, at in enumerate(times_s) if begin_s - LEAD_IN_S <= at <= end_s]
    if score_fps is not None:
        thinning = FrameThinning(score_fps)
        scored = [index for index in scored if thinning.keeps(times_s[index])]
    return scored, begin_s, end_s


def staged_frame(staged: StagedSegment, segment: Segment, index: int, name: str) -> Frame:
    """A frame with the pasted object in the model's input and in both pictures of its detail.

    The model's input is the original one plus the downscaled difference made by the pasting, so untouched parts stay
    bit-identical.
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
    """A small picture plus the downscaled difference of two large ones.

    Args:
        small: (S, S, 3) uint8.
        before: (H, W, 3) uint8, the same frame at a larger size.
        after: (H, W, 3) uint8, the large frame after the change.
    """
    change = torch.from_numpy(after.astype(np.float32) - before.astype(np.float32)).permute(2, 0, 1)[None]
    size = small.shape[:2]
    scaled = F.interpolate(change, size, mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    return np.asarray(np.clip(np.rint(small + scaled), 0, 255), np.uint8)
