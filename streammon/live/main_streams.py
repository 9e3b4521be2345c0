"""Main streams of the cameras whose sub-stream is scored: shown to viewers, never scored."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from streammon.config import Config
from streammon.ingest import CameraReader, MainStreamReader
from streammon.records import CameraState, CameraStatus, MainStreamStatus, Notice

if TYPE_CHECKING:
    from streammon.preview import LivePictures

PROPORTIONS_TOLERANCE = 0.05
"""Relative difference of two aspect ratios that nobody sees: encoders round sizes to 8 or 16 pixels."""


class MainStreams:
    """The main streams of all cameras with a `score_url`, each connected only while viewers watch it.

    Viewers see the sub-stream's pictures until the main stream's first one, and whenever it is lost. Begin and end of
    a fault are reported once each.

    Args:
        config: The cameras.
        pictures: Receives the pictures, and knows the viewers.
        scored: The readers of the streams that are scored.
        report: Receives statuses and notices, in the readers' threads.

    Attributes:
        readers: The readers of the main streams by camera; the owner starts, stops and joins them.
    """

    def __init__(
        self,
        config: Config,
        pictures: "LivePictures",
        scored: Mapping[str, CameraReader],
        report: Callable[[MainStreamStatus | Notice], None],
    ) -> None:
        self._pictures = pictures
        self._scored = scored
        self._report = report
        self._faulty: set[str] = set()
        self._compared: set[str] = set()
        self.readers = {
            name: MainStreamReader(
                name,
                camera,
                is_watched=partial(pictures.is_main_watched, name),
                report=partial(self._on_status, name),
                show=partial(pictures.put_main_picture, name),
            )
            for name, camera in config.cameras.items()
            if camera.score_url is not None
        }

    def _on_status(self, camera: str, status: CameraStatus) -> None:
        if status.state is CameraState.ONLINE:
            self._compare(camera)
            if camera in self._faulty:
                self._faulty.remove(camera)
                self._report(MainStreamStatus(camera))
            return
        self._pictures.clear_main(camera)
        if status.state is not CameraState.CONNECTING and camera not in self._faulty:
            self._faulty.add(camera)
            self._report(MainStreamStatus(camera, status.reason))

    def _compare(self, camera: str) -> None:
        """Report once that the proportions of a camera's two streams differ."""
        main, scored = self.readers[camera].source_size, self._scored[camera].source_size
        if camera in self._compared or main is None or scored is None:
            return
        self._compared.add(camera)
        if words := other_proportions(main, scored):
            self._report(Notice(f"camera '{camera}': {words}"))


def other_proportions(main: tuple[int, int], scored: tuple[int, int]) -> str:
    """Remark on two streams of different aspect ratios, with the remedy; empty if they are alike.

    Args:
        main: Width and height of the main stream.
        scored: Width and height of the stream that is scored.

    >>> other_proportions((3840, 2160), (640, 352))
    ''
    >>> other_proportions((1920, 1080), (704, 576))
    'url gives 1920x1080, score_url 704x576: set the camera to one aspect ratio, else heatmap and boxes are stretched'
    """
    if abs(main[0] * scored[1] / (main[1] * scored[0]) - 1) <= PROPORTIONS_TOLERANCE:
        return ""
    sizes = f"url gives {main[0]}x{main[1]}, score_url {scored[0]}x{scored[1]}"
    return f"{sizes}: set the camera to one aspect ratio, else heatmap and boxes are stretched"
