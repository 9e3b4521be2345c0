"""Live streams by WebRTC, with a WHEP endpoint per camera (draft-ietf-wish-whep) for any WHEP player."""

import asyncio
import logging
import secrets
from collections.abc import Callable

from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError

from streammon.config import PreviewConfig
from streammon.preview.guard import Handler, canonical_origin, canonical_origins, read_body
from streammon.preview.streams.encoder import H264Packet
from streammon.preview.streams.fanout import Viewer
from streammon.preview.streams.ice import candidates_of, host_addresses, rtc_configuration
from streammon.preview.streams.offers import (
    INVALID_SDP_ERRORS,
    BadOfferError,
    UnanswerableOfferError,
    checked_offer,
    prefer_h264,
)
from streammon.preview.streams.pictures import LivePictures
from streammon.preview.streams.stills import require_stream, wants_main
from streammon.preview.tasks import Tasks

MAX_SESSIONS = 64
CONNECT_S = 15.0
CLOSE_S = 3.0
RETRY_AFTER_S = 10
SDP = "application/sdp"

logger = logging.getLogger(__name__)


class ViewerTrack(MediaStreamTrack):
    """Media track of one viewer. Joins the shared stream on the first `recv`, so that no old picture is queued."""

    kind = "video"

    def __init__(self, join: Callable[[], Viewer[H264Packet]]) -> None:
        super().__init__()
        self._join = join
        self.viewer: Viewer[H264Packet] | None = None

    async def recv(self) -> H264Packet:
        """The next packet.

        Raises:
            MediaStreamError: The stream has ended, or the track was stopped.
        """
        if self.readyState == "ended":  # aiortc may ask once more as it closes; who joined would never leave
            raise MediaStreamError
        if self.viewer is None:
            self.viewer = self._join()
        packet = await self.viewer.get()
        if packet is None:
            raise MediaStreamError
        return packet


class WhepSession:
    """WebRTC session of one viewer.

    Args:
        pictures: Source of the streams.
        camera: Name of the camera.
        stream: One of `STREAMS`.
        main: Count as a viewer of the main stream.
    """

    def __init__(self, pictures: LivePictures, camera: str, stream: str, main: bool) -> None:
        self.id = secrets.token_urlsafe(18)
        self.gone = asyncio.Event()
        self._connected = asyncio.Event()
        self._pictures = pictures
        self._camera_stream = camera, stream
        self._track = ViewerTrack(lambda: pictures.join(camera, stream, "h264", main))
        self._track.on("ended", self.gone.set)

    async def serve(self, preview: "WhepSessions", offer: str, answer: asyncio.Future[str]) -> None:
        """Answer the offer, then stream until the viewer is gone; sets the result or exception of `answer`."""
        peer = RTCPeerConnection(preview.rtc_configuration)
        peer.on("connectionstatechange", lambda: self._on_state(peer.connectionState))
        try:
            try:
                with candidates_of(preview.addresses):
                    text = await self._answer(peer, offer)
            except Exception as error:
                if not answer.done():  # else the client has disconnected
                    answer.set_exception(error)
                return
            if answer.done():
                return
            answer.set_result(text)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._connected.wait()
            except TimeoutError:
                return
            await self.gone.wait()
        finally:
            await self._end(peer)

    def _on_state(self, state: str) -> None:
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed"):
            self.hang_up()

    def hang_up(self) -> None:
        """End the session, without waiting for it."""
        self.gone.set()
        self._connected.set()

    async def _answer(self, peer: RTCPeerConnection, offer: str) -> str:
        prefer_h264(peer.addTransceiver(self._track, direction="sendonly"))
        try:
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await peer.setLocalDescription(await peer.createAnswer())
        except (OperationError, InvalidAccessError) as error:
            raise UnanswerableOfferError("no codec in common; offer H.264 of the baseline profile") from error
        except (InvalidStateError, *INVALID_SDP_ERRORS) as error:
            raise BadOfferError("not an SDP offer") from error
        return peer.localDescription.sdp

    async def _end(self, peer: RTCPeerConnection) -> None:
        self._track.stop()
        if self._track.viewer is not None:
            self._pictures.leave(*self._camera_stream, "h264", self._track.viewer)
        try:
            async with asyncio.timeout(CLOSE_S):
                await peer.close()
        except TimeoutError:
            logger.warning("a viewer's connection didn't close within %.0f s", CLOSE_S)


