"""What `streammon watch` hears."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client

from streammon.alerting import RedisPublisher, Spool, subscribe, subscriber
from streammon.config import RedisConfig
from streammon.errors import RedisError
from streammon.records import CameraState, CameraStatus
from support.alerting_samples import message, scored, until
from support.deadlines import DEADLINE_S
from support.redis_server import HOST, RedisServer, free_port


async def next_of(messages: AsyncIterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The next message of one kind, under a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        async for message in messages:
            if message["kind"] == kind:
                return message
    raise AssertionError("the subscription ended")


async def publish(publisher: RedisPublisher, *cameras: str) -> None:
    for camera in cameras:
        publisher.publish_status_nowait(CameraStatus(camera, CameraState.ONLINE, 1.0))
        publisher.publish_score_nowait(scored(camera, 7))
        publisher.publish_alerts_nowait([message(f"{camera}-{time.monotonic_ns()}", 0, camera)])
    await publisher.drain(DEADLINE_S)


def test_a_watcher_hears_the_latest_statuses_first_then_scores_and_alerts(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        redis = server.config.model_copy(update={"prefix": "mon[1]*:"})
        async with RedisPublisher(redis, spool, lambda event: None) as publisher:
            await publish(publisher, "gate", "lobby")
            async with aclosing(subscribe(redis)) as messages:
                first, second = await next_of(messages, "status"), await next_of(messages, "status")
                assert [(each["camera"], each["state"]) for each in (first, second)] == [
                    ("gate", "online"),
                    ("lobby", "online"),
                ]
                await publish(publisher, "lobby")
                alert, score = await next_of(messages, "alert"), await next_of(messages, "score")
                assert (alert["camera"], alert["event"]) == ("lobby", "open")
                assert (score["camera"], score["seq"]) == ("lobby", 7)

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_a_watcher_of_one_camera_hears_no_other(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        async with RedisPublisher(server.config, spool, lambda event: None) as publisher:
            await publish(publisher, "gate", "lobby")
            async with aclosing(subscribe(server.config, ["lobby"])) as messages:
                assert (await next_of(messages, "status"))["camera"] == "lobby"
                publisher.publish_score_nowait(scored("gate", 8))
                publisher.publish_score_nowait(scored("lobby", 9))
                await publisher.drain(DEADLINE_S)
                score = await next_of(messages, "score")
                assert (score["camera"], score["seq"]) == ("lobby", 9)

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_a_watcher_subscribes_again_by_itself_and_ignores_what_is_not_ours(tmp_path: Path) -> None:
    async def scenario(server: RedisServer) -> None:
        with redis_client.Redis.from_url(server.url) as client:
            client.sadd("streammon:v1:cameras", "lobby")
            client.set("streammon:v1:cam:lobby:status", '{"v": 1, "kind": "status", "camera": "lobby"}')
        async with aclosing(subscribe(server.config)) as messages:
            assert (await next_of(messages, "status"))["camera"] == "lobby"  # subscribed, and its statuses are read
            server.kill()
            offline = await next_of(messages, "redis")
            assert (offline["online"], offline["reason"][:17]) == (False, "the connection to")
            server.start()
            assert (await next_of(messages, "redis"))["online"]
            with redis_client.Redis.from_url(server.url) as client:
                client.publish("streammon:v1:cam:lobby:scores", b"\xff not JSON")
                client.publish("streammon:v1:cam:lobby:scores", '{"v": 99, "kind": "score"}')
                client.publish("streammon:v1:cam:lobby:scores", '{"v": 1, "kind": "score", "seq": 5}')
            assert (await next_of(messages, "score"))["seq"] == 5

    with RedisServer(tmp_path) as server:
        asyncio.run(scenario(server))


def test_a_watcher_distinguishes_a_quiet_server_from_a_frozen_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "SILENCE_S", 0.05)
    monkeypatch.setattr(subscriber, "CALL_TIMEOUT_S", 0.5)

    async def scenario(server: RedisServer) -> None:
        async with aclosing(subscribe(server.config)) as messages, asyncio.TaskGroup() as group:
            first = group.create_task(next_of(messages, "redis"))
            await until(lambda: pings(server) >= 5)
            assert not first.done()
            server.freeze()
            assert (await first)["reason"] == f"no answer from {HOST}:{server.port}"
            server.thaw()
            assert (await next_of(messages, "redis"))["online"]

    with RedisServer(tmp_path) as server:
        asyncio.run(scenario(server))


def pings(server: RedisServer) -> int:
    with redis_client.Redis.from_url(server.url) as client:
        return int(client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))


def test_a_redis_that_isn_t_there_ends_the_watch_in_one_line() -> None:
    async def scenario(redis: RedisConfig) -> None:
        async with aclosing(subscribe(redis)) as messages:
            await anext(messages)

    port = free_port()
    with pytest.raises(RedisError, match=f"^redis: connection refused at {HOST}:{port}; start it there"):
        asyncio.run(scenario(RedisConfig.model_validate({"url": f"redis://{HOST}:{port}"})))
