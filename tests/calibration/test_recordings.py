"""Time watched and peaks: of each recording by itself, however the frames of several are mixed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.calibration import Calibration, FootageClock, RecentRecordings, peaks_above, stretches, watched_s

FPS = 5.0


def paced(frames: int, start_s: float = 0.0) -> list[float]:
    return [start_s + number / FPS for number in range(frames)]


# --- watched time


def test_time_between_held_out_stretches_is_not_watched() -> None:
    """Fifty seconds of footage: of the one fit five stretches of two seconds are held out, of the other all."""
    few = [time_s for start in range(0, 50, 10) for time_s in paced(10, start)]
    names = [str(start) for start in range(0, 50, 10) for _ in range(10)]
    assert watched_s(names, few) == pytest.approx(10.0)
    assert watched_s(["lobby"] * 250, paced(250)) == pytest.approx(50.0)


def test_a_fit_that_holds_out_less_of_the_same_footage_never_promises_more() -> None:
    scores = np.random.default_rng(0).exponential(1.0, 250)
    held = np.concatenate([np.arange(start, start + 10) for start in range(0, 250, 50)])
    times_s = np.array(paced(250))
    less = Calibration.from_scores(scores[held], [str(index // 50) for index in held], times_s[held].tolist())
    whole = Calibration.from_scores(scores, ["lobby"] * 250, times_s.tolist())
    assert less.watched_s == pytest.approx(10.0)
    assert whole.watched_s == pytest.approx(50.0)
    assert less.score_at_rate(1.0) > whole.score_at_rate(1.0)


def test_a_pause_is_not_watched_and_neither_is_a_clock_set_back() -> None:
    times_s = [*paced(5), *paced(5, 60.0), *paced(5, -3600.0)]
    assert watched_s(["lobby"] * 15, times_s) == pytest.approx(3.0)
    assert [len(part) for part in stretches(["lobby"] * 15, times_s)] == [5, 5, 5]


def test_a_longest_step_may_be_asked_for() -> None:
    times_s = [0.0, 0.2, 3.0, 3.2]
    assert [len(part) for part in stretches(["lobby"] * 4, times_s)] == [4]
    assert [len(part) for part in stretches(["lobby"] * 4, times_s, longest_step_s=1.0)] == [2, 2]


def test_frames_of_one_moment_take_no_time() -> None:
    assert watched_s([], []) == 0.0
    assert watched_s(["lobby"] * 4, [0.0] * 4) == 0.0


# --- peaks


def test_a_second_of_quiet_separates_two_peaks() -> None:
    times = [0.0, 0.5, 1.0, 2.0, 3.1, 3.2]
    recording = ["lobby"] * 6
    assert peaks_above(np.full(6, 9.0), recording, times, 9.0).tolist() == [9.0, 9.0]  # 2.0 to 3.1 is over a second
    assert peaks_above(np.array([9.0, 0, 0, 8, 0, 0]), recording, times, 8.0).tolist() == [9.0, 8.0]
    assert peaks_above(np.zeros(6), recording, times, 9.0).tolist() == []


def test_a_peak_does_not_reach_from_one_recording_into_another() -> None:
    scores, names = np.full(10, 5.0), ["monday"] * 5 + ["tuesday"] * 5
    assert len(peaks_above(scores, names, paced(10), 1.0)) == 2
    assert len(peaks_above(scores, ["monday"] * 10, paced(10), 1.0)) == 1


recorded = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.floats(0, 10)), min_size=1, max_size=60)


@given(recorded)
def test_cameras_that_are_interleaved_are_as_those_that_come_one_after_the_other(
    frames: list[tuple[str, float]],
) -> None:
    names, scores = [name for name, _ in frames], np.array([score for _, score in frames])
    counts = dict.fromkeys(names, 0)
    times_s = []
    for name in names:
        times_s.append(counts[name] / FPS)
        counts[name] += 1
    order = sorted(range(len(names)), key=lambda index: names[index])
    apart = [names[index] for index in order], [times_s[index] for index in order]
    assert watched_s(names, times_s) == pytest.approx(watched_s(*apart))
    mixed, sorted_out = peaks_above(scores, names, times_s, 5.0), peaks_above(scores[order], *apart, 5.0)
    assert sorted(mixed.tolist()) == sorted(sorted_out.tolist())


# --- against plain loops


TIMED = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.integers(-3, 60), st.integers(0, 9)), min_size=1, max_size=50
)
"""Frames: the recording, quarters of a second since its frame before, and the score."""


def timed(frames: list[tuple[str, int, int]]) -> tuple[list[str], list[float], list[float]]:
    """Recordings, times and scores."""
    now = {"one": 0, "two": 1000}
    names, times_s, scores = [], [], []
    for name, step, score in frames:
        now[name] += step
        names.append(name)
        times_s.append(now[name] / 4)
        scores.append(float(score))
    return names, times_s, scores


def parts_of(names: list[str], times_s: list[float]) -> list[list[int]]:
    """Stretches, frame by frame: another begins where a recording's clock steps back, stands or skips over 10 s."""
    found: list[list[int]] = []
    latest: dict[str, list[int]] = {}
    for index, (name, time_s) in enumerate(zip(names, times_s, strict=True)):
        if name not in latest or not 0 < time_s - times_s[latest[name][-1]] <= 10:
            latest[name] = []
            found.append(latest[name])
        latest[name].append(index)
    return found


