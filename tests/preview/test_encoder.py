"""Packets: their times, their keyframes, and who waits for whom."""

import asyncio
import threading
import time

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import PreviewConfig
from streammon.preview.streams import fanout
from streammon.preview.streams.compose import Composer, Moment
from streammon.preview.streams.encoder import CLOCK_HZ, Coded, H264Encoder, H264Packet, JpegEncoder, RtpClock
from streammon.preview.streams.fanout import SharedStream, Viewer
from streammon.preview.streams.pictures import LivePictures
from support.deadlines import DEADLINE_S
from support.numbered_footage import number_in
from support.preview_peers import picture_of, rgb_of

SPS = 7  # types of network abstraction units
IDR = 5


def encoder(fps: float = 25.0, bitrate_kbps: int = 1000, max_width: int = 960) -> H264Encoder:
    return H264Encoder(Composer("picture", max_width), fps, bitrate_kbps)


def encode(codec: H264Encoder, count: int, fps: float = 25.0, start: int = 0) -> list[Coded[H264Packet]]:
    """So many numbered pictures, one packet for each."""
    packets = []
    for number in range(start, start + count):
        coded = codec.encode(Moment(picture_of(number), number / fps), round(number * CLOCK_HZ / fps), False)
        assert len(coded) == 1  # nothing is held back
        packets += coded
    return packets


def units(packet: H264Packet) -> list[bytes]:
    return [unit.strip(b"\0") for unit in bytes(packet).split(b"\0\0\1") if unit.strip(b"\0")]


def is_keyframe(packet: H264Packet | None) -> bool:
    return packet is not None and packet.is_keyframe


def test_each_picture_comes_out_at_once_with_its_own_time_and_decodes() -> None:
    packets = encode(encoder(), 30)
    assert [coded.content.pts for coded in packets] == [3600 * number for number in range(30)]
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [frame for coded in packets for frame in decoder.decode(coded.content)] + decoder.decode(None)
    assert [number_in(rgb_of(frame)) for frame in frames] == list(range(30))


def test_it_is_baseline_in_one_slice_with_parameter_sets_before_each_keyframe() -> None:
    """Every receiver of WebRTC must decode constrained baseline (RFC 7742): profile 66, constraint flag 1."""
    packets = encode(encoder(), 60)
    for coded in packets:
        kinds = [unit[0] & 31 for unit in units(coded.content)]
        if coded.is_key:
            (sps,) = (unit for unit in units(coded.content) if unit[0] & 31 == SPS)
            assert sps[1] == 66
            assert sps[2] & 0x40
            assert kinds.index(SPS) < kinds.index(IDR)
        assert sum(kind in (1, IDR) for kind in kinds) == 1


def test_a_keyframe_comes_at_least_every_two_seconds_at_any_rate() -> None:
    for fps in (1.0, 5.0, 25.0):
        keys = [n / fps for n, coded in enumerate(encode(encoder(fps=25.0), int(6 * fps), fps)) if coded.is_key]
        assert max(np.diff(keys)) <= 2.0


def test_a_picture_of_another_size_begins_a_new_sequence() -> None:
    codec = encoder()
    encode(codec, 3)
    (coded,) = codec.encode(Moment(picture_of(3, (640, 360)), 0.12), 10800, False)
    assert coded.is_key
    (frame,) = av.CodecContext.create("h264", "r").decode(coded.content) or [None]  # type: ignore[list-item]
    assert frame is None or (frame.width, frame.height) == (640, 360)


def test_the_stream_keeps_to_its_bitrate() -> None:
    generator = np.random.default_rng(0)
    codec, size = encoder(bitrate_kbps=400), 0
    for number in range(100):
        noise = generator.integers(0, 256, (240, 320, 3)).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, "rgb24").reformat(format="yuv420p")
        for coded in codec.encode(Moment(frame, number / 25), number * 3600, False):
            size += len(bytes(coded.content))
    assert size * 8 / 4.0 < 400_000 * 1.3


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 10)), min_size=1, max_size=60))
def test_times_only_rise_whatever_the_camera_says(steps: list[tuple[float, float]]) -> None:
    clock, stream_s, now_s, last = RtpClock(), 100.0, 0.0, -1
    for step_s, passed_s in steps:
        stream_s, now_s = stream_s + step_s, now_s + passed_s
        ticks = clock.ticks(stream_s, now_s)
        assert ticks > last
        last = ticks


def test_times_are_the_streams_own_and_a_repeated_picture_shifts_none() -> None:
    clock, now_s = RtpClock(), 50.0
    for number in range(500):
        now_s += 0.04
        assert clock.ticks(number / 25, now_s + 0.005 * (number % 3)) == number * 3600
        if number % 5 == 0:  # shown again for somebody who came
            assert clock.ticks(number / 25, now_s + 0.02) > number * 3600


def test_a_camera_that_begins_anew_goes_on_after_the_time_that_passed() -> None:
    clock = RtpClock()
    assert clock.ticks(3600.0, 10.0) == 0
    assert clock.ticks(0.0, 12.0) == 2 * CLOCK_HZ
    assert clock.ticks(0.04, 12.05) == 2 * CLOCK_HZ + 3600


