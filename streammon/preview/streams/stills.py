"""JPEG snapshots and MJPEG streams, for clients without WebRTC."""

import asyncio

from aiohttp import web

from streammon.preview.guard import NO_STORE
from streammon.preview.streams.fanout import Viewer
from streammon.preview.streams.pictures import STREAMS, LivePictures

BOUNDARY = "streammon"
STALLED_S = 10.0
"""A client that reads nothing for so long is disconnected."""

IDLE_S = 2.0  # interval of checks for a closed connection while no picture comes
MAX_VIEWERS = 64
RETRY_AFTER_S = {"no picture yet": 1, "too many viewers": 10}


def still_routes(pictures: LivePictures) -> list[web.AbstractRouteDef]:
    """Routes `/snapshot/<camera>.jpg` and `/mjpeg/<camera>`, each with `?stream=`."""
    stills = Stills(pictures)
    return [
        web.get("/snapshot/{camera}.jpg", stills.snapshot),
        web.get("/mjpeg/{camera}", stills.mjpeg, allow_head=False),
    ]


class Stills:
    """HTTP handlers of snapshots and MJPEG streams.

    Args:
        pictures: Source of the pictures.
    """

    def __init__(self, pictures: LivePictures) -> None:
        self._pictures = pictures
        self._viewers = 0

    async def snapshot(self, request: web.Request) -> web.Response:
        """Respond with the newest picture as JPEG."""
        camera, stream = require_stream(request, self._pictures)
        picture = await asyncio.to_thread(self._pictures.still, camera, stream)
        if picture is None:
            raise _unavailable("no picture yet")
        return web.Response(body=picture, content_type="image/jpeg", headers=NO_STORE)

    async def mjpeg(self, request: web.Request) -> web.StreamResponse:
        """Respond with an MJPEG stream until the client disconnects or stops reading."""
        camera, stream = require_stream(request, self._pictures)
        if self._viewers >= MAX_VIEWERS:
            raise _unavailable("too many viewers")
        self._viewers += 1
        try:
            async with self._pictures.watching(camera, stream, "jpeg", wants_main(request)) as viewer:
                return await _send(request, viewer)
        finally:
            self._viewers -= 1


def require_stream(request: web.Request, pictures: LivePictures) -> tuple[str, str]:
    """Camera and stream of a request.

    Raises:
        web.HTTPNotFound: There is no such camera or stream.
    """
    camera, stream = request.match_info["camera"], request.query.get("stream", "picture")
    if camera not in pictures or stream not in STREAMS:
        raise web.HTTPNotFound(text="no such camera or stream")
    return camera, stream


def wants_main(request: web.Request) -> bool:
    """False for a viewer with `?main=0`, for whom no main stream need be opened: one of many small pictures."""
    return request.query.get("main") != "0"


def _unavailable(why: str) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(text=why, headers={**NO_STORE, "Retry-After": str(RETRY_AFTER_S[why])})


async def _send(request: web.Request, viewer: Viewer[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=NO_STORE)
    response.headers["X-Accel-Buffering"] = "no"  # nginx would collect pictures before it passes them on
    response.headers["Content-Type"] = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    await response.prepare(request)
    border = f"--{BOUNDARY}\r\n".encode()
    try:
        await response.write(border)
        while (picture := await _next(request, viewer)) is not None:
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
            async with asyncio.timeout(STALLED_S):  # a browser shows a part only once the next boundary arrives
                await response.write(head + picture + b"\r\n" + border)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()  # closing would wait for the client to read the rest
    except ConnectionError:
        pass  # the client has disconnected
    return response


async def _next(request: web.Request, viewer: Viewer[bytes]) -> bytes | None:
    """The next picture; None if the stream has ended or the client has disconnected."""
    while request.transport is not None and not request.transport.is_closing():
        try:
            async with asyncio.timeout(IDLE_S):
                return await viewer.get()
        except TimeoutError:
            continue
    return None
