"""ICE configuration: local addresses offered to viewers, and the configured STUN and TURN servers."""

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import unquote

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from streammon.errors import ConfigError

_all_addresses = aioice.ice.get_host_addresses
_addresses: ContextVar[list[str] | None] = ContextVar("addresses", default=None)


def _chosen_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    chosen = _addresses.get()
    return _all_addresses(use_ipv4, use_ipv6) if chosen is None else chosen


# aioice (0.13) offers every address of the machine but loopback, and has no setting for it. Outside `candidates_of`
# the replacement behaves like the original.
aioice.ice.get_host_addresses = _chosen_addresses


@contextmanager
def candidates_of(addresses: list[str]) -> Iterator[None]:
    """Context in which connections, also in tasks started inside, offer only these addresses as candidates."""
    token = _addresses.set(addresses)
    try:
        yield
    finally:
        _addresses.reset(token)


def host_addresses(host: str) -> list[str]:
    """The addresses to offer when the preview listens on `host`.

    An unspecified address (0.0.0.0, ::) stands for every address of the machine but loopback, or for 127.0.0.1 if
    there is no other.

    Raises:
        ConfigError: `host` can't be resolved.

    >>> host_addresses("127.0.0.1")
    ['127.0.0.1']
    """
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_DGRAM)
    except OSError:
        raise ConfigError("config", f"preview.host is {host!r}, which has no address", "name an address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    unspecified = [ipaddress.ip_address(one.split("%")[0]) for one in addresses]
    if not any(one.is_unspecified for one in unspecified):
        return addresses
    ipv6 = any(one.version == 6 for one in unspecified)
    return _all_addresses(use_ipv4=True, use_ipv6=ipv6) or ["127.0.0.1"]


def ice_server(url: str) -> RTCIceServer:
    """A STUN or TURN server from its URL; TURN's user and password stand before the host, percent-encoded.

    Raises:
        ValueError: `url` is not the URL of a STUN or TURN server.

    >>> ice_server("turn:me:s%40fe@turn.example:3478?transport=tcp")
    RTCIceServer(urls='turn:turn.example:3478?transport=tcp', username='me', credential='s@fe', ...)
    """
    scheme, _, rest = url.partition(":")
    login, at, place = rest.rpartition("@")
    bare = f"{scheme}:{place}"
    parse_stun_turn_uri(bare)
    if not at:
        return RTCIceServer(bare)
    user, _, password = login.partition(":")
    return RTCIceServer(bare, unquote(user), unquote(password))


def rtc_configuration(urls: list[str]) -> RTCConfiguration:
    """Configuration of every peer connection, with the configured ICE servers and no other.

    Raises:
        ConfigError: A URL is not that of a STUN or TURN server.
    """
    servers = []
    for position, url in enumerate(urls):
        try:
            servers.append(ice_server(url))
        except ValueError:
            raise ConfigError(
                "config",
                f"preview.ice_servers.{position} is no STUN or TURN server",
                "write `stun:host:port` or `turn:user:password@host:port`",
            ) from None
    return RTCConfiguration(iceServers=servers)
