"""Files and folders become clips: which ones, every frame in order, and one line for what can't be read."""

import gc
import os
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streammon.config import CameraConfig
from streammon.errors import FootageError
from streammon.ingest import Clip, VideoFormat, clips, probe
from streammon.ingest.stream import open_source
from support.numbered_footage import encode, number_in, numbered_picture

REMEDY = "give a video file, a folder of images, or a folder of such clips"
NOBODY = 65534


def numbered_images(folder: Path, count: int = 12, name: str = "{}.png") -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / name.format(number)), numbered_picture(number, 120, 80)[..., ::-1])
    return folder


def numbers(clip: Clip, every: int = 1) -> list[int]:
    return [number_in(frame.picture) for frame in clip.frames(size=None, every=every)]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so permissions show only without it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_video_file_is_one_clip_with_every_frame_in_order(numbered_clip: Path) -> None:
    [clip] = clips(numbered_clip)
    frames = list(clip.frames(256))
    assert (clip.name, clip.frame_count()) == ("numbered", 75)
    assert [number_in(frame.picture) for frame in frames] == list(range(75))
    assert [frame.seq for frame in frames] == list(range(75))
    assert [round(frame.stream_time_s, 3) for frame in frames[:3]] == [0.0, 0.04, 0.08]
    assert {frame.picture.shape for frame in frames} == {(256, 256, 3)}
    assert {frame.source_size for frame in frames} == {(320, 240)}
    assert {frame.camera for frame in frames} == {"numbered"}


def test_every_third_frame_is_the_first_of_each_three(numbered_clip: Path, tmp_path: Path) -> None:
    [video], [folder] = clips(numbered_clip), clips(numbered_images(tmp_path / "images"))
    assert numbers(video, every=3) == list(range(0, 75, 3))
    assert numbers(folder, every=3) == [0, 3, 6, 9]
    assert [frame.stream_time_s for frame in folder.frames(8, every=3)] == [0.0, 0.12, 0.24, 0.36]
    with pytest.raises(ValueError, match="every is 0; it must be at least 1"):
        next(video.frames(8, every=0))


@pytest.mark.parametrize("name", ["{}.png", "{:03}.bmp", "frame_{}.tif", "{}.JPG", "img{}.jpeg", "{}.webp"])
def test_images_come_in_the_order_of_their_numbers(tmp_path: Path, name: str) -> None:
    [clip] = clips(numbered_images(tmp_path / "Train001", name=name))
    assert (clip.name, clip.frame_count()) == ("Train001", 12)
    assert numbers(clip) == list(range(12))


