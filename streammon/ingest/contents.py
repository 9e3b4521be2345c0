"""The frames of a video file by its packets, without decoding: how many, when, and what a pace selects of them.

Only MP4, MOV and AVI list their frames. Other containers have at most a duration and a nominal rate, whose product
is an estimate: wrong for variable rates, pauses and jumps of the clock. So their packets are read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import count

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from streammon.ingest.clocks import file_times
from streammon.ingest.faults import call_translated
from streammon.ingest.opening import has_timestamps, nominal_fps
from streammon.ingest.stream import video_stream
from streammon.ingest.timing import FrameThinning

DEFAULT_FPS = 25.0

WHOLE_INDEX = 0.9
"""Share of an AVI's time that its index must cover; the index of a file cut short covers what was probed."""


@dataclass(frozen=True)
class Pace:
    """Selection of frames of footage.

    Attributes:
        every: N, to select the first of every N frames.
        fps: Largest number of these a second; None for all.
    """

    every: int = 1
    fps: float | None = None

    def count(self, frames: int, seconds: float) -> int:
        """Approximate number of frames selected from `frames` frames that last `seconds`.

        >>> Pace(fps=5.0).count(frames=100, seconds=4.0), Pace(every=3).count(frames=100, seconds=4.0)
        (20, 34)
        """
        left = -(-frames // self.every)
        return left if self.fps is None else min(left, max(1, round(self.fps * seconds)))

    def selector(self) -> Callable[[float], bool]:
        """A function that says of the stream time of each frame, in order, if that frame is selected."""
        thinning = None if self.fps is None else FrameThinning(self.fps)
        numbers = count()

        def selects(time_s: float) -> bool:
            return next(numbers) % self.every == 0 and (thinning is None or thinning.keeps(time_s))

        return selects


@dataclass(frozen=True)
class Length:
    """Length of a clip.

    Attributes:
        frames: Number of frames; of a video whose container lists none, of packets, which some frames may lack.
        taken: Number of these that a pace selects.
        seconds: Stream time from the first frame to the end of the last. Jumps of the timestamps don't count.
    """

    frames: int
    taken: int
    seconds: float


@dataclass(frozen=True)
class FileVersion:
    """One version of a file, so that what was read of it is read again if the file changes.

    Attributes:
        path: Absolute path of the file.
        bytes: Size of the file.
        changed_ns: Time of the last change, Unix time in nanoseconds.
    """

    path: str
    bytes: int
    changed_ns: int


@lru_cache(maxsize=1024)
def video_length(file: FileVersion, pace: Pace) -> Length:
    """Length of a video file, from its index of frames or else from its packets.

    Raises:
        StreamFault: The file can't be opened as video.
    """
    with call_translated(av.open, file.path) as container:
        stream = video_stream(container)
        return _length(packet_times(container, stream), nominal_interval_s(container, stream), pace)


def listed_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """Number of frames that an open container lists and shows; None if it lists none.

    Frames that an MP4's edit list hides don't count, nor frames that an AVI lists as repeated. The frames of a
    fragmented MP4 are listed fragment by fragment: after the last packet, all are.
    """
    kind = container.format.name
    if not kind.startswith(("mov", "avi")):
        return None
    shown = last = 0
    for entry in stream.index_entries:
        shown += bool(entry.size) and not entry.is_discard
        last = entry.timestamp
    if kind.startswith("avi") and last < WHOLE_INDEX * (stream.frames - 1):
        return stream.frames or None
    return shown or None


def listed_at_start(container: InputContainer, stream: VideoStream) -> int | None:
    """Number of frames that a container lists before any packet was read; None if it doesn't list all."""
    return listed_frames(container, stream) if stream.frames else None  # 0 for a fragmented MP4


def packet_times(container: InputContainer, stream: VideoStream) -> Iterator[float | None]:
    """Time of each packet that is shown, in seconds in decoding order; None for packets without one."""
    time_base = stream.time_base or Fraction(1)
    if _has_whole_index(container, stream):
        for entry in stream.index_entries:
            if entry.size and not entry.is_discard:
                yield float(entry.timestamp * time_base)
        return
    stamped = has_timestamps(container)
    packets = container.demux(stream)
    while (packet := call_translated(next, packets, None)) is not None:
        if packet.size and not packet.is_discard:
            stamp = packet.pts if packet.dts is None else packet.dts
            yield float(stamp * time_base) if stamped and stamp is not None else None


def _has_whole_index(container: InputContainer, stream: VideoStream) -> bool:
    """True if an open container's index has every frame: that of an MP4 or MOV, and of an AVI to its last frame."""
    kind, last = container.format.name, -1
    if kind.startswith("avi"):
        last = max((entry.timestamp for entry in stream.index_entries), default=-1)  # in frames
    return bool(stream.frames) and (kind.startswith("mov") or last >= stream.frames - 1)


def nominal_interval_s(container: InputContainer, stream: VideoStream) -> float:
    """Seconds from frame to frame by the container or, for raw video, by the codec; 1/25 if neither has a rate."""
    return 1.0 / (nominal_fps(container, stream, live=False) or DEFAULT_FPS)


def _length(times: Iterator[float | None], interval_s: float, pace: Pace) -> Length:
    frames, taken, takes = 0, 0, pace.selector()
    before_s, step_s = -interval_s, interval_s
    for _, time_s, broke in file_times(((None, pts_s) for pts_s in times), interval_s):
        step_s = step_s if broke else time_s - before_s
        taken += takes(time_s)
        frames += 1
        before_s = time_s
    return Length(frames, taken, before_s + step_s)
