"""Health alerts of a running monitor: real footage, real cameras, a real Redis."""

import asyncio
import errno
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import redis as redis_client

from streammon.alerting import health as health_rule
from streammon.alerting import health_from_json
from streammon.alerting.health import Hold
from streammon.config import Config, ModelConfig
from streammon.ingest import clips
from streammon.live import health as health_module
from streammon.live import monitor as monitor_module
from streammon.records import Alert, AlertEvent, Condition, HealthAlert, Notice, Picture, ScoredFrame
from streammon.scene import PICTURES_FILE
from streammon.scene.fit import FitOptions, fit_scene
from support.cameras import RtspServer
from support.courtyard import FPS, courtyard, encode
from support.monitors import Events, watching
from support.precision import LIVE
from support.redis_server import RedisServer
from support.sinks import Receiver
from support.tampered import Variant, black, blurred, covered, dimmed, overexposed, view

MODEL = {"method": "padim", "dimensions": 32, **LIVE}
SCORE_FPS = 5
HELD_S = 2.0  # in these tests, for minutes


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a minute takes two seconds, but for a scorer that is behind: that is up to the machine."""
    holds = {
        each: Hold(min(hold.open_after_s, HELD_S), min(hold.close_after_s, 1.0))
        for each, hold in health_rule.HOLDS.items()
        if each is not Condition.SCORER
    }
    monkeypatch.setattr(health_rule, "HOLDS", dict(health_rule.HOLDS) | holds)
    monkeypatch.setattr(health_rule, "BACK_S", 1.0)
    monkeypatch.setattr(health_rule, "GROUP_S", 3.0)
    monkeypatch.setattr(monitor_module, "DISKS_S", 0.2)


def film(path: Path, pictures: list[Picture], fps: int = SCORE_FPS) -> Path:
    """An H.264 clip of pictures of any size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "18"})
        stream.height, stream.width = (side // 2 * 2 for side in pictures[0].shape[:2])
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture[: stream.height, : stream.width].copy(), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def corridor(shared_data: Path) -> list[Picture]:
    """24 s of a real corridor."""
    (clip,) = clips(shared_data / "normal" / "corridor1.mp4")
    return [frame.picture for frame in clip.frames(None, fps=SCORE_FPS)]


@pytest.fixture(scope="module")
def scenes(corridor: list[Picture], clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corridor in the view's window, and the courtyard, learned."""
    folder = tmp_path_factory.mktemp("scenes")
    footage = film(folder / "normal.mp4", [view(each) for each in corridor])
    for scene, file, fps in (("corridor", footage, SCORE_FPS), ("courtyard", clip, FPS)):
        options, model = FitOptions(score_fps=fps, keep_statistics=False), ModelConfig.model_validate(MODEL)
        fit_scene(scene, [file], folder / scene, model, options, lambda done, total: None)
    return folder


@pytest.fixture
def configured(tmp_path: Path, scenes: Path, redis: RedisServer) -> Callable[..., Config]:
    """`configured({"hall": {…}}, ignore=[…])`: cameras on the learned scenes."""

    def config(cameras: dict[str, dict[str, Any]], **health: Any) -> Config:
        alerting = {"spool": tmp_path / "spool", "adapt": False, "false_alarms_per_day": 3000}
        values = {"cameras": cameras, "redis": redis.url, "scenes": scenes, "alerting": alerting, "model": MODEL}
        return Config.parse(values | {"health": {"grace_s": HELD_S} | health}, "test")

    return config


def playing(file: Path) -> dict[str, Any]:
    return {"url": str(file), "scene": "corridor", "score_fps": SCORE_FPS, "loop": True}


def is_open(condition: Condition) -> Callable[[HealthAlert], bool]:
    return lambda health: (health.event, health.condition) == (AlertEvent.OPEN, condition)


def is_close(condition: Condition) -> Callable[[HealthAlert], bool]:
    return lambda health: (health.event, health.condition) == (AlertEvent.CLOSE, condition)


def opened(events: Events) -> list[Condition]:
    return [health.condition for health in events.of(HealthAlert) if health.event is AlertEvent.OPEN]


def named(alerts: list[HealthAlert]) -> list[tuple[str, AlertEvent, Condition]]:
    return [(each.id, each.event, each.condition) for each in alerts]


def logged(server: RedisServer) -> list[HealthAlert]:
    with redis_client.Redis.from_url(server.url) as client:
        return [health_from_json(each[b"json"]) for _, each in client.xrange("streammon:v1:health:log")]


async def seconds_scored(events: Events, seconds: float) -> None:
    """Wait until so many seconds of the first camera were scored."""
    frames = len(events.of(ScoredFrame)) + round(seconds * SCORE_FPS)
    await events.wait_for(ScoredFrame, lambda _: len(events.of(ScoredFrame)) >= frames)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "condition"),
    [
        (lambda picture: black(view(picture)), Condition.BLACK),
        (lambda picture: overexposed(view(picture)), Condition.OVEREXPOSED),
        (lambda picture: covered(view(picture)), Condition.COVERED),
        (lambda picture: blurred(view(picture)), Condition.BLURRED),
        (lambda picture: view(picture, pan_deg=10), Condition.VIEW),
    ],
    ids=["black", "overexposed", "covered", "blurred", "turned"],
)
def test_a_camera_that_is_tampered_with_is_told_once_as_what_it_is(
    variant: Variant,
    condition: Condition,
    configured: Callable[..., Config],
    corridor: list[Picture],
    redis: RedisServer,
    tmp_path: Path,
) -> None:
    file = film(tmp_path / "tampered.mp4", [variant(picture) for picture in corridor[:50]])

    async def scenario() -> Events:
        async with watching(configured({"hall": playing(file)})) as (_, events):
            told = await events.wait_for(HealthAlert, is_open(condition))
            assert told.cameras == ("hall",)
            await seconds_scored(events, 2 * HELD_S)
        return events

    events = asyncio.run(scenario())
    assert opened(events) == [condition]
    assert [each.event for each in logged(redis)] == ["open", "close"]  # the end of the monitor closes it
    assert named(logged(redis)) == named(events.of(HealthAlert))


