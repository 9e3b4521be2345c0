"""The Valkey server that lives as long as the monitor, and its folder."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis as redis_client
import redis.asyncio

from streammon.alerting import RedisPublisher, Spool, embedded_valkey
from streammon.alerting.delivery import heatmap_command
from streammon.alerting.keys import Keys
from streammon.config import RedisConfig
from streammon.errors import RedisError
from streammon.records import Alert
from support.alerting_samples import logged_at, message, scored
from support.redis_server import embedded

HOST = "127.0.0.1"
TICKS = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "alerts.valkey"


def servers_of(process: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(process).children() if "valkey" in child.name()]


def server_of(process: int) -> psutil.Process:
    (server,) = servers_of(process)
    return server


def refusal_of(folder: Path) -> str:
    """Why no server starts on this folder."""
    with pytest.raises(RedisError) as refusal, embedded(folder):
        pass
    return str(refusal.value)


def test_it_answers_on_loopback_and_ends_with_its_block(folder: Path) -> None:
    with embedded(folder) as url:
        with redis_client.Redis.from_url(url) as client:
            client.set("a", "b")
            assert client.get("a") == b"b"
            assert client.config_get("bind") == {"bind": HOST}
        server = server_of(os.getpid())
    assert not server.is_running()


def test_it_takes_the_port_it_is_given(folder: Path, closed_port: int) -> None:
    with embedded(folder, closed_port) as url:
        assert url == f"redis://{HOST}:{closed_port}"


def test_a_port_that_is_taken_is_refused_in_one_line(folder: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RedisError) as refusal, embedded(folder, port):
            pass
    assert str(refusal.value) == f"redis: port {port} is taken; set redis.port to another, or to 0"


# --- what it keeps


async def deliver(url: str, spool_file: Path, alerts: list[Alert]) -> None:
    """Hand alerts over, and return once each has left the spool."""
    with Spool(spool_file, 100) as spool:
        async with RedisPublisher(RedisConfig.model_validate({"url": url}), spool, lambda _event: None) as publisher:
            publisher.publish_alerts_nowait(alerts)
            assert await publisher.drain(20) == 0


@pytest.mark.parametrize("ended", ["in order", "killed"])
def test_alerts_outlive_the_server(folder: Path, tmp_path: Path, ended: str) -> None:
    with embedded(folder) as url:
        asyncio.run(deliver(url, tmp_path / "spool", [message("a", part) for part in range(10)]))
        if ended == "killed":
            server_of(os.getpid()).kill()
    with embedded(folder) as url:
        assert logged_at(url) == [("a", part) for part in range(10)]


def test_a_torn_last_write_costs_that_write_alone(folder: Path) -> None:
    with embedded(folder) as url, redis_client.Redis.from_url(url) as client:
        for number in range(3):
            client.set(f"key {number}", "value")
    (file,) = folder.glob("appendonlydir/*.incr.aof")
    os.truncate(file, file.stat().st_size - 4)
    with embedded(folder) as url, redis_client.Redis.from_url(url) as client:
        assert sorted(client.keys()) == [b"key 0", b"key 1"]


def test_heatmaps_are_kept_in_memory_alone(folder: Path) -> None:
    keys, frame = Keys("streammon:v1:"), scored()
    with embedded(folder) as url, redis_client.Redis.from_url(url) as client:
        written = client.info("persistence")["aof_current_size"]
        client.execute_command(*heatmap_command(keys, frame, 30))
        assert client.get(keys.heatmap("lobby")).startswith(b"\x89PNG")
        assert 0 < client.ttl(keys.heatmap("lobby")) <= 30
        assert client.info("persistence")["aof_current_size"] == written
    (file,) = folder.glob("appendonlydir/*.incr.aof")
    assert b"PNG" not in file.read_bytes()


def test_the_file_shrinks_once_it_has_grown(folder: Path) -> None:
    with embedded(folder) as url, redis_client.Redis.from_url(url) as client:
        assert client.config_get("auto-aof-rewrite-*") == {
            "auto-aof-rewrite-percentage": "100",
            "auto-aof-rewrite-min-size": str(16 << 20),
        }
        client.config_set("auto-aof-rewrite-min-size", "64kb")  # 16 MB take a while
        before = 0
        while (size := client.info("persistence")["aof_current_size"]) >= before:
            assert size < 16 << 20
            client.set("status", "x" * 1000)
            before = size


# --- what is wrong with a folder


def test_a_second_monitor_on_the_folder_is_refused(folder: Path) -> None:
    with embedded(folder) as url:
        assert refusal_of(folder) == (
            f"redis folder {folder}: another monitor uses it; stop it, or set redis.folder to another folder"
        )
        with redis_client.Redis.from_url(url) as client:
            assert client.ping()


def test_a_folder_below_none_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "no" / "alerts.valkey"
    assert refusal_of(folder) == (
        f"redis folder {folder}: there is no folder {tmp_path / 'no'}; make it, or set redis.folder to another folder"
    )


def test_a_file_is_refused(folder: Path) -> None:
    folder.touch()
    assert refusal_of(folder) == f"redis folder {folder}: it is a file; set redis.folder to a folder"


def test_a_folder_that_can_not_be_written_is_refused() -> None:
    assert refusal_of(Path("/proc/self/alerts.valkey")) == (
        "redis folder /proc/self/alerts.valkey: it can't be written (no such file or directory); "
        "check its permissions and free space, or set redis.folder to another folder"
    )


def garbage(folder: Path) -> str:
    (file,) = folder.glob("appendonlydir/*.incr.aof")
    with file.open("r+b") as opened:
        opened.seek(file.read_bytes().index(b"*3", 100))
        opened.write(b"garbage")
    return "the server can't use it (Bad file format reading the append only file appendonly.aof.1.incr.aof)"


def no_base(folder: Path) -> str:
    (file,) = folder.glob("appendonlydir/*.base.rdb")
    file.unlink()
    return (
        "the server can't use it (Unable to obtain the AOF file appendonly.aof.1.base.rdb length. "
        "stat: No such file or directory)"
    )


def garbled_manifest(folder: Path) -> str:
    (file,) = folder.glob("appendonlydir/*.manifest")
    file.write_text("garbage\n")
    return "the server can't use it (Invalid AOF manifest file format)"


def no_manifest(folder: Path) -> str:
    (file,) = folder.glob("appendonlydir/*.manifest")
    file.unlink()
    return "appendonlydir has no manifest"


@pytest.mark.parametrize("damage", [garbage, no_base, garbled_manifest, no_manifest])
def test_a_damaged_folder_is_refused_and_left_as_it_is(folder: Path, damage: Callable[[Path], str]) -> None:
    with embedded(folder) as url, redis_client.Redis.from_url(url) as client:
        for number in range(20):
            client.set(f"key {number}", "value")
    found = damage(folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert refusal_of(folder) == (
        f"redis folder {folder}: {found}; restore it from a backup, or move it away and begin with an empty log"
    )
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


# --- the event loop


async def frozen_start() -> psutil.Process:
    """Freeze the server's process as soon as it is forked: from the loop's next turn on."""
    while not (children := psutil.Process().children()):  # noqa: ASYNC110 (a fork is no event)
        await asyncio.sleep(0)
    children[0].suspend()
    return children[0]


async def ticks() -> None:
    """So many turns of the loop, with pauses as a camera's pictures make them."""
    for _ in range(TICKS):
        await asyncio.sleep(0.01)


