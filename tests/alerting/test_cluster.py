"""Alerts, scores and statuses reach a Redis in cluster mode, of one server and of three."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.crc import key_slot

from streammon.alerting import Keys, Spool, alert_from_json, check_redis, subscribe
from streammon.errors import RedisError
from streammon.records import CameraState, CameraStatus, RedisStatus, SpoolStatus
from support.alerting_samples import Name, at, message, publishing, scored, until
from support.deadlines import DEADLINE_S
from support.redis_cluster import RedisCluster
from support.redis_server import HOST, RedisServer, free_port

KEYS = Keys("streammon:v1:", in_cluster=True)


def logged_in(server: RedisServer) -> list[Name]:
    """Every (id, part) in the log of a cluster, which lies on this server."""
    with redis_client.Redis.from_url(server.url, protocol=2) as client:
        entries = client.xrange(KEYS.alert_log)
    alerts = [alert_from_json(fields[b"json"]) for _, fields in entries]
    return [(alert.id, alert.part) for alert in alerts]


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12))
def test_all_keys_of_any_prefix_lie_in_one_slot_and_channels_keep_their_names(prefix: str) -> None:
    keys, plain = Keys(prefix, in_cluster=True), Keys(prefix)
    names = [keys.cameras, keys.alert_log, keys.probe, keys.seen("1"), keys.status("lobby"), keys.heatmap("gate")]
    assert len(set(names)) == len(names)
    assert len({key_slot(name.encode()) for name in names}) == 1
    for channel in ("scores", "camera_alerts", "status_channel"):
        assert getattr(keys, channel)("lobby") == getattr(plain, channel)("lobby")
    assert keys.alerts == plain.alerts


def test_a_prefix_with_a_hash_tag_of_its_own_stays_as_it_is() -> None:
    assert Keys("{cams}:v1:", in_cluster=True).probe == "{cams}:v1:probe"


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("first", [0, -1], ids=["first", "last"])
def test_everything_reaches_a_cluster_whichever_of_its_servers_is_named(
    tmp_path: Path, servers: int, first: int
) -> None:
    async def scenario(cluster: RedisCluster, spool: Spool) -> None:
        named, owner = cluster.servers[first], cluster.owner(KEYS.probe)
        assert await check_redis(named.config, ["lobby"]) == (
            f"{HOST}:{owner.port} in cluster mode (keys begin with {{streammon:v1:}}) "
            "answers and takes what is published"
        )
        listener: Any = Redis.from_url(cluster.servers[0].url, protocol=2)
        events: list[RedisStatus | SpoolStatus] = []
        async with listener, listener.pubsub() as pubsub, publishing(named.config, spool, events) as publisher:
            await publisher.check()
            assert publisher.place == (
                f"{HOST}:{owner.port} under streammon:v1: (a cluster, where keys begin with {{streammon:v1:}})"
            )
            await pubsub.subscribe("streammon:v1:alerts")
            await pubsub.get_message(timeout=DEADLINE_S)
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.ONLINE, 5.0))
            publisher.publish_score_nowait(scored())
            publisher.publish_alerts_nowait([message("a", part) for part in range(3)], scored())
            await until(lambda: len(spool) == 0 and publisher.counts.scores_published == 1)
            received = [await pubsub.get_message(timeout=DEADLINE_S) for _ in range(3)]
            assert [json.loads(each["data"])["part"] for each in received if each] == [0, 1, 2]
            with redis_client.Redis.from_url(owner.url, protocol=2) as client:
                assert client.get(json.loads(received[0]["data"])["heatmap"]).startswith(b"\x89PNG")
            (alert,) = await publisher.newest_alerts(["lobby"], 10)
            assert (alert.id, alert.part) == ("a", 2)
            async with contextlib.aclosing(subscribe(named.config)) as messages:
                first_status = await anext(messages)
                assert (first_status["camera"], first_status["state"]) == ("lobby", "online")
                publisher.publish_score_nowait(scored(seq=7))
                async with asyncio.timeout(DEADLINE_S):
                    while (await anext(messages)).get("seq") != 7:
                        pass
        assert not events
        assert publisher.counts.alerts_repeated == 0
        assert logged_in(owner) == [("a", 0), ("a", 1), ("a", 2)]

    with RedisCluster(tmp_path, servers) as cluster, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(cluster, spool))


def test_a_slot_that_moves_to_another_server_is_followed(tmp_path: Path) -> None:
    async def scenario(cluster: RedisCluster, spool: Spool) -> None:
        owner = cluster.owner(KEYS.probe)
        other = next(server for server in cluster.servers if server is not owner)
        slot, new_id = key_slot(KEYS.probe.encode()), cluster.tell(other, "CLUSTER", "MYID").decode()
        async with publishing(owner.config, spool) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)])
            await until(lambda: len(spool) == 0)
            for name in cluster.tell(owner, "KEYS", "*"):
                cluster.tell(owner, "DEL", name.decode())
            for server in (other, owner):
                cluster.tell(server, "CLUSTER", "SETSLOT", slot, "NODE", new_id)
            cluster.tell(other, "CLUSTER", "BUMPEPOCH")  # so that an old claim of the owner doesn't win
            publisher.publish_alerts_nowait([message("a", 1)])
            await until(lambda: len(spool) == 0)
            assert publisher.status.online
        assert logged_in(other) == [("a", 1)]

    with RedisCluster(tmp_path, 3) as cluster, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(cluster, spool))


def test_alerts_wait_while_their_server_of_the_cluster_is_away(tmp_path: Path) -> None:
    async def scenario(cluster: RedisCluster, spool: Spool) -> None:
        owner = cluster.owner(KEYS.probe)
        named = next(server for server in cluster.servers if server is not owner)
        events: list[RedisStatus | SpoolStatus] = []
        async with publishing(named.config, spool, events) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)])
            await until(lambda: len(spool) == 0)
            owner.kill()
            publisher.publish_alerts_nowait([message("a", 1)])
            await until(lambda: not publisher.status.online)
            await asyncio.to_thread(owner.start)
            await until(lambda: len(spool) == 0 and publisher.status.online)
        assert [event.online for event in events if isinstance(event, RedisStatus)] == [False, True]
        assert logged_in(owner) == [("a", 0), ("a", 1)]

    with RedisCluster(tmp_path, 3) as cluster, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(cluster, spool))


def test_when_the_named_server_is_gone_the_others_say_where_the_keys_are(tmp_path: Path) -> None:
    async def scenario(cluster: RedisCluster, spool: Spool) -> None:
        named = cluster.owner(KEYS.probe)
        other, third = (server for server in cluster.servers if server is not named)
        slot, new_id = key_slot(KEYS.probe.encode()), cluster.tell(other, "CLUSTER", "MYID").decode()
        async with publishing(named.config, spool) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)])
            await until(lambda: len(spool) == 0)
            named.kill()
            for server in (other, third):  # as a replica of the one that is gone takes its slots
                cluster.tell(server, "CLUSTER", "SETSLOT", slot, "NODE", new_id)
            publisher.publish_alerts_nowait([message("a", 1)])
            await until(lambda: len(spool) == 0 and publisher.status.online)
        assert logged_in(other) == [("a", 1)]

    with (
        RedisCluster(tmp_path, 3, {"cluster-require-full-coverage": "no"}) as cluster,
        Spool(tmp_path / "spool", 100) as spool,
    ):
        asyncio.run(scenario(cluster, spool))


def test_a_cluster_that_doesn_t_know_hello_is_found_by_its_first_refusal(tmp_path: Path) -> None:
    async def scenario(cluster: RedisCluster, spool: Spool) -> None:
        async with publishing(cluster.servers[0].config, spool) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)])
            await until(lambda: len(spool) == 0)
        assert logged_in(cluster.servers[0]) == [("a", 0)]

    with (
        RedisCluster(tmp_path, 1, {"rename-command": "HELLO nothing"}) as cluster,
        Spool(tmp_path / "spool", 100) as spool,
    ):
        asyncio.run(scenario(cluster, spool))


def test_a_cluster_without_all_its_slots_is_named(tmp_path: Path) -> None:
    alone = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with RedisServer(tmp_path, options=alone) as server, pytest.raises(RedisError, match="serve all its slots; mend"):
        asyncio.run(check_redis(server.config, []))


def test_a_server_that_the_cluster_names_and_that_can_t_be_reached_is_named(tmp_path: Path) -> None:
    closed = free_port()
    with RedisCluster(tmp_path, 2, {"cluster-announce-port": str(closed)}) as cluster:
        named = next(server for server in cluster.servers if server is not cluster.owner(KEYS.probe))
        with pytest.raises(RedisError) as error:
            asyncio.run(check_redis(named.config, []))
    assert str(error.value) == (
        f"redis: connection refused at {HOST}:{closed}, where the cluster has its keys; start it there, "
        "or set cluster-announce-ip of the cluster's servers to what this machine reaches"
    )


def test_a_database_that_isn_t_there_is_named(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, pytest.raises(RedisError, match="has no database of that number"):
        asyncio.run(check_redis(at(f"{server.url}/99"), []))


def test_a_sentinel_is_named(tmp_path: Path) -> None:
    with RedisServer(tmp_path, sentinel=True) as server, pytest.raises(RedisError) as error:
        asyncio.run(check_redis(server.config, []))
    assert str(error.value) == (
        f"redis: {HOST}:{server.port} is a Sentinel, which keeps no alerts; set redis.url to the primary it watches"
    )
