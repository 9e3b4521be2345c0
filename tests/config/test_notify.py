"""Settings of the sinks: what is refused, in one line with the path in the file."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from streammon import alerting
from streammon.alerting.sinks import new_sink
from streammon.config import Config
from streammon.config.notify import ChannelName, EventName
from streammon.errors import ConfigError
from streammon.records import AlertEvent, Channel

PASSWORD = "s3cr3t-Pa55"
HOOK = {"url": "https://10.0.0.5/hook"}
MQTT_URL_RULE = "it must begin with mqtt:// or mqtts://"


def parsed(sink: Any) -> Config:
    return Config.parse({"cameras": {"lobby": {"url": "a.mp4"}}, "notify": {"desk": sink}}, "config.yaml")


@pytest.mark.parametrize(
    ("sink", "complaint"),
    [
        ({}, "notify.desk is a mapping; it must have one of webhook, mqtt and apprise"),
        (
            {"webhook": HOOK, "mqtt": {"url": "mqtt://a"}},
            "notify.desk is a mapping; it must have one of webhook, mqtt and apprise",
        ),
        ({"webhook": {}}, "notify.desk.webhook.url is missing; add it"),
        (
            {"webhook": {"url": f"ftp://u:{PASSWORD}@a/"}},
            "notify.desk.webhook.url can't be used; it must begin with http:// or https://",
        ),
        (
            {"webhook": {"url": f"https://:{PASSWORD}@/hook"}},
            "notify.desk.webhook.url can't be used; it must name a host, and a port from 1 to 65535 if any",
        ),
        (
            {"webhook": {"url": "https://ho st/"}},
            "notify.desk.webhook.url can't be used; it must name a host, and a port from 1 to 65535 if any",
        ),
        ({"mqtt": {"url": f"http://{PASSWORD}"}}, f"notify.desk.mqtt.url can't be used; {MQTT_URL_RULE}"),
        ({"mqtt": {"url": "broker"}}, f"notify.desk.mqtt.url can't be used; {MQTT_URL_RULE}"),
        (
            {"mqtt": {"url": "mqtt://a", "topic": "home/#"}},
            "notify.desk.mqtt.topic is 'home/#'; it must be 1 to 128 characters without +, # and control characters,"
            " and not begin with / or $",
        ),
        (
            {"mqtt": {"url": "mqtt://a"}, "events": ["open"]},
            "notify.desk is a mapping; a sink of kind mqtt needs the events open and close, else an alert would stay"
            " on",
        ),
        (
            {"webhook": HOOK, "channels": ["sound"]},
            "notify.desk.channels.0 is 'sound'; it must be 'looks', 'change',",
        ),
        (
            {"webhook": HOOK, "cameras": ["loby"]},
            "notify.desk.cameras names 'loby', which is no camera; name some of",
        ),
        ({"webhook": HOOK | {"timeout_s": 0}}, "notify.desk.webhook.timeout_s is 0; it must be above 0"),
        ({"webhook": HOOK | {"secret": "short"}}, "notify.desk.webhook.secret is text; it must have at least 8"),
        (
            {"webhook": HOOK | {"headers": {"a b": "c"}}},
            "notify.desk.webhook.headers has the key 'a b'; it must be the",
        ),
        (
            {"webhook": HOOK | {"headers": {"a": f"{PASSWORD}\n"}}},
            "notify.desk.webhook.headers is a mapping; it must hold no control characters",
        ),
        (
            {"webhook": {"url": "https://u:p@10.0.0.5/", "headers": {"authorization": PASSWORD}}},
            "notify.desk.webhook.headers is a mapping; there is a user in the url and a header Authorization",
        ),
        ({"webhook": HOOK | {"retries": 3}}, "notify.desk.webhook.retries is no known key; see"),
        (
            {"webhook": HOOK, "hours": {"from": 22, "until": "06:00"}},
            "notify.desk.hours.from is 22; it must be a time of day such as 22:00",
        ),
        (
            {"webhook": HOOK, "hours": {"from": "25:00", "until": "06:00"}},
            "notify.desk.hours.from is '25:00'; it must",
        ),
        ({"webhook": HOOK, "hours": {"from": "06:00"}}, "notify.desk.hours.until is missing; add it"),
        (
            {"webhook": HOOK, "hours": {"from": 1320, "until": "06:00", "zone": "Mars"}},
            "notify.desk.hours.zone is 'Mars'; it must be the name of a time zone such as Europe/Berlin",
        ),
    ],
)
def test_a_mistake_is_a_line_with_its_path(sink: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        parsed(sink)
    assert str(error.value).startswith(f"config.yaml: {complaint}")
    assert "\n" not in str(error.value)
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize(
    ("sink", "complaint"),
    [
        (
            {"webhook": HOOK | {"body": "{{ camera"}},
            "notify.desk.webhook.body: line 1 of the template can't be read (unexpected end of template, expected"
            " 'end of print statement'.); mend it, see jinja.palletsprojects.com",
        ),
        (
            {"webhook": HOOK | {"body": "\n{% if %}"}},
            "notify.desk.webhook.body: line 2 of the template can't be read (Expected an expression, got 'end of"
            " statement block'); mend it, see jinja.palletsprojects.com",
        ),
        (
            {"webhook": HOOK | {"body": "{{ camra }}"}},
            "notify.desk.webhook.body: the template fails with a message of kind alert ('camra' is undefined);"
            " use the fields of a message, see streammon/alerting/README.md",
        ),
        (
            {"webhook": HOOK | {"body": "{{ ''.__class__.__mro__ }}"}},
            "notify.desk.webhook.body: the template fails with a message of kind alert (access to attribute"
            " '__class__' of 'str' object is unsafe.); use the fields",
        ),
        (
            {"webhook": HOOK | {"body": "{{ closed_s + 1 }}"}},
            "notify.desk.webhook.body: the template fails with a message of kind alert (TypeError: unsupported"
            " operand type(s) for +: 'NoneType' and 'int'); use the fields",
        ),
        (
            {"webhook": HOOK | {"body": "{{ channel }}"}},
            "notify.desk.webhook.body: the template fails with a message of kind health ('channel' is undefined)",
        ),
        (
            {"webhook": HOOK | {"ca_file": "no.pem"}},
            "notify.desk.webhook.ca_file: no.pem can't be read (no such file or directory); name a PEM file of"
            " authorities",
        ),
        (
            {"mqtt": {"url": "mqtts://10.0.0.5", "ca_file": __file__}},
            f"notify.desk.mqtt.ca_file: {__file__} has no certificate; name a PEM file of authorities",
        ),
    ],
)
def test_what_only_the_sink_can_tell_is_a_line_with_its_path_too(sink: dict[str, Any], complaint: str) -> None:
    config = parsed(sink)
    with pytest.raises(ConfigError) as error:
        new_sink("desk", config)
    assert str(error.value).startswith(complaint)
    assert "\n" not in str(error.value)


def test_a_template_is_tried_with_the_messages_that_the_sink_is_given() -> None:
    body = {"body": "{{ closed_s - opened_s }}"}  # of an open alert there is no closed_s
    new_sink("desk", parsed({"webhook": HOOK | body, "events": ["close"]}))
    with pytest.raises(ConfigError, match="unsupported operand"):
        new_sink("desk", parsed({"webhook": HOOK | body, "events": ["close", "open"]}))


def test_secrets_come_from_the_environment_and_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_PASSWORD", "p@ss/w#rd")
    monkeypatch.setenv("HOOK_SECRET", PASSWORD)
    hook = {"url": "https://desk:${HOOK_PASSWORD}@10.0.0.5/", "secret": "${HOOK_SECRET}"}
    config = parsed({"webhook": hook | {"headers": {"X-Key": "${HOOK_SECRET}"}}})
    (sink,) = config.notify.values()
    assert sink.webhook is not None
    assert sink.webhook.url.get_secret_value() == "https://desk:p%40ss%2Fw%23rd@10.0.0.5/"
    assert sink.webhook.secret is not None
    assert sink.webhook.secret.get_secret_value() == PASSWORD
    assert PASSWORD not in repr(config)
    assert "ss%2Fw" not in repr(config)


def test_a_configuration_with_sinks_can_be_dumped_and_parsed_again() -> None:
    hours = {"from": "22:00", "until": "06:00", "zone": "Europe/Berlin"}
    config = parsed({"webhook": HOOK | {"secret": PASSWORD}, "hours": hours, "channels": ["speed"]})
    again = Config.parse(config.dump_with_secrets(), "again")
    assert again == config


def test_the_names_of_channels_and_events_are_those_of_the_records() -> None:
    assert get_args(ChannelName) == tuple(Channel)
    assert get_args(EventName) == tuple(AlertEvent)


def test_the_example_in_the_readme_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(alerting.__file__).parent / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(notify:.*?)```", text, re.DOTALL)
    for name in re.findall(r"\$\{(\w+)\}", example):
        monkeypatch.setenv(name, PASSWORD)
    cameras = {name: {"url": "clip.mp4"} for name in ("lobby", "gate")}
    config = Config.parse({"cameras": cameras, **yaml.safe_load(example)}, "README.md")
    assert set(config.notify) == {"desk", "home", "phone"}
    assert config.notify["phone"].delivered_events == {"open"}
