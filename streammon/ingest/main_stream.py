"""Reader of a camera's main stream, which is watched but not scored."""

from collections.abc import Callable

from av.video.frame import VideoFrame

from streammon.config import CameraConfig
from streammon.ingest.reader import CameraReader
from streammon.records import CameraState, CameraStatus


class MainStreamReader(CameraReader):
    """Reads the `url` of a camera with a `score_url`, connected only while the stream is watched.

    Waiting after a fault goes on whoever comes and leaves meanwhile, so that viewers can't lock the camera's account
    by a wrong password. A file is played at its own pace, and again when it ends.

    Args:
        name: Name of the camera.
        camera: Address of the main stream and how it is read.
        is_watched: True while the connection is wanted; asked several times a second, in the reader's thread.
        report: Receives the status of the main stream at each change, in the reader's thread.
        show: Receives every decoded picture with its stream time in seconds, in the reader's thread, except while
            the stream repeats one picture. It must not block.
    """

    def __init__(
        self,
        name: str,
        camera: CameraConfig,
        is_watched: Callable[[], bool],
        report: Callable[[CameraStatus], None],
        show: Callable[[VideoFrame, float], None],
    ) -> None:
        played = camera.model_copy(update={"play": "realtime", "loop": True})
        super().__init__(f"{name} (main stream)", played, None, None, report, self._show_unless_frozen)
        self._is_watched = is_watched
        self._show_picture = show

    def _is_wanted(self) -> bool:
        return self._is_watched()

    def _show_unless_frozen(self, picture: VideoFrame, time_s: float) -> None:
        if self.status.state is CameraState.ONLINE:
            self._show_picture(picture, time_s)
