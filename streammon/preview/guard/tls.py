"""TLS certificate and key: loaded before the start, with a separate error for each fault."""

import ssl
from pathlib import Path

from streammon.config import PreviewConfig
from streammon.errors import ConfigError


def tls_context(preview: PreviewConfig) -> ssl.SSLContext | None:
    """TLS context of the server, for TLS 1.2 and later; None if no certificate is configured.

    Raises:
        ConfigError: The certificate or the key can't be used.
    """
    if preview.tls_certificate is None or preview.tls_key is None:
        return None
    _require_readable("preview.tls_certificate", preview.tls_certificate)
    _require_readable("preview.tls_key", preview.tls_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(preview.tls_certificate, preview.tls_key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _tls_error(preview, error) from None
    return context


def _no_password() -> str:
    """Password callback that raises, instead of a prompt on the terminal."""
    raise ValueError("the key is encrypted")


def _require_readable(key: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        found = f"{path} can't be read ({(error.strerror or 'no reason given').lower()})"
        raise ConfigError(key, found, "name a readable PEM file") from None


def _tls_error(preview: PreviewConfig, error: Exception) -> ConfigError:
    reason = str(getattr(error, "reason", "") or "")
    if isinstance(error, ValueError) and not isinstance(error, ssl.SSLError):
        return ConfigError("preview.tls_key", f"{preview.tls_key} is encrypted", "give a key without a password")
    if reason == "KEY_VALUES_MISMATCH":
        found = f"{preview.tls_key} is not the key of {preview.tls_certificate}"
        return ConfigError("preview.tls_key", found, "give the key of this certificate")
    if _has_certificate(preview.tls_certificate):
        return ConfigError(
            "preview.tls_key", f"{preview.tls_key} contains no valid private key", "give a private key as PEM"
        )
    found = f"{preview.tls_certificate} contains no valid certificate"
    return ConfigError("preview.tls_certificate", found, "give a certificate and its chain as PEM")


def _has_certificate(path: Path | None) -> bool:
    """True if the certificates in a file can be read, regardless of the key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, OSError, ValueError):
        return False
    return True
