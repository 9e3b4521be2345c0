"""An MJPEG camera that slows down, as many do in the dark, raises no alert: its times are those of the arrivals."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.config import Config, ModelConfig
from streammon.records import Alert, CameraState, CameraStatus, ScoredFrame
from streammon.scene.fit import FitOptions, fit_scene
from support.dataset_trees import encode_video
from support.http_cameras import Answer, HttpCamera, jpegs, multipart
from support.monitors import Events, watching
from support.moving_square import street
from support.precision import LIVE
from support.redis_server import RedisServer

pytestmark = pytest.mark.slow

FAST_FPS, SLOW_FPS, SCORE_FPS = 12, 5, 5
SLOW_S = (4.0, 10.0)
WATCHED_S = 12.0
LEARNED_S = 60
WAY_PX = 180

MODEL = {"method": "motion", "dimensions": 32, **LIVE}


def picture_at(time_s: float, number: int) -> NDArray[np.uint8]:
    """A square that walks to and fro, at 18 to 62 pixels a second; the sensor's noise is each picture's own."""
    way = (40 * time_s + 25 * np.sin(2 * np.pi * time_s / 7)) % (2 * WAY_PX)
    picture = street(10 + min(way, 2 * WAY_PX - way))
    return (picture + np.random.default_rng(number).normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8)


def sent_pictures() -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """The camera's pictures, and when it sends them."""
    time_s = 0.0
    for number in itertools.count():
        yield time_s, picture_at(time_s, number)
        time_s += 1 / (SLOW_FPS if SLOW_S[0] <= time_s < SLOW_S[1] else FAST_FPS)


def learn(folder: Path) -> Path:
    """Scenes folder in which the square's usual walk is learned, from a file."""
    pictures = [picture_at(number / FAST_FPS, number) for number in range(LEARNED_S * FAST_FPS)]
    clip = encode_video(folder / "usual.mp4", pictures, FAST_FPS, "libx264")
    options = FitOptions(score_fps=SCORE_FPS, keep_statistics=False)
    fit_scene("street", [clip], folder / "scenes/street", ModelConfig.model_validate(MODEL), options, lambda *_: None)
    return folder / "scenes"


def test_no_alert_opens_when_mjpeg_slows_down_and_speeds_up(tmp_path: Path) -> None:
    scenes = learn(tmp_path)

    async def scenario(config: Config) -> Events:
        async with watching(config) as (_, events):
            await events.wait_for(ScoredFrame, lambda scored: scored.stream_time_s > WATCHED_S)
        return events

    def answer(_: str) -> Answer:
        sent = ((time_s, part) for time_s, picture in sent_pictures() for part in multipart(jpegs([picture])))
        return "multipart/x-mixed-replace; boundary=frame", sent

    (tmp_path / "redis").mkdir()
    with (
        RedisServer(tmp_path / "redis") as redis,
        HttpCamera(answer) as camera,
    ):
        config = Config.parse(
            {
                "cameras": {"street": {"url": camera.url(), "score_fps": SCORE_FPS}},
                "redis": redis.url,
                "scenes": scenes,
                "alerting": {"spool": tmp_path / "spool", "adapt": False, "false_alarms_per_day": 300},
                "model": MODEL,
            },
            "test",
        )
        events = asyncio.run(scenario(config))
    states = [status.state for status in events.of(CameraStatus)]
    assert list(dict.fromkeys(states)) == [CameraState.CONNECTING, CameraState.ONLINE]
    assert not events.of(Alert)
    scored = events.of(ScoredFrame)
    assert sum(SLOW_S[0] + 1 < each.stream_time_s < SLOW_S[1] for each in scored) > 10
    # 0.06 of the threshold; with FFmpeg's made-up 25 pictures a second 0.24
    assert np.quantile([each.score for each in scored], 0.8) < 0.15 * scored[0].threshold
