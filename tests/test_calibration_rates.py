"""Thresholds keep the rate of false alarms they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.calibration import Calibration

FPS = 5.0


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
@settings(deadline=None)
def test_thresholds_and_levels_are_inverse_and_rise_together(scores: list[float], level: float) -> None:
    calibration = calibrated(scores)
    grid = np.linspace(0, 200, 50)
    levels = [calibration.level(float(score)) for score in grid]
    assert all(math.isfinite(level) for level in levels)
    assert levels == sorted(levels)
    threshold = calibration.score_at(level)
    if threshold > calibration.tail_start:
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
