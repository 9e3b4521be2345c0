"""HTTP routes of the evidence: alerts by camera, time and verdict, with their clips and pictures."""

import datetime
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from aiohttp import web

from streammon.errors import StorageError
from streammon.preview.board.answers import json_response, refusal
from streammon.preview.board.kept import Found, KeptEvents, ReviewedEvents
from streammon.preview.board.timeline import shown_level
from streammon.preview.guard import NO_STORE
from streammon.records import Channel, EventCounts, EventQuery, EventRow, VerdictName

PAGE = 50  # alerts of one response, unless asked otherwise
MOST = 200
MOST_DIGITS = 4
PART = re.compile(r"-(\d+)\.mp4")  # what follows the id in the name of a clip's file
NO_FILE = "this event has no such file"
VERDICTS = ("normal", "real", "none")
TRUTHS = {"true": True, "false": False}

Value = TypeVar("Value")


@dataclass(frozen=True)
class ShownEvent:
    """One alert whose evidence is kept.

    Attributes:
        id: Id of the alert.
        camera: Name of the camera.
        scene: Name of the scene.
        channel: Channel that contributes most to the peak score.
        reason: The channel in words.
        open: True while the alert is open.
        opened_s: Unix time of the first abnormal frame.
        closed_s: Unix time of the last abnormal frame; null while the alert is open.
        time_s: Unix time of the latest message about the alert.
        peak_level: Largest level.
        basis_s: Seconds of normal footage behind `peak_level`; 0 if unknown.
        provisional: True if the configured rate is rarer than once in `basis_s`.
        verdict: Latest verdict of a person.
        judged_s: Unix time of the verdict.
        judged_by: User of the verdict; empty where nobody logs in.
        acknowledged_s: Unix time of the acknowledgement.
        acknowledged_by: User who acknowledged; empty where nobody logs in.
        recording: True while the clip is being recorded.
        parts: Numbers of the clip's complete files, in order.
        snapshot: True if there is a picture of the peak.
        heatmap: True if there is a heatmap of the peak.
        side_car: True if there is a side-car.
        note: Why something is missing; empty if nothing is.
    """

    id: str
    camera: str
    scene: str
    channel: Channel
    reason: str
    open: bool
    opened_s: float
    closed_s: float | None
    time_s: float
    peak_level: float
    basis_s: float
    provisional: bool
    verdict: VerdictName | None
    judged_s: float | None
    judged_by: str | None
    acknowledged_s: float | None
    acknowledged_by: str | None
    recording: bool
    parts: list[int]
    snapshot: bool
    heatmap: bool
    side_car: bool
    note: str


@dataclass(frozen=True)
class EventList:
    """Alerts whose evidence is kept, the newest first.

    Attributes:
        events: The alerts.
        next: Value of `before` for the alerts that follow; null if these are the last.
        counts: Numbers of all alerts that the filters select.
    """

    events: list[ShownEvent]
    next: str | None
    counts: EventCounts


