"""The newest alerts of a camera, read back from the log: what a monitor shows of the time before it started."""

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
"""A long alert fills one page in three minutes with its updates; the messages before it are read too."""


async def newest_alerts(
    client: Any, keys: Keys, cameras: Collection[str], waiting: Iterable[str], limit: int, timeout_s: float
) -> list[Alert]:
    """The latest message of each of the newest alerts, in the order in which they opened.

    Reads the log backwards, at most `PAGES` pages; where it fails after the first, what was read is all.

    Args:
        client: Redis' client.
        keys: Names of the keys.
        cameras: Names of the cameras whose alerts are wanted; a log may hold those of other monitors.
        waiting: Messages that are not in the log yet, the newest first.
        limit: At most so many alerts.
        timeout_s: How long reading may take.

    Raises:
        RedisError: Of the client library, or an `OSError`: the first page can't be read.
    """
    latest: dict[str, Alert] = {}

    def take(texts: Iterable[str | bytes]) -> None:
        for text in texts:
            with contextlib.suppress(ValueError):  # another version's, or another program's
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
