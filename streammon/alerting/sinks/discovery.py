"""Home Assistant's MQTT discovery: a device for each camera, and the states of its entities.

Device discovery (Home Assistant 2024.11 and newer): one retained message at `<prefix>/device/<id>/config` with the
mandatory keys `device`, `origin` and `components`; each component has a `platform` and a `unique_id`
(https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from streammon import __version__
from streammon.records import AlertEvent, CameraStatus

ONLINE, OFFLINE = "online", "offline"  # Home Assistant's own words for available and not
ON, OFF = "ON", "OFF"
FIELD = "{{ value_json.%s }}"


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of all topics.

    Attributes:
        topic: Beginning of the monitor's own topics.
        discovery_prefix: Beginning of Home Assistant's topics.

    >>> topics = Topics("streammon", "homeassistant")
    >>> topics.alert("lobby"), topics.discovery("lobby")
    ('streammon/lobby/alert', 'homeassistant/device/streammon_lobby/config')
    """

    topic: str
    discovery_prefix: str

    @property
    def availability(self) -> str:
        """`online` while the monitor is connected, else `offline`, which the broker publishes as the last will."""
        return f"{self.topic}/availability"

    @property
    def home_assistant(self) -> str:
        """Home Assistant's own state: `online` once it has started."""
        return f"{self.discovery_prefix}/status"

    @property
    def health(self) -> str:
        """Health messages of all cameras and of the monitor as JSON."""
        return f"{self.topic}/health"

    def alert(self, camera: str) -> str:
        """Alert messages of a camera as JSON."""
        return f"{self.topic}/{camera}/alert"

    def state(self, camera: str) -> str:
        """State of the camera's alert as JSON."""
        return f"{self.topic}/{camera}/state"

    def status(self, camera: str) -> str:
        """State of the camera itself as JSON."""
        return f"{self.topic}/{camera}/status"

    def snapshot(self, camera: str) -> str:
        """Picture of the camera's latest alert as JPEG."""
        return f"{self.topic}/{camera}/snapshot"

    def device(self, camera: str) -> str:
        """Id of a camera's device, in the characters that Home Assistant takes."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", f"{self.topic}_{camera}")

    def discovery(self, camera: str) -> str:
        """Discovery message of a camera's device."""
        return f"{self.discovery_prefix}/device/{self.device(camera)}/config"


def device_json(camera: str, topics: Topics, with_snapshot: bool) -> str:
    """Discovery message of a camera's device.

    Args:
        camera: Name of the camera.
        topics: Names of the topics.
        with_snapshot: Whether pictures are published.
    """
    device = topics.device(camera)
    components = _components(camera, topics)
    if not with_snapshot:
        del components["snapshot"]
    message = {
        "device": {
            "identifiers": [device],
            "name": camera,
            "manufacturer": "streammon",
            "model": "camera",
            "sw_version": __version__,
        },
        "origin": {"name": "streammon", "sw_version": __version__},
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "components": {name: {"unique_id": f"{device}_{name}", **each} for name, each in components.items()},
    }
    return json.dumps(message, ensure_ascii=False)


def _components(camera: str, topics: Topics) -> dict[str, dict[str, Any]]:
    state, alert, status = topics.state(camera), topics.alert(camera), topics.status(camera)
    binary = {"platform": "binary_sensor", "payload_on": ON, "payload_off": OFF}
    return {
        "alert": {
            **binary,
            "name": "Alert",
            "device_class": "problem",
            "state_topic": state,
            "value_template": FIELD % "alert",
            "json_attributes_topic": alert,
        },
        "offline": {
            **binary,
            "name": "Connection",
            "device_class": "connectivity",  # on is connected, off is disconnected
            "entity_category": "diagnostic",
            "state_topic": status,
            "value_template": FIELD % "connected",
            "json_attributes_topic": status,
        },
        "level": {
            "platform": "sensor",
            "name": "Level",
            "icon": "mdi:chart-bell-curve",
            "state_class": "measurement",
            "state_topic": state,
            "value_template": FIELD % "level",
        },
        "reason": {
            "platform": "sensor",
            "name": "Reason",
            "icon": "mdi:comment-question-outline",
            "state_topic": state,
            "value_template": FIELD % "reason",
            "json_attributes_topic": state,
        },
        "snapshot": {
            "platform": "image",
            "name": "Snapshot",
            "image_topic": topics.snapshot(camera),
            "content_type": "image/jpeg",
        },
    }


def alert_state_json(fields: dict[str, Any] | None, is_stale: bool = False) -> str:
    """State of a camera's alert, after an alert message.

    Args:
        fields: Fields of the alert message; None before the first.
        is_stale: The alert is over, although this message may not be its close.
    """
    alert = fields or {}
    is_on = bool(alert) and not is_stale and alert["event"] != AlertEvent.CLOSE
    shown = {name: alert.get(name) for name in ("level", "peak_level", "channel", "reason", "id", "provisional")}
    return json.dumps({"alert": ON if is_on else OFF, **shown}, ensure_ascii=False)


def camera_state_json(status: CameraStatus) -> str:
    """State of a camera itself."""
    connected = ON if status.state.sends_pictures else OFF
    shown = {"state": status.state, "since_s": round(status.since_s, 3), "reason": status.reason}
    return json.dumps({"connected": connected, **shown}, ensure_ascii=False)