class EvidenceApi:
    """HTTP handlers of the evidence.

    Args:
        kept: The events; None where no evidence is kept, so that all is answered by 404.
    """

    def __init__(self, kept: KeptEvents | None) -> None:
        self._kept = kept

    def routes(self) -> list[web.AbstractRouteDef]:
        """All routes of the evidence."""
        event = "/api/evidence/{id}"
        return [
            web.get("/api/evidence", self._list),
            web.get(event, self._event),
            web.get(f"{event}/side-car", self._file(".json")),
            web.get(f"{event}/clip/{{part}}", self._clip),
            web.get(f"{event}/snapshot.jpg", self._file(".jpg")),
            web.get(f"{event}/heatmap.png", self._file(".png")),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        query, limit, before = event_query(request.query), _limit(request.query), _cursor(request.query)
        rows, counts = await self._ask(lambda events: events.newest(query, limit + 1, before))
        shown = [shown_event(row) for row in rows[:limit]]
        following = f"{rows[limit - 1].opened_s!r}~{rows[limit - 1].id}" if len(rows) > limit else None
        return json_response(asdict(EventList(shown, following, counts)))

    async def _event(self, request: web.Request) -> web.Response:
        return json_response(asdict(shown_event(await self._row(request))))

    def _file(self, ending: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def respond(request: web.Request) -> web.StreamResponse:
            return await self._sent(await self._row(request), ending)

        return respond

    async def _clip(self, request: web.Request) -> web.StreamResponse:
        part = request.match_info["part"]
        if not (part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS):
            raise refusal(web.HTTPNotFound, NO_FILE)
        return await self._sent(await self._row(request), f"-{int(part)}.mp4")

    async def _sent(self, row: EventRow, ending: str) -> web.StreamResponse:
        """Send a file of an alert, or the asked range of its bytes. Its name is made here, not by the client."""
        file = await self._ask(lambda events: events.file(row, ending))
        if file is None:
            raise refusal(web.HTTPNotFound, NO_FILE)
        return web.FileResponse(file, headers=NO_STORE)

    async def _row(self, request: web.Request) -> EventRow:
        row = await self._ask(lambda events: events.find(request.match_info["id"]))
        if row is None:
            raise refusal(web.HTTPNotFound, "no such event; it may have been removed by retention")
        return row

    async def _ask(self, work: Callable[[ReviewedEvents], Found]) -> Found:
        if self._kept is None:
            raise refusal(web.HTTPNotFound, "no evidence is kept; add an `events` section to the configuration")
        try:
            return await self._kept.ask(work)
        except StorageError as error:
            raise refusal(web.HTTPInternalServerError, str(error)) from None


def shown_event(row: EventRow) -> ShownEvent:
    """A row of the index as the page shows it."""
    endings = {name.removeprefix(row.id) for name in row.files}
    return ShownEvent(
        id=row.id,
        camera=row.camera,
        scene=row.scene,
        channel=row.channel,
        reason=row.channel.reason,
        open=row.closed_s is None,
        opened_s=round(row.opened_s, 3),
        closed_s=None if row.closed_s is None else round(row.closed_s, 3),
        time_s=round(row.updated_s, 3),
        peak_level=shown_level(row.peak_level),
        basis_s=round(row.basis_s, 3),
        provisional=row.provisional,
        verdict=row.verdict,
        judged_s=row.judged_s,
        judged_by=row.judged_by,
        acknowledged_s=row.acknowledged_s,
        acknowledged_by=row.acknowledged_by,
        recording=row.state == "recording",
        parts=sorted(int(found[1]) for ending in endings if (found := PART.fullmatch(ending))),
        snapshot=".jpg" in endings,
        heatmap=".png" in endings,
        side_car=".json" in endings,
        note=row.note,
    )


def event_query(asked: Mapping[str, str]) -> EventQuery:
    """The selection of a request's query string.

    Raises:
        web.HTTPBadRequest: A value isn't allowed.
    """
    since_s, until_s = _of(asked, "since", _time_s, "a Unix time"), _of(asked, "until", _time_s, "a Unix time")
    if (day := _of(asked, "day", _day_s, "a date such as 2026-11-30")) is not None:
        since_s = day[0] if since_s is None else max(since_s, day[0])
        until_s = day[1] if until_s is None else min(until_s, day[1])
    return EventQuery(
        camera=asked.get("camera"),
        channel=_of(asked, "channel", Channel, f"one of {', '.join(Channel)}"),
        since_s=since_s,
        until_s=until_s,
        verdict=_of(asked, "verdict", {each: each for each in VERDICTS}.__getitem__, f"one of {', '.join(VERDICTS)}"),
        is_open=_of(asked, "open", TRUTHS.__getitem__, "true or false"),
        acknowledged=_of(asked, "acknowledged", TRUTHS.__getitem__, "true or false"),
    )


def _limit(asked: Mapping[str, str]) -> int:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and 1 <= int(text) <= MOST):
            raise ValueError
        return int(text)

    return _of(asked, "limit", number, f"a whole number from 1 to {MOST}") or PAGE


def _cursor(asked: Mapping[str, str]) -> tuple[float, str] | None:
    def cursor(text: str) -> tuple[float, str]:
        opened_s, _, alert_id = text.partition("~")
        return _time_s(opened_s), alert_id

    return _of(asked, "before", cursor, "the value of `next` in an earlier answer")


def _of(asked: Mapping[str, str], name: str, parse: Callable[[str], Value], allowed: str) -> Value | None:
    """A parsed value of the query string; None without it.

    Raises:
        web.HTTPBadRequest: The value isn't allowed.
    """
    if name not in asked:
        return None
    try:
        return parse(asked[name])
    except (ValueError, KeyError, OverflowError):
        raise refusal(web.HTTPBadRequest, f"{name} must be {allowed}") from None


def _day_s(text: str) -> tuple[float, float]:
    """Unix times at which a day begins and ends, in the server's time zone."""
    midnight = datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time())
    return midnight.timestamp(), (midnight + datetime.timedelta(days=1)).timestamp()


def _time_s(text: str) -> float:
    time_s = float(text)
    if not math.isfinite(time_s):
        raise ValueError
    return time_s
