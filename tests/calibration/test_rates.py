"""Thresholds keep the rate of false alarms they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.calibration import SETTINGS, Calibration

FPS = 5.0
DAY_S = 86400.0
SCORES = st.lists(st.floats(0, 100), min_size=10, max_size=200)
QUICK = settings(deadline=None, max_examples=50)


def calibrated(scores: list[float]) -> Calibration:
    return Calibration.from_scores(np.array(scores), ["lobby"] * len(scores), [i / FPS for i in range(len(scores))])


def independent_scores(seconds: int, seed: int) -> list[float]:
    """One exponential peak a second, low scores between: peaks are independent, and their tail is known."""
    rng = np.random.default_rng(seed)
    frames = np.full(int(seconds * FPS), 1.0) + 0.001 * rng.random(int(seconds * FPS))
    frames[:: int(2 * FPS)] = 5 + rng.exponential(1.0, len(frames[:: int(2 * FPS)]))
    return [float(score) for score in frames]


def test_rate_of_known_exponential_peaks() -> None:
    """A peak every 2 s of height 5 + Exp(1): at 5 + x there are 43,200 e^-x a day."""
    calibration = calibrated(independent_scores(20_000, seed=0))
    for x in (1.0, 3.0, 6.0, 10.0):
        expected = 43_200 * math.exp(-x)
        assert calibration.false_alarms_per_day(5 + x) == pytest.approx(expected, rel=0.35)


def test_little_footage_promises_less_than_much() -> None:
    """The same tail seen for a minute demands a threshold more scales out than seen for hours."""
    short, long = calibrated(independent_scores(60, 1)), calibrated(independent_scores(20_000, 1))
    scales_out = [(c.score_at(0) - c.tail_start) / c.tail_scale for c in (short, long)]
    assert scales_out[0] > 1.2 * scales_out[1]


@given(st.lists(st.floats(0, 100), min_size=10, max_size=200), st.floats(-4, 4))
def test_thresholds_and_levels_are_inverse_and_rise_together(scores: list[float], level: float) -> None:
    calibration = calibrated(scores)
    grid = np.linspace(0, 200, 50)
    levels = [calibration.level(float(score)) for score in grid]
    assert all(math.isfinite(level) for level in levels)
    assert levels == sorted(levels)
    threshold = calibration.score_at(level)
    if level > calibration.level(calibration.tail_start):
        assert calibration.level(threshold) == pytest.approx(level, abs=1e-6)


def test_one_long_peak_counts_once() -> None:
    scores = [1.0] * 100 + [9.0] * 12 + [1.0] * 100
    calibration = calibrated(scores)
    assert calibration.peaks.tolist() == [9.0]
    assert calibration.watched_s == pytest.approx(len(scores) / FPS)


def test_clips_played_one_after_the_other_are_separate_recordings() -> None:
    """What lies between two clips is neither time nor a reason to join peaks."""
    scores, times = [1.0] * 9 + [5.0] + [5.0] + [1.0] * 9, [i / FPS for i in range(20)]
    calibration = Calibration.from_scores(np.array(scores), ["monday"] * 10 + ["tuesday"] * 10, times)
    assert calibration.peaks.tolist() == [5.0, 5.0]
    assert calibration.watched_s == pytest.approx(20 / FPS, rel=0.1)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="9 held-out frames; a calibration needs at least 10"):
        calibrated([1.0] * 9)


def test_frames_without_time_are_refused() -> None:
    with pytest.raises(ValueError, match="the held-out frames carry no time"):
        Calibration.from_scores(np.ones(20), ["lobby"] * 20, [0.0] * 20)


# --- the formula


def one_peak(height: float, decades: bool = True) -> Calibration:
    """A frame a second for 100 s, all of score 1 but for one peak: u0 = 1, T = 100 s, k = 1 + 100 / 10 = 11."""
    scores = np.ones(100)
    scores[50] = height
    return Calibration.from_scores(scores, ["lobby"] * 100, np.arange(100.0).tolist(), decades=decades)


def test_the_rate_beyond_one_peak_by_hand() -> None:
    """Scale (3 + 20 * 1) / (1 + 20) of decades: n / T a second at u0, times (1 + (u - 1) / (11 scale))^-11."""
    calibration = one_peak(4.0)
    assert (calibration.tail_start, calibration.watched_s, calibration.tail_shape) == (1.0, 100.0, 11.0)
    assert calibration.tail_scale == pytest.approx(23 / 21)
    assert calibration.false_alarms_per_day(1.0) == pytest.approx(DAY_S / 100)
    for score in (2.0, 5.0, 30.0):
        expected = DAY_S / 100 * (1 + (score - 1) / (11 * 23 / 21)) ** -11
        assert calibration.false_alarms_per_day(score) == pytest.approx(expected)
        assert calibration.level(score) == pytest.approx(-math.log10(expected))
    assert calibration.score_at_rate(1.0) == pytest.approx(1 + 11 * 23 / 21 * (864 ** (1 / 11) - 1))


def test_of_distances_the_scale_before_any_peak_is_the_frames_mean_excess() -> None:
    """The one frame above u0 exceeds it by 3: unit 3, scale (3 + 20 * 3) / 21 = 3."""
    calibration = one_peak(4.0, decades=False)
    assert calibration.unit == calibration.tail_scale == 3.0
    assert one_peak(4.0).unit == 1.0


def test_a_perfectly_still_picture_has_a_thousandth_of_its_score_as_the_scale() -> None:
    calibration = one_peak(1.0, decades=False)
    assert (calibration.tail_scale, calibration.peaks.tolist()) == (0.001, [])
    assert calibration.false_alarms_per_day(1.0) == pytest.approx(DAY_S / 100)  # as if of one peak


def test_below_the_tail_frames_are_counted() -> None:
    """Scores 0 to 99 with u0 = 89.1, so 10 frames above it: at u, n / T times (frames from u on) / 10."""
    scores = np.arange(100.0)
    calibration = Calibration.from_scores(scores, ["lobby"] * 100, scores.tolist())
    assert calibration.tail_start == pytest.approx(89.1)
    at_start = DAY_S / 100  # one run of frames
    for score, above in ((89.0, 11), (50.0, 50), (49.5, 50), (0.0, 100), (-5.0, 100)):
        assert calibration.false_alarms_per_day(score) == pytest.approx(at_start * above / 10)
    for above in (11, 50, 99):  # a rate between two frames' takes the rarer
        assert calibration.score_at_rate(at_start * (above + 0.5) / 10) == 100 - above
    assert calibration.score_at_rate(1e9) == 0


def test_with_twenty_peaks_the_tail_begins_at_their_median() -> None:
    """Twenty of 11 to 30: the median is 20.5, ten are above it, by 5 on average; 19 peaks leave u0 where it was."""
    for count, start, peaks in ((20, 20.5, 10), (19, 1.0, 19)):
        scores = np.ones(400)
        scores[5 : 5 + 20 * count : 20] = 11 + np.arange(count)
        calibration = Calibration.from_scores(scores, ["lobby"] * 400, (2.0 * np.arange(400)).tolist(), decades=True)
        assert (calibration.tail_start, len(calibration.peaks)) == (start, peaks)
    assert count == 19
    assert calibration.tail_rate_per_s == pytest.approx(19 / 800)


# --- properties


@given(SCORES, st.booleans(), st.floats(-50, 300), st.floats(0, 50))
@QUICK
def test_false_alarms_fall_as_the_score_rises(scores: list[float], decades: bool, score: float, more: float) -> None:
    calibration = Calibration.from_scores(
        np.array(scores), ["lobby"] * len(scores), [n / FPS for n in range(len(scores))], decades=decades
    )
    low, high = calibration.false_alarms_per_day(score), calibration.false_alarms_per_day(score + more)
    assert 0 <= high <= low * (1 + 1e-12)


@given(SCORES, st.floats(-6, 6))
@QUICK
def test_the_score_at_a_level_is_the_least_that_reaches_it(scores: list[float], level: float) -> None:
    """Any score in the tail; below it a held-out score, or the tail's start."""
    calibration = calibrated(scores)
    found = calibration.score_at(level)
    assert calibration.level(found) >= level - 1e-6
    if found > calibration.tail_start:
        assert calibration.level(found) == pytest.approx(level, abs=1e-6)
    else:
        assert found in calibration.scores or found == calibration.tail_start
        assert all(calibration.level(score) <= level + 1e-6 for score in calibration.scores if score < found)


