"""Calibration that goes on: the asked rate is kept over the long run, and nobody makes himself normal."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.calibration import Calibration, OnlineCalibration, WatchedState
from streammon.calibration.online import TRACKER
from streammon.calibration.rates import FORM
from streammon.scene.watched import WATCHED_FILE, forget_watched, load_watched, save_watched

STEP_S = 6
"""Between frames: days of them pass in a second."""

DAY_S = 86400
PEAK_EVERY_S = 60
PEAK_EVERY = PEAK_EVERY_S // STEP_S


def normal_scores(seconds: int, rng: np.random.Generator) -> list[float]:
    """A peak of 1 + Exp(0.4) decades each minute, little between."""
    scores = np.full(seconds // STEP_S, 0.2)
    peaks = scores[::PEAK_EVERY]
    peaks[:] = 1 + rng.exponential(0.4, len(peaks))
    return scores.tolist()


def learned(minutes: int = 10) -> Calibration:
    scores = np.array(normal_scores(60 * minutes, np.random.default_rng(0)))
    return Calibration.from_scores(
        scores, ["a"] * len(scores), [float(STEP_S * n) for n in range(len(scores))], decades=True
    )


def watch_all(online: OnlineCalibration, scores: list[float], open_level: float, start_s: int = 0) -> list[int]:
    """When alerts opened: with the first frame at or above the level, closed with the next one below."""
    opened, is_open = [], False
    for second, score in zip(itertools.count(start_s, STEP_S), scores, strict=False):
        above = online.level(score) >= open_level
        if above and not is_open:
            online.alert_opened("lobby", f"alert {second}")
            opened.append(second)
        elif is_open and not above:
            online.alert_closed("lobby")
        is_open = above
        online.watch("lobby", float(second), score)
    return opened


def test_after_a_day_once_a_day_rests_on_a_day() -> None:
    online = OnlineCalibration(learned(), 1.0)
    before = online.score_at(0.0)
    watch_all(online, normal_scores(DAY_S, np.random.default_rng(1)), open_level=0.0)
    assert online.calibration.watched_s == pytest.approx(600 + DAY_S, rel=0.01)
    expected = 1 + 0.4 * math.log(DAY_S / PEAK_EVERY_S)  # the height that one peak a day exceeds
    assert online.score_at(0.0) == pytest.approx(expected, abs=0.8)
    assert online.score_at(0.0) < before - 1  # ten minutes could promise it only far out


def test_over_the_long_run_no_more_alerts_come_than_were_asked_for() -> None:
    """Peaks that grow for days: without tracking, most would alert."""
    rng, days, per_day = np.random.default_rng(2), 3, 24.0
    scores = normal_scores(days * DAY_S, rng)
    growth = 3 * np.arange(0, days * DAY_S, PEAK_EVERY_S) / DAY_S
    scores[::PEAK_EVERY] = (np.array(scores[::PEAK_EVERY]) + growth).tolist()
    calibration, open_level = learned(), -math.log10(per_day)
    online = OnlineCalibration(calibration, per_day)
    opened = watch_all(online, scores, open_level)
    assert len(opened) <= per_day * days + TRACKER.most / TRACKER.step + 1
    untracked = sum(calibration.level(score) >= open_level for score in scores[::PEAK_EVERY])
    assert untracked > 10 * len(opened)


@given(st.lists(st.floats(0, 50), max_size=200), st.floats(0.5, 5000))
def test_the_shift_stays_within_its_bounds(scores: list[float], per_day: float) -> None:
    online = OnlineCalibration(learned(), per_day)
    watch_all(online, scores, -math.log10(per_day))
    assert 0 <= online.shift <= TRACKER.most
    assert online.shift <= TRACKER.most_per_hour + 1e-9  # all of it within an hour


def test_who_stays_for_an_hour_is_one_alert_and_does_not_become_normal() -> None:
    online = OnlineCalibration(learned(), 24.0)
    level = -math.log10(24)
    watch_all(online, normal_scores(6 * 3600, np.random.default_rng(3)), level)
    before = online.score_at(level)
    intruder = before + 5.0
    opened = watch_all(online, [intruder] * (3600 // STEP_S) + [0.2] * 10, level, start_s=6 * 3600)
    assert len(opened) == 1
    assert intruder not in online.state.peaks
    assert online.level(intruder) > level
    assert online.score_at(level) < before + 1.5


def test_an_alert_that_was_real_does_not_raise_the_threshold() -> None:
    online = OnlineCalibration(learned(), 1.0)
    before = online.score_at(0.0)
    online.alert_opened("lobby", "a")
    assert online.score_at(0.0) > before
    online.alert_judged("a", 12.0, normal=False)
    assert online.score_at(0.0) == before


def test_an_alert_that_was_normal_counts_and_a_changed_verdict_takes_that_back() -> None:
    online = OnlineCalibration(learned(), 1.0)
    watch_all(online, normal_scores(3600, np.random.default_rng(4)), open_level=99.0)
    before = online.score_at(0.0)
    online.alert_opened("lobby", "a")
    online.alert_judged("a", 12.0, normal=True)
    assert 12.0 in online.state.peaks
    assert online.score_at(0.0) > before
    online.alert_judged("a", 12.0, normal=False)
    assert 12.0 not in online.state.peaks
    assert online.score_at(0.0) == pytest.approx(before, abs=0.1)  # calibrated since


def test_what_is_kept_is_bounded() -> None:
    online = OnlineCalibration(learned(), 1.0)
    watch_all(online, normal_scores(3 * DAY_S, np.random.default_rng(5)), open_level=99.0)
    assert len(online.state.peaks) == FORM.most_peaks + 1
    assert list(online.state.peaks) == sorted(online.state.peaks)


def test_cameras_of_one_scene_add_up() -> None:
    online = OnlineCalibration(learned(), 1.0)
    for second in range(100):
        for camera in ("left", "right"):
            online.watch(camera, float(second), 0.2)
    assert online.state.watched_s == pytest.approx(198)


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    calibration = learned()
    online = OnlineCalibration(calibration, 1.0)
    watch_all(online, normal_scores(7200, np.random.default_rng(6)), open_level=0.0)
    shift = online.shift
    online.alert_opened("lobby", "a")
    save_watched(tmp_path, calibration, online.state)
    again = OnlineCalibration(calibration, 1.0, load_watched(tmp_path, calibration))
    assert again.state == online.state
    assert again.shift == shift + TRACKER.step
    assert again.score_at(0.0) == pytest.approx(online.score_at(0.0), abs=0.2)  # it calibrates once a minute


def test_what_was_watched_with_another_fit_is_not_taken(tmp_path: Path) -> None:
    save_watched(tmp_path, learned(10), WatchedState(3600.0, (2.0,), 0.5))
    assert load_watched(tmp_path, learned(11)) is None
    assert load_watched(tmp_path, learned(10)) == WatchedState(3600.0, (2.0,), 0.5)
    forget_watched(tmp_path)
    assert load_watched(tmp_path, learned(10)) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"calibration": 3}), '{"watched_s": null}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / WATCHED_FILE).write_text(text)
    assert load_watched(tmp_path, learned()) is None
