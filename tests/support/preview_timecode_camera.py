"""A live RTSP camera whose pictures carry the time at which they were taken, for measuring delays.

    cd tests && /usr/bin/python3 -m support.preview_timecode_camera --width 960 --height 540 --fps 25

Prints `ready PORT`, serves `/live`, and ends when its standard input closes. Wants GStreamer
(tests/install-rtsp-server.sh). The top rows of each picture are 24 blocks, black or white: milliseconds of the
machine's monotonic clock, the highest bit first. Below, stripes move, so that there is something to encode.
"""

import argparse
import threading
import time
from pathlib import Path
from typing import Any

from support.rtsp_server import end_with_parent

TESTS = Path(__file__).resolve().parents[1]
COMMAND = ("/usr/bin/python3", "-m", "support.preview_timecode_camera")
"""Starts it where the current folder is `TESTS`."""
BITS = 24
ROWS = 32


def timecode_rows(width: int, now_s: float) -> bytes:
    """The luma of the top rows."""
    code, block = int(now_s * 1000) & (1 << BITS) - 1, width // BITS
    row = b"".join((b"\xeb" if code >> bit & 1 else b"\x10") * block for bit in reversed(range(BITS)))
    return row.ljust(width, b"\x10") * ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=960)
    parser.add_argument("--height", type=int, default=540)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--slices", type=int, default=1, help="cut each picture in so many")
    options = parser.parse_args()
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    width, height, fps = options.width, options.height, options.fps
    stripes = bytes(60 + x * 3 % 120 for x in range(2 * width))
    chroma = b"\x80" * (width * height // 2)

    def feed(_factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name("source")

        def take_pictures() -> None:
            began_s, count = time.monotonic(), 0
            while True:
                time.sleep(max(0.0, began_s + count / fps - time.monotonic()))
                body = stripes[count * 4 % width :][:width] * (height - ROWS)
                buffer = Gst.Buffer.new_wrapped(timecode_rows(width, time.monotonic()) + body + chroma)
                buffer.pts = count * Gst.SECOND // fps
                buffer.duration = Gst.SECOND // fps
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
                count += 1

        threading.Thread(target=take_pictures, daemon=True).start()

    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(
        f"( appsrc name=source is-live=true format=time caps=video/x-raw,format=I420,width={width},height={height},"
        f"framerate={fps}/1 ! x264enc threads={options.slices} sliced-threads=true tune=zerolatency"
        f" speed-preset=ultrafast bitrate=3000 key-int-max={fps}"
        " ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    )
    factory.set_shared(True)
    factory.connect("media-configure", feed)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    end_with_parent()
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
