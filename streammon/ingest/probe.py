"""Probe of a camera: decodes one picture and reports the video format."""

import time
from contextlib import closing
from dataclasses import dataclass

from streammon.config import CameraConfig
from streammon.errors import FootageError
from streammon.ingest.faults import FaultKind, StreamFault
from streammon.ingest.stream import open_source


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Video format of a camera.

    Attributes:
        codec: FFmpeg's name of the codec, such as `h264`; `images` for a folder.
        width: Width of the pictures in pixels.
        height: Height of the pictures in pixels.
        fps: Announced frames a second; None if not announced.
    """

    codec: str
    width: int
    height: int
    fps: float | None


def probe(camera: CameraConfig, name: str) -> VideoFormat:
    """Open a camera and decode one picture.

    The wait for a picture ends about max(`open_timeout_s`, `read_timeout_s`) after the camera was opened.

    Raises:
        FootageError: The camera gave no picture; the message names the camera and contains no address.
    """
    try:
        with closing(open_source(camera, quick=False)) as source:
            deadline_s = time.monotonic() + max(camera.open_timeout_s, camera.read_timeout_s)
            while time.monotonic() < deadline_s:
                pictures = source.read()
                if pictures is None:
                    raise StreamFault("no picture in it")
                for picture, _pts_s in pictures:
                    return VideoFormat(source.codec, picture.width, picture.height, source.fps)
            raise StreamFault("no whole picture in time", FaultKind.SILENT)
    except StreamFault as fault:
        found = f"no video ({fault.reason})" if camera.is_live else f"its url can't be read as video ({fault.reason})"
        raise FootageError(f"camera '{name}'", found, _remedy(camera, fault)) from None


def _remedy(camera: CameraConfig, fault: StreamFault) -> str:
    if fault.kind is FaultKind.UNAUTHORISED:
        return "check the user and password in its url"
    if not camera.is_live:
        return "give a video file or a folder of images"
    return "check that it is switched on, and its url"