def test_the_loop_goes_on_while_the_server_starts_slowly(folder: Path) -> None:
    """Only a task of the loop thaws the frozen server: without turns of the loop there is no start."""

    async def thaw_later(is_started: asyncio.Event) -> None:
        server = await frozen_start()
        await ticks()
        assert not is_started.is_set()
        server.resume()

    async def start() -> None:
        is_started = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(thaw_later(is_started))
            async with embedded_valkey(folder):
                is_started.set()

    asyncio.run(start())


def test_the_loop_goes_on_while_the_server_stops_slowly(folder: Path) -> None:
    async def thaw_later(server: psutil.Process, is_stopped: asyncio.Event) -> None:
        await ticks()
        assert not is_stopped.is_set()
        server.resume()

    async def stop() -> None:
        is_stopped = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            async with embedded_valkey(folder):
                server = server_of(os.getpid())
                server.suspend()
                group.create_task(thaw_later(server, is_stopped))
            is_stopped.set()
        assert not server.is_running()

    asyncio.run(stop())


def test_a_server_that_does_not_stop_is_killed(folder: Path) -> None:
    with embedded(folder):
        server = server_of(os.getpid())
        server.suspend()
    assert not server.is_running()


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_start_leaves_no_server_behind(folder: Path, times: int) -> None:
    async def start() -> None:
        async with embedded_valkey(folder):
            raise AssertionError("it started")

    async def cancel() -> None:
        starting = asyncio.create_task(start())
        server = await frozen_start()
        await ticks()
        starting.cancel()
        if times == 1:
            server.resume()
        else:  # the second ends a frozen one, too
            await ticks()
            assert not starting.done()
            starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()
        assert not server.is_running()

    asyncio.run(cancel())
    with embedded(folder) as url:  # and its lock neither
        assert logged_at(url) == []


