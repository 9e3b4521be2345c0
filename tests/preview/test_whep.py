"""WHEP with real peers on loopback: what they see, when, and that one is nobody else's trouble."""

import asyncio
import threading
from typing import Any

import aiohttp
import aioice
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from streammon.config import PreviewConfig
from streammon.preview.streams import encoder, whep
from streammon.preview.streams.pictures import LivePictures
from support.deadlines import DEADLINE_S
from support.numbered_footage import number_in
from support.preview_peers import (
    Preview,
    hot_left,
    offer_of,
    picture_of,
    player,
    playing,
    post_offer,
    preview,
    rgb_of,
    score_of,
)


async def until_idle(shown: Preview) -> None:
    """Wait until no session is left."""
    async with asyncio.timeout(DEADLINE_S):
        while shown.sessions.count:  # noqa: ASYNC110  -- the end of a session sets no event
            await asyncio.sleep(0.01)


def encoder_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("streammon-h264")]


def test_a_player_sees_the_cameras_pictures_in_their_own_time() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown), player(f"{shown.url}/whep/lobby") as viewer:
            frames = [await viewer.frame() for _ in range(12)]
            assert {(frame.width, frame.height) for frame in frames} == {(320, 240)}
            assert all(rgb_of(frame).std() > 20 for frame in frames)  # not black
            steps = np.diff([number_in(rgb_of(frame)) for frame in frames])
            assert (steps[1:] >= 1).all()  # a busy machine leaves pictures out; only the first may come twice
            times = np.array([frame.pts for frame in frames], float)
            np.testing.assert_array_equal(np.diff(times)[1:], 3600 * steps[1:])  # 25 a second on a 90 kHz clock

    asyncio.run(check())


def test_the_heatmap_streams_show_where_the_map_is_hot() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown):
            shown.pictures.put_score(score_of("lobby", hot_left()))
            async with (
                player(f"{shown.url}/whep/lobby?stream=picture") as plain,
                player(f"{shown.url}/whep/lobby?stream=blended") as blended,
                player(f"{shown.url}/whep/lobby?stream=heatmap") as heatmap,
            ):
                pictures = [rgb_of(await viewer.frame()).astype(int) for viewer in (plain, blended, heatmap)]
                assert len(encoder_threads()) == 3
            left, right = np.s_[100:, :150], np.s_[100:, 170:]
            assert np.abs(pictures[1][left] - pictures[0][left]).mean() > 40
            assert np.abs(pictures[1][right] - pictures[0][right]).mean() < 12  # but for the block that moves
            assert pictures[2][left].mean() > 150 > 50 > pictures[2][right].mean()

    asyncio.run(check())


def test_who_joins_later_sees_a_picture_without_waiting_for_the_next_keyframe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoder, "GOP_S", 10 * DEADLINE_S)

    async def check() -> None:
        async with preview() as shown, playing(shown), player(f"{shown.url}/whep/lobby") as first:
            await first.frame()
            for _ in range(5):
                async with player(f"{shown.url}/whep/lobby") as second:
                    number = number_in(rgb_of(await second.frame()))
                    assert number >= number_in(rgb_of(await first.frame())) - 12  # the newest, not an old one

    asyncio.run(check())


def test_a_camera_that_froze_still_shows_its_last_picture_to_who_comes() -> None:
    async def check() -> None:
        async with preview() as shown:
            async with playing(shown), player(f"{shown.url}/whep/lobby") as viewer:
                await viewer.frame()
                last = number_in(rgb_of(await viewer.frame()))
            async with player(f"{shown.url}/whep/lobby") as viewer:
                assert number_in(rgb_of(await viewer.frame())) >= last

    asyncio.run(check())


def test_a_viewer_who_takes_no_packets_delays_nobody() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown):
            stuck = shown.pictures.join("lobby", "picture", "h264")  # and never calls get()
            try:
                async with player(f"{shown.url}/whep/lobby") as viewer:
                    await viewer.frame()
                    numbers = [number_in(rgb_of(await viewer.frame())) for _ in range(50)]
                    newest = numbers[-1]
                    async with asyncio.timeout(DEADLINE_S):  # late while the machine is busy, not ever later
                        while shown.newest("lobby") - newest > 5:
                            newest = number_in(rgb_of(await viewer.frame()))
            finally:
                shown.pictures.leave("lobby", "picture", "h264", stuck)
            steps = np.diff(numbers)
            assert steps.min() == 1  # a busy encoder leaves single pictures out
            assert (steps == 1).sum() >= 40
            assert stuck.skipped > 0  # and what waits for it stays bounded

    asyncio.run(check())


def test_a_picture_of_another_size_and_a_restarted_camera_go_on_in_the_same_session() -> None:
    async def check() -> None:
        async with preview() as shown, player(f"{shown.url}/whep/lobby") as viewer:
            async with playing(shown):
                before = await viewer.frame()
            shown.pictures.clear("lobby")
            async with playing(shown, size=(640, 360)):
                after = await viewer.frame_where(lambda frame: frame.width == 640)
        assert before.pts is not None
        assert after.pts is not None
        assert after.pts > before.pts

    asyncio.run(check())


