"""The JSON that leaves the monitor."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerting import alert_from_json, alert_json, false_alarms_per_day, score_json, status_json
from streammon.records import Alert, AlertEvent, Box, CameraState, CameraStatus, Channel, ScoredFrame

NO_MAP = np.zeros((1, 1), np.float32)
SCORE = ScoredFrame(
    "lobby", "hall", 7, 1700000000.12345, 12.3456, 14.23456789, 1.5, 12.0, NO_MAP, (1, 1), Channel.PLACE, 540.00049
)
ALERT = Alert(
    id="018bcfe56800aabbccddeeff00112233",
    event=AlertEvent.CLOSE,
    part=3,
    camera="lobby",
    scene="hall",
    opened_s=1700000000.25,
    time_s=1700000008.5,
    closed_s=1700000006.5,
    score=3.25,
    level=-2.0,
    peak_score=20.5,
    peak_level=2.0,
    boxes=(Box(10, 20, 30, 40, 20.5),),
    channel=Channel.SPEED,
    basis_s=7200.5,
    provisional=True,
)


def test_a_score_message_in_full() -> None:
    assert json.loads(score_json(SCORE, "streammon:v1:cam:lobby:heatmap")) == {
        "v": 1,
        "kind": "score",
        "camera": "lobby",
        "scene": "hall",
        "seq": 7,
        "time": 1700000000.123,
        "stream_time_s": 12.346,
        "score": 14.2346,
        "level": 1.5,
        "false_alarms_per_day": 0.0316228,  # 10 ** -1.5
        "channel": "place",
        "basis_s": 540.0,
        "heatmap": "streammon:v1:cam:lobby:heatmap",
    }


def test_an_alert_message_in_full() -> None:
    assert json.loads(alert_json(ALERT, "streammon:v1:cam:lobby:heatmap")) == {
        "v": 1,
        "kind": "alert",
        "id": "018bcfe56800aabbccddeeff00112233",
        "event": "close",
        "part": 3,
        "camera": "lobby",
        "scene": "hall",
        "opened_s": 1700000000.25,
        "time_s": 1700000008.5,
        "closed_s": 1700000006.5,
        "duration_s": 6.25,
        "score": 3.25,
        "level": -2.0,
        "peak_score": 20.5,
        "peak_level": 2.0,
        "false_alarms_per_day": 0.01,
        "channel": "speed",
        "reason": "moves too fast here",
        "basis_s": 7200.5,
        "provisional": True,
        "boxes": [{"x": 10, "y": 20, "width": 30, "height": 40, "peak": 20.5}],
        "heatmap": "streammon:v1:cam:lobby:heatmap",
    }


def test_an_open_alert_has_lasted_until_now() -> None:
    message = json.loads(alert_json(replace(ALERT, event=AlertEvent.UPDATE, closed_s=None), "key"))
    assert (message["closed_s"], message["duration_s"]) == (None, 8.25)


def test_a_status_message_in_full() -> None:
    status = CameraStatus("lobby", CameraState.FROZEN, 1700000000.0, "no frame for 4 s", retry_in_s=1.5)
    assert json.loads(status_json(status, 1700000001.5, {"decoded": 250})) == {
        "v": 1,
        "kind": "status",
        "camera": "lobby",
        "state": "frozen",
        "time": 1700000001.5,
        "since_s": 1700000000.0,
        "reason": "no frame for 4 s",
        "retry_in_s": 1.5,
        "progress": None,
        "counters": {"decoded": 250},
    }


def test_a_status_without_counters_has_no_such_field() -> None:
    assert "counters" not in json.loads(status_json(CameraStatus("lobby", CameraState.ONLINE, 0.0), 1.0))


@pytest.mark.parametrize("level", [math.inf, -math.inf, 400.0, -400.0])
def test_a_level_beyond_all_measure_is_still_a_finite_number(level: float) -> None:
    message = json.loads(score_json(replace(SCORE, level=level), None))
    assert message["level"] == math.copysign(300, level)
    assert 0 < message["false_alarms_per_day"] < math.inf


@pytest.mark.parametrize("score", [replace(SCORE, score=math.nan), replace(SCORE, level=math.nan)])
def test_what_is_not_a_number_is_refused(score: ScoredFrame) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        score_json(score, None)


TIMES = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
NUMBERS = st.integers(-99_999, 99_999).map(lambda number: number / 1000)


@given(
    st.builds(
        Alert,
        id=st.text("0123456789abcdef", min_size=32, max_size=32),
        event=st.sampled_from(AlertEvent),
        part=st.integers(0, 10_000),
        camera=st.text("abc-_", min_size=1),
        scene=st.text("abc-_", min_size=1),
        opened_s=TIMES,
        time_s=TIMES,
        closed_s=st.none() | TIMES,
        score=NUMBERS,
        level=NUMBERS,
        peak_score=NUMBERS,
        peak_level=NUMBERS,
        boxes=st.lists(st.builds(Box, *[st.integers(0, 8000)] * 4, NUMBERS), max_size=3).map(tuple),
        channel=st.sampled_from(Channel),
        basis_s=TIMES,
        provisional=st.booleans(),
    )
)
def test_an_alert_comes_back_from_its_message(alert: Alert) -> None:
    assert alert_from_json(alert_json(alert, "key")) == alert


def test_an_alert_message_of_before_there_were_channels_speaks_of_looks() -> None:
    message = json.loads(alert_json(ALERT, "key"))
    del message["channel"], message["reason"]
    assert alert_from_json(json.dumps(message)) == replace(ALERT, channel=Channel.LOOKS)


def test_an_alert_message_of_before_there_was_a_basis_rests_on_nothing_that_is_known() -> None:
    message = json.loads(alert_json(ALERT, "key"))
    del message["basis_s"], message["provisional"]
    assert alert_from_json(json.dumps(message)) == replace(ALERT, basis_s=0.0, provisional=False)


@pytest.mark.parametrize("channel", ["smell", "", "SPEED", None, 3, ["speed"]])
def test_a_channel_that_does_not_exist_is_refused(channel: object) -> None:
    message = json.loads(alert_json(ALERT, "key")) | {"channel": channel}
    with pytest.raises(ValueError, match=r"^not an alert message of version 1 \(.* is not a valid Channel\)$"):
        alert_from_json(json.dumps(message))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"v": 2, "kind": "alert"}', '{"v": 1, "kind": "alert"}'])
def test_what_is_no_alert_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an alert message of version 1|Expecting value"):
        alert_from_json(text)


def test_false_alarms_per_day_is_ten_to_the_minus_level() -> None:
    assert [false_alarms_per_day(level) for level in (-2, 0, 1)] == [100.0, 1.0, 0.1]


def test_every_channel_is_in_the_room_s_readme_with_its_reason() -> None:
    readme = (Path(__file__).resolve().parents[2] / "streammon/alerting/README.md").read_text(encoding="utf-8")
    assert [channel for channel in Channel if f"| `{channel}` | {channel.reason} |" not in readme] == []
