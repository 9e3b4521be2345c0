"""Faults of the network in a few words, without addresses: the libraries' messages may contain passwords."""

import asyncio
import errno
import socket
import ssl
from pathlib import Path

from streammon.errors import ConfigError, system_reason


def fault_reason(error: BaseException | None) -> str:
    """Reason why a receiver can't be reached.

    >>> fault_reason(ConnectionRefusedError(111, "Connect call failed ('10.0.0.7', 443)"))
    'connection refused'
    """
    match error:
        case TimeoutError():
            return "no answer"
        case ssl.SSLCertVerificationError():
            return f"its certificate can't be verified ({error.verify_message or 'no reason given'})"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or 'no reason given'})"
        case socket.gaierror():
            return "no such host"
        case ConnectionRefusedError():
            return "connection refused"
        case OSError(errno=int(code)) if code in errno.errorcode:
            return f"no connection ({errno.errorcode[code]})"
    return "the connection was lost"


def client_tls(ca_file: Path | None, where: str) -> ssl.SSLContext:
    """TLS context that verifies the receiver's certificate and name.

    Args:
        ca_file: PEM file of the authorities; None for the machine's.
        where: Setting that names the file.

    Raises:
        ConfigError: The file can't be read, or has no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ConfigError(where, f"{ca_file} has no certificate", "name a PEM file of authorities") from None
    except OSError as error:
        found = f"{ca_file} can't be read ({system_reason(error)})"
        raise ConfigError(where, found, "name a PEM file of authorities") from None


async def reach_host(host: str, port: int, tls: ssl.SSLContext | None, timeout_s: float) -> None:
    """Connect, with the handshake of TLS, and disconnect.

    Raises:
        OSError: There is no connection; a `TimeoutError` if it took too long.
    """
    async with asyncio.timeout(timeout_s):
        _, writer = await asyncio.open_connection(host, port, ssl=tls)
    writer.transport.abort()  # closing would wait for the answer to TLS' goodbye
