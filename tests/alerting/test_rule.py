"""When alerts open, go on and close."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerting import AlertRule
from streammon.alerting.rule import alert_id
from streammon.config import AlertingConfig
from streammon.records import Alert, AlertEvent, Channel, ScoredFrame

QUIET, FADING, ABNORMAL = -3.0, -0.5, 1.0  # with one false alarm a day alerts open at level 0 and close below -1


def scored(time_s: float, level: float, channel: Channel = Channel.LOOKS) -> ScoredFrame:
    anomaly_map = np.full((4, 4), 1.0, np.float32)
    anomaly_map[1, 2] = 10.0 + level
    return ScoredFrame("lobby", "hall", 0, time_s, time_s, 10.0 + level, level, 10.0, anomaly_map, (40, 40), channel)


def alerting(**settings: float) -> AlertingConfig:
    return AlertingConfig.model_validate(
        {"min_duration_s": 0.5, "close_after_s": 2, "cooldown_s": 10, "update_every_s": 1, **settings}
    )


def sent(rule: AlertRule, *frames: tuple[float, float]) -> list[tuple[str, float]]:
    return [
        (str(alert.event), alert.time_s) for time_s, level in frames for alert in rule.step(scored(time_s, level))
    ]


def test_an_alert_opens_once_the_picture_has_been_abnormal_for_the_minimum_duration() -> None:
    rule = AlertRule("lobby", "hall", alerting())
    assert sent(rule, (0.0, QUIET), (0.2, ABNORMAL), (0.4, ABNORMAL), (0.6, ABNORMAL)) == []
    assert not rule.is_open
    (opened,) = rule.step(scored(0.8, ABNORMAL))
    assert (opened.event, opened.part, opened.opened_s, opened.time_s, opened.closed_s) == ("open", 0, 0.2, 0.8, None)
    assert (opened.camera, opened.scene) == ("lobby", "hall")
    assert rule.is_open


def test_one_normal_frame_starts_the_minimum_duration_again() -> None:
    rule = AlertRule("lobby", "hall", alerting())
    assert sent(rule, (0.0, ABNORMAL), (0.4, FADING), (0.5, ABNORMAL), (0.9, ABNORMAL)) == []


def test_while_the_light_changes_no_alert_opens_but_an_open_one_goes_on() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0, update_every_s=60))
    changing = [replace(scored(time_s, ABNORMAL), light_changes=True) for time_s in (0.0, 1.0, 2.0)]
    assert [alert for frame in changing for alert in rule.step(frame)] == []
    assert sent(rule, (3.0, ABNORMAL)) == [("open", 3.0)]
    assert rule.step(replace(scored(5.0, ABNORMAL), light_changes=True)) == []
    assert rule.is_open
    assert sent(rule, (8.0, QUIET)) == [("close", 8.0)]


def test_without_a_minimum_duration_one_frame_is_enough() -> None:
    assert sent(AlertRule("lobby", "hall", alerting(min_duration_s=0)), (5.0, 0.0)) == [("open", 5.0)]


def test_an_alert_goes_on_between_the_two_thresholds_and_closes_at_its_last_abnormal_frame() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0, update_every_s=60))
    rule.step(scored(0.0, ABNORMAL))
    assert sent(rule, (4.0, FADING), (5.0, QUIET), (5.9, QUIET)) == []
    (closed,) = rule.step(scored(6.0, QUIET))
    assert (closed.event, closed.part, closed.closed_s, closed.time_s) == ("close", 1, 4.0, 6.0)
    assert not rule.is_open


def test_the_close_has_the_peak_and_shows_the_peak_frame_s_regions() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0.2))
    frames = ((0.0, 2.5), (0.3, 0.5), (0.6, QUIET), (3.0, QUIET))
    opened, closed = (alert for frame in frames for alert in rule.step(scored(*frame)))
    assert (opened.peak_level, opened.level, opened.boxes[0].peak) == (2.5, 0.5, 10.5)
    assert (closed.peak_level, closed.peak_score, closed.level, closed.boxes[0].peak) == (2.5, 12.5, QUIET, 12.5)


def test_the_channel_is_that_of_the_peak_frame_so_far() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0.2))
    frames = [
        (0.0, 1.5, Channel.PLACE),
        (0.3, 0.5, Channel.LOOKS),  # opens it, and is not its peak
        (1.5, 2.5, Channel.SPEED),
        (3.0, 0.5, Channel.LOOKS),
        (5.0, QUIET, Channel.CHANGE),  # closes it
    ]
    alerts = [a for time_s, level, channel in frames for a in rule.step(scored(time_s, level, channel))]
    assert [(alert.event, alert.channel) for alert in alerts] == [
        ("open", "place"),
        ("update", "speed"),
        ("update", "speed"),
        ("close", "speed"),
    ]


@pytest.mark.parametrize(
    ("per_day", "basis_s", "provisional"),
    [(1, 86399.0, True), (1, 86400.0, False), (24, 3599.0, True), (24, 3600.0, False), (0.5, 86400.0, True)],
)
def test_an_alert_rests_on_its_peak_frame_s_basis_and_is_provisional_below_what_is_asked(
    per_day: float, basis_s: float, provisional: bool
) -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0, false_alarms_per_day=per_day))
    peak = replace(scored(0.0, 5.0), basis_s=basis_s)
    weaker = replace(scored(1.0, 4.0), basis_s=2 * basis_s)
    opened, updated = [*rule.step(peak), *rule.step(weaker)]
    assert [(alert.basis_s, alert.provisional) for alert in (opened, updated)] == [(basis_s, provisional)] * 2


def test_updates_come_no_more_often_than_configured() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0))
    assert sent(rule, *((tenth / 10, ABNORMAL) for tenth in range(26))) == [
        ("open", 0.0),
        ("update", 1.0),
        ("update", 2.0),
    ]


def test_no_alert_opens_in_the_cooldown_and_none_reaches_back_into_it() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0, close_after_s=0, cooldown_s=3))
    assert sent(rule, (0.0, ABNORMAL), (1.0, QUIET)) == [("open", 0.0), ("close", 1.0)]
    assert sent(rule, (2.0, ABNORMAL), (3.9, ABNORMAL)) == []
    (opened,) = rule.step(scored(4.0, ABNORMAL))
    assert opened.opened_s == 4.0


def test_a_gap_closes_the_alert_at_its_last_abnormal_frame() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0))
    rule.step(scored(0.0, ABNORMAL))
    rule.step(scored(0.5, ABNORMAL))
    closed, opened = rule.step(scored(60.0, ABNORMAL))
    assert (closed.event, closed.closed_s, closed.time_s) == ("close", 0.5, 0.5)
    assert (opened.event, opened.opened_s, opened.part) == ("open", 60.0, 0)
    assert opened.id != closed.id


def test_a_slow_camera_s_own_pace_is_no_gap() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0), frame_interval_s=30)
    assert sent(rule, (0.0, ABNORMAL), (30.0, ABNORMAL), (60.0, ABNORMAL)) == [
        ("open", 0.0),
        ("update", 30.0),
        ("update", 60.0),
    ]


def test_a_candidate_does_not_reach_over_a_gap() -> None:
    assert sent(AlertRule("lobby", "hall", alerting()), (0.0, ABNORMAL), (20.0, ABNORMAL)) == []


def test_a_clock_set_back_by_an_hour_ends_the_alert_and_the_cooldown() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0))
    rule.step(scored(10_000.0, ABNORMAL))
    assert sent(rule, (6_400.0, ABNORMAL)) == [("close", 10_000.0), ("open", 6_400.0)]


def test_a_clock_set_back_by_a_moment_changes_nothing() -> None:
    rule = AlertRule("lobby", "hall", alerting(min_duration_s=0))
    rule.step(scored(100.0, ABNORMAL))
    assert sent(rule, (99.5, ABNORMAL), (100.5, ABNORMAL)) == []
    assert rule.is_open


def test_close_now_closes_what_is_open_and_forgets_a_candidate() -> None:
    rule = AlertRule("lobby", "hall", alerting())
    rule.step(scored(0.0, ABNORMAL))
    assert rule.close_now(0.3) == []
    assert rule.step(scored(0.6, ABNORMAL)) == []
    rule.step(scored(1.2, ABNORMAL))
    (closed,) = rule.close_now(3.0)
    assert (closed.event, closed.closed_s, closed.time_s) == ("close", 1.2, 3.0)
    assert rule.close_now(4.0) == []


@pytest.mark.parametrize("seconds", [0.0, 1_700_000_000.123, 4_000_000_000.0])
def test_an_id_is_32_hexadecimal_digits(seconds: float) -> None:
    assert len(bytes.fromhex(alert_id(seconds))) == 16


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = [alert_id(1_700_000_000 + step / 100) for step in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000


FRAMES = st.lists(
    st.tuples(st.floats(-1.0, 25.0), st.sampled_from([QUIET, -1.0, FADING, 0.0, ABNORMAL, 4.0])), max_size=80
)
RULES = st.builds(
    alerting,
    min_duration_s=st.sampled_from([0.0, 0.5, 3.0]),
    close_after_s=st.sampled_from([0.0, 2.0, 20.0]),
    cooldown_s=st.sampled_from([0.0, 5.0, 30.0]),
    update_every_s=st.sampled_from([0.1, 1.0, 7.0]),
)


@given(FRAMES, RULES)
def test_every_alert_is_one_open_then_updates_then_one_close_and_no_two_overlap(
    frames: list[tuple[float, float]], config: AlertingConfig
) -> None:
    rule, time_s, messages = AlertRule("lobby", "hall", config), 1000.0, list[Alert]()
    for pause_s, level in frames:
        time_s += pause_s
        messages += rule.step(scored(time_s, level))
        open_now = bool(messages) and messages[-1].event is not AlertEvent.CLOSE
        assert rule.is_open == open_now
    messages += rule.close_now(time_s + 1.0)
    assert not rule.is_open

    alerts = defaultdict[str, list[Alert]](list)
    for message in messages:
        alerts[message.id].append(message)
    assert messages == [message for alert in alerts.values() for message in alert]  # one ends before the next begins
    for parts in alerts.values():
        assert [message.part for message in parts] == list(range(len(parts)))
        events = [str(message.event) for message in parts]
        assert events == ["open", *["update"] * (len(parts) - 2), "close"]
        _check_times(parts, config)
    for before, after in pairwise(alerts.values()):
        if after[0].opened_s >= before[-1].time_s:  # else the clock was set back in between
            assert after[0].opened_s >= before[-1].time_s + config.cooldown_s


def _check_times(parts: list[Alert], config: AlertingConfig) -> None:
    opened, closed = parts[0], parts[-1]
    assert {message.opened_s for message in parts} == {opened.opened_s}
    assert opened.time_s - opened.opened_s >= config.min_duration_s
    assert opened.level >= config.open_level
    assert closed.closed_s is not None
    assert opened.time_s <= closed.closed_s <= closed.time_s
    assert all(message.closed_s is None for message in parts[:-1])
    assert all(after.time_s - before.time_s >= config.update_every_s for before, after in pairwise(parts[:-1]))
    assert closed.peak_level == max(message.peak_level for message in parts) >= config.open_level
    assert all(before.peak_score <= after.peak_score for before, after in pairwise(parts))
    assert all(message.boxes for message in parts)
