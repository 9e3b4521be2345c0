"""Thinning, retry delays and keyframes: the pure part of reading a camera."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.backoff import backoff_s
from streammon.ingest.reader import FIRST_RETRY_S, MAX_RETRY_S
from streammon.ingest.timing import MAX_DAMAGE_S, FrameRate, FrameThinning, KeyframeGate

steps_s = st.lists(st.floats(0.001, 2.0), min_size=1, max_size=300)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_retry_waits_from_1_s_to_60_s(attempt: int, jitter: float) -> None:
    assert 1 <= backoff_s(attempt, FIRST_RETRY_S, MAX_RETRY_S, jitter) <= 60


@given(steps_s, st.floats(0.5, 60))
def test_thinning_never_keeps_more_than_asked_for_in_any_stretch(steps_s: list[float], fps: float) -> None:
    thinning = FrameThinning(fps)
    times_s, now_s = [], 0.0
    for step_s in steps_s:
        now_s += step_s
        times_s.append(now_s)
    kept_s = [time_s for time_s in times_s if thinning.keeps(time_s)]
    for first in range(len(kept_s)):
        for last in range(first, len(kept_s)):
            assert last - first <= (kept_s[last] - kept_s[first]) * fps + 1.001  # one early at most


@given(st.floats(1, 60), st.floats(1, 60), st.integers(0, 2**32))
def test_thinning_keeps_as_much_as_asked_for_of_an_unsteady_stream(fps: float, stream_fps: float, seed: int) -> None:
    jitter = random.Random(seed)
    thinning = FrameThinning(fps)
    frames = 400
    kept = sum(thinning.keeps((n + jitter.uniform(0, 0.3)) / stream_fps) for n in range(frames))
    assert kept >= 0.9 * frames * min(1.0, fps / stream_fps) - 2


def test_thinning_to_the_streams_own_rate_loses_nothing_to_jitter() -> None:
    jitter = random.Random(7)
    thinning = FrameThinning(25.0)
    assert all(thinning.keeps((n + jitter.uniform(0, 0.4)) / 25) for n in range(1000))


@given(st.floats(0.5, 30), st.floats(0.5, 30), st.integers(0, 200))
def test_a_changed_rate_holds_from_the_last_kept_frame_on(before: float, after: float, changed_at: int) -> None:
    thinning, stream_fps = FrameThinning(before), 60
    kept_s = []
    for n in range(600):
        if n == changed_at:
            thinning.fps = after
        if thinning.keeps(n / stream_fps):
            kept_s.append(n / stream_fps)
    later = [time_s for time_s in kept_s if time_s >= changed_at / stream_fps]
    assert later[0] <= changed_at / stream_fps + 1 / after + 1 / stream_fps
    assert len(later) == pytest.approx((600 - changed_at) / stream_fps * after, abs=2)


def test_a_stream_without_keyframes_is_believed_again_after_a_while() -> None:
    gate = KeyframeGate()
    gate.admits(is_key=True, is_damaged=False, time_s=0.0)
    assert not gate.admits(is_key=False, is_damaged=True, time_s=1.0)
    assert not gate.admits(is_key=False, is_damaged=False, time_s=1.0 + MAX_DAMAGE_S)
    assert gate.admits(is_key=False, is_damaged=False, time_s=1.1 + MAX_DAMAGE_S)


def test_the_frame_rate_falls_to_0_when_the_camera_falls_silent() -> None:
    rate = FrameRate()
    for n in range(101):
        rate.count(n / 20)
    assert round(rate.fps(now_s=5.0), 3) == 20
    assert rate.fps(now_s=5.0 + 2 * FrameRate.WINDOW_S) == 0
