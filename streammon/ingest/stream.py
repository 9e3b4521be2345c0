"""Opening of a camera's address (stream, device, file or folder) and decoding, picture by picture."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streammon.config import CameraConfig
from streammon.ingest.faults import FaultKind, StreamFault, call_translated, fault_of
from streammon.ingest.images import ImageSequence
from streammon.ingest.joined_packets import WholePictures
from streammon.ingest.opening import (
    FIRST_PICTURE_S,
    comes_in_bursts,
    has_timestamps,
    is_segmented,
    is_single_picture,
    nominal_fps,
    open_container,
    read_limit_s,
)
from streammon.ingest.packets import EncodedStream, PacketRing
from streammon.ingest.snapshots import Snapshots
from streammon.ingest.timing import KeyframeGate
from streammon.ingest.upright import SQUARE, UprightPictures, pixel_aspect

TEXT_ART_CODECS = frozenset(("ansi", "bintext", "idf", "xbin"))
"""Decoders by which FFmpeg renders a text file as a terminal would; not accepted as video."""

DEFAULT_INTERVAL_S = 0.04


class Source(Protocol):
    """An open source of pictures; the caller closes it.

    Attributes:
        codec: FFmpeg's name of the codec.
        interval_s: Seconds from frame to frame at the nominal rate; a default if that is unknown.
        fps: Nominal frames a second; None if unknown.
        stamped: True if the frames have timestamps of their own.
        in_bursts: True if the frames come in bursts, to be shown at the times that their timestamps say.
    """

    codec: str
    fps: float | None
    interval_s: float
    stamped: bool
    in_bursts: bool

    def read(self) -> list[tuple[VideoFrame, float | None]] | None:
        """Decode the next packet to pictures, each with its timestamp in seconds, or None without one.

        Returns:
            Usually one picture, sometimes none or several; None when the source has ended.

        Raises:
            StreamFault: The source is lost or silent.
        """

    @property
    def damaged(self) -> int:
        """Number of pictures dropped as damaged, or as predicted from a damaged one."""

    def close(self) -> None:
        """Close the connection and free the memory."""


def open_source(camera: CameraConfig, quick: bool = True, ring: PacketRing | None = None) -> Source:
    """Open a camera's address: a stream, single picture, device, video file or folder of images.

    Args:
        camera: Address and timeouts of the camera.
        quick: Open a stream with as little analysis as possible: RTSP in 0.1 s instead of 1 s. This works if the
            camera announces its picture size; if it gave no picture, try False.
        ring: Receives the encoded packets of all sources but folders of images, those left out that can't be decoded.

    Raises:
        StreamFault: The source can't be opened, or has no video.
    """
    if camera.is_live:
        return _live_source(camera, quick, ring)
    path = Path(camera.address)
    if call_translated(path.stat).st_size == 0:
        raise StreamFault("empty file")
    if path.is_dir():
        return ImageSequence(path, camera.image_fps)
    return Stream(camera, open_container(camera, quick), ring)


def _live_source(camera: CameraConfig, quick: bool, ring: PacketRing | None) -> Source:
    container = open_container(camera, quick)
    if is_single_picture(container):
        return Snapshots(camera, container, ring)
    return Stream(camera, container, ring)


def whole_pictures(
    source: Source, camera: CameraConfig, stopping: Callable[[], bool]
) -> Iterator[tuple[VideoFrame, float | None]]:
    """Every undamaged picture of a source with its timestamp in seconds, or None without one.

    Ends when `stopping()` is true, or a file has ended.

    Raises:
        StreamFault: The source is lost or silent, or gave no undamaged picture for `FIRST_PICTURE_S`. A live stream
            that ends is lost.
    """
    last_s = time.monotonic()
    while not stopping():
        pictures = source.read()
        if pictures is None:
            if camera.is_live:
                raise StreamFault("stream ended")  # a killed camera ends its stream like a file
            return
        now_s = time.monotonic()
        if pictures:
            last_s = now_s
        elif camera.is_live and now_s - last_s > max(FIRST_PICTURE_S, camera.read_timeout_s):
            raise StreamFault("no whole picture")
        yield from pictures


class Stream:
    """A network stream, device or video file as a source: one FFmpeg container, closed by the thread that opened it.

    Only a timeout ends a blocking read: closing a container while a thread reads it crashes the process.
    """

    def __init__(self, camera: CameraConfig, container: InputContainer, ring: PacketRing | None = None) -> None:
        self._live = camera.is_live
        self._container = container
        self._read_limit_s = read_limit_s(camera, is_segmented(container))
        try:
            self._stream = video_stream(self._container)
        except StreamFault:
            self._container.close()
            raise
        codec = self._stream.codec_context
        codec.thread_type, codec.thread_count = "SLICE", 1  # 42 ms decode latency; frame threads take 122 ms
        self.codec = codec.name
        self.stamped = has_timestamps(container)
        self.in_bursts = self._live and comes_in_bursts(container)
        self.fps = nominal_fps(container, self._stream, self._live)
        self.interval_s = 1.0 / self.fps if self.fps else DEFAULT_INTERVAL_S
        # All streams, not the video alone, so that a frozen picture is noticed while the sound goes on.
        packets: Iterator[Packet[Any]] = self._container.demux()
        self._packets = WholePictures(packets, self._stream.index, self.codec) if self._live else packets
        self._silent_s = 0.0
        self._gate = KeyframeGate()
        self._damaged = 0
        self._upright = UprightPictures()
        self._pixel_aspect = pixel_aspect(self._stream)
        self._ring = ring
        self._encoded = EncodedStream(self._stream, self.stamped) if ring is not None else None
        if ring is not None and self._encoded is not None:
            ring.begin(self._encoded)

    @property
    def damaged(self) -> int:
        """Number of pictures dropped as damaged, or as predicted from a damaged one."""
        return self._damaged

    def read(self) -> list[tuple[VideoFrame, float | None]] | None:
        """Decode the next packet to pictures, each with its timestamp in seconds; None when the source has ended.

        Raises:
            StreamFault: The source is lost, or no video came within the read timeout.
        """
        packet = self._next_packet()
        if packet is None or (self._live and packet.size == 0):  # the flush packet after a live stream's end
            return None
        if packet.stream_index != self._stream.index:
            return []
        now_s = time.monotonic()
        try:
            frames: list[VideoFrame] = packet.decode()
        except av.error.InvalidDataError:
            self._gate.close(now_s)
            self._damaged += 1
            return []
        except av.FFmpegError as error:
            fault = fault_of(error)
        else:
            if self._ring is not None and packet.size:
                self._ring.put(packet)
            whole = [frame for frame in frames if self._is_whole(frame, packet.is_corrupt, now_s)]
            return [(self._displayed(frame, packet), frame.time if self.stamped else None) for frame in whole]
        raise fault

    def _next_packet(self) -> "Packet[Any] | None":
        asked_s = time.monotonic()
        fault: StreamFault | None = None
        packet: Packet[Any] | None = None
        try:
            packet = call_translated(next, self._packets, None)
        except StreamFault as raised:
            fault = raised
        self._silent_s += time.monotonic() - asked_s
        # Measured here, since FFmpeg buffers a packet, returns it after a first timeout and raises after a second.
        if self._live and self._silent_s >= 0.95 * self._read_limit_s:
            raise StreamFault(f"no frame for {self._silent_s:.0f} s", FaultKind.SILENT)
        if fault:
            raise StreamFault("connection lost") if self._live else fault
        if packet is not None and packet.stream_index == self._stream.index:
            self._silent_s = 0.0
        return packet

    def _is_whole(self, frame: VideoFrame, packet_is_corrupt: bool, now_s: float) -> bool:
        whole = self._gate.admits(frame.key_frame, frame.is_corrupt or packet_is_corrupt, now_s)
        self._damaged += not whole
        return whole

    def _displayed(self, frame: VideoFrame, packet: "Packet[Any]") -> VideoFrame:
        aspect = self._pixel_aspect or self._stream.codec_context.sample_aspect_ratio or SQUARE
        upright = self._upright.of_packet(frame, packet, aspect)
        if self._encoded is not None:
            self._encoded.describe(frame, self._upright.orientation, aspect)
        return upright

    def close(self) -> None:
        """Close the container."""
        self._container.close()


def video_stream(container: InputContainer) -> VideoStream:
    """The video stream of a container that FFmpeg rates best (`av_find_best_stream`).

    Cover pictures are excluded, and so are tracks of a single picture where there is another.

    Raises:
        StreamFault: The container has none, or is a text file that FFmpeg renders as video.
    """
    moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not moving:  # at most the cover picture of an audio file
        raise StreamFault("no video in it")
    moving = [stream for stream in moving if stream.frames != 1] or moving
    best = container.streams.best("video")
    chosen = next((stream for stream in moving if best is not None and stream.index == best.index), moving[0])
    if chosen.codec_context.name in TEXT_ART_CODECS:
        raise StreamFault("not video")
    return chosen
