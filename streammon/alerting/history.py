"""Read-back of the newest alerts from the Redis log, to show them after a restart of the monitor."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import Any

from redis import exceptions as faults

from streammon.alerting.keys import Keys
from streammon.alerting.messages import alert_from_json
from streammon.records import Alert

PAGE = 200  # messages read at once
PAGES = 10
"""Largest number of pages read: one long alert with an update a second fills a page in about three minutes."""


async def newest_alerts(
    client: Any, keys: Keys, cameras: Collection[str], waiting: Iterable[str], limit: int, timeout_s: float
) -> list[Alert]:
    """The latest message of each of the newest alerts, in the order in which they opened.

    Reads the log backwards, at most `PAGES` pages. If a page after the first fails, the alerts read so far are
    returned.

    Args:
        client: Redis client.
        keys: Names of the keys.
        cameras: Names of the cameras whose alerts are wanted; a log may also contain alerts of other monitors.
        waiting: Messages that are not in the log yet, the newest first.
        limit: Largest number of alerts.
        timeout_s: Time limit of the reading.

    Raises:
        redis.exceptions.RedisError: The first page can't be read.
        OSError: The same; a `TimeoutError` when the first page took too long.
    """
    latest: dict[str, Alert] = {}

    def take(texts: Iterable[str | bytes]) -> None:
        for text in texts:
            with contextlib.suppress(ValueError):  # a message of another version or program
                alert = alert_from_json(text)
                if alert.camera in cameras and len(latest) < limit:
                    latest.setdefault(alert.id, alert)

    take(waiting)
    before, read = "+", 0
    try:
        async with asyncio.timeout(timeout_s):
            while len(latest) < limit and read < PAGES:
                page = await client.execute_command("XREVRANGE", keys.alert_log, before, "-", "COUNT", PAGE)
                read += 1
                take(fields[b"json"] for _, fields in page if b"json" in fields)
                if len(page) < PAGE:
                    break
                before = f"({page[-1][0].decode()}"
    except (faults.RedisError, OSError):
        if not read:
            raise
    return sorted(latest.values(), key=lambda alert: alert.opened_s)
