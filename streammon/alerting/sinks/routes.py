"""Routing: which alert and health messages a sink is given."""

from streammon.config import SinkConfig
from streammon.records import Alert, AlertEvent, HealthAlert


class Route:
    """Decides which messages one sink is given.

    An alert that once fits stays with the sink: its later messages follow even if they no longer fit, so that what
    was opened is closed. An alert that fits late (its peak rises above `min_level`, it is no longer provisional)
    begins with the first message that fits: an update takes the place of the open.

    Args:
        sink: The route's settings.
    """

    def __init__(self, sink: SinkConfig) -> None:
        self._sink = sink
        self._events = sink.delivered_events
        self._routed: set[str] = set()  # ids of the open alerts and health alerts that fit

    def takes(self, alert: Alert) -> bool:
        """True if the sink is given this message; call it with each message, in order."""
        begins = alert.id not in self._routed and self._fits(alert)
        if begins:
            self._routed.add(alert.id)
        is_routed = alert.id in self._routed
        if alert.event is AlertEvent.CLOSE:
            self._routed.discard(alert.id)
        stands_for_open = begins and alert.event is AlertEvent.UPDATE and AlertEvent.OPEN in self._events
        return is_routed and (alert.event in self._events or stands_for_open)

    def takes_health(self, health: HealthAlert) -> bool:
        """True if the sink is given this message of a health alert; call it with each message, in order."""
        if health.event is AlertEvent.OPEN and self._fits_health(health):
            self._routed.add(health.id)
        is_routed = health.id in self._routed
        if health.event is AlertEvent.CLOSE:
            self._routed.discard(health.id)
        return is_routed and health.event in self._events

    def _fits_health(self, health: HealthAlert) -> bool:
        sink = self._sink
        return (
            sink.health
            and (not (sink.cameras and health.cameras) or bool(set(sink.cameras) & set(health.cameras)))
            and (sink.hours is None or sink.hours.contain(health.opened_s))
        )

    def _fits(self, alert: Alert) -> bool:
        sink = self._sink
        return (
            (not sink.cameras or alert.camera in sink.cameras)
            and (not sink.channels or alert.channel in sink.channels)
            and (sink.min_level is None or alert.peak_level >= sink.min_level)
            and (sink.provisional or not alert.provisional)
            and (sink.hours is None or sink.hours.contain(alert.opened_s))
        )