@given(SCORES, st.floats(0, 6))
@QUICK
def test_in_the_tail_the_score_at_a_level_has_that_level(scores: list[float], more: float) -> None:
    calibration = calibrated(scores)
    level = calibration.level(calibration.tail_start) + 1e-6 + more
    assert calibration.level(calibration.score_at(level)) == pytest.approx(level, abs=1e-6)


@given(SCORES, st.floats(1e-3, 300))
@QUICK
def test_in_the_tail_the_score_at_the_level_of_a_score_is_that_score(scores: list[float], excess: float) -> None:
    calibration = calibrated(scores)
    score = calibration.tail_start + excess
    assert calibration.score_at(calibration.level(score)) == pytest.approx(score, rel=1e-6, abs=1e-6)


@given(SCORES, st.floats(-6, 6), st.floats(0, 4))
@QUICK
def test_on_either_side_of_the_tail_s_start_the_score_rises_with_the_level(
    scores: list[float], level: float, more: float
) -> None:
    calibration = calibrated(scores)
    start = calibration.level(calibration.tail_start)
    if level > start or level + more < start - 1e-6:
        assert calibration.score_at(level) <= calibration.score_at(level + more)


@pytest.mark.parametrize("per_day", [0.01, 1.0, 24.0, 1e5])
def test_the_score_at_a_rate_is_that_at_its_level(per_day: float) -> None:
    calibration = calibrated(independent_scores(100, 2))
    assert calibration.score_at_rate(per_day) == calibration.score_at(-math.log10(per_day))