def test_main_stream_and_sub_stream_follow_each_other_after_the_time_that_passed() -> None:
    """Their stream times differ by less than a set clock, either way."""
    clock = RtpClock()
    assert clock.ticks(10.0, 50.0) == 0
    assert clock.ticks(10.04, 50.04) == 3600
    assert clock.ticks(12.0, 50.08, of_main=True) == 7200
    assert clock.ticks(12.04, 50.12, of_main=True) == 10800
    assert clock.ticks(12.04, 50.16) == 14400
    assert clock.ticks(10.2, 50.2, of_main=True) == 18000
    assert clock.ticks(12.12, 50.24) == 21600


def test_a_viewer_who_takes_nothing_skips_to_the_next_keyframe() -> None:
    async def check() -> None:
        viewer = Viewer[int](limit=4)
        viewer.put_nowait(Coded(0, is_key=False))  # came in the middle
        for number in range(1, 12):
            viewer.put_nowait(Coded(number, is_key=number in (1, 9)))
        assert [await viewer.get() for _ in range(3)] == [9, 10, 11]
        assert viewer.skipped == 9
        viewer.end()
        assert await viewer.get() is None

    asyncio.run(check())


def test_pictures_wait_for_the_event_loop_in_no_number() -> None:
    """A loop that does something else for long makes the encoder skip pictures, before it encodes them."""

    async def check() -> None:
        newest = [Moment(picture_of(0), 0.0)]
        shared = SharedStream("encoder", encoder(), lambda: newest[0], limit=100, on_failure=lambda: None)
        viewer = shared.join()
        for number in range(1, 60):  # the loop gets no turn
            newest[0] = Moment(picture_of(number), number / 25)
            shared.wake()
            time.sleep(0.002)  # noqa: ASYNC251  -- the point: this thread is busy
        packets: list[H264Packet | None] = []
        async with asyncio.timeout(DEADLINE_S):
            while len(packets) < 8:
                packets.append(await viewer.get())
        shared.leave(viewer)
        assert await asyncio.to_thread(shared.wait_ended, DEADLINE_S)
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        frames = [frame for packet in packets if packet for frame in decoder.decode(packet)] + decoder.decode(None)
        assert len(frames) == 8
        assert not any(frame.is_corrupt for frame in frames)

    asyncio.run(check())


def test_one_thread_serves_all_who_watch_the_same_and_ends_with_the_last() -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if "h264" in thread.name]

    async def check() -> None:
        pictures = LivePictures(("lobby",), PreviewConfig())
        pictures.put_picture("lobby", picture_of(0), 0.0)
        async with asyncio.timeout(DEADLINE_S):
            async with pictures.watching("lobby", "picture", "h264") as first:
                assert is_keyframe(await first.get())
                async with pictures.watching("lobby", "picture", "h264") as second:
                    assert is_keyframe(await second.get())  # of a camera that shows nothing new
                    assert threads() == ["streammon-h264-lobby-picture"]
                    assert pictures.viewers() == {("lobby", "picture"): 2}
                assert pictures.viewers() == {("lobby", "picture"): 1}
        assert threads() == []
        assert pictures.viewers() == {}

    asyncio.run(check())


def test_a_picture_that_cannot_be_encoded_is_logged_and_counted_and_the_next_ones_are_seen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[int] = []

    def at_once(failures: int, *_: float) -> float:
        waits.append(failures)
        return 0.0

    monkeypatch.setattr(fanout, "backoff_s", at_once)
    failed: list[bool] = []

    class Hiccup(JpegEncoder):
        def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[bytes]]:
            if len(failed) < 3:
                raise ZeroDivisionError("no size")
            return super().encode(moment, ticks, key)

    async def check() -> None:
        hiccup = Hiccup(Composer("picture", 320), 10.0, 80)
        newest = Moment(picture_of(7), 0.0)
        shared = SharedStream("encoder", hiccup, lambda: newest, 1, on_failure=lambda: failed.append(True))
        viewer = shared.join()
        async with asyncio.timeout(DEADLINE_S):
            picture = await viewer.get()
        assert picture is not None
        assert picture.startswith(b"\xff\xd8")
        shared.leave(viewer)
        assert await asyncio.to_thread(shared.wait_ended, DEADLINE_S)

    asyncio.run(check())
    assert waits == [0, 1, 2]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("encoder: a picture can't be encoded: ZeroDivisionError in preview/streams/")
    assert line.endswith(" (no size)")


def test_a_picture_taller_than_h264_can_be_is_scaled_down_and_seen() -> None:
    """x264 refuses more than 16384 rows."""

    async def check() -> None:
        pictures = LivePictures(("strip",), PreviewConfig())
        pictures.put_picture("strip", picture_of(0, (33, 16400)), 0.0)
        async with asyncio.timeout(DEADLINE_S), pictures.watching("strip", "picture", "h264") as viewer:
            assert is_keyframe(await viewer.get())
        assert pictures.failures == {}

    asyncio.run(check())
