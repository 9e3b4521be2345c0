"""RTSP camera on loopback that plays a video file in real time."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from aio_rtsp_toolkit import server_streaming
from aio_rtsp_toolkit.server import RtspServer
from aio_sockets import TCPSocket

LOOPBACK = "127.0.0.1"
SESSION_TIMEOUT_S = 600

# aio-rtsp-toolkit 0.1 waits this long for room in its queue, then cancels the put and repeats it. Now and then the
# cancelled put has succeeded: the picture is sent twice, which corrupts the pictures predicted from it. Under load,
# the default of 0.05 s, less than a frame lasts, doubled 90 of 480 pictures; 0.5 s expires only if a viewer stalls.
server_streaming.QUEUE_PUT_POLL_INTERVAL = 0.5


@asynccontextmanager
async def plaza_camera(path: Path) -> AsyncIterator[str]:
    """Serve an `.mp4` over RTSP, to each viewer from the beginning to the end, and yield the URL.

    The server runs in a thread with its own event loop. So the server keeps its frame rate while the monitor's loop
    is busy, and does not block the monitor's loop when a file is opened. On exit, all tasks of the server have ended.
    Other videos in the same folder are served too.

    Raises:
        OSError: No port could be opened.
    """
    server = _ServerThread(path.parent)
    try:
        port = await server.started()
        yield f"rtsp://{LOOPBACK}:{port}/{quote(path.name)}"
    finally:
        await server.ended()


class _ServerThread:
    """Thread that runs the RTSP server until `ended` is called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._caller = asyncio.get_running_loop()
        self._port: asyncio.Future[int] = self._caller.create_future()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="plaza-camera")

    async def started(self) -> int:
        """Start the thread, and wait for the port that the system chose."""
        self._thread.start()
        return await asyncio.shield(self._port)

    async def ended(self) -> None:
        """Stop the server and wait for the thread's end: up to half a second while a viewer is connected."""
        await asyncio.wait([self._port])
        if self._port.exception() is None:
            self._loop.call_soon_threadsafe(self._stop.set)
        await self._done.wait()
        self._thread.join()  # the thread has nothing left to do, so this does not block

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._caller.call_soon_threadsafe(self._port.set_exception, error)
        finally:
            self._caller.call_soon_threadsafe(self._done.set)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = _FilmServer(self._folder)
        port = await server.listen()
        self._caller.call_soon_threadsafe(self._port.set_result, port)
        await self._stop.wait()
        await server.end()


class _FilmServer(RtspServer):  # type: ignore[misc]  # untyped
    """RTSP server of the toolkit, extended: reports its port, cancels its sessions, and logs through `logging`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), LOOPBACK, port=0, session_timeout=SESSION_TIMEOUT_S)
        self.logger = logging.getLogger(__name__)
        self._sessions: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """Open a free port and return it."""
        await self.start()
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def end(self) -> None:
        """Stop accepting viewers, then cancel the running sessions."""
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self.close()

    async def _handle_client(self, sock: TCPSocket) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions.add(session)
        try:
            await super()._handle_client(sock)
        finally:
            self._sessions.discard(session)
