"""Held-out frames: bounded, drawn evenly from all footage, the same however the footage was divided."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.motion import Evidence
from streammon.scene.held_out import NO_EVIDENCE, HeldOut, HeldOutFrames, Stretch

FPS = 5.0
MOST = 1000


def plain(recording: str, number: int) -> HeldOut:
    return HeldOut(recording, number / FPS, float(number))


def moving(recording: str, number: int, cells: int) -> HeldOut:
    rng = np.random.default_rng(number)
    speed, looks, change = rng.normal(size=(3, cells)).astype(np.float16)
    cell_numbers = np.arange(cells, dtype=np.int16)
    evidence = Evidence(cell_numbers, speed, looks, change, rng.uniform(), rng.uniform(), rng.uniform(), 0.9)
    return HeldOut(recording, number / FPS, 1.5, 0.25, rng.normal(size=64).astype(np.float16), evidence)


def held_out(frames: list[HeldOut], most: int = MOST) -> HeldOutFrames:
    kept = HeldOutFrames(most)
    for frame in frames:
        kept.add(frame)
    return kept


def seen_in(kept: HeldOutFrames) -> set[tuple[str, float]]:
    return {(frame.recording, frame.time_s) for frame in kept}


def test_ten_times_the_bound_keeps_as_much_of_each_tenth_of_the_footage() -> None:
    kept = HeldOutFrames(MOST)
    for number in range(10 * MOST):
        kept.add(plain("lobby", number))
        assert len(kept) <= MOST
    assert len(kept) > MOST - 2 * 10 * FPS
    tenths = np.bincount([int(frame.looks) // MOST for frame in kept], minlength=10) / len(kept)
    assert tenths.sum() == pytest.approx(1.0)
    # 20 of 200 stretches are drawn: of each tenth two, give or take less than four standard deviations
    assert tenths.max() < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 20)
    assert np.count_nonzero(tenths) >= 7


def test_the_draw_prefers_no_part_of_the_footage() -> None:
    """Over fifty recordings the fluctuations are averaged away."""
    tenths = np.zeros(10)
    for camera in range(50):
        kept = held_out([plain(f"camera{camera}", 10 * number) for number in range(1000)], most=100)
        tenths += np.bincount([int(frame.looks) // 1000 for frame in kept], minlength=10)
    assert tenths / tenths.sum() == pytest.approx(np.full(10, 0.1), abs=0.03)


def test_a_stretch_is_kept_or_let_go_as_a_whole() -> None:
    kept = held_out([plain("lobby", number) for number in range(4 * MOST)])
    assert {len(stretch.frames) for stretch in kept.stretches} == {50}
    assert all(stretch.recording == "lobby" for stretch in kept.stretches)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 120), min_size=2, max_size=8), st.integers(50, 300), st.data())
def test_two_fits_that_are_merged_keep_what_one_fit_of_both_keeps(
    lengths: list[int], most: int, data: st.DataObject
) -> None:
    clips = [[plain(f"clip{index}", number) for number in range(n)] for index, n in enumerate(lengths)]
    cut = data.draw(st.integers(0, len(clips)))
    whole = held_out([frame for clip in clips for frame in clip], most)
    one, other = (held_out([frame for clip in part for frame in clip], most) for part in (clips[:cut], clips[cut:]))
    one, other = (HeldOutFrames.of_arrays(each.arrays(), most) for each in (one, other))
    one.merge(other)
    assert seen_in(one) == seen_in(whole)
    assert len(one) == len(whole) <= most


def test_interleaved_cameras_are_kept_camera_by_camera() -> None:
    frames = [plain(camera, number) for number in range(60) for camera in ("one", "two")]
    stretches = held_out(frames).stretches
    assert [(stretch.recording, len(stretch.frames)) for stretch in stretches] == [
        ("one", 50),
        ("one", 10),
        ("two", 50),
        ("two", 10),
    ]


@given(st.lists(st.integers(0, 5), max_size=40), st.sampled_from(["lobby", "a\nb", "", "caf\udce9"]))
def test_what_becomes_arrays_comes_back_the_same(cells: list[int], name: str) -> None:
    before = held_out([moving(name, number, count) for number, count in enumerate(cells)])
    before.add(moving("yard", 7, 3))
    after = HeldOutFrames.of_arrays(before.arrays())
    assert len(after) == len(before)
    for ours, theirs in zip(after, before, strict=True):
        assert (ours.recording, ours.time_s, ours.looks, ours.still) == (
            theirs.recording,
            theirs.time_s,
            theirs.looks,
            theirs.still,
        )
        np.testing.assert_array_equal(ours.sample, theirs.sample)
        for field in ("cells", "speed", "looks", "change", "direction", "place", "shape", "likeness"):
            np.testing.assert_array_equal(getattr(ours.evidence, field), getattr(theirs.evidence, field))
    assert [stretch.draw for stretch in after.stretches] == [stretch.draw for stretch in before.stretches]


def test_nothing_held_out_is_no_arrays() -> None:
    assert HeldOutFrames().arrays() == {}
    assert len(HeldOutFrames.of_arrays({})) == 0


@pytest.mark.parametrize("name", ["time_s", "lengths", "samples", "names", "arrays.speed", "numbers.place"])
def test_arrays_that_do_not_fit_one_another_are_refused(name: str) -> None:
    arrays = held_out([moving("lobby", number, 2) for number in range(60)]).arrays()
    assert name in arrays
    with pytest.raises((KeyError, ValueError)):
        HeldOutFrames.of_arrays({each: array for each, array in arrays.items() if each != name})
    if name != "names":
        with pytest.raises((KeyError, ValueError)):
            HeldOutFrames.of_arrays(arrays | {name: arrays[name][:-1]})


def test_without_motion_the_frame_scores_stay() -> None:
    before = held_out([moving("lobby", number, 2) for number in range(60)])
    after = before.without_motion()
    assert [(frame.time_s, frame.looks) for frame in after] == [(frame.time_s, frame.looks) for frame in before]
    assert all(frame.evidence is NO_EVIDENCE and not len(frame.sample) for frame in after)
    after.merge(held_out([plain("yard", number) for number in range(10)]))
    assert len(HeldOutFrames.of_arrays(after.arrays())) == 70


def test_a_stretch_has_the_same_draw_in_every_run() -> None:
    frames = [plain("lobby", 0)]
    assert Stretch("lobby", frames).draw == Stretch("lobby", [*frames, plain("lobby", 1)]).draw
    assert Stretch("yard", frames).draw != Stretch("lobby", frames).draw