def test_normal_footage_is_told_of_nothing(
    configured: Callable[..., Config], corridor: list[Picture], tmp_path: Path
) -> None:
    file = film(tmp_path / "normal.mp4", [view(picture) for picture in corridor])

    async def scenario() -> Events:
        async with watching(configured({"hall": playing(file)})) as (_, events):
            await seconds_scored(events, len(corridor) / SCORE_FPS)
        return events

    assert asyncio.run(scenario()).of(HealthAlert) == []


def test_lamps_switched_off_are_one_message_and_no_alert_opens_until_the_light_is_steady(
    configured: Callable[..., Config], corridor: list[Picture], tmp_path: Path
) -> None:
    seen = [view(picture) for picture in corridor]
    file = film(tmp_path / "lamps.mp4", seen[:40] + [dimmed(picture) for picture in seen[40:]])
    camera = playing(file) | {"loop": False}

    async def scenario() -> Events:
        async with watching(configured({"hall": camera})) as (_, events):
            told = await events.wait_for(HealthAlert, is_close(Condition.LIGHT))
            assert told.reason.startswith("the light went off")
            await seconds_scored(events, 2.0)
        return events

    events = asyncio.run(scenario())
    assert opened(events) == [Condition.LIGHT]
    scores = events.of(ScoredFrame)
    changing = [score for score in scores if score.light_changes]
    assert 3 * SCORE_FPS - 2 <= len(changing) <= 6 * SCORE_FPS
    openings = [alert.opened_s for alert in events.of(Alert) if alert.event is AlertEvent.OPEN]
    assert not any(changing[0].wall_time_s <= opened_s <= changing[-1].wall_time_s for opened_s in openings)


def test_light_that_is_ignored_is_scored_as_everything_else(
    configured: Callable[..., Config], corridor: list[Picture], tmp_path: Path
) -> None:
    seen = [view(picture) for picture in corridor]
    file = film(tmp_path / "lamps.mp4", seen[:20] + [dimmed(picture) for picture in seen[20:60]])

    async def scenario() -> Events:
        async with watching(configured({"hall": playing(file)}, ignore=["light"])) as (_, events):
            await seconds_scored(events, 8.0)
        return events

    events = asyncio.run(scenario())
    assert not any(score.light_changes for score in events.of(ScoredFrame))
    assert Condition.LIGHT not in opened(events)


