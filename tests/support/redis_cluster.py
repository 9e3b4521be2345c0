"""A real Redis cluster of servers that a test can kill and start again."""

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis as redis_client

from support.deadlines import DEADLINE_S
from support.redis_server import HOST, RedisServer, free_port

SLOTS = 16384


class RedisCluster:
    """Servers in cluster mode that share the slots evenly, without replicas.

    Attributes:
        servers: The servers, in the order of their slots.
    """

    def __init__(self, folder: Path, servers: int, options: dict[str, str] | None = None) -> None:
        self.servers = []
        for number in range(servers):
            own = folder / f"node{number}"
            own.mkdir()
            cluster = {"cluster-enabled": "yes", "cluster-port": str(free_port()), "cluster-node-timeout": "2000"}
            self.servers.append(RedisServer(own, options=cluster | (options or {})))
        self._started = ExitStack()

    def __enter__(self) -> Self:
        with self._started:  # those that started end with a failure
            for server in self.servers:
                self._started.enter_context(server)
            self._join()
            self._started = self._started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.close()

    def _join(self) -> None:
        first = self.servers[0]
        for number, server in enumerate(self.servers):
            begin, end = (SLOTS * each // len(self.servers) for each in (number, number + 1))
            self.tell(server, "CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
            if server is not first:
                self.tell(first, "CLUSTER", "MEET", HOST, server.port, server.options["cluster-port"])
        deadline_s = time.monotonic() + DEADLINE_S
        while not all(self._is_whole(server) for server in self.servers):
            assert time.monotonic() < deadline_s, "the cluster isn't whole"
            time.sleep(0.05)

    def tell(self, server: RedisServer, *command: str | int) -> Any:
        """Execute a command on one server."""
        with redis_client.Redis.from_url(server.url, protocol=2) as client:
            return client.execute_command(*command)

    def owner(self, key: str) -> RedisServer:
        """The server of a key's slot."""
        slot = int(self.tell(self.servers[0], "CLUSTER", "KEYSLOT", key))
        return next(
            server for number, server in enumerate(self.servers) if slot < SLOTS * (number + 1) // len(self.servers)
        )

    def _is_whole(self, server: RedisServer) -> bool:
        state = str(self.tell(server, "CLUSTER", "INFO"))
        return "cluster_state:ok" in state and f"cluster_known_nodes:{len(self.servers)}" in state
