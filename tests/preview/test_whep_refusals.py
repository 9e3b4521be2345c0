"""WHEP's answers to what it can't serve, to other origins, and to rubbish."""

import asyncio
import contextlib
from urllib.parse import urljoin

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streammon.config import PreviewConfig
from streammon.errors import ConfigError
from streammon.preview.guard import connections
from streammon.preview.streams import whep
from streammon.preview.streams.ice import candidates_of, host_addresses
from streammon.preview.streams.offers import BadOfferError, UnanswerableOfferError, checked_offer
from streammon.preview.streams.pictures import LivePictures
from streammon.preview.streams.whep import WhepSessions
from support.deadlines import DEADLINE_S
from support.preview_peers import post_offer, preview

PAGE = "https://wall.example"
FINGERPRINT = ":".join(["AB"] * 32)

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 0.0.0.0",
        "a=recvonly",
        "a=mid:0",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=setup:actpass",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        "a=rtpmap:97 VP8/90000",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host",
        "",
    ]
)


def without(text: str) -> str:
    return "\r\n".join(line for line in OFFER.split("\r\n") if text not in line)


def test_each_refusal_has_its_status() -> None:
    asks: list[tuple[str, str | bytes, str, int]] = [
        ("/whep/attic", OFFER, "application/sdp", 404),
        ("/whep/lobby?stream=infrared", OFFER, "application/sdp", 404),
        ("/whep/lobby", OFFER, "application/json", 415),
        ("/whep/lobby", "", "application/sdp", 400),
        ("/whep/lobby", b"\xff\xfe\x00", "application/sdp", 400),
        ("/whep/lobby", "v=0\r\nhello", "application/sdp", 400),
        ("/whep/lobby", OFFER.replace("m=video", "m=audio"), "application/sdp", 400),
        ("/whep/lobby", without("ice-ufrag"), "application/sdp", 400),
        ("/whep/lobby", without("fingerprint"), "application/sdp", 400),
        ("/whep/lobby", without("setup"), "application/sdp", 400),
        ("/whep/lobby", without("rtcp-mux"), "application/sdp", 400),
        ("/whep/lobby", without(" H264"), "application/sdp", 400),  # its fmtp speaks of nothing
        ("/whep/lobby", OFFER.replace("H264", "H265"), "application/sdp", 406),
        ("/whep/lobby", OFFER.replace("42e01f", "640033"), "application/sdp", 406),
        ("/whep/lobby", OFFER.replace("recvonly", "sendonly"), "application/sdp", 406),
        ("/whep/lobby", OFFER + "a=x\r\n" * 20_000, "application/sdp", 413),
        ("/whep/lobby", OFFER + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 100, "application/sdp", 400),
        ("/whep/lobby", OFFER + OFFER[OFFER.index("m=") :] * 10, "application/sdp", 400),
        ("/whep/lobby", OFFER, "application/sdp; charset=utf-8", 201),
    ]

    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            for path, offer, content_type, expected in asks:
                status, headers, body = await post_offer(http, shown.url + path, offer, content_type)
                assert status == expected, (path, body)
                assert ("Accept-Post" in headers) == (status == 415)
                assert len(body) < 100 or status == 201
            assert shown.sessions.count == 1
            for method in ("DELETE", "PATCH"):
                async with http.request(method, f"{shown.url}/whep/session/nobody") as response:
                    assert response.status == 404
            async with http.get(f"{shown.url}/whep/lobby") as response:
                assert response.status == 405

    asyncio.run(check())