def test_cameras_of_one_host_that_are_cut_off_are_told_in_one_message_and_closed_when_all_are_back(
    rtsp_server: Callable[..., RtspServer], configured: Callable[..., Config], clip: Path, redis: RedisServer
) -> None:
    names = [f"cam{number}" for number in range(4)]
    server = rtsp_server({"yard": clip})
    camera = {"url": server.url("yard"), "scene": "courtyard", "score_fps": FPS}

    async def scenario() -> Events:
        async with watching(configured(dict.fromkeys(names, camera), ignore=["bank", "rate"])) as (_, events):
            await events.wait_for(ScoredFrame, lambda _: len({each.camera for each in events.of(ScoredFrame)}) == 4)
            server.kill()
            told = await events.wait_for(HealthAlert, is_open(Condition.OFFLINE))
            assert (told.cameras, told.place) == (tuple(names), "127.0.0.1")
            server.start()
            closed = await events.wait_for(HealthAlert, is_close(Condition.OFFLINE))
            assert closed.id == told.id
        return events

    events = asyncio.run(scenario())
    assert opened(events) == [Condition.OFFLINE]
    assert [(each.event, len(each.cameras)) for each in logged(redis)] == [("open", 4), ("close", 4)]


def test_a_frozen_camera_is_told_after_the_grace(
    rtsp_server: Callable[..., RtspServer], configured: Callable[..., Config], clip: Path
) -> None:
    server = rtsp_server({"yard": clip})
    camera = {"url": server.url("yard"), "scene": "courtyard", "score_fps": FPS, "read_timeout_s": 1}

    async def scenario() -> HealthAlert:
        async with watching(configured({"yard": camera})) as (_, events):
            await events.wait_for(ScoredFrame, lambda score: True)
            server.freeze()
            told = await events.wait_for(HealthAlert, is_open(Condition.OFFLINE))
            server.thaw()
            return told

    assert asyncio.run(scenario()).reason.startswith(("frozen", "offline"))


def test_redis_away_longer_than_the_grace_is_told_and_arrives_when_it_is_back(
    configured: Callable[..., Config], clip: Path, redis: RedisServer
) -> None:
    camera = {"url": str(clip), "scene": "courtyard", "score_fps": FPS, "loop": True}

    async def scenario() -> Events:
        async with watching(configured({"yard": camera})) as (_, events):
            await events.wait_for(ScoredFrame, lambda score: True)
            await asyncio.to_thread(redis.stop)
            told = await events.wait_for(HealthAlert, is_open(Condition.REDIS))
            assert (told.cameras, told.subject) == ((), "monitor")
            await asyncio.to_thread(redis.start)
            await events.wait_for(HealthAlert, is_close(Condition.REDIS))
        return events

    events = asyncio.run(scenario())
    assert named(logged(redis)) == named(events.of(HealthAlert))
    assert opened(events) == [Condition.REDIS]


