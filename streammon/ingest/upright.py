"""Pictures as a file or camera asks to display them: turned upright, mirrored back, with square pixels.

The orientation comes from the display matrix of a video track or of H.264's and H.265's display orientation message,
or from the EXIF orientation of an image. The pixel aspect comes from the container, else from the codec.
"""

import struct
from fractions import Fraction

from av.filter import Graph
from av.packet import Packet
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streammon.ingest.faults import call_translated
from streammon.ingest.image_tags import exif_orientation

Orientation = tuple[int, int, int, int]
"""(a, b, c, d): the stored pixel (x, y) is displayed at (a x + c y, b x + d y), x to the right and y down."""

AS_STORED: Orientation = (1, 0, 0, 1)

TURNS: dict[Orientation, tuple[tuple[str, str], ...]] = {
    AS_STORED: (),
    (-1, 0, 0, 1): (("hflip", ""),),
    (-1, 0, 0, -1): (("vflip", ""), ("hflip", "")),
    (1, 0, 0, -1): (("vflip", ""), ("copy", "")),
    (0, 1, 1, 0): (("transpose", "cclock_flip"),),
    (0, 1, -1, 0): (("transpose", "clock"),),
    (0, -1, -1, 0): (("transpose", "clock_flip"),),
    (0, -1, 1, 0): (("transpose", "cclock"),),
}
"""FFmpeg's filters, with their arguments, for each orientation, in the order of EXIF's values 1 to 8.

`vflip` alone copies nothing: the distance from row to row is then negative, which PyAV misreads.
"""

BY_EXIF: dict[int, Orientation] = dict(enumerate(TURNS, 1))
BY_QUARTER_TURNS = (BY_EXIF[1], BY_EXIF[8], BY_EXIF[3], BY_EXIF[6])  # counter-clockwise

JPEG_START = b"\xff\xd8"

SQUARE = Fraction(1)

LARGEST_PIXEL_ASPECT = 4
"""Real pixels are at most 2.91 times as wide as high (352x576 shown at 16:9); more is a broken header."""

LEAST_STRETCH = 0.01
"""A picture is resampled only if a side changes by more than this share: 1080:1079 is square to the eye."""


class UprightPictures:
    """Turns the decoded pictures of one source upright and gives them square pixels.

    Pictures that need neither pass unchanged. Others cost up to 5 ms of one core each at 1920x1080. An orientation
    holds until another one comes, since H.264 and H.265 give it with some keyframes alone.

    Attributes:
        orientation: Orientation of the latest picture.
    """

    def __init__(self) -> None:
        self.orientation = AS_STORED
        self._stretcher = VideoReformatter()
        self._turner: _Turner | None = None

    def of_packet(self, picture: VideoFrame, packet: "Packet[VideoStream]", pixel_aspect: Fraction) -> VideoFrame:
        """A picture of a video, upright.

        Args:
            picture: The picture as decoded.
            packet: The packet that it was decoded from.
            pixel_aspect: Width / height of a stored pixel.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        self.orientation = _display_orientation(picture, packet) or self.orientation
        return self.turned(picture, self.orientation, pixel_aspect)

    def turned(self, picture: VideoFrame, orientation: Orientation, pixel_aspect: Fraction) -> VideoFrame:
        """A picture with a known orientation and pixel aspect, upright.

        Raises:
            StreamFault: FFmpeg can't convert the picture.
        """
        upright = self._stretched(picture, display_size((picture.width, picture.height), pixel_aspect))
        if orientation != AS_STORED:
            if self._turner is None or not self._turner.fits(upright, orientation):
                self._turner = call_translated(_Turner, upright, orientation)
            upright = call_translated(self._turner.turn, upright)
        return upright

    def _stretched(self, picture: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        if size == (picture.width, picture.height):
            return picture
        return call_translated(self._stretcher.reformat, picture, *size, interpolation="BICUBIC", threads=1)


class _Turner:
    """Turns and mirrors pictures of one size and format by FFmpeg's filters."""

    def __init__(self, picture: VideoFrame, orientation: Orientation) -> None:
        self._size_and_format = (picture.width, picture.height, picture.format.name)
        self._orientation = orientation
        self._graph = Graph()
        self._graph.threads = 1  # by default each graph keeps one thread per CPU
        time_base = picture.time_base or Fraction(1, 1000)
        nodes = [self._graph.add_buffer(None, picture.width, picture.height, picture.format, time_base=time_base)]
        nodes += [self._graph.add(name, arguments) for name, arguments in TURNS[orientation]]
        nodes.append(self._graph.add("buffersink"))
        self._graph.link_nodes(*nodes).configure()

    def fits(self, picture: VideoFrame, orientation: Orientation) -> bool:
        """True if a picture has the size and format, and asks for the orientation, of this turner."""
        return (picture.width, picture.height, picture.format.name) == self._size_and_format and (
            orientation == self._orientation
        )

    def turn(self, picture: VideoFrame) -> VideoFrame:
        """The picture turned and mirrored."""
        self._graph.vpush(picture)
        return self._graph.vpull()


