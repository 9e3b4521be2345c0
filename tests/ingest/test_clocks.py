"""Stream time from timestamps, arrivals and neighbours: the pure part, and files with broken timestamps."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import CameraConfig
from streammon.ingest import CameraReader, clips
from streammon.ingest.clocks import LiveClock, Pacer, file_times
from streammon.records import Frame
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.http_cameras import muxed

stamps = st.none() | st.floats(-1e6, 1e6)


def live_times(stamped_fps: float, sent_fps: float, seconds: int, jitter_s: float = 0.0) -> list[tuple[float, float]]:
    """(arrival, stream time) of the frames of a camera."""
    clock, late = LiveClock(), random.Random(1)
    sent_s = (n / sent_fps for n in range(round(seconds * sent_fps)))
    arrived_s = itertools.accumulate((at_s + late.uniform(0, jitter_s) for at_s in sent_s), max)
    return [(at_s, clock.advance(100 + n / stamped_fps, at_s)) for n, at_s in enumerate(arrived_s)]


def test_timestamps_at_the_right_rate_are_free_of_the_network_s_jitter() -> None:
    times_s = [time_s for _, time_s in live_times(25, 25, seconds=120, jitter_s=0.2)]
    assert times_s == pytest.approx([n / 25 for n in range(3000)])


@pytest.mark.parametrize(("stamped_fps", "sent_fps"), [(25, 12.5), (12.5, 25), (25, 23), (25, 1), (2, 5)])
def test_timestamps_at_a_wrong_rate_are_used_for_a_few_seconds(stamped_fps: float, sent_fps: float) -> None:
    times = live_times(stamped_fps, sent_fps, seconds=60)
    (first_s, first), (last_s, last) = times[len(times) // 2], times[-1]
    assert (last - first) / (last_s - first_s) == pytest.approx(1.0, abs=0.01)
    assert last == pytest.approx(last_s, abs=5)


def test_a_network_that_stalls_and_catches_up_changes_nothing() -> None:
    clock = LiveClock()
    arrived_s = [n / 25 if not 250 <= n < 350 else 14.0 + (n - 350) / 10_000 for n in range(1000)]
    times_s = [clock.advance(n / 25, at_s) for n, at_s in enumerate(arrived_s)]
    assert times_s == pytest.approx([n / 25 for n in range(1000)])


def test_a_network_that_is_congested_for_seconds_and_catches_up_changes_nothing() -> None:
    clock = LiveClock()
    speeds = itertools.chain([1.0] * 250, [0.6] * 15, [0.4] * 10, [0.75] * 20, [0.5] * 12, [4.0] * 60, [1.0] * 250)
    arrived_s = itertools.accumulate(1 / (25 * speed) for speed in speeds)
    times_s = [clock.advance(n / 25, at_s) for n, at_s in enumerate(arrived_s)]
    assert times_s == pytest.approx([n / 25 for n in range(len(times_s))])


def test_frames_that_were_buffered_before_the_connection_keep_their_timestamps() -> None:
    clock = LiveClock()
    times_s = [clock.advance(7 + n / 25, max(0.0, n / 25 - 2.0)) for n in range(500)]
    assert times_s == pytest.approx([n / 25 for n in range(500)])


def test_a_camera_s_clock_that_is_set_costs_one_step() -> None:
    clock = LiveClock()
    stamps_s = [n / 10 + (3600 if n >= 50 else 0) for n in range(100)]
    times_s = [clock.advance(stamp_s, n / 10) for n, stamp_s in enumerate(stamps_s)]
    assert times_s == pytest.approx([n / 10 for n in range(100)])


def test_timestamps_that_agree_again_are_used_again_after_a_while() -> None:
    clock, late = LiveClock(), random.Random(1)
    pts_s = at_s = 0.0
    for n in range(3000):
        pts_s += 0.04
        at_s += 0.08 if n < 250 else 0.04
        clock.advance(pts_s, at_s + late.uniform(0, 0.02))
    first_s = clock.advance(pts_s + 0.04, at_s + 0.07)
    assert clock.advance(pts_s + 0.08, at_s + 0.08) - first_s == pytest.approx(0.04)


def test_without_timestamps_of_its_own_a_stream_has_those_of_its_arrivals() -> None:
    clock = LiveClock(stamped=False)
    arrived_s = (3.0, 3.2, 3.21, 3.6)
    assert [clock.advance(n / 25, at_s) for n, at_s in enumerate(arrived_s)] == pytest.approx([0.0, 0.2, 0.21, 0.6])


@given(st.lists(st.tuples(stamps, st.floats(0, 5))))
def test_live_time_never_runs_backwards_(
    steps: list[tuple[float | None, float]],
) -> None:
    clock = LiveClock()
    arrivals = itertools.accumulate(step_s for _, step_s in steps)
    times_s = [clock.advance(pts_s, at_s) for (pts_s, _), at_s in zip(steps, arrivals, strict=True)]
    assert times_s == sorted(times_s)
    assert times_s[:1] in ([], [0.0])


@given(st.lists(stamps))
def test_a_file_s_time_never_runs_backwards(stamps_s: list[float | None]) -> None:
    timed = list(file_times([(n, stamp_s) for n, stamp_s in enumerate(stamps_s)], interval_s=0.04))
    assert [frame for frame, _, _ in timed] == list(range(len(stamps_s)))
    times_s = [time_s for _, time_s, _ in timed]
    assert times_s == sorted(times_s)
    assert times_s[:1] in ([], [0.0])


@given(st.lists(st.floats(0.001, 9.9)))
def test_growing_timestamps_are_used_whatever_their_steps(steps_s: list[float]) -> None:
    stamps_s = list(itertools.accumulate([0.0, 0.04, 0.04, *steps_s, 0.04, 0.04]))
    timed = file_times([(None, stamp_s) for stamp_s in stamps_s], interval_s=0.04)
    assert [time_s for _, time_s, _ in timed] == pytest.approx(stamps_s)


@pytest.mark.parametrize("run", [1, 2])
@pytest.mark.parametrize("jump_s", [8.0, -8.0, 2.0, 3600.0, -0.2])
def test_broken_timestamps_of_a_file_are_replaced(jump_s: float, run: int) -> None:
    stamps_s = [20 + n / 25 + (jump_s if n % 50 >= 50 - run else 0) for n in range(1510)]
    times_s = [time_s for _, time_s, _ in file_times([(None, stamp_s) for stamp_s in stamps_s], interval_s=0.04)]
    assert times_s == pytest.approx([n / 25 for n in range(1510)], abs=0.05)


def test_a_repeated_timestamp_shares_the_time_to_the_next() -> None:
    stamped = zip("abcdef", (1.0, 1.0, 2.0, 2.0, 3.0, 3.0), strict=True)
    times_s = [time_s for _, time_s, _ in file_times(stamped, interval_s=1.0)]
    assert times_s[:5] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_where_all_timestamps_are_alike_the_rate_counts() -> None:
    times_s = [time_s for _, time_s, _ in file_times([(None, 5.0)] * 6, interval_s=0.1)]
    assert times_s == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_pacer_gives_a_late_source_the_time() -> None:
    pacer = Pacer()
    arrivals = ((0.0, 0.0), (0.5, 0.0), (1.0, 4.0), (1.5, 4.0), (None, 4.1), (9.0, 4.2))
    assert [pacer.release_s(pts_s, at_s) for pts_s, at_s in arrivals] == [0.0, 0.5, 4.0, 4.5, 4.1, 4.2]


def clip_stamped(path: Path, container: str, stamps_s: list[float], fps: float = 25) -> Path:
    pictures = (np.full((48, 64, 3), n % 200, np.uint8) for n in itertools.count())
    path.write_bytes(b"".join(muxed(container, pictures, stamps_s, fps=fps)))
    return path


def frames_played(path: Path) -> list[Frame]:
    """Frames as a camera's reader has them."""
    frames: Recorder[Frame] = Recorder()
    camera = CameraConfig(url=str(path), play="fast", score_fps=240)
    reader = CameraReader("lobby", camera, 16, frames, lambda status: None)
    reader.start()
    assert reader.join(DEADLINE_S)
    return frames.entries


