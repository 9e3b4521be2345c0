"""The alerts: their pictures, what people do with them, and what is kept as normal footage."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from numpy.typing import NDArray

from streammon.boxes import with_boxes
from streammon.errors import StorageError
from streammon.ingest import clips
from streammon.preview.board.board import Board
from streammon.preview.board.journal import ALERTS, FRAMES
from streammon.preview.board.normal_footage import keep_as_normal, remove_from_normal
from streammon.preview.operations.openapi import describe
from streammon.preview.streams.pictures import LivePictures, Still
from streammon.records import AlertEvent, Box, CameraState, Channel, ScoredFrame, Verdict
from support.chromium import until
from support.deadlines import DEADLINE_S
from support.preview_events import SIZE, closed, config_of, figures_of, online, opened, scored

OWN_PAGE = {"X-Streammon": "1"}


@dataclass
class Site:
    """A board whose camera `lobby` is online and shows grey pictures."""

    board: Board
    pictures: LivePictures
    client: TestClient[web.Request, web.Application]
    verdicts: list[Verdict] = field(default_factory=list)
    shown_s: float = 0.0

    def show(self, grey: int, after_s: float = 0.2) -> None:
        """The camera's next picture."""
        self.shown_s += after_s
        picture = np.full((SIZE[1], SIZE[0], 3), grey, np.uint8)
        self.pictures.put_picture("lobby", av.VideoFrame.from_ndarray(picture, "rgb24"), self.shown_s)

    def score(self, ratio: float) -> None:
        self.send(scored("lobby", ratio))

    def send(self, event: Any) -> None:
        if isinstance(event, ScoredFrame):
            self.pictures.put_score(event)
        self.board.on_event(event)

    def frames(self, alert_id: str) -> int:
        return len(self.board.journal.entries[alert_id].frames)

    async def post(self, address: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        async with self.client.post(address, headers=OWN_PAGE if headers is None else headers) as answer:
            return answer.status, await answer.json()

    async def alerts(self) -> list[dict[str, Any]]:
        async with self.client.get("/api/alerts") as answer:
            alerts: list[dict[str, Any]] = (await answer.json())["alerts"]
            return alerts

    async def grey(self, alert_id: str, stream: str = "picture") -> int:
        """The grey of an alert's picture, in its upper left corner."""
        async with self.client.get(f"/api/alerts/{alert_id}/picture.jpg", params={"stream": stream}) as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")
            return round(float(decoded(await answer.read())[:40, :40].mean()))


def decoded(jpeg: bytes) -> NDArray[np.int64]:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.int64)


@asynccontextmanager
async def a_site(scenes: Path) -> AsyncIterator[Site]:
    config = config_of("lobby", scenes=str(scenes), width=320)
    assert config.preview is not None
    pictures = LivePictures(config.cameras, config.preview)
    verdicts: list[Verdict] = []
    board = Board(config, figures_of(config), pictures, verdicts.append)
    app = web.Application()
    app.add_routes(board.routes())
    async with TestClient(TestServer(app)) as client:
        site = Site(board, pictures, client, verdicts)
        site.show(100)
        try:
            yield site
        finally:
            await board.close()


