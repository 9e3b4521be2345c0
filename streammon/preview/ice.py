"""Which addresses viewers may connect to: the one the preview is bound to, and what a configured server adds."""

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


# aioice takes every address of the machine but loopback, and has no setting for it. This is its own function for
# everybody who doesn't call it inside `candidates_of`.
aioice.ice.get_host_addresses = _chosen_addresses


@contextmanager
def candidates_of(addresses: list[str]) -> Iterator[None]:
    """Connections that gather their candidates inside, tasks begun inside included, offer these addresses alone."""
    token = _addresses.set(addresses)
    try:
        yield
    finally:
        _addresses.reset(token)


def host_addresses(host: str) -> list[str]:
    """The addresses to offer when the preview listens on `host`.

    An unspecified address (0.0.0.0, ::) stands for every address of the machine; where there is none but loopback,
    for that.

    Raises:
        ConfigError: `host` is a name that nobody knows.

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
        ValueError: It is no URL of one.

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
    """What each peer connection is made with: the configured servers, and no other.

    Raises:
        ConfigError: A URL is wrong.
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
