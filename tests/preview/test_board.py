"""State of the page: snapshots, changes, JSON, files."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streammon.preview.board import board as board_module
from streammon.preview.board.api import page_files
from streammon.preview.board.board import Board
from streammon.preview.board.changes import PAGES, WAITING_EVENTS, Changes
from streammon.preview.board.timeline import POINTS, Timeline
from streammon.preview.streams.pictures import LivePictures
from streammon.records import AlertEvent, CameraState, Condition, HealthAlert, Notice, RedisStatus, SpoolStatus
from support.deadlines import DEADLINE_S
from support.preview_events import BASIS_S, config_of, figures_of, online, opened, scored

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def a_board(*names: str) -> AsyncIterator[tuple[Board, Client]]:
    """A board of these cameras, served on loopback."""
    config = config_of(*names)
    assert config.preview is not None
    board = Board(config, figures_of(config), LivePictures(config.cameras, config.preview))
    app = web.Application()
    app.add_routes(board.routes())
    async with TestClient(TestServer(app)) as client:
        try:
            yield board, client
        finally:
            await board.close()


@asynccontextmanager
async def a_page(client: Client) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """An open page's events as (name, body)."""
    async with client.get("/api/events") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield events(answer)


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in answer.content:
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


async def following(page: AsyncIterator[tuple[str, Any]]) -> tuple[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(page)


def test_a_page_gets_everything_first_and_then_each_change() -> None:
    async def scenario() -> None:
        async with a_board("lobby", "gate") as (board, client):
            board.on_event(online("gate", CameraState.LEARNING, progress=0.34))
            async with a_page(client) as page:
                name, snapshot = await following(page)
                assert name == "snapshot"
                assert [camera["name"] for camera in snapshot["cameras"]] == ["lobby", "gate"]
                assert [camera["state"] for camera in snapshot["cameras"]] == ["connecting", "learning"]
                assert snapshot["cameras"][1]["progress"] == 0.34
                assert (snapshot["asked_s"], snapshot["cameras"][1]["basis_s"]) == (86400.0, None)
                board.on_event(online("lobby", CameraState.OFFLINE, reason="connection refused", retry_in_s=4.0))
                name, change = await following(page)
                assert (name, change["name"], change["state"]) == ("camera", "lobby", "offline")
                assert (change["reason"], change["retry_in_s"]) == ("connection refused", 4.0)
                board.on_event(scored("gate", ratio=0.8))
                name, change = await following(page)
                assert (name, change["camera"], change["ratio"], change["level"]) == ("score", "gate", 0.8, -0.6)
                assert change["basis_s"] == BASIS_S
                board.on_event(opened("gate", "a"))
                name, change = await following(page)
                assert (name, change["id"], change["open"]) == ("alert", "a", True)
                assert change["boxes"] == [[400, 120, 120, 160]]
                board.on_event(Notice("hello"))
                board.on_event(RedisStatus(False, 5.0, "connection refused", 3))
                board.on_event(SpoolStatus(3))
                gone = HealthAlert(
                    "1", AlertEvent.OPEN, 0, Condition.OFFLINE, ("gate",), "", 1.0, 2.0, None, "frozen"
                )
                board.on_event(gone)
                board.on_event(replace(gone, event=AlertEvent.CLOSE))
                events = [await following(page) for _ in range(5)]
                assert [name for name, _ in events] == ["notice", "redis", "spool", "notice", "notice"]
                assert events[1][1]["reason"] == "connection refused"
                told = [body["text"] for _, body in events[3:]]
                assert told == ["camera 'gate': frozen", "camera 'gate': over (frozen)"]

    asyncio.run(scenario())


def test_scores_reach_a_page_four_times_a_second_and_no_peak_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert board_module.SCORES_PER_S == 4
    monkeypatch.setattr(board_module, "SCORES_PER_S", 0.5)  # longer than any three calls take

    async def scenario() -> None:
        async with a_board("lobby") as (board, client), a_page(client) as page:
            await following(page)
            for ratio in (0.5, 1.9, 0.6):  # at once: the first is sent, the others wait for the next
                board.on_event(scored("lobby", ratio))
            first = await following(page)
            assert (first[1]["ratio"], first[1]["peak"]) == (0.5, 0.5)
            async with asyncio.TaskGroup() as group:
                scoring = group.create_task(score_on(board))
                _, second = await following(page)
                scoring.cancel()
            assert (second["ratio"], second["peak"]) == (0.7, 1.9)
            assert max(ratio for _, _, ratio in board.snapshot()["cameras"][0]["timeline"]) == 1.9

    async def score_on(board: Board) -> None:
        while True:
            await asyncio.sleep(0.05)
            board.on_event(scored("lobby", 0.7))

    asyncio.run(scenario())


def test_a_page_that_reads_slowly_gets_a_fresh_snapshot_instead_of_an_endless_queue() -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (board, client):
            assert client.port is not None
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", client.port))
            await loop.sock_sendall(slow, b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            received = b""
            async with asyncio.timeout(DEADLINE_S):
                while b"event: snapshot" not in received:
                    received += await loop.sock_recv(slow, 4096)
            for number in range(4 * WAITING_EVENTS):  # 8 MB, more than the sockets hold
                board.changes.publish_nowait("notice", {"text": f"{number:d}" * 1000})
                await asyncio.sleep(0)
            board.on_event(Notice("the last"))
            async with asyncio.timeout(DEADLINE_S):
                while received.count(b"event: snapshot") < 2 or b"the last" not in received:
                    received += await loop.sock_recv(slow, 1 << 20)
            assert received.count(b"event: notice") < 4 * WAITING_EVENTS
            slow.close()
            await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_quiet_server_sends_the_time_so_that_a_page_notices_a_dead_connection() -> None:
    async def scenario() -> None:
        changes = Changes(lambda: {"cameras": []}, heartbeat_s=0.02)
        app = web.Application()
        app.router.add_get("/api/events", changes.respond)
        async with TestClient(TestServer(app)) as client:
            async with a_page(client) as page:
                assert await following(page) == ("snapshot", {"cameras": []})
                name, beat = await following(page)
                assert name == "beat"
                assert beat["now_s"] > 0
                changes.close()
                async with asyncio.timeout(DEADLINE_S):
                    assert all(name == "beat" for name, _ in [event async for event in page])
            async with client.get("/api/events") as late:
                assert late.status == 503

    asyncio.run(scenario())


def test_so_many_pages_and_no_more() -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (board, client):
            open_pages = [await client.get("/api/events") for _ in range(PAGES)]
            async with client.get("/api/events") as refused:
                assert refused.status == 503
                assert await refused.json() == {"error": f"{PAGES} pages are open already; close one"}
            for page in open_pages:
                page.close()
            async with asyncio.timeout(DEADLINE_S):
                while (page := await client.get("/api/events")).status != 200:
                    board.on_event(Notice("a write to a closed page ends its stream"))
            page.close()

    asyncio.run(scenario())


def test_cameras_and_alerts_come_as_json() -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (board, client):
            board.on_event(online("lobby"))
            board.on_event(scored("lobby", 1.5))
            board.on_event(opened("lobby", "a"))
            board.on_event(opened("lobby", "b"))
            async with client.get("/api/cameras") as answer:
                (camera,) = (await answer.json())["cameras"]
            assert (camera["state"], camera["ratio"], camera["size"]) == ("online", 1.5, [640, 360])
            assert camera["basis_s"] == BASIS_S
            assert [span[0] for span in camera["spans"]] == ["a", "b"]
            async with client.get("/api/alerts?limit=1") as answer:
                assert [alert["id"] for alert in (await answer.json())["alerts"]] == ["b"]
            for wrong in ("0", "201", "-1", "1e2", "x", "", "\u0663", "9" * 5000):
                async with client.get("/api/alerts", params={"limit": wrong}) as answer:
                    assert answer.status == 400
                    assert await answer.json() == {"error": "limit must be a whole number from 1 to 200"}

    asyncio.run(scenario())


def test_a_lost_camera_has_no_score_any_more() -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (board, _):
            board.on_event(online("lobby"))
            board.on_event(scored("lobby", 1.5))
            board.on_event(online("lobby", CameraState.FROZEN, reason="no picture for 4 s"))
            (camera,) = board.snapshot()["cameras"]
            assert (camera["level"], camera["ratio"], len(camera["timeline"])) == (None, None, 1)

    asyncio.run(scenario())


def test_scores_that_json_cannot_express_are_sent_as_finite_numbers() -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (board, client), a_page(client) as page:
            await following(page)
            board.on_event(scored("lobby", float("inf")))
            _, change = await following(page)
            assert (change["level"], change["ratio"]) == (99.0, 99.0)

    asyncio.run(scenario())


def test_a_timeline_keeps_the_highest_of_each_step_and_never_more_than_its_history() -> None:
    timeline = Timeline(history_s=480.0)  # steps of 2 s
    for number in range(20_000):
        timeline.add(1000.0 + number / 5, level=0.0, ratio=2.0 if number % 50 == 7 else 0.5)
    points = timeline.points()
    assert len(points) == POINTS
    assert points[-1][0] - points[0][0] == 2.0 * (POINTS - 1)
    assert sum(ratio == 2.0 for _, _, ratio in points) == 48  # one step of five
    timeline.add(points[-1][0] - 3, level=0.0, ratio=9.0)  # a little late
    assert timeline.points()[-1][2] == 9.0
    timeline.add(100.0, level=0.0, ratio=0.1)  # the clock was set back
    assert timeline.points() == [(100.0, 0.0, 0.1)]


def test_the_page_needs_nothing_from_outside_and_nothing_inline() -> None:
    files = page_files()
    html = files["index.html"].decode()
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=|javascript:", html)
    for name, content in files.items():
        text = content.decode()
        outside = [url for url in re.findall(r"https?://[^\s\"')]+", text) if url != "http://www.w3.org/2000/svg"]
        assert not outside, name
        linked = re.findall(r"(?:href|src)=\"page/([^\"]+)\"", text) + re.findall(r"from '\./([^']+)'", text)
        assert set(linked) <= set(files), name


@pytest.mark.parametrize(
    "path", ["/page/../board.py", "/page/%2e%2e/board.py", "/page/..%2fboard.py", "/page/", "/page/board.py", "/page"]
)
def test_no_address_reaches_the_file_system(path: str) -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (_, client):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            async with asyncio.timeout(DEADLINE_S):
                assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


def test_a_file_the_browser_has_is_not_sent_again() -> None:
    async def scenario() -> None:
        async with a_board("lobby") as (_, client):
            async with client.get("/") as first:
                assert (first.status, first.content_type) == (200, "text/html")
            async with client.get("/page/main.js") as first:
                assert (first.content_type, first.headers["Cache-Control"]) == ("text/javascript", "no-cache")
                etag = first.headers["ETag"]
            async with client.get("/page/main.js", headers={"If-None-Match": etag}) as again:
                assert (again.status, await again.read()) == (304, b"")

    asyncio.run(scenario())