@pytest.mark.parametrize("jump_s", [8.0, -8.0, 2.0])
def test_a_minute_of_video_with_broken_timestamps_lasts_a_minute(tmp_path: Path, jump_s: float) -> None:
    stamps_s = [20 + n / 25 + (jump_s if n % 50 == 49 else 0) for n in range(1500)]
    clip = clip_stamped(tmp_path / "lobby.ts", "mpegts", stamps_s)
    for frames in (list(clips(clip)[0].frames(16)), frames_played(clip)):
        assert len(frames) == 1500
        assert frames[-1].stream_time_s == pytest.approx(60, abs=1)


def test_raw_h264_has_the_rate_of_its_own_headers(tmp_path: Path) -> None:
    clip = clip_stamped(tmp_path / "lobby.h264", "h264", [n / 10 for n in range(50)], fps=10)
    for frames in (list(clips(clip)[0].frames(16)), frames_played(clip)):
        assert [frame.stream_time_s for frame in frames] == pytest.approx([n / 10 for n in range(50)])
    assert clips(clip)[0].seconds() == pytest.approx(5.0)


def test_a_pause_in_a_file_is_kept(tmp_path: Path) -> None:
    stamps_s = [n / 25 + (8.0 if n >= 30 else 0.0) for n in range(60)]
    clip = clip_stamped(tmp_path / "lobby.ts", "mpegts", stamps_s)
    times_s = [frame.stream_time_s for frame in clips(clip)[0].frames(16)]
    assert times_s == pytest.approx(stamps_s, abs=0.001)
