"""LatestFrames: newest wins, nobody starves, and every frame is accounted for."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest import LatestFrames
from streammon.records import Frame
from support.deadlines import DEADLINE_S

PICTURE = np.zeros((1, 1, 3), np.uint8)
AT_ONCE_S = 0.0


def frame(camera: str, seq: int = 0) -> Frame:
    return Frame(camera, seq, PICTURE, (1, 1), 0.0, 0.0)


@given(st.lists(st.one_of(st.sampled_from("abcd"), st.integers(1, 5))))
def test_every_frame_put_is_taken_lost_or_unread(steps: list[str | int]) -> None:
    frames = LatestFrames()
    put, taken = 0, 0
    for step in steps:
        if isinstance(step, str):
            frames.put_nowait(frame(step, put))
            put += 1
        else:
            batch = frames.take(step, AT_ONCE_S)
            assert len(batch) <= step
            assert len({one.camera for one in batch}) == len(batch)
            taken += len(batch)
    assert put == taken + sum(frames.lost.values()) + len(frames)


@given(st.lists(st.sampled_from("abcd"), min_size=1))
def test_what_is_taken_is_each_cameras_newest_frame_and_the_line_is_by_first_arrival(cameras: list[str]) -> None:
    frames = LatestFrames()
    for seq, camera in enumerate(cameras):
        frames.put_nowait(frame(camera, seq))
    newest = {camera: seq for seq, camera in enumerate(cameras)}
    assert [(one.camera, one.seq) for one in frames.take(10, AT_ONCE_S)] == [
        (camera, newest[camera]) for camera in dict.fromkeys(cameras)
    ]


def test_a_fast_camera_does_not_starve_a_slow_one() -> None:
    frames = LatestFrames()
    frames.put_nowait(frame("fast"))
    frames.put_nowait(frame("slow"))
    for seq in range(100):
        frames.put_nowait(frame("fast", seq))
    assert [one.camera for one in frames.take(1, AT_ONCE_S)] == ["fast"]
    frames.put_nowait(frame("fast"))
    assert [one.camera for one in frames.take(1, AT_ONCE_S)] == ["slow"]
    assert frames.lost == {"fast": 100}


def test_take_waits_for_a_frame_and_gives_up_in_time() -> None:
    frames = LatestFrames()
    began_s = time.monotonic()
    assert frames.take(1, timeout_s=0.05) == []
    assert time.monotonic() - began_s >= 0.05
    threading.Timer(0.05, frames.put_nowait, [frame("a")]).start()
    assert [one.camera for one in frames.take(1, timeout_s=DEADLINE_S)] == ["a"]


def test_the_time_waited_for_frames_is_counted_and_none_while_one_is_unread() -> None:
    frames = LatestFrames()
    frames.take(1, timeout_s=0.05)
    waited_s = frames.waited_s
    assert waited_s >= 0.05
    frames.put_nowait(frame("a"))
    frames.take(1, timeout_s=DEADLINE_S)
    assert frames.waited_s - waited_s < 0.05


def test_closing_wakes_who_waits_and_lets_nothing_out_any_more() -> None:
    frames = LatestFrames()
    threading.Timer(0.05, frames.close).start()
    assert frames.take(1, timeout_s=DEADLINE_S) == []
    frames.put_nowait(frame("a"))
    assert frames.take(1, timeout_s=DEADLINE_S) == []


def test_many_threads_lose_count_of_nothing() -> None:
    frames = LatestFrames()
    taken: list[Frame] = []
    all_put = threading.Event()

    def take() -> None:
        while not all_put.is_set() or len(frames):
            taken.extend(frames.take(3, timeout_s=0.05))

    def put(camera: str) -> None:
        for seq in range(500):
            frames.put_nowait(frame(camera, seq))

    taker = threading.Thread(target=take)
    putters = [threading.Thread(target=put, args=[camera]) for camera in "abcd"]
    for thread in (taker, *putters):
        thread.start()
    for thread in putters:
        thread.join()
    all_put.set()
    taker.join()
    assert len(taken) + sum(frames.lost.values()) == 4 * 500
    for camera in "abcd":
        seqs = [one.seq for one in taken if one.camera == camera]
        assert seqs == sorted(set(seqs))
        assert seqs[-1] == 499


def test_taking_no_frame_at_all_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="max_frames is 0; it must be at least 1"):
        LatestFrames().take(0, AT_ONCE_S)


def test_footage_waits_for_its_reader_and_loses_nothing() -> None:
    frames = LatestFrames()
    taken: list[int] = []

    def put() -> None:
        for seq in range(200):
            frames.put(frame("clip", seq), stopping=lambda: False)

    thread = threading.Thread(target=put)
    thread.start()
    while len(taken) < 200:
        taken += [one.seq for one in frames.take(1, timeout_s=DEADLINE_S)]
    thread.join()
    assert taken == list(range(200))
    assert frames.lost == {}


def test_footage_lets_its_frame_go_when_it_stops_or_the_reader_closes() -> None:
    frames = LatestFrames()
    frames.put_nowait(frame("clip", 0))
    frames.put(frame("clip", 1), stopping=lambda: True)
    threading.Timer(0.05, frames.close).start()
    frames.put(frame("clip", 2), stopping=lambda: False)
    assert len(frames) == 1
    assert frames.lost == {}
