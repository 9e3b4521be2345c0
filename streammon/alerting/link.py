"""Connection to Redis: deadlines, reconnection with backoff, refusals, and translation of the client's errors."""

import asyncio
import contextlib
import errno
import random
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, NamedTuple, TypeVar

from redis import exceptions as faults

from streammon.alerting.access import MissingPermissionError, require_permissions
from streammon.alerting.history import newest_alerts
from streammon.alerting.keys import Keys
from streammon.alerting.server import KeyServer, SentinelFoundError
from streammon.backoff import backoff_s
from streammon.config import RedisConfig
from streammon.errors import RedisError

CALL_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
RETRY_BASE_S = 0.1
RETRY_CAP_S = 5.0
PROBE = "probe"
PROBE_TTL_S = 60
ADDRESS_REMEDY = "start it there, or set redis.url to another, or to `embedded`"
REDIRECTED_REMEDY = "start it there, or set cluster-announce-ip of the cluster's servers to what this machine reaches"

T = TypeVar("T")


class Fault(NamedTuple):
    """Fault of Redis in a few words, and its remedy."""

    found: str
    remedy: str


class RedisCallError(Exception):
    """A call to Redis failed."""


class RedisOfflineError(RedisCallError):
    """A call failed or exceeded its deadline; Redis may or may not have executed it."""


class RedisRefusedError(RedisCallError):
    """Redis answered that it does not execute the command."""


OUTAGES = (faults.ReadOnlyError, faults.ClusterDownError, faults.AskError, faults.TryAgainError)
"""Answers that end when another server is the primary or the cluster is whole again, so a new connection may help."""


def retry_delay_s(attempt: int) -> float:
    """Backoff with jitter before attempt `attempt` (from 0): min(5, 0.1 * 2**attempt) * uniform(0.5, 1) seconds."""
    return backoff_s(attempt, RETRY_BASE_S, RETRY_CAP_S, random.random())


def fault_of(error: BaseException, address: str) -> Fault:
    """Translate an error of the client library for the user; the text never contains a password."""
    cause = error.__cause__ or error.__context__
    match error:
        case faults.AuthenticationError() if "without any password" in str(error):
            return Fault(f"{address} has no password", "take it out of redis.url")
        case faults.AuthenticationError() if "required" in str(error) or "HELLO" in str(error):
            return Fault(
                f"{address} asks for a password", "put it into redis.url, as in redis://:${REDIS_PASSWORD}@…"
            )
        case faults.AuthenticationError():
            return Fault(f"{address} refuses the password", "check user and password in redis.url")
        case faults.BusyLoadingError():
            return Fault(f"{address} is still loading its data", "try again soon")
        case faults.OutOfMemoryError():
            return Fault(f"{address} is out of memory", "raise its maxmemory")
        case faults.ReadOnlyError():
            return Fault(f"{address} is a read-only replica", "set redis.url to its primary")
        case MissingPermissionError():
            return Fault(f"{address} denies this user {error.denied}", error.remedy)
        case faults.NoPermissionError():
            return Fault(f"{address} denies the command ({error})", "give this user the permission")
        case SentinelFoundError():
            return Fault(f"{address} is a Sentinel, which keeps no alerts", "set redis.url to the primary it watches")
        case faults.ClusterDownError() | faults.AskError() | faults.TryAgainError():
            return Fault(f"the cluster of {address} doesn't serve all its slots", "mend the cluster")
        case faults.ClusterCrossSlotError():
            return Fault(
                f"{address} is in cluster mode and rejects keys of several slots", "set redis.prefix to {streammon}:"
            )
        case faults.InvalidResponse():
            return Fault(f"what answers at {address} is not Redis", "check host and port in redis.url")
        case faults.ResponseError() if "DB index" in str(error) or "SELECT is not allowed" in str(error):
            return Fault(f"{address} has no database of that number", "take the number out of redis.url")
        case faults.ResponseError():
            return Fault(f"{address} rejects the command ({error})", "see the log of that server")
        case TimeoutError() | faults.TimeoutError():
            return Fault(f"no answer from {address}", ADDRESS_REMEDY)
    return _socket_fault(error if isinstance(error, OSError) else cause, address)


