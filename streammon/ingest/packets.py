"""The latest encoded packets of each camera, so that a clip can begin before its alert.

Packets are copied out of FFmpeg as they are read, and the codec parameters are kept apart from the connection, since
both must outlive it.
"""

import io
import threading
import time
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import av
from av.codec import CodecContext
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streammon.ingest.faults import StreamFault, call_translated
from streammon.ingest.upright import AS_STORED, SQUARE, Orientation, UprightPictures
from streammon.records import Picture

if TYPE_CHECKING:
    from av.packet import Packet

CLIP_CODECS = ("h264", "hevc")
"""Codecs that browsers play in MP4 and whose packets depend on a keyframe."""

RING_BYTES = 64 << 20
"""Bytes kept of one camera at most: two minutes at 4 Mbit/s."""

LONGEST_BEHIND_S = 10.0
"""A packet whose timestamp lies farther behind the picture shown keeps its time of arrival: a clock was set."""


class EncodedStream:
    """Codec parameters of one connection's video; they stay valid after the connection is closed.

    Args:
        stream: The video stream, still open.
        stamped: False if FFmpeg makes the timestamps up.

    Attributes:
        codec: FFmpeg's name of the codec.
        time_base: Seconds per unit of the packets' timestamps.
        stamped: False if FFmpeg makes the timestamps up.
        extradata: Parameter sets from the container; empty if they come with the keyframes alone.
        template: Output stream with the same codec parameters, to copy from; None if the codec is not in
            `CLIP_CODECS`.
        orientation: Orientation of the latest decoded picture.
        pixel_aspect: Width / height of a stored pixel.
        size: Width and height of a stored picture in pixels; (0, 0) if unknown before the first was decoded.
    """

    def __init__(self, stream: VideoStream, stamped: bool = True) -> None:
        context = stream.codec_context
        self.codec = context.name
        self.time_base = stream.time_base or Fraction(1, 90_000)
        self.stamped = stamped
        self.extradata = bytes(context.extradata or b"")
        self.orientation: Orientation = AS_STORED
        self.pixel_aspect = SQUARE
        self.size = (context.width, context.height)
        self.template: VideoStream | None = None
        if self.codec in CLIP_CODECS:
            self._keeper = av.open(io.BytesIO(), "w", format="mp4")  # never written, only owns the template
            self.template = copied_stream(self._keeper, stream)

    def describe(self, picture: VideoFrame, orientation: Orientation, pixel_aspect: Fraction) -> None:
        """Note how a decoded picture is stored, for pictures decoded later."""
        self.orientation, self.pixel_aspect = orientation, pixel_aspect
        self.size = picture.width, picture.height


def copied_stream(container: OutputContainer, template: VideoStream) -> VideoStream:
    """A stream of an output container with the codec parameters of another stream."""
    return container.add_stream_from_template(template, opaque=True)  # else PyAV looks for an encoder of the codec


@dataclass(slots=True, eq=False)
class EncodedPacket:
    """One encoded picture.

    Attributes:
        stream: The connection that it came by.
        number: Number among the camera's packets, counting up over reconnections.
        content: The packet's bytes.
        pts: Presentation timestamp in `stream.time_base`; None if it has none of its own.
        dts: Decoding timestamp, likewise.
        duration: Duration in `stream.time_base`; 0 if unknown.
        is_keyframe: True if it can be decoded without other packets.
        time_s: Unix time of its picture, the same as `Frame.wall_time_s`; until that is known, the time of its
            arrival, or for a file the time of the picture shown last.
    """

    stream: EncodedStream
    number: int
    content: bytes
    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    time_s: float


Group = list[EncodedPacket]
"""Packets from a keyframe to the one before the next keyframe."""


