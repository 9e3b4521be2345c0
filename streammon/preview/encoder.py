"""From moments to what travels: H.264 packets and JPEG pictures, with the times of the stream itself."""

from fractions import Fraction
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import av
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from streammon.preview.compose import Composer, Moment, jpeg

CLOCK_HZ = 90_000
"""The RTP clock of video (RFC 6184, section 8.1)."""

GOP_S = 2.0
LEAP_S = 5.0  # a stream's clock that runs so much ahead of ours has been set, not waited for
PRESET = "superfast"
CRF = 23
"""A quality that looks like the source; a calm scene then takes a quarter of the bitrate it may take."""

T = TypeVar("T")
if TYPE_CHECKING:
    H264Packet: TypeAlias = av.Packet[av.VideoStream]
else:
    H264Packet = av.Packet  # generic for the checker alone


class Timeline:
    """The times of one shown stream: they follow the camera's own and only rise.

    A camera that comes back begins at 0 again, and a clock that is set may jump; both go on where they were, after
    the time that really passed.
    """

    def __init__(self) -> None:
        self._offset = 0  # ticks of stream time 0
        self._ticks: int | None = None
        self._stream_time_s = 0.0
        self._told_s = 0.0

    def ticks(self, stream_time_s: float, now_s: float) -> int:
        """The picture's time on the 90 kHz clock.

        Args:
            stream_time_s: Seconds since the first picture of its connection; the same again for a repeated picture.
            now_s: Monotonic time.

        >>> timeline = Timeline()
        >>> [timeline.ticks(*at) for at in ((7.0, 100.0), (7.04, 100.05), (0.0, 103.05), (0.04, 103.1))]
        [0, 3600, 273600, 277200]
        """
        told = round(stream_time_s * CLOCK_HZ)
        if self._ticks is None:
            self._offset, ticks = -told, 0
        else:
            passed_s = now_s - self._told_s
            step_s = stream_time_s - self._stream_time_s
            passed = self._ticks + max(1, round(passed_s * CLOCK_HZ))
            if step_s == 0:  # shown again for somebody who just came: the next picture keeps its own time
                ticks = passed
            else:
                if step_s < 0 or step_s > passed_s + LEAP_S:
                    self._offset = passed - told
                ticks = max(self._ticks + 1, self._offset + told)
        self._ticks, self._stream_time_s, self._told_s = ticks, stream_time_s, now_s
        return ticks


class Thinning:
    """Lets at most so many pictures a second pass, whatever their jitter.

    >>> thinning = Thinning(fps=25)
    >>> [ticks // 3000 for ticks in range(0, 36000, 3000) if thinning.keeps(ticks)]  # 30 a second
    [0, 1, 3, 4, 5, 6, 7, 9, 10, 11]
    """

    def __init__(self, fps: float) -> None:
        self._interval = CLOCK_HZ / fps
        self._due: float | None = None

    def keeps(self, ticks: int) -> bool:
        """Whether the picture of this time is shown."""
        if self._due is not None and ticks < self._due - self._interval / 4:
            return False
        self._due = max(self._due or 0.0, ticks - self._interval) + self._interval
        return True


class Coded(NamedTuple, Generic[T]):
    """One picture as it travels.

    Attributes:
        content: An `av.Packet` or a JPEG.
        is_key: Whether it can be shown without those before it.
    """

    content: T
    is_key: bool


class Encoder(Protocol[T]):
    """Encodes one stream, in one thread."""

    @property
    def fps(self) -> float:
        """At most so many pictures a second make sense."""

    def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[T]]:
        """The moment encoded; `key` asks for a picture that stands alone."""


class H264Encoder:
    """Pictures of one stream to H.264, baseline, without delay.

    Each picture comes out as it goes in. A keyframe at least every two seconds of stream time, whatever the camera's
    rate; a picture of another size begins a new sequence.

    Args:
        composer: Makes the pictures.
        fps: At most so many a second.
        bitrate_kbps: At most, keyframes included; a calm scene takes less.
    """

    def __init__(self, composer: Composer, fps: float, bitrate_kbps: int) -> None:
        self.fps = fps
        self._composer = composer
        self._bitrate_kbps = bitrate_kbps
        self._codec: VideoCodecContext | None = None
        self._shape: tuple[int, int, int] | None = None
        self._key_ticks = 0

    def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[H264Packet]]:
        """The packet of the moment, Annex B, with its time; a keyframe carries its parameter sets."""
        frame = self._composer.compose(moment)
        shape = (frame.width, frame.height, frame.colorspace)
        if self._codec is None or shape != self._shape:
            self._codec, self._shape = self._open(frame), shape
        key = key or ticks - self._key_ticks >= GOP_S * CLOCK_HZ
        frame.pts, frame.time_base = ticks, Fraction(1, CLOCK_HZ)
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._codec.encode(frame)
        if any(packet.is_keyframe for packet in packets):
            self._key_ticks = ticks
        return [Coded(packet, packet.is_keyframe) for packet in packets]

    def _open(self, frame: av.VideoFrame) -> VideoCodecContext:
        codec = CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, CLOCK_HZ), Fraction(self.fps).limit_denominator(1000)
        codec.gop_size = max(1, round(self.fps * GOP_S))
        codec.thread_count = 1  # a second thread would cut pictures in slices, or hold them back
        codec.colorspace, codec.color_range = frame.colorspace, frame.color_range
        codec.options = {
            "preset": PRESET,
            "tune": "zerolatency",
            "profile": "baseline",
            "forced-idr": "1",
            "crf": str(CRF),
            "maxrate": f"{self._bitrate_kbps}k",
            "bufsize": f"{self._bitrate_kbps // 2}k",  # half a second: a keyframe is no burst that a link can't take
        }
        return codec


class JpegEncoder:
    """Pictures of one stream to JPEG, each for itself.

    Args:
        composer: Makes the pictures.
        fps: At most so many a second.
        quality: 1 to 100.
    """

    def __init__(self, composer: Composer, fps: float, quality: int) -> None:
        self.fps = fps
        self._composer = composer
        self._quality = quality

    def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[bytes]]:
        """The JPEG of the moment."""
        return [Coded(jpeg(self._composer.compose(moment), self._quality), is_key=True)]