def _socket_fault(error: BaseException | None, address: str) -> Fault:
    match error:
        case ssl.SSLError():
            return Fault(
                f"TLS failed at {address} ({error.reason or 'no reason given'})", "check rediss:// in redis.url"
            )
        case socket.gaierror():
            return Fault(f"no such host as {address}", "check the host in redis.url")
        case ConnectionRefusedError():
            return Fault(f"connection refused at {address}", ADDRESS_REMEDY)
        case FileNotFoundError():
            return Fault(f"no socket at {address}", ADDRESS_REMEDY)
        case OSError(errno=int(code)) if code in errno.errorcode:
            return Fault(f"no connection to {address} ({errno.errorcode[code]})", ADDRESS_REMEDY)
    return Fault(f"the connection to {address} was lost", ADDRESS_REMEDY)


async def check_redis(redis: RedisConfig, cameras: Collection[str], *, reads_log: bool = False) -> str:
    """Connect, authenticate, write once, and check the permissions that publishing needs.

    Args:
        redis: Address and key prefix.
        cameras: Names of the cameras.
        reads_log: Also read the alert log, as the page does at its start; a failure is part of the result.

    Returns:
        Address of Redis, without user and password, and what was found there.

    Raises:
        RedisError: Redis can't be reached or written, or denies this user a command.
    """
    link = RedisLink(redis, lambda: None, CALL_TIMEOUT_S, cameras)
    try:
        await link.check()
        cluster = f" in cluster mode (keys begin with {link.keys.key_prefix})" if link.keys.in_cluster else ""
        found = f"{link.address}{cluster} answers and takes what is published"
        if reads_log:
            try:
                await link.read(
                    lambda client, keys: newest_alerts(client, keys, (), (), 1, CALL_TIMEOUT_S), CALL_TIMEOUT_S
                )
            except RedisError as error:
                found += f"; the page starts without earlier alerts ({error.found})"
        return found
    finally:
        await link.close()


