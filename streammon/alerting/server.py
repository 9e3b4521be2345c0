"""The Redis server that has streammon's keys: a single one, or in a cluster the one that serves their slot."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from redis import exceptions as faults
from redis.asyncio import Connection, ConnectionPool, Redis, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from streammon.alerting.keys import Keys
from streammon.config import RedisConfig, parse_address
from streammon.errors import RedisError

DEFAULT_PORT = 6379
MAX_REDIRECTIONS = 5

T = TypeVar("T")
Node = tuple[str, int]
"""Host and port of one server of a cluster."""


class SentinelFoundError(faults.RedisError):
    """The server is a Sentinel, which keeps no keys."""


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


class KeyServer:
    """Client of the server that has the keys, and the names of the keys there.

    In a cluster all keys lie in one slot. Calls go to the server of that slot, found by the cluster's redirections.
    After an outage the search begins with the next known server of the cluster.

    Args:
        redis: Address of a server, and the key prefix.

    Attributes:
        keys: Names of keys and channels; those of a single server until a call has found a cluster.
        address: Host and port of the server in use, or its socket, without user and password.

    Raises:
        RedisError: The client rejects the URL.
    """

    def __init__(self, redis: RedisConfig) -> None:
        self.keys = Keys(redis.prefix)
        self.address = shown_address(redis.address)
        self._configured_address = self.address
        self._configured = self._client = open_client(redis)
        self._prefix = redis.prefix
        self._is_known = False  # whether the server in use is one of a cluster
        self._nodes: list[Node] = []  # of the cluster
        self._turn = 0  # server to begin with: 0 for the configured one, else the position in `_nodes` + 1

    @property
    def is_redirected(self) -> bool:
        """True if a cluster named the server in use, and not the configuration."""
        return self._client is not self._configured

    async def call(self, command: Callable[[Any, Keys], Awaitable[T]]) -> T:
        """Execute `command(client, keys)` on the server that has the keys.

        Raises:
            redis.exceptions.RedisError: The call failed.
            OSError: The same.
        """
        if not self._is_known:
            await self._find_mode()
        for _ in range(MAX_REDIRECTIONS):
            try:
                return await command(self._client, self.keys)
            except faults.MovedError as moved:
                await self._use_cluster()
                await self._follow(moved.host, moved.port)
            except faults.ClusterCrossSlotError:
                if self.keys.in_cluster:
                    raise
                await self._use_cluster()
        raise faults.ClusterDownError("its servers redirect to one another")

    async def pubsub(self) -> Any:
        """A subscription on the server in use; a cluster passes on what is published on any of its servers."""
        if not self._is_known:
            await self._find_mode()
        return self._client.pubsub()

    async def start_over(self) -> None:
        """Close the connections; the next call connects anew, in a cluster to the next of its servers."""
        self._is_known = False
        self._turn = (self._turn + 1) % (1 + len(self._nodes))
        if self._turn:
            await self._use(*self._nodes[self._turn - 1])
        else:
            await self._use_configured()

    async def close(self) -> None:
        """Close every connection."""
        await self._use_configured()
        await self._configured.aclose()

    async def _find_mode(self) -> None:
        """Ask whether the server is one of a cluster. One that doesn't say so shows it by its first refusal."""
        try:
            reply = await self._client.execute_command("HELLO")  # no user needs a permission for it
        except faults.ResponseError:  # Redis before 6, or a proxy
            mode = ""
        else:
            mode = _text(_pairs(reply).get("mode"))
        if mode == "sentinel":
            raise SentinelFoundError
        if mode == "cluster":
            await self._use_cluster()
        self._is_known = True

    async def _use_cluster(self) -> None:
        """Take the keys' names in a cluster, and note its servers if this user may ask for them."""
        self.keys = Keys(self._prefix, in_cluster=True)
        with contextlib.suppress(faults.ResponseError):
            slots = await self._client.execute_command("CLUSTER", "SLOTS")
            nodes = {(_text(host), int(port)) for _, _, *servers in slots for host, port, *_ in servers if host}
            self._nodes = sorted(nodes)

    async def _follow(self, host: str, port: int) -> None:
        if host in ("", "?"):  # the cluster doesn't know its own name: the same host, another port
            host = self._client.connection_pool.connection_kwargs.get("host", "localhost")
        if self.address != _place(host, port):  # else another call has followed already
            await self._use(host, port)

    async def _use(self, host: str, port: int) -> None:
        pool = self._configured.connection_pool
        kind = pool.connection_class
        if issubclass(kind, UnixDomainSocketConnection):
            kind = Connection
        options = {name: value for name, value in pool.connection_kwargs.items() if name != "path"}
        await self._use_configured()
        self._client = Redis.from_pool(
            ConnectionPool(connection_class=kind, **(options | {"host": host, "port": port}))
        )
        self.address = _place(host, port)

    async def _use_configured(self) -> None:
        left, self._client = self._client, self._configured
        self.address = self._configured_address
        if left is self._configured:
            await left.connection_pool.disconnect(inuse_connections=False)
        else:
            await left.aclose()


def _place(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _pairs(reply: Any) -> Mapping[str, Any]:
    """A reply of names and values as a mapping."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=False)
    return {_text(name): value for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