def pixel_aspect(stream: VideoStream) -> Fraction | None:
    """The container's width / height of a stored pixel; None if it has none and the codec's holds.

    PyAV reports the codec's own as the stream's where the container has none. Since the codec's may change with the
    picture size, only one that differs from the codec's is the container's.
    """
    of_stream, of_codec = stream.sample_aspect_ratio, stream.codec_context.sample_aspect_ratio
    return of_stream if of_stream and of_stream != of_codec else None


def display_size(stored: tuple[int, int], pixel_aspect: Fraction) -> tuple[int, int]:
    """Size in square pixels, with the shorter side of a pixel stretched, so that no pixel is lost.

    >>> display_size((352, 576), Fraction(24, 11)), display_size((720, 480), Fraction(8, 9))
    ((768, 576), (720, 540))
    >>> display_size((1920, 1080), Fraction(1080, 1079)), display_size((640, 480), Fraction(0))
    ((1920, 1080), (640, 480))
    """
    width, height = stored
    if not 1 / LARGEST_PIXEL_ASPECT <= pixel_aspect <= LARGEST_PIXEL_ASPECT:
        return stored
    stretch = max(pixel_aspect, 1 / pixel_aspect)
    if stretch < 1 + LEAST_STRETCH:
        return stored
    return (round(width * stretch), height) if pixel_aspect > 1 else (width, round(height * stretch))


def orientation_of_matrix(a: int, b: int, c: int, d: int) -> Orientation:
    """The nearest of the eight orientations to a display matrix, whose scale doesn't count.

    >>> orientation_of_matrix(0, 65536, -65536, 0), orientation_of_matrix(131072, 11, 10, 131072)
    ((0, 1, -1, 0), (1, 0, 0, 1))
    >>> orientation_of_matrix(0, 0, 0, 0)
    (1, 0, 0, 1)
    """
    return max(TURNS, key=lambda turn: turn[0] * a + turn[1] * b + turn[2] * c + turn[3] * d)


def _display_orientation(picture: VideoFrame, packet: "Packet[VideoStream]") -> Orientation | None:
    """Orientation that a decoded picture carries; None if it carries none."""
    try:
        # not `picture.side_data`, which makes a reference cycle: each picture then waits for Python's collector
        found = SideDataContainer(picture).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # missing in PyAV's stubs
    except ValueError:  # PyAV 18 lists no side data beside one of a type that it doesn't know, such as EXIF
        if bytes(memoryview(packet)[:2]) == JPEG_START:
            return BY_EXIF[exif_orientation(bytes(packet))]
        return BY_QUARTER_TURNS[round(picture.rotation / 90) % 4]
    if not isinstance(found, SideData):
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(found)[:36])
    return orientation_of_matrix(a, b, c, d)
