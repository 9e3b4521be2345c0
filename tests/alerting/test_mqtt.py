"""Alerts and cameras' states reach a real MQTT broker and are described to Home Assistant as it documents it."""

import asyncio
import contextlib
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from streammon.alerting import Spool
from streammon.alerting.sinks import try_sinks
from streammon.alerting.sinks.discovery import Topics, device_json
from streammon.records import Alert, CameraState, CameraStatus, Channel
from support.alerting_samples import message, until
from support.certificates import certificate
from support.redis_server import HOST
from support.sinks import (
    PASSWORD,
    PICTURE,
    Broker,
    config_of,
    notifying,
    subscribed,
)

ENTITY = {
    "platform", "unique_id", "name", "icon", "entity_category", "state_topic", "value_template",
    "json_attributes_topic",
}  # fmt: skip
DOCUMENTED = {
    "binary_sensor": ENTITY | {"device_class", "payload_on", "payload_off"},
    "sensor": ENTITY | {"state_class"},
    "image": ENTITY - {"state_topic", "value_template"} | {"image_topic", "content_type"},
}
"""Keys of each platform that we use, as in home-assistant.io/integrations/<platform>.mqtt."""


def home(broker: Broker, login: str = "", **settings: Any) -> dict[str, Any]:
    return {"mqtt": {"url": f"mqtt://{login}{HOST}:{broker.port}", **settings}}


def told(alert_id: str, part: int, camera: str = "lobby", channel: Channel = Channel.SPEED) -> Alert:
    return replace(message(alert_id, part, camera), channel=channel)


def names(payloads: list[bytes]) -> list[tuple[str, int]]:
    """The messages by id and part, without repetitions."""
    return list(dict.fromkeys((m["id"], m["part"]) for m in map(json.loads, payloads)))


def test_an_alert_shows_in_every_topic(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        async with Broker(tmp_path) as broker, subscribed(broker) as heard:
            async with notifying(config_of({"home": home(broker)}), spool) as sending:
                sending.notifier.show_camera_nowait(CameraStatus("lobby", CameraState.ONLINE, 7.0))
                await until(lambda: heard.latest("streammon/availability") == "online")
                await until(lambda: heard.latest("streammon/lobby/status") is not None)
                assert heard.latest("streammon/lobby/status") == {
                    "connected": "ON", "state": "online", "since_s": 7.0, "reason": "",
                }  # fmt: skip
                assert heard.latest("streammon/lobby/state")["alert"] == "OFF"
                for part, state in ((0, "ON"), (1, "ON"), (9, "OFF")):
                    before = len(heard.of("streammon/lobby/state"))
                    sending.send(told("a", part))
                    await until(lambda before=before: len(heard.of("streammon/lobby/state")) > before)  # type: ignore[misc]
                    shown = heard.latest("streammon/lobby/state")
                    assert (shown["alert"], shown["level"], shown["id"]) == (state, 1.0, "a")
                    assert (shown["channel"], shown["reason"]) == ("speed", "moves too fast here")
                sending.notifier.show_camera_nowait(CameraStatus("lobby", CameraState.OFFLINE, 9.0, "stream ended"))
                await until(lambda: heard.latest("streammon/lobby/status")["connected"] == "OFF")
                assert heard.latest("streammon/lobby/status")["reason"] == "stream ended"
                assert names(heard.of("streammon/lobby/alert")) == [("a", 0), ("a", 1), ("a", 9)]
                assert heard.of("streammon/lobby/snapshot") == [PICTURE, PICTURE]  # of the open and of the close
                assert heard.latest("streammon/gate/state")["alert"] == "OFF"
            await until(lambda: heard.latest("streammon/availability") == "offline")

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.usefixtures("soon")
def test_a_broker_that_is_stopped_and_started_again_has_every_alert_in_order_and_all_states(tmp_path: Path) -> None:
    sent = [(f"alert{number}", part) for number in range(3) for part in range(10)]
    heard_names: list[tuple[str, int]] = []

    async def scenario(spool: Spool) -> None:
        async with Broker(tmp_path) as broker, notifying(config_of({"home": home(broker)}), spool) as sending:
            sending.notifier.show_camera_nowait(CameraStatus("lobby", CameraState.ONLINE, 7.0))
            async with subscribed(broker) as heard:
                sending.send(*(told(*name) for name in sent[:10]))
                await until(lambda: len(names(heard.of("streammon/lobby/alert"))) == 10)
                heard_names.extend(names(heard.of("streammon/lobby/alert")))
                await broker.stop()
            await until(lambda: not sending.status("home").online)
            sending.send(*(told(*name) for name in sent[10:20]))
            sending.notifier.show_camera_nowait(CameraStatus("lobby", CameraState.FROZEN, 8.0))
            await until(lambda: sending.status("home").waiting == 10)
            await broker.start()
            async with subscribed(broker) as heard:
                sending.send(*(told(*name) for name in sent[20:]))
                await until(lambda: sending.status("home").waiting == 0)
                await until(lambda: heard.latest("streammon/lobby/status") is not None)
                await until(lambda: sent[-1] in names(heard.of("streammon/lobby/alert")))
                heard_names.extend(names(heard.of("streammon/lobby/alert")))
                assert heard.latest("streammon/lobby/status")["state"] == "frozen"
                assert heard.latest("homeassistant/device/streammon_gate/config")["device"]["name"] == "gate"
                assert heard.latest("streammon/availability") == "online"
                await until(lambda: heard.latest("streammon/lobby/state")["alert"] == "OFF")  # follows its alert
            assert [online for online, _ in sending.changes("home")] == [False, True]
            assert sending.status("home").sent == 30

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))
    assert heard_names[:10] == sent[:10]
    missed = len(sent) - len(dict.fromkeys(heard_names))  # delivered between the broker's start and the subscription
    assert missed < 20
    assert heard_names[10:] == sent[10 + missed :]


