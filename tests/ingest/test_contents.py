"""How many frames a video has, whatever its container estimates."""

from pathlib import Path

import av
import cv2
import pytest

from streammon.config import CameraConfig
from streammon.ingest import Pace, clips, probe
from streammon.ingest.contents import packet_times
from support.numbered_footage import encode, number_in, numbered_picture
from support.odd_containers import (
    fragmented,
    variable_rate,
    with_edit_list,
    with_preview_track,
    with_repeated_frames,
)


def numbers(path: Path) -> list[int]:
    [clip] = clips(path)
    return [number_in(frame.picture) for frame in clip.frames(None)]


@pytest.mark.parametrize("ending", ["mkv", "ts", "mp4", "flv"])
def test_pauses_and_jumps_of_the_clock_count_no_frames(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, _ = variable_rate(tmp_path, ending)
    [clip] = clips(path)
    assert numbers(path) == list(range(120))
    assert caplog.messages == []
    assert clip.frame_count() == 120
    assert clip.listed_frames() == (120 if ending == "mp4" else None)
    steps_s = 39 * 0.04 + 8.0 + 39 * 0.2 + 39 * 0.04  # the jump is no time
    assert clip.seconds() == pytest.approx(steps_s, abs=1.0)
    assert list(clip.frames(8))[-1].stream_time_s == pytest.approx(clip.seconds(), abs=1.0)


@pytest.mark.parametrize("pace", [Pace(), Pace(fps=5.0), Pace(every=3), Pace(every=2, fps=4.0)])
def test_a_length_tells_how_many_frames_a_pace_takes(tmp_path: Path, pace: Pace) -> None:
    path, _ = variable_rate(tmp_path, "mkv")
    [clip] = clips(path)
    assert clip.length(pace).taken == len(list(clip.frames(8, pace.every, fps=pace.fps)))


@pytest.mark.parametrize("pace", [Pace(), Pace(fps=5.0)])
def test_the_length_of_an_avi_is_that_of_its_packets_and_read_from_its_index(tmp_path: Path, pace: Pace) -> None:
    for path in (with_repeated_frames(tmp_path), encode(tmp_path / "even.avi", codec="mpeg4")):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times_s = list(packet_times(container, stream))
            packets = [packet for packet in container.demux(stream) if packet.size]  # not read by `packet_times`
            assert times_s == [pytest.approx(float((packet.dts or 0) * packet.time_base)) for packet in packets]
        [clip] = clips(path)
        assert clip.length(pace).taken == len(list(clip.frames(8, pace.every, fps=pace.fps)))


def test_the_packets_of_an_avi_without_its_index_are_counted(tmp_path: Path) -> None:
    """A file cut short has lost the index at its end."""
    path = encode(tmp_path / "cut.avi", codec="mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    [clip] = clips(path)
    assert clip.length().frames == len(list(clip.frames(8)))


@pytest.mark.parametrize("pace", [Pace(), Pace(fps=5.0), Pace(every=2, fps=4.0)])
def test_a_length_of_images_tells_how_many_a_pace_takes_of_those_recorded(tmp_path: Path, pace: Pace) -> None:
    times_s = [0.04 * number for number in range(10)] + [60.0 + 0.04 * number for number in range(10)]
    for number in range(len(times_s)):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), numbered_picture(number, 96, 64))
    lines = [f"{number}.png,{time_s:.2f}" for number, time_s in enumerate(times_s)]
    (tmp_path / "times.csv").write_text("\n".join(["file,stream_time_s", *lines]) + "\n")
    [clip] = clips(tmp_path)
    assert clip.length(pace).taken == len(list(clip.frames(8, pace.every, fps=pace.fps)))


def test_frames_that_an_edit_list_hides_are_no_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = with_edit_list(tmp_path)
    [clip] = clips(path)
    assert (clip.frame_count(), clip.listed_frames()) == (150, 150)
    assert clip.seconds() == pytest.approx(6.0)
    assert numbers(path) == list(range(45, 195))
    assert caplog.messages == []


def test_frames_that_an_avi_repeats_are_no_frames(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = with_repeated_frames(tmp_path)
    assert clips(path)[0].listed_frames() == 75
    assert numbers(path) == list(range(75))
    assert caplog.messages == []


def test_a_fragmented_file_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = fragmented(tmp_path)
    assert clips(path)[0].frame_count() == 75
    assert numbers(path) == list(range(75))
    assert caplog.messages == []


def test_of_a_fragmented_file_cut_mid_way_the_log_tells_what_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fragmented(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = numbers(path)
    assert 25 < len(read) < 50
    assert read == list(range(len(read)))
    [line] = caplog.messages
    assert line.startswith(f"clip 'fragmented': {len(read)} frames read to {0.04 * (len(read) - 1):.2f} s, ")
    assert "50 announced" in line  # by the fragments that have begun
    assert line.endswith("it is damaged or cut short")


@pytest.mark.parametrize("ending", ["mkv", "ts"])
def test_a_container_without_a_list_that_is_cut_says_so(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(tmp_path / f"cut.{ending}", codec="mpeg4" if ending == "mkv" else "libx264")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = numbers(path)
    assert 0 < len(read) < 75
    assert "announced" not in caplog.text


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov"])
def test_the_recording_is_read_and_not_its_preview(tmp_path: Path, ending: str, default: bool) -> None:
    path = with_preview_track(tmp_path / f"recorder.{ending}", default=default)
    assert numbers(path) == list(range(50))
    assert clips(path)[0].frame_count() == 50
    found = probe(CameraConfig(url=str(path)), "gate")
    assert (found.codec, found.width, found.height) == ("h264", 320, 240)
