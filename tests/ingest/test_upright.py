"""Pictures come as their file or camera asks to display them, wherever they go."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streammon.config import CameraConfig
from streammon.ingest import CameraReader, VideoFormat, clips, probe
from streammon.ingest.upright import orientation_of_matrix
from streammon.records import CameraState, CameraStatus, Frame
from support.cameras import Recorder, RtspServer
from support.deadlines import DEADLINE_S
from support.turned_footage import (
    MATRICES,
    UPRIGHT,
    blocks_in,
    encode_pictures,
    save_image,
    stored_picture,
    turn_track,
    with_orientation_message,
    with_pixel_aspect,
)

ORIENTATIONS = range(1, 9)


def squeezed(orientation: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) of the six blocks as stored, at a width and height."""
    picture = cv2.resize(stored_picture(orientation), size, interpolation=cv2.INTER_NEAREST)
    return cast(NDArray[np.uint8], picture)


@contextmanager
def served(video: Path, content_type: str = "video/mp4") -> Iterator[str]:
    """The address of a server that sends a video to everyone who asks, and then closes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(video.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01]).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{video.name}"
    finally:
        server.shutdown()
        server.server_close()


def played(url: str, frames: int = 10) -> tuple[list[Frame], list[tuple[int, int, list[list[int]]]]]:
    """The first frames of a camera, and what its preview is shown: width, height and blocks of each picture."""
    kept: Recorder[Frame] = Recorder()
    statuses: Recorder[CameraStatus] = Recorder()
    shown: list[tuple[int, int, list[list[int]]]] = []

    def show(picture: VideoFrame, _time_s: float) -> None:
        shown.append(
            (picture.width, picture.height, blocks_in(cast(NDArray[np.uint8], picture.to_ndarray(format="rgb24"))))
        )

    camera = CameraConfig(url=url, score_fps=25, play="fast")
    reader = CameraReader("gate", camera, (96, 64), kept, statuses, show, detail=True)
    reader.start()
    try:
        kept.wait_for(lambda _: True, count=frames)
        assert {status.state for status in statuses.entries[:2]} <= {CameraState.CONNECTING, CameraState.ONLINE}
    finally:
        reader.stop()
        assert reader.join(DEADLINE_S)
    return kept.entries[:frames], shown[:frames]


def require_upright(frames: list[Frame]) -> None:
    assert {frame.source_size for frame in frames} == {(96, 64)}
    assert [blocks_in(frame.picture) for frame in frames] == [UPRIGHT.tolist()] * len(frames)
    for frame in frames:
        assert frame.detail is not None
        assert blocks_in(frame.detail.picture) == UPRIGHT.tolist()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_file_is_turned_and_mirrored_by_its_display_matrix(tmp_path: Path, orientation: int) -> None:
    path = encode_pictures(tmp_path / "phone.mp4", stored_picture(orientation))
    turn_track(path, MATRICES[orientation])
    frames = list(clips(path)[0].frames((96, 64), detail=True))
    assert len(frames) == 10
    require_upright(frames)
    assert probe(CameraConfig(url=str(path)), "gate") == VideoFormat("h264", 96, 64, 25.0)
    frames, shown = played(str(path))
    require_upright(frames)
    assert shown == [(96, 64, UPRIGHT.tolist())] * 10


@pytest.mark.parametrize("orientation", [6, 7])
def test_a_live_stream_is_turned_by_its_containers_display_matrix(tmp_path: Path, orientation: int) -> None:
    path = encode_pictures(tmp_path / "camera.mov", stored_picture(orientation))
    with served(turn_track(path, MATRICES[orientation])) as url:
        frames, shown = played(url)
        assert (probe(CameraConfig(url=url), "gate").width, probe(CameraConfig(url=url), "gate").height) == (96, 64)
    require_upright(frames)
    assert shown == [(96, 64, UPRIGHT.tolist())] * 10


@pytest.mark.parametrize(
    ("turn", "orientation"),
    [("rotate=90", 8), ("rotate=180", 3), ("rotate=270", 6), ("flip=horizontal", 2), ("flip=vertical", 4)],
)
def test_a_live_stream_is_turned_by_h264s_own_message(tmp_path: Path, turn: str, orientation: int) -> None:
    """Its angles are counter-clockwise. It comes with some keyframes, and holds for the frames between."""
    plain = encode_pictures(tmp_path / "plain.ts", stored_picture(orientation))
    with served(with_orientation_message(plain, tmp_path / "camera.ts", turn)) as url:
        frames, _ = played(url)
    require_upright(frames)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".TIFF"])
def test_an_image_is_turned_by_its_exif_orientation(tmp_path: Path, ending: str, orientation: int) -> None:
    save_image(tmp_path / f"0{ending}", stored_picture(orientation), orientation)
    require_upright(list(clips(tmp_path)[0].frames((96, 64), detail=True)))
    frames, shown = played(str(tmp_path), frames=1)
    require_upright(frames)
    assert shown == [(96, 64, UPRIGHT.tolist())]


@pytest.mark.parametrize("orientation", [2, 5, 6])
def test_an_mjpeg_stream_is_turned_by_the_exif_orientation_of_its_pictures(tmp_path: Path, orientation: int) -> None:
    image = save_image(tmp_path / "0.jpg", stored_picture(orientation), orientation).read_bytes()
    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n".encode()
    (tmp_path / "camera.mjpg").write_bytes(image * 10)
    require_upright(list(clips(tmp_path / "camera.mjpg")[0].frames((96, 64), detail=True)))
    (tmp_path / "multipart").write_bytes((head + image + b"\r\n") * 50)
    with served(tmp_path / "multipart", "multipart/x-mixed-replace; boundary=frame") as url:
        frames, _ = played(url, frames=5)
    require_upright(frames)


def test_a_camera_of_single_pictures_is_turned_by_their_exif_orientation(tmp_path: Path) -> None:
    with served(save_image(tmp_path / "0.jpg", stored_picture(6), 6), "image/jpeg") as url:
        frames, shown = played(url, frames=2)
    require_upright(frames)
    assert shown == [(96, 64, UPRIGHT.tolist())] * 2


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\xff",  # a directory beyond the end
        b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0\0\0\0\0",  # orientation 99
        b"\xff\xe1\x00\x08Exif\0\0",
    ],
)
def test_a_broken_exif_orientation_leaves_the_picture_as_stored(tmp_path: Path, content: bytes) -> None:
    cv2.imwrite(str(tmp_path / "0.jpg"), stored_picture(1))
    plain = (tmp_path / "0.jpg").read_bytes()
    (tmp_path / "0.jpg").write_bytes(plain[:2] + content + plain[2:])
    require_upright(list(clips(tmp_path)[0].frames((96, 64), detail=True)))


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((2.0, 0.0, 0.0, 2.0), 1),
        ((0.02, 0.99, -0.99, 0.02), 6),
        ((0.0, 0.0, 0.0, 0.0), 1),
        ((-0.9, -0.1, 0.1, -0.9), 3),
    ],
)
def test_a_matrix_between_the_eight_counts_as_the_nearest(
    matrix: tuple[float, float, float, float], upright: int
) -> None:
    assert orientation_of_matrix(*(round(65536 * value) for value in matrix)) == MATRICES[upright]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize(
    ("stored", "aspect", "shown"),
    [
        ((352, 576), Fraction(24, 11), (768, 576)),  # 4:3 in half the columns
        ((704, 576), Fraction(12, 11), (768, 576)),
        ((720, 480), Fraction(8, 9), (720, 540)),  # enlarged, so that no pixel is lost
        ((96, 64), Fraction(400, 399), (96, 64)),
        ((96, 64), Fraction(255, 1), (96, 64)),  # no real camera's
    ],
)
def test_oblong_pixels_are_made_square(
    tmp_path: Path, ending: str, stored: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    picture = squeezed(1, stored)
    codec = "mpeg4" if ending == "avi" else "libx264"
    path = encode_pictures(tmp_path / f"dvr.{ending}", picture, aspect=aspect, frames=12, codec=codec)
    frames = list(clips(path)[0].frames(None, detail=True))
    assert [frame.source_size for frame in frames] == [shown] * 12
    assert frames[-1].picture.shape == (shown[1], shown[0], 3)
    assert blocks_in(frames[-1].picture) == UPRIGHT.tolist()
    detail = frames[-1].detail
    assert detail is not None
    assert detail.picture.shape[1] / detail.picture.shape[0] == pytest.approx(shown[0] / shown[1], rel=0.01)
    video_format = probe(CameraConfig(url=str(path)), "gate")
    assert (video_format.width, video_format.height) == shown


def test_the_containers_pixel_aspect_holds_before_the_codecs(tmp_path: Path) -> None:
    codec_has_none = encode_pictures(tmp_path / "a.mp4", stored_picture(1))
    codec_has_another = encode_pictures(tmp_path / "b.mp4", stored_picture(1), aspect=Fraction(12, 11))
    codec_has_another.write_bytes(
        codec_has_another.read_bytes().replace(
            b"pasp" + (12).to_bytes(4) + (11).to_bytes(4), b"pasp" + (3).to_bytes(4) + (2).to_bytes(4)
        )
    )
    for path in (with_pixel_aspect(codec_has_none, 3, 2), codec_has_another):
        assert {frame.source_size for frame in clips(path)[0].frames(None)} == {(144, 64)}


def test_a_live_stream_with_oblong_pixels_is_shown_in_its_aspect(tmp_path: Path) -> None:
    picture = squeezed(1, (352, 576))
    with served(encode_pictures(tmp_path / "dvr.ts", picture, aspect=Fraction(24, 11))) as url:
        frames, shown = played(url)
    assert {frame.source_size for frame in frames} == {(768, 576)}
    assert shown == [(768, 576, UPRIGHT.tolist())] * 10


def test_a_picture_is_stretched_before_it_is_turned(tmp_path: Path) -> None:
    stored = squeezed(6, (352, 576))
    path = encode_pictures(tmp_path / "dvr.mp4", stored, aspect=Fraction(24, 11), frames=2)
    [frame, _] = clips(turn_track(path, MATRICES[6]))[0].frames(None)
    assert frame.source_size == (576, 768)
    assert blocks_in(frame.picture) == UPRIGHT.tolist()


def test_an_rtsp_camera_is_shown_in_its_aspect_and_upright(tmp_path: Path) -> None:
    picture = squeezed(6, (352, 576))
    plain = encode_pictures(tmp_path / "plain.ts", picture, frames=50, aspect=Fraction(24, 11))
    camera = RtspServer({"dvr": with_orientation_message(plain, tmp_path / "dvr.mp4", "rotate=270")})
    try:
        frames, shown = played(camera.url("dvr"))
    finally:
        camera.close()
    assert {frame.source_size for frame in frames} == {(576, 768)}
    assert shown == [(576, 768, UPRIGHT.tolist())] * 10