def test_a_disk_nearly_full_is_told_and_closed_once_there_is_space(
    configured: Callable[..., Config], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [100 << 20]
    monkeypatch.setattr(health_module, "disk_usage", lambda _: (64 << 30, 0, free[0]))
    camera = {"url": str(clip), "scene": "courtyard", "score_fps": FPS, "loop": True}

    async def scenario() -> Events:
        async with watching(configured({"yard": camera})) as (_, events):
            told = await events.wait_for(HealthAlert, is_open(Condition.DISK))
            assert told.reason.endswith("nearly full: 100 MB are free")
            free[0] = 32 << 30
            await events.wait_for(HealthAlert, is_close(Condition.DISK))
        return events

    assert opened(asyncio.run(scenario())) == [Condition.DISK]


def test_a_sink_that_is_away_and_evidence_that_cannot_be_written_are_told(
    configured: Callable[..., Config], clip: Path, tmp_path: Path
) -> None:
    camera = {"url": str(clip), "scene": "courtyard", "score_fps": FPS, "loop": True}
    values = configured({"yard": camera}).dump_with_secrets()
    values["events"] = {"folder": tmp_path / "events", "keep_gb": 0.1}

    async def scenario() -> Events:
        async with Receiver() as leaving:
            values["notify"] = {"desk": {"webhook": {"url": leaving.url}}}
            async with watching(Config.parse(values, "test")) as (monitor, events):
                await events.wait_for(Notice, lambda each: each.text.startswith("publishing to"))
                await leaving.stop()
                assert monitor._recorder is not None
                monitor._recorder._stop_recording(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
                told = await events.wait_for(HealthAlert, is_open(Condition.RECORDING))
                assert told.reason == "no evidence of alerts is recorded (no space left on device)"
                told = await events.wait_for(HealthAlert, is_open(Condition.SINK))
                assert told.reason == "sink 'desk' takes no messages (connection refused)"
                await events.wait_for(HealthAlert, is_close(Condition.RECORDING))
        return events

    assert sorted(opened(asyncio.run(scenario()))) == [Condition.RECORDING, Condition.SINK]


def test_a_scene_learned_before_pictures_were_is_named_in_one_line(
    configured: Callable[..., Config], scenes: Path, corridor: list[Picture], tmp_path: Path
) -> None:
    file = film(tmp_path / "dark.mp4", [black(view(picture)) for picture in corridor[:50]])
    kept = (scenes / "corridor" / PICTURES_FILE).read_bytes()
    (scenes / "corridor" / PICTURES_FILE).unlink()

    async def scenario() -> Events:
        async with watching(configured({"hall": playing(file)})) as (_, events):
            await seconds_scored(events, 3 * HELD_S)
        return events

    try:
        events = asyncio.run(scenario())
    finally:
        (scenes / "corridor" / PICTURES_FILE).write_bytes(kept)
    told = [notice.text for notice in events.of(Notice) if "not noticed" in notice.text]
    assert len(told) == 1
    assert "scene 'corridor'" in told[0]
    assert Condition.BLACK not in opened(events)


@pytest.mark.slow
def test_a_scene_learned_live_judges_pictures_from_then_on(
    configured: Callable[..., Config], scenes: Path, tmp_path: Path
) -> None:
    pictures = courtyard(40)
    file = encode(tmp_path / "clip.mp4", pictures[: 22 * FPS] + [black(each) for each in pictures[22 * FPS :]])
    camera = {"url": str(file), "scene": "new", "score_fps": FPS, "learn_for": "14s"}

    async def scenario() -> Events:
        async with watching(configured({"yard": camera}, ignore=["light"])) as (_, events):
            await events.wait_for(HealthAlert, is_open(Condition.BLACK))
        return events

    try:
        assert opened(asyncio.run(scenario())) == [Condition.BLACK]
        assert (scenes / "new" / PICTURES_FILE).exists()
    finally:
        for left in (scenes / "new").iterdir():
            left.unlink()
        (scenes / "new").rmdir()


@pytest.mark.slow
def test_a_stream_whose_rate_falls_is_told(
    configured: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.live.health_signals.USUAL_AFTER_S", 5.0)
    pictures = courtyard(40)
    file = tmp_path / "slow.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        time_s = 0.0
        for number, picture in enumerate(pictures[:260]):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
            time_s += 0.05 if number < 200 else 0.25
        container.mux(stream.encode(None))
    camera = {"url": str(file), "scene": "courtyard", "score_fps": FPS}

    async def scenario() -> HealthAlert:
        async with watching(configured({"yard": camera}, ignore=["blurred"])) as (_, events):
            return await events.wait_for(HealthAlert, is_open(Condition.RATE))

    assert "frames a second" in asyncio.run(scenario()).reason


def test_health_messages_are_json_of_their_own_kind(
    configured: Callable[..., Config], clip: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "disk_usage", lambda _: (64 << 30, 0, 0))
    camera = {"url": str(clip), "scene": "courtyard", "score_fps": FPS, "play": "fast"}

    async def scenario() -> None:
        async with watching(configured({"yard": camera | {"loop": True}})) as (_, events):
            await events.wait_for(HealthAlert, is_open(Condition.DISK))

    asyncio.run(scenario())
    with redis_client.Redis.from_url(redis.url) as client:
        kinds = {json.loads(each[b"json"])["kind"] for _, each in client.xrange("streammon:v1:health:log")}
        assert kinds == {"health"}
        assert client.keys("streammon:v1:health*") == [b"streammon:v1:health:log"]
