"""Cameras over HTTP whose timestamps, pauses or parts are not as the standards have them, on a real server."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np
import pytest

from streammon.config import CameraConfig
from streammon.errors import FootageError
from streammon.ingest import CameraReader, VideoFormat, probe
from streammon.records import CameraState, CameraStatus, Frame
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.http_cameras import Answer, HlsChannel, HttpCamera, Pictures, count_s, every, jpegs, multipart, muxed
from support.http_cameras import numbered_pictures as numbered
from support.numbered_footage import number_in

MULTIPART = "multipart/x-mixed-replace; boundary=frame"


@dataclass(frozen=True)
class Arrival:
    """A kept frame, and when it was kept by the monotonic clock."""

    frame: Frame
    at_s: float


class Watched:
    """A reader of a camera, with the default timeouts unless given, and all that it reported."""

    def __init__(self, url: str, **settings: object) -> None:
        self.arrivals: Recorder[Arrival] = Recorder()
        self.statuses: Recorder[CameraStatus] = Recorder()
        self.decoded: list[int] = []  # numbers of all pictures, kept or not
        camera = CameraConfig.model_validate({"url": url} | settings)
        self.reader = CameraReader("lobby", camera, 96, self._put, self.statuses, self._show, detail=True)

    def _put(self, frame: Frame) -> None:
        self.arrivals(Arrival(frame, time.monotonic()))

    def _show(self, picture: av.VideoFrame, _: float) -> None:
        self.decoded.append(number_in(picture.to_ndarray(format="rgb24").astype(np.uint8)))

    def wait_for(self, frames: int) -> list[Arrival]:
        self.arrivals.wait_for(lambda _: True, count=frames)
        return self.arrivals.entries[:frames]

    @property
    def states(self) -> list[str]:
        return [status.state.value for status in self.statuses.entries]


@contextmanager
def watching(url: str, **settings: object) -> Iterator[Watched]:
    watched = Watched(url, **settings)
    watched.reader.start()
    try:
        yield watched
    finally:
        watched.reader.stop()
        assert watched.reader.join(DEADLINE_S)


def stream_seconds_per_second(arrivals: list[Arrival]) -> float:
    first, last = arrivals[0], arrivals[-1]
    return (last.frame.stream_time_s - first.frame.stream_time_s) / (last.at_s - first.at_s)


def kept_per_second(arrivals: list[Arrival]) -> float:
    """Frames a second of stream time: a busy machine delivers late what it has kept."""
    return (len(arrivals) - 1) / (arrivals[-1].frame.stream_time_s - arrivals[0].frame.stream_time_s)


def as_jpegs(interval_s: float, pictures: Pictures | None = None) -> Answer:
    return MULTIPART, every(interval_s, multipart(jpegs(pictures or numbered())))


def as_mpegts(interval_s: float, stamped_fps: float) -> Answer:
    return "video/mp2t", every(interval_s, muxed("mpegts", numbered(), count_s(stamped_fps)))


def test_mjpeg_has_the_time_at_which_its_pictures_come() -> None:
    with HttpCamera(lambda _: as_jpegs(0.2)) as camera:
        assert probe(CameraConfig(url=camera.url()), "lobby") == VideoFormat("mjpeg", 320, 240, None)
        with watching(camera.url()) as watched:
            arrivals = watched.wait_for(20)
    assert stream_seconds_per_second(arrivals) == pytest.approx(1.0, abs=0.05)
    numbers = watched.decoded[1:]  # the first waited for the opening to end
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= 19
    assert kept_per_second(arrivals) == pytest.approx(5.0, abs=0.25)


def test_the_steps_between_pictures_are_right_when_mjpeg_slows_down() -> None:
    fast_s, slow_s, fast = 0.08, 0.2, 25

    def sent_s(number: int) -> float:
        return number * fast_s if number <= fast else fast * fast_s + (number - fast) * slow_s

    sent_at_s: list[float] = []  # when the server had sent each picture: late, on a busy machine

    def parts() -> Iterator[tuple[float, bytes]]:
        for number, part in enumerate(multipart(jpegs(numbered()))):
            yield sent_s(number), part
            sent_at_s.append(time.monotonic())

    with HttpCamera(lambda _: (MULTIPART, parts())) as camera, watching(camera.url(), score_fps=25) as watched:
        arrivals = watched.wait_for(fast + 10)
    errors_s = []
    for frame in (arrival.frame for arrival in arrivals[5:]):  # the first waited for the opening to end
        if frame.detail is not None and frame.detail.earlier is not None:
            before, number = number_in(np.dstack([frame.detail.earlier] * 3)), number_in(frame.picture)
            errors_s.append(frame.detail.step_s - (sent_at_s[number] - sent_at_s[before]))
    assert len(errors_s) > 20
    assert np.median(np.abs(errors_s)) < 0.03
    assert (np.abs(errors_s) < 0.06).mean() > 0.8  # single ones arrive late on a busy machine


@pytest.mark.parametrize(("interval_s", "stamped_fps"), [(0.08, 25), (0.04, 12.5), (0.2, 25)])
def test_timestamps_at_another_rate_than_the_pictures_come_at_are_found_out(
    interval_s: float, stamped_fps: float
) -> None:
    window_s = 4.0
    with HttpCamera(lambda _: as_mpegts(interval_s, stamped_fps)) as camera, watching(camera.url()) as watched:

        def latest(arrival: Arrival) -> list[Arrival]:
            """Arrivals of the window that ends with this one, if it is full."""
            window = [one for one in watched.arrivals.entries if arrival.at_s - window_s < one.at_s <= arrival.at_s]
            return window if watched.arrivals.entries[0] is not window[0] else []

        def is_right(arrival: Arrival) -> bool:
            window = latest(arrival)
            return bool(window) and abs(stream_seconds_per_second(window) - 1.0) <= 0.05

        right = watched.arrivals.wait_for(is_right)
        assert kept_per_second(latest(right)) == pytest.approx(5.0, abs=0.5)
        watched.arrivals.wait_for(lambda arrival: arrival.at_s > right.at_s + window_s)
        later = [arrival for arrival in watched.arrivals.entries if arrival.at_s > right.at_s]
    assert stream_seconds_per_second(later) == pytest.approx(1.0, abs=0.15)  # the last may be late on a busy machine
    assert watched.states == ["connecting", "online"]


@pytest.mark.parametrize("jump_s", [8.0, -8.0, 2.0, 0.7])
def test_single_timestamps_that_jump_change_no_other_frame_s_time(jump_s: float) -> None:
    stamps_s = (20 + n / 25 + (jump_s if n % 20 == 19 else 0.0) for n in itertools.count())
    answer = "video/mp2t", every(0.04, muxed("mpegts", numbered(), stamps_s))
    with HttpCamera(lambda _: answer) as camera, watching(camera.url(), score_fps=25) as watched:
        arrivals = watched.wait_for(100)
    frames = [arrival.frame for arrival in arrivals]
    first = number_in(frames[0].picture)
    for frame in frames[:1] + frames[50:]:
        late_s = frame.stream_time_s - (number_in(frame.picture) - first) / 25
        assert -0.04 < late_s < (0.7 if jump_s == 0.7 else 0.25)
    sent_s = (number_in(frames[-1].picture) - number_in(frames[50].picture)) / 25
    assert frames[-1].stream_time_s - frames[50].stream_time_s == pytest.approx(sent_s, rel=0.1)


def test_an_address_that_gives_one_picture_a_request_is_asked_score_fps_times_a_second() -> None:
    pictures = jpegs(numbered())
    with HttpCamera(lambda _: ("image/jpeg", [(0.0, next(pictures))])) as camera:
        found = probe(CameraConfig(url=camera.url("/snapshot")), "lobby")
        assert found == VideoFormat("single pictures (mjpeg)", 320, 240, 5.0)
        with watching(camera.url("/snapshot")) as watched:
            arrivals = watched.wait_for(15)
        assert watched.states == ["connecting", "online"]
    numbers = watched.decoded
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= 15
    assert kept_per_second(arrivals) < 5.25
    assert np.median(np.diff([arrival.at_s for arrival in arrivals])) == pytest.approx(0.2, rel=0.1)
    assert stream_seconds_per_second(arrivals) == pytest.approx(1.0, abs=0.05)


def test_a_camera_of_single_pictures_survives_a_failed_request_and_is_lost_after_the_read_timeout() -> None:
    pictures, answers = jpegs(numbered()), itertools.count()

    def answer(_: str) -> Answer | None:
        number = next(answers)
        whole = next(pictures)
        if number == 3:
            return "image/jpeg", [(0.0, whole[: len(whole) // 2])]
        return None if number == 5 or number > 12 else ("image/jpeg", [(0.0, whole)])

    with HttpCamera(answer) as camera, watching(camera.url(), score_fps=20, read_timeout_s=1) as watched:
        lost = watched.statuses.wait_for(lambda status: status.state is CameraState.OFFLINE)
    assert lost.reason == "not found"
    assert watched.states[:3] == ["connecting", "online", "offline"]
    assert watched.decoded == [0, 1, 2, 4, *range(6, 13)]  # kept or not: late ones come closer than score_fps
    assert watched.arrivals.entries


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content_type", "container", "fps"),
    [("video/h264", "h264", 5), ("video/h264", "h264", 1), ("video/mp2t", "mpegts", 2), ("video/x-flv", "flv", 5)],
)
def test_a_slow_stream_is_opened_once_and_kept(content_type: str, container: str, fps: int) -> None:
    def answer(_: str) -> Answer:
        return content_type, every(1 / fps, muxed(container, numbered(), count_s(fps), gop=2 * fps, fps=fps))

    with HttpCamera(answer) as camera:
        with watching(camera.url()) as watched:
            online = watched.statuses.wait_for(lambda status: status.state is CameraState.ONLINE)
            first_s = watched.wait_for(1)[0].at_s
            watched.arrivals.wait_for(lambda arrival: arrival.at_s > first_s + 6)  # longer than the read timeout
            assert watched.states == ["connecting", "online"]
            assert online is watched.reader.status
        assert camera.requests["/live"] == 1
        assert probe(CameraConfig(url=camera.url()), "lobby").width == 320


@pytest.mark.slow
def test_a_viewer_who_joins_long_before_the_next_keyframe_waits_for_it() -> None:
    def answer(_: str) -> Answer:
        packets = muxed("mpegts", numbered(), count_s(2), gop=16, fps=2)
        return "video/mp2t", every(0.5, itertools.islice(packets, 1, None))

    with HttpCamera(answer) as camera:
        assert probe(CameraConfig(url=camera.url()), "lobby").codec == "h264"
        with watching(camera.url()) as watched:
            assert number_in(watched.wait_for(1)[0].frame.picture) == 16


@pytest.mark.parametrize("playlist", ["/live.m3u8", "/live"])
def test_hls_is_one_connection_paced_by_its_timestamps(playlist: str) -> None:
    channel = HlsChannel(fps=10, segment_s=3.0)

    def answer(path: str) -> Answer | None:
        return channel.answer("/live.m3u8" if path == playlist else path)

    with HttpCamera(answer) as camera:
        camera_config = CameraConfig(url=camera.url(playlist))
        assert probe(camera_config, "lobby").width == 320
        with watching(camera.url(playlist), read_timeout_s=1) as watched:
            arrivals = watched.wait_for(60)  # 12 s: the first 9 s are there when it begins
        assert watched.states == ["connecting", "online"]
    numbers = [number_in(arrival.frame.picture) for arrival in arrivals]
    assert numbers == list(range(numbers[0], numbers[0] + 120, 2))
    assert stream_seconds_per_second(arrivals) == pytest.approx(1.0, abs=0.1)
    paced = [arrival.at_s for arrival in arrivals]
    assert sum(b - a > 0.1 for a, b in itertools.pairwise(paced)) > 50


def test_fragments_of_2_s_are_paced_by_their_timestamps() -> None:
    def answer(_: str) -> Answer:
        return "video/mp4", every(0.1, muxed("mp4", numbered(), count_s(10), gop=20, fps=10))

    with HttpCamera(answer) as camera, watching(camera.url()) as watched:
        arrivals = watched.wait_for(40)[10:]
        assert watched.states == ["connecting", "online"]
    assert stream_seconds_per_second(arrivals) == pytest.approx(1.0, abs=0.05)
    assert kept_per_second(arrivals) == pytest.approx(5.0, abs=0.25)
    assert max(b.at_s - a.at_s for a, b in itertools.pairwise(arrivals)) < 1


@pytest.mark.slow
def test_hls_with_6_s_segments_is_not_frozen_between_them() -> None:
    channel = HlsChannel(fps=5, segment_s=6.0, before=1)
    with HttpCamera(channel.answer) as camera, watching(camera.url("/live.m3u8")) as watched:
        watched.wait_for(70)  # 14 s
        assert watched.states == ["connecting", "online"]


def test_jpegs_without_a_first_boundary_are_read() -> None:
    def answer(_: str) -> Answer:
        return MULTIPART, every(0.1, multipart(jpegs(numbered()), first_boundary=False))

    with HttpCamera(answer) as camera:
        assert probe(CameraConfig(url=camera.url()), "lobby") == VideoFormat("mjpeg", 320, 240, None)
        with watching(camera.url()) as watched:
            watched.wait_for(10)
            assert "online" in watched.states


@pytest.mark.parametrize("part", ["without length", "with a doubled boundary", "with another boundary"])
def test_parts_that_are_not_as_the_standard_has_them_are_read(part: str) -> None:
    def as_sent(whole: bytes) -> bytes:
        head, _, jpeg = whole.partition(b"\r\n\r\n")
        match part:
            case "without length":
                head = head.partition(b"\r\nContent-Length")[0]
            case "with a doubled boundary":
                head = b"--frame\r\n" + head
            case _:
                head = head.replace(b"--frame", b"--another")
        return head + b"\r\n\r\n" + jpeg

    def answer(_: str) -> Answer:
        return MULTIPART, every(0.1, map(as_sent, multipart(jpegs(numbered()))))

    with HttpCamera(answer) as camera:
        assert probe(CameraConfig(url=camera.url()), "lobby") == VideoFormat("mjpeg", 320, 240, None)
        with watching(camera.url()) as watched:
            watched.wait_for(8)
    numbers = watched.decoded[1:]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= 13


def reset(n: int) -> float:
    return 3600 + n / 10 if n < 30 else n / 10


def hours_away(n: int) -> float:
    return 10_000 + n / 10 + (37_600 if n % 20 == 9 else -9_800 if n % 20 == 19 else 0)


@pytest.mark.parametrize("stamp_s", [reset, hours_away])
def test_timestamps_that_are_reset_or_hours_away_leave_the_stream_its_time(stamp_s: Callable[[int], float]) -> None:
    stamps_s = map(stamp_s, itertools.count())
    answer = "video/mp2t", every(0.1, muxed("mpegts", numbered(), stamps_s, fps=10))
    with HttpCamera(lambda _: answer) as camera, watching(camera.url(), score_fps=10) as watched:
        arrivals = watched.wait_for(60)
    assert watched.states == ["connecting", "online"]
    first, last = arrivals[0].frame, arrivals[-1].frame
    sent_s = (number_in(last.picture) - number_in(first.picture)) / 10
    assert last.stream_time_s - first.stream_time_s == pytest.approx(sent_s, abs=0.3)


def test_a_web_page_is_not_video() -> None:
    page = "text/html", [(0.0, b"<html><body>sign in</body></html>" * 200)]
    with HttpCamera(lambda _: page) as camera, pytest.raises(FootageError, match=r"no video \(not video\)"):
        probe(CameraConfig(url=camera.url()), "lobby")


@pytest.mark.parametrize("still", [False, True])
def test_a_camera_that_repeats_one_picture_is_frozen_unless_that_is_expected(still: bool) -> None:
    def pictures() -> Pictures:
        moving = itertools.islice(numbered(), 10)
        frozen = itertools.repeat(next(itertools.islice(numbered(), 10, None)), 40)
        return itertools.chain(moving, frozen, itertools.islice(numbered(), 20, None))

    with HttpCamera(lambda _: as_jpegs(0.1, pictures())) as camera:
        with watching(camera.url(), read_timeout_s=0.4, score_fps=10, still=still) as watched:
            watched.arrivals.wait_for(lambda arrival: number_in(arrival.frame.picture) > 20)
        states = watched.states
        assert camera.requests["/live"] == 1
    numbers = [number_in(arrival.frame.picture) for arrival in watched.arrivals.entries]
    if still:
        assert states == ["connecting", "online"]
        assert numbers.count(10) > 35
    else:
        assert states == ["connecting", "online", "frozen", "online"]
        assert watched.statuses.entries[2].reason == "the same picture for 2 s"
        assert 15 <= numbers.count(10) <= 22  # scored until it counted as frozen


def test_a_still_picture_is_frozen_in_h264_too() -> None:
    def answer(_: str) -> Answer:
        still = itertools.repeat(next(numbered()))
        return "video/mp2t", every(0.1, muxed("mpegts", still, count_s(10), gop=10, fps=10))

    with HttpCamera(answer) as camera, watching(camera.url(), read_timeout_s=0.5, score_fps=10) as watched:
        watched.statuses.wait_for(lambda status: status.state is CameraState.FROZEN)
