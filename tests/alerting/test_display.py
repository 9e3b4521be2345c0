"""Alerts as people and logs read them."""

import io
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streammon.alerting import alert_from_json, alert_json
from streammon.cli.display import JsonDisplay, LineDisplay, TableDisplay, brief_alert_text, event_text, rarity
from streammon.live.watch import update_figures
from streammon.records import (
    Alert,
    AlertEvent,
    Box,
    CameraFigures,
    CameraState,
    CameraStatus,
    Channel,
    Notice,
    RedisStatus,
)
from support.alerting_samples import message

ALERT = replace(message("01a208f8a98d0e0ecaf9a77306fa342c", 0), channel=Channel.SPEED, basis_s=20 * 86400.0)
README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_the_lines_in_the_readme_are_what_is_printed_of_its_alert_message() -> None:
    text = README.read_text(encoding="utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    lines = re.findall(r"^20\S+ (.*)$", text.partition("## Your own camera")[2], re.MULTILINE)
    alert = alert_from_json(shown)
    since_s = alert.time_s - 7
    assert list(json.loads(shown)) == list(json.loads(alert_json(alert, "key")))
    assert lines == [
        event_text(event)
        for event in (
            Notice("publishing to 10.0.0.5:6379 under streammon:v1:"),
            CameraStatus("lobby", CameraState.CONNECTING, since_s),
            CameraStatus("gate", CameraState.CONNECTING, since_s),
            CameraStatus("lobby", CameraState.ONLINE, since_s),
            CameraStatus("gate", CameraState.OFFLINE, since_s, "connection refused", 2.0),
            alert,
        )
    ]


def test_a_line_states_the_reason_after_which_alert_it_is() -> None:
    lines = io.StringIO()
    LineDisplay(lines).show(ALERT)
    stamp, _, line = lines.getvalue().partition(" ")
    assert stamp.startswith("20")
    assert line.startswith("ALERT open 01a208f8a98d0e0ecaf9a77306fa342c camera 'lobby' at ")
    seen = "about once in 10 days (from 20 days of normal footage)"  # level 1
    assert line.endswith(f": moves too fast here; peak score 4.0, {seen}; no region\n")


@pytest.mark.usefixtures("utc")
def test_a_line_distinguishes_an_outage_of_redis_from_a_refusal() -> None:
    assert event_text(RedisStatus(False, 0.0, "no answer from host:1", 3)) == (
        "redis is away since 00:00:00 (no answer from host:1); 3 alert messages wait"
    )
    assert event_text(RedisStatus(False, 0.0, "host:1 is out of memory", 3, refused=True)) == (
        "redis refuses what is published since 00:00:00 (host:1 is out of memory); 3 alert messages wait"
    )
    assert event_text(RedisStatus(True, 0.0)) == "redis is there"


def test_a_line_never_claims_more_than_the_footage_showed() -> None:
    assert brief_alert_text(replace(ALERT, basis_s=540.0, provisional=True)) == (
        "ALERT open camera 'lobby': moves too fast here; never in 9 minutes of normal footage, provisional; no region"
    )
    assert brief_alert_text(replace(ALERT, basis_s=0.0)) == (
        "ALERT open camera 'lobby': moves too fast here; how rare is not known; no region"
    )


@given(st.floats(-310, 310), st.floats(1.0, 1e9))
def test_an_interval_is_shown_only_up_to_twice_the_footage(level: float, basis_s: float) -> None:
    interval_s = 86400 * 10.0 ** max(-300.0, min(level, 300.0))
    assert rarity(level, basis_s).startswith("never in" if interval_s > 2 * basis_s else "about once in")


def test_a_line_of_json_has_the_channel_for_machines_and_the_reason_for_people() -> None:
    lines = io.StringIO()
    display = JsonDisplay(lines)
    display.show(ALERT)
    display.show(CameraStatus("lobby", CameraState.OFFLINE, 1.0, "connection refused"))
    alert, status = map(json.loads, lines.getvalue().splitlines())
    assert (alert["event"], alert["type"], alert["channel"]) == ("alert", "open", "speed")
    assert alert["reason"] == "moves too fast here"
    assert status["reason"] == "connection refused"


def test_a_long_alert_takes_two_lines() -> None:
    lines = io.StringIO()
    display = LineDisplay(lines)
    for part in range(300):
        display.show(message("a", part, last=299))
    assert [line.split()[1:3] for line in lines.getvalue().splitlines()] == [["ALERT", "open"], ["ALERT", "close"]]


def test_a_long_alert_takes_a_line_of_json_a_minute() -> None:
    lines = io.StringIO()
    display = JsonDisplay(lines)
    for part in range(150):  # one a second
        display.show(message("a", part, "lobby", last=149))
        display.show(message("b", part, "gate", last=149))
    messages = [json.loads(line) for line in lines.getvalue().splitlines()]
    for alert in ("a", "b"):
        parts = [(line["type"], line["part"]) for line in messages if line["id"] == alert]
        assert parts == [("open", 0), ("update", 60), ("update", 120), ("close", 149)]


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("event", [AlertEvent.OPEN, AlertEvent.CLOSE])
def test_the_live_table_shows_every_reason_within_80_columns(channel: Channel, event: AlertEvent) -> None:
    boxes = (Box(602, 156, 38, 26, 9.0),)
    display = TableDisplay({"entrance": CameraFigures(CameraStatus("entrance", CameraState.ONLINE, 0.0))})
    display.show(replace(ALERT, camera="entrance", event=event, channel=channel, boxes=boxes))
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(display)
    (line,) = (line for line in console.export_text().splitlines() if "ALERT" in line)
    assert f"ALERT {event} camera 'entrance': {channel.reason}" in line
    assert len(line) <= 80


def test_a_watcher_takes_the_channel_from_the_message() -> None:
    seen = update_figures({}, json.loads(alert_json(ALERT, "key")))
    assert isinstance(seen, Alert)
    assert seen.channel is Channel.SPEED
    assert seen.basis_s == 20 * 86400.0


def test_a_watcher_reports_an_alert_that_it_can_not_read_and_goes_on() -> None:
    figures: dict[str, CameraFigures] = {}
    unknown = json.loads(alert_json(ALERT, "key")) | {"channel": "smell"}
    assert update_figures(figures, unknown) == Notice(
        "camera 'lobby': not an alert message of version 1 ('smell' is not a valid Channel)"
    )
    assert not figures["lobby"].alert_open
