"""One camera's reader: pace, ends, damage, and servers that misbehave on loopback. No RTSP server needed."""

import http.server
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from streammon.config import CameraConfig
from streammon.ingest import CameraReader, clips, reader
from streammon.records import CameraState, CameraStatus, Frame, ScoringRate
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.numbered_footage import encode, number_in

PASSWORD = "s3cr3t-Pa55"


class Watched:
    """A reader with its frames and statuses recorded."""

    def __init__(self, camera: CameraConfig, name: str = "lobby", size: int = 120) -> None:
        self.frames: Recorder[Frame] = Recorder()
        self.statuses: Recorder[CameraStatus] = Recorder()
        self.reader = CameraReader(name, camera, size, self.frames, self.statuses)

    def wait_for(self, state: CameraState, reason: str | None = None) -> CameraStatus:
        return self.statuses.wait_for(lambda status: status.state is state and reason in (None, status.reason))

    @property
    def states(self) -> list[str]:
        return [status.state.value for status in self.statuses.entries]

    @property
    def numbers(self) -> list[int]:
        return [number_in(frame.picture) for frame in self.frames.entries]


@contextmanager
def watching(camera: CameraConfig) -> Iterator[Watched]:
    watched = Watched(camera)
    watched.reader.start()
    try:
        yield watched
    finally:
        watched.reader.stop()
        assert watched.reader.join(DEADLINE_S)


@pytest.fixture
def serve_http() -> Iterator[Callable[..., str]]:
    """Serves videos one after the other, each on a new connection that then ends; the last for ever after."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(*videos: Path) -> str:
        left = list(videos)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write((left.pop(0) if len(left) > 1 else left[0]).read_bytes())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=[0.01]).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/live.ts"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come after a hundredth of their time."""
    monkeypatch.setattr(reader, "backoff_s", lambda *_: 0.01)


def test_a_file_plays_fast_to_its_end_with_every_frame(numbered_clip: Path) -> None:
    with watching(CameraConfig(url=str(numbered_clip), play="fast", score_fps=240)) as watched:
        watched.wait_for(CameraState.ENDED)
        assert watched.reader.join(DEADLINE_S)
    assert watched.numbers == list(range(75))
    assert [frame.seq for frame in watched.frames.entries] == list(range(75))
    assert watched.states == ["connecting", "online", "ended"]
    assert watched.reader.status.state is CameraState.ENDED
    counts = watched.reader.counts
    assert (counts.decoded, counts.kept, counts.corrupt, counts.connections, counts.failures) == (75, 75, 0, 1, 0)


def test_a_lower_rate_holds_from_the_next_picture_on_and_looks_alone_need_no_detail(numbered_clip: Path) -> None:
    frames: Recorder[Frame] = Recorder()

    def put(frame: Frame) -> None:
        frames(frame)
        if frame.seq == 2:
            camera.rate = ScoringRate(2.5, looks_only=True)
        if frame.seq == 4:
            camera.rate = ScoringRate(5.0)

    config = CameraConfig(url=str(numbered_clip), play="fast", score_fps=5)
    camera = CameraReader("lobby", config, 120, put, Recorder[CameraStatus](), detail=True)
    camera.start()
    assert camera.join(DEADLINE_S)
    assert [number_in(frame.picture) for frame in frames.entries][:8] == [0, 5, 10, 20, 30, 35, 40, 45]
    assert [frame.detail is None for frame in frames.entries][:6] == [False, False, False, True, True, False]
    detail = frames.entries[5].detail
    assert detail is not None
    assert detail.earlier is not None


def test_score_fps_thins_by_stream_time(numbered_clip: Path) -> None:
    with watching(CameraConfig(url=str(numbered_clip), play="fast", score_fps=5)) as watched:
        watched.wait_for(CameraState.ENDED)
    assert watched.numbers == list(range(0, 75, 5))
    assert [round(frame.stream_time_s, 2) for frame in watched.frames.entries[:3]] == [0.0, 0.2, 0.4]
    assert watched.reader.counts.decoded == 75


