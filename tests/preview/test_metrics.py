"""The metrics, read back with Prometheus' own parser."""

import asyncio
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from streammon.config import Config
from streammon.preview import Gauges
from streammon.preview.operations.metrics import Metrics
from streammon.records import (
    AlertEvent,
    CameraFigures,
    CameraState,
    CameraStatus,
    Channel,
    Condition,
    HealthAlert,
    SinkStatus,
)
from support.preview_site import alert_message, new_figures, scored, serving, site_config

ROOT = Path(__file__).resolve().parents[2]


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample's value by name and label values."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in found}


def metrics_of(config: Config, figures: dict[str, CameraFigures], gauges: Gauges) -> Metrics:
    return Metrics(config, figures, gauges, lambda: {("lobby", "blended"): 3}, lambda: 7)


def test_every_figure_is_exposed_under_its_name(tmp_path: Path) -> None:
    config = site_config(tmp_path)
    frozen = CameraStatus("gate", CameraState.FROZEN, 1795446843.0, "silent", retry_in_s=8.0)
    figures = {
        "lobby": CameraFigures(
            CameraStatus("lobby", CameraState.ONLINE, 1795446840.0), 4.5, -0.5, 2, True, 100, 40, 3, 1, 25.0, 5.0, 6
        ),
        "gate": CameraFigures(frozen),
    }
    away = SinkStatus("desk", online=False, since_s=1795446841.0, waiting=4, sent=7, refused=2, dropped=1)
    figures["lobby"].fps_planned, figures["lobby"].looks_only = 1.0, True
    metrics = metrics_of(config, figures, Gauges(lambda: 2, lambda: 5, lambda: True, lambda: 1 << 30, lambda: [away]))
    text, content_type = metrics.exposition("")
    assert content_type.startswith("text/plain; version=")
    values = samples(text.decode())
    expected = {
        ("streammon_frames_read_total", "lobby"): 100,
        ("streammon_sink_online", "desk"): 0,
        ("streammon_sink_since_seconds", "desk"): 1795446841,
        ("streammon_sink_waiting", "desk"): 4,
        ("streammon_sink_sent_total", "desk"): 7,
        ("streammon_sink_refused_total", "desk"): 2,
        ("streammon_sink_dropped_total", "desk"): 1,
        ("streammon_frames_scored_total", "lobby"): 40,
        ("streammon_frames_dropped_total", "lobby"): 3,
        ("streammon_frames_corrupt_total", "lobby"): 1,
        ("streammon_camera_connections_total", "lobby"): 6,
        ("streammon_alerts_opened_total", "lobby"): 2,
        ("streammon_alert_open", "lobby"): 1,
        ("streammon_camera_state", "lobby", "online"): 1,
        ("streammon_camera_state", "lobby", "frozen"): 0,
        ("streammon_camera_state", "gate", "frozen"): 1,
        ("streammon_camera_state_since_seconds", "gate"): 1795446843,
        ("streammon_camera_retry_seconds", "gate"): 8,
        ("streammon_camera_score", "lobby"): 4.5,
        ("streammon_camera_level", "lobby"): -0.5,
        ("streammon_camera_read_fps", "lobby"): 25,
        ("streammon_camera_scored_fps", "lobby"): 5,
        ("streammon_camera_planned_fps", "lobby"): 1,
        ("streammon_camera_looks_only", "lobby"): 1,
        ("streammon_camera_looks_only", "gate"): 0,
        ("streammon_unread_frames",): 2,
        ("streammon_spool_waiting",): 5,
        ("streammon_redis_online",): 1,
        ("streammon_viewers", "lobby", "blended"): 3,
        ("streammon_login_failures_total",): 7,
        ("streammon_device_memory_bytes",): 1 << 30,
    }
    assert {name: values.get(name) for name in expected} == expected
    for name in ("retry_seconds", "score", "level"):  # a camera without one has none
        assert (f"streammon_camera_{name}", "lobby" if name == "retry_seconds" else "gate") not in values
    assert values[("process_resident_memory_bytes",)] > 10e6


