"""Alerts go out by a service of Apprise, here by its plain JSON to a web server."""

import asyncio
import base64
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from streammon.alerting import Spool
from streammon.alerting.sinks import new_sink
from streammon.errors import ConfigError
from support.alerting_samples import message, until
from support.redis_server import HOST
from support.sinks import (
    PASSWORD,
    PICTURE,
    Receiver,
    config_of,
    notifying,
)

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise loads it


def phone(receiver: Receiver, **settings: Any) -> dict[str, Any]:
    return {"apprise": {"url": f"json://user:{PASSWORD}@{HOST}:{receiver.port}/hook", **settings}}


@pytest.mark.usefixtures("soon")
def test_each_alert_is_a_text_with_its_picture_also_after_an_outage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario(spool: Spool) -> None:
        async with Receiver() as receiver:
            receiver.answers += [500, 401]
            body = "{{ camera }} {{ event }} {{ part }}"
            async with notifying(config_of({"phone": phone(receiver, body=body)}), spool) as sending:
                assert sending.notifier.places == {"phone": "apprise json://…"}
                sending.send(message("a", 0), message("a", 1), message("a", 9))
                await until(lambda: len(receiver.requests) == 2)
                assert sending.changes("phone")[0] == (False, "the service did not take the message")
                texts = [request.message["message"] for request in receiver.requests]
                assert texts == ["lobby open 0", "lobby close 9"]
                opened = receiver.requests[0].message
                assert opened["title"] == "Alert, lobby"
                assert base64.b64decode(opened["attachments"][0]["base64"]) == PICTURE
                assert PASSWORD not in repr(sending.statuses)

    with Spool(tmp_path / "spool", 10) as spool:
        asyncio.run(scenario(spool))
    assert PASSWORD not in caplog.text


def test_an_url_that_apprise_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        new_sink("phone", config_of({"phone": {"apprise": {"url": f"nosuchservice://{PASSWORD}"}}}))
    assert str(error.value) == (
        "notify.phone.apprise.url: Apprise doesn't know this URL; see the list of services of Apprise"
    )


def test_without_apprise_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError) as error:
        new_sink("phone", config_of({"phone": {"apprise": {"url": "json://10.0.0.5"}}}))
    assert str(error.value) == (
        "notify.phone.apprise: Apprise is not installed; run `pip install 'streammon[apprise]'`"
    )
