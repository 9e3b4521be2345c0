"""Folders as recorders lay them out: what is read, in which order, and what is said of the rest."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streammon.errors import FootageError
from streammon.ingest import clips
from support.numbered_footage import encode, number_in, numbered_picture


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of three frames as MPEG-TS, whose content any ending may name."""
    return encode(tmp_path_factory.mktemp("short") / "short.ts", frames=3, size=(96, 64))


def copied(source: Path, root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / name)
    return root


def recorded(path: Path, created: str) -> Path:
    """A clip whose container says when it was recorded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata["creation_time"] = created
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered_picture(1, 96, 64), "rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def images(folder: Path, count: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number}.jpg"), numbered_picture(number, 96, 64)[..., ::-1])
    return folder


def names(root: Path) -> list[str]:
    return [clip.name for clip in clips(root)]


def test_unusual_endings_and_sub_folders_are_read(short: Path, tmp_path: Path) -> None:
    encode(tmp_path / "c.h264", frames=3, size=(96, 64), fps=10)
    copied(short, tmp_path, "a.mp4", "b.dav", "b.MTS", "d.M2TS", "day/hour/x.mp4", "day/hour/y.AVI")
    found = clips(tmp_path)
    assert [clip.name for clip in found] == ["a", "b.dav", "b.MTS", "c", "d", "day/hour/x", "day/hour/y"]
    assert [[number_in(frame.picture) for frame in clip.frames(None)] for clip in found] == [[0, 1, 2]] * 7
    c = found[3]
    assert [frame.stream_time_s for frame in c.frames(8)] == pytest.approx([0.0, 0.1, 0.2])
    assert c.seconds() == pytest.approx(0.3)


ALERTS = ("018bcfe568001f3a9b2c4d5e6f708192", "018bcfe56e0a0abcdefabcdefabcdefa", "018bcfe6500b9f3a9b2c4d5e6f708192")
"""Ids of alerts, in order of time. As numbers between letters, 56 and 568001 would come after 6500."""


@pytest.mark.parametrize(
    "in_order",
    [
        ["2025-12-31/23/59.mp4", "2026-01-01/00/00.mp4", "2026-01-01/00/01.mp4", "2026-01-01/10/00.mp4"],
        ["2025/12/31/x.mp4", "2026/1/x.mp4"],
        ["9.mp4", "10.mp4", "11/x.mp4"],
        ["alarm/cam_20260131070000.mp4", "always/cam_20260131080000.mp4", "alarm/cam_20260201000000.mp4"],
        ["z 2026-01-31 07-00.mp4", "a 2026-01-31 08-00.mp4"],
        [f"{alert}/{alert}-{part}.mp4" for alert in ALERTS for part in (1, 2, 10)],
    ],
)
def test_recordings_come_in_the_order_of_their_times(short: Path, tmp_path: Path, in_order: list[str]) -> None:
    copied(short, tmp_path, *reversed(in_order))
    assert names(tmp_path) == [name.removesuffix(".mp4") for name in in_order]


def test_creation_times_in_the_files_decide_where_paths_have_no_date(short: Path, tmp_path: Path) -> None:
    """A camera's counter that begins again, as after MOVI9999."""
    recorded(tmp_path / "MOVI9999.mp4", "2026-01-31T07:00:00Z")
    recorded(tmp_path / "MOVI0001.mp4", "2026-01-31T07:10:00Z")
    assert names(tmp_path) == ["MOVI9999", "MOVI0001"]
    copied(short, tmp_path, "MOVI0005.mp4")  # it has none, so no order of times
    assert names(tmp_path) == ["MOVI0001", "MOVI0005", "MOVI9999"]


def test_what_is_left_out_is_counted_in_one_line(
    short: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copied(short, tmp_path, "day/1.mp4", "day/2.mp4", "day/.3.mp4")
    images(tmp_path / "day")  # previews beside the videos
    (tmp_path / "day/4.mp4").touch()
    (tmp_path / "day/5.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    for name in ("index.idx", "day/notes.txt", "readme", "Thumbs.db"):
        (tmp_path / name).write_text("no footage")
    assert names(tmp_path) == ["day/1", "day/2"]
    line = (
        f"{tmp_path}: 2 clips; left out: 1 .idx, 2 .jpg, 1 .mp4 (empty file), 1 .mp4 (not video), 1 .txt, "
        "1 without ending"
    )
    assert caplog.messages == [line]
    clips(tmp_path)
    assert caplog.messages == [line]  # said once


def test_a_folder_of_broken_videos_is_refused_with_their_number(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    with pytest.raises(FootageError, match=r"no video and no images in it that can be read: 2 \.mp4 \(empty file\)"):
        clips(tmp_path)


def test_folders_of_images_at_any_depth_are_clips(tmp_path: Path) -> None:
    for name in ("2026-01-31/07", "2026-01-31/08", "2026-02-01/00"):
        images(tmp_path / name)
    images(tmp_path / "2026-02-01/00_gt")
    found = clips(tmp_path)
    assert [clip.name for clip in found] == ["2026-01-31/07", "2026-01-31/08", "2026-02-01/00"]
    assert [clip.frame_count() for clip in found] == [2, 2, 2]


def test_a_link_to_the_folder_above_ends(short: Path, tmp_path: Path) -> None:
    copied(short, tmp_path, "day/1.mp4")
    (tmp_path / "day" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["day/1"]


@pytest.mark.skipif(os.name != "posix", reason="names of any bytes")
def test_names_that_are_no_text_are_read(short: Path, tmp_path: Path) -> None:
    copied(short, tmp_path, os.fsdecode(b"stra\xdfe/1.mp4"))
    [clip] = clips(tmp_path)
    assert clip.frame_count() == 3
