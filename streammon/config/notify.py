"""Settings of the sinks that alerts are delivered to beside Redis."""

import datetime
import re
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from streammon.config.addresses import parse_address
from streammon.config.values import FilePath, HeaderName, Name, Section, Topic, without_controls

EventName = Literal["open", "update", "close"]
ChannelName = Literal["looks", "change", "speed", "direction", "place", "shape", "object", "view"]
"""Values of `records.AlertEvent` and `records.Channel`, which load numpy."""

MINUTES_A_DAY = 24 * 60
HOST_NAME = re.compile(r"[\w.-]{1,255}|\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]")
WEBHOOK_SCHEMES = ("http", "https")
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


def time_of_day(value: object) -> str:
    """A time of day as `HH:MM`.

    YAML reads `22:00` without quotes as the number 1320, which is the minutes since midnight.

    Raises:
        ValueError: The value is no time of day.

    >>> time_of_day("6:30"), time_of_day(1320), time_of_day("24:00")
    ('06:30', '22:00', '24:00')
    """
    match = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*", value) if isinstance(value, str) else None
    if match and int(match[2]) < 60:
        minutes = 60 * int(match[1]) + int(match[2])
    else:
        minutes = value if type(value) is int and value >= 60 else MINUTES_A_DAY + 1
    if minutes > MINUTES_A_DAY:
        raise ValueError("it must be a time of day such as 22:00")
    return f"{minutes // 60:02}:{minutes % 60:02}"


def time_zone(name: str) -> str:
    """The name of a time zone, returned unchanged.

    Raises:
        ValueError: There is no such time zone.
    """
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # what it raises for unknown, for malformed and for overlong names
        raise ValueError("it must be the name of a time zone such as Europe/Berlin") from None
    return name


TimeOfDay = Annotated[str, BeforeValidator(time_of_day)]
TimeZone = Annotated[str, AfterValidator(time_zone)]


class HoursConfig(Section):
    """Hours of the day; `from` later than `until` is over midnight.

    Attributes:
        from: Begin, as in `22:00`, included.
        until: End, as in `06:00`, not included.
        zone: Time zone of both, as in `Europe/Berlin`; default: the machine's.
    """

    from_: TimeOfDay = Field(alias="from")
    until: TimeOfDay
    zone: TimeZone | None = None

    def contain(self, time_s: float) -> bool:
        """True if a Unix time is within these hours; always if they begin and end at the same time of day.

        >>> night = HoursConfig.model_validate({"from": "22:00", "until": "06:00", "zone": "UTC"})
        >>> [night.contain(3600.0 * hour) for hour in (5, 6, 21, 22)]
        [True, False, False, True]
        """
        zone = None if self.zone is None else ZoneInfo(self.zone)
        now = f"{datetime.datetime.fromtimestamp(time_s, zone):%H:%M}"
        if self.from_ < self.until:
            return self.from_ <= now < self.until
        return now >= self.from_ or now < self.until


class WebhookConfig(Section):
    """A server that takes each alert message by an HTTP POST.

    Attributes:
        url: `https://…` or `http://…`, may have a user and password.
        body: Jinja2 template of the body, with the fields of the alert message as variables; default: the alert
            message as JSON.
        headers: Further headers by name, such as `Authorization: Bearer ${TOKEN}`.
        secret: Key of the signature: with it, the header `X-Streammon-Signature` is `sha256=` and the HMAC-SHA256 of
            the body in hexadecimal digits.
        snapshot: Send `multipart/form-data` with the body as `alert` and the picture as `snapshot`.
        timeout_s: Seconds within which the server must answer.
        ca_file: PEM file of the authorities that may have signed the server's certificate; default: the machine's.
    """

    url: SecretStr
    body: str | None = None
    headers: dict[HeaderName, SecretStr] = Field(default_factory=dict, max_length=50)
    secret: SecretStr | None = Field(None, min_length=8)
    snapshot: bool = False
    timeout_s: float = Field(10.0, gt=0, le=120)
    ca_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _url_is_http(cls, url: SecretStr) -> SecretStr:
        return _network_url(url, WEBHOOK_SCHEMES)

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, SecretStr], others: ValidationInfo) -> dict[str, SecretStr]:
        for name, value in headers.items():
            without_controls(value.get_secret_value())
            address = parse_address(others.data["url"].get_secret_value()) if "url" in others.data else None
            if name.lower() == "authorization" and address is not None and address.login is not None:
                raise ValueError("there is a user in the url and a header Authorization; give one of them")
        return headers


