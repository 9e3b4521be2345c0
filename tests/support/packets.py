"""Files played into a ring of packets, and what is in clips."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from streammon.config import CameraConfig
from streammon.ingest import CameraReader, PacketRing
from streammon.records import CameraState, CameraStatus, Frame
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.numbered_footage import number_in, numbered_picture


def read_whole(path: Path, ring: PacketRing) -> list[Frame]:
    """Play a file into the ring as fast as it goes; the frames that were kept."""
    frames: Recorder[Frame] = Recorder()
    statuses: Recorder[CameraStatus] = Recorder()
    camera = CameraConfig.model_validate({"url": str(path), "play": "fast", "score_fps": 240})
    reader = CameraReader("lobby", camera, 240, frames, statuses, ring=ring)
    reader.start()
    statuses.wait_for(lambda status: status.state is CameraState.ENDED)
    assert reader.join(DEADLINE_S)
    return frames.entries


def encode_with_b_frames(path: Path, codec: str = "libx264") -> Path:
    """60 numbered pictures with B-frames, a keyframe each second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=25, options={"preset": "ultrafast", "bf": "2", "x265-params": "log-level=none:bframes=2"}
        )
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.gop_size = 25
        stream.codec_context.max_b_frames = 2
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number, 320, 240), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_in(path: Path) -> "list[av.Packet[Any]]":
    """The video's packets, in decoding order."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def units(content: bytes, *, annex_b: bool) -> list[bytes]:
    """NAL units of a packet of H.264 or H.265, with start codes (Annex B) or lengths of 4 bytes."""
    if annex_b:
        return [unit.rstrip(b"\0") for unit in content.split(b"\0\0\1")[1:]]
    found = []
    while content:
        length = int.from_bytes(content[:4], "big")
        found.append(content[4 : 4 + length].rstrip(b"\0"))
        content = content[4 + length :]
    return found


def times_in(path: Path) -> list[float]:
    """Seconds from the first picture of a clip to each of its pictures."""
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    return [time - times[0] for time in times]


def pictures_in(path: Path) -> list[int]:
    """Numbers of all pictures of a clip of numbered pictures."""
    with av.open(str(path)) as container:
        return [
            number_in(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)) for frame in container.decode(video=0)
        ]
