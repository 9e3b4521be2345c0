"""Details: which picture is the earlier one, how long before, how large, and that the two compare."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.config import CameraConfig
from streammon.ingest import CameraReader, Clip, clips
from streammon.ingest.detail import GAP_S, DetailBuffer, DetailScaler
from streammon.ingest.images import decode_image
from streammon.records import CameraState, CameraStatus, Detail, Frame, Grey, Picture
from support.cameras import Recorder, RtspServer
from support.deadlines import DEADLINE_S
from support.numbered_footage import encode, number_in

WIDTH, HEIGHT = 640, 360  # of the painted clips
SPEED = 75.0  # pixels a second to the right, in the clip's own pixels


def plain_picture(number: int, size: tuple[int, int] = (32, 24)) -> av.VideoFrame:
    """A picture of one grey, its level the number."""
    return av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), number, np.uint8), "rgb24")


def lags(times_s: Sequence[float]) -> list[tuple[int, float] | None]:
    """Of each picture, all kept: how many pictures before it the earlier one is, and how long; None without one."""
    buffer, found = DetailBuffer(), list[tuple[int, float] | None]()
    for number, time_s in enumerate(times_s):
        buffer.add(plain_picture(number), time_s)
        found.append(lag_of(buffer.detail()))
    return found


def lag_of(detail: Detail) -> tuple[int, float] | None:
    if detail.earlier is None:
        assert detail.step_s == 0
        return None
    assert detail.earlier.shape == detail.picture.shape[:2]
    return int(detail.picture[0, 0, 0]) - int(detail.earlier[0, 0]), round(detail.step_s, 4)


def grey(picture: Picture) -> Grey:
    return cast(Grey, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def texture() -> NDArray[np.uint8]:
    """(H, W, 3) coloured blobs a few pixels wide that go on from edge to opposite edge."""
    noise = np.random.default_rng(3).normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
    blobs = cv2.GaussianBlur(np.tile(noise, (3, 3, 1)), (0, 0), 4)[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH]
    texture: NDArray[np.uint8] = (128 + 45 * blobs / blobs.std()).clip(0, 255).astype(np.uint8)
    return texture


def painted(path: Path, times_s: Sequence[float], speed: float, color_range: int = 1) -> Clip:
    """A clip of the texture moving right at a speed in pixels a second, its pictures at these times."""
    pattern = texture()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "6"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.color_range = color_range
        for time_s in times_s:
            frame = av.VideoFrame.from_ndarray(np.roll(pattern, round(time_s * speed), axis=1), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_color_range=color_range)
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return clips(path)[0]


def details(clip: Clip, every: int = 1) -> list[Detail]:
    found = [frame.detail for frame in clip.frames(64, every, detail=True)]
    return [detail for detail in found if detail is not None]


@pytest.mark.parametrize(
    ("fps", "back", "step_s"),
    [(5, 1, 0.2), (10, 1, 0.1), (12.5, 2, 0.16), (25, 3, 0.12), (30, 3, 0.1), (60, 6, 0.1), (2, 1, 0.5)],
)
def test_the_earlier_picture_is_the_youngest_a_tenth_of_a_second_before(fps: float, back: int, step_s: float) -> None:
    found = lags([n / fps for n in range(40)])
    assert found[:back] == [None] * back
    assert found[back:] == [(back, step_s)] * (40 - back)


def test_a_slow_stream_has_no_earlier_picture() -> None:
    assert lags([float(n) for n in range(5)]) == [None] * 5


def test_uneven_times_give_each_picture_its_own_true_lag() -> None:
    found = lags([0.0, 0.04, 0.085, 0.12, 0.18, 0.2, 0.29, 0.6])
    #             all too near    | 0.0    0.085   0.085   0.2       0.29
    assert found == [None, None, None, (3, 0.12), (2, 0.095), (3, 0.115), (1, 0.09), (1, 0.31)]


def test_whole_milliseconds_do_not_move_the_lag_of_a_stream_of_30() -> None:
    found = lags([round(n / 30, 3) for n in range(60)])
    assert {lag[0] for lag in found[3:] if lag} == {3}
    assert None not in found[3:]


def test_after_a_gap_there_is_none_until_the_stream_goes_on() -> None:
    found = lags([0.0, 0.1, 0.2, 0.71, 0.75, 0.79, 0.83])
    assert found == [None, (1, 0.1), (1, 0.1), None, None, None, (3, 0.12)]
    assert lags([0.0, GAP_S])[1] == (1, GAP_S)


def test_a_step_back_a_new_size_and_broken_timestamps_begin_afresh() -> None:
    assert lags([0.0, 0.1, 0.2, 0.05, 0.1, 0.15]) == [None, (1, 0.1), (1, 0.1), None, None, (2, 0.1)]
    buffer = DetailBuffer()
    for number in range(3):
        buffer.add(plain_picture(number), number / 10)
    assert lag_of(buffer.detail()) == (1, 0.1)
    buffer.add(plain_picture(3, (24, 32)), 0.3)
    assert (lag_of(buffer.detail()), buffer.buffered) == (None, 1)
    buffer.add(plain_picture(4, (24, 32)), 0.4, afresh=True)
    assert (lag_of(buffer.detail()), buffer.buffered) == (None, 1)


def test_few_pictures_are_held_at_any_rate() -> None:
    for fps, most in ((5, 2), (25, 4), (60, 7), (240, 8), (1000, 8)):
        buffer, held = DetailBuffer(), []
        for number in range(fps):
            buffer.add(plain_picture(number % 256), number / fps)
            held.append(buffer.buffered)
        assert max(held) == most, f"{fps} frames a second"
    buffer.close()
    assert buffer.buffered == 0


@example([0.25, 0.08995], 1)  # just too near
@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=40), st.integers(1, 5))
def test_any_stream_gets_a_lag_within_its_bounds_and_the_youngest_there_is(steps_s: list[float], every: int) -> None:
    buffer, times_s = DetailBuffer(), [0.0]
    for step_s in steps_s:
        times_s.append(times_s[-1] + step_s)
    for number, time_s in enumerate(times_s):
        buffer.add(plain_picture(number), time_s)
        assert buffer.buffered <= 8
        if number % every:
            continue
        lag = lag_of(buffer.detail())
        ages_s = [time_s - before_s for before_s in times_s[:number]]
        if lag is None:
            assert not any(0.106 <= age_s <= GAP_S - 0.016 for age_s in ages_s)
            continue
        assert 0.09 <= lag[1] <= GAP_S
        assert lag[1] == round(time_s - times_s[number - lag[0]], 4)
        assert lag[1] < 0.0151 + min(age_s for age_s in ages_s if age_s >= 0.09)  # no other is much nearer


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ((1920, 1080), (480, 270)),
        ((1080, 1920), (270, 480)),
        ((480, 360), (480, 360)),
        ((360, 240), (360, 240)),
        ((640, 24), (480, 18)),
        ((12, 640), (9, 480)),
        ((16, 12), (16, 12)),
    ],
)
@pytest.mark.parametrize("pixels", ["yuv420p", "rgb24", "gray"])
def test_a_detail_has_the_sources_proportions_and_is_never_enlarged(
    source: tuple[int, int], detail: tuple[int, int], pixels: str
) -> None:
    buffer = DetailBuffer()
    for number in range(2):
        buffer.add(plain_picture(100, source).reformat(format=pixels), number / 10)
    found = buffer.detail()
    assert found.picture.shape == (detail[1], detail[0], 3)
    assert found.picture.dtype == np.uint8
    assert found.earlier is not None
    assert found.earlier.shape == (detail[1], detail[0])
    assert np.abs(found.picture.astype(int) - 100).max() <= 2
    np.testing.assert_array_equal(found.earlier, grey(found.picture))


@pytest.mark.parametrize("color_range", [1, 2], ids=["limited", "full"])
def test_what_stands_still_is_equal_in_both_pictures(tmp_path: Path, color_range: int) -> None:
    still = painted(tmp_path / "still.mp4", [n / 25 for n in range(20)], 0.0, color_range)
    expected = cv2.resize(grey(texture()), (480, 270), interpolation=cv2.INTER_AREA).astype(int)
    pairs = [(detail.picture, detail.earlier) for detail in details(still)]
    assert sum(earlier is not None for _, earlier in pairs) == 17
    for picture, earlier in pairs[3:]:
        assert earlier is not None
        differences = np.abs(grey(picture).astype(int) - earlier)
        assert differences.mean() < 0.5
        assert np.quantile(differences, 0.999) <= 2
        assert np.abs(earlier - expected).mean() < 3
        assert abs((earlier - expected).mean()) < 2  # the range is right: a wrong one is off by 8


def test_the_earlier_grey_is_that_of_the_earlier_frames_own_detail(tmp_path: Path) -> None:
    found = details(painted(tmp_path / "moving.mp4", [n / 25 for n in range(12)], SPEED))
    for number in range(3, 12):
        np.testing.assert_array_equal(found[number].earlier, grey(found[number - 3].picture))
    [*_, apart] = details(Clip("moving", tmp_path / "moving.mp4"), every=11)  # the same from a picture never kept
    np.testing.assert_array_equal(apart.earlier, found[11].earlier)


def test_colours_are_those_of_the_picture_scaled_at_once(tmp_path: Path) -> None:
    """4:2:0 is made smaller before it becomes RGB; the plain way gives the same within what rounding takes."""
    cv2.imwrite(str(tmp_path / "0.jpg"), texture()[..., ::-1])
    [clip] = clips(tmp_path / "0.jpg")
    [detail] = details(clip)
    [frame] = clip.frames((480, 270))
    assert np.abs(detail.picture.mean(axis=(0, 1)) - frame.picture.mean(axis=(0, 1))).max() < 2
    assert np.abs(grey(detail.picture).astype(int) - grey(frame.picture)).mean() < 2
    small = DetailScaler((WIDTH, HEIGHT)).scale(decode_image(tmp_path / "0.jpg"))
    np.testing.assert_array_equal(small, detail.picture)


@pytest.mark.parametrize(
    "times_s",
    [
        [n / 25 for n in range(12)],
        [n / 30 for n in range(12)],
        [n / 10 for n in range(6)],
        [n / 5 for n in range(6)],
        [0.0, 0.04, 0.12, 0.2, 0.24, 0.4, 0.44, 0.48, 0.6, 0.8],
    ],
    ids=["25", "30", "10", "5", "uneven"],
)
def test_flow_over_step_s_is_the_painted_speed_at_any_rate(tmp_path: Path, times_s: list[float]) -> None:
    moving = details(painted(tmp_path / "moving.mp4", times_s, SPEED))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    speeds = []
    for detail in moving:
        if detail.earlier is None:
            continue
        start = np.zeros((*detail.earlier.shape, 2), np.float32)
        found = flow.calc(detail.earlier, grey(detail.picture), start)
        x, y = np.median(found[40:-40, 40:-40], axis=(0, 1)) / detail.step_s * WIDTH / detail.picture.shape[1]
        assert abs(y) < 0.05 * SPEED
        speeds.append(float(x))
    assert len(speeds) >= 5
    assert speeds == pytest.approx([SPEED] * len(speeds), rel=0.1)


@pytest.mark.parametrize("every", [1, 2, 5])
def test_skipped_frames_of_footage_count_as_earlier(tmp_path: Path, numbered_clip: Path, every: int) -> None:
    for frame in list(clips(numbered_clip)[0].frames(None))[:16]:
        cv2.imwrite(str(tmp_path / f"{frame.seq}.png"), frame.picture[..., ::-1])
    for [clip] in (clips(numbered_clip), clips(tmp_path)):
        frames = list(clip.frames(64, every, detail=True))
        plain = list(clip.frames(64, every))
        assert [frame.detail for frame in plain] == [None] * len(plain)
        for seq, (frame, other) in enumerate(zip(frames, plain, strict=True)):
            assert numbers(frame) == (seq * every, seq * every - 3 if seq * every >= 3 else None)
            assert frame.stream_time_s == other.stream_time_s
            np.testing.assert_array_equal(frame.picture, other.picture)


def numbers(frame: Frame) -> tuple[int, int | None]:
    """The numbers of a frame's detail and of the picture before it."""
    assert frame.detail is not None
    earlier = frame.detail.earlier
    return number_in(frame.detail.picture), None if earlier is None else number_in(np.dstack([earlier] * 3))