def test_a_file_plays_at_its_own_pace(numbered_clip: Path) -> None:
    arrived_s: list[float] = []
    frames: list[Frame] = []

    def put(frame: Frame) -> None:
        arrived_s.append(time.monotonic())
        frames.append(frame)

    began_s = time.monotonic()
    camera = CameraReader("lobby", CameraConfig(url=str(numbered_clip), score_fps=240), 64, put, lambda status: None)
    camera.start()
    assert camera.join(DEADLINE_S)
    assert len(frames) == 75
    assert all(at_s - began_s >= frame.stream_time_s for at_s, frame in zip(arrived_s, frames, strict=True))
    assert frames[-1].wall_time_s - frames[0].wall_time_s == pytest.approx(74 / 25)


def test_a_folder_of_images_loops_at_its_pace(tmp_path: Path, numbered_clip: Path) -> None:
    for frame in list(clips(numbered_clip)[0].frames(size=None))[:10]:
        cv2.imwrite(str(tmp_path / f"{frame.seq}.png"), frame.picture)
    (tmp_path / "4.png").write_bytes(b"\x89PNG, cut short")
    with watching(CameraConfig(url=str(tmp_path), image_fps=50, score_fps=50, loop=True)) as watched:
        watched.frames.wait_for(lambda _: True, count=25)
    assert watched.numbers[:18] == [0, 1, 2, 3, 5, 6, 7, 8, 9] * 2
    assert watched.states == ["connecting", "online"]
    assert watched.reader.counts.connections >= 2
    assert watched.reader.counts.corrupt >= 2


def test_a_consumer_that_takes_its_time_holds_a_fast_file_back(numbered_clip: Path) -> None:
    go_on = threading.Semaphore(3)
    taken: list[Frame] = []
    third = threading.Event()

    def put(frame: Frame) -> None:
        taken.append(frame)
        if len(taken) == 4:
            third.set()
        go_on.acquire()

    camera = CameraConfig(url=str(numbered_clip), play="fast", score_fps=240)
    slow = CameraReader("slow", camera, 64, put, lambda status: None)
    slow.start()
    assert third.wait(DEADLINE_S)
    assert len(taken) == 4
    go_on.release(100)
    assert slow.join(DEADLINE_S)
    assert len(taken) == 75


