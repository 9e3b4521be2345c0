"""Subscription to the messages that a running monitor publishes."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator, Collection
from functools import partial
from typing import Any

from redis import exceptions as faults
from redis.asyncio.client import PubSub

from streammon.alerting.keys import Keys
from streammon.alerting.link import CALL_TIMEOUT_S, CLOSE_TIMEOUT_S, fault_of, retry_delay_s
from streammon.alerting.messages import VERSION
from streammon.alerting.server import KeyServer
from streammon.config import RedisConfig
from streammon.errors import RedisError

SILENCE_S = 15.0  # longer than the pause between two repeated statuses


async def subscribe(
    redis: RedisConfig, cameras: Collection[str] | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """The messages of a running monitor: first every camera's latest status, then all that is published.

    Reconnects with backoff when Redis goes offline, and reports each change as a message of kind `redis`:
    `{"kind": "redis", "online": false, "since_s": …, "reason": …}`. Messages published while offline are missed; the
    alert log has every alert. Close the iterator (`contextlib.aclosing`) to end the connection.

    Args:
        redis: Address and key prefix that the monitor publishes to.
        cameras: Names of the cameras to subscribe to; None subscribes to all, later ones included.

    Yields:
        Messages as documented in `streammon.alerting.messages`, distinguished by `kind`.

    Raises:
        RedisError: The first connection to Redis fails.
    """
    server = KeyServer(redis)
    is_first, is_online, attempt = True, True, 0
    while True:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                pubsub = await _subscribed(server, cameras)
                statuses = await server.call(partial(_statuses, cameras))
            if not is_online:
                yield _redis_message(True, "")
            is_first, is_online, attempt = False, True, 0
            for status in statuses:
                yield status
            while True:
                message = await _next_message(pubsub, server.keys.alerts.encode())
                if message is not None and _concerns(message, cameras):
                    yield message
        except (faults.RedisError, OSError) as error:
            fault = fault_of(error, server.address)
            if is_first:
                raise RedisError("redis", *fault) from None
        finally:
            await _close(server)
        if is_online:
            is_online = False
            yield _redis_message(False, fault.found)
        await asyncio.sleep(retry_delay_s(attempt))
        attempt += 1
        await _start_over(server)


async def _subscribed(server: KeyServer, cameras: Collection[str] | None) -> PubSub:
    """Subscribe, and wait for the server's confirmations: no message published after the return is missed."""
    pubsub: PubSub = await server.pubsub()
    keys = server.keys
    if cameras is not None:
        names = (keys.scores, keys.camera_alerts, keys.status_channel)
        channels = [keys.health, keys.verdicts, *(name(camera) for camera in cameras for name in names)]
        await pubsub.subscribe(*channels)
        await _confirmed(pubsub, len(channels))
        return pubsub
    literal = Keys(_literal(keys.prefix))
    try:
        patterns = [name("*") for name in (literal.scores, literal.camera_alerts, literal.status_channel)]
        await pubsub.psubscribe(*patterns, literal.health, literal.verdicts)
        await _confirmed(pubsub, len(patterns) + 2)
    except faults.NoPermissionError:  # of patterns Redis allows those of the ACL alone, so try the one of the README
        await pubsub.aclose()  # type: ignore[no-untyped-call]
        pubsub = await server.pubsub()
        await pubsub.psubscribe(f"{literal.prefix}*")
        await _confirmed(pubsub, 1)
    return pubsub


def _concerns(message: dict[str, Any], cameras: Collection[str] | None) -> bool:
    """False for a health or verdict message about none but other cameras."""
    named = {"health": message.get("cameras"), "verdict": [message.get("camera")]}.get(message.get("kind", ""))
    return cameras is None or not named or not set(cameras).isdisjoint(named)


async def _confirmed(pubsub: PubSub, channels: int) -> None:
    confirmed = 0
    while confirmed < channels:
        received = await pubsub.get_message(timeout=None)
        confirmed += received is not None and received["type"] in ("subscribe", "psubscribe")


async def _statuses(cameras: Collection[str] | None, client: Any, keys: Keys) -> list[dict[str, Any]]:
    known = [name.decode() for name in await client.execute_command("SMEMBERS", keys.cameras)]
    wanted = sorted(known if cameras is None else set(known) & set(cameras))
    if not wanted:
        return []
    latest = await client.execute_command("MGET", *(keys.status(camera) for camera in wanted))
    return [message for text in latest if (message := _parsed(text))]


async def _next_message(pubsub: PubSub, repeats: bytes) -> dict[str, Any] | None:
    """The next message; None for anything but a message of version 1.

    Args:
        pubsub: The subscription.
        repeats: Channel to leave out, since its messages are on other channels too.

    Raises:
        TimeoutError: Neither a message nor the reply to a ping arrived in time.
    """
    received = await pubsub.get_message(timeout=SILENCE_S)
    if received is None:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await pubsub.ping()
            received = await pubsub.get_message(timeout=None)
    if not received or received["type"] not in ("message", "pmessage") or received["channel"] == repeats:
        return None
    return _parsed(received["data"])


def _parsed(text: bytes | None) -> dict[str, Any] | None:
    """Parse a message of version 1; None for anything else that another program publishes on the channels."""
    with contextlib.suppress(ValueError):
        message = json.loads(text or b"null")
        if isinstance(message, dict) and message.get("v") == VERSION:
            return message
    return None


def _redis_message(online: bool, reason: str) -> dict[str, Any]:
    return {"v": VERSION, "kind": "redis", "online": online, "since_s": round(time.time(), 3), "reason": reason}


def _literal(prefix: str) -> str:
    r"""The prefix with the special characters of Redis patterns escaped.

    >>> _literal("mon[1]:")
    'mon\\[1\\]:'
    """
    return re.sub(r"([*?\[\]\\^])", r"\\\1", prefix)


async def _close(server: KeyServer) -> None:
    with contextlib.suppress(faults.RedisError, OSError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await server.close()


async def _start_over(server: KeyServer) -> None:
    with contextlib.suppress(faults.RedisError, OSError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await server.start_over()
