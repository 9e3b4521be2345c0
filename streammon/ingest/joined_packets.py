"""Joins packets that contain single slices into packets that contain whole pictures.

FFmpeg's parser returns one packet per picture. But if parameter sets precede every slice of a keyframe (as written by
GStreamer's `rtph264pay config-interval=-1`), it takes each slice for a picture of its own, which is decoded with the
rest grey. A packet that continues the previous packet's picture is recognised by its first slice, which does not
begin at the picture's first block (H.264 section 7.4.3, `first_mb_in_slice`; H.265 7.4.7.1,
`first_slice_segment_in_pic_flag`).
"""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from av.packet import Packet

MOST_PIECES = 256  # packets joined at most, so that a picture of a malformed stream ends too
HEAD_BYTES = 4096  # parameter sets and SEI messages before the first slice are far shorter


def continues_picture(head: bytes, codec: str) -> bool:
    """True if a packet continues the picture of the packet before it.

    Args:
        head: First bytes of the packet, with start codes (Annex B).
        codec: `h264` or `hevc`; for other codecs the result is False.

    >>> continues_picture(bytes.fromhex("00000001 67640028 000001 65 8884"), "h264")  # slice from block 0
    False
    >>> continues_picture(bytes.fromhex("00000001 67640028 000001 65 4884"), "h264")  # slice from block 1
    True
    """
    if codec not in ("h264", "hevc"):
        return False
    start = head.find(b"\0\0\1")
    while 0 <= start < len(head) - 5:
        unit = start + 3
        kind = head[unit] & 0x1F if codec == "h264" else head[unit] >> 1 & 0x3F
        if codec == "h264" and kind in (1, 5):
            return not head[unit + 1] & 0x80  # first_mb_in_slice: 0 is coded as a single 1 bit
        if codec == "hevc" and kind < 32:
            return not head[unit + 2] & 0x80
        start = head.find(b"\0\0\1", unit)
    return False


class WholePictures:
    """Iterator over the packets of a stream, with the packets of one picture joined.

    Packets pass without delay until the first picture that came in several packets. From then on each packet waits
    for the next one, which shows that the picture is complete.

    Args:
        packets: Packets from FFmpeg's demuxer.
        stream_index: Index of the video stream; packets of other streams pass unchanged.
        codec: Name of the video's codec.
    """

    def __init__(self, packets: "Iterator[Packet[Any]]", stream_index: int, codec: str) -> None:
        self._packets = packets
        self._stream_index = stream_index
        self._codec = codec
        self._in_pieces = False
        self._held: Packet[Any] | None = None

    def __iter__(self) -> "Iterator[Packet[Any]]":
        return self

    def __next__(self) -> "Packet[Any]":
        packet, self._held = self._held, None
        if packet is None:
            packet = next(self._packets)
            self._in_pieces = self._in_pieces or self._continues_picture(packet)
        if not self._in_pieces or not self._is_picture(packet):
            return packet
        for following in islice(self._packets, MOST_PIECES):
            if not self._continues_picture(following):
                self._held = following
                break
            packet = _joined(packet, following)
        return packet

    def _is_picture(self, packet: "Packet[Any]") -> bool:
        return packet.stream_index == self._stream_index and packet.size > 0

    def _continues_picture(self, packet: "Packet[Any]") -> bool:
        return self._is_picture(packet) and continues_picture(bytes(memoryview(packet)[:HEAD_BYTES]), self._codec)


def _joined(first: "Packet[Any]", second: "Packet[Any]") -> "Packet[Any]":
    """Concatenation of two packets, with the timestamps of the first, or of the second where the first has none."""
    joined = av.Packet(bytes(first) + bytes(second))
    joined.stream = first.stream
    joined.time_base = first.time_base
    joined.pts = second.pts if first.pts is None else first.pts
    joined.dts = second.dts if first.dts is None else first.dts
    joined.is_keyframe = first.is_keyframe
    joined.is_corrupt = first.is_corrupt or second.is_corrupt
    return joined
