"""Origins of pages, compared in one way wherever one is allowed or refused."""

from urllib.parse import urlsplit

from streammon.config import PreviewConfig

DEFAULT_PORTS = {"http": 80, "https": 443}


def canonical_origin(origin: str) -> str:
    """An origin as it is compared (RFC 6454): scheme and host in lower case, without the scheme's own port.

    Empty for what is no origin, such as a sandboxed page's `null`.

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
    """The configured origins of others, as they are compared."""
    return frozenset(map(canonical_origin, preview.allow_origins)) - {""}


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page comes from where its request goes, whatever speaks TLS in between.

    Args:
        origin: The request's Origin header.
        host: Its Host header, which lacks the port where it is that of the page's scheme.

    >>> [is_own_origin(f"{scheme}://Cams.example", "cams.example:443") for scheme in ("https", "http")]
    [True, False]
    """
    canonical = canonical_origin(origin)
    return canonical != "" and canonical == canonical_origin(f"{urlsplit(origin).scheme}://{host}")
