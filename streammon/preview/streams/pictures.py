"""Newest picture and heatmap of each camera, and the streams shared by its viewers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import av

from streammon.config import PreviewConfig
from streammon.preview.streams.compose import Composer, Heat, Moment, jpeg
from streammon.preview.streams.encoder import H264Encoder, JpegEncoder
from streammon.preview.streams.fanout import SharedStream, Viewer
from streammon.records import ScoredFrame

STREAMS = ("picture", "blended", "heatmap")
"""Streams of each camera."""

H264_QUEUE = 30  # pictures, about a second
JPEG_QUEUE = 1  # the newest wins
JPEG_FPS = 10.0
JPEG_QUALITY = 75
THREAD_END_S = 2.0
MAIN_LINGER_S = 5.0  # a main stream counts as watched for so long after its last viewer, who may only have reloaded

Coding = Literal["h264", "jpeg"]


class Still(NamedTuple):
    """One picture of a camera.

    Attributes:
        jpeg: The picture as JPEG.
        stream_time_s: Seconds since the first picture of its connection.
    """

    jpeg: bytes
    stream_time_s: float


class _CameraStreams:
    """Newest pictures and heatmap of one camera. Assignments are atomic, so threads need no lock."""

    def __init__(self) -> None:
        self.picture: tuple[av.VideoFrame, float] | None = None  # of the stream that is scored
        self.main_picture: tuple[av.VideoFrame, float] | None = None
        self.heat: Heat | None = None
        self.watched: tuple[SharedStream[Any], ...] = ()
        self.main_viewers: set[Viewer[Any]] = set()
        self.main_left_s = float("-inf")  # monotonic time at which the latest of them left

    def newest(self) -> Moment | None:
        """The newest picture, of the main stream if it has one, with the newest heatmap; None without a picture."""
        picture = self.main_picture
        return self.newest_scored() if picture is None else Moment(*picture, self.heat, of_main=True)

    def newest_scored(self) -> Moment | None:
        """The newest picture of the stream that is scored with the newest heatmap; None without a picture."""
        picture = self.picture
        return None if picture is None else Moment(*picture, self.heat)

    def wake(self) -> None:
        """Wake the encoders for a new picture."""
        for shared in self.watched:
            shared.wake()


class LivePictures:
    """The newest picture and the newest heatmap of each camera.

    The pictures of a stream are scaled, coloured and encoded only while it has viewers, and once for all of them.
    Where a camera's sub-stream is scored, viewers see the pictures of its main stream while there are any.

    Args:
        cameras: Names of all cameras.
        preview: Size, rate and bitrate of the streams.

    Attributes:
        failures: Number of pictures of each (camera, stream) that couldn't be encoded.
    """

    def __init__(self, cameras: Iterable[str], preview: PreviewConfig) -> None:
        self._preview = preview
        self._cameras = {name: _CameraStreams() for name in cameras}
        self._shared: dict[tuple[str, str, Coding], SharedStream[Any]] = {}
        self.failures: Counter[tuple[str, str]] = Counter()

    def __contains__(self, camera: object) -> bool:
        return camera in self._cameras

    def put_picture(self, camera: str, picture: av.VideoFrame, stream_time_s: float) -> None:
        """Show a decoded picture of the stream that is scored, unless the main stream's are shown.

        The picture must not be modified. Called in reader threads; never blocks.
        """
        view = self._cameras[camera]
        view.picture = picture, stream_time_s
        if view.main_picture is None:
            view.wake()

    def put_main_picture(self, camera: str, picture: av.VideoFrame, stream_time_s: float) -> None:
        """Show a decoded picture of the main stream; otherwise as `put_picture`."""
        view = self._cameras[camera]
        view.main_picture = picture, stream_time_s
        view.wake()

    def clear_main(self, camera: str) -> None:
        """Remove the picture of a main stream that is closed or lost. Callable from any thread."""
        self._cameras[camera].main_picture = None

    def is_main_watched(self, camera: str) -> bool:
        """True while the main stream has a viewer, and for `MAIN_LINGER_S` afterwards. Callable from any thread."""
        view = self._cameras[camera]
        return bool(view.main_viewers) or time.monotonic() - view.main_left_s < MAIN_LINGER_S

    def put_score(self, score: ScoredFrame) -> None:
        """Show a scored frame's anomaly map over the pictures that follow."""
        self._cameras[score.camera].heat = Heat(score.anomaly_map, score.threshold)

    def clear(self, camera: str) -> None:
        """Remove the picture and heatmap of a lost stream that was scored, so that no old picture looks live."""
        view = self._cameras[camera]
        view.picture = view.heat = None

    def still(
        self, camera: str, stream: str = "picture", quality: int = 80, width: int | None = None
    ) -> bytes | None:
        """The newest picture as JPEG. Takes some milliseconds, so call it outside the event loop.

        Args:
            camera: Name of the camera.
            stream: One of `STREAMS`.
            quality: JPEG quality, 1 to 100.
            width: Largest width in pixels; None for the configured width.

        Returns:
            The JPEG; None if there is no picture, or no heatmap for the stream `heatmap`.
        """
        still = self._drawn(self._cameras[camera].newest(), camera, stream, quality, width)
        return None if still is None else still.jpeg

    def timed_still(
        self, camera: str, stream: str = "picture", quality: int = 80, width: int | None = None
    ) -> Still | None:
        """As `still`, of the stream that is scored, with the time of the picture.

        Evidence of an alert, and footage to learn from, must be the pictures that were scored.
        """
        return self._drawn(self._cameras[camera].newest_scored(), camera, stream, quality, width)

    def _drawn(
        self, moment: Moment | None, camera: str, stream: str, quality: int, width: int | None
    ) -> Still | None:
        if moment is None or (stream == "heatmap" and moment.heat is None):
            return None
        try:
            composed = Composer(stream, width or self._preview.width).compose(moment)
            return Still(jpeg(composed, quality), moment.stream_time_s)
        except Exception:
            self.failures[camera, stream] += 1
            raise

    def viewers(self) -> dict[tuple[str, str], int]:
        """Number of viewers of each (camera, stream), by WebRTC or MJPEG. Call it on the event loop."""
        counts: dict[tuple[str, str], int] = {}
        for (camera, stream, _), shared in self._shared.items():
            counts[camera, stream] = counts.get((camera, stream), 0) + shared.count
        return counts

    def join(self, camera: str, stream: str, coding: Coding, main: bool = True) -> Viewer[Any]:
        """Add a viewer to a stream; `leave` must follow. Call it on the event loop.

        Args:
            camera: Name of the camera.
            stream: One of `STREAMS`.
            coding: Coding of the pictures.
            main: Count as a viewer of the main stream, whose pictures come as soon as it is open; a viewer of the
                heatmap alone never counts.
        """
        key = (camera, stream, coding)
        if key not in self._shared:
            self._shared[key] = self._new_shared(key)
            self._update_watched(camera)
        viewer = self._shared[key].join()
        if main and stream != "heatmap":
            self._cameras[camera].main_viewers.add(viewer)
        return viewer

    def leave(self, camera: str, stream: str, coding: Coding, viewer: Viewer[Any]) -> SharedStream[Any] | None:
        """Remove a viewer; returns the shared stream, whose thread ends, if the viewer was its last, else None."""
        view = self._cameras[camera]
        if viewer in view.main_viewers:
            view.main_left_s = time.monotonic()
            view.main_viewers.remove(viewer)
        key = (camera, stream, coding)
        shared = self._shared.get(key)
        if shared is None:
            return None
        shared.leave(viewer)
        if shared.count:
            return None
        del self._shared[key]
        self._update_watched(camera)
        return shared

    @asynccontextmanager
    async def watching(
        self, camera: str, stream: str, coding: Coding, main: bool = True
    ) -> AsyncIterator[Viewer[Any]]:
        """Context manager of one viewer; the last viewer to leave waits for the end of the encoder's thread."""
        viewer = self.join(camera, stream, coding, main)
        try:
            yield viewer
        finally:
            ending = self.leave(camera, stream, coding, viewer)
            if ending is not None:
                await asyncio.to_thread(ending.wait_ended, THREAD_END_S)

    def close(self) -> None:
        """End the stream of every viewer: `Viewer.get` then returns None. Call it on the event loop."""
        for shared in list(self._shared.values()):
            shared.close()

    def _new_shared(self, key: tuple[str, str, Coding]) -> SharedStream[Any]:
        camera, stream, coding = key
        composer = Composer(stream, self._preview.width)
        encoder: H264Encoder | JpegEncoder
        if coding == "h264":
            encoder = H264Encoder(composer, self._preview.fps, self._preview.bitrate_kbps)
        else:
            encoder = JpegEncoder(composer, min(JPEG_FPS, self._preview.fps), JPEG_QUALITY)
        shared: SharedStream[Any] = SharedStream(
            f"streammon-{coding}-{camera}-{stream}",
            encoder,
            self._cameras[camera].newest,
            H264_QUEUE if coding == "h264" else JPEG_QUEUE,
            on_failure=lambda: self.failures.update([(camera, stream)]),
        )
        return shared

    def _update_watched(self, camera: str) -> None:
        self._cameras[camera].watched = tuple(shared for key, shared in self._shared.items() if key[0] == camera)
