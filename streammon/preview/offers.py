"""A viewer's SDP offer: what is checked before a connection is made of it, and what is taken out."""

import re
from collections.abc import Iterable

from aiortc import RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.sdp import SessionDescription

MAX_SECTIONS = 8
"""Each may open sockets of its own."""

MAX_CANDIDATES = 64
"""Each is asked several times whether it is there."""

NONSENSE = (ValueError, AssertionError, AttributeError, TypeError, LookupError, RuntimeError, StopIteration)
"""What aiortc raises for SDP that it can't make sense of."""

_LEFT_OUT = re.compile(r"a=(?:end-of-candidates|candidate:.*\.local .*)")


class BadOfferError(ValueError):
    """The offer makes no sense."""


class UnanswerableOfferError(ValueError):
    """The offer makes sense, and there is no answer to it that shows a picture."""


def h264_codecs() -> list[RTCRtpCodecCapability]:
    """What we can send: H.264, and what repeats its lost packets."""
    codecs: Iterable[RTCRtpCodecCapability] = RTCRtpSender.getCapabilities("video").codecs
    return [codec for codec in codecs if codec.name.lower() in ("h264", "rtx")]


def checked_offer(sdp: str) -> str:
    """The offer as it is given to a connection.

    Candidates named `….local` go: they could only be found by multicast, and their owner finds us. So does the word
    that no candidates follow, since a viewer may be seen only when it calls.

    Raises:
        BadOfferError: It makes no sense, or has no video.
        UnanswerableOfferError: Its video can't be received, or in no codec of ours.
    """
    lines = [line for line in sdp.splitlines() if line and not _LEFT_OUT.fullmatch(line)]
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise BadOfferError(f"more than {MAX_CANDIDATES} candidates")
    kept = "\r\n".join(lines) + "\r\n"
    try:
        offer = SessionDescription.parse(kept)
    except NONSENSE:
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
        raise UnanswerableOfferError("its video receives nothing")
    if not any(codec.name.lower() == "h264" for codec in video[0].rtp.codecs):
        raise UnanswerableOfferError("no H.264 in the offer")
    return kept


def prefer_h264(transceiver: RTCRtpTransceiver) -> None:
    """Answer with H.264 alone, whatever stands first in the offer."""
    transceiver.setCodecPreferences(h264_codecs())
