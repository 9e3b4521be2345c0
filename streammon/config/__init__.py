"""Schema and validation of `config.yaml`, with a message of one line for each error.

Keys end with their unit (`read_timeout_s`). `${NAME}` is replaced by the environment variable, so passwords stay out
of the file.
"""

from streammon.config.addresses import parse_address, redacted, without_logins
from streammon.config.notify import MQTT_PORTS, AppriseConfig, MqttConfig, SinkConfig, WebhookConfig
from streammon.config.reading import expanded
from streammon.config.reference import attribute_descriptions
from streammon.config.sections import (
    SCENES,
    AlertingConfig,
    CameraConfig,
    Config,
    EventsConfig,
    ModelConfig,
    PreviewConfig,
    RedisConfig,
)
from streammon.config.values import NAME, PATTERN_RULES, Section, is_loopback, seconds
from streammon.config.wording import OPTIONS, MultipleConfigError, parse_section

__all__ = [
    "MQTT_PORTS",
    "NAME",
    "OPTIONS",
    "PATTERN_RULES",
    "SCENES",
    "AlertingConfig",
    "AppriseConfig",
    "CameraConfig",
    "Config",
    "EventsConfig",
    "ModelConfig",
    "MqttConfig",
    "MultipleConfigError",
    "PreviewConfig",
    "RedisConfig",
    "Section",
    "SinkConfig",
    "WebhookConfig",
    "attribute_descriptions",
    "expanded",
    "is_loopback",
    "parse_address",
    "parse_section",
    "redacted",
    "seconds",
    "without_logins",
]
