"""Probe of a camera: decodes one picture and reports the video format."""

from contextlib import closing
from dataclasses import dataclass

from streammon.config import CameraConfig
from streammon.errors import FootageError
from streammon.ingest.detail import require_detail
from streammon.ingest.faults import FLAT_REMEDY, FaultKind, StreamFault
from streammon.ingest.stream import open_source, whole_pictures


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


def probe(camera: CameraConfig, name: str, *, key: str = "url", detail: bool = False) -> VideoFormat:
    """Open a camera as a reader does, and decode one picture.

    Args:
        camera: Address and timeouts of the camera.
        name: Name of the camera.
        key: Setting that the address is from, for the message.
        detail: Also refuse a picture that is too small or too flat for motion analysis.

    Raises:
        FootageError: The camera gave no picture, or one too small or too flat; the message names the camera and
            contains no address.
    """
    try:
        found = _format(camera)
        if detail:
            require_detail((found.width, found.height))
        return found
    except StreamFault as fault:
        raise FootageError(f"camera '{name}'", _found(camera, key, fault), _remedy(camera, key, fault)) from None


def _found(camera: CameraConfig, key: str, fault: StreamFault) -> str:
    if fault.kind is FaultKind.FLAT:
        return fault.reason
    if not camera.is_live:
        return f"its {key} can't be read as video ({fault.reason})"
    return f"no video ({fault.reason})" if key == "url" else f"no video from its {key} ({fault.reason})"


def _format(camera: CameraConfig) -> VideoFormat:
    """Format of the first picture, by both ways of opening, which a reader alternates until one gives a picture."""
    try:
        return _first_format(camera, quick=True)
    except StreamFault as fault:
        if not camera.is_live or fault.kind is not FaultKind.LOST:
            raise
    return _first_format(camera, quick=False)


def _first_format(camera: CameraConfig, quick: bool) -> VideoFormat:
    with closing(open_source(camera, quick)) as source:
        for picture, _pts_s in whole_pictures(source, camera, stopping=lambda: False):
            return VideoFormat(source.codec, picture.width, picture.height, source.fps)
    raise StreamFault("no picture in it")


def _remedy(camera: CameraConfig, key: str, fault: StreamFault) -> str:
    if fault.kind is FaultKind.FLAT:
        return FLAT_REMEDY
    if fault.kind is FaultKind.UNAUTHORISED:
        return f"check the user and password in its {key}"
    if fault.kind is FaultKind.WITHOUT_VIDEO:
        return f"give the {key} of a stream with video"
    if not camera.is_live:
        return "give a video file or a folder of images"
    return f"check that it is switched on, and its {key}"
