"""Connection to Redis: client, deadlines, reconnection with backoff, and translation of the client's errors."""

import asyncio
import contextlib
import errno
import random
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from redis import exceptions as faults
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from streammon.alerting.keys import Keys
from streammon.backoff import backoff_s
from streammon.config import RedisConfig, parse_address
from streammon.errors import RedisError

CALL_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
RETRY_BASE_S = 0.1
RETRY_CAP_S = 5.0
PROBE_TTL_S = 60
DEFAULT_PORT = 6379
ADDRESS_REMEDY = "start it there, or set redis.url to another, or to `embedded`"

T = TypeVar("T")


class Fault(NamedTuple):
    """Fault of Redis in a few words, and its remedy."""

    found: str
    remedy: str


class RedisOfflineError(Exception):
    """A call failed or exceeded its deadline; Redis may or may not have executed it."""


def retry_delay_s(attempt: int) -> float:
    """Backoff with jitter before attempt `attempt` (from 0): min(5, 0.1 * 2**attempt) * uniform(0.5, 1) seconds."""
    return backoff_s(attempt, RETRY_BASE_S, RETRY_CAP_S, random.random())


def shown_address(url: str) -> str:
    """Host and port, or socket path, of a Redis URL, without user and password.

    >>> shown_address("redis://joe:s3cret@10.0.0.7/0"), shown_address("unix://:s3cret@/run/redis.sock?db=1")
    ('10.0.0.7:6379', '/run/redis.sock')
    """
    address = parse_address(url)
    assert address is not None  # the configuration accepts no other
    if address.scheme == "unix":
        return unquote(address.path)
    return f"{address.host or 'localhost'}:{address.port or DEFAULT_PORT}"


def open_client(redis: RedisConfig) -> Any:
    """Redis client that connects on first use, without timeouts and retries, which are left to the caller.

    With a socket timeout the client calls `asyncio.wait_for`, which on Python 3.11 may swallow a cancellation.

    Raises:
        RedisError: The client rejects the URL.
    """
    try:
        client: Any = Redis.from_url(
            redis.address,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # RESP2, supported by every server
        )
        client.connection_pool.make_connection()  # validates the options behind the URL's `?`
    except (ValueError, TypeError, OSError, faults.RedisError):
        raise RedisError("redis", "redis.url can't be used", "see the configuration reference") from None
    return client


def fault_of(error: BaseException, address: str) -> Fault:
    """Translate an error of the client library for the user; the text never contains a password."""
    cause = error.__cause__ or error.__context__
    match error:
        case faults.AuthenticationError() if "without any password" in str(error):
            return Fault(f"{address} has no password", "take it out of redis.url")
        case faults.AuthenticationError() if "required" in str(error):
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
        case faults.NoPermissionError():
            return Fault(f"{address} denies the command ({error})", "give this user the permission")
        case faults.InvalidResponse():
            return Fault(f"what answers at {address} is not Redis", "check host and port in redis.url")
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


async def check_redis(redis: RedisConfig) -> str:
    """Connect, authenticate and write once.

    Returns:
        Address of Redis, without user and password.

    Raises:
        RedisError: Redis can't be reached or written.
    """
    link = RedisLink(redis, lambda: None, CALL_TIMEOUT_S)
    try:
        await link.check()
    finally:
        await link.close()
    return shown_address(redis.address)


class RedisLink:
    """Connection to one Redis: calls with a deadline, online state and reconnection.

    Args:
        redis: Address and key prefix.
        on_change: Called when Redis goes offline and when it is online again.
        call_timeout_s: Time limit of one call.

    Attributes:
        online: True if the last call succeeded, and before the first.
        reason: Why Redis is offline; empty while online.
        since_s: Unix time of the last change of `online`.
    """

    def __init__(self, redis: RedisConfig, on_change: Callable[[], None], call_timeout_s: float) -> None:
        self.client = open_client(redis)
        self.keys = Keys(redis.prefix)
        self.online = True
        self.reason = ""
        self.since_s = time.time()
        self._address = shown_address(redis.address)
        self._on_change = on_change
        self._call_timeout_s = call_timeout_s
        self._is_online = asyncio.Event()
        self._is_online.set()
        self._is_offline = asyncio.Event()

    async def call(self, command: Callable[[Any], Awaitable[T]]) -> T:
        """Execute `command(client)` under the deadline.

        Raises:
            RedisOfflineError: The call failed; Redis counts as offline until `reach` succeeds.
        """
        try:
            async with asyncio.timeout(self._call_timeout_s):
                return await command(self.client)
        except (faults.RedisError, OSError) as error:
            self._lose(fault_of(error, self._address).found)
            raise RedisOfflineError from None

    async def check(self) -> None:
        """Connect, authenticate and write once.

        Raises:
            RedisError: Redis can't be reached or written.
        """
        try:
            async with asyncio.timeout(self._call_timeout_s):
                await self._probe(self.client)
        except (faults.RedisError, OSError) as error:
            raise RedisError("redis", *fault_of(error, self._address)) from None

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
                with contextlib.suppress(RedisOfflineError):
                    await self.reach()
            restored_at = loop.time()

    async def reach(self) -> None:
        """Probe Redis once, and mark it as online if that succeeds.

        Raises:
            RedisOfflineError: The probe failed.
        """
        await self.call(self._probe)
        if not self.online:
            self.online, self.since_s, self.reason = True, time.time(), ""
            self._is_offline.clear()
            self._is_online.set()
            self._on_change()

    async def close(self) -> None:
        """Close every connection, under a deadline."""
        with contextlib.suppress(faults.RedisError, OSError):  # the connections are discarded anyway
            await asyncio.wait_for(self.client.aclose(), CLOSE_TIMEOUT_S)  # as in `RedisPublisher.drain`

    async def _probe(self, client: Any) -> None:
        """Write a key: a full or read-only server would still answer a ping."""
        await client.execute_command("SET", self.keys.probe, "1", "EX", PROBE_TTL_S)

    def _lose(self, reason: str) -> None:
        self.reason = reason
        if self.online:
            self.online, self.since_s = False, time.time()
            self._is_online.clear()
            self._is_offline.set()
            self._on_change()
