"""The demo as a stranger types it."""

import json
import subprocess
import sys

import pytest

from streammon.demo.plaza import CROSSING_S
from streammon.demo.run import ANOMALY_AT_S, SLACK_S
from streammon.records import Channel
from support.commands import computed_s

pytestmark = pytest.mark.slow

FIRST_ALERT_WITHIN_S = 90.0
"""Promised for two CPU cores: the film's own time is less, and so is what there is to compute."""


def test_the_demo_learns_a_plaza_and_alerts_when_the_van_crosses_it_and_never_else() -> None:
    before_s = computed_s()
    ended = subprocess.run(
        [sys.executable, "-m", "streammon", "demo", "--json", "-"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    result = events[-1]
    assert result["event"] == "result"
    longest_delay_s = CROSSING_S + SLACK_S
    assert ANOMALY_AT_S + longest_delay_s < FIRST_ALERT_WITHIN_S
    assert computed_s() - before_s < 2 * FIRST_ALERT_WITHIN_S
    assert 0 < result["delay_s"] < longest_delay_s
    assert result["first_alert_after_s"] > ANOMALY_AT_S
    assert result["false_alerts"] == 0
    alerts = [event for event in events if event["event"] == "alert"]
    assert {alert["id"] for alert in alerts} == {result["alert_id"]}
    assert result["reason"] == alerts[0]["reason"]
    assert result["reason"] in {channel.reason for channel in Channel}  # strange in looks and speed: either may open
    assert [alert["type"] for alert in alerts if alert["type"] != "update"] == ["open", "close"]
    states = [event["state"] for event in events if event["event"] == "status"]
    assert list(dict.fromkeys(states)) == ["connecting", "learning", "online"]
