"""Cameras of two streams, on real servers: the sub-stream is scored, the main stream is there for its viewers."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import psutil
import pytest

from streammon.alerting import subscribe
from streammon.config import Config, ModelConfig
from streammon.live.monitor import Monitor
from streammon.preview.streams import pictures as pictures_module
from streammon.records import CameraState, CameraStatus, MainStreamStatus, Notice, ScoredFrame
from streammon.scene.fit import FitOptions, fit_scene
from support import courtyard
from support.cameras import RtspServer
from support.deadlines import DEADLINE_S
from support.monitors import Events, running_until_cancelled, threads_left
from support.numbered_footage import encode
from support.precision import LIVE
from support.preview_peers import Player, player, rgb_of
from support.redis_server import RedisServer

MODEL = {"method": "padim", "dimensions": 32, **LIVE}
SUB, MAIN = courtyard.SIZE, (640, 480)
SUB_PASSWORD, MAIN_PASSWORD = "s3cr3t-0f-the-sub", "s3cr3t-0f-the-main"


@pytest.fixture(scope="module")
def sub_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The courtyard, 320x240."""
    pictures = courtyard.courtyard(courtyard.LASTING_S)
    return courtyard.encode(tmp_path_factory.mktemp("clips") / "sub.mp4", pictures)


@pytest.fixture(scope="module")
def main_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbered pictures, 640x480, that nobody takes for the courtyard."""
    return encode(tmp_path_factory.mktemp("clips") / "main.mp4", frames=courtyard.LASTING_S * 25, size=MAIN)


@pytest.fixture(scope="module")
def scenes(sub_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    options = FitOptions(score_fps=courtyard.FPS, keep_statistics=False)
    fit_scene("yard", [sub_clip], folder / "yard", ModelConfig.model_validate(MODEL), options, lambda *_: None)
    return folder


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def configured(tmp_path: Path, scenes: Path, valkey: RedisServer) -> Callable[[str, str], Config]:
    """`configured(url, score_url)`: the yard with its two streams, and a preview."""

    def config(url: str, score_url: str) -> Config:
        yard = {"url": url, "score_url": score_url, "score_fps": courtyard.FPS}
        yard |= {"open_timeout_s": 60, "read_timeout_s": 30}  # a busy machine is no fault of a camera
        values: dict[str, Any] = {"cameras": {"yard": yard}, "redis": valkey.url, "scenes": scenes, "model": MODEL}
        values |= {"alerting": {"spool": tmp_path / "spool", "adapt": False}, "preview": {"port": 0}}
        return Config.parse(values, "test")

    return config


@contextlib.asynccontextmanager
async def watching(config: Config) -> AsyncIterator[tuple[Monitor, Events, str]]:
    """A monitor that runs, its events, and the address of its preview; the yard is online."""
    events = Events()
    async with running_until_cancelled(Monitor(config, events)) as monitor:
        notice = await events.wait_for(Notice, lambda notice: notice.text.startswith("preview on "))
        await events.wait_for_state("yard", CameraState.ONLINE)
        await events.wait_for(ScoredFrame, lambda _: True)
        yield monitor, events, notice.text.removeprefix("preview on ").rstrip("/")


def connections(port: int) -> int:
    """Connections of this process to a port."""
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  -- the system tells nobody about a closed connection
            await asyncio.sleep(0.02)


def size_of(picture: av.VideoFrame) -> tuple[int, int]:
    return picture.width, picture.height


async def frame_of_size(viewer: Player, size: tuple[int, int]) -> av.VideoFrame:
    return await viewer.frame_where(lambda picture: size_of(picture) == size)


def is_courtyard(picture: av.VideoFrame) -> bool:
    """Whether the sub-stream's content is in the picture, whatever its size."""
    (wall,) = courtyard.courtyard(1 / courtyard.FPS)
    return bool(np.abs(rgb_of(picture.reformat(*SUB)).astype(int) - wall).mean() < 20)