class WhepSessions:
    """WebRTC sessions of all viewers, and the WHEP routes.

    Args:
        pictures: Source of the streams.
        preview: Host, ICE servers and allowed origins.

    Attributes:
        addresses: Local addresses offered as ICE candidates, as found at the start.
        rtc_configuration: Configuration of every peer connection.

    Raises:
        ConfigError: The host can't be resolved, or an ICE server's URL is invalid.
    """

    def __init__(self, pictures: LivePictures, preview: PreviewConfig) -> None:
        self.addresses = host_addresses(preview.host)
        self.rtc_configuration = rtc_configuration(preview.ice_servers)
        self._pictures = pictures
        self._origins = canonical_origins(preview)
        self._tasks = Tasks()
        self._sessions: dict[str, tuple[WhepSession, asyncio.Task[None]]] = {}
        self._closing = False

    @property
    def count(self) -> int:
        """Number of sessions, including those still connecting."""
        return len(self._sessions)

    def routes(self) -> list[web.AbstractRouteDef]:
        """The endpoint of each camera, and the resource of each session."""
        camera, session = "/whep/{camera}", "/whep/session/{id}"
        return [
            web.post(camera, self._with_origin(self._offer)),
            web.options(camera, self._with_origin(self._preflight_of("POST"))),
            web.delete(session, self._with_origin(self._delete)),
            web.patch(session, self._with_origin(self._patch)),
            web.options(session, self._with_origin(self._preflight_of("DELETE"))),
        ]

    async def close(self) -> None:
        """End every session and refuse new ones."""
        self._closing = True
        tasks = [task for _, task in self._sessions.values()]
        for session, _ in self._sessions.values():
            session.hang_up()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=CLOSE_S + 1)
        finally:
            await self._tasks.close()

    async def _offer(self, request: web.Request) -> web.Response:
        camera, stream = require_stream(request, self._pictures)
        if request.content_type != SDP:
            raise web.HTTPUnsupportedMediaType(text=f"the offer must be {SDP}", headers={"Accept-Post": SDP})
        try:
            offer = checked_offer(await read_offer(request))
            if self._closing or self.count >= MAX_SESSIONS:
                raise web.HTTPServiceUnavailable(text="too many viewers", headers={"Retry-After": str(RETRY_AFTER_S)})
            session = WhepSession(self._pictures, camera, stream, wants_main(request))
            session_id, answer = await self._begin(session, offer)
        except BadOfferError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        except UnanswerableOfferError as error:
            raise web.HTTPNotAcceptable(text=str(error)) from None
        response = web.Response(status=201, text=answer, content_type=SDP)
        # Relative to the endpoint, since a proxy may serve it under a sub-path. The detour over `..` also suits pages
        # at the root that resolve the address against themselves.
        response.headers["Location"] = f"../whep/session/{session_id}"
        for server in self.rtc_configuration.iceServers or []:
            if server.username is None:  # one relay serves both sides, so no password is sent
                response.headers.add("Link", f'<{server.urls}>; rel="ice-server"')
        return response

    async def _begin(self, session: WhepSession, offer: str) -> tuple[str, str]:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = self._tasks.start_nowait(session.serve(self, offer, answer), name="a viewer's session")
        self._sessions[session.id] = session, task
        task.add_done_callback(lambda _: self._sessions.pop(session.id, None))
        return session.id, await answer

    async def _delete(self, request: web.Request) -> web.Response:
        session, task = self._session_of(request)
        session.hang_up()
        await asyncio.wait([task], timeout=CLOSE_S)
        return web.Response()

    async def _patch(self, request: web.Request) -> web.Response:
        self._session_of(request)
        raise web.HTTPMethodNotAllowed("PATCH", ["DELETE", "OPTIONS"])  # no trickle ICE, see `checked_offer`

    def _session_of(self, request: web.Request) -> tuple[WhepSession, asyncio.Task[None]]:
        found = self._sessions.get(request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound(text="no such session")
        return found

    def _preflight_of(self, method: str) -> Handler:
        async def preflight(request: web.Request) -> web.Response:
            headers = {"Allow": f"{method}, OPTIONS"}
            if method == "POST":
                headers["Accept-Post"] = SDP
            if canonical_origin(request.headers.get("Origin", "")) in self._origins:
                headers["Access-Control-Allow-Methods"] = headers["Allow"]
                headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
                headers["Access-Control-Max-Age"] = "600"
            return web.Response(status=204, headers=headers)

        return preflight

    def _with_origin(self, handler: Handler) -> Handler:
        """Add the CORS headers with which pages of the configured origins may read the response, errors included."""

        async def answered(request: web.Request) -> web.StreamResponse:
            origin = request.headers.get("Origin", "")
            headers = {"Vary": "Origin"} if self._origins else {}
            if canonical_origin(origin) in self._origins:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = "Link, Location"
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                refusal.headers.update(headers)
                raise
            response.headers.update(headers)
            return response

        return answered


async def read_offer(request: web.Request) -> str:
    """Text of an offer.

    Raises:
        web.HTTPException: As `read_body`.
        BadOfferError: The body isn't UTF-8.
    """
    try:
        return (await read_body(request)).decode()
    except UnicodeDecodeError:
        raise BadOfferError("not text") from None
