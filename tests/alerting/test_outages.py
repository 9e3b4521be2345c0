"""Every alert message reaches Redis once and in order, whatever happens to it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from redis import exceptions as faults
from redis.asyncio import Redis

from streammon.alerting import RedisPublisher, Spool, alert_from_json, link
from streammon.alerting.link import retry_delay_s
from streammon.records import Alert, RedisStatus, SpoolStatus
from support.alerting_samples import CAMERAS, Name, at, logged, message, publishing, scored, until, until_delivered
from support.deadlines import DEADLINE_S
from support.redis_server import HOST, RedisServer


class LogReader:
    """Reads the alert log as a consumer does: from where it was, however often the server goes."""

    def __init__(self, url: str) -> None:
        self.alerts: list[Alert] = []
        self._url = url

    async def run(self) -> None:
        last = b"0"
        client: Any = Redis.from_url(self._url, socket_timeout=None, protocol=2)
        try:
            while True:
                try:
                    streams = await client.xread({"streammon:v1:alerts:log": last}, block=500)
                except faults.RedisError:
                    await asyncio.sleep(0.05)
                    continue
                for _, entries in streams:
                    self.alerts += [alert_from_json(fields[b"json"]) for _, fields in entries]
                    last = entries[-1][0]
        finally:
            await client.aclose()


def test_with_redis_offline_for_long_every_alert_message_arrives_once_and_in_order_and_scoring_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def soon(attempt: int) -> float:
        """A tenth of the pause before it is tried again."""
        attempts.append(attempt)
        return retry_delay_s(attempt) / 10

    async def scenario(server: RedisServer, spool: Spool) -> list[Name]:
        sent: list[Name] = []
        events: list[RedisStatus | SpoolStatus] = []
        done = asyncio.Event()

        async def watch_cameras(publisher: RedisPublisher) -> None:
            """Scores and as many alert messages, ten to an alert, from four cameras in turn, until all is done."""
            step = 0
            while not done.is_set():
                camera = CAMERAS[step % len(CAMERAS)]
                alert = message(f"{camera}-{step // 40:06}", step // len(CAMERAS) % 10, camera)
                publisher.publish_score_nowait(scored(camera, step))
                publisher.publish_alerts_nowait([alert])
                sent.append((alert.id, alert.part))
                step += 1
                await asyncio.sleep(0.005)

        async with publishing(server.config, spool, events) as publisher, asyncio.TaskGroup() as group:
            reader = LogReader(server.url)
            reading = group.create_task(reader.run(), name="log reader")
            watching = group.create_task(watch_cameras(publisher), name="cameras")
            await until(lambda: len(reader.alerts) >= 50)
            server.stop()
            published_before, sent_before = publisher.counts.scores_published, len(sent)
            await until(lambda: len(sent) - sent_before > 450)  # scoring goes on
            await until(lambda: len(attempts) > 9)  # the last of them after the longest pause
            assert len(spool) > 400
            assert publisher.counts.scores_published - published_before <= 1
            assert publisher.counts.scores_lost > 400
            assert not publisher.status.online
            await asyncio.to_thread(server.start)
            await until(lambda: publisher.status.online)
            back_at = len(sent)
            await until(lambda: len(sent) >= back_at + 50)
            done.set()
            await watching
            assert await publisher.drain(DEADLINE_S) == 0
            await until(lambda: len(reader.alerts) >= len(sent))
            counts = publisher.counts
            await until(lambda: counts.scores_published + counts.scores_replaced + counts.scores_lost == len(sent))
            reading.cancel()

        assert [(alert.id, alert.part) for alert in reader.alerts] == sent
        assert len(sent) == len(set(sent))
        assert [event.online for event in events if isinstance(event, RedisStatus)] == [False, True]
        assert not [event for event in events if isinstance(event, SpoolStatus)]
        return sent

    monkeypatch.setattr(link, "retry_delay_s", soon)
    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 10_000) as spool:
        sent = asyncio.run(scenario(server, spool))
        assert logged(server) == sent


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_in_the_middle_of_a_backlog_neither_loses_nor_doubles(tmp_path: Path, end: str) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        sent = [(f"{number:03}", part) for number in range(60) for part in range(10)]
        async with publishing(server.config, spool) as publisher:
            publisher.publish_alerts_nowait([message(*name) for name in sent])
            for delivered in (120, 300, 480):
                await until_delivered(publisher, delivered)
                getattr(server, end)()
                assert len(spool) > 0
                server.start()
            await until(lambda: len(spool) == 0)
        assert logged(server) == sent

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 10_000) as spool:
        asyncio.run(scenario(server, spool))


def test_a_frozen_server_that_carries_out_a_call_late_does_not_double_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        async with publishing(server.config, spool) as publisher:
            publisher.publish_alerts_nowait([message("a", 0)])
            await until(lambda: len(spool) == 0)
            monkeypatch.setattr(publisher._link, "_call_timeout_s", 0.3)  # for the frozen server alone
            server.freeze()
            publisher.publish_alerts_nowait([message("a", part) for part in range(1, 10)])
            await until(lambda: not publisher.status.online)
            assert publisher.status.reason == f"no answer from {HOST}:{server.port}"
            monkeypatch.undo()
            server.thaw()
            await until(lambda: len(spool) == 0)
            assert publisher.counts.alerts_repeated == 1
        assert logged(server) == [("a", part) for part in range(10)]

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))


def test_alerts_of_a_killed_monitor_are_delivered_by_the_next_one(tmp_path: Path) -> None:
    script = """
        import asyncio, sys
        from pathlib import Path
        from streammon.alerting import RedisPublisher, Spool
        from streammon.config import RedisConfig
        from streammon.records import Alert, AlertEvent

        async def main():
            with Spool(Path(sys.argv[2]), 1000) as spool:
                async with RedisPublisher(RedisConfig(url=sys.argv[1]), spool, lambda event: None) as publisher:
                    running = asyncio.create_task(publisher.run())
                    for part in range(200):
                        alert = Alert("a", AlertEvent.UPDATE, part, "lobby", "hall", 1, 2, None, 3, 4, 5, 6)
                        publisher.publish_alerts_nowait([alert])
                        if part == 100:
                            while len(spool):
                                await asyncio.sleep(0.01)
                            print("half", flush=True)
                            sys.stdin.readline()
                    print("all", flush=True)
                    await running

        asyncio.run(main())
    """
    spool_path = tmp_path / "spool"
    with RedisServer(tmp_path) as server:
        command = [sys.executable, "-c", textwrap.dedent(script), server.url, str(spool_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
            server.stop()
            print(file=process.stdin, flush=True)
            assert process.stdout.readline() == "all\n"
            os.kill(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)
        server.start()

        async def next_monitor() -> None:
            with Spool(spool_path, 1000) as spool:
                assert len(spool) == 99
                async with RedisPublisher(server.config, spool, lambda event: None) as publisher:
                    assert await publisher.drain(DEADLINE_S) == 0

        asyncio.run(next_monitor())
        assert logged(server) == [("a", part) for part in range(200)]


def test_after_a_failover_behind_one_name_alerts_go_to_the_new_primary(tmp_path: Path) -> None:
    """The old primary is a read-only replica then and keeps its connections: only a new one finds the new primary."""

    async def scenario(old: RedisServer, new: RedisServer, spool: Spool) -> None:
        primary = old

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                while block := await reader.read(65536):
                    writer.write(block)
                    await writer.drain()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            to_server = await asyncio.open_connection(HOST, primary.port)
            await asyncio.gather(pass_on(reader, to_server[1]), pass_on(to_server[0], writer))

        async with await asyncio.start_server(forward, HOST, 0) as name:
            url = f"redis://{HOST}:{name.sockets[0].getsockname()[1]}"
            async with publishing(at(url), spool) as publisher:
                publisher.publish_alerts_nowait([message("a", 0)])
                await until(lambda: len(spool) == 0)
                with redis_client.Redis.from_url(old.url) as client:
                    client.execute_command("REPLICAOF", HOST, new.port)
                primary = new
                publisher.publish_alerts_nowait([message("a", 1)])
                await until(lambda: len(spool) == 0 and publisher.status.online)
        assert logged(new) == [("a", 1)]

    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
    with (
        RedisServer(tmp_path / "old") as old,
        RedisServer(tmp_path / "new") as new,
        Spool(tmp_path / "spool", 100) as spool,
    ):
        asyncio.run(scenario(old, new, spool))


def test_what_a_failing_log_refuses_is_delivered_once_it_takes_it(tmp_path: Path) -> None:
    async def scenario(server: RedisServer, spool: Spool) -> None:
        with redis_client.Redis.from_url(server.url) as client:
            client.set("streammon:v1:alerts:log", "somebody's string")
            events: list[RedisStatus | SpoolStatus] = []
            async with publishing(server.config, spool, events) as publisher:
                publisher.publish_alerts_nowait([message("a", 0), message("a", 1)])
                await until(lambda: not publisher.status.online)
                assert "WRONGTYPE" in publisher.status.reason
                client.delete("streammon:v1:alerts:log")
                await until(lambda: len(spool) == 0)
        assert logged(server) == [("a", 0), ("a", 1)]

    with RedisServer(tmp_path) as server, Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(server, spool))
