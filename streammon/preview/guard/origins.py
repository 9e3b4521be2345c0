"""Canonical form and comparison of page origins."""

from urllib.parse import urlsplit

from streammon.config import PreviewConfig

DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_origin(origin: str) -> str:
    """Canonical form of an origin (RFC 6454): scheme and host in lower case, without the scheme's default port.

    Empty for an invalid origin, such as a sandboxed page's `null`.

    >>> canonical_origin("HTTPS://Wall.Example:443"), canonical_origin("http://[::1]:8088"), canonical_origin("null")
    ('https://wall.example', 'http://[::1]:8088', '')
    """
    try:
        parts = urlsplit(origin)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return ""
    if not scheme or not host or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port in (None, DEFAULT_PORTS.get(scheme)) else f":{port}")


def canonical_origins(preview: PreviewConfig) -> frozenset[str]:
    """Canonical forms of the origins in `preview.allow_origins`."""
    return frozenset(map(canonical_origin, preview.allow_origins)) - {""}


def is_own_origin(origin: str, host: str) -> bool:
    """True if a page's origin is the host that its request goes to, also behind a TLS proxy.

    Args:
        origin: Origin header of the request.
        host: Host header of the request, which lacks the default port of the page's scheme.

    >>> [is_own_origin(f"{scheme}://Cams.example", "cams.example:443") for scheme in ("https", "http")]
    [True, False]
    """
    canonical = canonical_origin(origin)
    return canonical != "" and canonical == canonical_origin(f"{urlsplit(origin).scheme}://{host}")
