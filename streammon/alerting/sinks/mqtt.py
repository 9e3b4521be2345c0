"""MQTT: alert messages, states and pictures to a broker, and a device per camera in Home Assistant."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import aiomqtt

from streammon.alerting.sinks.discovery import (
    OFFLINE,
    ONLINE,
    Topics,
    alert_state_json,
    camera_state_json,
    device_json,
)
from streammon.alerting.sinks.faults import client_tls, fault_reason, reach_host
from streammon.alerting.sinks.sink import Notification, Sink, SinkAwayError, sink_backoff_s
from streammon.config import MQTT_PORTS, MqttConfig, parse_address, redacted
from streammon.errors import bug_in_one_line
from streammon.records import CameraStatus

KEEPALIVE_S = 15  # the broker publishes the last will after one and a half of it
GOODBYE_S = 0.5  # of the 5 s in which the monitor must end
LOST_S = 0.0  # a time limit that is over: of calls whose connection ended
AT_LEAST_ONCE = 1  # quality of service: the broker confirms each message

silent = logging.getLogger(f"{__name__}.client")  # the client's own lines may quote what was sent
silent.addHandler(logging.NullHandler())
silent.propagate = False


class MqttSink(Sink):
    """Publishes alert messages, and what Home Assistant shows of them, at least once each.

    `run` keeps one connection and connects again with backoff. Whenever it connects it publishes the discovery, the
    state of each alert and camera, and `online`. All of these are retained, so that the broker has them for a Home
    Assistant that starts later.

    Args:
        where: Path of the settings, such as `notify.home.mqtt`.
        mqtt: The settings.
        cameras: Names of the cameras that get a device.

    Raises:
        ConfigError: The file of authorities can't be used.
    """

    def __init__(self, where: str, mqtt: MqttConfig, cameras: Sequence[str]) -> None:
        url = mqtt.url.get_secret_value()
        address = parse_address(url)
        assert address is not None
        self.place = f"mqtt {redacted(url)}"
        self.takes_snapshots = mqtt.snapshot
        self._mqtt = mqtt
        self._host = address.host.strip("[]")
        self._port = address.port or MQTT_PORTS[address.scheme]
        user, colon, password = (address.login or "").partition(":")
        self._user = unquote(user) if address.login is not None else None
        self._password = unquote(password) if colon else None
        self._tls = client_tls(mqtt.ca_file, f"{where}.ca_file") if address.scheme == "mqtts" else None
        self._topics = Topics(mqtt.topic, mqtt.discovery_prefix)
        self._alert_states = dict.fromkeys(cameras, alert_state_json(None))
        self._camera_states: dict[str, str] = {}
        self._unsent: set[str] = set()  # cameras whose latest state the broker doesn't have
        self._something_new = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._fault = ""
        self._attempted = asyncio.Event()  # replaced by each attempt to connect
        self._limits: set[asyncio.Timeout] = set()  # of the calls in progress

    async def run(self) -> None:
        """Keep the connection and publish cameras' states, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_connection(), name="mqtt connection")
            group.create_task(self._publish_states(), name="mqtt states")

    async def reach(self) -> None:
        """Wait for the connection, or for the next attempt to fail.

        Raises:
            SinkAwayError: The attempt failed.
        """
        await self._connection()

    async def reach_at_start(self) -> None:
        """Connect to the broker's host and say nothing.

        Raises:
            SinkAwayError: There is no connection.
        """
        try:
            await reach_host(self._host, self._port, self._tls, self._mqtt.timeout_s)
        except OSError as error:
            raise SinkAwayError(fault_reason(error)) from None

    async def deliver(self, notification: Notification) -> None:
        """Publish a health message, or an alert message with its picture and the state of the camera's alert.

        Raises:
            SinkAwayError: There is no connection, or the broker did not confirm in time.
        """
        client = await self._connection()
        camera, topics = notification.camera, self._topics
        if notification.fields["kind"] == "health":
            await self._publish(client, topics.health, notification.json, retain=False)
            return
        state = alert_state_json(notification.fields, notification.is_stale)
        await self._publish(client, topics.alert(camera), notification.json)
        if notification.snapshot is not None:
            await self._publish(client, topics.snapshot(camera), notification.snapshot)
        if camera in self._alert_states:
            self._alert_states[camera] = state
        await self._publish(client, topics.state(camera), state)

    async def deliver_test(self, notification: Notification) -> None:
        """Publish a message on the camera's alert topic, without retaining it, by a connection of its own.

        No state changes, so what a running monitor shows in Home Assistant stays as it is.

        Raises:
            SinkAwayError: There is no connection, or the broker did not confirm in time.
        """
        async with self._connected(with_will=False) as client:
            await self._publish(client, self._topics.alert(notification.camera), notification.json, retain=False)

    def show_camera_nowait(self, status: CameraStatus) -> None:
        """Publish a camera's state as soon as there is a connection."""
        if status.camera in self._alert_states:
            self._camera_states[status.camera] = camera_state_json(status)
            self._unsent.add(status.camera)
            self._something_new.set()

    async def _keep_connection(self) -> None:
        """Connect again with backoff whenever the connection ends."""
        failures, task = 0, asyncio.current_task()
        assert task is not None
        while not task.cancelling():  # before Python 3.12 `wait_for` may swallow the cancellation itself
            try:
                async with self._connected(with_will=True) as client:
                    await self._say_hello(client)
                    failures = 0
                    self._end_attempt(client)
                    await self._greet_home_assistant(client)
            except SinkAwayError as error:
                self._fault = error.reason
            except aiomqtt.MqttError as error:
                self._fault = _mqtt_fault(error)
            except Exception as error:  # of the client library; a sink must not end the monitor
                self._fault = bug_in_one_line(error)
            was_connected = self._client is not None
            self._end_attempt(None)
            if was_connected:
                self.on_lost()
            await asyncio.sleep(sink_backoff_s(failures))
            failures += 1

    async def _publish_states(self) -> None:
        """Publish each camera's newest state, again after each new connection."""
        while True:
            await self._something_new.wait()
            with contextlib.suppress(SinkAwayError):
                client = await self._connection()
                self._something_new.clear()
                while self._unsent:
                    camera = next(iter(self._unsent))
                    self._unsent.discard(camera)
                    try:
                        await self._publish(client, self._topics.status(camera), self._camera_states[camera])
                    except SinkAwayError:
                        self._unsent.add(camera)
                        self._something_new.set()
                        raise

    async def _connection(self) -> aiomqtt.Client:
        if self._client is None:
            await self._attempted.wait()
        if self._client is None:
            raise SinkAwayError(self._fault, retry_in_s=0.0)  # the next attempt is waited for
        return self._client

    def _end_attempt(self, client: aiomqtt.Client | None) -> None:
        self._client = client
        if client is None:
            for limit in self._limits:  # aiomqtt would wait on for the answers
                if not limit.expired():
                    limit.reschedule(LOST_S)
        attempted, self._attempted = self._attempted, asyncio.Event()
        attempted.set()

    @asynccontextmanager
    async def _connected(self, with_will: bool) -> AsyncIterator[aiomqtt.Client]:
        """A connection to the broker, whose end publishes `offline` if it has the last will.

        The host is reached for first: aiomqtt connects in a thread, which nothing ends before its own time limit.

        Raises:
            SinkAwayError: There is no connection, or it broke.
        """
        offline = aiomqtt.Will(self._topics.availability, OFFLINE, AT_LEAST_ONCE, retain=True)
        client = aiomqtt.Client(
            self._host,
            self._port,
            username=self._user,
            password=self._password,
            tls_context=self._tls,
            will=offline if with_will else None,
            keepalive=KEEPALIVE_S,
            timeout=math.inf,  # before Python 3.12 its time limits could swallow a cancellation; these here don't
            max_queued_incoming_messages=1,
            logger=silent,
        )
        connecting: asyncio.Future[aiomqtt.Client] | None = None
        try:
            async with self._translated():
                await reach_host(self._host, self._port, self._tls, self._mqtt.timeout_s)
                connecting = asyncio.ensure_future(client.__aenter__())
                await asyncio.shield(connecting)  # a cancelled client would fail in its callbacks when it disconnects
            yield client
        finally:
            if with_will:  # the broker publishes it by itself only when a connection breaks
                await _bounded(self._publish(client, self._topics.availability, OFFLINE))
            await _bounded(client.__aexit__(None, None, None))
            if connecting is not None:
                connecting.cancel()

    async def _say_hello(self, client: aiomqtt.Client) -> None:
        """Subscribe to Home Assistant's start, and publish discovery, states and availability."""
        async with self._translated():
            await client.subscribe(self._topics.home_assistant, AT_LEAST_ONCE)
        await self._introduce(client)
        self._unsent.update(self._camera_states)
        self._something_new.set()

    async def _introduce(self, client: aiomqtt.Client) -> None:
        for camera, state in self._alert_states.items():
            device = device_json(camera, self._topics, self.takes_snapshots)
            await self._publish(client, self._topics.discovery(camera), device)
            await self._publish(client, self._topics.state(camera), state)
        await self._publish(client, self._topics.availability, ONLINE)

    async def _greet_home_assistant(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if message.payload == ONLINE.encode():
                await self._introduce(client)

    async def _publish(
        self, client: aiomqtt.Client, topic: str, payload: str | bytes, *, retain: bool = True
    ) -> None:
        """Publish, and return once the broker has confirmed it.

        Raises:
            SinkAwayError: It did not, in time.
        """
        async with self._translated():
            await client.publish(topic, payload, AT_LEAST_ONCE, retain)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Time limit of calls to the broker, whose failures are raised as `SinkAwayError`."""
        limit = asyncio.timeout(self._mqtt.timeout_s)
        try:
            async with limit:
                self._limits.add(limit)
                yield
        except TimeoutError:
            is_lost = limit.when() == LOST_S
            raise SinkAwayError(self._fault if is_lost else f"no answer within {self._mqtt.timeout_s:g} s") from None
        except (aiomqtt.MqttError, OSError) as error:
            raise SinkAwayError(_mqtt_fault(error)) from None
        finally:
            self._limits.discard(limit)


async def _bounded(step: Coroutine[Any, Any, None]) -> None:
    """A step of the connection's end, under a deadline; a failure means that there is no connection any more."""
    with contextlib.suppress(aiomqtt.MqttError, OSError, SinkAwayError):
        await asyncio.wait_for(step, GOODBYE_S / 2)


def _mqtt_fault(error: BaseException) -> str:
    """Reason in a few words; aiomqtt keeps the socket's own error as the context of its error."""
    match error:
        case aiomqtt.exceptions.MqttConnectError():
            return "the broker refuses the connection (wrong user or password?)"
        case aiomqtt.MqttError():
            return fault_reason(error.__context__)
    return fault_reason(error)
