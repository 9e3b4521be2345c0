"""A main stream's reader: connected only while somebody watches, and as patient as any other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from av.video.frame import VideoFrame

from streammon.config import CameraConfig
from streammon.ingest import MainStreamReader, reader
from streammon.records import CameraState, CameraStatus
from support.cameras import Recorder, RtspServer
from support.courtyard import courtyard, encode
from support.deadlines import DEADLINE_S


class Watched:
    """A reader with its pictures and statuses recorded; it is watched while `viewers` is set."""

    def __init__(self, camera: CameraConfig) -> None:
        self.viewers = threading.Event()
        self.pictures: Recorder[tuple[int, CameraState]] = Recorder()
        self.statuses: Recorder[CameraStatus] = Recorder()
        self.reader = MainStreamReader("lobby", camera, self.viewers.is_set, self.statuses, self._show)

    def _show(self, picture: VideoFrame, _time_s: float) -> None:
        self.pictures((picture.width, self.reader.status.state))

    @property
    def states(self) -> list[str]:
        return [status.state.value for status in self.statuses.entries]

    def wait_for(self, state: CameraState, count: int = 1) -> CameraStatus:
        return self.statuses.wait_for(lambda status: status.state is state, count=count)


@contextmanager
def reading(url: str | Path, **settings: object) -> Iterator[Watched]:
    watched = Watched(CameraConfig.model_validate({"url": str(url), **settings}))
    watched.reader.start()
    try:
        yield watched
    finally:
        watched.reader.stop()
        assert watched.reader.join(DEADLINE_S)


def connections(port: int) -> int:
    """Connections of this process to a port."""
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


def test_it_is_connected_while_it_is_watched_and_each_time_again(
    rtsp_server: Callable[..., RtspServer], numbered_clip: Path
) -> None:
    server = rtsp_server({"lobby": numbered_clip})
    with reading(server.url("lobby")) as main:
        main.wait_for(CameraState.CONNECTING)
        assert connections(server.port) == 0
        for visit in (1, 2):
            shown = len(main.pictures.entries)
            main.viewers.set()
            main.pictures.wait_for(lambda picture: True, start=shown)
            assert connections(server.port) == 1
            main.viewers.clear()
            main.wait_for(CameraState.CONNECTING, count=visit + 1)
            assert connections(server.port) == 0
        counts = main.reader.counts
        assert (counts.connections, counts.failures, counts.kept) == (2, 0, 0)
        assert main.states == ["connecting", "online"] * 2 + ["connecting"]
        assert main.reader.source_size == (320, 240)


def test_whoever_comes_and_leaves_a_failed_camera_is_tried_no_sooner(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else viewers who reload the page would lock the camera's account by a wrong password."""
    monkeypatch.setattr(reader, "backoff_s", lambda *_: 10 * DEADLINE_S)
    with reading(f"rtsp://127.0.0.1:{closed_port}/lobby") as main:
        main.viewers.set()
        main.wait_for(CameraState.OFFLINE)
        for _ in range(5):
            main.viewers.clear()
            time.sleep(reader.WANTED_CHECK_S)  # a reader that looked for viewers would see each come and leave
            main.viewers.set()
            time.sleep(reader.WANTED_CHECK_S)
        assert main.states == ["connecting", "offline"]
        assert main.reader.counts.failures == 1


def test_a_stream_that_repeats_one_picture_is_not_shown(
    tmp_path: Path, rtsp_server: Callable[..., RtspServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "REPEATED_READ_TIMEOUTS", 1)
    still = encode(tmp_path / "still.mp4", courtyard(0.1) * 80)
    with reading(rtsp_server({"lobby": still}).url("lobby"), read_timeout_s=1) as main:
        main.viewers.set()
        main.wait_for(CameraState.FROZEN)
        assert {state for _, state in main.pictures.entries} == {CameraState.ONLINE}


def test_a_file_begins_again_when_it_ends(numbered_clip: Path) -> None:
    with reading(numbered_clip, play="fast") as main:
        main.viewers.set()
        main.pictures.wait_for(lambda picture: True, count=80)  # it has 75
        assert "ended" not in main.states
