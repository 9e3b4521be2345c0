"""URLs of cameras and Redis: one canonical form, and what of it may be shown.

In the canonical form the scheme is in small letters, and user and password are percent-encoded where Python's or
FFmpeg's parser would take a character for the end of a part. A raw `/`, `?` or `#` in a password ends the part of the
URL that names the server, so that a piece of the password would be taken for the host, the port or the path. Such a
URL is refused, and no message shows any of it.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, unquote_to_bytes

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
REDIS_SCHEMES = ("redis", "rediss", "unix")
REDIS_OPTIONS = ("db", "username", "password", "client_name")
LARGEST_PORT = 65535
LONGEST_RTSP_LOGIN = 127  # bytes of `user:password`; FFmpeg cuts off the rest
RAW_IN_LOGIN = "!\"$&'()*+,;<=>\\^`{|}~-._"
"""Characters of a user or password that stay as they are: FFmpeg limits the length of what is encoded."""

ENCODE_RULE = (
    "percent-encode its user and password (# is %23, / is %2F, ? is %3F, @ is %40, % is %25),"
    " or write them as ${NAME}, which takes the environment variable literally"
)
PORT_RULE = "it must be a URL with a port from 0 to 65535, or a path"
REDIS_SCHEME_RULE = "it must be `embedded` or begin with redis://, rediss:// or unix://"
REDIS_PORT_RULE = "it must name one server, as host:port with a port from 1 to 65535"
SOCKET_RULE = "it must be unix:// and the whole path of the socket, as in unix:///run/redis.sock"
DATABASE_RULE = "what follows the host must be a database number, as in redis://10.0.0.5/0"
OPTIONS_RULE = f"its options may be {', '.join(REDIS_OPTIONS)}, and with rediss:// those that begin with ssl_"

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[^\]]*)?\]|[^:\[\]]*)(?::([0-9]*))?")
_LOGIN = re.compile(r".*?://([^/?#]*)@|turns?:(.*)@", re.DOTALL | re.IGNORECASE)

# In a text: a URL, or what a path makes of it (`rtsp:/…`), up to its last `@` and to what ends the quotation.
_QUOTED_LOGIN = re.compile(
    r"\b(rtsps?|https?|rediss?|unix):/(?:(?!/)|/)(?!:?\$\{).*@[^\s'\"`);]*?(?=:?(?:\s|$|['\"`);]))", re.IGNORECASE
)
_QUOTED_PATH = re.compile(r"\b(rtsps?|https?):/{1,2}([^/\s'\"`);?#…]+)[/?#][^\s'\"`);:]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Parts of a URL.

    Attributes:
        scheme: In small letters.
        login: User and password, percent-encoded; None without an `@`.
        host: Name or IP address, an IPv6 address in brackets; empty if none is named.
        port: None if none is named.
        path: What follows the host, with its `/`.
        query: With its `?`, or empty.
        fragment: With its `#`, or empty.
    """

    scheme: str
    login: str | None
    host: str
    port: int | None
    path: str
    query: str
    fragment: str

    @property
    def place(self) -> str:
        """Host and port."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        login = "" if self.login is None else f"{self.login}@"
        return f"{self.scheme}://{login}{self.place}{self.path}{self.query}{self.fragment}"


def parse_address(url: str) -> Address | None:
    """The parts of a URL; None if the text is no URL.

    Raises:
        ValueError: A part can't be told from the next one, or the port is no number up to 65535.

    >>> str(parse_address("RTSP://viewer:pa[ss@w:rd%@10.0.0.7/Stream1"))
    'rtsp://viewer:pa%5Bss%40w%3Ard%25@10.0.0.7/Stream1'
    >>> parse_address("rtsp://viewer:12#3@10.0.0.7/stream1")
    Traceback (most recent call last):
    ValueError: percent-encode its user and password (# is %23, ...
    """
    match = _URL.fullmatch(url.strip())
    if match is None:
        return None
    scheme, authority, path, query, fragment = (part or "" for part in match.groups())
    login, at, place = authority.rpartition("@")
    parts = _PLACE.fullmatch(place)
    at_behind = "@" in path + query + fragment
    if at_behind and ("@" in fragment or parts is None or not _is_host(parts[1], bool(at), ":" in place)):
        raise ValueError(ENCODE_RULE)
    if parts is None or int(parts[2] or 0) > LARGEST_PORT:
        raise ValueError(PORT_RULE)
    port = int(parts[2]) if parts[2] else None
    return Address(scheme.lower(), _encoded_login(login) if at else None, parts[1], port, path, query, fragment)


def _is_host(host: str, behind_login: bool, before_port: bool) -> bool:
    """True if the part taken for the host belongs to no login, although an `@` follows it.

    `viewer` in `rtsp://viewer:12/3@camera` is a user, and `b` in `rtsp://viewer:a@b/c@camera` is of the password.
    """
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost" or not (behind_login or before_port) or (behind_login and "." in host)
    return True


def _encoded_login(login: str) -> str:
    return ":".join(quote(unquote_to_bytes(part), safe=RAW_IN_LOGIN) for part in login.split(":", 1))


def camera_url(url: str) -> str:
    """The canonical form of a camera's URL; a path is returned unchanged.

    Raises:
        ValueError: The URL can't be used; the message has no part of it.

    >>> camera_url(" RTSP://viewer:pa ss@10.0.0.7/Stream1"), camera_url("clips/lobby.mp4")
    ('rtsp://viewer:pa%20ss@10.0.0.7/Stream1', 'clips/lobby.mp4')
    """
    address = parse_address(url)
    if address is None:
        if "://" in url:
            raise ValueError(f"it must begin with {', '.join(STREAM_SCHEMES)}, or be a path")
        return url
    if address.scheme not in STREAM_SCHEMES:
        raise ValueError(f"it must begin with {', '.join(STREAM_SCHEMES)}, or be a path")
    if not address.host:
        raise ValueError("it must name a host")
    if address.scheme.startswith("rtsp") and len(address.login or "") > LONGEST_RTSP_LOGIN:
        raise ValueError(
            f"its user and password together may have {LONGEST_RTSP_LOGIN} characters, counting 3 for an encoded one"
        )
    return str(address)


def redis_url(url: str) -> str:
    """The canonical form of the URL of a Redis server; `embedded` is returned unchanged.

    Raises:
        ValueError: The URL can't be used; the message has no part of it.

    >>> redis_url("REDIS://:pa[ss@10.0.0.5/1")
    'redis://:pa%5Bss@10.0.0.5/1'
    >>> redis_url("redis://10.0.0.5/notadb")
    Traceback (most recent call last):
    ValueError: what follows the host must be a database number, as in redis://10.0.0.5/0
    """
    if url == "embedded":
        return url
    if url.partition("://")[0].strip().lower() not in REDIS_SCHEMES:
        raise ValueError(REDIS_SCHEME_RULE)
    address = _redis_address(url)
    if address.fragment:
        raise ValueError(ENCODE_RULE)
    database = address.path.strip("/") if address.scheme != "unix" else ""
    if address.scheme == "unix":
        if address.place or len(address.path) <= 1:
            raise ValueError(SOCKET_RULE)
    elif not re.fullmatch(r"/?|/[0-9]+/?", address.path):
        raise ValueError(DATABASE_RULE)
    options = _options(address)
    named = [database, *(value for name, value in options if name == "db")]
    if any(not value.isdecimal() for value in named[1:]) or len({int(each) for each in named if each}) > 1:
        raise ValueError(DATABASE_RULE)
    return str(address if address.scheme == "unix" else replace(address, path=f"/{database}" if database else ""))


def _redis_address(url: str) -> Address:
    try:
        address = parse_address(url)
    except ValueError as error:
        raise ValueError(REDIS_PORT_RULE if str(error) == PORT_RULE else str(error)) from None
    if address is None or address.port == 0:
        raise ValueError(REDIS_PORT_RULE)
    return address


def _options(address: Address) -> list[tuple[str, str]]:
    """Names and values behind the `?`.

    Options that change how the client waits, retries or decodes are refused, since streammon relies on its own.
    """
    options = parse_qsl(address.query.removeprefix("?"), keep_blank_values=True)
    for name, _ in options:
        if name not in REDIS_OPTIONS and not (address.scheme == "rediss" and name.startswith("ssl_")):
            raise ValueError(OPTIONS_RULE)
    return options


def literal(value: str, before_colon: bool = False) -> str:
    """A value as it must stand in a URL's user or password.

    Args:
        value: The user, the password, or both with a `:` between them.
        before_colon: A `:` follows in the URL, so that one in the value belongs to the user.
    """
    return quote(value, safe=RAW_IN_LOGIN + ("" if before_colon else ":"))


def login_span(url: str) -> tuple[int, int]:
    """Begin and end of user and password in a URL, or in one with `${NAME}` in it; (0, 0) if it has none.

    >>> "rtsp://viewer:${PASSWORD}@10.0.0.7/"[slice(*login_span("rtsp://viewer:${PASSWORD}@10.0.0.7/"))]
    'viewer:${PASSWORD}'
    """
    match = _LOGIN.match(url)
    return match.span(1 if match[1] is not None else 2) if match else (0, 0)


def redacted(url: str) -> str:
    """The part of a camera's address that is safe to show: no user, password, path or query of a network URL.

    Some cameras take their password in the path or the query, so both are left out.

    >>> redacted("rtsp://admin:s3cret@10.0.0.7:554/user=admin&password=s3cret")
    'rtsp://10.0.0.7:554/…'
    >>> redacted("clips/lobby.mp4")
    'clips/lobby.mp4'
    """
    if "://" not in url:
        return url
    try:
        address = parse_address(url)
    except ValueError:
        address = None
    return f"{url.partition('://')[0].strip()}://…" if address is None else f"{address.scheme}://{address.place}/…"


def without_logins(text: str) -> str:
    """A message with every URL in it shortened as far as it may hold a password: for errors that quote an argument.

    >>> without_logins("got unexpected extra argument (redis://:s3cret@10.0.0.5); see `streammon watch --help`")
    'got unexpected extra argument (redis://…); see `streammon watch --help`'
    >>> without_logins("rtsp:/10.0.0.7/user=admin&password=s3cret: there is no such file")
    'rtsp://10.0.0.7/…: there is no such file'
    """
    return _QUOTED_PATH.sub(r"\1://\2/…", _QUOTED_LOGIN.sub(r"\1://…", text))