def test_too_many_viewers_are_refused_with_a_retry_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whep, "MAX_SESSIONS", 2)

    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            answers = await asyncio.gather(*(post_offer(http, f"{shown.url}/whep/lobby", OFFER) for _ in range(5)))
            assert sorted(status for status, _, _ in answers) == [201, 201, 503, 503, 503]
            assert {headers.get("Retry-After") for status, headers, _ in answers if status == 503} == {"10"}

    asyncio.run(check())


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_S", 0.2)

    async def check() -> None:
        async with preview() as shown:
            port = int(shown.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /whep/lobby HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n")
            writer.write(b"Content-Length: 1000\r\n\r\nv=0")
            async with asyncio.timeout(DEADLINE_S):
                assert b" 408 " in await reader.readline()
            writer.close()
            await writer.wait_closed()

    asyncio.run(check())


def test_pages_of_configured_origins_may_play_and_others_may_not() -> None:
    async def check() -> None:
        async with preview(allow_origins=[PAGE]) as shown, aiohttp.ClientSession() as http:
            for origin, allowed in (
                (PAGE, True),
                ("HTTPS://Wall.example:443", True),
                ("https://other.example", False),
                ("null", False),
            ):
                for path, method in (("/whep/lobby", "POST"), ("/whep/session/x", "DELETE")):
                    asked = {"Origin": origin, "Access-Control-Request-Method": method}
                    async with http.options(shown.url + path, headers=asked) as preflight:
                        assert preflight.status == 204
                        assert (preflight.headers.get("Access-Control-Allow-Origin") == origin) == allowed
                        assert (method in preflight.headers.get("Access-Control-Allow-Methods", "")) == allowed
                        assert ("Accept-Post" in preflight.headers) == (method == "POST")
                for offer in (OFFER, "rubbish"):  # a page reads errors too
                    headers = {"Origin": origin, "Content-Type": "application/sdp"}
                    async with http.post(f"{shown.url}/whep/lobby", data=offer, headers=headers) as answer:
                        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed
                        assert ("Location" in answer.headers.get("Access-Control-Expose-Headers", "")) == allowed

    asyncio.run(check())


def test_configured_servers_are_sent_to_players_without_their_passwords() -> None:
    config = PreviewConfig(ice_servers=["stun:127.0.0.1:9", "turn:me:s3cret@127.0.0.1:9?transport=tcp"])

    async def check() -> None:
        sessions = WhepSessions(LivePictures(("lobby",), config), config)
        servers = sessions.rtc_configuration.iceServers
        assert servers
        assert [(server.urls, server.username, server.credential) for server in servers] == [
            ("stun:127.0.0.1:9", None, None),
            ("turn:127.0.0.1:9?transport=tcp", "me", "s3cret"),
        ]

    asyncio.run(check())


def test_a_wrong_server_or_host_is_an_error_at_the_start() -> None:
    for wrong, complaint in (
        (
            {"ice_servers": ["stun:a", "http://b"]},
            "config: preview.ice_servers.1 is no STUN or TURN server; "
            "write `stun:host:port` or `turn:user:password@host:port`",
        ),
        (
            {"host": "no-such-host.invalid"},
            "config: preview.host is 'no-such-host.invalid', which has no address; name an address",
        ),
    ):
        config = PreviewConfig.model_construct(**{**PreviewConfig().model_dump(), **wrong})
        with pytest.raises(ConfigError) as refused:
            WhepSessions(LivePictures((), config), config)
        assert str(refused.value) == complaint


def test_everybody_elses_connections_keep_every_address() -> None:
    async def addresses() -> set[str]:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        sdp = peer.localDescription.sdp
        await peer.close()
        return {line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate:")}

    async def check() -> None:
        before = await addresses()
        with candidates_of(["127.0.0.1"]):
            inside = await addresses()
        assert inside == {"127.0.0.1"}
        assert await addresses() == before
        assert "127.0.0.1" not in before

    asyncio.run(check())
    assert host_addresses("127.0.0.1") == ["127.0.0.1"]
    assert host_addresses("::1") == ["::1"]
    assert host_addresses("0.0.0.0")


def test_names_that_need_multicast_and_the_end_of_candidates_are_taken_out() -> None:
    named = OFFER + "a=candidate:2 1 udp 1 4d3c.local 9 typ host generation 0\r\na=end-of-candidates\r\n"
    assert checked_offer(named) == OFFER


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_mangled_offer_is_taken_or_refused(data: st.DataObject) -> None:
    lines = OFFER.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "cut", "number", "text"])):
            case "drop":
                lines[at] = ""
            case "double":
                lines.insert(at, lines[data.draw(st.integers(0, len(lines) - 1))])
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, 20))]
            case "number":
                lines[at] = lines[at].replace("9", str(data.draw(st.integers(-10, 10**12))))
            case "text":
                lines[at] = lines[at][:6] + data.draw(st.text(max_size=12))
    with contextlib.suppress(BadOfferError, UnanswerableOfferError):
        checked_offer("\r\n".join(lines))


def test_no_mangled_offer_is_an_error_of_ours() -> None:
    """Every single line dropped, cut, doubled or made rubbish, over HTTP: no 5xx, and no session that stays."""
    lines = OFFER.split("\r\n")
    mangled = [
        "\r\n".join([*lines[:at], *other, *lines[at + 1 :]])
        for at, line in enumerate(lines[:-1])
        for other in ([], [line[: len(line) // 2]], [line, line], [line.replace("9", "x")], [line[:2] + ":"])
    ]

    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            for offer in mangled:
                status, headers, body = await post_offer(http, f"{shown.url}/whep/lobby", offer)
                assert status in (201, 400, 406), (status, body, offer)
                if status == 201:
                    async with http.delete(urljoin(f"{shown.url}/whep/lobby", headers["Location"])) as response:
                        assert response.status == 200
            assert shown.sessions.count == 0

    asyncio.run(check())
