"""The ring of encoded packets: what the reader demuxed, in whole groups, within its bounds."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import CameraConfig
from streammon.ingest import CameraReader, EncodedStream, PacketRing
from streammon.records import CameraState, CameraStatus, Frame
from support.cameras import Recorder, RtspServer
from support.deadlines import DEADLINE_S
from support.http_cameras import Answer, HttpCamera, every, jpegs, multipart, numbered_pictures
from support.numbered_footage import encode, number_in
from support.packets import encode_with_b_frames, packets_in, read_whole

EVER_S = 1e6


def test_the_ring_has_every_packet_byte_for_byte_with_the_times_of_its_frames(numbered_clip: Path) -> None:
    ring = PacketRing(EVER_S, is_live=False)
    frames = read_whole(numbered_clip, ring)
    kept, source = ring.following(0), packets_in(numbered_clip)
    assert [packet.content for packet in kept] == [bytes(packet) for packet in source]
    assert [(packet.pts, packet.dts) for packet in kept] == [(packet.pts, packet.dts) for packet in source]
    assert [packet.is_keyframe for packet in kept] == [n % 25 == 0 for n in range(75)]
    assert [packet.time_s for packet in kept] == pytest.approx([frame.wall_time_s for frame in frames], abs=1e-3)


def test_times_fit_the_pictures_where_decoding_is_in_another_order(tmp_path: Path) -> None:
    ring = PacketRing(EVER_S, is_live=False)
    frames = read_whole(encode_with_b_frames(tmp_path / "b.mp4"), ring)
    kept = ring.following(0)
    assert [packet.pts for packet in kept] != sorted(packet.pts or 0 for packet in kept)
    in_order = sorted(kept, key=lambda packet: packet.pts or 0)
    assert [packet.time_s for packet in in_order] == pytest.approx([f.wall_time_s for f in frames], abs=1e-3)


def test_a_packet_that_can_t_be_decoded_is_left_out(numbered_clip: Path, tmp_path: Path) -> None:
    """A browser stops a clip at such a packet; it is the last one of a camera that is cut off."""
    cut_off = tmp_path / "cut.mkv"
    with av.open(str(numbered_clip)) as source, av.open(str(cut_off), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(each for each in source.demux(video=0) if each.size):
            sent = av.Packet(bytes(packet)[: packet.size // 2]) if number == 30 else packet
            sent.stream, sent.time_base, sent.pts, sent.dts = stream, packet.time_base, packet.pts, packet.dts
            target.mux(sent)
    ring = PacketRing(EVER_S, is_live=False)
    read_whole(cut_off, ring)
    sizes = [len(packet.content) for packet in ring.following(0)]
    assert sizes == [packet.size for number, packet in enumerate(packets_in(numbered_clip)) if number != 30]


@pytest.mark.parametrize("kind", ["h264", "h264 with B-frames", "hevc", "mjpeg"])
def test_the_picture_of_a_time_is_decoded(kind: str, tmp_path: Path) -> None:
    match kind:
        case "h264 with B-frames":
            clip = encode_with_b_frames(tmp_path / "clip.mp4")
        case "hevc":
            clip = encode_with_b_frames(tmp_path / "clip.mp4", "libx265")
        case "mjpeg":
            clip = encode(tmp_path / "clip.avi", frames=60, codec="mjpeg")
        case _:
            clip = encode(tmp_path / "clip.mp4", frames=60)
    ring = PacketRing(EVER_S, is_live=False)
    frames = read_whole(clip, ring)
    for number in (0, 1, 24, 25, 26, 40, 59):
        picture = ring.picture_at(frames[number].wall_time_s)
        assert picture is not None
        assert picture.shape == (240, 320, 3)
        assert number_in(picture) == number_in(frames[number].picture) == number
    assert ring.picture_at(frames[0].wall_time_s - 1.0) is None


@pytest.mark.parametrize("kind", ["stream of JPEGs", "a JPEG a request"])
def test_cameras_that_send_jpegs_have_their_pictures_in_the_ring(kind: str) -> None:
    pictures = jpegs(numbered_pictures())

    def answer(_path: str) -> Answer:
        if kind == "a JPEG a request":
            return "image/jpeg", [(0.0, next(pictures))]
        return "multipart/x-mixed-replace; boundary=frame", every(0.1, multipart(pictures))

    with HttpCamera(answer) as camera:
        frames: Recorder[Frame] = Recorder()
        config = CameraConfig.model_validate({"url": camera.url(), "score_fps": 10})
        ring = PacketRing(EVER_S)
        reader = CameraReader("lobby", config, 240, frames, lambda _: None, ring=ring)
        reader.start()
        frames.wait_for(lambda _: True, count=8)
        reader.stop()
        assert reader.join(DEADLINE_S)
    for frame in frames.entries[:8]:
        picture = ring.picture_at(frame.wall_time_s)
        assert picture is not None
        assert number_in(picture) == number_in(frame.picture)
    assert all(packet.is_keyframe and packet.stream.template is None for packet in ring.following(0))


class _Packet:
    """What the ring reads of a packet."""

    def __init__(self, seq: int, size: int, is_keyframe: bool) -> None:
        self.pts = self.dts = seq
        self.duration = 1
        self.is_keyframe = is_keyframe
        self.content = bytes([seq % 256]) * size

    def __bytes__(self) -> bytes:
        return self.content


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> EncodedStream:
    """Codec parameters with a time base of 1/25 s or finer, of a file that is closed again."""
    with av.open(str(encode(tmp_path_factory.mktemp("clips") / "clip.mkv", frames=2))) as container:
        return EncodedStream(container.streams.video[0])


def put(ring: PacketRing, packet: _Packet, time_s: float) -> None:
    ring.put(cast("av.Packet[Any]", packet))
    ring.show(packet.pts, time_s)


@given(
    groups=st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=12), min_size=1, max_size=12),
    span_s=st.floats(0, 10),
    max_bytes=st.integers(500, 5000),
)
def test_the_ring_keeps_whole_groups_within_its_bounds(
    groups: list[list[int]], span_s: float, max_bytes: int, stream: EncodedStream
) -> None:
    ring = PacketRing(span_s, is_live=False, max_bytes=max_bytes)
    ring.begin(stream)
    began_s, seq = time.time(), 0
    for sizes in groups:
        for index, size in enumerate(sizes):
            put(ring, _Packet(seq, size, index == 0), began_s + seq / 5)
            seq += 1
            kept = ring.following(0)
            assert sum(len(packet.content) for packet in kept) <= max_bytes
            assert not kept or kept[0].is_keyframe
            numbers = [packet.number for packet in kept]
            assert numbers == list(range(numbers[0], numbers[0] + len(kept))) if kept else True
    kept, whole = ring.following(0), sum(map(sum, groups)) <= max_bytes
    if whole:  # then there is a keyframe at or before every moment of the span that was put
        oldest_s = max(began_s, began_s + (seq - 1) / 5 - span_s)
        assert kept[0].time_s <= oldest_s + 1e-3
        assert kept[-1].number == seq - 1


def test_packets_before_the_first_keyframe_of_a_connection_are_left_out(stream: EncodedStream) -> None:
    ring = PacketRing(60.0)
    ring.begin(stream)
    put(ring, _Packet(0, 10, False), 1.0)
    assert ring.following(0) == []
    assert ring.number_at(1.0) is None
    put(ring, _Packet(1, 10, True), 2.0)
    put(ring, _Packet(2, 10, False), 3.0)
    assert [packet.pts for packet in ring.following(0)] == [1, 2]


def test_the_keyframe_at_or_before_a_time_is_found(stream: EncodedStream) -> None:
    ring = PacketRing(EVER_S)
    ring.begin(stream)
    began_s = time.time()
    for seq in range(12):
        put(ring, _Packet(seq, 10, seq % 4 == 0), began_s + seq)
    assert [ring.number_at(began_s + after_s) for after_s in (-1.0, 0.0, 3.9, 4.0, 7.0, 10.0)] == [0, 0, 0, 4, 4, 8]


def test_a_camera_that_is_cut_off_and_back_begins_a_new_stream(
    rtsp_server: Callable[..., RtspServer], tmp_path: Path
) -> None:
    server = rtsp_server({"lobby": encode(tmp_path / "clip.mp4", frames=100)})
    camera = CameraConfig.model_validate({"url": server.url("lobby"), "open_timeout_s": 2, "read_timeout_s": 2})
    frames: Recorder[Frame] = Recorder()
    statuses: Recorder[CameraStatus] = Recorder()
    ring = PacketRing(EVER_S)
    reader = CameraReader("lobby", camera, 96, frames, statuses, ring=ring)
    reader.start()
    frames.wait_for(lambda _: True, count=3)
    first = len(ring.following(0))
    server.kill()
    statuses.wait_for(lambda status: status.state is CameraState.OFFLINE)
    server.start()
    statuses.wait_for(lambda status: status.state is CameraState.ONLINE, count=2)
    reader.stop()
    assert reader.join(DEADLINE_S)
    kept = ring.following(0)
    streams = [packet.stream for packet in kept]
    assert len(set(streams)) == 2
    begun = streams.index(streams[-1])
    assert first <= begun
    assert kept[begun].is_keyframe
    assert [packet.number for packet in kept] == list(range(len(kept)))
    assert streams[0].template is not None
    assert streams[0].template.codec_context.width == 320  # though its connection is closed
