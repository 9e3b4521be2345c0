"""Review over HTTP: kept events by filters and pages, their files by ranges, and judgements by user."""

import asyncio
import datetime
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import TypeAdapter

from streammon.errors import StorageError
from streammon.events import EventRow, read_index
from streammon.events.index import Index
from streammon.ingest import clips
from streammon.preview import Preview
from streammon.preview.board import EventList
from streammon.preview.board.normal_footage import keep_clip_as_normal
from streammon.records import Verdict
from support.deadlines import DEADLINE_S
from support.evidence import clips_of
from support.kept_events import record_events, reviewing, seed_index
from support.packets import pictures_in
from support.preview_events import closed, config_of, figures_of, opened
from support.preview_site import BEARER, PASSWORD, TOKEN, USERS

OWN_PAGE = {"X-Streammon": "1"}
ANNA = {"Authorization": aiohttp.encode_basic_auth("anna", PASSWORD)}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the evidence of an alert of lobby and one of gate."""
    folder = tmp_path_factory.mktemp("recorded")
    record_events(folder)
    return folder / "events"


class Site:
    """A preview that reviews a copy of the evidence, and a client of it."""

    def __init__(
        self, folder: Path, preview: Preview, client: aiohttp.ClientSession, verdicts: list[Verdict]
    ) -> None:
        self.folder = folder
        self.scenes = folder.parent / "scenes"
        self.preview = preview
        self.client = client
        self.verdicts = verdicts

    async def get(self, address: str, **request: Any) -> Any:
        async with self.client.get(address, **request) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def refused(self, address: str, **request: Any) -> tuple[int, str]:
        async with self.client.get(address, **request) as answer:
            return answer.status, (await answer.json())["error"]

    async def post(self, address: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        async with self.client.post(address, headers=OWN_PAGE | (headers or {})) as answer:
            return answer.status, await answer.json()

    def rows(self) -> list[EventRow]:
        return read_index(self.folder)


@asynccontextmanager
async def a_site(folder: Path, **preview_keys: Any) -> AsyncIterator[Site]:
    config = config_of("lobby", "gate", scenes=str(folder.parent / "scenes"), **preview_keys)
    verdicts: list[Verdict] = []
    async with (
        reviewing(config, folder, verdicts) as preview,
        aiohttp.ClientSession(preview.url) as client,
        asyncio.timeout(2 * DEADLINE_S),
    ):
        yield Site(folder, preview, client, verdicts)


def in_a_site(evidence: Path | None, folder: Path, scenario: Callable[[Site], Any], **preview_keys: Any) -> None:
    """Run a scenario on a copy of the evidence."""
    events = folder / "events"
    if evidence is not None:
        shutil.copytree(evidence, events)

    async def whole() -> None:
        async with a_site(events, **preview_keys) as site:
            await scenario(site)

    asyncio.run(whole())


def test_events_are_listed_as_described_and_filtered(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        listed = await site.get("/api/evidence")
        assert TypeAdapter(EventList).validate_json(json.dumps(listed), strict=True).next is None
        older, newer = site.rows()
        assert [event["id"] for event in listed["events"]] == [newer.id, older.id]
        event = listed["events"][0]
        assert (event["parts"], event["snapshot"], event["heatmap"], event["side_car"]) == ([1], True, True, True)
        assert (event["open"], event["recording"], event["reason"]) == (False, False, "looks unusual here")
        assert listed["counts"] == {"matching": 2, "unacknowledged": 2, "unjudged": 2, "normal": 0, "real": 0}
        assert await site.get(f"/api/evidence/{newer.id}") == event
        day = datetime.datetime.fromtimestamp(newer.opened_s).date()
        before = day - datetime.timedelta(days=1)
        for asked, found in (
            ("camera=lobby", 1),
            ("camera=nowhere", 0),
            ("channel=looks", 2),
            ("channel=speed", 0),
            (f"day={day}", len([row for row in (older, newer) if folder_day(row) == str(day)])),
            (f"day={before}&since=0", len([row for row in (older, newer) if folder_day(row) == str(before)])),
            (f"since={newer.opened_s!r}", 1),
            (f"until={newer.opened_s!r}", 1),
            ("verdict=none", 2),
            ("verdict=real", 0),
            ("open=true", 0),
            ("open=false&acknowledged=false", 2),
        ):
            assert (asked, (await site.get(f"/api/evidence?{asked}"))["counts"]["matching"]) == (asked, found)

    in_a_site(evidence, tmp_path, scenario)


def folder_day(row: EventRow) -> str:
    return row.folder.partition("/")[0]


def test_pages_of_many_events_follow_each_other_by_the_cursor(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        seen: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = await site.get("/api/evidence", params={"limit": "100", "camera": "lobby", **cursor})
            assert page["counts"]["matching"] == 300
            seen += [int(event["id"], 16) for event in page["events"]]
            if page["next"] is None:
                break
            cursor = {"before": page["next"]}
        assert seen == list(range(599, 0, -2))

    seed_index(make(tmp_path / "events"), 600)
    in_a_site(None, tmp_path, scenario)


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("limit=0", "limit must be a whole number from 1 to 200"),
        ("limit=201", "limit must be a whole number from 1 to 200"),
        ("channel=sound", "channel must be one of looks, change, speed, direction, place, shape, object, view"),
        ("day=2026-02-30", "day must be a date such as 2026-11-30"),
        ("day=9999-12-31", "day must be a date such as 2026-11-30"),
        ("since=nan", "since must be a Unix time"),
        ("until=tomorrow", "until must be a Unix time"),
        ("verdict=odd", "verdict must be one of normal, real, none"),
        ("open=yes", "open must be true or false"),
        ("acknowledged=1", "acknowledged must be true or false"),
        ("before=x", "before must be the value of `next` in an earlier answer"),
    ],
)
def test_a_filter_that_is_none_is_refused(evidence: Path, tmp_path: Path, asked: str, error: str) -> None:
    async def scenario(site: Site) -> None:
        assert await site.refused(f"/api/evidence?{asked}") == (400, error)

    in_a_site(evidence, tmp_path, scenario)


def test_files_are_served_whole_and_by_ranges(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        row = site.rows()[0]
        files = {"clip/1": "-1.mp4", "snapshot.jpg": ".jpg", "heatmap.png": ".png", "side-car": ".json"}
        types = {"clip/1": "video/mp4", "snapshot.jpg": "image/jpeg", "heatmap.png": "image/png"}
        for what, ending in files.items():
            whole = (site.folder / row.folder / f"{row.id}{ending}").read_bytes()
            async with site.client.get(f"/api/evidence/{row.id}/{what}") as answer:
                assert (answer.status, await answer.read()) == (200, whole)
                assert answer.content_type == types.get(what, "application/json")
                assert answer.headers["Cache-Control"] == "no-store"
            async with site.client.get(f"/api/evidence/{row.id}/{what}", headers={"Range": "bytes=10-19"}) as answer:
                assert (answer.status, await answer.read()) == (206, whole[10:20])
                assert answer.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
            beyond = {"Range": f"bytes={len(whole)}-"}
            async with site.client.get(f"/api/evidence/{row.id}/{what}", headers=beyond) as answer:
                assert answer.status == 416

    in_a_site(evidence, tmp_path, scenario)


def test_nothing_but_files_of_events_is_served(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        row = site.rows()[0]
        secret = site.folder.parent / "secret-1.mp4"
        secret.write_bytes(b"secret")
        linked = site.rows()[1]
        snapshot = site.folder / linked.folder / f"{linked.id}.jpg"
        snapshot.unlink()
        snapshot.symlink_to(secret)
        for what in ("clip/2", "clip/0", "clip/-1", "clip/1.mp4", "clip/..%2f1", "clip/x", "clip/٣", "index.sqlite"):
            async with site.client.get(f"/api/evidence/{row.id}/{what}") as answer:
                assert (what, answer.status) == (what, 404)
        for name in ("..%2fsecret", "..%2f..%2fsecret", "secret", "%2e%2e", "*", "a%00"):
            for what in ("clip/1", "side-car"):
                async with site.client.get(f"/api/evidence/{name}/{what}") as answer:
                    assert (name, answer.status) == (name, 404)
        refused = await site.refused(f"/api/evidence/{linked.id}/snapshot.jpg")
        assert refused == (404, "this event has no such file")

    in_a_site(evidence, tmp_path, scenario)


def test_an_event_called_normal_becomes_footage_that_fit_reads_until_that_is_undone(
    evidence: Path, tmp_path: Path
) -> None:
    async def scenario(site: Site) -> None:
        row = site.rows()[0]
        normal = site.scenes / "hall" / "normal"
        (kept,) = clips_of(site.folder, row)
        status, alert = await site.post(f"/api/alerts/{row.id}/normal")
        assert (status, alert["verdict"], alert["judged_by"], alert["normal_frames"]) == (200, "normal", "", None)
        assert alert["acknowledged_s"] == alert["judged_s"]
        (clip,) = clips(normal)
        times_s = [frame.stream_time_s for frame in clip.frames(None)]
        assert len(times_s) == len(pictures_in(kept))
        assert times_s == pytest.approx([number / 25 for number in range(len(times_s))], abs=0.001)
        assert clip.path.samefile(kept)
        assert site.rows()[0].verdict == "normal"
        await site.post(f"/api/alerts/{row.id}/normal")  # idempotent
        status, alert = await site.post(f"/api/alerts/{row.id}/undo")
        assert (status, alert["verdict"], alert["acknowledged_s"]) == (200, None, None)
        assert list(normal.iterdir()) == []
        assert kept.exists()
        given = [(verdict.alert_id, verdict.normal, verdict.scene, verdict.peak_score) for verdict in site.verdicts]
        assert given == [(row.id, True, "hall", row.peak_score), (row.id, None, "hall", row.peak_score)]

    in_a_site(evidence, tmp_path, scenario)


def test_on_another_disk_the_clip_is_copied(evidence: Path, tmp_path: Path) -> None:
    (part, *_) = clips_of(evidence, read_index(evidence)[0])
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scenes:
        if Path(scenes).stat().st_dev == part.stat().st_dev:
            pytest.skip("/dev/shm is on the disk of the evidence")
        keep_clip_as_normal(Path(scenes), "hall", "a", [part])
        copy = Path(scenes) / "hall" / "normal" / "a" / part.name
        assert copy.read_bytes() == part.read_bytes()
        with pytest.raises(StorageError, match="it can't be written"):
            keep_clip_as_normal(Path(scenes), "hall", "b", [part, tmp_path / "missing.mp4"])
        assert [path.name for path in (Path(scenes) / "hall" / "normal").iterdir()] == ["a"]


def test_who_said_what_is_in_the_index(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        older, newer = site.rows()
        assert (await site.post(f"/api/alerts/{older.id}/acknowledge"))[0] == 401
        await site.post(f"/api/alerts/{older.id}/acknowledge", ANNA)
        assert (await site.post(f"/api/alerts/{older.id}/real", BEARER))[1]["judged_by"] == "token"
        async with site.client.post("/login", json={"user": "anna", "password": PASSWORD}) as answer:
            session = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        assert (await site.post(f"/api/alerts/{newer.id}/normal", session))[0] == 200
        judged = {row.id: (row.acknowledged_by, row.verdict, row.judged_by) for row in site.rows()}
        assert judged == {older.id: ("anna", "real", "token"), newer.id: ("anna", "normal", "anna")}
        status, alert = await site.post(f"/api/alerts/{older.id}/undo", ANNA)
        assert (status, alert["verdict"], alert["acknowledged_by"]) == (200, None, "anna")
        status, alert = await site.post(f"/api/alerts/{older.id}/undo", ANNA)
        assert (status, alert["acknowledged_s"], alert["acknowledged_by"]) == (200, None, None)
        assert (await site.get(f"/api/evidence/{newer.id}", headers=ANNA))["judged_by"] == "anna"

    in_a_site(evidence, tmp_path, scenario, token=TOKEN, users=USERS)


def test_an_alert_in_memory_is_judged_as_its_row(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        row = site.rows()[0]
        alert = opened("lobby", row.id)
        site.preview.on_event(alert)
        site.preview.on_event(opened("gate", "f" * 32))
        assert (await site.post(f"/api/alerts/{row.id}/normal"))[0] == 409  # open, as its newest message says
        site.preview.on_event(closed(alert))
        assert (await site.post(f"/api/alerts/{row.id}/real"))[0] == 200
        (newest,) = [each for each in (await site.get("/api/alerts"))["alerts"] if each["id"] == row.id]
        assert newest["verdict"] == site.rows()[0].verdict == "real"
        status, answer = await site.post(f"/api/alerts/{'f' * 32}/real")
        assert (status, answer) == (404, {"error": "nothing is recorded of this alert yet"})
        assert (await site.post("/api/alerts/unknown/real"))[1] == {"error": "no such alert"}
        async with site.client.post(f"/api/alerts/{row.id}/undo") as refused:
            assert refused.status == 403

    in_a_site(evidence, tmp_path, scenario)


def test_a_verdict_whose_footage_cannot_be_written_is_none(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        row = site.rows()[0]
        site.scenes.write_text("no folder")
        status, answer = await site.post(f"/api/alerts/{row.id}/normal")
        assert (status, answer["error"]) == (
            500,
            "normal footage of scene 'hall': it can't be written (Not a directory); make its scene's folder writable",
        )
        assert site.rows()[0].judgement == row.judgement
        assert site.verdicts == []

    in_a_site(evidence, tmp_path, scenario)


def test_an_event_without_a_clip_has_no_footage(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        status, answer = await site.post(f"/api/alerts/{1:032x}/normal")
        assert (status, answer) == (409, {"error": "this alert's frames have been discarded"})
        assert (await site.post(f"/api/alerts/{1:032x}/real"))[1]["verdict"] == "real"

    seed_index(make(tmp_path / "events"), 3)
    in_a_site(None, tmp_path, scenario)


def test_an_event_that_retention_removed_is_gone_everywhere(evidence: Path, tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        row = site.rows()[0]
        index = Index(site.folder)
        index.remove(row.id)
        index.close()
        gone = (404, "no such event; it may have been removed by retention")
        assert await site.refused(f"/api/evidence/{row.id}") == gone
        assert await site.refused(f"/api/evidence/{row.id}/clip/1") == gone
        assert (await site.post(f"/api/alerts/{row.id}/real"))[0] == 404

    in_a_site(evidence, tmp_path, scenario)


def test_without_kept_events_there_is_nothing_to_review(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = config_of("lobby", scenes=str(tmp_path))
        async with Preview(config, figures_of(config)) as preview, aiohttp.ClientSession(preview.url) as client:
            for address in ("/api/evidence", "/api/evidence/a", "/api/evidence/a/clip/1"):
                async with client.get(address) as answer:
                    error = "no evidence is kept; add an `events` section to the configuration"
                    assert (answer.status, await answer.json()) == (404, {"error": error})

    asyncio.run(scenario())