def test_a_second_cancellation_of_the_stop_kills_the_server(folder: Path) -> None:
    async def run(is_ready: asyncio.Event) -> None:
        async with embedded_valkey(folder):
            is_ready.set()
            await asyncio.Event().wait()

    async def cancel() -> None:
        is_ready = asyncio.Event()
        running = asyncio.create_task(run(is_ready))
        await is_ready.wait()
        server = server_of(os.getpid())
        server.suspend()
        running.cancel()
        await ticks()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert not server.is_running()

    asyncio.run(cancel())


def test_a_server_that_dies_is_started_again_where_it_was(folder: Path) -> None:
    async def outlive(url: str) -> None:
        async with redis.asyncio.Redis.from_url(url) as client, asyncio.timeout(60):
            await client.set("a", "b")
            server_of(os.getpid()).kill()
            while True:
                with contextlib.suppress(redis_client.ConnectionError):
                    assert await client.get("a") == b"b"
                    return
                await asyncio.sleep(0.05)

    async def run() -> None:
        async with embedded_valkey(folder) as url:
            first = server_of(os.getpid())
            await outlive(url)
            second = server_of(os.getpid())
            assert second.pid != first.pid
        assert not second.is_running()

    asyncio.run(run())


# --- how it ends with the monitor

SCRIPT = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from streammon.alerting import embedded_valkey

    async def monitor():
        async with embedded_valkey(Path(sys.argv[1])) as url:
            is_interrupted = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, is_interrupted.set)
            print(url, flush=True)
            await is_interrupted.wait()
            import redis
            print(redis.Redis.from_url(url).ping(), flush=True)

    asyncio.run(monitor())
"""


def monitor(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_control_c_on_a_terminal_does_not_reach_it(folder: Path) -> None:
    with monitor(folder) as process:
        assert process.stdout is not None
        process.stdout.readline()
        server = server_of(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it, to the whole group
        assert process.stdout.readline() == "True\n"
    assert process.returncode == 0
    assert not server.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("killed", ["monitor", "monitor and server"])
def test_a_killed_monitor_leaves_no_server_and_loses_no_alert(folder: Path, tmp_path: Path, killed: str) -> None:
    alerts = [message("a", part) for part in range(10)]
    with monitor(folder) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        server = server_of(process.pid)
        asyncio.run(deliver(url, tmp_path / "spool", alerts))
        if killed == "monitor and server":
            server.kill()
        process.kill()
    with embedded(folder) as url:  # at once: it waits for the old server's end
        assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
        assert logged_at(url) == [(alert.id, alert.part) for alert in alerts]