def require_undisturbed(monitor: Monitor, events: Events) -> None:
    """The scoring of the yard knows nothing of its main stream."""
    assert {score.source_size for score in events.of(ScoredFrame)} == {SUB}
    states = [status.state for status in events.of(CameraStatus)]
    assert set(states) <= {CameraState.CONNECTING, CameraState.ONLINE}
    figures = monitor.figures["yard"]
    assert (figures.connections, figures.failures, figures.corrupt) == (1, 0, 0)


async def scored_after(events: Events, count: int) -> None:
    """Wait for so many further scored frames."""
    last = events.of(ScoredFrame)[-1].seq
    await events.wait_for(ScoredFrame, lambda score: score.seq >= last + count)


@pytest.mark.slow
def test_a_viewer_sees_the_sub_stream_then_the_main_stream_which_closes_behind_him(
    rtsp_server: Callable[..., RtspServer],
    configured: Callable[[str, str], Config],
    sub_clip: Path,
    main_clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures_module, "MAIN_LINGER_S", 0.5)
    sub, main = rtsp_server({"yard": sub_clip}), rtsp_server({"yard": main_clip})

    async def scenario() -> None:
        async with watching(configured(main.url("yard"), sub.url("yard"))) as (monitor, events, url):
            assert connections(main.port) == 0
            main.freeze()  # so that its first picture comes after a viewer has seen the sub-stream
            async with player(f"{url}/whep/yard") as viewer:
                first = await viewer.frame()
                assert size_of(first) == SUB
                assert is_courtyard(first)
                main.thaw()
                shown = await frame_of_size(viewer, MAIN)
                assert not is_courtyard(shown)
                assert connections(main.port) == 1
                await scored_after(events, 5)
            await until(lambda: connections(main.port) == 0)
            async with player(f"{url}/whep/yard?main=0") as viewer:  # a tile of the page
                for _ in range(10):
                    assert size_of(await viewer.frame()) == SUB
                assert connections(main.port) == 0
            await scored_after(events, 5)
            require_undisturbed(monitor, events)
            assert connections(sub.port) == 1
            assert events.of(MainStreamStatus) == []

    asyncio.run(scenario())
    assert threads_left() == []


def test_a_lost_main_stream_gives_way_to_the_sub_stream_and_comes_back(
    rtsp_server: Callable[..., RtspServer],
    configured: Callable[[str, str], Config],
    sub_clip: Path,
    main_clip: Path,
) -> None:
    sub, main = rtsp_server({"yard": sub_clip}), rtsp_server({"yard": main_clip})

    async def main_fault(http: aiohttp.ClientSession, url: str) -> str:
        async with http.get(f"{url}/api/cameras") as response:
            return str((await response.json())["cameras"][0]["main_fault"])

    async def scenario() -> None:
        config = configured(main.url("yard"), sub.url("yard"))
        async with watching(config) as (monitor, events, url), player(f"{url}/whep/yard") as viewer:
            before = await frame_of_size(viewer, MAIN)
            assert await main_fault(viewer.http, url) == ""
            main.kill()
            after = await frame_of_size(viewer, SUB)
            assert is_courtyard(after)
            assert before.pts is not None
            assert after.pts is not None
            assert after.pts > before.pts
            lost = await events.wait_for(MainStreamStatus, lambda status: True)
            assert await main_fault(viewer.http, url) == lost.reason != ""
            await scored_after(events, 10)
            main.start()
            await frame_of_size(viewer, MAIN)
            back = await events.wait_for(MainStreamStatus, lambda status: status.reason == "")
            assert await main_fault(viewer.http, url) == ""
            assert events.of(MainStreamStatus) == [lost, back]  # once each, however often it was tried
            require_undisturbed(monitor, events)

    asyncio.run(scenario())


