"""A Redis that can't be used is refused in one line, without its password."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import exceptions as faults

from streammon.alerting import RedisPublisher, Spool
from streammon.alerting.link import fault_of
from streammon.config import RedisConfig
from streammon.errors import RedisError
from support.alerting_samples import at
from support.deadlines import DEADLINE_S
from support.redis_server import HOST, RedisServer, free_port


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[..., str]:
    """What `check` says of a Redis that can't be used."""

    async def checked(redis: RedisConfig, spool: Spool, call_timeout_s: float) -> str:
        async with RedisPublisher(redis, spool, lambda event: None, call_timeout_s=call_timeout_s) as publisher:
            with pytest.raises(RedisError) as error:
                await publisher.check()
        return str(error.value)

    def refused(redis: RedisConfig, call_timeout_s: float = DEADLINE_S) -> str:
        with Spool(tmp_path / "spool", 10) as spool:
            return asyncio.run(checked(redis, spool, call_timeout_s))

    return refused


ADDRESS_REMEDY = "start it there, or set redis.url to another, or to `embedded`"


def test_a_redis_that_isn_t_there_is_refused_without_its_password(refusal: Callable[..., str]) -> None:
    port = free_port()
    assert refusal(at(f"redis://joe:s3cret@{HOST}:{port}/0")) == (
        f"redis: connection refused at {HOST}:{port}; {ADDRESS_REMEDY}"
    )
    assert refusal(at("unix:///nowhere/redis.sock")) == f"redis: no socket at /nowhere/redis.sock; {ADDRESS_REMEDY}"


def test_an_option_in_the_url_that_the_client_refuses_is_refused(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 10) as spool, pytest.raises(RedisError) as error:
        RedisPublisher(at(f"rediss://{HOST}:1/0?ssl_cert_reqs=sometimes"), spool, lambda event: None)
    assert str(error.value) == "redis: redis.url can't be used; see the configuration reference"


def test_a_host_that_doesn_t_exist_is_refused(refusal: Callable[..., str]) -> None:
    assert refusal(at("redis://nosuch.invalid"), 0.5) in (
        "redis: no such host as nosuch.invalid:6379; check the host in redis.url",
        f"redis: no answer from nosuch.invalid:6379; {ADDRESS_REMEDY}",  # where looking up names takes its time
    )


def test_a_password_that_is_missing_or_wrong_is_refused_in_its_own_words(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    with RedisServer(tmp_path, password="s3cret") as server:
        assert refusal(at(f"redis://{HOST}:{server.port}")) == (
            f"redis: {HOST}:{server.port} asks for a password; "
            "put it into redis.url, as in redis://:${REDIS_PASSWORD}@…"
        )
        assert refusal(at(f"redis://:wr0ng@{HOST}:{server.port}")) == (
            f"redis: {HOST}:{server.port} refuses the password; check user and password in redis.url"
        )


def test_a_password_nobody_asked_for_is_refused_in_its_own_words(tmp_path: Path, refusal: Callable[..., str]) -> None:
    with RedisServer(tmp_path) as server:
        assert refusal(at(f"redis://:s3cret@{HOST}:{server.port}")) == (
            f"redis: {HOST}:{server.port} has no password; take it out of redis.url"
        )


def test_a_frozen_redis_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    with RedisServer(tmp_path) as server:
        server.freeze()
        assert refusal(server.config, 0.5) == f"redis: no answer from {HOST}:{server.port}; {ADDRESS_REMEDY}"


def test_a_redis_without_room_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    with RedisServer(tmp_path, options={"maxmemory": "1", "maxmemory-policy": "noeviction"}) as server:
        assert refusal(server.config) == f"redis: {HOST}:{server.port} is out of memory; raise its maxmemory"


def test_a_read_only_replica_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    with RedisServer(tmp_path, options={"replicaof": f"{HOST} {free_port()}"}) as server:
        assert refusal(server.config) == (
            f"redis: {HOST}:{server.port} is a read-only replica; set redis.url to its primary"
        )


def test_what_is_not_redis_is_refused(tmp_path: Path) -> None:
    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def check(spool: Spool) -> tuple[str, int]:
        async with await asyncio.start_server(web_server, HOST, 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with RedisPublisher(at(f"redis://{HOST}:{port}"), spool, lambda event: None) as publisher:
                with pytest.raises(RedisError) as error:
                    await publisher.check()
        return str(error.value), port

    with Spool(tmp_path / "spool", 10) as spool:
        found, port = asyncio.run(check(spool))
    assert found == f"redis: what answers at {HOST}:{port} is not Redis; check host and port in redis.url"


def test_every_error_of_the_client_library_is_caught_at_the_seam() -> None:
    """A release of redis-py with a new kind of error fails here first."""
    outside = {
        name
        for name, kind in vars(faults).items()
        if isinstance(kind, type)
        and issubclass(kind, Exception)
        and not issubclass(kind, (faults.RedisError, OSError))
    }
    of_clusters = {
        "RedisClusterException",
        "SlotNotCoveredError",
        "CrossSlotTransactionError",
        "InvalidPipelineStack",
    }
    of_modules_and_forks = {"IncorrectPolicyType", "ChildDeadlockedError"}
    assert outside <= of_clusters | of_modules_and_forks


def test_every_error_of_the_client_library_has_words() -> None:
    for kind in vars(faults).values():
        if (
            isinstance(kind, type)
            and issubclass(kind, faults.RedisError)
            and kind.__name__ not in ("AskError", "MovedError")
        ):
            fault = fault_of(kind("it failed"), "host:1")
            assert "host:1" in fault.found
            assert fault.remedy
