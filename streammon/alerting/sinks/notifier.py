"""All sinks: passes each alert and health message to those whose routes let it through."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from streammon.alerting.messages import alert_json, health_json
from streammon.alerting.sinks.delivery import SinkDelivery, SnapshotSource
from streammon.alerting.sinks.routes import Route
from streammon.alerting.sinks.samples import sample_messages
from streammon.alerting.sinks.sink import Sink, SinkAwayError
from streammon.alerting.spool import NO_CAMERA, Spool
from streammon.config import Config
from streammon.errors import ConfigError
from streammon.records import Alert, CameraStatus, HealthAlert, SinkStatus


async def no_snapshot(_alert_id: str) -> bytes | None:
    """No picture of any alert."""
    return None


def new_sink(name: str, config: Config) -> Sink:
    """One of the configured sinks. Libraries are loaded only for the kinds that are configured.

    Raises:
        ConfigError: A template, a file of authorities or a service can't be used; the message names the setting.
    """
    sink, where = config.notify[name], f"notify.{name}"
    if sink.webhook is not None:
        from streammon.alerting.sinks.webhook import WebhookSink

        return WebhookSink(f"{where}.webhook", sink.webhook, sample_messages(sink))
    if sink.mqtt is not None:
        from streammon.alerting.sinks.mqtt import MqttSink

        return MqttSink(f"{where}.mqtt", sink.mqtt, sink.cameras or list(config.cameras))
    from streammon.alerting.sinks.apprise import AppriseSink

    assert sink.apprise is not None
    return AppriseSink(f"{where}.apprise", sink.apprise, sample_messages(sink))


async def require_reachable(name: str, sink: Sink) -> None:
    """Refuse a sink that can't be reached: its address may be wrong.

    Raises:
        ConfigError: It can't be reached.
    """
    try:
        await sink.reach_at_start()
    except SinkAwayError as error:
        found = f"{sink.place} can't be reached ({error.reason})"
        raise ConfigError(f"notify.{name}", found, "start it, mend its address, or leave it out") from None


class Notifier:
    """Delivers alert messages to all configured sinks.

    Each sink has a queue in the spool and a task of its own, so none delays another, Redis or the scorer. All methods
    must be called in the event loop's thread.

    Args:
        config: The sinks and their routes.
        on_status: Called on the event loop when a sink goes away or refuses, when it is back, and when it first loses
            a message.
        snapshot: Source of the pictures of alerts.

    Raises:
        ConfigError: A template, a file of authorities or a service can't be used.
    """

    def __init__(
        self, config: Config, on_status: Callable[[SinkStatus], None], snapshot: SnapshotSource = no_snapshot
    ) -> None:
        self._sinks = {name: new_sink(name, config) for name in config.notify}
        self._routes = {name: Route(sink) for name, sink in config.notify.items()}
        self._on_status = on_status
        self._snapshot = snapshot
        self._deliveries: dict[str, SinkDelivery] = {}

    @property
    def places(self) -> dict[str, str]:
        """Kind and address of each sink, without anything secret."""
        return {name: sink.place for name, sink in self._sinks.items()}

    @property
    def statuses(self) -> list[SinkStatus]:
        """State and counters of each sink; none before `running`."""
        return [delivery.status for delivery in self._deliveries.values()]

    async def require_reachable(self) -> None:
        """Refuse to start with a sink that can't be reached. Later outages are waited for.

        Raises:
            ConfigError: A sink can't be reached.
        """
        await asyncio.gather(*(require_reachable(name, sink) for name, sink in self._sinks.items()))

    @asynccontextmanager
    async def running(self, spool: Spool) -> AsyncIterator[None]:
        """Deliver while the context lasts.

        Raises:
            StorageError: The spool can't be written.
        """
        queues = spool.queues(self._sinks)
        self._deliveries = {
            name: SinkDelivery(name, sink, queues[name], self._on_status, self._snapshot)
            for name, sink in self._sinks.items()
        }
        async with AsyncExitStack() as opened:
            for sink in self._sinks.values():
                await opened.enter_async_context(sink)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work(), name=f"sink {name}")
                    for name, delivery in self._deliveries.items()
                    for work in (delivery.sink.run, delivery.run)
                ]
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()

    def publish_alerts_nowait(self, alerts: Iterable[Alert], heatmap_key: Callable[[str], str]) -> None:
        """Add alert messages to the queues of the sinks that are to have them.

        Args:
            alerts: Messages of an `AlertRule`, in order.
            heatmap_key: Returns the Redis key of a camera's latest heatmap.
        """
        for alert in alerts:
            takers = [self._deliveries[name] for name, route in self._routes.items() if route.takes(alert)]
            message = alert_json(alert, heatmap_key(alert.camera)) if takers else ""
            for delivery in takers:
                delivery.put_nowait(alert.id, alert.part, alert.event, alert.camera, message)

    def publish_health_nowait(self, alerts: Iterable[HealthAlert]) -> None:
        """Add messages of health alerts to the queues of the sinks that are to have them."""
        for health in alerts:
            takers = [self._deliveries[name] for name, route in self._routes.items() if route.takes_health(health)]
            for delivery in takers:
                delivery.put_nowait(health.id, health.part, health.event, NO_CAMERA, health_json(health))

    def show_camera_nowait(self, status: CameraStatus) -> None:
        """Pass a camera's state to the sinks that show it."""
        for sink in self._sinks.values():
            sink.show_camera_nowait(status)

    async def drain(self, timeout_s: float) -> int:
        """Wait until every sink that is not away has taken what waits for it, at most so long.

        Returns:
            Number of messages left in the queues for the next start.
        """
        # wait_for, since before Python 3.11.4 asyncio.timeout does not work in a task that is being cancelled.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                asyncio.gather(*(delivery.settle() for delivery in self._deliveries.values())), timeout_s
            )
        return sum(status.waiting for status in self.statuses)
