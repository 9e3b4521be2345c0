"""Footage divided into folds, and the segments of it that anomalies are staged in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise

from streammon.ingest import Clip
from streammon.ingest.detail import SHORTEST_LAG_S
from streammon.padim import INPUT_SIZE
from streammon.records import Detail, Frame, Picture

SEGMENT_FRAMES = 400
"""At 10 frames a second 40 s: who crosses the picture is seen whole, and 0.3 GB hold it."""

LEAST_SEGMENT_FRAMES = 40

BLOCK_S = 300.0
"""Of very long footage a part of each such block is taken: gaps are then too long to count as watched."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring frames of one clip.

    Attributes:
        clip: The clip.
        first: Number of its first frame, among those that are kept.
        last: Number behind its last.
    """

    clip: Clip
    first: int
    last: int

    @property
    def name(self) -> str:
        """Tells it from every other."""
        return f"{self.clip.path}#{self.first}"

    def __len__(self) -> int:
        return self.last - self.first

    def seconds(self, taken: "Taken") -> float:
        """About how many seconds of it are taken."""
        frames = -(-self.clip.counted_frames() // taken.every)
        return self.clip.seconds() * len(self) / max(1, frames) * taken.share

    def frames(self, taken: "Taken") -> Iterator[Frame]:
        """Its frames with their details, a recording of their own that begins at 0 s."""
        start_s = None
        for frame in self.clip.frames(INPUT_SIZE, taken.every, detail=True, fps=taken.fps):
            if frame.seq >= self.last:
                return
            if frame.seq < self.first:
                continue
            start_s = frame.stream_time_s if start_s is None else start_s
            time_s = frame.stream_time_s - start_s
            if time_s % BLOCK_S < taken.share * BLOCK_S:
                yield replace(frame, camera=self.name, stream_time_s=time_s)


@dataclass(frozen=True)
class Taken:
    """Which frames of footage are taken.

    Attributes:
        every: The first of each so many; frame numbers count these.
        fps: Of those at most so many a second; None for all.
        share: Of each five minutes, their beginning: what is taken of very long footage.
    """

    every: int = 1
    fps: float | None = None
    share: float = 1.0


Fold = list[Piece]


def folds(clips: Sequence[Clip], counts: Sequence[int], number: int) -> list[Fold]:
    """Divides footage into neighbouring parts of about equal length.

    Whole clips stay together where there are enough of them; else the footage is cut, clip after clip, into `number`
    contiguous parts.

    Args:
        clips: In order of time.
        counts: Frames of each.
        number: How many parts.

    Returns:
        At most `number` folds, none of them empty.
    """
    total = sum(counts)
    ends = [sum(counts[: index + 1]) for index in range(len(counts))]
    if len(clips) >= number:
        whole: list[Fold] = [[] for _ in range(number)]
        for clip, count, end in zip(clips, counts, ends, strict=True):
            if count:
                whole[min(number - 1, int(number * (end - count / 2) / total))].append(Piece(clip, 0, count))
        if all(whole):
            return whole
    borders = [round(total * part / number) for part in range(number + 1)]
    parts = []
    for begin, border in pairwise(borders):
        cut = [
            Piece(clip, max(0, begin - end + count), min(count, border - end + count))
            for clip, count, end in zip(clips, counts, ends, strict=True)
        ]
        parts.append([piece for piece in cut if piece.last > piece.first])
    return [part for part in parts if part]


def spots(fold: Fold, most: int) -> list[Piece]:
    """Where in a fold segments may begin: pieces spread over it, long ones cut where there are too few."""
    cuts = max(1, most // len(fold))
    found = []
    for piece in fold:
        parts = max(1, min(cuts, len(piece) // SEGMENT_FRAMES))
        borders = [piece.first + len(piece) * part // parts for part in range(parts + 1)]
        found += [Piece(piece.clip, *pair) for pair in pairwise(borders)]
    if len(found) <= most:
        return found
    return [found[len(found) * (2 * index + 1) // (2 * most)] for index in range(most)]


@dataclass(frozen=True, eq=False)
class Segment:
    """Footage held in memory, about ten frames a second.

    Attributes:
        name: Tells it from every other.
        frames: Its frames, each with its detail; their times begin anywhere.
    """

    name: str
    frames: list[Frame]

    @cached_property
    def details(self) -> list[Detail]:
        """Each frame's."""
        return [frame.detail for frame in self.frames if frame.detail is not None]

    @cached_property
    def pictures(self) -> list[Picture]:
        """(H, W, 3) uint8 RGB each, of a detail's size: what is staged in."""
        return [detail.picture for detail in self.details]

    @cached_property
    def times_s(self) -> list[float]:
        """When each was taken."""
        return [frame.stream_time_s for frame in self.frames]


def read_segment(piece: Piece, taken: Taken, most: int = SEGMENT_FRAMES) -> Segment:
    """A piece's first frames, thinned so that the frame before is the one that ingest would compare each with.

    Args:
        piece: Where to read.
        taken: Says what its frame numbers count.
        most: Frames to take.

    Raises:
        FootageError: It can't be read.
    """
    frames: list[Frame] = []
    for frame in islice(
        piece.clip.frames(INPUT_SIZE, 1, detail=True), piece.first * taken.every, piece.last * taken.every
    ):
        if not frames or frame.stream_time_s - frames[-1].stream_time_s >= SHORTEST_LAG_S:
            frames.append(frame)
            if len(frames) == most:
                break
    return Segment(piece.name, frames)
