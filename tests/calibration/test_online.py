"""Calibration that goes on: the asked rate is kept over the long run, and nobody makes himself normal."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.calibration import Calibration, OnlineCalibration, WatchedState, first_false_alarms
from streammon.calibration.online import TRACKER
from streammon.calibration.rates import FORM
from streammon.calibration.settings import TrackerSettings
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
            online.alert_opened("lobby")
            opened.append(second)
        elif is_open and not above:
            online.alert_closed("lobby", f"alert {second}")
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


@given(
    st.lists(st.floats(0, 50), max_size=300),
    st.floats(0.5, 5000),
    st.floats(0.1, 2),
    st.sampled_from([2.0, 6.0, math.inf]),
    st.sampled_from([0.7, 2.0, math.inf]),
)
def test_alerts_that_raise_the_threshold_by_a_step_are_as_few_as_asked_for_whatever_the_scores_do(
    scores: list[float], per_day: float, step: float, most: float, most_per_hour: float
) -> None:
    """Steps up less steps down are the shift, and those down are r a day: alerts <= r * days + shift / step."""
    tracker = TrackerSettings(step=step, most=most, most_per_hour=most_per_hour)
    online, is_open, raising = OnlineCalibration(learned(), per_day, settings=tracker), False, 0
    for number, score in enumerate(scores):
        above = online.level(score) >= -math.log10(per_day)
        if above and not is_open:
            online.alert_opened("lobby")
        elif is_open and not above:
            before = online.shift
            online.alert_closed("lobby", f"alert {number}")
            raising += online.shift - before > step * (1 - 1e-9)
        is_open = above
        online.watch("lobby", float(STEP_S * number), score)
        assert raising <= per_day * STEP_S * number / DAY_S + online.shift / step + 1e-6
        assert 0 <= online.shift <= most
        assert math.isfinite(online.shift)


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
    online.alert_opened("lobby")
    assert online.score_at(0.0) == before  # an alert ends by the threshold that it opened at
    online.alert_closed("lobby", "a")
    assert online.score_at(0.0) > before
    online.alert_judged("a", 12.0, normal=False)
    assert online.score_at(0.0) == before


def test_an_alert_that_is_called_real_while_it_is_open_never_raises_the_threshold() -> None:
    online = OnlineCalibration(learned(), 1.0)
    before = online.score_at(0.0)
    online.alert_opened("lobby")
    online.alert_judged("a", 12.0, normal=False)
    online.alert_closed("lobby", "a")
    assert online.score_at(0.0) == before


def test_an_alert_that_was_normal_counts_and_a_changed_verdict_takes_that_back() -> None:
    online = OnlineCalibration(learned(), 1.0)
    watch_all(online, normal_scores(3600, np.random.default_rng(4)), open_level=99.0)
    before = online.score_at(0.0)
    online.alert_opened("lobby")
    online.alert_closed("lobby", "a")
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


def test_the_threshold_falls_by_the_asked_steps_a_day_and_never_below_the_calibration() -> None:
    """24 a day, half a level each: half a level an hour from a shift of 0.75, and none is left after two."""
    online = OnlineCalibration(learned(), 24.0, WatchedState(shift=0.75))
    shifts = []
    for second in range(0, 2 * 3600 + 1, STEP_S):
        online.watch("lobby", float(second), 0.2)
        shifts.append(online.shift)
    assert shifts[0] == 0.75
    assert shifts[3600 // STEP_S] == pytest.approx(0.25)
    assert shifts[-1] == 0


def test_levels_and_scores_are_shifted_together() -> None:
    calibration = learned()
    online = OnlineCalibration(calibration, 1.0, WatchedState(shift=1.5))
    assert online.level(9.0) == pytest.approx(calibration.level(9.0) - 1.5)
    assert online.score_at(0.5) == calibration.score_at(2.0)
    assert online.level(online.score_at(0.5)) == pytest.approx(0.5)


def test_within_an_hour_the_threshold_rises_by_two_levels_at_most_and_ever_by_six() -> None:
    """Half a level an alert: four alerts an hour raise it, further ones don't; after three hours none does."""
    online, shifts = OnlineCalibration(learned(), 1e-9), []
    for hour in range(4):
        for alert in range(6):
            online.alert_opened("lobby")
            online.alert_closed("lobby", f"{hour}-{alert}")
            shifts.append(online.shift)
        for step in range(3606 // STEP_S + 1):  # an hour and a step later
            online.watch("lobby", float(10_000 * hour + STEP_S * step), 0.2)
    expected = [0.5, 1, 1.5, 2, 2, 2, 2.5, 3, 3.5, 4, 4, 4, 4.5, 5, 5.5, 6, *[6] * 8]
    np.testing.assert_allclose(shifts, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("basis_s", "per_day", "expected"),
    [
        (DAY_S, 1.0, 0.0),
        (DAY_S / 10, 1.0, 2.0),  # a decade in steps of half a level
        (DAY_S / 10, 10.0, 0.0),
        (DAY_S / 1000, 1.0, 6.0),
        (30 * DAY_S, 1.0, 0.0),
    ],
)
def test_false_alarms_before_the_threshold_is_known_are_decades_over_the_step(
    basis_s: float, per_day: float, expected: float
) -> None:
    assert first_false_alarms(basis_s, per_day) == pytest.approx(expected)
    assert first_false_alarms(basis_s, per_day, TrackerSettings(step=0.25)) == pytest.approx(2 * expected)


def watch_seconds(
    online: OnlineCalibration, scores: list[float], camera: str = "lobby", start_s: float = 0.0
) -> None:
    """Two frames a second."""
    for number, score in enumerate(scores):
        online.watch(camera, start_s + number / 2, score)


def test_the_highest_frame_of_each_run_is_a_peak_once_a_second_of_quiet_follows() -> None:
    online = OnlineCalibration(learned(), 1.0)
    watch_seconds(online, [0.2, 5.0, 7.0, 6.0, 0.2, 6.5, 0.2, 0.2, 0.2, 4.0, 0.2])
    assert [*online.state.peaks] == [7.0]  # half a second is no quiet, and the run of 4 may go on
    watch_seconds(online, [0.2] * 4, start_s=5.5)
    assert [*online.state.peaks] == [4.0, 7.0]
    assert online.state.watched_s == pytest.approx(7.0)


def test_scores_that_normal_footage_reaches_often_are_no_peaks() -> None:
    base = learned()
    online = OnlineCalibration(base, 1.0)
    watch_seconds(online, [0.2, base.tail_start, 0.2, 0.2, 0.2, base.tail_start + 0.01, 0.2, 0.2, 0.2])
    assert online.state.peaks == (base.tail_start + 0.01,)


def test_frames_of_an_open_alert_are_neither_watched_nor_peaks_and_other_cameras_are() -> None:
    online = OnlineCalibration(learned(), 1.0)
    watch_seconds(online, [0.2, 5.0])
    online.alert_opened("lobby")  # the run so far is the alert's
    watch_seconds(online, [9.0] * 10, start_s=1.0)
    watch_seconds(online, [0.2, 8.0, *[0.2] * 9], camera="yard")
    assert online.state.peaks == (8.0,)
    assert online.state.watched_s == pytest.approx(0.5 + 5.0)
    online.alert_closed("lobby", "a")
    watch_seconds(online, [0.2] * 3, start_s=6.0)
    assert online.state.peaks == (8.0,)
    assert online.state.watched_s == pytest.approx(0.5 + 5.0 + 1.5)


def test_there_is_a_new_calibration_each_minute_watched() -> None:
    base = learned()
    online = OnlineCalibration(base, 1.0)
    renewed = [second for second in range(200) if online.watch("lobby", float(second), 0.2)]
    assert renewed == [60, 120, 180]
    assert online.calibration.watched_s == pytest.approx(base.watched_s + 180)


def test_a_calibration_taken_up_again_is_the_held_out_one_extended_by_what_was_watched() -> None:
    base, state = learned(), WatchedState(7200.0, (3.0, 4.0, 6.0), 1.0)
    online = OnlineCalibration(base, 1.0, state)
    expected = base.extended(np.array([3.0, 4.0, 6.0]), 7200.0)
    assert online.calibration.score_at(0.0) == expected.score_at(0.0) != base.score_at(0.0)
    assert online.state == state


def raised(online: OnlineCalibration, alert_id: str) -> None:
    online.alert_opened("lobby")
    online.alert_closed("lobby", alert_id)


def test_a_verdict_takes_back_its_own_alert_s_rise_and_no_other_s() -> None:
    online = OnlineCalibration(learned(), 1.0)
    raised(online, "a")
    raised(online, "b")
    online.alert_judged("a", 12.0, normal=False)
    assert online.shift == pytest.approx(0.5)
    for _ in range(2):  # said twice, or of an alert of an earlier run
        online.alert_judged("a", 12.0, normal=False)
        online.alert_judged("earlier", 12.0, normal=False)
    assert online.shift == pytest.approx(0.5)


def test_a_withdrawn_verdict_leaves_the_threshold_as_without_one() -> None:
    online = OnlineCalibration(learned(), 1.0, WatchedState(3600.0, (12.0,)))
    raised(online, "a")
    before = online.state
    for normal in (True, False):
        online.alert_judged("a", 15.0, normal=normal)
        assert online.shift == 0.0
        for _ in range(2):  # withdrawn twice
            online.alert_judged("a", 15.0, normal=None)
            assert online.state == before
    online.alert_judged("open", 15.0, normal=False)
    online.alert_judged("open", 15.0, normal=None)
    raised(online, "open")
    assert online.shift == pytest.approx(1.0)


def test_a_peak_that_was_called_normal_counts_once_however_often_it_is_said() -> None:
    online = OnlineCalibration(learned(), 1.0, WatchedState(3600.0, (12.0,)))
    for verdicts, peaks in (((True, True), 2), ((False,), 1), ((False,), 1), ((True,), 2)):
        for normal in verdicts:
            online.alert_judged("a", 12.0, normal=normal)
        assert online.state.peaks == (12.0,) * peaks
        assert len(online.calibration.peaks) == len(learned().peaks) + peaks


def test_only_the_alerts_remembered_can_be_taken_back() -> None:
    online = OnlineCalibration(learned(), 1.0, settings=TrackerSettings(remembered=2))
    for alert_id in "abc":
        raised(online, alert_id)
    online.alert_judged("a", 12.0, normal=False)
    assert online.shift == pytest.approx(1.5)
    online.alert_judged("c", 12.0, normal=False)
    assert online.shift == pytest.approx(1.0)
    for alert_id in "def":
        online.alert_judged(alert_id, 12.0, normal=True)
    online.alert_judged("d", 12.0, normal=False)  # forgotten: its peak stays
    assert online.state.peaks == (12.0,) * 3


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
    online.alert_opened("lobby")
    online.alert_closed("lobby", "a")
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