def test_the_encoder_ends_with_the_last_viewer_and_delete_ends_a_session() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown):
            async with player(f"{shown.url}/whep/lobby") as first, player(f"{shown.url}/whep/lobby") as second:
                await first.frame()
                await second.frame()
                assert encoder_threads() == ["streammon-h264-lobby-picture"]
                for viewer, left in ((first, 1), (second, 0)):
                    assert (await viewer.http.delete(viewer.session_url)).status == 200
                    assert shown.sessions.count == left
                    assert (await viewer.http.delete(viewer.session_url)).status == 404
            assert shown.pictures.viewers() == {}
            async with asyncio.timeout(DEADLINE_S):
                while encoder_threads():  # noqa: ASYNC110  -- the end of a thread sets no event
                    await asyncio.sleep(0.01)

    asyncio.run(check())


def test_a_viewer_whose_session_has_ended_joins_no_stream() -> None:
    """The connection may ask for its first picture while it is closed."""

    async def check() -> None:
        pictures = LivePictures(("lobby",), PreviewConfig())
        pictures.put_picture("lobby", picture_of(0), 0.0)
        track = whep.ViewerTrack(lambda: pictures.join("lobby", "picture", "h264"))
        track.stop()
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(MediaStreamError):
                await track.recv()
        assert pictures.viewers() == {}

    asyncio.run(check())


def test_a_player_who_hangs_up_without_delete_is_noticed() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown):
            async with player(f"{shown.url}/whep/lobby") as viewer:
                await viewer.frame()
                assert shown.sessions.count == 1
            await until_idle(shown)
            assert shown.pictures.viewers() == {}

    asyncio.run(check())


def test_a_player_who_never_connects_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whep, "CONNECT_S", 0.3)

    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            status, _, _ = await post_offer(http, f"{shown.url}/whep/lobby", await offer_of(peer))
            assert (status, shown.sessions.count) == (201, 1)
            await peer.close()
            await until_idle(shown)

    asyncio.run(check())


def test_closing_ends_every_session_whatever_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whep, "CONNECT_S", 3 * DEADLINE_S)

    async def check() -> None:
        async with preview() as shown, playing(shown), aiohttp.ClientSession() as http:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            await post_offer(http, f"{shown.url}/whep/lobby", await offer_of(peer))  # never connects
            async with player(f"{shown.url}/whep/lobby") as viewer:
                await viewer.frame()
                async with asyncio.timeout(DEADLINE_S):
                    await shown.sessions.close()
                assert shown.sessions.count == 0
                status, headers, _ = await post_offer(http, f"{shown.url}/whep/lobby", await offer_of(peer))
                assert (status, headers["Retry-After"]) == (503, "10")
            await peer.close()

    asyncio.run(check())


def test_vp8_first_and_audio_in_the_offer_still_give_h264_and_no_sound() -> None:
    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            peer.addTransceiver("audio", direction="recvonly")
            peer.addTransceiver("video", direction="recvonly")
            offer = await offer_of(peer)
            assert offer.index("VP8") < offer.index("H264")
            _, _, answer = await post_offer(http, f"{shown.url}/whep/lobby", offer)
            assert "H264" in answer
            assert "VP8" not in answer
            audio, video = answer.split("m=")[1:]
            assert "a=inactive" in audio
            assert "a=sendonly" in video
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await peer.close()

    asyncio.run(check())


def test_only_the_bound_address_is_offered_and_no_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    ask_server = aioice.ice.server_reflexive_candidate

    async def recorded(protocol: Any, stun_server: tuple[str, int]) -> Any:
        asked.append(stun_server)
        return await ask_server(protocol, stun_server)

    monkeypatch.setattr(aioice.ice, "server_reflexive_candidate", recorded)

    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            _, headers, answer = await post_offer(http, f"{shown.url}/whep/lobby", await offer_of(peer))
            assert asked == []
            candidates = [line.split() for line in answer.splitlines() if line.startswith("a=candidate:")]
            assert {fields[4] for fields in candidates} == {"127.0.0.1"}
            assert "Link" not in headers
            await peer.close()

    asyncio.run(check())


def test_an_offer_without_candidates_connects_since_the_player_calls_us() -> None:
    """So that trickling players work, whose PATCH we refuse."""

    async def check() -> None:
        async with preview() as shown, playing(shown), player(f"{shown.url}/whep/lobby", candidates=False) as viewer:
            assert rgb_of(await viewer.frame()).std() > 20
            async with viewer.http.patch(viewer.session_url, data="a=end-of-candidates") as response:
                assert (response.status, response.headers["Allow"]) == (405, "DELETE,OPTIONS")

    asyncio.run(check())
