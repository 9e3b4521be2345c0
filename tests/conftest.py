"""Fixtures that the tests of several rooms share."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cameras import RtspServer, has_gstreamer
from numbered_footage import encode

ROOT = Path(__file__).resolve().parents[1]

SLOWEST_FIRST = (
    "test_monitor.py",
    "test_cli_commands.py",
    "test_run.py",
    "test_demo_run.py",
    "test_cli_bad_inputs.py",
    "test_cli_eval.py",
    "test_evaluation_stc.py",
    "test_real_motion.py",
    "test_evaluation_motion.py",
    "test_scoring.py",
    "test_preview_live.py",
    "test_preview_page.py",
    "test_evaluation_paper.py",
    "test_ingest_cameras.py",
    "test_validation_command.py",
    "test_evaluation_methods_vae.py",
)
"""Files that take 20 seconds and more: begun last, one would keep one worker busy and the other idle."""


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
    """Long files first; the others stay in their order."""
    place = {name: index for index, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


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
