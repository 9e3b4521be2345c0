"""A real camera that cuts its pictures in slices, with parameter sets before each, is read picture by picture."""

import subprocess

import numpy as np
import pytest

from streammon.config import CameraConfig
from streammon.ingest import CameraReader
from streammon.ingest.joined_packets import continues_picture
from streammon.records import CameraStatus, Frame
from support.cameras import Recorder, has_gstreamer
from support.deadlines import DEADLINE_S
from support.preview_timecode_camera import COMMAND, TESTS


@pytest.mark.parametrize("slices", [1, 4])
def test_pictures_in_slices_are_whole(slices: int) -> None:
    if not has_gstreamer():
        pytest.skip("no GStreamer RTSP server")
    frames: Recorder[Frame] = Recorder()
    statuses: Recorder[CameraStatus] = Recorder()
    with subprocess.Popen(
        [*COMMAND, "--width", "480", "--height", "320", "--slices", str(slices)],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as camera:
        assert camera.stdout is not None
        port = camera.stdout.readline().split()[1]
        config = CameraConfig.model_validate({"url": f"rtsp://127.0.0.1:{port}/live", "score_fps": 25})
        reader = CameraReader("sliced", config, 256, frames, statuses)
        reader.start()
        try:
            frames.wait_for(lambda frame: frame.seq == 60)
        finally:
            reader.stop()
            camera.kill()
            assert reader.join(DEADLINE_S)
    # the stripes of the camera go from 60 to 180, in each part of the picture that a slice could hold
    parts = frames.entries[60].picture[32:].reshape(4, 56, 256, 3)
    assert all(np.ptp(part.mean(axis=(0, 2))) > 80 for part in parts)
    # in slices: until the next keyframe, which the first slices of a keyframe tell; a live stream's first may be cut
    assert reader.counts.corrupt <= (50 if slices > 1 else 1)


def test_slices_of_one_picture_are_recognised_in_hevc_too() -> None:
    parameter_set, first, second = (
        bytes.fromhex(f"000001 {unit}") for unit in ("4001 0c01", "2601 af09", "2601 2f09")
    )
    assert [continues_picture(parameter_set + each, "hevc") for each in (first, second)] == [False, True]


@pytest.mark.parametrize("head", [b"", b"\0\0\1", b"\0\0\1\x65", b"\xff\xd8\xff\xe0" * 8])
def test_what_is_no_slice_continues_no_picture(head: bytes) -> None:
    assert not continues_picture(head, "h264")
    assert not continues_picture(head, "hevc")
    assert not continues_picture(b"\0\0\1\x65\x48\0\0\0", "mjpeg")