@pytest.mark.parametrize(("container", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.ts", "libx264")])
def test_other_containers_lose_and_repeat_no_frame(tmp_path: Path, container: str, codec: str) -> None:
    [clip] = clips(encode(tmp_path / container, frames=60, codec=codec))
    assert numbers(clip) == list(range(60))
    assert clip.frame_count() == pytest.approx(60, abs=2)


def test_a_folder_of_videos_or_of_image_folders_is_a_clip_for_each(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("10_0001.avi", "9_0001.avi"):
        encode(tmp_path / "videos" / name, frames=2, codec="mpeg4")
    for name in ("Test010", "Test9", "Test9_gt", ".cache"):
        numbered_images(tmp_path / "folders" / name, count=2)
    (tmp_path / "folders" / "Test9" / "._0.png").write_bytes(b"Mac OS X")
    (tmp_path / "folders" / "notes.txt").write_text("not a clip")
    assert [clip.name for clip in clips(tmp_path / "videos")] == ["9_0001", "10_0001"]
    assert [(clip.name, clip.frame_count()) for clip in clips(tmp_path / "folders")] == [("Test9", 2), ("Test010", 2)]


def test_a_grey_jpeg_decodes_as_opencv_decodes_it(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "0.jpg"), cv2.GaussianBlur(grey, (5, 5), 2))
    [frame] = clips(tmp_path)[0].frames(size=None)
    expected = cv2.imread(str(tmp_path / "0.jpg"), cv2.IMREAD_COLOR_RGB)
    assert np.abs(frame.picture.astype(int) - expected).max() <= 1  # two inverse DCTs


def test_scaling_is_bicubic_and_crops_nothing(tmp_path: Path) -> None:
    numbered_images(tmp_path / "images", count=1)
    [frame] = clips(tmp_path / "images")[0].frames((60, 20))
    expected = numbered_picture(0, 120, 80).reshape(20, 4, 60, 2, 3).mean(axis=(1, 3))
    assert frame.picture.shape == (20, 60, 3)
    assert np.abs(frame.picture - expected).mean() < 2


def test_decoded_pictures_are_freed_without_the_garbage_collector(numbered_clip: Path) -> None:
    """It runs so seldom that hundreds of pictures would wait for it."""
    [clip] = clips(numbered_clip)
    gc.collect()
    before = {id(each) for each in gc.get_objects() if type(each) is av.VideoFrame}
    gc.disable()
    try:
        assert len(list(clip.frames(8, detail=True))) == 75
        left = [each for each in gc.get_objects() if type(each) is av.VideoFrame and id(each) not in before]
    finally:
        gc.enable()
    assert left == []


def test_what_a_cut_short_video_lost_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = encode(tmp_path / "whole.mp4")
    front = tmp_path / "front.mp4"
    with av.open(str(whole)) as source, av.open(str(front), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front.read_bytes()[: front.stat().st_size // 2])
    read = numbers(clips(cut)[0])
    assert 0 < len(read) < 75
    assert read == list(range(len(read)))
    assert "75 announced" in caplog.text
    assert "it is damaged or cut short" in caplog.text


def missing(folder: Path) -> Path:
    return folder / "lobby.mp4"


def text_as_mp4(folder: Path) -> Path:
    (folder / "lobby.mp4").write_text("hello\n" * 500)
    return folder / "lobby.mp4"


def plain_text(folder: Path) -> Path:
    (folder / "lobby.txt").write_text("hello\n" * 500)
    return folder / "lobby.txt"


def zero_bytes(folder: Path) -> Path:
    (folder / "lobby.mp4").touch()
    return folder / "lobby.mp4"


def noise(folder: Path) -> Path:
    (folder / "lobby.avi").write_bytes(np.random.default_rng(0).bytes(50_000))
    return folder / "lobby.avi"


def folder_without_video(folder: Path) -> Path:
    (folder / "readme.md").write_text("nothing here")
    return folder


def sound(folder: Path) -> Path:
    with wave.open(str(folder / "song.wav"), "wb") as song:
        song.setnchannels(1)
        song.setsampwidth(2)
        song.setframerate(8000)
        song.writeframes(bytes(16000))
    return folder / "song.wav"


def below_a_file(folder: Path) -> Path:
    return zero_bytes(folder) / "01.jpg"


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (missing, "no such file"),
        (text_as_mp4, "not video"),
        (plain_text, "not video"),
        (zero_bytes, "empty file"),
        (noise, "not video"),
        (folder_without_video, "no video and no images in it"),
        (sound, "no video in it"),
        (below_a_file, "no such file"),
    ],
)
def test_what_is_no_footage_is_told_in_one_line(tmp_path: Path, spoiled: Callable[[Path], Path], reason: str) -> None:
    path = spoiled(tmp_path)
    with pytest.raises(FootageError) as error:
        clips(path)
    assert str(error.value) == f"{path}: it can't be read as footage ({reason}); {REMEDY}"
    if path.name != tmp_path.name:
        with pytest.raises(FootageError) as error:
            probe(CameraConfig(url=str(path)), "lobby")
        assert str(error.value) == (
            f"camera 'lobby': its url can't be read as video ({reason}); give a video file or a folder of images"
        )


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
def test_a_truncated_image_is_told_by_name(tmp_path: Path, suffix: str, kept: float) -> None:
    numbered_images(tmp_path / "01", count=3, name="{}" + suffix)
    damaged = tmp_path / "01" / f"1{suffix}"
    damaged.write_bytes(damaged.read_bytes()[: int(kept * damaged.stat().st_size)])
    [clip] = clips(tmp_path / "01")
    with pytest.raises(FootageError) as error:
        list(clip.frames(64))
    assert str(error.value).startswith(f"{damaged}: it can't be read as footage (")
    assert error.value.found.endswith("(damaged picture)" if kept else "(empty file)")


def test_what_may_not_be_read_is_told(numbered_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    numbered_clip.chmod(0)
    try:
        with as_nobody(), pytest.raises(FootageError) as error:
            clips(numbered_clip)
    finally:
        numbered_clip.chmod(0o644)
    assert str(error.value) == f"{numbered_clip}: it can't be read as footage (permission denied); {REMEDY}"


def test_a_probe_tells_what_a_file_holds(numbered_clip: Path, tmp_path: Path) -> None:
    assert probe(CameraConfig(url=str(numbered_clip)), "lobby") == VideoFormat("h264", 320, 240, 25.0)
    folder = numbered_images(tmp_path / "images")
    assert probe(CameraConfig(url=str(folder), image_fps=10), "lobby") == VideoFormat("images", 120, 80, 10.0)


TIMES_S = [0.0, 0.2, 0.401, 1.4, 1.633, 61.0]


def write_times(folder: Path, *lines: str, header: str = "file,stream_time_s") -> Path:
    (folder / "times.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder


def timed_images(folder: Path, start_s: float = 0.0) -> Path:
    numbered_images(folder, count=len(TIMES_S))
    return write_times(folder, *(f"{number}.png,{start_s + time_s:.3f}" for number, time_s in enumerate(TIMES_S)))


@pytest.mark.parametrize("start_s", [0.0, 7200.25])
def test_images_with_recorded_times_are_frames_at_those_times(tmp_path: Path, start_s: float) -> None:
    [clip] = clips(timed_images(tmp_path / "images", start_s), image_fps=10.0)
    assert [frame.stream_time_s for frame in clip.frames(8)] == pytest.approx(TIMES_S, abs=1e-6)
    assert [frame.stream_time_s for frame in clip.frames(8, every=2)] == pytest.approx(TIMES_S[::2], abs=1e-6)
    assert numbers(clip) == list(range(6))
    assert clip.seconds() == pytest.approx(6 * 61.0 / 5)  # 6 images at the mean rate of 5 steps in 61 s


def test_one_image_lasts_one_interval_whatever_its_recorded_time(tmp_path: Path) -> None:
    folder = write_times(numbered_images(tmp_path / "images", count=1), "0.png,7.0")
    assert [clip.seconds() for clip in clips(folder, image_fps=10.0)] == [0.1]


def test_only_pictures_at_most_half_a_second_apart_are_read_as_a_pair(tmp_path: Path) -> None:
    timed_images(tmp_path / "normal" / "a")
    timed_images(tmp_path / "normal" / "b")
    for clip in clips(tmp_path / "normal"):  # each a recording of its own
        details = [frame.detail for frame in clip.frames(8, detail=True)]
        steps = [None if detail is None or detail.earlier is None else detail.step_s for detail in details]
        assert [step and round(step, 3) for step in steps] == [None, 0.2, 0.201, None, 0.233, None]


def test_a_camera_plays_images_at_their_recorded_times(tmp_path: Path) -> None:
    folder = timed_images(tmp_path / "images")
    source = open_source(CameraConfig(url=str(folder), image_fps=10))
    times_s = [time_s for _ in TIMES_S for _, time_s in source.read() or []]
    assert times_s == pytest.approx(TIMES_S, abs=1e-6)
    assert source.fps == pytest.approx(5 / 61)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["0.png,0.0", "1.png,0.2"], "it has 2 times for 3 images"),
        (["0.png,0.0", "1.png,0.2", "2.png,0.4", "3.png,0.6"], "it has 4 times for 3 images"),
        (["0.png,0.0", "2.png,0.2", "1.png,0.4"], "it has a line for 2.png where 1.png comes next"),
        (["0.png,0.0", "1.png,0.2", "2.png,0.2"], "the time of 2.png is not after the one before"),
        (["0.png,0.0", "1.png,soon", "2.png,0.2"], "1.png has no time in seconds"),
        (["0.png,0.0", "1.png,nan", "2.png,0.2"], "1.png has no time in seconds"),
        (["0.png,0.0", "1.png", "2.png,0.2"], "1.png has no time in seconds"),
    ],
)
def test_times_that_do_not_fit_the_images_are_told_in_one_line(tmp_path: Path, lines: list[str], found: str) -> None:
    folder = write_times(numbered_images(tmp_path / "images", count=3), *lines)
    remedy = "give each image a line with its name and time, in order, or remove the file and say --image-fps"
    for path in (folder, tmp_path):
        with pytest.raises(FootageError) as error:
            clips(path)
        assert str(error.value) == f"{folder / 'times.csv'}: {found}; {remedy}"
    with pytest.raises(FootageError) as error:
        probe(CameraConfig(url=str(folder)), "lobby")
    assert error.value.found == f"its url can't be read as video (times.csv: {found})"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "its first line is not file,stream_time_s"),
        (b"0.png,0.0\n1.png,0.2\n2.png,0.4\n", "its first line is not file,stream_time_s"),
        (b"\xff\xfe\x00", "it is no table of text"),
    ],
)
def test_what_is_no_table_of_times_is_told(tmp_path: Path, content: bytes, found: str) -> None:
    folder = numbered_images(tmp_path / "images", count=3)
    (folder / "times.csv").write_bytes(content)
    with pytest.raises(FootageError) as error:
        clips(folder)
    assert error.value.found == found


def test_ucsd_ped2_is_16_clips_of_2550_frames(shared_data: Path) -> None:
    training = clips(shared_data / "ucsd_ped2" / "training" / "frames")
    assert len(training) == 16
    assert sum(clip.frame_count() for clip in training) == 2550
    assert sum(1 for _ in training[0].frames(256)) == 120
