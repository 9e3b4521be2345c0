"""The long plaza, and what is counted over its kept scores."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmark_long_run import Kept, is_caught, is_false, replayed
from streammon.calibration import Calibration
from streammon.config import AlertingConfig
from streammon.records import Channel
from support.long_plaza import DARKEST_S, KINDS, LEARNING_S, Anomaly, LongPlaza, frames

QUIET, LOUD = 0.0, 50.0
FPS = 2.0


@pytest.fixture(scope="module")
def six_hours() -> LongPlaza:
    return LongPlaza(6, seed=0)


def kept(loud: list[tuple[float, float]], anomalies: list[Anomaly], seconds: float = 600.0) -> Kept:
    """Scores that are loud in some spans of time, of a scene whose normal scores are noise."""
    times_s = np.arange(0, seconds, 1 / FPS)
    noise = np.abs(np.random.default_rng(0).normal(size=len(times_s)))
    calibration = Calibration.from_scores(noise, ["plaza"] * len(noise), times_s.tolist(), decades=True)
    scores = np.full(len(times_s), QUIET)
    for begin_s, end_s in loud:
        scores[(times_s >= begin_s) & (times_s < end_s)] = LOUD
    channels = np.full(len(times_s), str(Channel.SPEED))
    levels = np.array([calibration.level(score) for score in scores])
    return Kept(FPS, times_s, scores, channels, levels, anomalies, calibration)


def test_a_picture_follows_from_its_time_and_seed_alone(six_hours: LongPlaza) -> None:
    for time_s in (DARKEST_S, 9000.0, 700.0):
        six_hours.picture(time_s)
    again = LongPlaza(0.1, seed=0).frame(240, FPS)
    frame = six_hours.frame(240, FPS)
    assert frame.detail is not None
    assert again.detail is not None
    assert np.array_equal(frame.picture, again.picture)
    assert np.array_equal(frame.detail.picture, again.detail.picture)
    assert frame.detail.earlier is not None
    assert again.detail.earlier is not None
    assert np.array_equal(frame.detail.earlier, again.detail.earlier)
    assert not np.array_equal(frame.picture, LongPlaza(0.1, seed=1).frame(240, FPS).picture)


def test_frames_come_at_the_asked_rate() -> None:
    first = list(frames(0.002, seed=0, score_fps=FPS))
    assert [frame.stream_time_s for frame in first] == [number / FPS for number in range(14)]
    assert all(after.wall_time_s - before.wall_time_s == 1 / FPS for before, after in pairwise(first))
    assert {frame.picture.shape for frame in first} == {(256, 256, 3)}


def test_one_anomaly_is_staged_each_half_hour_and_none_while_learning(six_hours: LongPlaza) -> None:
    assert [anomaly.kind for anomaly in six_hours.anomalies] == [*KINDS, *KINDS, *KINDS]
    assert [int(anomaly.begin_s // 1800) for anomaly in six_hours.anomalies] == list(range(12))
    assert six_hours.anomalies[0].begin_s > LEARNING_S
    assert all(5 < anomaly.end_s - anomaly.begin_s < 80 for anomaly in six_hours.anomalies)


def test_the_intruder_stays_for_the_hour_after_the_others() -> None:
    plaza = LongPlaza(0.5, seed=0, anomalies=False, intruder_hour=True)
    assert plaza.anomalies == [Anomaly("intruder", 1800.0, 5400.0)]
    assert plaza.people(5399.0) > LongPlaza(1.5, seed=0, anomalies=False).people(5399.0)


def test_dusk_is_about_a_third_as_bright_as_day(six_hours: LongPlaza) -> None:
    day, dark = six_hours.picture(0.0).mean(), six_hours.picture(DARKEST_S).mean()
    assert 0.25 < dark / day < 0.45


def test_the_crowd_is_the_mean_one_while_learning_and_varies_later(six_hours: LongPlaza) -> None:
    by_minute = np.array([six_hours.people(60.0 * minute) for minute in range(360)])
    by_quarter = by_minute.reshape(24, 15).mean(axis=1)
    assert 5 < by_minute[:10].mean() < 14
    assert by_quarter.max() > 3 * by_quarter.min()


def test_an_alert_in_an_anomaly_is_a_catch_and_any_other_a_false_alarm() -> None:
    runner, van = Anomaly("runner", 100.0, 108.0), Anomaly("van", 300.0, 306.0)
    run = kept([(103, 106), (200, 203)], [runner, van])
    levels, found = replayed(run, AlertingConfig(adapt=False))
    assert np.array_equal(levels, run.levels)
    assert [(alert.opened_s, alert.told_s, alert.closed_s) for alert in found] == [
        (103.0, 103.5, 105.5),
        (200.0, 200.5, 202.5),
    ]
    assert [is_false(alert, run.anomalies) for alert in found] == [False, True]
    assert [is_caught(anomaly, found) for anomaly in run.anomalies] == [True, False]


def test_kept_scores_are_read_back_with_their_levels(tmp_path: Path) -> None:
    run = kept([(103, 106)], [Anomaly("runner", 100.0, 108.0)])
    run.save(tmp_path / "run.npz")
    again = Kept.load(tmp_path / "run.npz")
    assert again.anomalies == run.anomalies
    assert np.array_equal(again.scores, run.scores)
    assert list(again.channels) == list(run.channels)
    assert np.array_equal(again.levels, run.levels)
    assert [again.calibration.level(score) for score in (QUIET, 1.0, LOUD)] == [
        run.calibration.level(score) for score in (QUIET, 1.0, LOUD)
    ]
    assert np.array_equal(replayed(again, AlertingConfig())[0], replayed(run, AlertingConfig())[0])
