"""What the tests share: footage that they encode themselves, real cameras on loopback, and waiting under a deadline."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
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

    def wait_for(self, expected: Callable[[T], bool], within_s: float, count: int = 1, start: int = 0) -> T:
        """The `count`-th entry, from the `start`-th on, that is as expected."""

        def matching() -> list[T]:
            return [entry for entry in self.entries[start:] if expected(entry)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(matching()) >= count, within_s):
                raise AssertionError(f"not within {within_s} s; the last entries were {self.entries[-5:]}")
            return matching()[count - 1]


def numbered_picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 3) a grey gradient with 12 black or white blocks along the top: the number in binary."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = np.linspace(60, 180, width, dtype=np.uint8)[None, :, None]
    block = width // 12
    for bit in range(12):
        picture[: height // 4, bit * block : (bit + 1) * block] = 255 * (number >> bit & 1)
    x = number * 7 % (width - 24)
    picture[height // 2 : height // 2 + 24, x : x + 24] = (200, 40, 40)
    return picture


def number_in(picture: NDArray[np.uint8]) -> int:
    """The number of a `numbered_picture`, at whatever size it is now."""
    height, width, _ = picture.shape
    middles = [int((bit + 0.5) * (width // 12 * 12) / 12) for bit in range(12)]
    return sum(int(picture[height // 8, x].mean() > 128) << bit for bit, x in enumerate(middles))


def encode(
    path: Path,
    frames: int = 75,
    size: tuple[int, int] = (320, 240),
    fps: int = 25,
    gop: int = 25,
    codec: str = "libx264",
) -> Path:
    """A clip of numbered pictures; the path's ending says in which container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.bit_rate = 2_000_000
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number, *size), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@cache
def has_gstreamer() -> bool:
    """Whether the system's Python can run tests/rtsp_server.py with GStreamer."""
    script = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        return subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class RtspServer:
    """A camera in a process of its own that can be killed, frozen, and started again on the same port."""

    def __init__(self, mounts: dict[str, Path], user: str = "", password: str = "") -> None:
        self.mounts = mounts
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
        mounts = [f"{name}={path}" for name, path in self.mounts.items()]
        self._process = subprocess.Popen(
            [*python, str(ROOT / "tests" / "rtsp_server.py"), *options, *mounts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        ready = self._process.stdout.readline().split()
        assert ready[:1] == ["ready"], "the RTSP server did not start"
        self.port = int(ready[1])

    def url(self, mount: str, credentials: str = "") -> str:
        """The address of one of its cameras; credentials are `user:password`."""
        return f"rtsp://{credentials}{'@' if credentials else ''}127.0.0.1:{self.port}/{mount}"

    def freeze(self) -> None:
        """Keep the connections and say nothing more, as a hung camera does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Cut it off."""
        self._signal(signal.SIGKILL)
        assert self._process and self._process.stdin and self._process.stdout
        self._process.wait(10)
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


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real footage that is too large for the repository."""
    folder = Path(os.environ.get("STREAMMON_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no footage in {folder}; set STREAMMON_DATA")
    return folder


@pytest.fixture(scope="session")
def numbered_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """75 numbered pictures, 320x240, 25 a second, a keyframe each second, H.264 in MP4."""
    return encode(tmp_path_factory.mktemp("clips") / "numbered.mp4")


@pytest.fixture
def rtsp_server() -> Iterator[Callable[..., RtspServer]]:
    """Starts cameras: `rtsp_server({"lobby": path}, user, password)`; they end with the test."""
    servers: list[RtspServer] = []

    def serve(mounts: dict[str, Path], user: str = "", password: str = "") -> RtspServer:
        if user and not has_gstreamer():
            pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit asks for no password")
        servers.append(RtspServer(mounts, user, password))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])
