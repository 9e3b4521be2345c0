"""A real RTSP camera that a test can kill, freeze and start again, and a callback that waits under a deadline."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from support.deadlines import DEADLINE_S

SCRIPT = Path(__file__).with_name("rtsp_server.py")
T = TypeVar("T")


class Recorder(Generic[T]):
    """A callback that keeps what it is given, and waits for what is expected instead of sleeping."""

    def __init__(self) -> None:
        self.entries: list[T] = []
        self._changed = threading.Condition()

    def __call__(self, entry: T) -> None:
        with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()

    def wait_for(
        self, expected: Callable[[T], bool], within_s: float = DEADLINE_S, count: int = 1, start: int = 0
    ) -> T:
        """The `count`-th entry, from the `start`-th on, that is as expected."""

        def matching() -> list[T]:
            return [entry for entry in self.entries[start:] if expected(entry)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(matching()) >= count, within_s):
                raise AssertionError(f"not within {within_s} s; the last entries were {self.entries[-5:]}")
            return matching()[count - 1]


@cache
def has_gstreamer() -> bool:
    """Whether the system's Python can run tests/support/rtsp_server.py with GStreamer.

    `STREAMMON_RTSP_SERVER=toolkit` says no, to test what happens where it can't.
    """
    if os.environ.get("STREAMMON_RTSP_SERVER") == "toolkit":
        return False
    script = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        return subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class RtspServer:
    """A camera in a process of its own that can be killed, frozen, and started again on the same port."""

    def __init__(self, mounts: dict[str, Path], user: str = "", password: str = "", shared: bool = False) -> None:
        self.mounts = mounts
        self.shared = shared
        self.user, self.password = user, password
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Serve; returns once it listens."""
        python = ["/usr/bin/python3"] if has_gstreamer() else [sys.executable]
        options = ["--port", str(self.port)] + ([] if has_gstreamer() else ["--toolkit"])
        if self.user:
            options += ["--user", self.user, "--password", self.password]
        if self.shared:
            options.append("--shared")
        mounts = [f"{name}={path}" for name, path in self.mounts.items()]
        self._process = subprocess.Popen(
            [*python, str(SCRIPT), *options, *mounts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        ready = self._process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            self.kill()
            raise AssertionError("the RTSP server did not start")
        self.port = int(ready[1])

    def url(self, mount: str, credentials: str = "") -> str:
        """The address of one of its cameras; credentials are `user:password`."""
        name = mount if has_gstreamer() else f"{mount}.mp4"
        return f"rtsp://{credentials}{'@' if credentials else ''}127.0.0.1:{self.port}/{name}"

    def freeze(self) -> None:
        """Keep the connections and say nothing more, as a hung camera does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Cut it off."""
        self._signal(signal.SIGKILL)
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.wait(DEADLINE_S)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None

    def close(self) -> None:
        """End it if it runs."""
        if self._process:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)
