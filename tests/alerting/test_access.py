"""What an access control list (ACL) denies is named before the start, and nothing counts as delivered meanwhile."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from redis.asyncio import Redis

from streammon.alerting import RedisPublisher, Spool, check_redis, subscribe
from streammon.config import RedisConfig
from streammon.errors import RedisError
from streammon.records import CameraState, CameraStatus, RedisStatus, SpoolStatus
from support.alerting_samples import at, logged, message, publishing, scored, until
from support.deadlines import DEADLINE_S
from support.redis_server import HOST, RedisServer

FULL = "~streammon:v1:* &streammon:v1:* +eval +get +publish +sadd +set +xadd"
REMEDY = f"allow it, as in ACL SETUSER <user> {FULL}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server whose ACL file has an administrator without password and the user `cams`, who may do nothing yet."""
    acl = tmp_path / "users.acl"
    acl.write_text("user default on nopass ~* &* +@all\nuser cams on >s3cret resetkeys resetchannels -@all\n")
    with RedisServer(tmp_path, options={"aclfile": str(acl)}) as server:
        yield server


def allow(server: RedisServer, rules: str) -> None:
    """Give the user `cams` these rights and no others."""
    with redis_client.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "cams", "resetkeys", "resetchannels", "-@all", *rules.split())


def as_cams(server: RedisServer) -> RedisConfig:
    return at(f"redis://cams:s3cret@{HOST}:{server.port}")


def refusal(server: RedisServer) -> str:
    with pytest.raises(RedisError) as error:
        asyncio.run(check_redis(as_cams(server), ["lobby", "gate"]))
    return str(error.value).removeprefix(f"redis: {HOST}:{server.port} ")


@pytest.mark.parametrize(
    ("rules", "denied"),
    [
        (
            f"{FULL} resetchannels",
            "PUBLISH to streammon:v1:alerts, PUBLISH to streammon:v1:cam:lobby:alerts, "
            "PUBLISH to streammon:v1:cam:lobby:scores and 6 more",
        ),
        (
            f"{FULL} resetchannels &streammon:v1:alerts &streammon:v1:health &streammon:v1:verdicts"
            " &streammon:v1:cam:lobby:* &streammon:v1:cam:gate:alerts",
            "PUBLISH to streammon:v1:cam:gate:scores, PUBLISH to streammon:v1:cam:gate:status",
        ),
        (
            f"{FULL} -xadd",
            "XADD on streammon:v1:alerts:log, XADD on streammon:v1:health:log, XADD on streammon:v1:verdicts:log",
        ),
        (f"{FULL} -sadd", "SADD on streammon:v1:cameras"),
        (f"{FULL} -get", f"GET on streammon:v1:alerts:seen:{'0' * 32}"),
        (
            f"{FULL} -set",
            f"SET on streammon:v1:probe, SET on streammon:v1:alerts:seen:{'0' * 32}, "
            "SET on streammon:v1:cam:lobby:status and 3 more",
        ),
        (
            f"{FULL} resetkeys ~streammon:v1:c* ~streammon:v1:probe",
            f"EVAL on streammon:v1:alerts:log, GET on streammon:v1:alerts:seen:{'0' * 32}, "
            f"SET on streammon:v1:alerts:seen:{'0' * 32} and 5 more",
        ),
    ],
    ids=["channels", "some channels", "xadd", "sadd", "get", "set", "keys of alerts"],
)
def test_check_names_what_this_user_may_not_do(server: RedisServer, rules: str, denied: str) -> None:
    allow(server, rules)
    assert refusal(server) == f"denies this user {denied}; {REMEDY}"


def test_check_says_what_the_page_will_lack(server: RedisServer) -> None:
    allow(server, FULL)
    works = f"{HOST}:{server.port} answers and takes what is published"
    assert asyncio.run(check_redis(as_cams(server), ["lobby"])) == works
    assert asyncio.run(check_redis(as_cams(server), ["lobby"], reads_log=True)) == (
        f"{works}; the page starts without earlier alerts "
        f"({HOST}:{server.port} denies the command (User cams has no permissions to run the 'xrevrange' command))"
    )
    allow(server, f"{FULL} +xrevrange")
    assert asyncio.run(check_redis(as_cams(server), ["lobby"], reads_log=True)) == works


def test_check_names_the_script_command(server: RedisServer) -> None:
    allow(server, f"{FULL} -eval")
    assert refusal(server).startswith("denies the command (User cams has no permissions to run the 'eval' command)")