@given(TIMED)
def test_stretches_are_those_of_a_plain_loop(frames: list[tuple[str, int, int]]) -> None:
    names, times_s, _ = timed(frames)
    found = [part.tolist() for part in stretches(names, times_s)]
    assert sorted(found) == sorted(parts_of(names, times_s))


@given(TIMED)
def test_watched_are_the_steps_within_stretches_and_one_usual_step_for_each(
    frames: list[tuple[str, int, int]],
) -> None:
    names, times_s, _ = timed(frames)
    parts = parts_of(names, times_s)
    steps = [times_s[after] - times_s[before] for part in parts for before, after in pairwise(part)]
    expected = sum(steps) + len(parts) * float(np.median(steps)) if steps else 0.0
    assert watched_s(names, times_s) == pytest.approx(expected)


@given(TIMED, st.integers(1, 9))
def test_peaks_are_the_highest_of_runs_of_a_plain_loop(frames: list[tuple[str, int, int]], threshold: int) -> None:
    """A frame at or above the threshold goes on a run whose last such frame is at most a second before."""
    names, times_s, scores = timed(frames)
    expected = []
    for part in parts_of(names, times_s):
        last_s = -np.inf
        for index in part:
            if scores[index] < threshold:
                continue
            if times_s[index] - last_s > 1:
                expected.append(scores[index])
            expected[-1] = max(expected[-1], scores[index])
            last_s = times_s[index]
    found = peaks_above(np.array(scores), names, times_s, float(threshold))
    assert sorted(found.tolist()) == sorted(expected)


@given(TIMED)
def test_the_clock_counts_the_steps_of_its_stretches(frames: list[tuple[str, int, int]]) -> None:
    names, times_s, _ = timed(frames)
    clock = FootageClock()
    steps = [clock.advance(name, time_s) for name, time_s in zip(names, times_s, strict=True)]
    begun = {part[0] for part in parts_of(names, times_s)}
    assert all((step == 0) == (index in begun) for index, step in enumerate(steps))
    expected = sum(times_s[part[-1]] - times_s[part[0]] for part in parts_of(names, times_s))
    assert clock.seconds == pytest.approx(expected)


@given(TIMED, st.integers(-1000, 1000))
def test_when_the_footage_began_does_not_matter(frames: list[tuple[str, int, int]], began_s: int) -> None:
    names, times_s, scores = timed(frames)
    later = [time_s + began_s for time_s in times_s]
    assert watched_s(names, later) == pytest.approx(watched_s(names, times_s))
    assert [part.tolist() for part in stretches(names, later)] == [
        part.tolist() for part in stretches(names, times_s)
    ]
    peaks = [peaks_above(np.array(scores), names, each, 5.0).tolist() for each in (times_s, later)]
    assert peaks[0] == peaks[1]


# --- clock and state


def test_the_clock_adds_up_the_steps_within_each_recording() -> None:
    clock = FootageClock()
    for index in range(11):
        clock.advance("one", index)
        clock.advance("two", 1000 + index / 2)
    assert clock.seconds == pytest.approx(10 + 5)
    assert [clock.advance("one", time_s) for time_s in (60.0, 61.0, 0.0, 4.0)] == [0.0, 1.0, 0.0, 4.0]


def test_the_recording_that_was_used_least_recently_is_let_go() -> None:
    kept: RecentRecordings[list[int]] = RecentRecordings(list, most=2)
    for number, recording in enumerate(["one", "two", "one", "three"]):
        kept[recording].append(number)
    assert ("one" in kept, "two" in kept, "three" in kept) == (True, False, True)
    assert (kept["one"], len(kept)) == ([0, 2], 2)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5))
def test_a_recording_that_is_kept_keeps_its_state_and_one_that_was_let_go_begins_again(
    uses: list[int], most: int
) -> None:
    """Each state counts its uses: those since the recording was last let go."""
    kept: RecentRecordings[list[int]] = RecentRecordings(list, most)
    counts: dict[int, int] = {}  # least recently used first
    for number in uses:
        counts[number] = counts.pop(number, 0) + 1
        if len(counts) > most:
            del counts[next(iter(counts))]
        state = kept[str(number)]
        state.append(number)
        assert len(state) == counts[number]
    assert {str(number) for number in counts} == {str(number) for number in range(10) if str(number) in kept}
