"""Clips decoded ahead: the same frames, warnings and errors in the same order, in bounded memory."""

import threading
from collections.abc import Generator
from itertools import islice
from pathlib import Path

import pytest

from streammon.errors import FootageError
from streammon.ingest import Clip, Pace, clips, frames_ahead
from streammon.ingest.ahead import FRAMES_AHEAD, _in_order
from support.deadlines import DEADLINE_S
from support.numbered_footage import encode, number_in

SIZE = (320, 240)
JOBS = (1, 2, 5)
WHOLE = Pace()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "decoding" in thread.name]


def seen(pieces: list[Clip], jobs: int, pace: Pace = WHOLE) -> list[tuple[str, int, int]]:
    frames = frames_ahead(pieces, jobs, SIZE, pace)
    return [(frame.camera, frame.seq, number_in(frame.picture)) for frame in frames]


@pytest.mark.parametrize("jobs", JOBS)
def test_frames_come_in_the_order_of_the_clips(tmp_path: Path, jobs: int) -> None:
    for number, length in enumerate((150, 1, 30, 90)):
        encode(tmp_path / f"{number}.mp4", frames=length)
    pieces, pace = clips(tmp_path), Pace(every=2, fps=5.0)
    expected = [
        (frame.camera, frame.seq, number_in(frame.picture))
        for clip in pieces
        for frame in clip.frames(SIZE, pace.every, fps=pace.fps)
    ]
    assert len(expected) > 40
    assert seen(pieces, jobs, pace) == expected
    assert threads() == []


def cut(path: Path, frames: int) -> Path:
    """An AVI that ends earlier than the length in its header."""
    content = encode(path, frames, codec="mpeg4").read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path


@pytest.mark.parametrize("jobs", JOBS)
def test_damaged_clips_are_reported_in_their_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, jobs: int
) -> None:
    """The first clip is the longest, so the others are decoded to their ends before it."""
    for name, length in (("a", 200), ("b", 40), ("c", 20)):
        cut(tmp_path / f"{name}.avi", length)
    read = [camera for camera, _, _ in seen(clips(tmp_path), jobs)]
    assert list(dict.fromkeys(read)) == ["a", "b", "c"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["clip 'a'", "clip 'b'", "clip 'c'"]


@pytest.mark.parametrize("jobs", JOBS)
def test_a_broken_clip_is_refused_after_the_frames_before_it(tmp_path: Path, jobs: int) -> None:
    encode(tmp_path / "good.mp4", frames=30)
    (tmp_path / "broken.mp4").write_text("no video")
    (tmp_path / "worse.mp4").write_text("")
    pieces = [Clip(name, tmp_path / f"{name}.mp4") for name in ("good", "broken", "worse")]
    frames = frames_ahead(pieces, jobs, SIZE, WHOLE)
    assert [frame.seq for frame in islice(frames, 30)] == list(range(30))
    with pytest.raises(FootageError, match=r"broken\.mp4: it can't be read as footage \(not video\)"):
        next(frames)
    assert threads() == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_than_the_frames_ahead_of_so_many_clips_wait(jobs: int) -> None:
    read, taken = [0] * 5, [0] * 5

    def source(number: int) -> Generator[int]:
        for _ in range(2 * FRAMES_AHEAD):
            read[number] += 1
            yield number

    for number in _in_order(map(source, range(5)), jobs):
        taken[number] += 1
        # one value more than those that wait is in the hands of each thread
        assert all(one <= other + FRAMES_AHEAD + 1 for one, other in zip(read, taken, strict=True))
        assert not any(read[number + jobs :])
    assert taken == [2 * FRAMES_AHEAD] * 5


def test_closing_ends_every_thread_and_closes_every_clip() -> None:
    begun, closed = threading.Semaphore(0), []

    def source(number: int) -> Generator[int]:
        try:
            while True:
                yield number
                begun.release()
        finally:
            closed.append(number)

    values = _in_order(map(source, range(9)), 3)
    assert next(values) == 0
    for _ in range(3 * FRAMES_AHEAD):  # until each source waits for room
        assert begun.acquire(timeout=DEADLINE_S)
    values.close()
    assert sorted(closed) == [0, 1, 2]
    assert threads() == []
