"""Pictures too small or too flat for optical flow: refused with a reason, by everything that reads them."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from streammon.config import CameraConfig
from streammon.errors import FootageError
from streammon.ingest import CameraReader, clips, probe, reader
from streammon.motion.flow import FlowEstimator
from streammon.records import CameraState, CameraStatus, Detail, Frame, has_flow_size
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.flat_footage import textured

FLAT = {
    (1281, 33): "pictures of 1281x33 pixels are too flat to watch for motion",
    (1281, 20): "pictures of 1281x20 pixels are too flat to watch for motion",
    (8, 8): "pictures of 8x8 pixels are too small to watch for motion",
    (20, 1281): "pictures of 20x1281 pixels are too narrow to watch for motion",
}
SEEN = [(1281, 44), (33, 1281), (16, 12), (64, 16)]
REMEDY = "give larger pictures of a usual shape, or set the method to padim, which judges looks alone"


@pytest.fixture(params=FLAT, ids=str)
def flat(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A clip of flat pictures, and the reason why they are not watched."""
    return textured(tmp_path / "flat.avi", request.param), FLAT[request.param]


def test_the_camera_is_offline_with_the_reason_and_tried_again(
    flat: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "backoff_s", lambda *_: 0.01)
    path, reason = flat
    statuses: Recorder[CameraStatus] = Recorder()
    frames: Recorder[Frame] = Recorder()
    camera = CameraReader("strip", CameraConfig(url=str(path)), 64, frames, statuses, detail=True)
    camera.start()
    status = statuses.wait_for(lambda status: status.state is CameraState.OFFLINE)
    assert (status.reason, status.retry_in_s) == (reason, 0.01)
    camera.stop()
    assert camera.join(DEADLINE_S)
    assert camera.counts.failures >= 1
    assert frames.entries == []


def test_footage_and_check_refuse_it_in_one_line(flat: tuple[Path, str]) -> None:
    path, reason = flat
    (clip,) = clips(path)
    with pytest.raises(FootageError) as refused:
        next(clip.frames(64, detail=True))
    assert str(refused.value) == f"{path}: it can't be read as footage ({reason}); {REMEDY}"
    with pytest.raises(FootageError) as refused:
        probe(CameraConfig(url=str(path)), "strip", detail=True)
    assert str(refused.value) == f"camera 'strip': {reason}; {REMEDY}"


def test_for_looks_alone_any_shape_is_read(flat: tuple[Path, str]) -> None:
    path, _ = flat
    (clip,) = clips(path)
    assert {frame.picture.shape for frame in clip.frames(64)} == {(64, 64, 3)}
    assert probe(CameraConfig(url=str(path)), "strip").codec == "mjpeg"


@pytest.mark.parametrize("size", SEEN, ids=str)
def test_small_and_narrow_pictures_that_flow_can_use_are_watched(size: tuple[int, int], tmp_path: Path) -> None:
    (clip,) = clips(textured(tmp_path / "clip.avi", size))
    flow = FlowEstimator()
    motions = [flow.motion(frame.detail) for frame in clip.frames(64, detail=True)]
    moving = [motion for motion in motions if motion is not None]
    assert len(moving) == 29  # all but the first
    assert all(np.isfinite(motion.velocity).all() for motion in moving)


def test_a_stream_that_becomes_flat_amid_it_goes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "backoff_s", lambda *_: 10 * DEADLINE_S)
    parts = [textured(tmp_path / f"{w}.ts", (w, h), 2, "libx264") for w, h in ((320, 240), (960, 32 - 2))]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    statuses: Recorder[CameraStatus] = Recorder()
    frames: Recorder[Frame] = Recorder()
    url = str(tmp_path / "both.ts")
    camera = CameraReader("strip", CameraConfig(url=url, play="fast"), 64, frames, statuses, detail=True)
    camera.start()
    status = statuses.wait_for(lambda status: status.state is CameraState.OFFLINE)
    assert status.reason == "pictures of 960x30 pixels are too flat to watch for motion"
    camera.stop()
    assert camera.join(DEADLINE_S)
    assert [status.state for status in statuses.entries] == ["connecting", "online", "offline"]
    assert {frame.source_size for frame in frames.entries} == {(320, 240)}


def test_a_detail_that_would_end_the_process_is_refused_by_the_flow() -> None:
    picture = np.zeros((12, 480, 3), np.uint8)
    with pytest.raises(ValueError, match="a detail of 480x12 pixels is too small for optical flow"):
        FlowEstimator().motion(Detail(picture, picture[..., 0].copy(), 0.1))


def test_every_size_that_is_let_through_survives_opencv(tmp_path: Path) -> None:
    """In a process of its own: OpenCV doesn't raise, it crashes."""
    script = textwrap.dedent("""
        import cv2, numpy as np
        from streammon.motion.flow import FlowEstimator
        from streammon.records import Detail, has_flow_size

        rng, flow = np.random.default_rng(0), FlowEstimator()
        sides = (1, 7, 8, 11, 12, 15, 16, 17, 23, 31, 32, 38, 39, 40, 41, 46, 64, 127, 480)
        tried = 0
        for height in sides:
            for width in sides:
                if has_flow_size(width, height):
                    later = rng.integers(0, 256, (height, width, 3), np.uint8)
                    earlier = np.roll(cv2.cvtColor(later, cv2.COLOR_RGB2GRAY), 2, 1)
                    assert flow.motion(Detail(later, earlier, 0.1)) is not None
                    tried += 1
        print(tried)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 200
    assert not has_flow_size(480, 12)
