"""HTTP cameras for the tests: parts, packets, segments and single pictures, sent at the times that a test chooses."""

import io
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from support.numbered_footage import numbered_picture

SIZE = (320, 240)

Chunks = Iterable[tuple[float, bytes]]
"""What a server sends: (seconds since the request, bytes), in order of time."""

Pictures = Iterator[NDArray[np.uint8]]
"""(H, W, 3) RGB pictures."""

Answer = tuple[str, Chunks]
"""Content type and body of an answer; a list is sent with its length."""


class HttpCamera:
    """An HTTP server on loopback, a thread per connection. A body's chunks are sent when their time has come.

    Args:
        answer: Gives the answer to a request's path, or None for 404. Called in the connection's thread.

    Attributes:
        requests: Number of requests by path.
    """

    def __init__(self, answer: Callable[[str], Answer | None]) -> None:
        self.requests: Counter[str] = Counter()
        self._ended = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.requests[self.path] += 1
                found = answer(self.path)
                if found is None:
                    self.send_error(404)
                    return
                content_type, chunks = found
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                if isinstance(chunks, list):
                    self.send_header("Content-Length", str(sum(len(chunk) for _, chunk in chunks)))
                self.end_headers()
                camera._send(self.wfile, chunks)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()

    def url(self, path: str = "/live") -> str:
        """Address of one of its paths."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _send(self, to: io.BufferedIOBase, chunks: Chunks) -> None:
        began_s = time.monotonic()
        try:
            for due_s, chunk in chunks:
                if self._ended.wait(max(0.0, began_s + due_s - time.monotonic())):
                    return
                to.write(chunk)
                to.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass


def every(interval_s: float, chunks: Iterable[bytes]) -> Chunks:
    """Chunks at equal intervals."""
    return ((n * interval_s, chunk) for n, chunk in enumerate(chunks))


def numbered_pictures(size: tuple[int, int] = SIZE) -> Pictures:
    """Numbered pictures without end."""
    return (numbered_picture(number, *size) for number in itertools.count())


def jpegs(pictures: Iterable[NDArray[np.uint8]]) -> Iterator[bytes]:
    """Each picture as a JPEG."""
    for picture in pictures:
        encoder = av.CodecContext.create("mjpeg", "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.width, encoder.height = picture.shape[1], picture.shape[0]
        encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
        yield b"".join(
            map(bytes, encoder.encode(av.VideoFrame.from_ndarray(picture, "rgb24")) + encoder.encode(None))
        )


def multipart(jpegs: Iterable[bytes], first_boundary: bool = True) -> Iterator[bytes]:
    """Parts of a `multipart/x-mixed-replace; boundary=frame` body."""
    for number, jpeg in enumerate(jpegs):
        boundary = b"--frame\r\n" if number or first_boundary else b""
        yield boundary + b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"


def muxed(
    container: str,
    pictures: Iterable[NDArray[np.uint8]],
    stamps_s: Iterable[float],
    gop: int = 25,
    codec: str = "libx264",
    fps: float = 25,
) -> Iterator[bytes]:
    """The bytes of each encoded picture in a container that can be streamed, stamped as given.

    Args:
        container: FFmpeg's name of the muxer.
        pictures: The pictures, all of one size.
        stamps_s: Presentation time of each in seconds. It may jump, but not before number / fps, the decoding time.
        gop: Pictures from keyframe to keyframe.
        codec: FFmpeg's name of the encoder.
        fps: Rate that the encoder writes into the stream.
    """
    sink = io.BytesIO()
    sink.seekable = lambda: False  # type: ignore[method-assign]
    first, pictures = _peeked(pictures)
    rate = Fraction(fps).limit_denominator(1000)
    options = {"flush_packets": "1"}
    if container == "mp4":
        options["movflags"] = "frag_keyframe+empty_moov+default_base_moof"
    with av.open(sink, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], "yuv420p"
        stream.codec_context.gop_size = gop
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number, (picture, stamp_s) in enumerate(zip(pictures, stamps_s, strict=False)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            for packet in stream.encode(frame):
                packet.pts, packet.dts = round(1000 * stamp_s), round(1000 * number / fps)
                packet.time_base = Fraction(1, 1000)
                output.mux(packet)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()


def _peeked(pictures: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], Iterator[NDArray[np.uint8]]]:
    waiting = iter(pictures)
    first = next(waiting)
    return first, itertools.chain([first], waiting)


def count_s(fps: float, first_s: float = 0.0) -> Iterator[float]:
    """Times of frames at a constant rate, without end."""
    return (first_s + n / fps for n in itertools.count())


class HlsChannel:
    """A live HLS playlist that grows by one MPEG-TS segment each `segment_s`, of which the newest four are listed.

    Args:
        fps: Pictures a second.
        segment_s: Duration of each segment.
        before: Number of segments that are there when it begins.
    """

    def __init__(self, fps: int = 10, segment_s: float = 6.0, before: int = 3) -> None:
        self._segment_s = segment_s
        self._before = before
        self._frames = round(fps * segment_s)
        self._bytes = muxed("mpegts", numbered_pictures(), count_s(fps, 10.0), gop=self._frames, fps=fps)
        self._segments: list[bytes] = []
        self._lock = threading.Lock()
        self._began_s = time.monotonic()

    def answer(self, path: str) -> Answer | None:
        """Answer of the server: the playlist at `/live.m3u8`, segments beside it."""
        there = self._before + int((time.monotonic() - self._began_s) / self._segment_s)
        if path == "/live.m3u8":
            listed = range(max(0, there - 4), there)
            lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{round(self._segment_s)}"]
            lines += [f"#EXT-X-MEDIA-SEQUENCE:{listed.start}"]
            for number in listed:
                lines += [f"#EXTINF:{self._segment_s:.3f},", f"{number}.ts"]
            return "application/vnd.apple.mpegurl", [(0.0, "\n".join([*lines, ""]).encode())]
        number = int(path.strip("/").partition(".")[0])
        return ("video/mp2t", [(0.0, self._segment(number))]) if number < there else None

    def _segment(self, number: int) -> bytes:
        with self._lock:
            while len(self._segments) <= number:
                self._segments.append(b"".join(itertools.islice(self._bytes, self._frames)))
            return self._segments[number]
