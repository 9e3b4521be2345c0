"""Real RTSP cameras that are killed, frozen, locked and lost, beside others that must not notice."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import pytest

from streammon.config import CameraConfig
from streammon.errors import FootageError
from streammon.ingest import CameraReader, LatestFrames, VideoFormat, probe, reader
from streammon.records import CameraState, CameraStatus, Frame
from support.cameras import Recorder, RtspServer, has_gstreamer
from support.deadlines import DEADLINE_S
from support.numbered_footage import encode, number_in
from support.resources import require_no_more_than, resources

PASSWORD = "s3cr3t-Pa55"
WINDOW_S = 4.0

Serve = Callable[..., RtspServer]


class Camera:
    """A reader on a real server, with its frames and statuses recorded."""

    def __init__(self, name: str, url: str, stack: ExitStack, **options: object) -> None:
        config = {"url": url, "score_fps": 240, "open_timeout_s": 2, "read_timeout_s": 2} | options
        self.frames: Recorder[Frame] = Recorder()
        self.statuses: Recorder[CameraStatus] = Recorder()
        self.reader = CameraReader(name, CameraConfig.model_validate(config), 96, self.frames, self.statuses)
        self.reader.start()
        stack.callback(self.close)

    def close(self) -> None:
        self.reader.stop()
        assert self.reader.join(DEADLINE_S)

    def wait_for(self, state: CameraState, after: CameraStatus | None = None) -> CameraStatus:
        start = self.statuses.entries.index(after) if after else 0
        return self.statuses.wait_for(lambda status: status.state is state, start=start)

    def wait_for_frames(self, count: int) -> None:
        self.frames.wait_for(lambda _: True, count=len(self.frames.entries) + count)

    def fps_from(self, start: int) -> float:
        """Frames a second of the stream's own time from the `start`-th frame on, once that is a while."""
        first = self.frames.wait_for(lambda _: True, start=start)
        self.frames.wait_for(lambda frame: frame.stream_time_s >= first.stream_time_s + WINDOW_S, start=start)
        last = self.frames.entries[-1]
        return (last.seq - first.seq) / (last.stream_time_s - first.stream_time_s)


