"""A real clip, its first half learned: the other half raises no alarm, and what is staged in it does."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.calibration import HOLD_OUT
from streammon.config import ModelConfig
from streammon.ingest import Clip, batched, clips
from streammon.padim import load_backbone
from streammon.records import Channel, Frame
from streammon.validation.catching import StagedOutcome, score_staged
from streammon.validation.control import CONTROL, staged_segment
from streammon.validation.footage import Piece, SampledPace, Segment, read_segment
from streammon.validation.learning import FoldBank, learn_fold
from streammon.validation.staging import Mover, movers, traffic
from support.precision import COMPUTED

pytestmark = pytest.mark.slow

MODEL = ModelConfig.model_validate(COMPUTED)
TIMES = 3  # each is staged
FPS = 5.0
PER_DAY = 720.0
"""Thirty an hour: half a minute of held-out footage, which is all that a minute leaves, can't promise much fewer."""

SELECTION = SampledPace(fps=FPS)


@pytest.fixture(scope="module")
def clip(shared_data: Path) -> Clip:
    (found,) = clips(shared_data / "clips" / "one-by-one-person-detection.mp4")
    return found


@pytest.fixture(scope="module")
def halves(clip: Clip) -> tuple[Piece, Piece]:
    frames = clip.frame_count()
    return Piece(clip, 0, frames // 2), Piece(clip, frames // 2, frames)


@pytest.fixture(scope="module")
def bank(halves: tuple[Piece, Piece]) -> FoldBank:
    return learn_fold("hall", [halves[0]], SELECTION, HOLD_OUT, load_backbone(MODEL), MODEL, lambda _: None)


@pytest.fixture(scope="module")
def threshold(bank: FoldBank) -> float:
    return bank.calibration.score_at_rate(PER_DAY)


@pytest.fixture(scope="module")
def segments(halves: tuple[Piece, Piece]) -> list[Segment]:
    return [read_segment(half, SELECTION, most=len(half)) for half in halves]


@pytest.fixture(scope="module")
def usual(segments: list[Segment]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.mean([traffic(each.pictures) for each in segments], axis=0).astype(np.float32)
    return mean


@pytest.fixture(scope="module")
def cast(segments: list[Segment]) -> list[Mover]:
    return [mover for each in segments[::-1] for mover in movers(each.pictures, each.times_s)]


def outcomes(
    kind: str,
    segments: list[Segment],
    cast: list[Mover],
    usual: NDArray[np.float32],
    bank: FoldBank,
    threshold: float,
) -> list[StagedOutcome]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(TIMES):
        staged = staged_segment(kind, segments[1], cast, usual, rng)
        assert staged is not None
        found.append(
            score_staged(staged, segments[1], bank.score_frames, threshold, f"{kind} {number}", MODEL.batch, FPS)
        )
    return found


def scored(frames: Iterable[Frame], bank: FoldBank) -> list[tuple[float, Channel]]:
    return [each for some in batched(frames, MODEL.batch) for each in bank.score_frames(some)]


def darkened(frame: Frame) -> Frame:
    detail = frame.detail
    assert detail is not None
    earlier = None if detail.earlier is None else detail.earlier // 2
    dark = replace(detail, picture=detail.picture // 2, earlier=earlier)
    return replace(frame, camera=f"{frame.camera} dark", picture=frame.picture // 2, detail=dark)


def test_people_as_they_were_learned_raise_no_alarm_at_thirty_an_hour(
    halves: tuple[Piece, Piece], bank: FoldBank, threshold: float
) -> None:
    scores = [score for score, _ in scored(halves[1].frames(SELECTION), bank)]
    assert len(scores) == pytest.approx(len(halves[1]) / 2, abs=1)  # ten a second
    assert max(scores) < threshold


@pytest.mark.parametrize(
    ("kind", "channel", "least"),
    [("fast", Channel.SPEED, 1), ("standing", Channel.LOOKS, 2), ("wrong way", Channel.DIRECTION, 2)],
)
def test_people_who_do_what_nobody_did_are_told_by_the_right_channel(
    kind: str,
    channel: Channel,
    least: int,
    segments: list[Segment],
    cast: list[Mover],
    usual: NDArray[np.float32],
    bank: FoldBank,
    threshold: float,
) -> None:
    """Of three each; half a minute shows too few speeds to tell more of those who are twice as fast."""
    told = [each.channel for each in outcomes(kind, segments, cast, usual, bank, threshold) if each.caught]
    assert len(told) >= least
    assert set(told) == {channel}


def test_people_pasted_in_unchanged_raise_no_alarm(
    segments: list[Segment], cast: list[Mover], usual: NDArray[np.float32], bank: FoldBank, threshold: float
) -> None:
    assert not any(each.caught for each in outcomes(CONTROL, segments, cast, usual, bank, threshold))


@pytest.mark.parametrize("another", ["bottle-detection.mp4", "car-detection.mp4"])
def test_a_camera_that_shows_another_view_says_so_at_once_and_as_long_as_it_does(
    another: str, shared_data: Path, bank: FoldBank, threshold: float
) -> None:
    (turned,) = clips(shared_data / "clips" / another)
    found = scored(Piece(turned, 0, 240).frames(SELECTION), bank)
    assert len(found) >= 30
    assert min(score for score, _ in found) >= threshold
    assert {channel for _, channel in found} == {Channel.VIEW}


def test_at_half_the_light_it_is_the_view_that_was_learned(
    halves: tuple[Piece, Piece], bank: FoldBank, threshold: float
) -> None:
    found = scored((darkened(frame) for frame in islice(halves[1].frames(SELECTION), None, None, 4)), bank)
    assert len(found) > 80
    assert not any(channel is Channel.VIEW and score >= threshold for score, channel in found)
