"""Types of the configuration's values."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

DURATION_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
PREFIX = r"^[\x21-\x7e]{1,64}$"
DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"
HOST = r"^[A-Za-z0-9_.:%-]{1,255}$"
ORIGIN = r"^https?://[A-Za-z0-9_.:\[\]-]{1,255}$"
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
TOPIC = r"^[^+#\x00-\x1f\x7f/$][^+#\x00-\x1f\x7f]{0,127}$"
PASSWORD_HASH = (
    r"^\$argon2(id|i|d)\$v=\d+\$m=\d{1,7},t=\d{1,2},p=\d{1,2}"
    r"\$[A-Za-z0-9+/]{11,88}\$[A-Za-z0-9+/]{11,88}$"
)
PATTERN_RULES = {
    NAME: "it must be 1 to 64 letters, digits, - and _, and begin with a letter or digit",
    PREFIX: "it must be 1 to 64 printable ASCII characters without a space",
    DEVICE: "it must be auto, cpu, mps, cuda, or one of several as in cuda:1",
    HOST: "it must be an address or a name, without a port",
    ORIGIN: "it must be scheme, host and port as in https://wall.example:8443",
    HEADER_NAME: "it must be the name of an HTTP header",
    TOPIC: "it must be 1 to 128 characters without +, # and control characters, and not begin with / or $",
    PASSWORD_HASH: "it must be what `streammon hash-password` prints, never the password",
}

Name = Annotated[str, Field(pattern=NAME)]
Origin = Annotated[str, Field(pattern=ORIGIN)]
HeaderName = Annotated[str, Field(pattern=HEADER_NAME)]
Topic = Annotated[str, Field(pattern=TOPIC)]
PasswordHash = Annotated[str, Field(pattern=PASSWORD_HASH)]


def seconds(duration: object) -> float:
    """Convert a duration such as `90s`, `10m`, `2h` or a bare number to seconds.

    Raises:
        ValueError: The text is no such duration, or not above 0.

    >>> seconds("10m")
    600.0
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(duration))
    if not match or float(match[1]) <= 0:
        raise ValueError("it must be a duration above 0 such as 90s, 10m or 2h")
    return float(match[1]) * DURATION_S[match[2] or "s"]


Duration = Annotated[float, BeforeValidator(seconds)]


def without_controls(text: str | Path) -> str | Path:
    """Return a text or path unchanged, refusing control characters, which file systems reject or show badly.

    Raises:
        ValueError: The text contains a control character.
    """
    if re.search(r"[\x00-\x1f\x7f]", str(text)):
        raise ValueError("it must hold no control characters")
    return text


FilePath = Annotated[Path, AfterValidator(without_controls)]


def is_loopback(host: str) -> bool:
    """True if only this machine can reach a server on `host`; of names, this is assumed of `localhost` alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "wall.example")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Section(BaseModel):
    """Base class of all sections: unknown keys are errors, and values can't be changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SectionType = TypeVar("SectionType", bound=Section)