def test_damaged_frames_are_dropped_to_the_next_keyframe_and_counted(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.ts", gop=15)
    spoiled = bytearray(whole.read_bytes())
    rubbish = np.random.default_rng(0)
    for packet in range(len(spoiled) // 188 // 3, len(spoiled) // 188 // 2, 3):  # payload only: 188-byte TS packets
        spoiled[packet * 188 + 40 : packet * 188 + 160] = rubbish.bytes(120)
    (tmp_path / "spoiled.ts").write_bytes(spoiled)
    with watching(CameraConfig(url=str(tmp_path / "spoiled.ts"), play="fast", score_fps=240)) as watched:
        watched.wait_for(CameraState.ENDED)
    clean = {number_in(frame.picture): frame.picture for frame in clips(whole)[0].frames(120)}
    assert watched.reader.counts.corrupt > 0
    assert 30 < len(watched.numbers) < 75
    assert watched.numbers == sorted(set(watched.numbers))
    for number, frame in zip(watched.numbers, watched.frames.entries, strict=True):
        assert np.abs(frame.picture.astype(int) - clean[number]).max() <= 2, f"frame {number} is damaged"


def test_a_new_resolution_amid_the_stream_goes_on(tmp_path: Path) -> None:
    small = encode(tmp_path / "small.ts", frames=20)
    large = encode(tmp_path / "large.ts", frames=20, size=(640, 480))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    with watching(CameraConfig(url=str(tmp_path / "both.ts"), play="fast", score_fps=240)) as watched:
        watched.wait_for(CameraState.ENDED)
    frames = watched.frames.entries
    sizes = [frame.source_size for frame in frames]
    held_back = 40 - len(sizes)  # FFmpeg drops what it held back for reordering when the size changes
    assert held_back <= 2
    assert sizes == [(320, 240)] * (20 - held_back) + [(640, 480)] * 20
    assert {frame.picture.shape for frame in frames} == {(120, 120, 3)}
    times_s = [frame.stream_time_s for frame in frames]  # the second half's timestamps begin again
    assert times_s == sorted(times_s)
    assert times_s[-1] == pytest.approx((len(frames) - 1) / 25, abs=0.01)


@pytest.mark.usefixtures("soon_again")
def test_a_new_resolution_after_a_lost_connection_goes_on(tmp_path: Path, serve_http: Callable[..., str]) -> None:
    small = encode(tmp_path / "small.ts", frames=10)
    large = encode(tmp_path / "large.ts", frames=10, size=(640, 480))
    with watching(CameraConfig(url=serve_http(small, large), score_fps=240)) as watched:
        watched.frames.wait_for(lambda frame: frame.source_size == (640, 480))
        status = watched.wait_for(CameraState.OFFLINE)
        assert status.reason == "connection lost"
    assert watched.frames.entries[0].source_size == (320, 240)
    assert watched.frames.entries[10].stream_time_s == 0
    assert watched.frames.entries[10].seq == 10


@pytest.mark.usefixtures("soon_again")
def test_30_reconnects_leave_threads_and_files_as_they_were(tmp_path: Path, serve_http: Callable[..., str]) -> None:
    def threads_and_files() -> tuple[int, int]:
        return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - /proc

    url = serve_http(encode(tmp_path / "short.ts", frames=10))
    with watching(CameraConfig(url=url, score_fps=240)) as watched:
        seen = []
        for n in range(1, 34):
            watched.statuses.wait_for(lambda status: status.state is CameraState.OFFLINE, count=n)
            seen.append(threads_and_files())
    assert watched.reader.counts.connections >= 33
    assert max(seen[3:]) <= (seen[2][0] + 2, seen[2][1] + 2)  # one connection is open or not, on either side
    assert min(seen[-3:]) <= max(seen[:3])


def test_a_refused_connection_is_offline_and_retried(closed_port: int) -> None:
    with watching(CameraConfig(url=f"rtsp://admin:{PASSWORD}@127.0.0.1:{closed_port}/live")) as watched:
        status = watched.wait_for(CameraState.OFFLINE, reason="connection refused")
        assert status.retry_in_s is not None
        assert 1 <= status.retry_in_s <= 2
        second = watched.statuses.wait_for(lambda status: status.state is CameraState.OFFLINE, count=2)
        assert second.since_s == status.since_s
        assert second.retry_in_s is not None
        assert 2 <= second.retry_in_s <= 4
    assert watched.reader.counts.failures == watched.states.count("offline") >= 2


@contextmanager
def tcp_server(greeting: bytes) -> Iterator[int]:
    """A port that accepts everybody, sends the greeting, and then keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connections.append(listener.accept()[0])
                    connections[-1].sendall(greeting)
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_never_answers_is_offline_in_time(scheme: str) -> None:
    with tcp_server(b"") as port:
        began_s = time.monotonic()
        with watching(CameraConfig(url=f"{scheme}://127.0.0.1:{port}/live", open_timeout_s=1)) as watched:
            watched.wait_for(CameraState.OFFLINE, reason="no answer")
        assert time.monotonic() - began_s > 0.9


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_speaks_something_else_is_offline(scheme: str) -> None:
    with tcp_server(b"220 smtp.example.org ready\r\n" * 200) as port:
        camera = CameraConfig(url=f"{scheme}://127.0.0.1:{port}/live", open_timeout_s=1)
        with watching(camera) as watched:
            status = watched.wait_for(CameraState.OFFLINE)
            assert status.reason in ("not video", "no answer", "stream ended")


def test_a_file_that_is_missing_at_first_is_read_once_it_is_there(
    tmp_path: Path, numbered_clip: Path, soon_again: None
) -> None:
    with watching(CameraConfig(url=str(tmp_path / "later.mp4"), play="fast")) as watched:
        watched.wait_for(CameraState.OFFLINE, reason="no such file")
        (tmp_path / "later.mp4").symlink_to(numbered_clip)
        watched.wait_for(CameraState.ENDED)


def test_stopping_does_not_wait_for_the_next_retry(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "backoff_s", lambda *_: 10 * DEADLINE_S)
    with watching(CameraConfig(url=f"http://127.0.0.1:{closed_port}/")) as watched:
        watched.wait_for(CameraState.OFFLINE)
        watched.reader.stop()
        assert watched.reader.join(DEADLINE_S)


@pytest.mark.usefixtures("soon_again")
def test_a_bug_makes_the_camera_offline_and_is_logged_once_and_tried_again(
    numbered_clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    statuses: Recorder[CameraStatus] = Recorder()
    frames: Recorder[Frame] = Recorder()
    tries: list[Frame] = []

    def put(frame: Frame) -> None:
        tries.append(frame)
        if len(tries) <= 3:
            raise ZeroDivisionError(f"a bug downstream of rtsp://admin:{PASSWORD}@10.0.0.7/")
        frames(frame)

    mended = CameraReader("lobby", CameraConfig(url=str(numbered_clip), play="fast"), 64, put, statuses)
    mended.start()
    offline = statuses.wait_for(lambda status: status.state is CameraState.OFFLINE)
    assert (offline.reason, offline.retry_in_s) == ("internal error (ZeroDivisionError)", 0.01)
    statuses.wait_for(lambda status: status.state is CameraState.ENDED)
    assert mended.join(DEADLINE_S)
    assert len(frames.entries) == 15
    assert mended.counts.failures == 3
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("camera 'lobby': ZeroDivisionError in ingest/reader.py, line ")
    assert PASSWORD not in caplog.text


def test_a_password_shows_nowhere_and_ffmpeg_says_nothing(closed_port: int) -> None:
    script = textwrap.dedent("""
        import sys, threading, traceback
        from streammon.config import CameraConfig
        from streammon.errors import FootageError
        from streammon.ingest import CameraReader, probe

        offline = threading.Semaphore(0)
        def report(status):
            print(status)
            if status.reason:
                offline.release()
        readers = []
        for n, url in enumerate(sys.argv[1:]):
            camera = CameraConfig(url=url, open_timeout_s=0.5, read_timeout_s=0.5)
            readers.append(CameraReader(f"camera{n}", camera, 64, print, report))
            readers[-1].start()
            try:
                probe(camera, f"camera{n}")
            except FootageError as error:
                print(error, repr(error), vars(error), repr(error.__context__), traceback.format_exc())
            print(camera, [thread.name for thread in threading.enumerate()])
        for reader in readers:
            offline.acquire(timeout=60)
        for reader in readers:
            reader.stop()
            reader.join(60)
            print(vars(reader))
    """)
    with tcp_server(b"") as silent, tcp_server(b"HTTP/1.0 401 Unauthorized\r\n\r\n") as refusing:
        urls = [
            f"{scheme}://admin:{PASSWORD}@127.0.0.1:{port}/live?password={PASSWORD}"
            for scheme in ("rtsp", "rtsps", "http", "https")
            for port in (closed_port, silent, refusing)
        ]
        done = subprocess.run([sys.executable, "-c", script, *urls], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count("offline") + done.stdout.count("unauthorised") >= len(urls)
    assert PASSWORD not in done.stdout
    assert done.stderr == ""
