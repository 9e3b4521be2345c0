"""Fixtures that the tests of several rooms share."""

import logging
import os
import signal
import socket
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

SLOWEST_FIRST = (
    "live/test_monitor.py",
    "cli/test_commands.py",
    "cli/test_run.py",
    "live/test_health.py",
    "ingest/test_http_cameras.py",
    "demo/test_run.py",
    "events/test_recorder.py",
    "cli/test_fit_from_review_street.py",
    "cli/test_fit_from_review.py",
    "live/test_reloading.py",
    "cli/test_bad_inputs.py",
    "cli/test_eval.py",
    "live/test_main_streams.py",
    "events/test_killed.py",
    "api/test_examples.py",
    "evaluation/test_stc.py",
    "validation/test_real_clip.py",
    "evaluation/methods/test_motion.py",
    "events/test_full_disk.py",
    "events/test_monitor.py",
    "live/test_scorer.py",
    "preview/test_live.py",
    "live/test_notify.py",
    "padim/test_engines.py",
    "validation/test_comparing.py",
    "live/test_changing_rate.py",
    "alerting/test_cluster.py",
    "preview/test_page.py",
    "evaluation/test_paper.py",
    "evaluation/test_paper_on_mvtec.py",
    "ingest/test_cameras.py",
    "validation/test_command.py",
    "evaluation/methods/test_vae.py",
)
"""Files that take 20 seconds and more: begun last, one would keep one worker busy and the other idle."""

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
    """Long files first; the others stay in their order."""
    place = {ROOT / "tests" / name: index for index, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


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
