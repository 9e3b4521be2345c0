"""Which alert messages a sink is given."""

from dataclasses import replace
from typing import Any

import pytest

from streammon.alerting.sinks.routes import Route
from streammon.config import SinkConfig
from streammon.records import Alert, AlertEvent, Channel
from support.alerting_samples import message

OPEN, UPDATE, CLOSE = AlertEvent
NOON_S = 1_796_040_000.0  # 2026-11-30 12:00 UTC
BOTH = ["open", "close"]
ALL = ["open", "update", "close"]


def route(**settings: Any) -> Route:
    return Route(SinkConfig.model_validate({"webhook": {"url": "http://10.0.0.5/"}, **settings}))


def alert(**changes: Any) -> list[Alert]:
    """An alert of the camera `lobby` at noon: open, update and close."""
    messages = [message("a", part, last=2) for part in range(3)]
    usual: dict[str, Any] = {"opened_s": NOON_S, "channel": Channel.SPEED, "peak_level": 1.0}
    return [replace(each, **usual | changes) for each in messages]


def given(route: Route, messages: list[Alert]) -> list[str]:
    return [str(each.event) for each in messages if route.takes(each)]


@pytest.mark.parametrize(
    ("settings", "changes", "expected"),
    [
        ({}, {}, BOTH),
        ({"events": ["open"]}, {}, ["open"]),
        ({"events": ["update"]}, {}, ["update"]),
        ({"events": ALL}, {}, ALL),
        ({"cameras": ["lobby", "gate"]}, {}, BOTH),
        ({"cameras": ["gate"]}, {}, []),
        ({"channels": ["speed", "place"]}, {}, BOTH),
        ({"channels": ["looks"]}, {}, []),
        ({"min_level": 1.0}, {}, BOTH),
        ({"min_level": 1.1}, {}, []),
        ({"min_level": -1.0}, {"peak_level": -0.5}, BOTH),
        ({"provisional": False}, {}, BOTH),
        ({"provisional": False}, {"provisional": True}, []),
        ({"provisional": True}, {"provisional": True}, BOTH),
        ({"hours": {"from": "08:00", "until": "12:00", "zone": "UTC"}}, {}, []),
        ({"hours": {"from": "12:00", "until": "12:01", "zone": "UTC"}}, {}, BOTH),
        ({"hours": {"from": "12:30", "until": "13:30", "zone": "Europe/Berlin"}}, {}, BOTH),
        ({"hours": {"from": "22:00", "until": "06:00", "zone": "UTC"}}, {}, []),
        ({"hours": {"from": "22:00", "until": "12:30", "zone": "UTC"}}, {}, BOTH),
        ({"hours": {"from": "22:00", "until": "06:00", "zone": "Asia/Tokyo"}}, {"opened_s": NOON_S + 3600.0}, BOTH),
        ({"hours": {"from": "00:00", "until": "24:00"}}, {}, BOTH),
        ({"cameras": ["lobby"], "channels": ["speed"], "min_level": 2}, {}, []),
    ],
)
def test_an_alert_is_delivered_if_it_fits(
    settings: dict[str, Any], changes: dict[str, Any], expected: list[str]
) -> None:
    assert given(route(**settings), alert(**changes)) == expected


def test_mqtt_is_given_updates_too() -> None:
    mqtt = Route(SinkConfig.model_validate({"mqtt": {"url": "mqtt://10.0.0.5"}}))
    assert given(mqtt, alert()) == ALL


def test_what_was_opened_is_closed_even_if_it_no_longer_fits() -> None:
    opened, updated, closed = alert()
    closed = replace(closed, channel=Channel.PLACE, provisional=True)
    assert given(route(channels=["speed"], provisional=False), [opened, updated, closed]) == BOTH


def test_an_alert_that_fits_late_begins_with_the_message_that_fits() -> None:
    opened, updated, closed = alert()
    later = [opened, updated, replace(updated, part=2, peak_level=3.0), replace(updated, part=3), closed]
    by_level = route(min_level=2.0)
    assert [each.part for each in later if by_level.takes(each)] == [2, 2]  # that update, and the close
    assert given(route(min_level=2.0, events=["close"]), later) == ["close"]


def test_two_alerts_are_routed_apart() -> None:
    by_level = route(min_level=0.5)
    low = [replace(each, id="low", peak_level=0.0) for each in alert()]
    mixed = [each for pair in zip(alert(), low, strict=True) for each in pair]
    assert [each.id for each in mixed if by_level.takes(each)] == ["a", "a"]
