"""A monitor whose device is too slow for its cameras: it falls back by plan, says so once, and recovers."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from streammon.alerting import health, subscribe
from streammon.alerting.health import Hold
from streammon.config import Config, ModelConfig
from streammon.live import capacity, overload, plan
from streammon.live.monitor import Monitor
from streammon.live.rates import Demand
from streammon.motion import Observation, Observer
from streammon.padim.engines import Engine
from streammon.records import Condition, Frame, HealthAlert, Notice, ScoredFrame
from streammon.scene.fit import FitOptions, fit_scene
from support.cameras import RtspServer
from support.monitors import Events, running_until_cancelled
from support.precision import LIVE
from support.redis_server import RedisServer

pytestmark = pytest.mark.slow

SCORE_FPS = 5


@pytest.fixture(scope="module")
def scenes(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    options = FitOptions(score_fps=SCORE_FPS, keep_statistics=False)
    for method in ("motion", "padim"):
        fit_scene(method, [clip], folder / method, model(method), options, lambda done, total: None)
    return folder


@pytest.fixture(autouse=True)
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "HOLDS", {**health.HOLDS, Condition.SCORER: Hold(2.0, 1.0)})
    monkeypatch.setattr(plan, "TURN_S", 4.0)
    monkeypatch.setattr(capacity, "END_S", 3.0)


def model(method: str) -> ModelConfig:
    return ModelConfig.model_validate({"method": method, "dimensions": 32, **LIVE})


@pytest.fixture
def configured(tmp_path: Path, scenes: Path, redis: RedisServer) -> Callable[..., Config]:
    """`configured("motion", urls)`: a camera for each URL, none of whose levels is near an alert."""

    def config(method: str, urls: Sequence[str]) -> Config:
        usual: dict[str, Any] = {"loop": True, "scene": method, "score_fps": SCORE_FPS}
        return Config.parse(
            {
                "cameras": {f"c{number}": usual | {"url": url} for number, url in enumerate(urls)},
                "redis": redis.url,
                "scenes": scenes,
                "alerting": {"spool": tmp_path / "spool", "false_alarms_per_day": 0.001, "close_factor": 1},
                "model": model(method).model_dump(),
            },
            "test",
        )

    return config


class SlowEngine:
    """An engine that takes `delay_s` longer for each whole picture."""

    def __init__(self, engine: Engine, delay_s: float) -> None:
        self.name, self.precision, self.weights_bytes = engine.name, engine.precision, engine.weights_bytes
        self.delay_s = delay_s
        self._engine = engine

    def maps(self, pictures: Tensor, stages: int) -> list[Tensor]:
        time.sleep(self.delay_s * len(pictures))
        return self._engine.maps(pictures, stages)


def slowed(monitor: Monitor, delay_s: float) -> SlowEngine:
    backbone = monitor._scorer._backbone
    engine = SlowEngine(backbone.engine, delay_s)
    backbone.engine = engine
    return engine


def is_overload(notice: Notice) -> bool:
    return notice.text.startswith("the machine scores")


async def scored_frames(events: Events, count: int) -> list[ScoredFrame]:
    """The next so many."""
    start = len(events.told)
    frames: list[ScoredFrame] = []
    while len(frames) < count:
        await events.wait_for(ScoredFrame, lambda _: True, start)
        frames += [event for event in events.told[start:] if isinstance(event, ScoredFrame)]
        start = len(events.told)
    return frames


def test_rates_fall_evenly_are_told_and_return(configured: Callable[..., Config], clip: Path) -> None:
    config = configured("padim", [str(clip)] * 4)
    events = Events()

    async def scenario() -> None:
        monitor = Monitor(config, events)
        engine = slowed(monitor, 0.1)  # at most 10 of the 20 frames a second asked
        async with running_until_cancelled(monitor):
            begun = await events.wait_for(Notice, is_overload)
            assert " of the 20 frames a second asked; every camera is scored " in begun.text
            behind = await events.wait_for(HealthAlert, lambda each: each.condition is Condition.SCORER)
            assert behind.reason.startswith("the scorer is behind: ")
            planned = [figures.fps_planned for figures in monitor.figures.values()]
            assert planned == pytest.approx([planned[0]] * 4)
            assert planned[0] < 2.75
            lost = sum(monitor._latest.lost.values())
            frames = await scored_frames(events, 60)
            each = Counter(frame.camera for frame in frames)
            assert max(each.values()) - min(each.values()) <= 5
            assert sum(monitor._latest.lost.values()) - lost < 0.2 * len(frames)  # at 5 frames a second, half of them
            async with contextlib.aclosing(subscribe(config.redis, ["c0"])) as messages:
                async for message in messages:
                    if message["kind"] == "status" and message["counters"]["fps_planned"] < SCORE_FPS:
                        break
            engine.delay_s = 0.0
            await events.wait_for(Notice, lambda notice: notice.text.endswith("asked again"))
            assert {figures.fps_planned for figures in monitor.figures.values()} == {SCORE_FPS}

    began_s = time.monotonic()
    asyncio.run(scenario())
    changes = (time.monotonic() - began_s) // overload.REPEAT_S  # other work may change what the machine can do
    assert len([notice for notice in events.of(Notice) if is_overload(notice)]) <= 2 + changes


def test_cameras_beyond_what_motion_takes_are_judged_by_looks_in_turn(
    configured: Callable[..., Config],
    clip: Path,
    rtsp_server: Callable[..., RtspServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observe, demand = Observer.observe, overload.Overload._demand
    asked: dict[str, float] = {}

    def noted(of: overload.Overload, name: str, now_s: float) -> Demand:
        found = demand(of, name, now_s)
        asked[name] = found.fps
        return found

    def slowly(observer: Observer, frames: Sequence[Frame], maps: list[Tensor]) -> list[Observation]:
        time.sleep(0.12 * len(frames))  # at most 8 frames with motion a second; 6 cameras take 12
        return observe(observer, frames, maps)

    monkeypatch.setattr(Observer, "observe", slowly)
    monkeypatch.setattr(overload.Overload, "_demand", noted)
    monkeypatch.setattr(overload, "SETTLE_S", 0.0)
    server = rtsp_server({"yard": clip})
    events = Events()
    by_looks: Counter[str] = Counter()
    by_motion: Counter[str] = Counter()

    async def scenario() -> None:
        monitor = Monitor(configured("motion", [str(clip)] * 5 + [server.url("yard")]), events)
        async with running_until_cancelled(monitor):
            await events.wait_for(Notice, lambda notice: is_overload(notice) and "by looks alone" in notice.text)
            while len(by_looks) < 6 or len(by_motion) < 6:
                await scored_frames(events, 6)
                for name, figures in monitor.figures.items():
                    (by_looks if figures.looks_only else by_motion)[name] += 1
                planned: dict[bool, list[float]] = {True: [], False: []}  # by looks alone, with motion
                for name, figures in monitor.figures.items():
                    planned[figures.looks_only].append(min(figures.fps_planned, asked[name]))
                assert all(fps < SCORE_FPS for fps in planned[True])
                # of 30 asked; where few cameras have motion this turn, each may have all that it asks
                assert sum(planned[False]) < 3 * SCORE_FPS

    began_s = time.monotonic()
    asyncio.run(scenario())
    changes = (time.monotonic() - began_s) // overload.REPEAT_S  # other work may change what the machine can do
    assert len([notice for notice in events.of(Notice) if is_overload(notice)]) <= 1 + changes
    assert all(score.score < score.threshold for score in events.of(ScoredFrame))
