"""The Valkey server that lives as long as the monitor."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
import redis as redis_client

from deadlines import DEADLINE_S
from streammon.alerting import embedded_valkey
from streammon.errors import RedisError

HOST = "127.0.0.1"


def server_of(process: int) -> psutil.Process:
    (server,) = [child for child in psutil.Process(process).children() if "valkey" in child.name()]
    return server


def test_it_answers_on_loopback_and_ends_with_its_block() -> None:
    with embedded_valkey() as url:
        with redis_client.Redis.from_url(url) as client:
            client.set("a", "b")
            assert client.get("a") == b"b"
            assert client.config_get("bind") == {"bind": HOST}
        server = server_of(os.getpid())
    assert not server.is_running()


def test_it_takes_the_port_it_is_given() -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with embedded_valkey(port) as url:
        assert url == f"redis://{HOST}:{port}"


def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RedisError) as refusal, embedded_valkey(port):
            pass
    assert str(refusal.value) == f"redis: port {port} is taken; set redis.port to another, or to 0"


SCRIPT = """
    import signal
    from streammon.alerting import embedded_valkey
    with embedded_valkey() as url:
        try:
            print(url, flush=True)
            signal.pause()
        except KeyboardInterrupt:
            import redis
            print(redis.Redis.from_url(url).ping(), flush=True)
"""


def monitor() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_control_c_on_a_terminal_does_not_reach_it() -> None:
    with monitor() as process:
        assert process.stdout is not None
        process.stdout.readline()
        server = server_of(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it, to the whole group
        assert process.stdout.readline() == "True\n"
    assert process.returncode == 0
    assert not server.is_running()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_does_not_outlive_a_killed_monitor() -> None:
    with monitor() as process:
        assert process.stdout is not None
        process.stdout.readline()
        server = server_of(process.pid)
        process.kill()
    deadline = time.monotonic() + DEADLINE_S
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
