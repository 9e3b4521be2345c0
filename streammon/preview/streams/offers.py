"""Validation of a viewer's SDP offer, before a connection is made."""

from collections.abc import Iterable

from aiortc import RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpCodecCapability, RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.sdp import SessionDescription

from streammon.preview.streams.sdp_lines import tidied

MAX_SECTIONS = 8
"""Limit of media sections, since each may open sockets of its own."""

MAX_CANDIDATES = 64
"""Limit of ICE candidates, since each causes several connectivity checks."""

INVALID_SDP_ERRORS = (ValueError, AssertionError, AttributeError, TypeError, LookupError, RuntimeError, StopIteration)
"""Exceptions that aiortc raises for invalid SDP."""


class BadOfferError(ValueError):
    """The offer is invalid, has no video or exceeds a limit."""


class UnanswerableOfferError(ValueError):
    """The offer is valid, but its video can't be answered with H.264."""


def h264_codecs() -> list[RTCRtpCodecCapability]:
    """Codecs of the sender: H.264, and RTX for retransmissions."""
    codecs: Iterable[RTCRtpCodecCapability] = RTCRtpSender.getCapabilities("video").codecs
    return [codec for codec in codecs if codec.name.lower() in ("h264", "rtx")]


def checked_offer(sdp: str) -> str:
    """Validate an SDP offer, and rewrite its lines to the form that aiortc reads (`sdp_lines.tidied`).

    Raises:
        BadOfferError: The offer is invalid, has no video or exceeds a limit.
        UnanswerableOfferError: The offer's video is not for receiving, or not in H.264 with packetization mode 1.
    """
    lines = tidied(sdp)
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise BadOfferError(f"more than {MAX_CANDIDATES} candidates")
    kept = "\r\n".join(lines) + "\r\n"
    try:
        offer = SessionDescription.parse(kept)
    except INVALID_SDP_ERRORS:
        raise BadOfferError("not an SDP offer") from None
    if len(offer.media) > MAX_SECTIONS:
        raise BadOfferError(f"more than {MAX_SECTIONS} media sections")
    if not (video := [media for media in offer.media if media.kind == "video"]):
        raise BadOfferError("no video in the offer")
    for media in offer.media:
        ice, dtls = media.ice, media.dtls
        if not (ice and ice.usernameFragment and ice.password and dtls and dtls.fingerprints):
            raise BadOfferError("no ICE user, password, or DTLS fingerprint")
    if video[0].direction not in ("recvonly", "sendrecv"):
        raise UnanswerableOfferError("the video section must be recvonly or sendrecv")
    h264 = [codec for codec in video[0].rtp.codecs if codec.name.lower() == "h264"]
    if not h264:
        raise UnanswerableOfferError("no H.264 in the offer")
    if not any(map(_is_fragmented, h264)):
        raise UnanswerableOfferError("no H.264 with packetization-mode=1 in the offer")
    return kept


def _is_fragmented(codec: RTCRtpCodecParameters) -> bool:
    """True for packetization mode 1 (RFC 6184), which cuts a large picture into several packets."""
    return str(codec.parameters.get("packetization-mode", "0")) == "1"


def prefer_h264(transceiver: RTCRtpTransceiver) -> None:
    """Restrict the answer to H.264 and RTX, whatever the offer prefers."""
    transceiver.setCodecPreferences(h264_codecs())
