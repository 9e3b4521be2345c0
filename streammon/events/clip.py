"""Clips: the packets of a camera in MP4 files, byte for byte as the camera sent them."""

import os
from pathlib import Path

import av
from av.container import OutputContainer

from streammon.ingest import EncodedPacket, EncodedStream, copied_stream

MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof"
"""A fragment for each group of pictures: the file plays while it is written, and after the process was killed."""

LONGEST_STEP_S = 10.0
"""A longer step from one timestamp to the next than the arrival explains is a clock that was set, not a pause."""


class ClipTimes:
    """Timestamps of a clip, from 0: the stream's own, as long as they go on.

    Missing timestamps, those that stand still or run back, and jumps by more than `LONGEST_STEP_S` are replaced by
    the time of arrival, and the stream's own count on from there.

    Args:
        units_per_s: Units of a timestamp in a second.
    """

    def __init__(self, units_per_s: float) -> None:
        self._units_per_s = units_per_s
        self._offset: int | None = None  # the clip's timestamp = the stream's + offset
        self._last = -1
        self._last_s = 0.0

    def next(self, pts: int | None, dts: int | None, time_s: float) -> tuple[int, int]:
        """Presentation and decoding timestamp of the next packet.

        Args:
            pts: The stream's presentation timestamp; None if it has none.
            dts: The stream's decoding timestamp; None if it has none.
            time_s: Unix time of the packet's arrival.

        >>> times = ClipTimes(90_000)
        >>> stamps = (500, 9500, None, 27500, 10**9, 10**9 + 9000)
        >>> [times.next(stamp, stamp, 7.0 + n / 10)[1] for n, stamp in enumerate(stamps)]
        [0, 9000, 18000, 27000, 36000, 45000]
        """
        stamp = pts if dts is None else dts
        arrival = self._last + max(1, round((time_s - self._last_s) * self._units_per_s)) if self._last >= 0 else 0
        decoding = arrival if stamp is None or self._offset is None else stamp + self._offset
        if not self._last < decoding <= arrival + LONGEST_STEP_S * self._units_per_s:
            decoding, self._offset = arrival, None
        if stamp is not None and self._offset is None:
            self._offset = decoding - stamp
        self._last, self._last_s = decoding, time_s
        return decoding + (max(0, pts - dts) if pts is not None and dts is not None else 0), decoding


class ClipWriter:
    """One MP4 file with packets of one connection, in fragments, each with a group of pictures.

    Args:
        path: The file.
        first: The first packet, a keyframe of H.264 or H.265.

    Attributes:
        path: The file.
        stream: The packets' connection.
        began_s: Unix time of the first picture.
        ended_s: Unix time of the last picture.
        packets: Number of packets written.

    Raises:
        OSError: The file can't be written.
    """

    def __init__(self, path: Path, first: EncodedPacket) -> None:
        self.path = path
        self.stream = first.stream
        self.began_s = self.ended_s = first.time_s
        self.packets = 0
        self._times = ClipTimes(1 / float(self.stream.time_base))
        options = {"movflags": MOVFLAGS, "flush_packets": "1"}
        self._container: OutputContainer = av.open(str(path), "w", format="mp4", container_options=options)
        self._output = _output_stream(self._container, self.stream, first)

    def write(self, packet: EncodedPacket) -> None:
        """Append a packet.

        Raises:
            OSError: The file can't be written.
        """
        written = av.Packet(packet.content)
        written.stream = self._output
        written.time_base = self.stream.time_base
        written.pts, written.dts = self._times.next(packet.pts, packet.dts, packet.time_s)
        written.duration, written.is_keyframe = packet.duration, packet.is_keyframe
        self._container.mux(written)
        self.ended_s = max(self.ended_s, packet.time_s)
        self.packets += 1

    def close(self) -> None:
        """Write the last fragment, and sync the file to the disk.

        Raises:
            OSError: The file can't be written; what was written before can be played.
        """
        self._container.close()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())


def _output_stream(container: OutputContainer, stream: EncodedStream, first: EncodedPacket) -> av.VideoStream:
    assert stream.template is not None
    output = copied_stream(container, stream.template)
    context = output.codec_context
    if not stream.extradata:  # the muxer finds the parameter sets between the keyframe's slices
        context.extradata = first.content
    if not context.width:
        context.width, context.height = stream.size
    if stream.codec == "hevc":
        context.codec_tag = "hvc1"  # Safari plays no hev1
    return output
