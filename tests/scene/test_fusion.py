"""Fusion of channels into one score."""

import math
from dataclasses import replace

import numpy as np
import pytest

from streammon.motion.evidence import Evidence
from streammon.records import Channel
from streammon.scene.fusion import Averages, CellTails, Fusion, Parts
from streammon.scene.held_out import HeldOut, HeldOutFrames, Stretch


def evidence(speed: float = 0.0, place: float = 0.0, likeness: float = 0.8) -> Evidence:
    cells = np.arange(20, dtype=np.int16)
    values = np.full(20, speed, np.float16)
    looks = np.full(20, 5, np.float16)
    return Evidence(cells, values, looks, looks, place=place, likeness=likeness)


def held_out(frames: int = 300, recording: str = "lobby") -> list[HeldOut]:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(frames, 3))
    nothing = np.zeros(4, np.float16)
    return [
        HeldOut(recording, n / 10, 10 + a, 10 + a, nothing, evidence(b, abs(c))) for n, (a, b, c) in enumerate(noise)
    ]


def stretches_of(frames: list[HeldOut]) -> list[Stretch]:
    kept = HeldOutFrames()
    for frame in frames:
        kept.add(frame)
    return kept.stretches


class TestFusion:
    def judged(self, fusion: Fusion, seen: Evidence, patches: float = 10.0, frames: int = 8) -> tuple[float, Channel]:
        """Score and channel of the last of some frames that all show the same, from 0 s on."""
        found = [fusion.fuse(seen, patches, "yard", n / 10) for n in range(frames)]
        score, channel, _ = found[-1]
        return score, channel

    def test_the_witness_that_sees_something_speaks_and_is_named(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        score, channel = self.judged(fusion, evidence(speed=9.0))
        assert channel is Channel.SPEED
        assert score > 3
        assert self.judged(fusion, evidence(place=6.0))[1] is Channel.PLACE
        assert self.judged(fusion, evidence(), patches=40.0)[1] is Channel.LOOKS
        assert self.judged(fusion, evidence(likeness=0.05))[1] is Channel.VIEW
        assert self.judged(fusion, evidence(speed=90.0, likeness=0.05))[1] is Channel.VIEW

    def test_what_hides_the_view_for_moments_is_no_other_view(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        likeness = [0.8] * 50 + [0.0] * 30 + [0.8] * 50 + [0.0] * 60  # hidden for 3 s, and another for 6
        found = [fusion.fuse(evidence(likeness=like), 10.0, "yard", n / 10) for n, like in enumerate(likeness)]
        assert max(score for score, _, _ in found[:140]) < 3
        score, channel, _ = found[-1]
        assert score > 6
        assert channel is Channel.VIEW

    def test_a_part_that_is_left_out_is_silent(self) -> None:
        quiet = Fusion.of(stretches_of(held_out()), Parts(speed=False, witnesses=frozenset()))
        assert self.judged(quiet, evidence(speed=9.0))[0] == self.judged(quiet, evidence())[0]

    def test_a_witness_with_a_small_share_must_be_more_surprising(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        reached = np.array([frame.evidence.place for frame in held_out()]).max()
        score, _ = self.judged(fusion, evidence(place=float(reached)))
        alone = Fusion.of(stretches_of(held_out()), Parts(witnesses=frozenset()))
        assert score < self.judged(alone, evidence(speed=float(reached)))[0]

    def test_one_frame_alone_counts_less_than_the_same_for_a_while(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        before = [fusion.fuse(evidence(), 10.0, "yard", n / 10)[0] for n in range(8)][-1]
        flash, _, _ = fusion.fuse(evidence(speed=9.0), 10.0, "yard", 0.8)
        assert before < flash < self.judged(fusion, evidence(speed=9.0))[0]

    def test_scores_of_held_out_frames_are_what_each_gets_when_it_comes_by(self) -> None:
        """Frames of two recordings, interleaved, as two cameras give them."""
        lobby, yard = held_out(150), held_out(150, "yard")
        parts = stretches_of([frame for pair in zip(lobby, yard, strict=True) for frame in pair])
        fusion = Fusion.of(parts)
        passing = [
            fusion.fuse(frame.evidence, frame.still, frame.recording, frame.time_s)[0]
            for part in parts
            for frame in part.frames
        ]
        assert fusion.scores(parts).tolist() == passing

    def test_a_fusion_read_from_its_arrays_scores_as_the_one_written(self) -> None:
        parts = stretches_of(held_out())
        fusion = Fusion.of(parts)
        again = Fusion.of_arrays({name: array.copy() for name, array in fusion.arrays().items()})
        assert again.scores(parts).tolist() == fusion.scores(parts).tolist()


def test_looks_count_beyond_what_the_worst_cell_of_one_frame_in_ten_shows() -> None:
    rng = np.random.default_rng(0)
    frames = [
        replace(frame, evidence=replace(frame.evidence, looks=rng.gamma(4, size=20).astype(np.float16)))
        for frame in held_out()
    ]
    tails = CellTails.of([frame.evidence for frame in frames], Parts())
    at = {share: float(np.quantile([frame.evidence.looks.max() for frame in frames], share)) for share in (0.9, 0.97)}
    shown = {
        share: tails.surprise(replace(evidence(), looks=np.full(20, value, np.float16)))[1].max()
        for share, value in at.items()
    }
    assert shown[0.9] == pytest.approx(0, abs=0.05)
    assert shown[0.97] == pytest.approx(-math.log10(0.03) - 1, abs=0.1)


def test_averages_reach_back_by_time_and_not_over_a_gap() -> None:
    averages = Averages(0.6)
    steady = [averages.take({Channel.SPEED: float(n)}, n / 10)[Channel.SPEED] for n in range(10)]
    assert steady[2] == pytest.approx(1.0)
    assert steady[9] == pytest.approx(np.mean([4, 5, 6, 7, 8, 9]))
    views = Averages(0.6)
    assert [views.take({Channel.VIEW: float(n)}, n / 10)[Channel.VIEW] for n in range(80)][-1] == pytest.approx(54.5)
    assert averages.take({Channel.SPEED: 50.0}, 30.0)[Channel.SPEED] == 50.0
    assert averages.take({Channel.SPEED: 7.0}, 2.0)[Channel.SPEED] == 7.0


def test_another_stretch_begins_every_10_s_and_with_each_recording() -> None:
    frames = held_out(250)  # 25 s
    frames += [replace(frame, recording="yard") for frame in frames[:20]]
    assert [len(stretch.frames) for stretch in stretches_of(frames)] == [100, 100, 50, 20]
