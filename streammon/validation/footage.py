"""Folds of footage, and the segments that anomalies are staged in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise

from streammon.ingest import Clip, Pace
from streammon.ingest.detail import SHORTEST_LAG_S
from streammon.padim import INPUT_SIZE
from streammon.records import Detail, Frame, Picture

SEGMENT_FRAMES = 400
"""Maximum frames of a segment: 40 s at 10 frames a second, enough to cross the picture, in 0.3 GB of memory."""

LEAST_SEGMENT_FRAMES = 40

BLOCK_S = 300.0
"""Seconds of a block. Of very long footage the beginning of each block is selected, so that the gaps are too long to
count as watched."""


@dataclass(frozen=True)
class SampledPace(Pace):
    """A pace, and for very long footage the beginning of each block only.

    Attributes:
        share: Share of each block of `BLOCK_S` that is selected, from its beginning.
    """

    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive frames of one clip.

    Attributes:
        clip: Clip that contains the frames.
        first: Number of the first frame; numbers count the frames that `SampledPace.every` leaves.
        last: Number after that of the last frame.
    """

    clip: Clip
    first: int
    last: int

    @property
    def name(self) -> str:
        """Unique name of the piece."""
        return f"{self.clip.path}#{self.first}"

    def __len__(self) -> int:
        return self.last - self.first

    def seconds(self, selection: SampledPace) -> float:
        """Approximate seconds of the piece that are selected."""
        frames = -(-self.clip.frame_count() // selection.every)
        return self.clip.seconds() * len(self) / max(1, frames) * selection.share

    def frames(self, selection: SampledPace) -> Iterator[Frame]:
        """The selected frames of the piece, with details, as a separate recording that begins at 0 s."""
        start_s = None
        for frame in self.clip.frames(INPUT_SIZE, selection.every, detail=True, fps=selection.fps):
            if frame.seq >= self.last:
                return
            if frame.seq < self.first:
                continue
            start_s = frame.stream_time_s if start_s is None else start_s
            time_s = frame.stream_time_s - start_s
            if time_s % BLOCK_S < selection.share * BLOCK_S:
                yield replace(frame, camera=self.name, stream_time_s=time_s)


Fold = list[Piece]


def folds(clips: Sequence[Clip], counts: Sequence[int], number: int) -> list[Fold]:
    """Divide footage into consecutive folds of about equal length.

    Clips stay whole where every fold gets at least one; otherwise the footage, clip after clip, is cut into `number`
    contiguous parts.

    Args:
        clips: Clips in order of time.
        counts: Number of frames of each clip.
        number: Number of folds.

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


def segment_pieces(fold: Fold, most: int) -> list[Piece]:
    """At most `most` pieces spread over a fold, to read segments from; long pieces are cut if there are too few."""
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
    """Footage in memory, at about ten frames a second.

    Attributes:
        name: Unique name of the segment.
        frames: Frames of the segment, each with its detail; the first frame's time is arbitrary.
    """

    name: str
    frames: list[Frame]

    @cached_property
    def details(self) -> list[Detail]:
        """Detail of each frame."""
        return [frame.detail for frame in self.frames if frame.detail is not None]

    @cached_property
    def pictures(self) -> list[Picture]:
        """Pictures of the details, (H, W, 3) uint8 RGB each; anomalies are pasted into these."""
        return [detail.picture for detail in self.details]

    @cached_property
    def times_s(self) -> list[float]:
        """Stream time of each frame."""
        return [frame.stream_time_s for frame in self.frames]


def read_segment(piece: Piece, selection: SampledPace, most: int = SEGMENT_FRAMES) -> Segment:
    """First frames of a piece, thinned so that each frame's predecessor is the one ingest would pair it with.

    Args:
        piece: Piece to read.
        selection: Selection by which the piece's frames are numbered.
        most: Maximum number of frames to read.

    Raises:
        FootageError: The clip can't be read.
    """
    frames: list[Frame] = []
    for frame in islice(
        piece.clip.frames(INPUT_SIZE, 1, detail=True), piece.first * selection.every, piece.last * selection.every
    ):
        if not frames or frame.stream_time_s - frames[-1].stream_time_s >= SHORTEST_LAG_S:
            frames.append(frame)
            if len(frames) == most:
                break
    return Segment(piece.name, frames)