@pytest.mark.usefixtures("soon")
def test_a_broker_that_freezes_is_told_and_has_the_alert_once_it_goes_on(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        async with Broker(tmp_path) as broker, subscribed(broker) as heard:
            async with notifying(config_of({"home": home(broker, timeout_s=0.5)}), spool) as sending:
                await until(lambda: heard.latest("streammon/availability") == "online")
                broker.freeze()
                sending.send(told("a", 0))
                await until(lambda: not sending.status("home").online)
                assert sending.status("home").reason == "no answer within 0.5 s"
                broker.thaw()
                await until(lambda: sending.status("home").sent == 1)
                await until(lambda: names(heard.of("streammon/lobby/alert")) == [("a", 0)])
                broker.freeze()
                sending.send(told("a", 1))
            assert sending.status("home").sent == 1  # the end doesn't wait for it
            broker.thaw()

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.usefixtures("soon")
def test_what_accepts_connections_and_says_nothing_is_told_and_leaves_nothing_open(tmp_path: Path) -> None:
    connections = [0, 0]  # begun, ended

    async def keep_quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        with contextlib.closing(writer):
            while await reader.read(1024):
                pass
        connections[1] += 1

    async def scenario(spool: Spool) -> None:
        async with await asyncio.start_server(keep_quiet, HOST, 0) as server:
            port = server.sockets[0].getsockname()[1]
            config = config_of({"home": {"mqtt": {"url": f"mqtt://{HOST}:{port}", "timeout_s": 0.2}}})
            async with notifying(config, spool) as sending:
                sending.send(told("a", 0))
                await until(lambda: connections[0] >= 6)
                assert sending.changes("home") == [(False, "no answer within 0.2 s")]
            await until(lambda: connections[0] == connections[1])

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.usefixtures("soon")
def test_an_alert_of_an_earlier_run_leaves_no_alert_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Broker(tmp_path) as broker:
            await broker.stop()
            with Spool(tmp_path / "spool", 100) as spool:
                async with notifying(config_of({"home": home(broker)}), spool) as sending:
                    sending.send(told("a", 0))  # and no close: the program was killed
                    await until(lambda: not sending.status("home").online)
            await broker.start()
            with Spool(tmp_path / "spool", 100) as spool:
                async with (
                    subscribed(broker) as heard,
                    notifying(config_of({"home": home(broker)}), spool) as sending,
                ):
                    await until(lambda: sending.status("home").sent == 1)
                    await until(lambda: len(heard.of("streammon/lobby/state")) == 2)
                    assert [json.loads(state)["alert"] for state in heard.of("streammon/lobby/state")] == ["OFF"] * 2
                    assert names(heard.of("streammon/lobby/alert")) == [("a", 0)]

    asyncio.run(scenario())


def test_the_broker_tells_when_the_monitor_is_gone_and_everything_when_home_assistant_starts(tmp_path: Path) -> None:
    script = """if True:
        import asyncio, sys
        from pathlib import Path
        from streammon.alerting import Spool
        from streammon.alerting.sinks import Notifier
        from streammon.config import Config

        async def main():
            home = {"mqtt": {"url": sys.argv[1]}}
            config = Config.parse({"cameras": {"lobby": {"url": "a.mp4"}}, "notify": {"home": home}}, "test")
            with Spool(Path(sys.argv[2]), 100) as spool:
                async with Notifier(config, print).running(spool):
                    await asyncio.Event().wait()

        asyncio.run(main())
    """

    async def scenario() -> None:
        async with Broker(tmp_path) as broker, subscribed(broker) as heard:
            url = f"mqtt://{HOST}:{broker.port}"
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, url, str(tmp_path / "spool"))
            await until(lambda: heard.latest("streammon/availability") == "online")
            config_topic = "homeassistant/device/streammon_lobby/config"
            before = len(heard.of(config_topic))
            async with aiomqtt.Client(HOST, broker.port) as home_assistant:
                await home_assistant.publish("homeassistant/status", "online", 1)
            await until(lambda: len(heard.of(config_topic)) > before)
            process.kill()
            await process.wait()
            await until(lambda: heard.latest("streammon/availability") == "offline")

    asyncio.run(scenario())