def frames_of(camera: CameraConfig, count: int | None = None, detail: bool = True) -> list[Frame]:
    """What a reader keeps, to the end of footage or up to a count."""
    frames: Recorder[Frame] = Recorder()
    statuses: Recorder[CameraStatus] = Recorder()
    reader = CameraReader("lobby", camera, 64, frames, statuses, detail=detail)
    reader.start()
    try:
        if count is None:
            statuses.wait_for(lambda status: status.state is CameraState.ENDED)
        else:
            frames.wait_for(lambda _: True, count=count)
    finally:
        reader.stop()
        assert reader.join(DEADLINE_S)
    return frames.entries[:count]


@pytest.mark.parametrize(("score_fps", "every"), [(240, 1), (5, 5)])
def test_a_reader_gives_details_from_all_that_it_decodes(numbered_clip: Path, score_fps: int, every: int) -> None:
    camera = CameraConfig(url=str(numbered_clip), play="fast", score_fps=score_fps)
    for frame in frames_of(camera):
        number = frame.seq * every
        assert numbers(frame) == (number, number - 3 if number >= 3 else None)
        assert frame.detail is not None
        assert frame.detail.step_s == pytest.approx(0.12 if number >= 3 else 0)
    assert {frame.detail for frame in frames_of(camera, detail=False)} == {None}


