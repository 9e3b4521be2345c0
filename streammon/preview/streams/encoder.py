"""Encoders from moments to H.264 packets and JPEG pictures, with timestamps that follow the camera's."""

from fractions import Fraction
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import av
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from streammon.preview.streams.compose import Composer, Moment, jpeg

CLOCK_HZ = 90_000
"""The RTP clock of video (RFC 6184, section 8.1)."""

GOP_S = 2.0
LEAP_S = 5.0  # a stream clock that gains so much on the monotonic one has been set
PRESET = "superfast"
CRF = 23
"""Looks like the source; a calm scene then uses a quarter of the allowed bitrate."""

T = TypeVar("T")
if TYPE_CHECKING:
    H264Packet: TypeAlias = av.Packet[av.VideoStream]
else:
    H264Packet = av.Packet  # generic only for the type checker


class RtpClock:
    """Timestamps of one stream: they follow the camera's stream time and increase strictly.

    The stream time of a reconnected camera starts at 0 again, a camera's clock may be set, and main stream and
    sub-stream have times of their own. The timestamps then continue from the last one by the monotonic time that has
    passed.
    """

    def __init__(self) -> None:
        self._offset = 0  # ticks of stream time 0
        self._ticks: int | None = None
        self._stream_time_s = 0.0
        self._monotonic_s = 0.0
        self._of_main = False

    def ticks(self, stream_time_s: float, now_s: float, of_main: bool = False) -> int:
        """Timestamp of a picture on the 90 kHz clock.

        Args:
            stream_time_s: Seconds since the first picture of its connection; the same again for a repeated picture.
            now_s: Monotonic time.
            of_main: The picture is of the main stream, beside a sub-stream that is scored.

        >>> clock = RtpClock()
        >>> [clock.ticks(*at) for at in ((7.0, 100.0), (7.04, 100.05), (0.0, 103.05), (0.04, 103.1))]
        [0, 3600, 273600, 277200]
        """
        camera_ticks = round(stream_time_s * CLOCK_HZ)
        if self._ticks is None:
            self._offset, ticks = -camera_ticks, 0
        else:
            passed_s = now_s - self._monotonic_s
            step_s = stream_time_s - self._stream_time_s
            passed = self._ticks + max(1, round(passed_s * CLOCK_HZ))
            if of_main != self._of_main:
                self._offset, ticks = passed - camera_ticks, passed
            elif step_s == 0:  # a repeated picture: the offset stays, so that later pictures keep their time
                ticks = passed
            else:
                if step_s < 0 or step_s > passed_s + LEAP_S:
                    self._offset = passed - camera_ticks
                ticks = max(self._ticks + 1, self._offset + camera_ticks)
        self._ticks, self._stream_time_s, self._monotonic_s, self._of_main = ticks, stream_time_s, now_s, of_main
        return ticks


class Thinning:
    """Thins pictures to `fps` a second; a picture may be a quarter of the interval early (jitter).

    >>> thinning = Thinning(fps=25)
    >>> [ticks // 3000 for ticks in range(0, 36000, 3000) if thinning.keeps(ticks)]  # 30 a second
    [0, 1, 3, 4, 5, 6, 7, 9, 10, 11]
    """

    def __init__(self, fps: float) -> None:
        self._interval = CLOCK_HZ / fps
        self._due: float | None = None

    def keeps(self, ticks: int) -> bool:
        """True if the picture at this time is kept."""
        if self._due is not None and ticks < self._due - self._interval / 4:
            return False
        self._due = max(self._due or 0.0, ticks - self._interval) + self._interval
        return True


class Coded(NamedTuple, Generic[T]):
    """One encoded picture.

    Attributes:
        content: An `av.Packet` or a JPEG.
        is_key: True if the picture can be decoded without earlier ones.
    """

    content: T
    is_key: bool


class Encoder(Protocol[T]):
    """Encodes one stream, in one thread."""

    @property
    def fps(self) -> float:
        """Largest number of pictures a second to encode."""

    def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[T]]:
        """Encode a moment; `key` requests a keyframe.

        Any error leaves the encoder usable for later moments.
        """


class H264Encoder:
    """H.264 encoder of one stream, baseline profile, without delay.

    Each picture gives its packet at once. A keyframe comes at least every two seconds of stream time, whatever the
    camera's rate. A picture of another size begins a new sequence.

    Args:
        composer: Composes the pictures.
        fps: Largest number of pictures a second.
        bitrate_kbps: Largest bitrate, keyframes included; a calm scene uses less.
    """

    def __init__(self, composer: Composer, fps: float, bitrate_kbps: int) -> None:
        self.fps = fps
        self._composer = composer
        self._bitrate_kbps = bitrate_kbps
        self._codec: VideoCodecContext | None = None
        self._shape: tuple[int, int, int] | None = None
        self._key_ticks = 0

    def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[H264Packet]]:
        """Encode a moment as an Annex B packet with its timestamp; a keyframe contains its parameter sets."""
        frame = self._composer.compose(moment)
        shape = (frame.width, frame.height, frame.colorspace)
        if self._codec is None or shape != self._shape:
            self._codec, self._shape = self._open(frame), shape
        key = key or ticks - self._key_ticks >= GOP_S * CLOCK_HZ
        frame.pts, frame.time_base = ticks, Fraction(1, CLOCK_HZ)
        frame.pict_type = PictureType.I if key else PictureType.NONE
        try:
            packets = self._codec.encode(frame)
        except av.FFmpegError:
            self._codec = None  # the next picture begins a new sequence
            raise
        if any(packet.is_keyframe for packet in packets):
            self._key_ticks = ticks
        return [Coded(packet, packet.is_keyframe) for packet in packets]

    def _open(self, frame: av.VideoFrame) -> VideoCodecContext:
        codec = CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, CLOCK_HZ), Fraction(self.fps).limit_denominator(1000)
        codec.gop_size = max(1, round(self.fps * GOP_S))
        codec.thread_count = 1  # a second thread would split pictures into slices, or delay them
        codec.colorspace, codec.color_range = frame.colorspace, frame.color_range
        codec.options = {
            "preset": PRESET,
            "tune": "zerolatency",
            "profile": "baseline",
            "forced-idr": "1",
            "crf": str(CRF),
            "maxrate": f"{self._bitrate_kbps}k",
            "bufsize": f"{self._bitrate_kbps // 2}k",  # half a second, which limits the burst of a keyframe
        }
        return codec


class JpegEncoder:
    """JPEG encoder of one stream; every picture is independent of the others.

    Args:
        composer: Composes the pictures.
        fps: Largest number of pictures a second.
        quality: JPEG quality, 1 to 100.
    """

    def __init__(self, composer: Composer, fps: float, quality: int) -> None:
        self.fps = fps
        self._composer = composer
        self._quality = quality

    def encode(self, moment: Moment, ticks: int, key: bool) -> list[Coded[bytes]]:
        """Encode a moment as JPEG."""
        return [Coded(jpeg(self._composer.compose(moment), self._quality), is_key=True)]
