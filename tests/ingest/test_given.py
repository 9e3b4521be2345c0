"""Pictures that a program gives become the frames that the same pictures in a file become."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.errors import FootageError
from streammon.ingest import Clip, GivenPictures
from streammon.records import Frame
from support.numbered_footage import number_in, numbered_picture

SIDE = 64


@pytest.fixture(scope="module")
def decoded(numbered_clip: Path) -> list[av.VideoFrame]:
    with av.open(str(numbered_clip)) as container:
        return list(container.decode(video=0))


def given(*, detail: bool = True, fps: float | None = None, picture_fps: float = 25.0) -> GivenPictures:
    return GivenPictures("lobby", SIDE, detail=detail, fps=fps, picture_fps=picture_fps)


def of_file(clip: Path, **options: Any) -> list[Frame]:
    return list(Clip("lobby", clip).frames(SIDE, detail=True, **options))


def assert_alike(found: Frame, expected: Frame) -> None:
    assert (found.camera, found.seq, found.pts) == (expected.camera, expected.seq, expected.pts)
    assert found.source_size == expected.source_size
    assert found.stream_time_s == pytest.approx(expected.stream_time_s)
    np.testing.assert_array_equal(found.picture, expected.picture)
    assert found.detail is not None
    assert expected.detail is not None
    np.testing.assert_array_equal(found.detail.picture, expected.detail.picture)
    assert found.detail.step_s == pytest.approx(expected.detail.step_s)
    if expected.detail.earlier is None:
        assert found.detail.earlier is None
    else:
        np.testing.assert_array_equal(found.detail.earlier, expected.detail.earlier)


@pytest.mark.parametrize(("every", "fps"), [(1, None), (1, 5.0), (3, None)])
def test_pyav_s_frames_become_the_frames_of_their_file(
    numbered_clip: Path, decoded: list[av.VideoFrame], every: int, fps: float | None
) -> None:
    expected = of_file(numbered_clip, fps=fps)[:: every if fps is None else 1]
    found = list(given(fps=fps).frames(decoded, every=every))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_alike(one, other)


def test_a_video_s_frames_carry_its_own_timestamps(numbered_clip: Path, decoded: list[av.VideoFrame]) -> None:
    assert [frame.pts for frame in of_file(numbered_clip)] == [frame.pts for frame in decoded]
    assert decoded[1].pts not in (None, 0)


def test_arrays_have_times_by_number_or_as_given() -> None:
    pictures = np.stack([numbered_picture(number, 120, 80) for number in range(6)])
    by_number = list(given(picture_fps=12.5).frames(pictures))
    assert [frame.stream_time_s for frame in by_number] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32, 0.4])
    assert [number_in(frame.picture) for frame in by_number] == list(range(6))
    assert {(frame.picture.shape, frame.source_size, frame.pts) for frame in by_number} == {
        ((SIDE, SIDE, 3), (120, 80), None)
    }
    timed = list(given(fps=5.0).frames(pictures, [100.0, 100.1, 100.2, 100.3, 100.4, 100.5]))
    assert [(frame.seq, round(frame.stream_time_s, 3)) for frame in timed] == [(0, 0.0), (2, 0.2), (4, 0.4)]
    assert [frame.detail.step_s for frame in timed if frame.detail] == pytest.approx([0, 0.1, 0.1])


def test_an_array_may_be_changed_once_it_was_given() -> None:
    picture = numbered_picture(5, 120, 80)
    pictures = given()
    first = pictures.frame(picture)
    picture[:] = 0
    second = pictures.frame(picture)
    assert first is not None
    assert second is not None
    assert number_in(first.picture) == 5
    assert not second.picture.any()


def zeros(*shape: int, kind: type = np.uint8) -> NDArray[Any]:
    return np.zeros(shape, kind)


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (zeros(8, 8), "it is uint8 (8, 8); give (H, W, 3) uint8 RGB, or a frame of PyAV"),
        (zeros(8, 8, 4), "it is uint8 (8, 8, 4); give (H, W, 3) uint8 RGB, or a frame of PyAV"),
        (zeros(0, 8, 3), "it is uint8 (0, 8, 3); give (H, W, 3) uint8 RGB, or a frame of PyAV"),
        (zeros(8, 8, 3, kind=np.float64), "it is float64 (8, 8, 3); give (H, W, 3) uint8 RGB, or a frame of PyAV"),
        (zeros(8, 900, 3), "pictures of 900x8 pixels are too flat to watch for motion; give larger pictures"),
        (None, "it is object (); give (H, W, 3) uint8 RGB, or a frame of PyAV"),
    ],
)
def test_what_is_no_picture_is_told_in_one_line(picture: Any, complaint: str) -> None:
    pictures = given()
    pictures.frame(zeros(40, 40, 3))
    with pytest.raises(FootageError) as told:
        pictures.frame(picture)
    assert str(told.value).startswith(f"picture 1 of 'lobby': {complaint}")


def at(time_s: float) -> av.VideoFrame:
    """A frame of PyAV with a timestamp."""
    frame = av.VideoFrame.from_ndarray(zeros(40, 40, 3), "rgb24")
    frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
    return frame


@pytest.mark.parametrize(
    ("give", "complaint"),
    [
        (lambda each: [each.frame(zeros(40, 40, 3), time_s) for time_s in (7.0, 6.0)], "its time is 6 s, after 7 s"),
        (lambda each: [each.frame(zeros(40, 40, 3), time_s) for time_s in (7.0, 7.0)], "its time is 7 s, after 7 s"),
        (lambda each: [each.frame(at(time_s)) for time_s in (0.5, 0.25)], "its time is 0.25 s, after 0.5 s"),
        (lambda each: [each.frame(zeros(40, 40, 3), time_s) for time_s in (1.0, float("nan"))], "its time is nan s"),
    ],
)
def test_pictures_that_are_not_in_order_of_time_are_told(
    give: Callable[[GivenPictures], object], complaint: str
) -> None:
    with pytest.raises(FootageError, match=r"^picture 1 of 'lobby': .*; give pictures in order of time$") as told:
        give(given())
    assert complaint in str(told.value)