def test_streams_of_other_proportions_are_reported_once(
    rtsp_server: Callable[..., RtspServer], configured: Callable[[str, str], Config], sub_clip: Path, tmp_path: Path
) -> None:
    wide = encode(tmp_path / "wide.mp4", frames=courtyard.LASTING_S * 25, size=(640, 360))
    sub, main = rtsp_server({"yard": sub_clip}), rtsp_server({"yard": wide})

    async def scenario() -> None:
        config = configured(main.url("yard"), sub.url("yard"))
        async with watching(config) as (_, events, url), player(f"{url}/whep/yard") as viewer:
            await frame_of_size(viewer, (640, 360))
            main.kill()
            await frame_of_size(viewer, SUB)
            main.start()
            await frame_of_size(viewer, (640, 360))
            notices = [notice.text for notice in events.of(Notice) if "aspect" in notice.text]
            assert len(notices) == 1
            assert notices[0].startswith("camera 'yard': url gives 640x360, score_url 320x240")

    asyncio.run(scenario())


def written_to_redis(folder: Path) -> str:
    """Every command that a server in the folder was given, but for what is published."""
    return "".join(file.read_bytes().decode(errors="replace") for file in folder.rglob("*.aof"))


async def shown_on(url: str) -> str:
    """What the preview says about its cameras: JSON, events, metrics and readiness."""
    async with aiohttp.ClientSession(url) as http:
        texts = [await (await http.get(path)).text() for path in ("/api/cameras", "/metrics", "/readyz")]
        async with http.get("/api/events") as events:
            texts += [(await events.content.readuntil(b"\n\n")).decode() for _ in range(3)]
    return "".join(texts)


@pytest.mark.parametrize("wrong", ["neither", "sub", "main"])
def test_the_passwords_of_both_streams_appear_nowhere(
    wrong: str,
    rtsp_server: Callable[..., RtspServer],
    configured: Callable[[str, str], Config],
    valkey: RedisServer,
    sub_clip: Path,
    main_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("SUB_PASSWORD", SUB_PASSWORD)
    monkeypatch.setenv("MAIN_PASSWORD", MAIN_PASSWORD)
    sub = rtsp_server({"yard": sub_clip}, "viewer", "another" if wrong == "sub" else SUB_PASSWORD)
    main = rtsp_server({"yard": main_clip}, "viewer", "another" if wrong == "main" else MAIN_PASSWORD)
    config = configured(main.url("yard", "viewer:${MAIN_PASSWORD}"), sub.url("yard", "viewer:${SUB_PASSWORD}"))
    messages: list[dict[str, Any]] = []

    async def listen() -> None:
        async with contextlib.aclosing(subscribe(valkey.config)) as heard:
            async for message in heard:
                messages.append(message)  # noqa: PERF401 (cancelled midway)

    async def scenario() -> None:
        events = Events()
        async with running_until_cancelled(Monitor(config, events)):
            listening = asyncio.create_task(listen(), name="subscriber")
            notice = await events.wait_for(Notice, lambda notice: notice.text.startswith("preview on "))
            url = notice.text.removeprefix("preview on ").rstrip("/")
            state = CameraState.UNAUTHORISED if wrong == "sub" else CameraState.ONLINE
            status = await events.wait_for_state("yard", state)
            async with player(f"{url}/whep/yard") as viewer:
                if wrong == "main":
                    fault = await events.wait_for(MainStreamStatus, lambda status: True)
                    assert fault.reason == "wrong user or password"
                else:
                    await frame_of_size(viewer, MAIN)
                texts = [await shown_on(url), written_to_redis(tmp_path)]
            assert (status.reason == "wrong user or password") == (wrong == "sub")
            listening.cancel()
        told = repr([event for event in events.told if not isinstance(event, ScoredFrame)])
        for text in (*texts, told, json.dumps(messages), repr(config)):
            assert "yard" in text
            assert "s3cr3t" not in text
        assert "s3cr3t" not in caplog.text

    asyncio.run(scenario())
