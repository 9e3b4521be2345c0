"""Opening of FFmpeg containers: options, time limits, and what the container then is.

`run`, `check` and the start of a file's playback open cameras by `open_container` alone.
"""

import time
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from streammon.config import CameraConfig
from streammon.ingest.faults import FaultKind, StreamFault, call_translated

FIRST_PICTURE_S = 20.0
"""Time without an undamaged picture after which a camera that still sends data is given up: twice the 10 s from
keyframe to keyframe that slow cameras are set to."""

QUICK_ANALYSIS_S, FULL_ANALYSIS_S = 0.2, 15.0
"""Part of a stream that FFmpeg analyses at most, by the stream's own timestamps, which may be made up: a
second of those is 25 frames, however long they take to come. The full analysis sees a keyframe."""

ANALYSIS_MARGIN_S = 5.0
"""Time for the first packets and their quick analysis, after the `open_timeout_s` within which the answer comes."""

SEGMENT_WAIT_S = 30.0
"""Longest wait for the next segment of HLS; servers make segments of 1 to 10 s."""

NO_TIMESTAMPS = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS: the format has no timestamps, and FFmpeg counts frames, usually at 25 a second."""

BURST_FORMATS = frozenset(("hls", "dash", "mov", "mp4", "matroska", "webm"))
"""Formats that are sent in segments, fragments or clusters of several seconds."""


def open_container(camera: CameraConfig, quick: bool) -> InputContainer:
    """Open a camera's address.

    Args:
        camera: Address and timeouts of the camera.
        quick: Analyse a stream as little as possible.

    Raises:
        StreamFault: It can't be opened.
    """
    if not camera.is_live:  # absolute, since `a:b.mp4` would be a protocol
        return call_translated(av.open, str(Path(camera.address).absolute()))
    match _protocol(camera):
        case "rtsp":
            return _open_rtsp(camera, quick)
        case "http":
            return _open_http(camera, quick)
        case _:
            return _open_live(camera, quick)


def is_segmented(container: InputContainer) -> bool:
    """True for HLS, where nothing comes for as long as a segment lasts."""
    return container.format.name.startswith("hls")


def is_single_picture(container: InputContainer) -> bool:
    """True if the answer to a request is one picture and then ends."""
    return container.format.name.endswith("_pipe") or container.format.name == "image2"


def comes_in_bursts(container: InputContainer) -> bool:
    """True for a stream that is sent in pieces of several seconds."""
    return not BURST_FORMATS.isdisjoint(container.format.name.split(","))


def has_timestamps(container: InputContainer) -> bool:
    """False if FFmpeg makes the timestamps up."""
    return not container.format.flags & NO_TIMESTAMPS


def nominal_fps(container: InputContainer, stream: VideoStream, live: bool) -> float | None:
    """Announced frames a second; None if not announced.

    Without timestamps `average_rate` is made up, and `guessed_rate` is what the stream's headers say, if anything.
    Of a live stream, `guessed_rate` may come from its first few frames.
    """
    rate = stream.average_rate if has_timestamps(container) else None
    if not live:
        rate = rate or stream.guessed_rate
    return float(rate) if rate else None


def read_limit_s(camera: CameraConfig, segmented: bool) -> float:
    """Silence in seconds after which an open stream counts as frozen."""
    return max(camera.read_timeout_s, SEGMENT_WAIT_S) if segmented else camera.read_timeout_s


def _open_rtsp(camera: CameraConfig, quick: bool) -> InputContainer:
    try:
        return _open_live(camera, quick, allowed_media_types="video")
    except StreamFault as fault:
        if fault.reason != "request refused" or not _sends_sound_alone(camera):
            raise
    raise StreamFault("it sends sound alone", FaultKind.WITHOUT_VIDEO)


def _sends_sound_alone(camera: CameraConfig) -> bool:
    """True if a camera that plays nothing without its sound has no video."""
    try:
        with _open_live(camera, False, allowed_media_types="video+audio") as container:
            return not container.streams.video
    except StreamFault:
        return False


def _open_http(camera: CameraConfig, quick: bool) -> InputContainer:
    segmented = urlsplit(camera.address).path.lower().endswith(".m3u8")
    try:
        container = _open_live(camera, quick, segmented=segmented)
    except StreamFault as fault:
        if fault.reason != "not video":
            raise
        return _open_bare_jpegs(camera, quick, fault)
    if container.format.name == "mpjpeg" and not quick:  # its parts gave no picture, so they may be malformed
        container.close()
        return _open_bare_jpegs(camera, quick, StreamFault("not video"))
    if is_segmented(container) and not segmented:
        container.close()
        return _open_live(camera, quick, segmented=True)
    return container


def _open_bare_jpegs(camera: CameraConfig, quick: bool, fault: StreamFault) -> InputContainer:
    """Open a stream of JPEGs by the JPEGs' own first and last bytes, whatever is between them.

    Cameras send parts without a first boundary, with two, or with malformed headers.

    Raises:
        StreamFault: There are none; the fault is that of the first opening.
    """
    try:
        container = _open_live(camera, quick, container="mjpeg")
    except StreamFault:
        raise fault from None
    if any(stream.width for stream in container.streams.video):
        return container
    container.close()
    raise fault


def _open_live(
    camera: CameraConfig, quick: bool, *, container: str | None = None, segmented: bool = False, **options: str
) -> InputContainer:
    asked_s = time.monotonic()
    limit_s = _opening_limit_s(camera, quick)
    try:
        opened = call_translated(
            av.open,
            camera.address,
            format="v4l2" if camera.address.startswith("/dev/video") else container,
            options=_options(camera, quick) | options,
            timeout=(limit_s, read_limit_s(camera, segmented)),
        )
    except StreamFault as fault:
        raise _opening_fault(fault, camera, time.monotonic() - asked_s) from None
    if time.monotonic() - asked_s < limit_s:
        return opened
    opened.close()  # FFmpeg's analysis was interrupted, which ends the connection
    raise StreamFault("no whole picture in time", FaultKind.SILENT)


def _options(camera: CameraConfig, quick: bool) -> dict[str, str]:
    protocol = _protocol(camera)
    if protocol == "device":
        return {}
    options = {"timeout": _microseconds(max(camera.open_timeout_s, camera.read_timeout_s))}  # of silence, in both
    if protocol == "rtsp":
        options |= {"rtsp_transport": camera.transport}
        if quick:
            return options | {"probesize": "32"}
    else:
        options |= {"rw_timeout": options["timeout"]}  # the only one of both that reaches the segments of HLS
    # With `fpsprobesize` 0 the analysis ends once the codec is known, instead of counting 20 frames for a rate.
    return options | {
        "fpsprobesize": "0",
        "analyzeduration": _microseconds(QUICK_ANALYSIS_S if quick else FULL_ANALYSIS_S),
    }


def _microseconds(seconds: float) -> str:
    return str(round(1e6 * seconds))


def _protocol(camera: CameraConfig) -> str:
    """`rtsp` or `http`, encrypted or not, or `device`."""
    scheme, separator, _ = camera.address.partition("://")
    return scheme.lower().removesuffix("s") if separator else "device"


def _opening_limit_s(camera: CameraConfig, quick: bool) -> float:
    """Longest time in seconds of each of the two steps of opening, connection and analysis.

    A server that sends nothing is given up earlier, by the timeout in `_options`.
    """
    if not quick:
        return max(camera.open_timeout_s, FIRST_PICTURE_S)
    return camera.open_timeout_s + ANALYSIS_MARGIN_S


def _opening_fault(fault: StreamFault, camera: CameraConfig, after_s: float) -> StreamFault:
    """The fault, or, since FFmpeg reports a server that accepts and never answers as invalid data, the silence."""
    return StreamFault("no answer", FaultKind.SILENT) if after_s >= 0.95 * camera.open_timeout_s else fault
