"""The demo's plaza and its camera, over a real RTSP connection on loopback."""

import asyncio
import threading
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streammon.demo.camera import plaza_camera
from streammon.demo.plaza import CROSSING_S, is_abnormal, plaza_pictures, render_plaza
from streammon.records import Picture
from support.deadlines import DEADLINE_S

SMALL = (320, 180)
FPS = 12
CLIP_S = 3
LONG_S = 20  # long enough to be left in the middle on any machine


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plaza") / "a plaza.mp4"
    render_plaza(path, seconds=CLIP_S, fps=FPS, size=SMALL)
    return path


def van_pixels(picture: Picture) -> int:
    """How many pixels have the van's own orange, which no wall, leaf or shirt has."""
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    return int(((red > 150) & (red - green > 35) & (green - blue > 65)).sum())


def watch(url: str, frames: int | None = None) -> list[tuple[float, int | None, bool, Picture]]:
    """Arrival, pts, corruption and picture of each frame until the stream ends or so many have come."""
    seen = []
    options = {"rtsp_transport": "tcp", "probesize": "32", "analyzeduration": "0"}
    with av.open(url, options=options, timeout=(DEADLINE_S, DEADLINE_S)) as container:
        for frame in container.decode(video=0):
            picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            seen.append((time.monotonic(), frame.pts, frame.is_corrupt, picture))
            if len(seen) == frames:
                break
    return seen


def test_one_seed_gives_one_plaza_and_another_seed_another() -> None:
    first, again, other = (list(plaza_pictures(seconds=0.5, size=SMALL, seed=seed)) for seed in (7, 7, 8))
    assert len(first) == 6
    assert first[0].shape == (180, 320, 3)
    assert first[0].dtype == np.uint8
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_the_van_is_in_the_picture_when_the_truth_says_so() -> None:
    calm = list(plaza_pictures(seconds=10, fps=4, size=SMALL))
    pictures = list(plaza_pictures(seconds=10, fps=4, size=SMALL, anomaly_at_s=2.0))
    for number, (picture, without) in enumerate(zip(pictures, calm, strict=True)):
        time_s = number / 4
        if time_s < 2:
            assert np.array_equal(picture, without)
        if 2 + 0.15 * CROSSING_S < time_s < 2 + 0.85 * CROSSING_S:
            assert van_pixels(picture) > 800
        if not is_abnormal(time_s, 2.0):
            assert van_pixels(picture) < 100


def test_people_walk_all_the_time_and_nothing_jumps() -> None:
    pictures = [picture.astype(int) for picture in plaza_pictures(seconds=4, fps=FPS, size=SMALL)]
    moving = [float((np.abs(after - before).max(axis=2) > 30).mean()) for before, after in pairwise(pictures)]
    assert min(moving) > 0.0005
    assert max(moving) < 0.03


def test_the_file_is_what_a_surveillance_camera_would_send(clip: Path) -> None:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == [0, 12, 24]
        times = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
        assert times == [Fraction(number, FPS) for number in range(CLIP_S * FPS)]
        assert all(packet.pts == packet.dts for packet in packets)  # no B-frames


def test_the_file_shows_the_pictures(clip: Path) -> None:
    with av.open(str(clip)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    drawn = list(plaza_pictures(seconds=CLIP_S, fps=FPS, size=SMALL))
    assert len(decoded) == len(drawn)
    for one, two in zip(decoded, drawn, strict=True):
        assert np.abs(one.astype(int) - two).mean() < 8


def test_the_camera_plays_each_picture_once_at_its_own_pace_and_ends(
    clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def play() -> tuple[float, list[tuple[float, int | None, bool, Picture]]]:
        async with plaza_camera(clip) as url:
            start = time.monotonic()
            return start, await asyncio.to_thread(watch, url)

    start, seen = asyncio.run(play())
    with av.open(str(clip)) as container:
        filed = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(seen) == len(filed) == CLIP_S * FPS
    assert all(np.array_equal(picture, other) for (*_, picture), other in zip(seen, filed, strict=True))
    assert not any(corrupt for _, _, corrupt, _ in seen)
    times = [pts for _, pts, _, _ in seen if pts is not None]
    assert {after - before for before, after in pairwise(times)} == {90_000 // FPS}
    assert all(at_s - start >= number / FPS for number, (at_s, *_) in enumerate(seen))
    assert capfd.readouterr() == ("", "")


def test_each_viewer_sees_the_clip_from_its_beginning(clip: Path) -> None:
    async def play() -> list[list[tuple[float, int | None, bool, Picture]]]:
        async with plaza_camera(clip) as url:
            return [await asyncio.to_thread(watch, url, 3) for _ in range(2)]

    first, second = asyncio.run(play())
    assert all(np.array_equal(one[3], two[3]) for one, two in zip(first, second, strict=True))


def test_the_camera_keeps_its_pictures_whole_while_python_is_busy(clip: Path) -> None:
    finished = threading.Event()

    def burn() -> None:
        while not finished.is_set():
            sum(range(1000))

    async def play() -> list[tuple[float, int | None, bool, Picture]]:
        async with plaza_camera(clip) as url:
            return await asyncio.to_thread(watch, url)

    burner = threading.Thread(target=burn)
    burner.start()
    try:
        seen = asyncio.run(play())
    finally:
        finished.set()
        burner.join()
    assert len(seen) == CLIP_S * FPS
    assert all(not np.array_equal(one[3], two[3]) for one, two in pairwise(seen))


def test_leaving_while_somebody_watches_ends_the_stream_and_every_thread(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "long.mp4"
    render_plaza(clip, seconds=LONG_S, fps=FPS, size=SMALL)
    before = set(threading.enumerate())

    async def leave() -> int:
        loop = asyncio.get_running_loop()
        playing = asyncio.Event()
        frames = 0

        def look_on(url: str) -> None:
            nonlocal frames
            options, patience_s = {"rtsp_transport": "tcp", "probesize": "32"}, (DEADLINE_S, DEADLINE_S)
            with av.open(url, options=options, timeout=patience_s) as container:
                for _ in container.decode(video=0):
                    frames += 1
                    loop.call_soon_threadsafe(playing.set)

        async with asyncio.timeout(DEADLINE_S):
            async with plaza_camera(clip) as url:
                onlooker = asyncio.create_task(asyncio.to_thread(look_on, url))
                await playing.wait()
            await onlooker
        return frames

    assert 0 < asyncio.run(leave()) < LONG_S * FPS
    assert set(threading.enumerate()) == before
    assert capfd.readouterr() == ("", "")


def test_a_camera_nobody_watches_comes_and_goes_without_a_trace(clip: Path) -> None:
    before = set(threading.enumerate())

    async def come_and_go() -> None:
        for _ in range(20):
            async with plaza_camera(clip) as url:
                assert url.startswith("rtsp://127.0.0.1:")
                assert url.endswith("/a%20plaza.mp4")
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(come_and_go())
    assert set(threading.enumerate()) == before


def test_a_cancelled_start_leaves_no_thread(clip: Path) -> None:
    before = set(threading.enumerate())

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), plaza_camera(clip):
                await asyncio.sleep(3600)

    asyncio.run(cancelled())
    assert set(threading.enumerate()) == before
