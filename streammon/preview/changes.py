"""Server-sent events: every open page hears what changes, and none can make the others wait."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

HEARTBEAT_S = 10.0
WRITE_S = 20.0  # a page that takes nothing for so long is gone
WAITING_EVENTS = 512  # two seconds of 64 cameras; what is further behind begins anew
PAGES = 64
RETRY_MS = 2000

JSON = Mapping[str, Any]


def as_json(body: object) -> str:
    """Compact JSON; a value that JSON has no number for is a bug."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def as_event(name: str, body: object) -> bytes:
    r"""One server-sent event.

    >>> as_event("camera", {"name": "lobby"})
    b'event: camera\ndata: {"name":"lobby"}\n\n'
    """
    return f"event: {name}\ndata: {as_json(body)}\n\n".encode()


class Changes:
    """Hands each change to every open page.

    Each page has a queue of its own. One that falls behind loses what waits and gets a fresh snapshot instead,
    so memory is bounded and what a page shows is never old.

    Args:
        snapshot: Gives everything there is to show, now.
        heartbeat_s: After so long without a change a page is told the time, so that it notices a dead connection.
    """

    def __init__(self, snapshot: Callable[[], JSON], heartbeat_s: float = HEARTBEAT_S) -> None:
        self._snapshot = snapshot
        self._heartbeat_s = heartbeat_s
        self._pages: set[_Page] = set()
        self._closed = False

    @property
    def pages(self) -> int:
        """How many pages listen now."""
        return len(self._pages)

    def publish_nowait(self, name: str, body: JSON) -> None:
        """Tell every page; never waits."""
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
        """The answer to `GET /api/events`: a snapshot, then changes for as long as the page listens."""
        if self._closed or len(self._pages) >= PAGES:
            body = as_json({"error": f"{PAGES} pages are open already; close one"})
            return web.Response(status=503, text=body, content_type="application/json")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        page = _Page()
        self._pages.add(page)
        try:
            with contextlib.suppress(ConnectionError, TimeoutError):  # the page went away, or sleeps
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
    """What one page has not been sent yet."""

    def __init__(self) -> None:
        self.is_behind = True  # it knows nothing yet
        self._waiting: list[bytes] = []
        self._wake = asyncio.Event()

    def put_nowait(self, event: bytes) -> None:
        if self.is_behind:  # the snapshot will have it
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
        """Everything that waits, once there is something; empty after the timeout."""
        if not self._waiting:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
        waiting, self._waiting = self._waiting, []
        return b"".join(waiting)
