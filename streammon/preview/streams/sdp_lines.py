"""Rewriting of an SDP offer's lines to the strict form that aiortc reads.

aiortc takes blanks after `;` as part of a parameter's name, refuses lines with more fields than it knows, and assumes
neither the defaults of RFC 8866 nor those of players that leave `a=fmtp` out.
"""

import re
from collections.abc import Iterable

DIRECTIONS = ("sendrecv", "recvonly", "sendonly", "inactive")
ASSUMED_H264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
"""Parameters of H.264 without `a=fmtp`, as GStreamer's `whepsrc` offers it.

RFC 6184 would mean packetization mode 0, but who names no mode depacketises any.
"""

_LEFT_OUT = re.compile(r"a=(?:end-of-candidates|candidate:.*\.local .*|ssrc(?:-group)?:.*|fmtp:\s*\d+)")
_FMTP = re.compile(r"a=fmtp:\s*(\d+)\s+(.*)")
_H264 = re.compile(r"a=rtpmap:(\d+) h264/90000.*", re.IGNORECASE)


def tidied(sdp: str) -> list[str]:
    """Lines of an offer, rewritten where aiortc is stricter than players are.

    Left out are lines that don't apply to the connection: candidates with mDNS names (`….local`), which could only
    be resolved by multicast, `a=end-of-candidates`, since the viewer's address may become known only by its own
    connectivity checks (a peer-reflexive candidate), `a=ssrc`, since a viewer sends nothing, and `a=fmtp` without
    parameters.
    """
    lines = [_tidied_line(line.strip()) for line in sdp.splitlines()]
    lines = [line for line in lines if line and not _LEFT_OUT.fullmatch(line)]
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        return lines
    session = lines[: starts[0]]
    default = _direction(session) or "sendrecv"
    sections = [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    return [*session, *(line for section in sections for line in _completed(section, default))]


def _tidied_line(line: str) -> str:
    """One line without superfluous blanks and fields.

    >>> _tidied_line("a=fmtp:102  level-asymmetry-allowed=1; Packetization-Mode = 1; profile-level-id=42e01f;")
    'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'
    >>> _tidied_line("a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:toffset short")
    'a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:toffset'
    """
    if found := _FMTP.fullmatch(line):
        payload, parameters = found.groups()
        return f"a=fmtp:{payload} " + ";".join(filter(None, map(_tidied_parameter, parameters.split(";"))))
    if line.startswith(("a=extmap:", "a=rtpmap:", "a=fingerprint:")):
        return " ".join(line.replace(": ", ":", 1).split()[:2])
    return line


def _tidied_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return name.strip().lower() + equals + value.strip()


def _completed(section: list[str], default: str) -> Iterable[str]:
    """The lines of a media section, with the direction and the parameters of H.264 that they leave out."""
    described = {found[1] for line in section if (found := _FMTP.fullmatch(line))}
    for line in section:
        yield line
        found = _H264.fullmatch(line)
        if found and found[1] not in described:
            yield f"a=fmtp:{found[1]} {ASSUMED_H264}"
    if _direction(section) is None:
        yield f"a={default}"


def _direction(lines: Iterable[str]) -> str | None:
    """Direction that a section, or the session, names."""
    return next((line[2:] for line in lines if line.startswith("a=") and line[2:] in DIRECTIONS), None)