def test_each_round_of_looped_footage_begins_afresh(tmp_path: Path) -> None:
    camera = CameraConfig(url=str(encode(tmp_path / "a.mp4", frames=8)), play="fast", score_fps=240, loop=True)
    expected = [(number, number - 3 if number >= 3 else None) for number in range(8)] * 2
    assert [numbers(frame) for frame in frames_of(camera, count=16)] == expected


def test_a_new_resolution_amid_the_stream_begins_afresh(tmp_path: Path) -> None:
    small = encode(tmp_path / "small.ts", frames=12)
    large = encode(tmp_path / "large.ts", frames=12, size=(640, 480))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    frames = frames_of(CameraConfig(url=str(tmp_path / "both.ts"), play="fast", score_fps=240))
    after = [frame for frame in frames if frame.source_size == (640, 480)]
    assert [numbers(frame) for frame in after[:4]] == [(0, None), (1, None), (2, None), (3, 0)]
    assert {frame.detail.picture.shape for frame in after if frame.detail} == {(360, 480, 3)}


def test_a_camera_over_rtsp_gives_details_by_its_own_timestamps(
    numbered_clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    server = rtsp_server({"lobby": numbered_clip})
    frames = frames_of(CameraConfig(url=server.url("lobby"), score_fps=240), count=40)
    shown = [(*numbers(frame), frame.detail.step_s) for frame in frames if frame.detail]
    pairs = [(number, earlier, step_s) for number, earlier, step_s in shown if earlier is not None]
    assert len(pairs) >= 35
    for number, earlier, step_s in pairs:
        assert step_s == pytest.approx((number - earlier) / 25, abs=0.002)
    assert all(later > number for (number, *_), (later, *_) in pairwise(pairs))
