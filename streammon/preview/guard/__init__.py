"""Protection of the server: authentication, origins, limits, TLS, security headers and error responses.

`access` authorises requests, with `passwords`, `logins` and `origins`; `connections` limits connections and bodies,
`answers` contains what every response has in common, `tls` loads the certificate.
"""

from streammon.preview.guard.access import USER, Access
from streammon.preview.guard.answers import NO_STORE, Handler, errors_as_json, on_prepare
from streammon.preview.guard.connections import HEADERS_S, MAX_BODY_BYTES, Connections, read_body
from streammon.preview.guard.origins import canonical_origin, canonical_origins
from streammon.preview.guard.passwords import hash_password
from streammon.preview.guard.tls import tls_context

__all__ = [
    "HEADERS_S",
    "MAX_BODY_BYTES",
    "NO_STORE",
    "USER",
    "Access",
    "Connections",
    "Handler",
    "canonical_origin",
    "canonical_origins",
    "errors_as_json",
    "hash_password",
    "on_prepare",
    "read_body",
    "tls_context",
]