class RedisLink:
    """Connection to one Redis: calls with a deadline, reconnection, and what Redis refuses.

    An outage makes every call fail until Redis answers again. A refusal concerns one kind of call and lasts until
    such a call succeeds, so the two don't take turns.

    Args:
        redis: Address and key prefix.
        on_change: Called when Redis goes offline, is online again, and when it begins or ceases to refuse calls.
        call_timeout_s: Time limit of one call.
        cameras: Names of the cameras that are published.

    Attributes:
        online: True if Redis answered the last call, and before the first.
        reason: Why Redis is offline, or what it refuses; else empty.
        refused: True if Redis answers and refuses what is published.
        since_s: Unix time of the last change of these.
    """

    def __init__(
        self,
        redis: RedisConfig,
        on_change: Callable[[], None],
        call_timeout_s: float,
        cameras: Collection[str] = (),
    ) -> None:
        self.online = True
        self.since_s = time.time()
        self._server = KeyServer(redis)
        self._cameras = cameras
        self._fault = ""  # why Redis is offline
        self._refusals: dict[str, str] = {}  # kind of call → why Redis refuses it
        self._on_change = on_change
        self._call_timeout_s = call_timeout_s
        self._is_online = asyncio.Event()
        self._is_online.set()
        self._is_offline = asyncio.Event()

    @property
    def keys(self) -> Keys:
        """Names of the keys and channels, as far as it is known whether Redis is a cluster."""
        return self._server.keys

    @property
    def address(self) -> str:
        """Address of the server in use, without user and password."""
        return self._server.address

    @property
    def reason(self) -> str:
        """Why Redis is offline, or what it refuses; empty while it accepts everything."""
        return self._fault or next(iter(self._refusals.values()), "")

    @property
    def refused(self) -> bool:
        """True if Redis answers and refuses what is published."""
        return self.online and bool(self._refusals)

    async def call(self, kind: str, command: Callable[[Any, Keys], Awaitable[T]]) -> T:
        """Execute `command(client, keys)` under the deadline.

        Args:
            kind: Name of what is called, such as `alerts`: a refusal of one kind ends when a call of it succeeds.
            command: The call.

        Raises:
            RedisOfflineError: The call failed; Redis counts as offline until `reach` succeeds.
            RedisRefusedError: Redis answered and refuses the command.
        """
        try:
            async with asyncio.timeout(self._call_timeout_s):
                result = await self._server.call(command)
        except (faults.RedisError, OSError) as error:
            if isinstance(error, faults.ResponseError) and not isinstance(error, OUTAGES):
                await self._refuse(kind, error)
                raise RedisRefusedError from None
            self._lose(self._fault_of(error).found)
            raise RedisOfflineError from None
        self._accept(kind)
        return result

    async def read(self, command: Callable[[Any, Keys], Awaitable[T]], within_s: float) -> T:
        """Execute a command whose failure says nothing about publishing, within so many seconds.

        Raises:
            RedisError: The call failed.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self._server.call(command)
        except (faults.RedisError, OSError) as error:
            raise RedisError("redis", *self._fault_of(error)) from None

    async def check(self) -> None:
        """Connect, authenticate, write once, and check the permissions that publishing needs.

        Raises:
            RedisError: Redis can't be reached or written, or denies this user a command.
        """

        async def test(client: Any, keys: Keys) -> None:
            await require_permissions(client, keys, self._cameras)
            await _probe(client, keys)

        try:
            async with asyncio.timeout(self._call_timeout_s):
                await self._server.call(test)
        except (faults.RedisError, OSError) as error:
            raise RedisError("redis", *self._fault_of(error)) from None

    async def wait_online(self) -> None:
        """Wait until Redis is online."""
        await self._is_online.wait()

    async def reconnect_forever(self) -> None:
        """Reconnect with backoff whenever Redis goes offline. Runs until cancelled."""
        loop = asyncio.get_running_loop()
        attempt, restored_at = 0, loop.time()
        while True:
            await self._is_offline.wait()
            if loop.time() - restored_at > RETRY_CAP_S:  # else Redis is flapping: keep the longer delay
                attempt = 0
            while not self.online:
                await asyncio.sleep(retry_delay_s(attempt))
                attempt += 1
                with contextlib.suppress(RedisCallError):
                    await self.reach()
            restored_at = loop.time()

    async def reach(self) -> None:
        """Connect anew and probe Redis once; mark it as online if it answers.

        Raises:
            RedisOfflineError: The probe failed.
            RedisRefusedError: Redis answers and refuses the probe.
        """
        await self._start_over()
        try:
            await self.call(PROBE, _probe)
        except RedisRefusedError:
            self._restore()
            raise
        self._restore()

    async def close(self) -> None:
        """Close every connection, under a deadline."""
        with contextlib.suppress(faults.RedisError, OSError):  # the connections are discarded anyway
            await asyncio.wait_for(self._server.close(), CLOSE_TIMEOUT_S)  # as in `RedisPublisher.drain`

    def _fault_of(self, error: BaseException) -> Fault:
        fault = fault_of(error, self.address)
        if self._server.is_redirected and fault.remedy == ADDRESS_REMEDY:
            return Fault(f"{fault.found}, where the cluster has its keys", REDIRECTED_REMEDY)
        return fault

    async def _start_over(self) -> None:
        with contextlib.suppress(faults.RedisError, OSError):
            async with asyncio.timeout(self._call_timeout_s):
                await self._server.start_over()

    def _restore(self) -> None:
        if not self.online:
            self.online, self.since_s, self._fault = True, time.time(), ""
            self._is_offline.clear()
            self._is_online.set()
            self._on_change()

    def _lose(self, reason: str) -> None:
        self._fault = reason
        self._refusals.clear()
        if self.online:
            self.online, self.since_s = False, time.time()
            self._is_online.clear()
            self._is_offline.set()
            self._on_change()

    async def _refuse(self, kind: str, error: faults.RedisError) -> None:
        """Note what Redis refuses; of a denied command, which permissions this user lacks."""
        if kind in self._refusals:
            return
        found = fault_of(error, self.address).found
        try:
            async with asyncio.timeout(self._call_timeout_s):
                await self._server.call(lambda client, keys: require_permissions(client, keys, self._cameras))
        except MissingPermissionError as missing:
            found = fault_of(missing, self.address).found
        except (faults.RedisError, OSError):
            pass
        is_first = not self._refusals
        self._refusals[kind] = found
        if is_first and self.online:
            self.since_s = time.time()
            self._on_change()

    def _accept(self, kind: str) -> None:
        was_refused = self.refused
        self._refusals.pop(kind, None)
        self._refusals.pop(PROBE, None)  # which no later call repeats
        if was_refused and not self._refusals:
            self.since_s = time.time()
            self._on_change()


async def _probe(client: Any, keys: Keys) -> None:
    """Write a key: a full or read-only server would still answer a ping."""
    await client.execute_command("SET", keys.probe, "1", "EX", PROBE_TTL_S)