@pytest.fixture(params=["own clips", "real clips"])
def footage(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """Five clips: encoded here, or of real cameras."""
    if request.param == "own clips":
        duration_s = 3 if has_gstreamer() else 40  # aio-rtsp-toolkit doesn't loop
        return [encode(tmp_path / f"{fps}.mp4", frames=duration_s * fps, fps=fps) for fps in (10, 12, 15, 20, 25)]
    folder = request.getfixturevalue("shared_data") / "clips"
    names = ("bottle-detection", "car-detection", "one-by-one-person-detection")
    return [folder / f"{names[n % 3]}.mp4" for n in range(5)]


@pytest.mark.slow
def test_one_killed_one_frozen_and_one_locked_camera_leave_the_others_alone_and_recover(
    footage: list[Path], rtsp_server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "UNAUTHORISED_RETRY_S", 3.0)
    steady = rtsp_server({"one": footage[0], "two": footage[1]})
    killed, frozen = rtsp_server({"live": footage[2]}), rtsp_server({"live": footage[3]})
    locked = [rtsp_server({"live": footage[4]}, "admin", "another")] if has_gstreamer() else []
    with ExitStack() as stack:
        bystanders = [Camera(name, steady.url(name), stack) for name in ("one", "two")]
        victims = [Camera("killed", killed.url("live"), stack), Camera("frozen", frozen.url("live"), stack)]
        locks = [Camera("locked", server.url("live", f"admin:{PASSWORD}"), stack) for server in locked]

        online = [camera.wait_for(CameraState.ONLINE) for camera in bystanders + victims]
        refused = [lock.wait_for(CameraState.UNAUTHORISED) for lock in locks]
        assert {(status.reason, status.retry_in_s) for status in refused} <= {("wrong user or password", 3.0)}
        starts = [len(camera.frames.entries) for camera in bystanders]
        calm_fps = [camera.fps_from(start) for camera, start in zip(bystanders, starts, strict=True)]

        starts = [len(camera.frames.entries) for camera in bystanders]
        killed.kill()
        frozen.freeze()
        offline = victims[0].wait_for(CameraState.OFFLINE, after=online[2])
        silent = victims[1].wait_for(CameraState.FROZEN, after=online[3])
        told_s = time.time()
        assert offline.reason in ("stream ended", "connection lost")
        assert silent.reason == "no frame for 2 s"
        assert told_s - silent.since_s >= 2
        before, last = victims[1].frames.entries[-2:]
        assert before.wall_time_s <= silent.since_s <= last.wall_time_s  # since its last frame
        victims[0].statuses.wait_for(lambda status: status.reason == "connection refused")
        repeated = victims[1].statuses.wait_for(lambda status: status.reason == "no answer")
        assert (repeated.state, repeated.since_s) == (CameraState.FROZEN, silent.since_s)  # it still is
        for camera, start, fps in zip(bystanders, starts, calm_fps, strict=True):
            assert fps > 5
            assert camera.fps_from(start) == pytest.approx(fps, rel=0.15)
            assert [status.state for status in camera.statuses.entries] == [
                CameraState.CONNECTING,
                CameraState.ONLINE,
            ]

        killed.start()
        frozen.thaw()
        for server in locked:
            server.kill()
            server.password = PASSWORD
            server.start()
        for camera, lost in zip([*victims, *locks], [offline, silent, *refused], strict=True):
            camera.wait_for(CameraState.ONLINE, after=lost)
            camera.wait_for_frames(10)
        for camera in (*bystanders, *victims, *locks):
            assert PASSWORD not in repr(camera.statuses.entries)
            assert [frame.seq for frame in camera.frames.entries] == list(range(len(camera.frames.entries)))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_frame_arrives_in_order_and_in_time(
    rtsp_server: Serve, numbered_clip: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if transport == "udp" and not has_gstreamer():
        pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit speaks TCP only")
    openings: list[dict[str, str]] = []
    av_open = av.open

    def recorded(*words: Any, **options: Any) -> Any:
        openings.append(options["options"])
        return av_open(*words, **options)

    monkeypatch.setattr(av, "open", recorded)
    server = rtsp_server({"live": numbered_clip})
    with ExitStack() as stack:
        camera = Camera("lobby", server.url("live"), stack, transport=transport)
        camera.wait_for_frames(60)
        late_s = camera.frames.entries[0].wall_time_s - camera.frames.entries[0].stream_time_s + 0.5
        camera.frames.wait_for(lambda frame: frame.wall_time_s - frame.stream_time_s < late_s, start=60)
    frames = camera.frames.entries[:60]
    assert [number_in(frame.picture) for frame in frames] == list(range(60))
    assert [options.get("probesize") for options in openings] == ["32"]  # the quick opening, which needs no other
    assert frames[-1].stream_time_s == pytest.approx(59 / 25, abs=0.5)


def test_a_camera_over_udp_freezes_and_comes_back(rtsp_server: Serve, numbered_clip: Path) -> None:
    if not has_gstreamer():
        pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit speaks TCP only")
    server = rtsp_server({"live": numbered_clip})
    with ExitStack() as stack:
        camera = Camera("lobby", server.url("live"), stack, transport="udp")
        camera.wait_for_frames(10)
        server.freeze()
        silent = camera.wait_for(CameraState.FROZEN)
        server.thaw()
        camera.wait_for(CameraState.ONLINE, after=silent)


def test_a_wrong_path_is_not_found(rtsp_server: Serve, numbered_clip: Path) -> None:
    if not has_gstreamer():
        pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit hangs up instead of answering 404")
    server = rtsp_server({"live": numbered_clip})
    with ExitStack() as stack:
        camera = Camera("lobby", server.url("nowhere"), stack)
        assert camera.wait_for(CameraState.OFFLINE).reason == "not found"


def test_a_probe_tells_what_a_camera_sends_or_why_it_does_not(
    rtsp_server: Serve, numbered_clip: Path, closed_port: int
) -> None:
    server = rtsp_server({"live": numbered_clip}, "admin", PASSWORD)
    found = probe(CameraConfig(url=server.url("live", f"admin:{PASSWORD}")), "lobby")
    assert found == VideoFormat("h264", 320, 240, 25.0)
    with pytest.raises(FootageError) as refused:
        probe(CameraConfig(url=server.url("live", f"root:{PASSWORD}")), "lobby")
    assert str(refused.value) == (
        "camera 'lobby': no video (wrong user or password); check the user and password in its url"
    )
    with pytest.raises(FootageError) as closed:
        probe(CameraConfig(url=f"rtsp://admin:{PASSWORD}@127.0.0.1:{closed_port}/live"), "lobby")
    assert str(closed.value) == (
        "camera 'lobby': no video (connection refused); check that it is switched on, and its url"
    )


def test_a_camera_with_sound_alone_is_told_so(rtsp_server: Serve) -> None:
    if not has_gstreamer():
        pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit has no sound alone")
    server = rtsp_server({"live": Path("tone")})
    with pytest.raises(FootageError) as refused:
        probe(CameraConfig(url=server.url("live")), "lobby")
    assert str(refused.value) == (
        "camera 'lobby': no video (it sends sound alone); give the url of a stream with video"
    )
    with ExitStack() as stack:
        camera = Camera("lobby", server.url("live"), stack, open_timeout_s=5)
        assert camera.wait_for(CameraState.OFFLINE).reason == "it sends sound alone"


def test_a_keyframe_each_10_s_is_waited_for_by_the_reader_and_the_probe_alike(
    tmp_path: Path, rtsp_server: Serve
) -> None:
    if not has_gstreamer():
        pytest.skip("no GStreamer RTSP server, and aio-rtsp-toolkit begins with a keyframe for each viewer")
    clip = encode(tmp_path / "slow.mp4", frames=20, fps=1, gop=10)
    server = rtsp_server({"live": clip}, shared=True)
    with ExitStack() as stack:
        first = Camera("first", server.url("live"), stack, read_timeout_s=4)
        first.frames.wait_for(lambda frame: number_in(frame.picture) % 10 == 1)  # the keyframe is past
        second = Camera("second", server.url("live"), stack, read_timeout_s=4)
        found = probe(CameraConfig(url=server.url("live")), "lobby")
        assert found == VideoFormat("h264", 320, 240, 1.0)
        second.wait_for(CameraState.ONLINE)
        assert number_in(second.frames.wait_for(lambda _: True).picture) % 10 == 0
        assert second.reader.counts.failures == 0


def test_30_readers_come_and_go_without_leaving_threads_or_files(rtsp_server: Serve, numbered_clip: Path) -> None:
    server = rtsp_server({"live": numbered_clip})

    def come_and_go() -> None:
        with ExitStack() as stack:
            Camera("lobby", server.url("live"), stack).wait_for_frames(1)

    come_and_go()
    before = resources()
    for _ in range(30):
        come_and_go()
    require_no_more_than(before)


def test_24_cameras_in_one_process_all_play(rtsp_server: Serve, numbered_clip: Path) -> None:
    server = rtsp_server({"live": numbered_clip})
    latest = LatestFrames()
    with ExitStack() as stack:
        readers = [
            CameraReader(
                f"camera{n}", CameraConfig(url=server.url("live")), 64, latest.put_nowait, lambda status: None
            )
            for n in range(24)
        ]
        for one in readers:
            one.start()
            stack.callback(one.join, DEADLINE_S)
            stack.callback(one.stop)
        waited_for, deadline_s = {one.name for one in readers}, time.monotonic() + DEADLINE_S
        while waited_for and time.monotonic() < deadline_s:
            waited_for -= {frame.camera for frame in latest.take(24, timeout_s=1)}
        assert not waited_for
