"""Server-sent events of changes to every open page, with a bounded queue per page."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

HEARTBEAT_S = 10.0
WRITE_S = 20.0  # a page that reads nothing for so long is disconnected
WAITING_EVENTS = 512  # two seconds of 64 cameras; a page further behind gets a new snapshot
PAGES = 64
RETRY_MS = 2000

JSON = Mapping[str, Any]


def as_json(body: object) -> str:
    """Compact JSON. A NaN or an infinity raises ValueError, as a bug."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def as_event(name: str, body: object) -> bytes:
    r"""One server-sent event.

    >>> as_event("camera", {"name": "lobby"})
    b'event: camera\ndata: {"name":"lobby"}\n\n'
    """
    return f"event: {name}\ndata: {as_json(body)}\n\n".encode()


class Changes:
    """Publishes each change to every open page.

    Each page has a queue of its own. A full queue is cleared and a new snapshot sent instead, so memory is bounded
    and no page shows an old state.

    Args:
        snapshot: Returns the complete current state of the page.
        heartbeat_s: Seconds without a change after which the time is sent, so that a page notices a dead connection.
    """

    def __init__(self, snapshot: Callable[[], JSON], heartbeat_s: float = HEARTBEAT_S) -> None:
        self._snapshot = snapshot
        self._heartbeat_s = heartbeat_s
        self._pages: set[_Page] = set()
        self._closed = False

    def publish_nowait(self, name: str, body: JSON) -> None:
        """Queue a change for every page; never waits."""
        if self._pages:
            event = as_event(name, body)
            for page in self._pages:
                page.put_nowait(event)

    def close(self) -> None:
        """End every page's stream."""
        self._closed = True
        for page in self._pages:
            page.wake_nowait()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Respond to `GET /api/events` with a snapshot, then with changes until the page disconnects."""
        if self._closed or len(self._pages) >= PAGES:
            body = as_json({"error": f"{PAGES} pages are open already; close one"})
            return web.Response(status=503, text=body, content_type="application/json")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        page = _Page()
        self._pages.add(page)
        try:
            with contextlib.suppress(ConnectionError, TimeoutError):  # the page has gone, or reads nothing
                await response.prepare(request)
                await response.write(f"retry: {RETRY_MS}\n\n".encode())
                while not self._closed:
                    chunk = await self._next_chunk(page)
                    async with asyncio.timeout(WRITE_S):
                        await response.write(chunk)
        finally:
            self._pages.discard(page)
        return response

    async def _next_chunk(self, page: "_Page") -> bytes:
        if page.is_behind:
            page.begin_anew()
            return as_event("snapshot", self._snapshot())
        return await page.take(self._heartbeat_s) or as_event("beat", {"now_s": round(time.time(), 3)})


class _Page:
    """Queue of the events for one page."""

    def __init__(self) -> None:
        self.is_behind = True  # the page needs a snapshot first
        self._waiting: list[bytes] = []
        self._wake = asyncio.Event()

    def put_nowait(self, event: bytes) -> None:
        if self.is_behind:  # the snapshot will include the event
            return
        if len(self._waiting) >= WAITING_EVENTS:
            self._waiting.clear()
            self.is_behind = True
        else:
            self._waiting.append(event)
        self._wake.set()

    def wake_nowait(self) -> None:
        self._wake.set()

    def begin_anew(self) -> None:
        self._waiting.clear()
        self.is_behind = False

    async def take(self, timeout_s: float) -> bytes:
        """All waiting events, or the next one to come; empty after the timeout."""
        if not self._waiting:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
        waiting, self._waiting = self._waiting, []
        return b"".join(waiting)
