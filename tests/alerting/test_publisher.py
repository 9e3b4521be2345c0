"""Scores, statuses and alerts reach a real Redis."""

import asyncio
import json
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from redis.asyncio import Redis

from streammon.alerting import RedisPublisher, Spool, subscribe
from streammon.alerting import publisher as publisher_module
from streammon.config import RedisConfig
from streammon.records import CameraState, CameraStatus, RedisStatus, SpoolStatus, Verdict
from support.alerting_samples import logged, message, open_files, publishing, scored, until, until_delivered
from support.deadlines import DEADLINE_S
from support.redis_server import HOST, RedisServer, free_port


def test_a_message_reaches_the_log_and_both_channels_after_its_heatmap(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        client: Any = Redis.from_url(server.url, protocol=2)
        async with client, client.pubsub() as pubsub, publishing(server.config, spool) as publisher:
            await pubsub.subscribe("streammon:v1:alerts", "streammon:v1:cam:lobby:alerts")
            for _ in range(2):
                await pubsub.get_message(timeout=DEADLINE_S)
            publisher.publish_alerts_nowait([message("a", 0)], scored())
            received = [await pubsub.get_message(timeout=DEADLINE_S) for _ in range(2)]
            assert sorted(each["channel"] for each in received if each) == [
                b"streammon:v1:alerts",
                b"streammon:v1:cam:lobby:alerts",
            ]
            texts = {each["data"] for each in received if each}
            (text,) = texts
            heatmap_key = json.loads(text)["heatmap"]
            assert (await client.get(heatmap_key)).startswith(b"\x89PNG")
            assert 0 < await client.ttl(heatmap_key) <= 30
        assert logged(server) == [("a", 0)]

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_verdicts_are_published_and_logged_each_time_they_change(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> list[dict[str, Any]]:
        async with (
            publishing(server.config, spool) as publisher,
            aclosing(subscribe(server.config, ["lobby"])) as messages,
            asyncio.timeout(DEADLINE_S),
        ):
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.ONLINE, 5.0))
            await publisher.drain(DEADLINE_S)
            assert (await anext(messages))["state"] == "online"  # so it is subscribed
            for normal in (True, False, None):
                publisher.publish_verdict_nowait(Verdict("lobby", "hall", "a", 5.0, 9.0, normal, 7.5, "anna"))
                publisher.publish_verdict_nowait(Verdict("gate", "hall", "b", 5.0, 9.0, normal, 7.5))
            return [await anext(messages) for _ in range(3)]

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        received = asyncio.run(scenario(server, spool))
        with redis_client.Redis.from_url(server.url) as client:
            kept = [json.loads(each[b"json"]) for _, each in client.xrange("streammon:v1:verdicts:log")]
        assert logged(server) == []
    assert [(each["id"], each["verdict"], each["user"]) for each in received] == [
        ("a", "normal", "anna"),
        ("a", "real", "anna"),
        ("a", None, "anna"),
    ]
    assert [each for each in kept if each["camera"] == "lobby"] == received
    assert len(kept) == 6


def test_scores_are_published_the_newest_of_each_camera_first_and_losses_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "HEATMAP_EVERY_S", DEADLINE_S)

    async def scenario(server: RedisServer, spool: Spool) -> None:
        client: Any = Redis.from_url(server.url, protocol=2)
        async with client, client.pubsub() as pubsub, publishing(server.config, spool) as publisher:
            await pubsub.subscribe("streammon:v1:cam:lobby:scores")
            await pubsub.get_message(timeout=DEADLINE_S)
            for seq in range(10):
                publisher.publish_score_nowait(scored(seq=seq))
            assert publisher.counts.scores_replaced == 9
            first = await pubsub.get_message(timeout=DEADLINE_S)
            publisher.publish_score_nowait(scored(seq=10))
            second = await pubsub.get_message(timeout=DEADLINE_S)
            assert first is not None
            assert second is not None
            first, second = json.loads(first["data"]), json.loads(second["data"])
            assert (first["seq"], first["heatmap"]) == (9, "streammon:v1:cam:lobby:heatmap")
            assert (second["seq"], second["heatmap"]) == (10, None)  # too soon after the one before
            await until(lambda: publisher.counts.scores_published == 2)
            assert publisher.counts.scores_replaced == 9

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_a_status_is_kept_and_sent_again_to_a_server_that_came_back_empty(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        def kept() -> dict[str, object]:
            with redis_client.Redis.from_url(server.url) as client:
                text = client.get("streammon:v1:cam:lobby:status")
                assert client.smembers("streammon:v1:cameras") == ({b"lobby"} if text else set())
                return json.loads(text or b"{}")  # type: ignore[no-any-return]

        async with publishing(server.config, spool) as publisher:
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.CONNECTING, 5.0))
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.ONLINE, 6.0), {"decoded": 3})
            await until(lambda: kept().get("state") == "online")
            assert kept()["counters"] == {"decoded": 3}
            server.kill()
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.OFFLINE, 7.0, "refused"))
            await until(lambda: not publisher.status.online)
            server.start()
            await until(lambda: kept().get("state") == "offline")

    with RedisServer(tmp_path, options={"appendonly": "no"}) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_drain_ends_at_its_deadline_and_leaves_the_rest_in_the_spool(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        redis = RedisConfig.model_validate({"url": f"redis://{HOST}:{free_port()}"})
        async with asyncio.timeout(DEADLINE_S), RedisPublisher(redis, spool, lambda event: None) as publisher:
            publisher.publish_alerts_nowait([message("a", part) for part in range(3)])
            began = time.monotonic()
            assert await publisher.drain(0.5) == 3
            assert time.monotonic() - began > 0.4

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


def test_drain_ends_at_its_deadline_with_a_frozen_server(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        async with publishing(server.config, spool, call_timeout_s=3 * DEADLINE_S) as publisher:
            await publisher.check()
            server.freeze()
            publisher.publish_alerts_nowait([message("a", 0)])
            async with asyncio.timeout(DEADLINE_S):  # long before its call would end
                assert await publisher.drain(0.5) == 1

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_a_full_spool_is_reported_once_and_counted(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        redis = RedisConfig.model_validate({"url": f"redis://{HOST}:{free_port()}"})
        events: list[RedisStatus | SpoolStatus] = []
        async with RedisPublisher(redis, spool, events.append) as publisher:
            publisher.publish_alerts_nowait([message("a", part, last=99) for part in range(30)])
            publisher.publish_alerts_nowait([message("b", 0)])
        assert events == [SpoolStatus(waiting=10, refused=20), SpoolStatus(waiting=10, refused=20, dropped=1)]

    with Spool(tmp_path / "spool", 10) as spool:
        asyncio.run(scenario(spool))


def test_fifty_starts_and_stops_leave_no_task_and_no_file(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        for round_number in range(55):
            async with publishing(server.config, spool) as publisher:
                publisher.publish_alerts_nowait([message(f"{round_number}", 0)], scored())
                await until_delivered(publisher, 1)
            if round_number == 4:
                before = open_files()
        assert open_files() <= before
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))