@given(st.lists(st.floats(0.01, 100), min_size=10, max_size=100), st.floats(0.1, 10), st.floats(0, 300))
@QUICK
def test_the_unit_of_distances_does_not_matter(scores: list[float], unit: float, score: float) -> None:
    found = [calibrated([each * factor for each in scores]).level(score * factor) for factor in (1.0, unit)]
    if min(abs(score - each) for each in [*scores, calibrated(scores).tail_start]) > 1e-6:  # where the rate steps
        assert found[0] == pytest.approx(found[1], abs=1e-3)


@given(SCORES)
@QUICK
def test_the_order_of_recordings_does_not_matter(scores: list[float]) -> None:
    half = len(scores) // 2
    names = ["lobby"] * half + ["yard"] * (len(scores) - half)
    times_s = [n / FPS for n in range(len(scores))]
    one = Calibration.from_scores(np.array(scores), names, times_s)
    turned = [*range(half, len(scores)), *range(half)]
    other = Calibration.from_scores(
        np.array(scores)[turned], [names[n] for n in turned], [times_s[n] for n in turned]
    )
    for score in (0.0, 50.0, 120.0):
        assert one.false_alarms_per_day(score) == pytest.approx(other.false_alarms_per_day(score))


# --- what is watched since


PEAKS = st.lists(st.floats(0, 200), max_size=40)


@given(SCORES, PEAKS, PEAKS, st.floats(0, 1e5), st.floats(0, 1e5))
@QUICK
def test_peaks_and_seconds_watched_add_up(
    scores: list[float], first: list[float], second: list[float], first_s: float, second_s: float
) -> None:
    """Those watched in two parts, the one after the other, are those watched at once."""
    base = calibrated(scores)
    apart = base.extended(np.array(first), first_s).extended(np.array(second), second_s)
    once = base.extended(np.array(first + second), first_s + second_s)
    for name, array in once.arrays().items():
        np.testing.assert_allclose(apart.arrays()[name], array, rtol=1e-9, err_msg=name)
    assert once.peaks.tolist() == sorted([*base.peaks, *(peak for peak in first + second if peak > base.tail_start)])


@given(SCORES)
@QUICK
def test_nothing_watched_changes_nothing(scores: list[float]) -> None:
    base = calibrated(scores)
    for name, array in base.extended(np.empty(0), 0.0).arrays().items():
        np.testing.assert_array_equal(array, base.arrays()[name], err_msg=name)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
@QUICK
def test_the_longer_nothing_happens_the_fewer_false_alarms_are_expected(first_s: float, more_s: float) -> None:
    base = one_peak(4.0)
    short, long = (base.extended(np.empty(0), seconds) for seconds in (first_s, first_s + more_s))
    for score in (1.0, 4.0, 20.0):
        assert long.false_alarms_per_day(score) < short.false_alarms_per_day(score)
    assert short.tail_shape == pytest.approx(1 + (100 + first_s) / 10)


def test_of_more_than_two_hundred_peaks_the_highest_are_kept_above_the_next() -> None:
    """Peaks 4 and 2 to 251.5 in halves: of 501 the highest 200 are 152 to 251.5, and the tail begins at 151.5."""
    base, peaks = one_peak(4.0), np.arange(2.0, 252.0, 0.5)
    calibration = base.extended(peaks, 900.0)
    assert SETTINGS.rates.most_peaks == len(calibration.peaks) == 200
    assert (calibration.tail_start, calibration.peaks[0], calibration.peaks[-1]) == (151.5, 152.0, 251.5)
    assert calibration.tail_rate_per_s == pytest.approx(200 / 1000)
    assert calibration.tail_scale == pytest.approx((200 * 50.25 + 20) / 220)  # 0.5 to 100 above it


# --- its arrays


def test_a_calibration_of_its_arrays_is_the_same() -> None:
    base = calibrated(independent_scores(100, 3))
    again = Calibration.of_arrays({name: array.copy() for name, array in base.arrays().items()})
    for level in (-3.0, -1.0, 0.0, 2.0):
        assert again.score_at(level) == base.score_at(level)
    assert again.extended(np.array([9.0]), 50.0).level(8.0) == base.extended(np.array([9.0]), 50.0).level(8.0)


def test_arrays_without_one_or_of_another_length_are_refused() -> None:
    arrays = calibrated(independent_scores(100, 3)).arrays()
    for name in arrays:
        with pytest.raises(KeyError, match=name):
            Calibration.of_arrays({key: array for key, array in arrays.items() if key != name})
    with pytest.raises(ValueError, match="size 1"):
        Calibration.of_arrays({**arrays, "unit": np.ones(2)})