def test_latency_is_the_time_from_capture_to_score_of_what_plays_at_its_own_pace(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "live": {"url": "rtsp://127.0.0.1/a"},
        "file": {"url": "a.mp4"},
        "fast": {"url": "a.mp4", "play": "fast"},
    }
    config = Config.parse({"cameras": values, "preview": {}}, "test")
    figures = {name: CameraFigures(CameraStatus(name, CameraState.ONLINE, time.time())) for name in values}
    metrics = metrics_of(config, figures, Gauges())
    for age_s in (0.12, 0.12, 1.2, -5.0):  # the last: the clock was set back meanwhile
        for name in values:
            metrics.on_event(scored(name, age_s))
    exposed = samples(metrics.exposition("")[0].decode())
    for name in ("live", "file"):
        buckets = [exposed["streammon_latency_seconds_bucket", name, edge] for edge in ("0.02", "0.1", "0.3", "1.5")]
        assert buckets == [1, 1, 3, 4]
        assert exposed["streammon_latency_seconds_sum", name] == pytest.approx(1.44, abs=0.05)
    assert ("streammon_latency_seconds_count", "fast") not in exposed


def test_alerts_that_are_over_are_counted_by_the_channel_of_their_peak(tmp_path: Path) -> None:
    config = site_config(tmp_path)
    metrics = metrics_of(config, new_figures(config), Gauges())
    for channel in (Channel.SPEED, Channel.SPEED, Channel.LOOKS):
        metrics.on_event(replace(alert_message(AlertEvent.OPEN), channel=Channel.SHAPE))
        metrics.on_event(replace(alert_message(AlertEvent.CLOSE), channel=channel))
    values = samples(metrics.exposition("")[0].decode())
    closed = {name[2]: values[name] for name in values if name[:2] == ("streammon_alerts_closed_total", "lobby")}
    assert closed == dict.fromkeys(Channel, 0) | {"speed": 2, "looks": 1}


def test_health_alerts_are_counted_and_shown_while_they_are_open(tmp_path: Path) -> None:
    config = site_config(tmp_path)
    metrics = metrics_of(config, new_figures(config), Gauges())
    gone = HealthAlert(
        "1", AlertEvent.OPEN, 0, Condition.OFFLINE, ("lobby", "gate"), "10.0.3.x", 1.0, 2.0, None, "gone"
    )
    full = HealthAlert("2", AlertEvent.OPEN, 0, Condition.DISK, (), "", 1.0, 2.0, None, "nearly full")
    for event in (gone, full, replace(full, event=AlertEvent.CLOSE, part=1, closed_s=3.0)):
        metrics.on_event(event)
    values = samples(metrics.exposition("")[0].decode())
    is_open = {name[1:]: value for name, value in values.items() if name[0] == "streammon_health_alert_open"}
    assert is_open == {("lobby", "offline"): 1, ("gate", "offline"): 1, ("", "disk"): 0}
    opened = {name[1]: value for name, value in values.items() if name[0] == "streammon_health_alerts_opened_total"}
    assert opened == dict.fromkeys(Condition, 0) | {"offline": 1, "disk": 1}


def test_two_previews_in_one_process_have_figures_of_their_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path)) as (_, one), serving(site_config(tmp_path)) as (other, two):
            other.on_event(scored())
            counts = []
            for client in (one, two):
                async with client.get("/metrics") as answer:
                    counts.append(samples(await answer.text())["streammon_latency_seconds_count", "lobby"])
            assert counts == [1, 2]
            wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
            async with one.get("/metrics", headers=wanted) as answer:
                assert answer.content_type == "application/openmetrics-text"
                families = openmetrics_families(await answer.text())  # type: ignore[no-untyped-call]
                assert "streammon_frames_read" in {family.name for family in families}

    asyncio.run(scenario())


def test_every_metric_is_in_the_room_s_readme(tmp_path: Path) -> None:
    config = site_config(tmp_path)
    gauges = Gauges(device_memory_bytes=lambda: 0, sinks=lambda: [SinkStatus("desk", online=True, since_s=0.0)])
    text, _ = metrics_of(config, new_figures(config), gauges).exposition("")
    families = list(text_string_to_metric_families(text.decode()))
    documented = set(re.findall(r"`(streammon_\w+)`", (ROOT / "streammon/preview/README.md").read_text("utf-8")))
    named = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert documented == {name for name in named if name.startswith("streammon_")}
