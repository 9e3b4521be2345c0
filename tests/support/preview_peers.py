"""Viewers for tests: a WHEP player on aiortc, a preview's routes on a free port, and pictures to show."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast
from urllib.parse import urljoin

import aiohttp
import av
import numpy as np
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from streammon.config import PreviewConfig
from streammon.preview.guard import MAX_BODY_BYTES
from streammon.preview.streams.ice import candidates_of
from streammon.preview.streams.pictures import LivePictures
from streammon.preview.streams.stills import still_routes
from streammon.preview.streams.whep import WhepSessions
from streammon.records import ScoredFrame
from support.deadlines import DEADLINE_S
from support.numbered_footage import numbered_picture

LOOPBACK = ["127.0.0.1"]


def picture_of(number: int, size: tuple[int, int] = (320, 240), pixels: str = "yuv420p") -> av.VideoFrame:
    """A numbered picture, as a decoder gives it."""
    frame = av.VideoFrame.from_ndarray(numbered_picture(number % 4096, *size), "rgb24").reformat(format=pixels)
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


def score_of(camera: str, anomaly_map: NDArray[np.float32], threshold: float = 10.0) -> ScoredFrame:
    """A scored frame with this map."""
    return ScoredFrame(camera, camera, 0, time.time(), 0.0, 5.0, 0.0, threshold, anomaly_map, (320, 240))


def hot_left(level: float = 2.0) -> NDArray[np.float32]:
    """A map for threshold 10: so many thresholds in its left half, nothing in its right."""
    anomaly_map = np.zeros((256, 256), np.float32)
    anomaly_map[:, :128] = 10.0 * level
    return anomaly_map


def rgb_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W, 3) of a picture."""
    return cast(NDArray[np.uint8], frame.to_ndarray(format="rgb24"))


@dataclass
class Preview:
    """The video part of a preview that listens on loopback.

    Attributes:
        pictures: To put pictures into.
        sessions: Its viewers.
        url: Where it listens.
    """

    pictures: LivePictures
    sessions: WhepSessions
    url: str
    _numbers: dict[str, int] = field(default_factory=dict)

    def newest(self, camera: str) -> int:
        """The number of the picture shown last."""
        return self._numbers[camera]

    async def play(
        self,
        camera: str,
        fps: float = 25.0,
        size: tuple[int, int] = (320, 240),
        of: Sequence[av.VideoFrame] = (),
    ) -> None:
        """Show numbered pictures, or the given ones over and over, until cancelled."""
        began_s = time.monotonic()
        for count in range(1_000_000):
            number = self._numbers[camera] = self._numbers.get(camera, -1) + 1
            picture = of[number % len(of)] if of else picture_of(number, size)
            self.pictures.put_picture(camera, picture, count / fps)
            await asyncio.sleep(max(0.0, began_s + (count + 1) / fps - time.monotonic()))


@asynccontextmanager
async def preview(
    cameras: tuple[str, ...] = ("lobby",),
    extra_routes: Sequence[web.AbstractRouteDef] = (),
    **settings: object,
) -> AsyncIterator[Preview]:
    """Serve the video routes alone, as the preview does."""
    config = PreviewConfig.model_validate({"port": 0, "bitrate_kbps": 800, **settings})
    pictures = LivePictures(cameras, config)
    sessions = WhepSessions(pictures, config)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes(sessions.routes())
    app.add_routes(still_routes(pictures))
    app.add_routes(extra_routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Preview(pictures, sessions, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        pictures.close()
        await sessions.close()
        await runner.cleanup()


@asynccontextmanager
async def playing(shown: Preview, camera: str = "lobby", **how: object) -> AsyncIterator[None]:
    """Show numbered pictures for as long as this lasts."""
    task = asyncio.create_task(shown.play(camera, **how))  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Player:
    """A WHEP player: offers, plays, and hangs up.

    Attributes:
        session_url: What DELETE ends.
        response: Headers of the answer.
        peer: The connection.
    """

    def __init__(self, http: aiohttp.ClientSession, peer: RTCPeerConnection) -> None:
        self.http = http
        self.peer = peer
        self.session_url = ""
        self._track: MediaStreamTrack | None = None
        peer.on("track", self._on_track)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._track = track

    async def connect(self, endpoint: str, candidates: bool, left_out: str = "") -> None:
        """Offer, with candidates or without, and without lines that contain `left_out`; take the answer."""
        offer = await offer_of(self.peer)
        for text in (left_out, "" if candidates else "candidate"):
            if text:
                offer = "".join(line for line in offer.splitlines(True) if text not in line)
        status, headers, answer = await post_offer(self.http, endpoint, offer)
        assert status == 201, (status, answer)
        self.session_url = urljoin(endpoint, headers["Location"])
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def frame(self, within_s: float = DEADLINE_S) -> av.VideoFrame:
        """The next decoded picture."""
        async with asyncio.timeout(within_s):
            assert self._track is not None
            frame = await self._track.recv()
        assert isinstance(frame, av.VideoFrame)
        return frame

    async def frame_where(
        self, wanted: Callable[[av.VideoFrame], bool], within_s: float = DEADLINE_S
    ) -> av.VideoFrame:
        """The first picture that is as wanted."""
        async with asyncio.timeout(within_s):
            while not wanted(frame := await self.frame(within_s)):
                pass
        return frame


async def offer_of(peer: RTCPeerConnection) -> str:
    """A receiver's offer with its loopback candidate."""
    if not peer.getTransceivers():
        peer.addTransceiver("video", direction="recvonly")
    with candidates_of(LOOPBACK):
        await peer.setLocalDescription(await peer.createOffer())
    return str(peer.localDescription.sdp)


async def post_offer(
    http: aiohttp.ClientSession, endpoint: str, offer: str | bytes, content_type: str = "application/sdp"
) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and body of a WHEP endpoint's answer."""
    async with http.post(endpoint, data=offer, headers={"Content-Type": content_type}) as response:
        return response.status, response.headers, await response.text()


@asynccontextmanager
async def player(endpoint: str, candidates: bool = True, left_out: str = "") -> AsyncIterator[Player]:
    """A player that plays, and is closed in the end."""
    async with aiohttp.ClientSession() as http:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            one = Player(http, peer)
            await one.connect(endpoint, candidates, left_out)
            yield one
        finally:
            await peer.close()
