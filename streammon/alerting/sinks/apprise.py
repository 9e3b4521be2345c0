"""Services of Apprise (ntfy, Telegram, mail and a hundred others), an optional extra."""

import asyncio
import datetime
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, cast

from streammon.alerting.sinks.sink import Notification, Sink, SinkAwayError, SinkRefusedError
from streammon.alerting.sinks.templates import BodyError, BodyTemplate
from streammon.config import AppriseConfig
from streammon.errors import ConfigError
from streammon.records import AlertEvent

NOT_TAKEN = "the service did not take the message"
HEADLINES = {AlertEvent.OPEN: "Alert", AlertEvent.UPDATE: "Alert goes on", AlertEvent.CLOSE: "Alert is over"}


class AppriseSink(Sink):
    """Sends each alert message as a text by a service of Apprise.

    Apprise reports neither why a message failed nor whether it may be tried again, so each failure is tried again.

    Args:
        where: Path of the settings, such as `notify.phone.apprise`.
        apprise: The settings.
        samples: A message of each kind that it is given, to try the template with.

    Raises:
        ConfigError: Apprise is not installed or doesn't know the URL, or the template can't be used.
    """

    def __init__(self, where: str, apprise: AppriseConfig, samples: Iterable[dict[str, Any]]) -> None:
        url = apprise.url.get_secret_value()
        self.place = f"apprise {url.partition('://')[0]}://…"  # what follows may be a token
        self.takes_snapshots = apprise.snapshot
        self._template = None if apprise.body is None else BodyTemplate(apprise.body, f"{where}.body", samples)
        self._service = _service(url, where)
        self._worker = ThreadPoolExecutor(1, "streammon-apprise")  # a slow service must not take asyncio's threads

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def reach(self) -> None:
        """Nothing: Apprise can't test a service without a message."""

    async def deliver(self, notification: Notification) -> None:
        """Send a message.

        Raises:
            SinkAwayError: The service did not take it.
            SinkRefusedError: The template fails with this message.
        """
        fields = notification.fields
        try:
            body = default_body(fields) if self._template is None else self._template.render(fields)
        except BodyError as error:
            raise SinkRefusedError(f"the template fails ({error})") from None
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._worker, self._send, default_title(fields), body, notification):
            raise SinkAwayError(NOT_TAKEN)

    def _send(self, title: str, body: str, notification: Notification) -> bool:
        from apprise import AppriseAttachment
        from apprise.attachment.memory import AttachMemory

        attach, memory = None, cast(Any, AttachMemory)  # it has no types
        if notification.snapshot is not None and self.takes_snapshots:
            name = f"{notification.id}.jpg"
            attach = AppriseAttachment(memory(content=notification.snapshot, name=name, mimetype="image/jpeg"))
        return bool(self._service.notify(body=body, title=title, attach=attach))


def default_title(fields: dict[str, Any]) -> str:
    """Title of a message.

    >>> default_title({"kind": "alert", "event": "open", "camera": "lobby", "test": True})
    'Test: Alert, lobby'
    >>> default_title({"kind": "health", "event": "close", "cameras": ["lobby", "gate"]})
    'Health alert is over, lobby, gate'
    """
    test = "Test: " if fields.get("test") else ""
    is_health = fields["kind"] == "health"
    subject = (", ".join(fields["cameras"]) or "monitor") if is_health else fields["camera"]
    headline = HEADLINES[AlertEvent(fields["event"])]
    return f"{test}{headline.replace('Alert', 'Health alert') if is_health else headline}, {subject}"


def default_body(fields: dict[str, Any]) -> str:
    """Text of a message, with the alert's id, by which a repeated message can be recognised.

    >>> fields = {"kind": "alert", "opened_s": 0.0, "provisional": True, "id": "018b"}
    >>> default_body(fields | {"reason": "moves too fast here"})
    '... moves too fast here (provisional). Alert 018b.'
    """
    opened = datetime.datetime.fromtimestamp(fields["opened_s"]).astimezone()
    provisional = " (provisional)" if fields.get("provisional") else ""
    return f"{opened:%Y-%m-%d %H:%M:%S %Z}: {fields['reason']}{provisional}. Alert {fields['id']}."


def _service(url: str, where: str) -> Any:
    """Apprise with one service.

    Raises:
        ConfigError: Apprise is not installed, or doesn't know the URL.
    """
    logging.getLogger("apprise").disabled = True  # its lines may quote the URL
    try:
        from apprise import Apprise
    except ImportError:
        raise ConfigError(where, "Apprise is not installed", "run `pip install 'streammon[apprise]'`") from None
    service = Apprise()
    if not service.add(url):
        raise ConfigError(f"{where}.url", "Apprise doesn't know this URL", "see the list of services of Apprise")
    return service
