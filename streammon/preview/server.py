"""HTTP server of the preview: the page, the live streams, health checks and metrics."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from aiohttp import web

from streammon.config import Config, PreviewConfig
from streammon.errors import ConfigError
from streammon.preview.board import Board, ReviewedEvents
from streammon.preview.guard import (
    HEADERS_S,
    MAX_BODY_BYTES,
    Access,
    Connections,
    errors_as_json,
    on_prepare,
    tls_context,
)
from streammon.preview.operations import Gauges, Health, Metrics, describe
from streammon.preview.streams import LivePictures, WhepSessions, still_routes
from streammon.records import Alert, CameraFigures, CameraStatus, Event, ScoredFrame, Verdict

CLOSE_S = 0.5  # to close streams and pages, then again to end requests
BACKLOG = 128

log = logging.getLogger(__name__)


class Preview:
    """Serves the page and the live streams, as an async context manager.

    Construction reads the certificate, entering binds the port, and leaving takes a second at most, whatever the
    viewers do.

    Args:
        config: Configuration of the cameras and of the `preview`.
        figures: Each camera's figures, which the monitor keeps up to date.
        gauges: Further measurements of the monitor, for the metrics.
        on_verdict: Called on the event loop with each verdict on an alert that is new, has changed or is withdrawn.
        events: Alerts whose evidence is kept, for the review on the page; None where none is.

    Attributes:
        pictures: Receives each camera's newest picture, from the camera's reader thread.
        url: URL of the server, once entered.

    Raises:
        ConfigError: The certificate or its key can't be used.
    """

    def __init__(
        self,
        config: Config,
        figures: Mapping[str, CameraFigures],
        gauges: Gauges | None = None,
        on_verdict: Callable[[Verdict], None] = lambda _: None,
        events: ReviewedEvents | None = None,
    ) -> None:
        self._preview = config.preview or PreviewConfig()
        self._tls = tls_context(self._preview)
        self.pictures = LivePictures(config.cameras, self._preview)
        self.url = ""
        self._board = Board(config, figures, self.pictures, on_verdict, events)
        self._whep = WhepSessions(self.pictures, self._preview)
        self._access = Access(self._preview)
        self._metrics = Metrics(
            config,
            figures,
            gauges or Gauges(),
            self.pictures.viewers,
            lambda: self._access.failures,
            lambda: self.pictures.failures,
        )
        self._health = Health(figures, self._metrics)
        self._runner = web.AppRunner(self._application(), shutdown_timeout=CLOSE_S / 2)
        self._listener: asyncio.Server | None = None

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[errors_as_json, self._access.middleware], client_max_size=MAX_BODY_BYTES, logger=log
        )
        app.on_response_prepare.append(on_prepare)
        app.add_routes(self._access.routes())
        app.add_routes(self._health.routes())
        app.add_routes(self._board.routes())
        app.add_routes(self._whep.routes())
        app.add_routes(still_routes(self.pictures))
        app.router.add_get("/api/openapi.json", self._describe)
        return app

    async def __aenter__(self) -> Self:
        """Bind the port and start serving.

        Raises:
            ConfigError: The address or the port can't be bound.
        """
        listening = await _listening_socket(self._preview)
        try:
            await self._runner.setup()
            loop = asyncio.get_running_loop()
            assert self._runner.server is not None
            self._listener = await loop.create_server(
                Connections(self._runner.server, loop),
                sock=listening,
                ssl=self._tls,
                ssl_handshake_timeout=HEADERS_S if self._tls else None,
                backlog=BACKLOG,
            )
        except BaseException:
            listening.close()
            await self._runner.cleanup()
            raise
        self.url = self._url(listening)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every session and close the port, within a second."""
        if self._listener is not None:
            self._listener.close()
        self.pictures.close()
        # wait_for, since before Python 3.11.4 asyncio.timeout does not work in a task that is being cancelled.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(self._board.close(), self._whep.close()), CLOSE_S)
        await self._runner.cleanup()

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Show the alerts of an earlier monitor. Call it on the event loop, before the first event about an alert.

        Args:
            alerts: The latest message of each alert, in the order in which the alerts opened.
        """
        self._board.restore(alerts)

    async def alert_snapshot(self, alert_id: str) -> bytes | None:
        """Picture of one of the newest alerts with its boxes, as JPEG; None if there is none."""
        return await self._board.journal.snapshot(alert_id)

    def on_event(self, event: Event) -> None:
        """Pass an event of the monitor to pictures, metrics and page. Called on the event loop; never blocks."""
        match event:
            case ScoredFrame():
                self.pictures.put_score(event)
            case CameraStatus() if not event.state.sends_pictures:
                self.pictures.clear(event.camera)
        self._metrics.on_event(event)
        self._board.on_event(event)

    def _url(self, listening: socket.socket) -> str:
        host, port = listening.getsockname()[:2]
        shown = self._preview.host if self._preview.host == "localhost" else host
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}/"

    async def _describe(self, _request: web.Request) -> web.Response:
        """Respond with the OpenAPI description of the routes."""
        return web.json_response(describe())


async def _listening_socket(preview: PreviewConfig) -> socket.socket:
    """Socket that listens on the host and port of the preview.

    Raises:
        ConfigError: The host is no address of this machine, or the port is taken or forbidden.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(preview.host, preview.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        problem = f"there is no address for {preview.host}"
        raise ConfigError("preview.host", problem, "give an address of this machine, such as 127.0.0.1") from None
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # at once: two sockets may be bound to one port, but only one can listen
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _port_error(preview, error) from None
    return listening


def _port_error(preview: PreviewConfig, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        problem = f"port {preview.port} of {preview.host} is taken"
        return ConfigError(
            "preview.port", problem, "stop the process that uses it, or choose another port; 0 picks a free one"
        )
    if error.errno == errno.EACCES:
        problem = f"port {preview.port} needs more rights than this user has"
        return ConfigError("preview.port", problem, "choose one from 1024 on")
    if error.errno == errno.EADDRNOTAVAIL:
        problem = f"{preview.host} is no address of this machine"
        return ConfigError("preview.host", problem, "give one of its own, or 0.0.0.0 for all")
    problem = f"port {preview.port} of {preview.host} can't be listened on ({os.strerror(error.errno or 0).lower()})"
    return ConfigError("preview.port", problem, "choose another")
