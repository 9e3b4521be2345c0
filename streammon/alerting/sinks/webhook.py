"""Webhook: each alert message as an HTTP POST, signed if a secret is configured."""

import contextlib
import datetime
import hmac
import json
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp

from streammon import __version__
from streammon.alerting.sinks.faults import client_tls, fault_reason, reach_host
from streammon.alerting.sinks.sink import Notification, Sink, SinkAwayError, SinkRefusedError
from streammon.alerting.sinks.templates import BodyError, BodyTemplate
from streammon.config import WebhookConfig, parse_address, redacted

SIGNATURE_HEADER = "X-Streammon-Signature"
RETRIED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""Answers below 500 that may be another one later."""

PORTS = {"http": 80, "https": 443}
LONGEST_RETRY_AFTER_S = 3600.0  # a server that asks for more is asked again after an hour


class WebhookSink(Sink):
    """Sends each alert message by an HTTP POST and takes any answer from 200 to 299 for its receipt.

    Redirections are not followed: a POST would become a GET.

    Args:
        where: Path of the settings, such as `notify.desk.webhook`.
        webhook: The settings.
        samples: A message of each kind that it is given, to try the template with.

    Raises:
        ConfigError: The template or the file of authorities can't be used.
    """

    def __init__(self, where: str, webhook: WebhookConfig, samples: Iterable[dict[str, Any]]) -> None:
        self._url = webhook.url.get_secret_value()
        address = parse_address(self._url)
        assert address is not None
        self._host, self._port = address.host.strip("[]"), address.port or PORTS[address.scheme]
        self._is_encrypted = address.scheme == "https"
        self.place = f"webhook {redacted(self._url)}"
        self.takes_snapshots = webhook.snapshot
        self._webhook = webhook
        self._template = None if webhook.body is None else BodyTemplate(webhook.body, f"{where}.body", samples)
        self._tls = client_tls(webhook.ca_file, f"{where}.ca_file")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._webhook.timeout_s), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def reach(self) -> None:
        """Connect to the server and send nothing.

        Raises:
            SinkAwayError: There is no connection.
        """
        tls = self._tls if self._is_encrypted else None
        try:
            await reach_host(self._host, self._port, tls, self._webhook.timeout_s)
        except OSError as error:
            raise SinkAwayError(fault_reason(error)) from None

    async def deliver(self, notification: Notification) -> None:
        """Send a message and wait for the answer.

        Raises:
            SinkAwayError: There was no answer, or one that may be another later (408, 425, 429, 5xx).
            SinkRefusedError: The template fails with this message, or the server refuses it.
        """
        assert self._session is not None
        body, content_type = self._content(notification)
        headers = self._headers(notification, body, content_type)
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, ssl=self._tls, allow_redirects=False
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise SinkAwayError(f"no answer within {self._webhook.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SinkAwayError(_client_fault(error)) from None
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            _raise_refusal(status, retry_after)

    def _content(self, notification: Notification) -> tuple[bytes, str]:
        """Body of the request and its content type."""
        if self._template is None:
            body = notification.json.encode()
        else:
            try:
                body = self._template.render(notification.fields).encode()
            except BodyError as error:
                raise SinkRefusedError(f"the template fails ({error})") from None
        content_type = "application/json" if self._is_json(body) else "text/plain; charset=utf-8"
        if not self.takes_snapshots:
            return body, content_type
        return multipart(notification, body, content_type)

    def _is_json(self, body: bytes) -> bool:
        if self._template is None:
            return True
        with contextlib.suppress(ValueError):
            json.loads(body)
            return True
        return False

    def _headers(self, notification: Notification, body: bytes, content_type: str) -> dict[str, str]:
        """The headers; those that are configured take precedence, except for key and signature."""
        own = {"Content-Type": content_type, "User-Agent": f"streammon/{__version__}"}
        configured = {name.title(): value.get_secret_value() for name, value in self._webhook.headers.items()}
        headers = own | configured | {"Idempotency-Key": notification.key}
        if self.takes_snapshots:
            headers["Content-Type"] = content_type  # has the boundary between the parts
        if self._webhook.secret is not None:
            headers[SIGNATURE_HEADER] = signature(self._webhook.secret.get_secret_value(), body)
        return headers


def signature(secret: str, body: bytes) -> str:
    """Value of the signature header: HMAC-SHA256 (RFC 2104) of the body as it is sent.

    >>> signature("key", b"The quick brown fox jumps over the lazy dog")
    'sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8'
    """
    return f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"


def multipart(notification: Notification, body: bytes, content_type: str) -> tuple[bytes, str]:
    """Body and content type of `multipart/form-data` (RFC 7578): `alert`, then `snapshot` if there is a picture.

    The boundary is the alert's id with its random digits, so that a repeated request is the same to the byte.
    """
    boundary = f"streammon-{notification.key}"
    parts = [("alert", "", content_type, body)]
    if notification.snapshot is not None:
        parts.append(("snapshot", f'; filename="{notification.id}.jpg"', "image/jpeg", notification.snapshot))
    lines = []
    for name, filename, kind, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"{filename}\r\nContent-Type: {kind}\r\n\r\n'
        lines += [f"--{boundary}\r\n{head}".encode(), content, b"\r\n"]
    return b"".join([*lines, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def retry_after_s(value: str) -> float | None:
    """Wait that a `Retry-After` header asks for (RFC 9110: seconds or a date), at most an hour; None if it has none.

    >>> retry_after_s("120"), retry_after_s("Fri, 31 Dec 1999 23:59:59 GMT"), retry_after_s("1e9"), retry_after_s("")
    (120.0, 0.0, None, None)
    """
    if value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    with contextlib.suppress(ValueError):
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
        return min(max(0.0, date.timestamp() - time.time()), LONGEST_RETRY_AFTER_S)
    return None


def _raise_refusal(status: int, retry_after: str) -> None:
    """Raise for an answer that is no receipt. The server's own words, which may be anything, are not repeated."""
    phrase = f" {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else ""
    reason = f"answers {status}{phrase}"
    if status in RETRIED or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise SinkAwayError(reason, retry_after_s(retry_after))
    raise SinkRefusedError(reason)


def _client_fault(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return fault_reason(error.certificate_error)
        case aiohttp.ClientConnectorError():
            return fault_reason(error.os_error)
    return fault_reason(error)
