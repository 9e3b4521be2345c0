"""A camera for the tests: serves video files over RTSP, looped without a gap, at their own pace.

    /usr/bin/python3 tests/support/rtsp_server.py --user admin --password s3cret lobby=clip.mp4 yard=other.mp4

Prints `ready PORT` once it listens, and ends when its standard input closes. With GStreamer it speaks TCP and UDP
and asks for a password, and a file named `tone` is sound without a picture; with `--toolkit` it is aio-rtsp-toolkit,
which speaks TCP, asks nothing, doesn't loop, and serves NAME as NAME.mp4.
Freeze it as a real camera freezes with SIGSTOP, cut it with SIGKILL.
"""

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--shared", action="store_true", help="viewers join amid the stream, as with a real camera")
    parser.add_argument("--toolkit", action="store_true", help="serve with aio-rtsp-toolkit instead of GStreamer")
    parser.add_argument("mounts", nargs="+", metavar="NAME=FILE")
    return parser.parse_args()


def end_with_parent() -> None:
    """End this process as soon as its standard input closes."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def serve_with_gstreamer(options: argparse.Namespace) -> None:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)

    def encoded_frames(path: str) -> list[tuple[bytes, int, int, int]]:
        """(bytes, decoding time, presentation time, duration) of every frame, times in ns."""
        pipeline = Gst.parse_launch(
            f"filesrc name=file ! qtdemux ! h264parse config-interval=-1 ! {CAPS} ! appsink name=frames sync=false"
        )
        pipeline.get_by_name("file").set_property("location", path)
        sink = pipeline.get_by_name("frames")
        pipeline.set_state(Gst.State.PLAYING)
        frames = []
        while sample := sink.emit("pull-sample"):
            buffer = sample.get_buffer()
            frames.append((buffer.extract_dup(0, buffer.get_size()), buffer.dts, buffer.pts, buffer.duration))
        pipeline.set_state(Gst.State.NULL)
        return frames

    def looped(path: str) -> Any:
        """Gives every viewer the file from its first keyframe, again and again."""
        frames = encoded_frames(path)
        first_dts, last = frames[0][1], frames[-1]
        length = last[1] + last[3] - first_dts

        def feed(_factory: Any, media: Any) -> None:
            positions = itertools.count()

            def push(source: Any, _wanted: int) -> None:
                loop, index = divmod(next(positions), len(frames))
                payload, dts, pts, duration = frames[index]
                buffer = Gst.Buffer.new_wrapped(payload)
                start = loop * length - first_dts
                buffer.dts, buffer.pts, buffer.duration = dts + start, pts + start, duration
                source.emit("push-buffer", buffer)

            media.get_element().get_child_by_name("frames").connect("need-data", push)

        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            f"( appsrc name=frames is-live=true format=time caps={CAPS} "
            "! identity sync=true ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
        )
        factory.connect("media-configure", feed)
        return factory

    def tone() -> Any:
        """Sound without a picture."""
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch("( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )")
        return factory

    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    if options.user:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), token)
        server.set_auth(auth)
    for mount in options.mounts:
        name, _, path = mount.partition("=")
        factory = tone() if path == "tone" else looped(path)
        factory.set_shared(options.shared)
        if options.user:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("viewer", "media.factory.access", True)
            permissions.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(f"/{name}", factory)
    if not server.attach(None):
        sys.exit(f"port {options.port} is taken")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def serve_with_toolkit(options: argparse.Namespace) -> None:
    import asyncio
    import logging

    from aio_rtsp_toolkit import server as toolkit

    async def serve(folder: Path) -> None:
        for mount in options.mounts:
            name, _, path = mount.partition("=")
            shutil.copy(path, folder / f"{name}.mp4")  # it serves known endings only
        server = await toolkit.RtspServer(str(folder), "127.0.0.1", options.port).start()
        print("ready", server._server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    toolkit.logger = logging.getLogger("rtsp")  # its own writes to standard output, before our `ready`
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(serve(Path(folder)))


if __name__ == "__main__":
    options = arguments()
    end_with_parent()
    (serve_with_toolkit if options.toolkit else serve_with_gstreamer)(options)
