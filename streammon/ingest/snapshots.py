"""An address that gives one picture a request, as a source."""

import time

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from streammon.config import CameraConfig
from streammon.ingest.faults import FaultKind, StreamFault, call_translated
from streammon.ingest.opening import open_container
from streammon.ingest.packets import EncodedStream, PacketRing
from streammon.ingest.upright import SQUARE, UprightPictures

LONGEST_WAIT_S = 0.1
"""Longest wait of one `read`, so that a reader that is stopped ends in time."""


class Snapshots:
    """A source that requests a picture `score_fps` times a second, or as often as the camera answers.

    A request that fails is repeated; the source is lost after `read_timeout_s` without a picture.

    Args:
        camera: Address and timeouts of the camera.
        first: The answer to the first request, which the source closes.
        ring: Receives the encoded pictures.
    """

    stamped = False
    in_bursts = False

    def __init__(self, camera: CameraConfig, first: InputContainer, ring: PacketRing | None = None) -> None:
        self._camera = camera
        self._ring = ring
        self._first: InputContainer | None = first
        self.codec = f"single pictures ({first.streams.video[0].codec_context.name})"
        self.fps: float | None = camera.score_fps
        self.interval_s = 1.0 / camera.score_fps
        self.damaged = 0
        self._upright = UprightPictures()
        self._due_s = self._received_s = time.monotonic()

    def read(self) -> list[tuple[VideoFrame, float | None]] | None:
        """Request a picture when it is due; an empty list before, and if it is damaged.

        Raises:
            StreamFault: The camera refused the user or password, or gave no picture within the read timeout.
        """
        wait_s = self._due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, LONGEST_WAIT_S))
            if wait_s > LONGEST_WAIT_S:
                return []
        self._due_s = max(self._due_s, time.monotonic() - self.interval_s) + self.interval_s
        try:
            picture = self._picture()
        except StreamFault as fault:
            lost = time.monotonic() - self._received_s > self._camera.read_timeout_s
            if lost or fault.kind is FaultKind.UNAUTHORISED:
                raise
            return []
        self._received_s = time.monotonic()
        if picture is None:
            self.damaged += 1
            return []
        return [(picture, None)]

    def _picture(self) -> VideoFrame | None:
        """The picture of one request, upright; None if it is damaged.

        Raises:
            StreamFault: The request failed.
        """
        container, self._first = self._first or open_container(self._camera, quick=True), None
        with container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode"}  # else the rest of a truncated JPEG is grey
            packet = call_translated(next, container.demux(stream), None)
            try:
                frames = packet.decode() + stream.codec_context.decode(None) if packet is not None else []
            except av.FFmpegError:
                return None
            if packet is None or not frames or frames[0].is_corrupt:
                return None
            aspect = stream.sample_aspect_ratio or SQUARE
            upright = self._upright.of_packet(frames[0], packet, aspect)
            if self._ring is not None:
                encoded = EncodedStream(stream, self.stamped)
                encoded.describe(frames[0], self._upright.orientation, aspect)
                self._ring.begin(encoded)
                self._ring.put(packet)
            return upright

    def close(self) -> None:
        """Close the first answer, if it was not read."""
        if self._first is not None:
            self._first.close()
            self._first = None
