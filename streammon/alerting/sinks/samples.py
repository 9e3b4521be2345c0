"""Made-up messages, to try templates and sinks with."""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from streammon.alerting.keys import Keys
from streammon.alerting.messages import alert_json, health_json
from streammon.alerting.rule import alert_id
from streammon.alerting.sinks.sink import Notification
from streammon.boxes import jpeg_with_boxes
from streammon.config import RedisConfig, SinkConfig
from streammon.records import Alert, AlertEvent, Box, Channel, Condition, HealthAlert

BOX = Box(120, 60, 80, 60, 9.0)
PICTURE_SIZE = (320, 180)
GREY, QUALITY = 96, 90


def sample_alert(event: AlertEvent, camera: str = "lobby") -> Alert:
    """A made-up alert message of the present moment."""
    now = time.time()
    closed_s = now if event is AlertEvent.CLOSE else None
    part = list(AlertEvent).index(event)
    figures: dict[str, Any] = {"score": 9.0, "level": 1.0, "peak_score": 9.0, "peak_level": 1.0, "basis_s": 3600.0}
    names: dict[str, Any] = {"camera": camera, "scene": camera, "channel": Channel.SPEED, "boxes": (BOX,)}
    return Alert(alert_id(now), event, part, opened_s=now - 1, time_s=now, closed_s=closed_s, **figures, **names)


def sample_health_alert(event: AlertEvent, camera: str = "lobby") -> HealthAlert:
    """A made-up message of a health alert of the present moment."""
    now = time.time()
    closed_s = now if event is AlertEvent.CLOSE else None
    part = int(event is AlertEvent.CLOSE)
    return HealthAlert(
        alert_id(now), event, part, Condition.OFFLINE, (camera,), "", now - 1, now, closed_s, "offline (no answer)"
    )


def sample_messages(sink: SinkConfig) -> Iterator[dict[str, Any]]:
    """Fields of a message of each kind that a sink is given."""
    events = sink.delivered_events
    for event in AlertEvent:
        stands_for_open = event is AlertEvent.UPDATE and AlertEvent.OPEN in events
        if event in events or stands_for_open:
            yield json.loads(_json(sample_alert(event)))
        if sink.health and event in events and event is not AlertEvent.UPDATE:
            yield json.loads(health_json(sample_health_alert(event)))


def sample_notification(camera: str, event: AlertEvent = AlertEvent.OPEN) -> Notification:
    """A made-up alert message with a picture; it has the field `test`, which is true."""
    alert = sample_alert(event, camera)
    fields = {**json.loads(_json(alert)), "test": True}
    return Notification(alert.id, alert.part, camera, json.dumps(fields, separators=(",", ":")), _picture())


def _json(alert: Alert) -> str:
    return alert_json(alert, Keys(RedisConfig().prefix).heatmap(alert.camera))


def _picture() -> bytes:
    picture = np.full((*reversed(PICTURE_SIZE), 3), GREY, np.uint8)
    return jpeg_with_boxes(picture, [BOX], PICTURE_SIZE, QUALITY)
