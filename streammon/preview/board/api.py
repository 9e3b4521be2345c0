"""HTTP routes of the page: files, JSON, alert pictures, acknowledgements and verdicts."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources

from aiohttp import web

from streammon.errors import StorageError
from streammon.preview.board.answers import json_response, refusal, user_of
from streammon.preview.board.changes import JSON, Changes
from streammon.preview.board.entry import Entry
from streammon.preview.board.journal import ALERTS, SHOWN, Journal, NoFootageError
from streammon.preview.board.normal_footage import is_full
from streammon.preview.guard import NO_STORE

CSRF_HEADER = "X-Streammon"
"""Header required of requests that change something, against CSRF.

A page of another origin can't set it without a CORS preflight, which is never granted.
"""

CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class BoardApi:
    """HTTP handlers of the page.

    Args:
        snapshot: Returns the complete current state of the page.
        changes: Server-sent events.
        journal: The alerts.
    """

    def __init__(self, snapshot: Callable[[], JSON], changes: Changes, journal: Journal) -> None:
        self._snapshot = snapshot
        self._changes = changes
        self._journal = journal

    def routes(self) -> list[web.AbstractRouteDef]:
        """All routes of the page. The page's files are read once, here, and not on request."""
        files = page_files()
        return [
            web.get("/", _file("index.html", files["index.html"])),
            *(web.get(f"/page/{name}", _file(name, content)) for name, content in files.items()),
            web.get("/api/events", self._changes.respond),
            web.get("/api/cameras", self._cameras),
            web.get("/api/alerts", self._alerts),
            web.get("/api/alerts/{id}/picture.jpg", self._picture),
            web.post("/api/alerts/{id}/acknowledge", self._acknowledge),
            web.post("/api/alerts/{id}/normal", self._normal),
            web.post("/api/alerts/{id}/real", self._real),
            web.post("/api/alerts/{id}/undo", self._undo),
        ]

    async def _cameras(self, _request: web.Request) -> web.Response:
        snapshot = self._snapshot()
        return json_response(
            {key: snapshot[key] for key in ("now_s", "history_s", "open_level", "asked_s", "cameras")}
        )

    async def _alerts(self, request: web.Request) -> web.Response:
        wanted = request.query.get("limit", str(ALERTS))
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 4 and 1 <= int(wanted) <= ALERTS):
            raise refusal(web.HTTPBadRequest, f"limit must be a whole number from 1 to {ALERTS}")
        return json_response({"alerts": [entry.as_json() for entry in self._journal.newest(int(wanted))]})

    async def _picture(self, request: web.Request) -> web.Response:
        entry = self._entry(request)
        stream = request.query.get("stream", SHOWN[0])
        if stream not in SHOWN:
            raise refusal(web.HTTPBadRequest, f"stream must be one of {', '.join(SHOWN)}")
        picture = entry.pictures.get(stream)
        if picture is None:
            raise refusal(web.HTTPNotFound, "this alert has no such picture")
        return web.Response(body=picture, content_type="image/jpeg", headers=NO_STORE)

    async def _acknowledge(self, request: web.Request) -> web.Response:
        return await self._judged(request, lambda entry: self._journal.acknowledge(entry, user_of(request)))

    async def _normal(self, request: web.Request) -> web.Response:
        return await self._judged(request, lambda entry: self._journal.call(entry, "normal", user_of(request)))

    async def _real(self, request: web.Request) -> web.Response:
        return await self._judged(request, lambda entry: self._journal.call(entry, "real", user_of(request)))

    async def _undo(self, request: web.Request) -> web.Response:
        return await self._judged(request, lambda entry: self._journal.undo(entry, user_of(request)))

    async def _judged(self, request: web.Request, judge: Callable[[Entry], Awaitable[None]]) -> web.Response:
        _require_csrf_header(request)
        alert_id = request.match_info["id"]
        try:
            entry = await self._journal.find(alert_id)
            if entry is None:
                waits = alert_id in self._journal.entries
                raise refusal(web.HTTPNotFound, "nothing is recorded of this alert yet" if waits else "no such alert")
            await judge(entry)
        except NoFootageError as error:
            raise refusal(web.HTTPConflict, str(error)) from None
        except StorageError as error:
            status = 507 if is_full(error.__cause__) else 500
            return json_response({"error": str(error)}, status)
        return json_response(entry.as_json())

    def _entry(self, request: web.Request) -> Entry:
        entry = self._journal.entries.get(request.match_info["id"])
        if entry is None:
            raise refusal(web.HTTPNotFound, "no such alert")
        return entry


def page_files() -> dict[str, bytes]:
    """Contents of the page's files in the package, by name."""
    folder = resources.files("streammon.preview") / "page"
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    return {name: files[name] for name in sorted(files) if _suffix(name) in CONTENT_TYPES}


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]


def _file(name: str, content: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    etag = hashlib.sha256(content).hexdigest()[:32]
    content_type = CONTENT_TYPES[_suffix(name)]

    async def answer(request: web.Request) -> web.Response:
        known = request.if_none_match or ()
        if any(tag.value == etag for tag in known):
            response = web.Response(status=304)
        else:
            response = web.Response(body=content, content_type=content_type, charset="utf-8")
        response.etag = etag
        response.headers["Cache-Control"] = "no-cache"  # the browser revalidates its copy each time
        return response

    return answer


def _require_csrf_header(request: web.Request) -> None:
    """Refuse a request that another site's page may have sent with the user's cookie (CSRF)."""
    if CSRF_HEADER not in request.headers:
        raise refusal(web.HTTPForbidden, f"send the header {CSRF_HEADER}: 1")