class PacketRing:
    """The latest packets of one camera, in whole groups, each of which begins with a keyframe.

    The groups of the last `span_s` seconds are kept, and the one before them, so that there is a keyframe at or
    before every moment of that time. Beyond `max_bytes` the oldest groups go first; a single group that is larger is
    dropped to its end. The reader's thread writes, any thread reads; neither waits for more than a copy of a list.

    Args:
        span_s: Seconds kept.
        is_live: False for footage, whose pictures have times of their own.
        max_bytes: Bytes kept at most.
    """

    def __init__(self, span_s: float, *, is_live: bool = True, max_bytes: int = RING_BYTES) -> None:
        self._span_s = span_s
        self._is_live = is_live
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._stream: EncodedStream | None = None
        self._groups: deque[Group] = deque()
        self._untimed: deque[EncodedPacket] = deque()  # packets whose picture was not shown yet
        self._bytes = 0
        self._next = 0
        self._shown_s = 0.0

    def begin(self, stream: EncodedStream) -> None:
        """Begin a new connection, whose packets are put from now on."""
        with self._lock:
            self._stream = stream
            self._untimed.clear()
            self._shown_s = max(self._shown_s, time.time())

    def put(self, packet: "Packet[Any]") -> None:
        """Add a packet; one that can't be decoded for want of its keyframe is left out."""
        assert self._stream is not None
        stream = self._stream
        with self._lock:
            has_keyframe = bool(self._groups) and self._groups[-1][0].stream is stream
            if not packet.is_keyframe and not has_keyframe:
                return
            kept = EncodedPacket(
                stream,
                self._next,
                bytes(packet),
                packet.pts if stream.stamped else None,
                packet.dts if stream.stamped else None,
                packet.duration or 0,
                packet.is_keyframe,
                time.time() if self._is_live else self._shown_s,
            )
            self._next += 1
            if kept.is_keyframe:
                self._groups.append([kept])
            else:
                self._groups[-1].append(kept)
            self._untimed.append(kept)
            self._bytes += len(kept.content)
            self._drop_old(kept.time_s - self._span_s)

    def show(self, pts: int | None, time_s: float) -> None:
        """Set the times of the packets up to a picture that is now shown.

        Args:
            pts: The picture's timestamp; None if it has none.
            time_s: Unix time of the picture.
        """
        with self._lock:
            self._shown_s = time_s
            while pts is not None and self._untimed:
                packet = self._untimed[0]
                if packet.pts is not None and packet.pts > pts:
                    break
                behind_s = 0.0 if packet.pts is None else float((pts - packet.pts) * packet.stream.time_base)
                if packet.pts is not None and behind_s < LONGEST_BEHIND_S:
                    packet.time_s = time_s - behind_s
                self._untimed.popleft()

    def number_at(self, time_s: float) -> int | None:
        """Number of the last keyframe at or before a Unix time, else of the first kept; None without any."""
        with self._lock:
            starts = [group[0] for group in self._groups]
        before = [start.number for start in starts if start.time_s <= time_s]
        return before[-1] if before else starts[0].number if starts else None

    def following(self, number: int) -> list[EncodedPacket]:
        """The packets from a number on that are still kept, in the order of their arrival."""
        with self._lock:
            groups = [group for group in self._groups if group[-1].number >= number]
            return [packet for group in groups for packet in group if packet.number >= number]

    def picture_at(self, time_s: float) -> Picture | None:
        """Decode the picture of a Unix time: the last one at or before it.

        Returns:
            (H, W, 3) uint8 RGB, upright, in the source's size; None if it is not kept any more, or is damaged.
        """
        with self._lock:
            groups = [list(group) for group in self._groups if group[0].time_s <= time_s]
        return decode_last(groups[-1], time_s) if groups else None

    def _drop_old(self, before_s: float) -> None:
        """Drop groups that lie wholly before a Unix time, and the oldest ones beyond the bytes."""
        while len(self._groups) > 1 and (self._groups[1][0].time_s <= before_s or self._bytes > self._max_bytes):
            self._drop_first()
        if self._bytes > self._max_bytes:
            self._drop_first()
        first = self._groups[0][0].number if self._groups else self._next
        while self._untimed and self._untimed[0].number < first:
            self._untimed.popleft()

    def _drop_first(self) -> None:
        self._bytes -= sum(len(packet.content) for packet in self._groups.popleft())


def decode_last(group: Group, time_s: float) -> Picture | None:
    """Decode a group up to the picture of a Unix time.

    Args:
        group: Packets of one group, its keyframe first.
        time_s: Time of the picture: the last one at or before it.

    Returns:
        (H, W, 3) uint8 RGB, upright; None if it can't be decoded.
    """
    wanted = max((packet for packet in group if packet.time_s <= time_s), key=lambda packet: packet.time_s)
    stream = group[0].stream
    context = cast(av.VideoCodecContext, CodecContext.create(stream.codec, "r"))
    context.thread_count = 1  # with more threads, pictures are returned only after further packets
    if stream.extradata:
        context.extradata = stream.extradata
    found: VideoFrame | None = None
    try:
        for packet in [*group, None]:
            for frame in call_translated(context.decode, _av_packet(packet) if packet else None):
                if wanted.pts is None or frame.pts is None or frame.pts <= wanted.pts:
                    found = frame
            if packet is wanted if wanted.pts is None else found is not None and found.pts == wanted.pts:
                break
        if found is None:
            return None
        upright = UprightPictures().turned(found, stream.orientation, stream.pixel_aspect)
        return cast(Picture, call_translated(upright.to_ndarray, format="rgb24"))
    except StreamFault:
        return None


def _av_packet(packet: EncodedPacket) -> "Packet[Any]":
    """FFmpeg's packet with the bytes and timestamps of a kept one."""
    made = av.Packet(packet.content)
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.stream.time_base
    made.duration, made.is_keyframe = packet.duration, packet.is_keyframe
    return made