def test_a_user_with_the_rights_of_the_remedy_and_no_others_publishes_everything(
    server: RedisServer, tmp_path: Path
) -> None:
    async def scenario(spool: Spool) -> None:
        events: list[RedisStatus | SpoolStatus] = []
        async with publishing(as_cams(server), spool, events) as publisher:
            await publisher.check()
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.ONLINE, 5.0))
            publisher.publish_score_nowait(scored())
            publisher.publish_alerts_nowait([message("a", 0)], scored())
            await until(lambda: len(spool) == 0 and publisher.counts.scores_published == 1)
        assert not events

    allow(server, FULL)
    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))
    assert logged(server) == [("a", 0)]


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("resetchannels", "PUBLISH to streammon:v1:alerts, PUBLISH to streammon:v1:cam:lobby:alerts"),
        ("resetchannels &streammon:v1:alerts", "PUBLISH to streammon:v1:cam:lobby:alerts"),
        ("-xadd", "XADD on streammon:v1:alerts:log"),
        ("-get", "GET on streammon:v1:alerts:seen:"),
        ("-set", "SET on streammon:v1:"),
        ("-eval", "'eval'"),
    ],
)
def test_what_is_denied_while_the_monitor_runs_waits_and_arrives_once_when_it_is_allowed(
    server: RedisServer, tmp_path: Path, missing: str, reason: str
) -> None:
    async def scenario(spool: Spool) -> list[tuple[str, int]]:
        events: list[RedisStatus | SpoolStatus] = []
        listener: Any = Redis.from_url(server.url, protocol=2)
        async with listener, listener.pubsub() as pubsub:
            await pubsub.psubscribe("streammon:v1:*alerts")
            await pubsub.get_message(timeout=DEADLINE_S)
            async with RedisPublisher(as_cams(server), spool, events.append, cameras=["lobby"]) as publisher:
                await publisher.check()
                allow(server, f"{FULL} {missing}")
                running = asyncio.create_task(publisher.run())
                publisher.publish_alerts_nowait([message("a", 0), message("a", 1)])
                await until(lambda: len(events) == 1)
                assert reason in publisher.status.reason
                assert publisher.status.refused
                for _ in range(3):  # tried again, and refused again
                    assert await publisher.drain(0.15) == 2
                assert publisher.counts.alerts_delivered == 0
                allow(server, FULL)
                await until(lambda: len(spool) == 0 and publisher.status.online)
                running.cancel()
                await asyncio.wait([running])
            assert publisher.counts.alerts_repeated == 0
            assert [(each.online, each.refused) for each in events if isinstance(each, RedisStatus)] == [
                (False, True),
                (True, False),
            ]
            received = [await pubsub.get_message(timeout=DEADLINE_S) for _ in range(4)]
            assert await pubsub.get_message(timeout=0.0) is None
        return sorted((each["channel"].decode(), json.loads(each["data"])["part"]) for each in received)

    allow(server, FULL)
    with Spool(tmp_path / "spool", 100) as spool:
        published = asyncio.run(scenario(spool))
    assert logged(server) == [("a", 0), ("a", 1)]
    channels = ("streammon:v1:alerts", "streammon:v1:cam:lobby:alerts")
    assert published == [(channel, part) for channel in channels for part in (0, 1)]


def test_a_camera_whose_heatmap_is_denied_alerts_without_it(server: RedisServer, tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        async with publishing(as_cams(server), spool, cameras=["lobby"]) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)], scored())
            await until(lambda: len(spool) == 0)
            assert publisher.status.refused
            assert publisher.status.reason == (
                f"{HOST}:{server.port} denies this user EVAL on streammon:v1:cam:lobby:heatmap, "
                "SET on streammon:v1:cam:lobby:heatmap"
            )

    allow(
        server,
        f"{FULL} resetkeys ~streammon:v1:alerts:* ~streammon:v1:health:* ~streammon:v1:verdicts:*"
        " ~streammon:v1:probe ~streammon:v1:cam*s",
    )
    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))
    assert logged(server) == [("a", 0)]


def test_scores_go_on_while_alerts_are_refused(server: RedisServer, tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        events: list[RedisStatus | SpoolStatus] = []
        async with publishing(as_cams(server), spool, events) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)])
            await until(lambda: publisher.status.refused)
            for seq in range(5):
                publisher.publish_score_nowait(scored(seq=seq))
                await until(lambda seen=seq + 1: publisher.counts.scores_published == seen)  # type: ignore[misc]
            assert publisher.status.refused
            assert len(events) == 1

    allow(server, f"{FULL} -xadd")
    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))
    assert logged(server) == []


def test_a_user_with_the_rights_to_read_and_the_channels_of_the_prefix_watches_everything(
    server: RedisServer, tmp_path: Path
) -> None:
    """Of patterns to subscribe to, Redis allows only those that the ACL has word for word."""

    async def scenario(spool: Spool) -> None:
        async with RedisPublisher(server.config, spool, lambda event: None) as publisher:
            publisher.publish_status_nowait(CameraStatus("lobby", CameraState.ONLINE, 5.0))
            await publisher.drain(DEADLINE_S)
            async with aclosing(subscribe(as_cams(server))) as messages, asyncio.timeout(DEADLINE_S):
                assert (await anext(messages))["state"] == "online"
                publisher.publish_alerts_nowait([message("a", 0)])
                publisher.publish_alerts_nowait([message("a", 1)])
                await publisher.drain(DEADLINE_S)
                assert [(await anext(messages))["part"] for _ in range(2)] == [0, 1]

    allow(server, "%R~streammon:v1:* &streammon:v1:* +smembers +mget +psubscribe +subscribe +ping")
    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


def test_a_full_memory_is_a_refusal_that_ends_with_it(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        events: list[RedisStatus | SpoolStatus] = []
        async with publishing(server.config, spool, events) as publisher:
            with redis_client.Redis.from_url(server.url) as client:
                client.config_set("maxmemory", "1")
                publisher.publish_alerts_nowait([message("a", 0)])
                await until(lambda: publisher.status.refused)
                assert publisher.status.reason == f"{HOST}:{server.port} is out of memory"
                client.config_set("maxmemory", "0")
            await until(lambda: len(spool) == 0 and publisher.status.online)
        assert [each.online for each in events if isinstance(each, RedisStatus)] == [False, True]

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))
        assert logged(server) == [("a", 0)]
