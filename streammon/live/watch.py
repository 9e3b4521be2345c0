"""Watching a running monitor by its messages in Redis, as messages or as figures and events."""

import contextlib
import json
from collections.abc import Callable, Collection
from typing import Any

from streammon.alerting import alert_from_json, health_from_json, subscribe
from streammon.config import RedisConfig
from streammon.records import Alert, AlertEvent, CameraFigures, CameraState, CameraStatus, Event, Notice, RedisStatus


async def watch_messages(
    redis: RedisConfig, cameras: Collection[str] | None, show: Callable[[dict[str, Any]], None]
) -> None:
    """Show each message that arrives until cancelled.

    Args:
        redis: Redis server that the monitor publishes to.
        cameras: Names of the cameras to show; None for all.
        show: Called with each message.

    Raises:
        RedisError: Redis can't be reached at the start.
    """
    async with contextlib.aclosing(subscribe(redis, cameras)) as messages:
        async for message in messages:
            show(message)


def update_figures(figures: dict[str, CameraFigures], message: dict[str, Any]) -> Event | None:
    """Update the table's figures by a message, and return the event to show, if any."""
    kind = message.get("kind")
    if kind == "health":
        try:
            return health_from_json(json.dumps(message))
        except ValueError as error:
            return Notice(f"a health message: {error}")
    if kind == "redis":
        return RedisStatus(bool(message["online"]), float(message["since_s"]), str(message["reason"]))
    camera = str(message.get("camera"))
    if kind == "verdict":
        by = f" by {message['user']}" if message.get("user") else ""
        said = f"was called {message['verdict']}" if message.get("verdict") else "is not judged any more"
        return Notice(f"camera '{camera}': alert {message.get('id')} {said}{by}")
    row = figures.get(camera)
    if row is None:
        row = figures[camera] = CameraFigures(CameraStatus(camera, CameraState.CONNECTING, 0.0))
    if kind == "status":
        before, row.status = row.status, _status(message)
        for name, value in message.get("counters", {}).items():
            if name in CameraFigures.__dataclass_fields__:
                setattr(row, name, value)
        return None if before == row.status else row.status
    if kind == "score":
        row.score, row.level = float(message["score"]), float(message["level"])
        return None
    if kind == "alert":
        try:
            alert: Alert = alert_from_json(json.dumps(message))
        except ValueError as error:  # a message of another version, or not from a monitor
            return Notice(f"camera '{camera}': {error}")
        row.alert_open = alert.event is not AlertEvent.CLOSE
        return alert
    return Notice(f"a message of unknown kind {kind!r}")


def _status(message: dict[str, Any]) -> CameraStatus:
    names = ("camera", "since_s", "reason", "retry_in_s", "progress")
    return CameraStatus(state=CameraState(message["state"]), **{name: message[name] for name in names})
