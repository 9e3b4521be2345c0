"""WHEP offers as players write them: blanks, other order, and what they leave out."""

import asyncio

import aiohttp
import pytest
from aiortc.sdp import SessionDescription

from support.preview_peers import player, playing, post_offer, preview

FINGERPRINT = ":".join(["AB"] * 32)
FMTP = "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"


def offer(*video: str, head: tuple[str, ...] = (), payloads: str = "102") -> str:
    """An offer with these lines of its video section after those that every offer has."""
    always = [
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=setup:actpass",
    ]
    begin = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", *head]
    return "\r\n".join([*begin, f"m=video 9 UDP/TLS/RTP/SAVPF {payloads}", *always, *video, ""])


H264 = "a=rtpmap:102 H264/90000"
ANSWERED = {
    "blanks after semicolons": offer(
        "a=recvonly", H264, "a=fmtp:102 level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42e01f"
    ),
    "blanks around everything": offer(
        "a=recvonly ", "a=rtpmap:102  H264/90000 ", "a=fmtp:102  packetization-mode = 1 ;\tprofile-level-id= 42E01F ;"
    ),
    "capitals": offer(
        "a=recvonly", "a=rtpmap:102 h264/90000", "a=fmtp:102 Packetization-Mode=1;Profile-Level-Id=42E01F"
    ),
    "no fmtp, as GStreamer's whepsrc": offer("a=recvonly", H264, "a=rtcp-fb:102 nack pli", "a=rtcp-fb:* ccm fir"),
    "the profile left out": offer("a=recvonly", H264, "a=fmtp:102 packetization-mode=1"),
    "fmtp before rtpmap": offer("a=recvonly", FMTP, H264),
    "mode 0 first, then mode 1, as Firefox": offer(
        "a=recvonly",
        "a=rtpmap:97 H264/90000",
        "a=fmtp:97 profile-level-id=42e01f;level-asymmetry-allowed=1",
        "a=rtpmap:126 H264/90000",
        "a=fmtp:126 profile-level-id=42e01f; level-asymmetry-allowed=1; packetization-mode=1",
        payloads="97 126",
    ),
    "parameter sets of a recorder": offer(
        "a=recvonly", H264, FMTP + ";sprop-parameter-sets=Z0LAH9oBQBbsBagICAg=,aM4G4g=="
    ),
    "no direction: sendrecv": offer(H264, FMTP),
    "one direction for the session": offer(H264, FMTP, head=("a=recvonly",)),
    "an extension with attributes": offer(
        "a=recvonly", H264, FMTP, "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on"
    ),
    "a source without its attribute": offer("a=sendrecv", H264, FMTP, "a=ssrc:1234", "a=ssrc:1234 msid"),
    "parameters left empty, as some PBXes": offer("a=recvonly", H264, "a=fmtp:102"),
    "retransmissions beside H.264 without parameters": offer(
        "a=sendrecv", H264, "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=102", payloads="102 97"
    ),
    "lines of a hand-made text": offer("a=recvonly", H264, FMTP).replace("\r\n", "\n    "),
}
REFUSED = {
    "mode 0 alone": (
        offer("a=recvonly", H264, "a=fmtp:102 packetization-mode=0; profile-level-id=42e01f"),
        "no H.264 with packetization-mode=1 in the offer",
    ),
    "no mode beside a profile": (
        offer("a=recvonly", H264, "a=fmtp:102 profile-level-id=42e01f"),
        "no H.264 with packetization-mode=1 in the offer",
    ),
    "the high profile alone": (
        offer("a=recvonly", H264, "a=fmtp:102 packetization-mode=1; profile-level-id=640c1f"),
        "no codec in common; offer H.264 of the baseline profile",
    ),
    "no direction but the session's": (
        offer(H264, FMTP, head=("a=sendonly",)),
        "the video section must be recvonly or sendrecv",
    ),
}


def posted(text: str) -> tuple[int, str]:
    """Status and body of the answer to an offer."""

    async def post() -> tuple[int, str]:
        async with preview() as shown, aiohttp.ClientSession() as http:
            status, _, body = await post_offer(http, f"{shown.url}/whep/lobby", text)
            return status, body

    return asyncio.run(post())


@pytest.mark.parametrize("text", ANSWERED.values(), ids=ANSWERED)
def test_an_offer_is_answered_however_it_is_written(text: str) -> None:
    status, answer = posted(text)
    assert status == 201, answer
    (video,) = SessionDescription.parse(answer).media
    assert video.direction == "sendonly"
    (codec,) = [each for each in video.rtp.codecs if each.name.lower() != "rtx"]
    assert codec.mimeType.lower() == "video/h264"
    assert codec.payloadType in (102, 126)
    assert codec.parameters["packetization-mode"] == "1"


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_an_offer_that_cannot_be_answered_hears_why(text: str, words: str) -> None:
    status, body = posted(text)
    assert (status, body) == (406, words)


def test_a_player_that_names_no_parameters_plays() -> None:
    """A real peer whose offer has lost its `a=fmtp` lines on the way."""

    async def check() -> None:
        async with (
            preview() as shown,
            playing(shown),
            player(f"{shown.url}/whep/lobby", left_out="a=fmtp:") as viewer,
        ):
            frame = await viewer.frame()
            assert (frame.width, frame.height) == (320, 240)

    asyncio.run(check())
