"""The newest alerts, read back from the log and the spool."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import redis as redis_client

from streammon.alerting import RedisPublisher, Spool, alert_json, history
from streammon.errors import RedisError
from streammon.records import Alert
from support.alerting_samples import message
from support.redis_server import RedisServer

LOG = "streammon:v1:alerts:log"


def log(server: RedisServer, *alerts: Alert) -> None:
    """Put messages into the log, as a monitor that ran before did it."""
    with redis_client.Redis.from_url(server.url) as client, client.pipeline() as pipeline:
        for alert in alerts:
            pipeline.xadd(LOG, {"json": alert_json(alert, "key")})
        pipeline.execute()


async def newest(server: RedisServer, spool: Spool, limit: int = 200) -> list[tuple[str, int]]:
    """(id, part) of what a publisher finds for the cameras `lobby` and `gate`."""
    async with RedisPublisher(server.config, spool, lambda _event: None) as publisher:
        alerts = await publisher.newest_alerts(["lobby", "gate"], limit)
        assert publisher.status.online
    return [(alert.id, alert.part) for alert in alerts]


def test_of_each_alert_the_latest_message_is_found_in_the_order_of_opening(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        log(server, *(message("a", part, "lobby") for part in range(3)))
        log(server, replace(message("b", 0, "gate"), opened_s=50.0), message("a", 3, "lobby"))
        log(server, message("elsewhere", 0, "yard"))
        assert asyncio.run(newest(server, spool)) == [("b", 0), ("a", 3)]


def test_the_newest_are_found(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        log(server, *(replace(message(f"{number}", 0), opened_s=100.0 + number) for number in range(5)))
        assert asyncio.run(newest(server, spool, limit=2)) == [("3", 0), ("4", 0)]


def test_an_alert_of_many_messages_hides_none_before_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        log(server, replace(message("first", 0), opened_s=1.0))
        log(server, *(message("long", part, last=2 * history.PAGE) for part in range(2 * history.PAGE + 1)))
        assert asyncio.run(newest(server, spool)) == [("first", 0), ("long", 2 * history.PAGE)]


def test_the_log_is_read_so_far_and_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 10)
    monkeypatch.setattr(history, "PAGES", 3)
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        log(server, *(replace(message(f"{number}", 0), opened_s=100.0 + number) for number in range(100)))
        assert asyncio.run(newest(server, spool)) == [(f"{number}", 0) for number in range(70, 100)]


def test_what_waits_in_the_spool_is_newer_than_the_log(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        log(server, message("a", 0))
        for alert in (message("a", 1), message("a", 9), replace(message("b", 0), opened_s=200.0)):
            spool.put(alert.id, alert.part, alert.event, alert.camera, alert_json(alert, "key"))
        assert asyncio.run(newest(server, spool)) == [("a", 9), ("b", 0)]


def test_what_is_no_alert_message_of_this_version_is_passed_over(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        log(server, message("a", 0))
        with redis_client.Redis.from_url(server.url) as client:
            client.xadd(LOG, {"json": '{"v": 99}'})
            client.xadd(LOG, {"json": b"\xff not JSON"})
            client.xadd(LOG, {"text": "no message"})
        assert asyncio.run(newest(server, spool)) == [("a", 0)]


def test_a_log_that_can_not_be_read_is_refused_and_redis_stays_online(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        with redis_client.Redis.from_url(server.url) as client:
            client.set(LOG, "no stream")
        with pytest.raises(RedisError, match="WRONGTYPE"):
            asyncio.run(newest(server, spool))


def test_a_frozen_redis_costs_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streammon.alerting.publisher.HISTORY_TIMEOUT_S", 0.1)
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        server.freeze()
        with pytest.raises(RedisError, match=f"no answer from 127.0.0.1:{server.port}"):
            asyncio.run(newest(server, spool))
