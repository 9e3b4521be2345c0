"""A monitor with sinks: alerts with pictures arrive, and a sink that is away holds up nothing."""

import asyncio
import json
import urllib.request
from email import message_from_bytes
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streammon.config import Config, ModelConfig
from streammon.records import Alert, AlertEvent, Notice, SinkStatus
from streammon.scene.fit import FitOptions, fit_scene
from support.alerting_samples import logged, until
from support.courtyard import FPS, courtyard, encode
from support.monitors import Events, watching
from support.precision import LIVE
from support.redis_server import RedisServer
from support.sinks import PASSWORD, Receiver

SCENE = "courtyard"
MODEL = {"method": "padim", "dimensions": 32, **LIVE}


@pytest.fixture(scope="module")
def scenes(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    options = FitOptions(score_fps=FPS, keep_statistics=False)
    fit_scene(SCENE, [clip], folder / SCENE, ModelConfig.model_validate(MODEL), options, lambda done, total: None)
    return folder


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("visited") / "clip.mp4", courtyard(60, box_s=(2, 5), seed=2))


def config_of(
    footage: Path, scenes: Path, redis: RedisServer, folder: Path, notify: dict[str, Any], **pictures: Any
) -> Config:
    alerting = {"spool": folder / "spool", "false_alarms_per_day": 300, "adapt": False, "close_after_s": 0.5}
    camera = {"url": str(footage), "scene": SCENE, "score_fps": FPS}
    values = {"cameras": {"yard": camera}, "redis": redis.url, "scenes": scenes, "alerting": alerting, "model": MODEL}
    return Config.parse(values | {"notify": notify} | (pictures or {"preview": {"port": 0}}), "test")


def alert_and_picture(receiver: Receiver, index: int) -> tuple[dict[str, Any], bytes]:
    request = receiver.requests[index]
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + request.body).get_payload()
    return json.loads(parts[0].get_payload(decode=True)), parts[1].get_payload(decode=True)


@pytest.mark.slow
def test_an_alert_arrives_with_its_picture_and_a_sink_that_is_away_holds_up_nothing(
    visited: Path, scenes: Path, redis: RedisServer, tmp_path: Path
) -> None:
    async def scenario() -> tuple[Events, Receiver, str]:
        async with Receiver() as receiver, Receiver() as leaving:
            gone = {"webhook": {"url": f"http://user:{PASSWORD}@127.0.0.1:{leaving.port}/"}}
            desk = {"webhook": {"url": receiver.url, "snapshot": True}}
            config = config_of(visited, scenes, redis, tmp_path, {"gone": gone, "desk": desk})
            async with watching(config) as (monitor, events):
                await events.wait_for(Notice, lambda each: each.text.startswith("publishing to"))
                await leaving.stop()
                opened = await events.wait_for_alert(AlertEvent.OPEN)
                await events.wait_for_alert(AlertEvent.CLOSE)
                await until(lambda: [status.sent for status in monitor._notifier.statuses] == [0, 2])
                assert alert_and_picture(receiver, 0)[0]["id"] == opened.id
                await events.wait_for(SinkStatus, lambda status: (status.sink, status.online) == ("gone", False))
                notice = await events.wait_for(Notice, lambda each: each.text.startswith("preview on"))
                metrics = await asyncio.to_thread(fetched, f"{notice.text.removeprefix('preview on ')}metrics")
            return events, receiver, metrics

    events, receiver, metrics = asyncio.run(scenario())
    alerts = events.of(Alert)
    assert logged(redis) == [(alert.id, alert.part) for alert in alerts]
    sent = [alert_and_picture(receiver, index) for index in range(len(receiver.requests))]
    assert [alert["event"] for alert, _ in sent] == ["open", "close"]
    for _, picture in sent:
        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.std() > 10  # something is to be seen in it
    assert 'streammon_sink_online{sink="gone"} 0.0' in metrics
    assert 'streammon_sink_sent_total{sink="desk"} 2.0' in metrics
    assert f"2 alert messages wait in {tmp_path / 'spool'} for the next start" in [n.text for n in events.of(Notice)]
    assert f"sink 'desk' is webhook http://127.0.0.1:{receiver.port}/…" in [n.text for n in events.of(Notice)]
    assert PASSWORD not in repr(events.told)


def test_without_a_page_the_picture_is_that_of_the_kept_evidence(
    visited: Path, scenes: Path, redis: RedisServer, tmp_path: Path
) -> None:
    async def scenario() -> Receiver:
        async with Receiver() as receiver:
            desk = {"webhook": {"url": receiver.url, "snapshot": True}}
            kept = {"folder": tmp_path / "events", "keep_gb": 0.1}
            config = config_of(visited, scenes, redis, tmp_path, {"desk": desk}, events=kept)
            async with watching(config) as (_, events):
                await events.wait_for_alert(AlertEvent.CLOSE)
                await until(lambda: len(receiver.requests) == 2)
            return receiver

    receiver = asyncio.run(scenario())
    for index in range(2):
        alert, picture = alert_and_picture(receiver, index)
        (kept,) = (tmp_path / "events").rglob(f"{alert['id']}.jpg")
        sizes = [image_size(each) for each in (picture, kept.read_bytes())]
        assert sizes[0] == sizes[1]


def image_size(jpeg: bytes) -> tuple[int, int]:
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.shape[0], decoded.shape[1]


def fetched(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        text: str = answer.read().decode()
        return text
