"""Health alerts: what must last how long, which cameras are told together, and the way of their messages."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from streammon.alerting import HealthFinding, HealthRule, Spool, health_from_json, health_json
from streammon.alerting.health import BACK_S, GROUP_S, LEAST_GROUP, LONGEST_STEP_S, PICTURE_S
from streammon.cli.display import JsonDisplay, health_text
from streammon.live.watch import update_figures
from streammon.records import AlertEvent, Condition, HealthAlert, Notice
from support.alerting_samples import message, publishing, until_delivered
from support.deadlines import DEADLINE_S
from support.redis_server import RedisServer

GRACE_S = 60.0
STEP_S = 0.5
HOSTS = {f"cam{number:02}": f"10.0.3.{number}" for number in range(12)} | {"yard": "10.0.4.1", "file": ""}
GONE = HealthAlert(
    id="018bcfe56800aabbccddeeff00112233",
    event=AlertEvent.CLOSE,
    part=1,
    condition=Condition.OFFLINE,
    cameras=("gate", "lobby"),
    place="10.0.3.x",
    opened_s=1700000000.25,
    time_s=1700000100.5,
    closed_s=1700000100.5,
    reason="gone",
)


class Clocked:
    """A rule on the test's own clock."""

    def __init__(self, hosts: dict[str, str] | None = None) -> None:
        self.rule = HealthRule(GRACE_S, HOSTS if hosts is None else hosts)
        self.now_s = 1_700_000_000.0
        self.told: list[HealthAlert] = []

    def run(
        self, seconds: float, bad: Iterable[str], good: Iterable[str] = (), condition: Condition = Condition.OFFLINE
    ) -> list[HealthAlert]:
        """Messages of so many seconds in which the cameras are bad or good."""
        found = [HealthFinding(condition, camera, "offline") for camera in bad]
        found += [HealthFinding(condition, camera) for camera in good]
        before = len(self.told)
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            self.told += self.rule.step(found, self.now_s)
        return self.told[before:]


def test_a_camera_is_told_once_after_its_grace_and_closed_once_it_is_back_for_a_while() -> None:
    clocked = Clocked()
    began_s = clocked.now_s + STEP_S
    assert clocked.run(GRACE_S, ["yard"]) == []
    (opened,) = clocked.run(2.0, ["yard"])
    assert (opened.event, opened.part, opened.cameras, opened.place) == (AlertEvent.OPEN, 0, ("yard",), "")
    assert (opened.opened_s, opened.closed_s, opened.reason) == (began_s, None, "offline")
    assert opened.time_s == pytest.approx(began_s + GRACE_S, abs=2 * STEP_S)
    assert clocked.run(3600.0, ["yard"]) == []
    assert clocked.run(BACK_S - STEP_S, [], ["yard"]) == []
    (closed,) = clocked.run(2 * STEP_S, [], ["yard"])
    assert (closed.id, closed.event, closed.part) == (opened.id, AlertEvent.CLOSE, 1)
    assert closed.closed_s == closed.time_s
    assert clocked.run(3600.0, [], ["yard"]) == []


def test_a_camera_that_comes_back_for_moments_is_told_once() -> None:
    clocked = Clocked()
    for _ in range(20):
        clocked.run(20.0, ["yard"])
        clocked.run(5.0, [], ["yard"])
    assert [each.event for each in clocked.told] == ["open"]


def test_what_is_wrong_for_less_than_half_of_the_time_is_never_told() -> None:
    clocked = Clocked()
    for _ in range(200):
        clocked.run(8.0, ["yard"], condition=Condition.COVERED)
        clocked.run(9.0, [], ["yard"], condition=Condition.COVERED)
    assert clocked.told == []
    clocked.run(PICTURE_S + 1.0, ["yard"], condition=Condition.COVERED)
    assert [each.condition for each in clocked.told] == [Condition.COVERED]


def test_many_cameras_of_one_network_that_go_within_seconds_are_told_in_one_message() -> None:
    clocked = Clocked()
    cameras = sorted(HOSTS)[:12]
    for gone in range(1, 12):  # one after the other within 5.5 s
        clocked.run(STEP_S, cameras[:gone])
    clocked.run(GRACE_S + GROUP_S, [*cameras, "yard", "file"])
    assert sorted((each.cameras, each.place) for each in clocked.told) == [
        (tuple(cameras), "10.0.3.x"),
        (("file",), ""),
        (("yard",), ""),
    ]
    group = next(each for each in clocked.told if each.place)
    assert group.subject == "12 cameras at 10.0.3.x"
    assert clocked.run(BACK_S + 1.0, cameras[:1], cameras[1:]) == []  # one is still gone
    (closed,) = clocked.run(BACK_S + 1.0, [], cameras)
    assert (closed.id, closed.cameras) == (group.id, group.cameras)


def test_the_channels_of_one_recorder_are_told_by_its_address() -> None:
    clocked = Clocked(dict.fromkeys("abcd", "10.0.3.7") | {"e": "10.0.3.9"})
    clocked.run(GRACE_S + GROUP_S + 1.0, "abcd", "e")
    assert [(each.cameras, each.place) for each in clocked.told] == [(("a", "b", "c", "d"), "10.0.3.7")]


def test_fewer_than_a_group_are_told_each() -> None:
    clocked = Clocked()
    cameras = sorted(HOSTS)[: LEAST_GROUP - 1]
    clocked.run(GRACE_S + GROUP_S + 1.0, cameras)
    assert [each.cameras for each in clocked.told] == [(camera,) for camera in cameras]


