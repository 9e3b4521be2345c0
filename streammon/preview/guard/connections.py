"""Limits of HTTP connections: number, time and size of a request, and the response to an invalid one."""

import asyncio
import ipaddress
import logging
from collections import Counter
from typing import Any, cast

from aiohttp import web

from streammon.preview.guard.answers import add_security_headers, error_answer

MAX_CONNECTIONS = 512
MAX_CONNECTIONS_PER_CLIENT = 96  # a browser opens 6; 64 third-party players one each
HEADERS_S = 20.0  # for a request to arrive, and for an idle connection
BODY_S = 10.0
MAX_BODY_BYTES = 64 * 1024  # a WebRTC offer has 2 to 10 kB
LINGERING_S = 2.0  # data that arrives after a response is read and discarded for so long
MAX_LINE_BYTES = 4096
MAX_HEADERS = 64

log = logging.getLogger(__name__)


def client_of(address: str) -> str:
    """Address that identifies one client: the IPv4 address, or the IPv6 /64 network, as one household has.

    >>> client_of("10.0.0.7"), client_of("2001:db8::1:2:3:4%eth0"), client_of("::ffff:10.0.0.7")
    ('10.0.0.7', '2001:db8::', '10.0.0.7')
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)).network_address)
    return str(known)


async def read_body(request: web.Request) -> bytes:
    """Read the whole body, limited in size and time, so that no handler waits for a slow client.

    The application's `client_max_size` must be `MAX_BODY_BYTES`.

    Raises:
        web.HTTPException: The body is too long, didn't arrive within `BODY_S`, or is incomplete.
    """
    text, length = f"the body has more than {MAX_BODY_BYTES} bytes", request.content_length or 0
    if length > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, length, text=text)
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        error.text = text
        raise
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {BODY_S:.0f} s") from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="the body can't be read") from None


class Connections:
    """Creates the protocol of each connection, and counts connections against the limits.

    Clients on this machine have no limit per client, since they may be a proxy; only `MAX_CONNECTIONS` applies.

    Args:
        server: aiohttp's server of the application.
        loop: The running event loop.
    """

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._open: Counter[str] = Counter()

    def __call__(self) -> "BoundedHandler":
        """Create the protocol of a new connection."""
        return BoundedHandler(
            self,
            self._server,
            loop=self._loop,
            access_log=None,
            logger=log,
            keepalive_timeout=HEADERS_S,
            lingering_time=LINGERING_S,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
        )

    def admit(self, client: str) -> bool:
        """Count a connection; False if the client or the server has too many."""
        of_client = self._open[client]
        self._open[client] += 1
        is_near = client in ("127.0.0.1", "::")
        return self._open.total() <= MAX_CONNECTIONS and (is_near or of_client < MAX_CONNECTIONS_PER_CLIENT)

    def leave(self, client: str) -> None:
        """Stop counting a connection that `admit` counted."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


class BoundedHandler(web.RequestHandler):
    """aiohttp's protocol of one connection, counted; its response to an invalid request reveals no internals."""

    def __init__(self, connections: Connections, server: web.Server, **bounds: Any) -> None:
        super().__init__(server, **bounds)
        self._connections = connections
        self._client: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve, or abort a connection beyond the limits."""
        peer = transport.get_extra_info("peername")
        self._client = client_of(str(peer[0])) if peer else ""
        admitted = self._connections.admit(self._client)
        super().connection_made(transport)
        if not admitted:
            cast(asyncio.Transport, transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop counting the connection."""
        if self._client is not None:
            self._connections.leave(self._client)
            self._client = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Error response to an invalid request, or to a failure outside the application's middlewares."""
        if status >= 500:
            log.error("preview: a request failed (%s)", type(exc).__name__, exc_info=exc)
        if request.writer.output_size > 0:  # a part of a response has been sent
            raise ConnectionError("the response was cut off")
        answer = error_answer(status, "invalid HTTP request" if status < 500 else "internal error")
        add_security_headers("", answer)
        answer.force_close()
        return answer