def in_a_site(scenes: Path, scenario: Callable[[Site], Any]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(2 * DEADLINE_S), a_site(scenes) as site:
            await scenario(site)

    asyncio.run(whole())


def test_an_alert_has_the_picture_and_the_heatmap_of_its_peak(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.send(online("lobby"))
        site.score(1.2)
        site.send(opened("lobby", "a", 1.2))
        entry = site.board.journal.entries["a"]
        await until(lambda: entry.version == 1)
        assert abs(await site.grey("a") - 100) <= 2
        site.show(180)
        site.score(1.9)
        await until(lambda: entry.version == 2)
        site.show(40)
        site.score(1.3)  # no peak
        await until(lambda: len(entry.frames) >= 3)
        alert = closed(opened("lobby", "a", 1.9))
        site.send(alert)
        assert abs(await site.grey("a") - 180) <= 2
        async with site.client.get("/api/alerts/a/picture.jpg?stream=blended") as answer:
            blended = decoded(await answer.read())
        async with site.client.get("/api/alerts/a/picture.jpg") as answer:
            picture = decoded(await answer.read())
        changed = np.abs(blended - picture).sum(axis=2) > 60
        assert changed[140:260, 420:500].all()  # where the anomaly is
        assert not changed[:, :380].any()
        (shown,) = site.board.snapshot()["alerts"]
        assert (shown["open"], shown["pictures"], shown["size"]) == (False, 2, SIZE)

    in_a_site(tmp_path, scenario)


def test_the_snapshot_of_an_alert_shows_its_boxes_as_soon_as_there_is_a_picture(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.send(online("lobby"))
        site.score(1.2)
        alert = opened("lobby", "a", 1.2)
        site.send(alert)
        snapshot = await site.board.journal.snapshot("a")  # waits for the first picture
        assert snapshot is not None
        picture = decoded(snapshot)
        (box,) = alert.boxes
        edge = picture[box.y + box.height // 2, box.x]
        assert edge[2] - edge[0] > 100  # red, BGR
        assert abs(int(picture[4, 4].mean()) - 100) <= 2
        assert await site.board.journal.snapshot("another") is None

    in_a_site(tmp_path, scenario)


def test_boxes_are_drawn_to_the_scale_of_the_picture() -> None:
    _, jpeg = cv2.imencode(".jpg", np.full((180, 320, 3), 100, np.uint8))
    picture = decoded(with_boxes(jpeg.tobytes(), [Box(400, 120, 120, 160, 24.0)], (640, 360), quality=95))
    is_red = picture[:, :, 2] - picture[:, :, 0] > 80
    rows, columns = (np.flatnonzero(is_red.any(axis=axis)) for axis in (1, 0))
    assert [rows[0], rows[-1], columns[0], columns[-1]] == pytest.approx([60, 140, 200, 260], abs=2)
    assert not is_red[70:130, 210:250].any()


def test_an_alert_of_an_earlier_run_has_no_snapshot_and_nobody_waits_for_one(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.board.restore([closed(opened("lobby", "a", 1.2))])
        assert site.board.journal.entries["a"].pictured.is_set()
        assert await site.board.journal.snapshot("a") is None

    in_a_site(tmp_path, scenario)


def test_alerts_of_before_are_shown_as_ended_and_without_pictures(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        ended = closed(opened("lobby", "ended", time_s=100.0))
        killed = replace(opened("lobby", "killed", time_s=200.0), event=AlertEvent.UPDATE, part=4, time_s=230.0)
        site.board.restore([ended, killed])
        newest, oldest = await site.alerts()
        assert (newest["id"], newest["open"], newest["closed_s"]) == ("killed", False, 230.0)
        assert (oldest["id"], oldest["open"], oldest["closed_s"]) == ("ended", False, ended.closed_s)
        assert (newest["pictures"], newest["frames"], newest["size"]) == (0, 0, None)
        assert await site.post("/api/alerts/killed/normal") == (
            409,
            {"error": "this alert's frames have been discarded"},
        )
        assert (await site.post("/api/alerts/killed/acknowledge"))[0] == 200
        site.send(online("lobby"))
        site.send(opened("lobby", "new"))
        assert [(alert["id"], alert["open"]) for alert in await site.alerts()] == [
            ("new", True),
            ("killed", False),
            ("ended", False),
        ]

    in_a_site(tmp_path, scenario)


def test_of_the_alerts_of_before_the_newest_are_kept(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.board.restore(opened("lobby", str(number), time_s=float(number)) for number in range(ALERTS + 5))
        assert [int(alert["id"]) for alert in await site.alerts()] == list(range(ALERTS + 4, 4, -1))

    in_a_site(tmp_path, scenario)


def test_what_was_normal_becomes_a_clip_that_the_next_fit_reads(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.send(online("lobby"))
        before = site.board.journal._before["lobby"]
        await until(lambda: len(before) == 1)
        site.show(100, after_s=1.0)
        await until(lambda: len(before) == 2)
        site.show(100, after_s=0.9)
        alert = opened("lobby", "0192-a", 1.5)
        site.send(alert)
        await until(lambda: site.frames("0192-a") == 3)
        for grey, after_s in ((110, 0.2), (120, 0.217), (130, 0.6)):
            kept = site.frames("0192-a")
            site.show(grey, after_s)
            site.score(1.5)
            await until(lambda kept=kept: site.frames("0192-a") == kept + 1)  # type: ignore[misc]
        status, refused = await site.post("/api/alerts/0192-a/normal")
        assert (status, refused) == (409, {"error": "this alert is still open; wait for its end"})
        site.send(closed(alert))
        answers = await asyncio.gather(*(site.post("/api/alerts/0192-a/normal") for _ in range(3)))
        assert {(status, entry["normal_frames"]) for status, entry in answers} == {(200, 6)}
        assert answers[0][1]["acknowledged_s"] is not None
        (clip,) = clips(tmp_path / "lobby" / "normal")
        assert (clip.name, len(clip.images)) == ("0192-a", 6)
        frames = list(clip.frames(None, detail=True))
        times_s = [0.0, 1.0, 1.9, 2.1, 2.317, 2.917]
        assert [frame.stream_time_s for frame in frames] == pytest.approx(times_s, abs=0.001)
        steps_s = [frame.detail.step_s for frame in frames if frame.detail is not None]
        assert steps_s == pytest.approx([0, 0, 0, 0.2, 0.217, 0], abs=0.001)
        assert [frame.source_size for frame in frames] == [SIZE] * 6  # not the preview's size
        greys = [round(float(frame.picture.mean())) for frame in frames]
        assert np.abs(np.array(greys) - (100, 100, 100, 110, 120, 130)).max() <= 2
        assert sorted(path.name for path in (tmp_path / "lobby" / "normal").iterdir()) == ["0192-a"]
        close = closed(alert)
        verdict = Verdict("lobby", "lobby", "0192-a", close.opened_s, close.closed_s, True, close.peak_score)
        assert site.verdicts == [verdict]

    in_a_site(tmp_path, scenario)


def test_a_verdict_can_be_changed_and_what_was_real_is_no_normal_footage(tmp_path: Path) -> None:
    normal = tmp_path / "lobby" / "normal"

    async def scenario(site: Site) -> None:
        alert = opened("lobby", "a")
        site.send(alert)
        await until(lambda: site.frames("a") == 1)
        status, entry = await site.post("/api/alerts/a/real")  # while it is open
        assert (status, entry["verdict"], entry["normal_frames"]) == (200, "real", None)
        assert entry["acknowledged_s"] is not None
        site.send(closed(alert))
        for _ in range(2):
            status, entry = await site.post("/api/alerts/a/normal")
            assert (status, entry["verdict"], entry["normal_frames"]) == (200, "normal", 1)
            assert [clip.name for clip in clips(normal)] == ["a"]
        for _ in range(2):
            status, entry = await site.post("/api/alerts/a/real")
            assert (status, entry["verdict"], entry["normal_frames"]) == (200, "real", None)
            assert list(normal.iterdir()) == []
        assert site.board.snapshot()["alerts"][0]["verdict"] == "real"
        given = [(verdict.alert_id, verdict.normal, verdict.closed_s is None) for verdict in site.verdicts]
        assert given == [("a", False, True), ("a", True, False), ("a", False, False)]  # once each

    in_a_site(tmp_path, scenario)


def test_a_verdict_and_an_acknowledgement_can_be_undone(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        alert = opened("lobby", "a")
        site.send(alert)
        await until(lambda: site.frames("a") == 1)
        site.send(closed(alert))
        await site.post("/api/alerts/a/acknowledge")
        await site.post("/api/alerts/a/normal")
        status, entry = await site.post("/api/alerts/a/undo")
        assert (status, entry["verdict"], entry["judged_s"], entry["normal_frames"]) == (200, None, None, None)
        assert entry["acknowledged_s"] is not None
        assert list((tmp_path / "lobby" / "normal").iterdir()) == []
        for _ in range(2):
            status, entry = await site.post("/api/alerts/a/undo")
            assert (status, entry["acknowledged_s"], entry["acknowledged_by"]) == (200, None, None)
        assert [verdict.normal for verdict in site.verdicts] == [True, None]

    in_a_site(tmp_path, scenario)


def test_frames_that_can_not_be_removed_leave_the_verdict_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path, target: Path) -> Path:
        raise OSError(errno.EACCES, "no", str(path))

    async def scenario(site: Site) -> None:
        alert = opened("lobby", "a")
        site.send(alert)
        await until(lambda: site.frames("a") == 1)
        site.send(closed(alert))
        await site.post("/api/alerts/a/normal")
        with monkeypatch.context() as broken:
            broken.setattr(Path, "rename", denied)
            status, answer = await site.post("/api/alerts/a/real")
        error = "it can't be removed (Permission denied); make its scene's folder writable"
        assert (status, answer) == (500, {"error": f"normal footage of scene 'lobby': {error}"})
        assert site.board.snapshot()["alerts"][0]["verdict"] == "normal"
        assert [verdict.normal for verdict in site.verdicts] == [True]

    in_a_site(tmp_path, scenario)


@pytest.mark.parametrize("name", ["..", "../gate", "", "a/b", "a\0"])
def test_no_name_of_an_alert_or_a_scene_leads_out_of_the_scenes(tmp_path: Path, name: str) -> None:
    scenes = tmp_path / "scenes"
    (scenes / "gate").mkdir(parents=True)
    for scene, clip in (("lobby", name), (name, "a")):
        with pytest.raises(StorageError, match="can't be used as a file name"):
            keep_as_normal(scenes, scene, clip, [Still(b"jpeg", 0.0)])
        with pytest.raises(StorageError, match="can't be used as a file name"):
            remove_from_normal(scenes, scene, clip)
    assert [path.name for path in tmp_path.rglob("*")] == ["scenes", "gate"]


def test_pictures_from_before_a_loss_are_not_those_before_an_alert(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.send(online("lobby"))
        before = site.board.journal._before
        await until(lambda: len(before["lobby"]) == 1)
        site.send(online("lobby", CameraState.OFFLINE, reason="stream ended"))
        assert before == {}
        site.send(online("lobby"))
        assert len(before["lobby"]) == 0

    in_a_site(tmp_path, scenario)


def test_acknowledging_is_published_to_every_page_once(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.send(opened("lobby", "a"))
        status, first = await site.post("/api/alerts/a/acknowledge")
        assert status == 200
        assert first["acknowledged_s"] is not None
        assert (await site.post("/api/alerts/a/acknowledge"))[1]["acknowledged_s"] == first["acknowledged_s"]
        assert site.board.snapshot()["alerts"][0]["acknowledged_s"] == first["acknowledged_s"]

    in_a_site(tmp_path, scenario)


def test_only_the_own_page_changes_anything_and_only_known_alerts(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.send(opened("lobby", "a"))
        for what in ("acknowledge", "normal", "real"):
            assert await site.post(f"/api/alerts/a/{what}", {}) == (403, {"error": "send the header X-Streammon: 1"})
            for unknown in ("b", "..", "%2e%2e%2fa", "a%00"):
                async with site.client.post(f"/api/alerts/{unknown}/{what}", headers=OWN_PAGE) as answer:
                    assert answer.status in (404, 405)
        async with site.client.get("/api/alerts/b/picture.jpg") as answer:
            assert (answer.status, await answer.json()) == (404, {"error": "no such alert"})
        async with site.client.get("/api/alerts/a/picture.jpg?stream=raw") as answer:
            assert (answer.status, await answer.json()) == (400, {"error": "stream must be one of picture, blended"})

    in_a_site(tmp_path, scenario)
    assert not list(tmp_path.iterdir())


def test_an_alert_without_pictures_says_so(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        site.pictures.clear("lobby")
        alert = opened("lobby", "a")
        site.send(alert)
        site.send(closed(alert))
        async with site.client.get("/api/alerts/a/picture.jpg") as answer:
            assert (answer.status, await answer.json()) == (404, {"error": "this alert has no such picture"})
        status, answer = await site.post("/api/alerts/a/normal")
        assert (status, answer) == (409, {"error": "this alert's frames have been discarded"})

    in_a_site(tmp_path, scenario)


@pytest.mark.parametrize(
    ("number", "status", "error"),
    [
        (errno.ENOSPC, 507, "it can't be written (No space left on device); make room on its disk"),
        (errno.EACCES, 500, "it can't be written (Permission denied); make its scene's folder writable"),
    ],
)
def test_a_full_disk_leaves_nothing_behind_and_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int, error: str
) -> None:
    write_bytes = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "0001.jpg":
            raise OSError(number, "no", str(path))
        return write_bytes(path, content)

    async def scenario(site: Site) -> None:
        alert = opened("lobby", "a")
        site.send(alert)
        await until(lambda: site.frames("a") == 1)
        site.show(110)
        site.score(1.9)
        await until(lambda: site.frames("a") == 2)
        site.send(closed(alert))
        with monkeypatch.context() as broken:
            broken.setattr(Path, "write_bytes", full)
            answer = await site.post("/api/alerts/a/normal")
        assert answer == (status, {"error": f"normal footage of scene 'lobby': {error}"})
        assert not list((tmp_path / "lobby" / "normal").iterdir())
        assert (await site.post("/api/alerts/a/normal"))[1]["normal_frames"] == 2

    in_a_site(tmp_path, scenario)


def test_the_newest_alerts_are_kept_and_a_long_one_is_thinned(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        journal = site.board.journal
        for number in range(ALERTS + 20):
            alert = opened("lobby", f"{number:04d}")
            site.send(alert)
            site.send(closed(alert))
        assert len(journal.entries) == ALERTS
        assert next(iter(journal.entries)) == "0020"
        site.send(alert := opened("lobby", "long"))
        entry = journal.entries["long"]
        for number in range(FRAMES):
            journal._keep_frame(entry, Still(b"jpeg", float(number)))
        await until(lambda: entry.keep_every == 2)
        assert len(entry.frames) <= FRAMES
        site.send(replace(closed(alert), id="unknown"))  # its opening was before this start
        assert not journal.entries["unknown"].is_open

    in_a_site(tmp_path, scenario)


def test_memory_for_frames_is_bounded_and_the_oldest_alert_gives_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.preview.board.journal.FRAME_BYTES", 10_000)

    async def scenario(site: Site) -> None:
        site.pictures.clear("lobby")
        journal = site.board.journal
        for name in ("a", "b"):
            site.send(opened("lobby", name))
            for number in range(8):
                journal._keep_frame(journal.entries[name], Still(bytes(1000), float(number)))
        assert (site.frames("a"), site.frames("b")) == (0, 8)
        for number in range(8, 108):
            journal._keep_frame(journal.entries["b"], Still(bytes(1000), float(number)))
        assert site.frames("b") <= 10

    in_a_site(tmp_path, scenario)


def test_alerts_name_their_channel_and_its_reason_and_are_as_the_api_describes_them(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        alert = opened("lobby", "a", channel=Channel.PLACE)
        site.send(alert)
        (entry,) = site.board.snapshot()["alerts"]
        assert (entry["channel"], entry["reason"]) == ("place", "moves where nothing moves")
        site.send(closed(replace(alert, channel=Channel.SPEED)))  # a worse frame came
        (entry,) = await site.alerts()
        assert (entry["channel"], entry["reason"]) == ("speed", "moves too fast here")
        described = describe()["components"]["schemas"]["Alert"]
        assert set(entry) == set(described["properties"]) == set(described["required"])
        for name in ("channel", "reason"):
            assert entry[name] in described["properties"][name]["enum"]

    in_a_site(tmp_path, scenario)


def test_a_camera_whose_picture_cannot_be_drawn_costs_no_other_its_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drawn: list[str] = []

    class Broken:
        def timed_still(self, camera: str, stream: str = "picture", *_: object) -> Still | None:
            if camera == "gate":
                raise ZeroDivisionError
            drawn.append(stream)
            return Still(b"a picture", float(len(drawn)))

    async def scenario() -> None:
        config = config_of("gate", "lobby", scenes=str(tmp_path))
        board = Board(config, figures_of(config), Broken())
        for camera in ("gate", "lobby"):
            board.on_event(opened(camera, camera))
        async with asyncio.timeout(DEADLINE_S):
            while not board.journal.entries["lobby"].pictures:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert board.journal.entries["gate"].pictures == {}
        board.on_event(online("lobby"))
        await board.close()

    asyncio.run(scenario())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("camera 'gate': its picture can't be drawn: ZeroDivisionError in preview/board/journal.py")
