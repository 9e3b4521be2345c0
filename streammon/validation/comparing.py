"""Staged anomalies scored by two scenes of one camera: what one catches and the other doesn't."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.errors import FootageError
from streammon.ingest import Clip, batched
from streammon.scene import SceneComparison
from streammon.validation.catching import scored_frames, staged_frame
from streammon.validation.footage import LEAST_SEGMENT_FRAMES, Piece, SampledPace, Segment, read_segment
from streammon.validation.staging import AnomalyKind, Mover, StagedSegment, movers, stage, traffic

MOST_SEGMENTS = 6
"""Clips that anomalies are staged in: each is decoded twice, and 40 s of it are in memory at a time."""

EACH_KIND = 2
"""Staged anomalies of each kind, twelve in all: enough to see that something is lost, not how much, in a minute."""

SEED = 0


@dataclass(frozen=True)
class StagedComparison:
    """One staged anomaly, scored by several scenes.

    Attributes:
        kind: Kind of the anomaly.
        caught: For each scene: True if a frame with the anomaly reached the scene's threshold, and the same frame
            without it did not.
    """

    kind: str
    caught: tuple[bool, ...]


def compare_staged(
    clips: Sequence[Clip],
    comparison: SceneComparison,
    thresholds: Sequence[float],
    score_fps: float | None,
    batch: int,
    counted: Callable[[int], None],
) -> list[StagedComparison]:
    """Stage anomalies in clips, the same in every call, and score each with every scene.

    The clips may have alerts of their own: only frames that stay below the threshold without the anomaly count.

    Args:
        clips: Footage of the camera; of more than `MOST_SEGMENTS` so many are used, evenly spread.
        comparison: The scenes.
        thresholds: Score at which an alert opens, for each scene.
        score_fps: Highest number of frames a second that are scored; None for all.
        batch: Number of frames scored at once.
        counted: Called with the number of anomalies done, out of `EACH_KIND` of each kind.
    """
    chosen = [clips[len(clips) * number // MOST_SEGMENTS] for number in range(MOST_SEGMENTS)]
    pieces = [_whole(clip) for clip in (chosen if len(clips) > MOST_SEGMENTS else clips)]
    cast, usual = _cast_and_traffic(pieces)
    rng, wanted, found = np.random.default_rng(SEED), dict.fromkeys(AnomalyKind, EACH_KIND), list[StagedComparison]()
    for number, piece in enumerate(pieces):
        segment = _segment(piece)
        if segment is None:
            continue
        shape = segment.pictures[0].shape[:2]
        for kind in AnomalyKind:  # what a clip doesn't allow is staged in a later one
            for _ in range(-(-wanted[kind] // (len(pieces) - number))):
                staged = stage(kind, segment.pictures, segment.times_s, cast[shape], usual[shape], rng)
                if staged is None:
                    break
                wanted[kind] -= 1
                name = f"{segment.name} {kind} {wanted[kind]}"
                found.append(_compared(staged, segment, comparison, thresholds, score_fps, batch, name))
                counted(1)
    return found


def _compared(
    staged: StagedSegment,
    segment: Segment,
    comparison: SceneComparison,
    thresholds: Sequence[float],
    score_fps: float | None,
    batch: int,
    name: str,
) -> StagedComparison:
    indices, begin_s, _ = scored_frames(staged, segment, score_fps)
    scores = _scored(staged, segment, indices, comparison, batch, name)
    shown = np.array([segment.times_s[index] >= begin_s for index in indices])
    limits = np.array(thresholds)[:, None]
    reached = (scores >= limits) & shown
    if reached.any():  # else nothing is caught, whatever the frames score without the anomaly
        plain = StagedSegment(staged.kind, segment.pictures, staged.masks)
        reached &= _scored(plain, segment, indices, comparison, batch, f"{name} plain") < limits
    return StagedComparison(str(staged.kind), tuple(reached.any(axis=1).tolist()))


def _scored(
    footage: StagedSegment, segment: Segment, indices: list[int], comparison: SceneComparison, batch: int, stream: str
) -> NDArray[np.float64]:
    """(scenes, frames) scores of these frames, as a recording of this name."""
    frames = (staged_frame(footage, segment, index, stream) for index in indices)
    return np.concatenate([np.array(comparison.scores(some)) for some in batched(frames, batch)], axis=1)


def _whole(clip: Clip) -> Piece:
    return Piece(clip, 0, clip.frame_count())


def _segment(piece: Piece) -> Segment | None:
    """The beginning of a clip; None if it is too short, or can't be read."""
    try:
        segment = read_segment(piece, SampledPace())
    except FootageError:
        return None
    same_size = len({picture.shape for picture in segment.pictures}) == 1
    return segment if same_size and len(segment.frames) >= LEAST_SEGMENT_FRAMES else None


def _cast_and_traffic(
    pieces: Sequence[Piece],
) -> tuple[dict[tuple[int, ...], list[Mover]], dict[tuple[int, ...], NDArray[np.float32]]]:
    """Movers of all clips, and the clips' mean traffic, by the height and width of the picture."""
    cast: dict[tuple[int, ...], list[Mover]] = {}
    usual: dict[tuple[int, ...], list[NDArray[np.float32]]] = {}
    for piece in pieces:
        segment = _segment(piece)
        if segment is not None:
            shape = segment.pictures[0].shape[:2]
            cast.setdefault(shape, []).extend(movers(segment.pictures, segment.times_s))
            usual.setdefault(shape, []).append(traffic(segment.pictures))
    return cast, {shape: np.mean(each, axis=0).astype(np.float32) for shape, each in usual.items()}