def test_a_camera_of_an_open_group_that_fails_again_is_told_anew() -> None:
    clocked = Clocked()
    cameras = sorted(HOSTS)[:3]
    clocked.run(GRACE_S + GROUP_S + 1.0, cameras)
    clocked.run(BACK_S + 1.0, cameras[:2], cameras[2:])
    (again,) = clocked.run(GRACE_S + GROUP_S + 1.0, cameras)
    assert again.cameras == (cameras[2],)


def test_a_change_of_light_of_a_moment_is_told_and_closed() -> None:
    clocked = Clocked()
    clocked.run(1.0, ["yard"], condition=Condition.LIGHT)
    clocked.run(1.0, [], ["yard"], condition=Condition.LIGHT)
    assert [each.event for each in clocked.told] == ["open", "close"]


def test_a_suspended_machine_is_no_outage() -> None:
    clocked = Clocked()
    clocked.run(10.0, ["yard"])
    clocked.now_s += 3600.0
    clocked.run(GRACE_S - 10.0 - LONGEST_STEP_S - 1.0, ["yard"])
    assert clocked.told == []


def test_what_is_not_looked_at_stays_as_it_was() -> None:
    clocked = Clocked()
    clocked.run(GRACE_S + 2.0, ["yard"], condition=Condition.RATE)
    opened = list(clocked.told)
    clocked.run(3600.0, [])
    assert clocked.told == opened != []


def test_the_end_of_the_monitor_closes_all() -> None:
    clocked = Clocked()
    clocked.run(GRACE_S + GROUP_S + 1.0, ["yard", *sorted(HOSTS)[:5]])
    closes = clocked.rule.close_now(clocked.now_s)
    assert {each.id for each in closes} == {each.id for each in clocked.told}
    assert {each.event for each in closes} == {AlertEvent.CLOSE}
    assert clocked.rule.close_now(clocked.now_s) == []


@given(st.lists(st.tuples(st.sampled_from(sorted(HOSTS)), st.booleans(), st.floats(0.5, 90.0)), max_size=40))
def test_every_alert_opens_once_and_closes_once(periods: list[tuple[str, bool, float]]) -> None:
    clocked = Clocked()
    for camera, is_bad, seconds in periods:
        clocked.run(seconds, [camera] if is_bad else [], [] if is_bad else [camera])
    clocked.told += clocked.rule.close_now(clocked.now_s)
    by_id: dict[str, list[str]] = {}
    for each in clocked.told:
        by_id.setdefault(each.id, []).append(each.event)
    assert all(events == ["open", "close"] for events in by_id.values())


def test_a_health_message_in_full_and_back() -> None:
    text = health_json(GONE)
    assert json.loads(text) == {
        "v": 1,
        "kind": "health",
        "id": "018bcfe56800aabbccddeeff00112233",
        "event": "close",
        "part": 1,
        "condition": "offline",
        "camera": None,
        "cameras": ["gate", "lobby"],
        "place": "10.0.3.x",
        "opened_s": 1700000000.25,
        "time_s": 1700000100.5,
        "closed_s": 1700000100.5,
        "reason": "gone",
    }
    assert health_from_json(text) == GONE


@pytest.mark.parametrize(
    "text", ["[]", '{"v":1,"kind":"alert"}', '{"v":2,"kind":"health"}', '{"v":1,"kind":"health"}']
)
def test_what_is_no_health_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a health message of version 1"):
        health_from_json(text)


def test_watch_shows_one_line_and_the_json_lines_have_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    event = update_figures({}, json.loads(health_json(GONE)))
    assert event == GONE
    assert health_text(GONE) == "HEALTH close offline: 2 cameras at 10.0.3.x: gone, 100 s: gate, lobby"
    JsonDisplay().show(GONE)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["event"], shown["type"], shown["condition"]) == ("health", "close", "offline")
    later = json.loads(health_json(GONE)) | {"condition": "stolen"}
    assert isinstance(update_figures({}, later), Notice)


def test_health_messages_go_through_the_spool_to_their_own_log_and_channel_once(tmp_path: Path) -> None:
    opened = HealthAlert("h1", AlertEvent.OPEN, 0, Condition.REDIS, (), "", 1.0, 2.0, None, "redis is away")
    closed = HealthAlert("h1", AlertEvent.CLOSE, 1, Condition.REDIS, (), "", 1.0, 3.0, 3.0, "redis is away")

    async def scenario(server: RedisServer, spool: Spool) -> None:
        client: Any = Redis.from_url(server.url, protocol=2)
        async with client, client.pubsub() as pubsub, publishing(server.config, spool) as publisher:
            await pubsub.subscribe("streammon:v1:health")
            await pubsub.get_message(timeout=DEADLINE_S)
            await asyncio.to_thread(server.stop)
            publisher.publish_health_nowait([opened])
            publisher.publish_alerts_nowait([message("a", 0)])
            publisher.publish_health_nowait([closed])
            await asyncio.to_thread(server.start)
            await until_delivered(publisher, 3)

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))
        with redis_client.Redis.from_url(server.url) as client:
            kept = [fields[b"json"] for _, fields in client.xrange("streammon:v1:health:log")]
            alerts = client.xrange("streammon:v1:alerts:log")
    assert [health_from_json(text) for text in kept] == [opened, closed]
    assert len(alerts) == 1
