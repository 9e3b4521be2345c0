"""Videos whose number of frames isn't what their container makes one think."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

from support.numbered_footage import encode, numbered_picture


def copied_stream(
    source: Path, target: Path, times_s: Sequence[float], first: int = 0, options: dict[str, str] | None = None
) -> Path:
    """The packets of a video from number `first` on, without decoding, at other times.

    Times below 0 s are hidden by an MP4's edit list, as `ffmpeg -ss … -c copy` makes one.
    """
    with av.open(str(source)) as pictures, av.open(str(target), "w", options=options or {}) as container:
        video = pictures.streams.video[0]
        assert video.time_base is not None
        stream = container.add_stream_from_template(video)
        packets = [packet for packet in pictures.demux(video) if packet.dts is not None]
        for packet, time_s in zip(packets[first:], times_s, strict=True):
            packet.stream = stream
            packet.pts = packet.dts = round(time_s / video.time_base)
            container.mux(packet)
    return target


def variable_rate(folder: Path, ending: str) -> tuple[Path, list[float]]:
    """120 frames and their times: 40 at 25 fps, a pause of 8 s, 40 at 5 fps, a jump by 26 h, 40 at 25 fps."""
    times_s = [0.04 * number for number in range(40)]
    times_s += [times_s[-1] + 8.0 + 0.2 * number for number in range(40)]
    times_s += [times_s[-1] + 26 * 3600.0 + 0.04 * number for number in range(40)]
    source = encode(folder / "steady.mp4", frames=120, size=(96, 64))
    return copied_stream(source, folder / f"odd.{ending}", times_s), times_s


def with_edit_list(folder: Path) -> Path:
    """An MP4 of 170 packets, numbered 25 to 194, of which an edit list shows the last 150."""
    source = encode(folder / "whole.mp4", frames=195, size=(96, 64))
    return copied_stream(source, folder / "edited.mp4", [0.04 * number for number in range(-20, 150)], first=25)


def fragmented(folder: Path, frames: int = 75) -> Path:
    """An MP4 in fragments of a second, as recorders write that must not lose what they have."""
    source = encode(folder / "whole.mp4", frames=frames)
    times_s = [0.04 * number for number in range(frames)]
    return copied_stream(
        source, folder / "fragmented.mp4", times_s, options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    )


def with_repeated_frames(folder: Path) -> Path:
    """An AVI that lists two repetitions, without a packet, after each of its 75 frames."""
    source = encode(folder / "whole.avi", codec="mpeg4")
    return copied_stream(source, folder / "repeated.avi", [0.12 * number for number in range(75)])


def with_preview_track(path: Path, preview_frames: int = 1, frames: int = 50, default: bool = True) -> Path:
    """A one-picture MJPEG track first, and then the recording as H.264."""
    with av.open(str(path), "w") as container:
        tracks = []
        for codec, size, count in (("mjpeg", (64, 48), preview_frames), ("libx264", (320, 240), frames)):
            stream = container.add_stream(codec, rate=25)
            assert isinstance(stream, av.VideoStream)
            (stream.width, stream.height), stream.pix_fmt = size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if default:
                stream.disposition = Disposition.default if codec == "libx264" else Disposition(0)
            tracks.append((stream, count))
        for stream, count in tracks:
            for number in range(count):
                picture = numbered_picture(number, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream, _ in tracks:
            container.mux(stream.encode(None))
    return path
