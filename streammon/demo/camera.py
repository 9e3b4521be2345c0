"""Plays a video file as an RTSP camera on loopback, at its own pace."""

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

# aio-rtsp-toolkit 0.1 gives up on its full queue after this long and tries again, and now and then the attempt it
# gave up has gone through: that picture is sent twice and spoils those predicted from it. Under load its own 0.05 s,
# less than a frame lasts, doubled 90 of 480 pictures; at 0.5 s no wait runs out unless the viewer stalls.
server_streaming.QUEUE_PUT_POLL_INTERVAL = 0.5


@asynccontextmanager
async def plaza_camera(path: Path) -> AsyncIterator[str]:
    """The URL at which an `.mp4` plays, to each viewer from its beginning; where it ends, the stream ends.

    The server has a thread and a loop of its own, as a camera has its own computer: it keeps its pace while
    the monitor's loop is busy, opens the file without stopping it, and ends with every task it started.
    Any other video in the same folder can be played too.

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
    """A thread that runs the RTSP server until it is told to end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._caller = asyncio.get_running_loop()
        self._port: asyncio.Future[int] = self._caller.create_future()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="plaza-camera")

    async def started(self) -> int:
        """Start, and wait for the port the system chose."""
        self._thread.start()
        return await asyncio.shield(self._port)

    async def ended(self) -> None:
        """Ask it to end and wait until it has: up to half a second when somebody is watching."""
        await asyncio.wait([self._port])
        if self._port.exception() is None:
            self._loop.call_soon_threadsafe(self._stop.set)
        await self._done.wait()
        self._thread.join()  # it has nothing left to do: this does not block

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._caller.call_soon_threadsafe(self._port.set_exception, error)
        finally:
            self._caller.call_soon_threadsafe(self._done.set)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = _Server(self._folder)
        port = await server.listen()
        self._caller.call_soon_threadsafe(self._port.set_result, port)
        await self._stop.wait()
        await server.end()


class _Server(RtspServer):  # type: ignore[misc]  # untyped
    """The toolkit's server, which neither tells its port nor ends its sessions, and logs to standard output."""

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
        """Take no more viewers, then leave those there are."""
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