def test_the_discovery_message_is_as_home_assistant_documents_it() -> None:
    topics = Topics("site/one", "homeassistant")
    assert topics.discovery("lobby") == "homeassistant/device/site_one_lobby/config"
    message = json.loads(device_json("lobby", topics, with_snapshot=True))
    assert set(message) == {
        "device", "origin", "components", "availability_topic", "payload_available", "payload_not_available", "qos",
    }  # fmt: skip
    assert message["device"]["identifiers"] == ["site_one_lobby"]
    assert set(message["device"]) == {"identifiers", "name", "manufacturer", "model", "sw_version"}
    assert set(message["origin"]) == {"name", "sw_version"}
    assert message["availability_topic"] == "site/one/availability"
    components = message["components"]
    platforms = {name: each["platform"] for name, each in components.items()}
    assert platforms == {
        "alert": "binary_sensor", "offline": "binary_sensor", "level": "sensor", "reason": "sensor",
        "snapshot": "image",
    }  # fmt: skip
    assert (components["alert"]["device_class"], components["offline"]["device_class"]) == ("problem", "connectivity")
    assert components["snapshot"]["image_topic"] == "site/one/lobby/snapshot"
    for each in components.values():
        assert set(each) <= DOCUMENTED[each["platform"]]
    assert len({each["unique_id"] for each in components.values()}) == len(components)
    without = json.loads(device_json("lobby", topics, with_snapshot=False))
    assert set(without["components"]) == set(components) - {"snapshot"}


@pytest.mark.usefixtures("soon")
def test_a_wrong_password_is_told_and_appears_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    passwords = tmp_path / "passwords"
    passwords.write_text("viewer:\n")

    async def scenario(spool: Spool) -> None:
        settings = ("allow_anonymous false", f"password_file {passwords}")
        async with Broker(tmp_path, *settings) as broker:
            config = config_of({"home": home(broker, f"viewer:{PASSWORD}@")})
            async with notifying(config, spool) as sending:
                assert sending.notifier.places == {"home": f"mqtt mqtt://{HOST}:{broker.port}/…"}
                sending.send(told("a", 0))
                await until(lambda: bool(sending.statuses))
                (status,) = sending.statuses
                assert status.reason == "the broker refuses the connection (wrong user or password?)"
                assert status.waiting == 1
            (result,) = await try_sinks(config)
            assert (result.taken, result.reason) == (False, status.reason)
            assert PASSWORD not in repr((sending.statuses, result, config))

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))
    assert PASSWORD not in caplog.text


def test_a_test_alert_changes_no_state(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Broker(tmp_path) as broker, subscribed(broker) as heard:
            (result,) = await try_sinks(config_of({"home": home(broker)}))
            assert result.taken
            await until(lambda: bool(heard.messages))
            ((topic, payload, _),) = heard.messages
            assert topic == "streammon/lobby/alert"
            assert json.loads(payload)["test"] is True
            async with subscribed(broker) as later:  # nothing was retained
                async with aiomqtt.Client(HOST, broker.port) as client:
                    await client.publish("end", "", 1)
                await until(lambda: bool(later.messages))
                assert [topic for topic, _, _ in later.messages] == ["end"]

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_a_certificate_is_verified_by_the_configured_authority(tmp_path: Path) -> None:
    async def scenario() -> None:
        own, key = certificate(tmp_path)
        async with Broker(tmp_path, "allow_anonymous true", f"certfile {own}", f"keyfile {key}") as broker:
            url = f"mqtts://localhost:{broker.port}"
            trusting, other = {"url": url, "ca_file": own}, {"url": url}
            config = config_of({"home": {"mqtt": trusting}, "other": {"mqtt": other}})
            home, other_home = await try_sinks(config)
            assert (home.taken, home.reason) == (True, "")
            assert not other_home.taken
            assert other_home.reason.startswith("its certificate can't be verified (self")

    asyncio.run(scenario())
