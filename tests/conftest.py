"""Fixtures that the tests of several rooms share."""

import logging
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

from support.cameras import RtspServer, has_gstreamer
from support.numbered_footage import encode

ROOT = Path(__file__).resolve().parents[1]

collect_ignore = [] if find_spec("anomalib") else ["oracles"]
"""Tests that `.ci/oracles` runs in an environment of their own."""

hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """Accept SIGINT, and give torch its share of the cores in each worker of pytest-xdist and in what it starts.

    A shell without job control starts background processes with SIGINT ignored. Commands that the tests start and
    interrupt would inherit that.

    OpenMP's threads wait for one another after each operation: two processes of two threads on two busy cores take
    three times as long as two of one thread. Read when torch loads, which is later.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests first: begun last, one would keep one worker busy and the others idle."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Fail a test that leaves other levels or handlers behind, rather than a later one that misses a warning."""
    root = logging.getLogger()

    def state() -> tuple[int, int, list[tuple[logging.Handler, int]]]:
        return root.level, root.manager.disable, [(handler, handler.level) for handler in root.handlers]

    before = state()
    yield
    assert state() == before


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

    def serve(mounts: dict[str, Path], user: str = "", password: str = "", shared: bool = False) -> RtspServer:
        if user and not has_gstreamer():
            pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit asks for no password")
        servers.append(RtspServer(mounts, user, password, shared))
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
