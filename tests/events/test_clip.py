"""Clips: the camera's own packets in fragments that a browser plays and seeks in, whatever the timestamps do."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import av
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import CameraConfig
from streammon.events.archive import mend_clip
from streammon.events.clip import ClipTimes, ClipWriter
from streammon.ingest import CameraReader, EncodedPacket, EncodedStream, PacketRing
from streammon.records import Frame
from support.cameras import Recorder, RtspServer
from support.chromium import Chromium, Page, find_chromium
from support.deadlines import DEADLINE_S
from support.numbered_footage import encode
from support.packets import encode_with_b_frames, packets_in, pictures_in, read_whole, times_in, units

PAGE = """<!doctype html><video muted src="/clip.mp4"></video><script>
const video = document.querySelector("video"), shown = () => new Promise(done => video.requestVideoFrameCallback(
  (now, frame) => done([frame.mediaTime, frame.width, frame.height])));
const numberShown = () => {
  const canvas = new OffscreenCanvas(320, 240), pen = canvas.getContext("2d");
  pen.drawImage(video, 0, 0);
  return [...Array(12).keys()].reduce((number, bit) =>
    number + (pen.getImageData(Math.trunc((bit + 0.5) * 26), 30, 1, 1).data[0] > 128 ? 1 << bit : 0), 0);
};
async function seek(time_s, picture_s) {
  let next = shown(), at_s;
  video.currentTime = time_s;
  for (;;) {  // the picture from before may be shown first
    [at_s] = await next;
    if (Math.abs(at_s - picture_s) < 0.001) return numberShown();
    next = shown();
  }
}
async function play() { const next = shown(); await video.play(); await next; return true; }
</script>"""


def written(source: Path, path: Path) -> None:
    """A clip of a whole file, by way of the ring."""
    ring = PacketRing(1e6, is_live=False)
    read_whole(source, ring)
    write(ring.following(0), path)


def write(packets: list[EncodedPacket], path: Path) -> None:
    writer = ClipWriter(path, packets[0])
    for packet in packets:
        writer.write(packet)
    writer.close()


@pytest.mark.parametrize("kind", ["h264", "h264 with B-frames", "hevc with B-frames"])
def test_packets_and_timestamps_are_those_of_the_source(kind: str, tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    match kind:
        case "h264":
            encode(source, frames=60)
        case "h264 with B-frames":
            encode_with_b_frames(source)
        case _:
            encode_with_b_frames(source, "libx265")
    clip = tmp_path / "clip.mp4"
    written(source, clip)
    theirs, ours = packets_in(source), packets_in(clip)
    assert [bytes(packet) for packet in ours] == [bytes(packet) for packet in theirs]
    assert [packet.is_keyframe for packet in ours] == [packet.is_keyframe for packet in theirs]
    first, own_first = theirs[0].dts, ours[0].dts
    assert first is not None
    assert own_first is not None
    for own, their in zip(ours, theirs, strict=True):
        assert own.dts is not None
        assert own.pts is not None
        assert their.dts is not None
        assert their.pts is not None
        assert (own.dts - own_first) * own.time_base == (their.dts - first) * their.time_base
        assert (own.pts - own_first) * own.time_base == (their.pts - first) * their.time_base
    assert pictures_in(clip) == list(range(60))


def test_the_parameter_sets_of_a_stream_without_a_header_come_from_its_keyframe(tmp_path: Path) -> None:
    source = encode(tmp_path / "source.ts", frames=50)
    ring = PacketRing(1e6, is_live=False)
    read_whole(source, ring)
    packets = ring.following(0)
    with av.open(str(source)) as container, av.open(io.BytesIO(), "w", format="mp4") as bare:
        stream = EncodedStream(container.streams.video[0])
        stream.extradata, stream.template = b"", bare.add_stream("libx264", rate=25)
        for packet in packets:
            packet.stream = stream
        write(packets, tmp_path / "clip.mp4")
    assert pictures_in(tmp_path / "clip.mp4") == list(range(50))
    theirs = [units(packet.content, annex_b=True) for packet in packets]
    assert [units(bytes(packet), annex_b=False) for packet in packets_in(tmp_path / "clip.mp4")] == theirs


stamps = st.one_of(st.none(), st.integers(-(2**40), 2**40), st.integers(0, 90_000))


@given(st.lists(st.tuples(stamps, st.floats(-20, 20)), min_size=2, max_size=40))
def test_a_clip_s_timestamps_always_increase_and_never_run_far_ahead_of_the_arrivals(
    packets: list[tuple[int | None, float]],
) -> None:
    times, arrived_s, last = ClipTimes(90_000), 1000.0, -1
    for stamp, step_s in packets:
        before_s, arrived_s = arrived_s, arrived_s + step_s
        pts, dts = times.next(stamp, stamp, arrived_s)
        assert last < dts == pts
        if last >= 0:
            assert dts - last <= max(1, (arrived_s - before_s) * 90_000 + 1) + 10.0 * 90_000
        last = dts


def test_a_file_that_was_cut_anywhere_plays_up_to_its_last_whole_fragment(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    written(encode(tmp_path / "source.mp4", frames=100), clip)
    whole, cut = clip.read_bytes(), tmp_path / "cut.mp4"
    second = whole.index(b"moof", whole.index(b"moof") + 4) - 4
    lengths = set()
    for size in range(0, len(whole), 997):
        cut.write_bytes(whole[:size])
        playable = mend_clip(cut)
        assert playable == (size >= second)
        if playable:
            numbers = pictures_in(cut)
            assert numbers == list(range(len(numbers)))
            lengths.add(len(numbers))
    assert {25, 50, 75} <= lengths <= {25, 50, 75, 100}
    assert mend_clip(clip)
    assert clip.read_bytes() == whole


@pytest.mark.parametrize("source", ["file", "camera", "cut off"])
def test_chromium_plays_a_clip_and_seeks_in_it(
    source: str, tmp_path: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    clip, footage = tmp_path / "clip.mp4", encode(tmp_path / "source.mp4", frames=160)
    if source == "camera":
        ring = PacketRing(1e6)
        frames: Recorder[Frame] = Recorder()
        camera = CameraConfig.model_validate({"url": rtsp_server({"lobby": footage}).url("lobby")})
        reader = CameraReader("lobby", camera, 96, frames, lambda _: None, ring=ring)
        reader.start()
        frames.wait_for(lambda frame: frame.stream_time_s >= 5.2)
        reader.stop()
        assert reader.join(DEADLINE_S)
        write(ring.following(0), clip)
    else:
        written(footage, clip)
    if source == "cut off":
        clip.write_bytes(clip.read_bytes()[: -(clip.stat().st_size // 8)])
        assert mend_clip(clip)
    numbers, times_s = pictures_in(clip), times_in(clip)
    assert len(numbers) >= 125
    assert source == "camera" or numbers == list(range(len(numbers)))  # a busy camera may leave some out
    # only a camera's first packet has no timestamp: the second picture's time is then that of its arrival
    shift_s = times_s[1] - numbers[1] / 25
    assert times_s[1:] == pytest.approx([number / 25 + shift_s for number in numbers[1:]], abs=1e-3)
    assert source == "camera" or times_s[:2] == pytest.approx([0, 1 / 25], abs=1e-3)

    async def check(page: Page) -> None:
        await page.until("video.readyState >= 2")
        assert await page.evaluate("[video.videoWidth, video.videoHeight]") == [320, 240]
        for place in (110, 30, 77):
            middle_s = (times_s[place] + times_s[place + 1]) / 2
            assert await page.evaluate(f"seek({middle_s}, {times_s[place]})") == numbers[place]
        assert await page.evaluate("play()")
        await page.until("video.ended")
        assert abs(await page.evaluate("video.duration") - (times_s[-1] + 1 / 25)) < 0.1
        assert await page.evaluate("video.error") is None

    asyncio.run(shown_in_chromium(clip, check))


async def shown_in_chromium(clip: Path, check: Callable[[Page], Awaitable[None]]) -> None:
    """A page with the clip, from a server that serves ranges."""

    async def page_(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def file_(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(clip)

    app = web.Application()
    app.add_routes([web.get("/", page_), web.get("/clip.mp4", file_)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Chromium(find_chromium()) as browser, browser.page(origin) as page:
            await page.open(f"{origin}/")
            await check(page)
    finally:
        await runner.cleanup()