class MqttConfig(Section):
    """An MQTT broker, with a device for each camera in Home Assistant.

    Attributes:
        url: `mqtt://…` or, by TLS, `mqtts://…`, may have a user and password.
        topic: Beginning of all topics.
        discovery_prefix: Beginning of Home Assistant's discovery topics.
        snapshot: Publish the picture of an alert.
        timeout_s: Seconds within which the broker must answer.
        ca_file: PEM file of the authorities that may have signed the broker's certificate; default: the machine's.
    """

    url: SecretStr
    topic: Topic = "streammon"
    discovery_prefix: Topic = "homeassistant"
    snapshot: bool = True
    timeout_s: float = Field(10.0, gt=0, le=120)
    ca_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _url_is_mqtt(cls, url: SecretStr) -> SecretStr:
        return _network_url(url, tuple(MQTT_PORTS))


class AppriseConfig(Section):
    """A service that Apprise knows, such as ntfy, Telegram or mail; requires `pip install 'streammon[apprise]'`.

    Attributes:
        url: URL of the service as Apprise writes it, such as `ntfys://my-alerts`.
        body: Jinja2 template of the text, with the fields of the alert message as variables; default: a sentence.
        snapshot: Attach the picture where the service takes one.
    """

    url: SecretStr
    body: str | None = None
    snapshot: bool = True


class SinkConfig(Section):
    """One sink: where it delivers to, and which alerts.

    Attributes:
        webhook: A server that takes HTTP POST.
        mqtt: An MQTT broker.
        apprise: A service of Apprise.
        cameras: Names of the cameras whose alerts are delivered; default: all.
        channels: Channels of evidence whose alerts are delivered; default: all.
        min_level: Smallest peak level of an alert that is delivered, -log10 of the false alarms a day; default: any.
        provisional: Deliver provisional alerts too.
        events: Messages of an alert that are delivered; default: `open` and `close`, for `mqtt` also `update`.
        hours: Hours of the day in which an alert must have opened; default: all day.
        health: Deliver health alerts too, of these cameras and of the monitor itself, in these hours.
    """

    webhook: WebhookConfig | None = None
    mqtt: MqttConfig | None = None
    apprise: AppriseConfig | None = None
    cameras: list[Name] = Field(default_factory=list)
    channels: list[ChannelName] = Field(default_factory=list)
    min_level: float | None = None
    provisional: bool = True
    events: list[EventName] = Field(default_factory=list)
    hours: HoursConfig | None = None
    health: bool = True

    @model_validator(mode="after")
    def _delivers_to_one_receiver(self) -> Self:
        if sum(each is not None for each in (self.webhook, self.mqtt, self.apprise)) != 1:
            raise ValueError("it must have one of webhook, mqtt and apprise")
        if self.mqtt is not None and self.events and not {"open", "close"} <= set(self.events):
            raise ValueError("a sink of kind mqtt needs the events open and close, else an alert would stay on")
        return self

    @property
    def delivered_events(self) -> frozenset[str]:
        """Messages of an alert that are delivered."""
        usual = get_args(EventName) if self.mqtt is not None else ("open", "close")
        return frozenset(self.events or usual)


def _network_url(url: SecretStr, schemes: tuple[str, ...]) -> SecretStr:
    """The canonical form of a URL.

    Raises:
        ValueError: The URL can't be used; the message has no part of it.
    """
    text = url.get_secret_value()
    without_controls(text)
    address = parse_address(text)
    if address is None or address.scheme not in schemes:
        raise ValueError(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not HOST_NAME.fullmatch(address.host) or address.port == 0:
        raise ValueError("it must name a host, and a port from 1 to 65535 if any")
    return SecretStr(str(address))
