"""Prometheus metrics at `/metrics`, collected on each scrape from the monitor's figures."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from streammon.config import Config
from streammon.records import (
    Alert,
    AlertEvent,
    CameraFigures,
    CameraState,
    Channel,
    Condition,
    Event,
    HealthAlert,
    ScoredFrame,
    SinkStatus,
)

LATENCY_BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)


def _nothing() -> int:
    return 0


def _no() -> bool:
    return False


def _no_device() -> int | None:
    return None


def _no_sinks() -> Sequence[SinkStatus]:
    return ()


@dataclass(frozen=True, slots=True)
class Gauges:
    """Functions that measure values on each scrape.

    Attributes:
        unread_frames: Number of frames that wait for the scorer; at most one for each camera.
        spooled_alerts: Number of alert messages that Redis doesn't have yet.
        redis_online: True while Redis is online.
        device_memory_bytes: Accelerator memory reserved by torch; None on the CPU.
        sinks: State and counters of each sink of alerts.
    """

    unread_frames: Callable[[], int] = _nothing
    spooled_alerts: Callable[[], int] = _nothing
    redis_online: Callable[[], bool] = _no
    device_memory_bytes: Callable[[], int | None] = _no_device
    sinks: Callable[[], Sequence[SinkStatus]] = _no_sinks


class Metrics:
    """Collector of all metrics, with a registry of its own.

    Args:
        config: Configuration of the cameras.
        figures: Each camera's figures, which the monitor keeps up to date.
        gauges: Further measurements of the monitor.
        viewers: Returns the number of viewers by camera and stream.
        login_failures: Returns the number of wrong passwords and tokens so far.
        encoder_failures: Returns the number of pictures that couldn't be encoded, by camera and stream.
    """

    def __init__(
        self,
        config: Config,
        figures: Mapping[str, CameraFigures],
        gauges: Gauges,
        viewers: Callable[[], Mapping[tuple[str, str], int]],
        login_failures: Callable[[], int],
        encoder_failures: Callable[[], Mapping[tuple[str, str], int]] = dict,
    ) -> None:
        self._figures = figures
        self._gauges = gauges
        self._viewers = viewers
        self._login_failures = login_failures
        self._encoder_failures = encoder_failures
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            "streammon_latency_seconds",
            "Time from the decoding of a frame to its score",
            ["camera"],
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        # Frames of footage played fast have no wall-clock times, so no latency.
        scored = {name: camera.scored for name, camera in config.cameras.items()}
        self._timed = {name for name, camera in scored.items() if camera.is_live or camera.play == "realtime"}
        self._closed: Counter[tuple[str, Channel]] = Counter()
        self._open_health: dict[tuple[Condition, str], bool] = {}  # condition, camera or ""
        self._health_opened: Counter[Condition] = Counter()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def on_event(self, event: Event) -> None:
        """Record an event of the monitor. Called on the event loop; never blocks."""
        if isinstance(event, ScoredFrame) and event.camera in self._timed:
            self._latency.labels(event.camera).observe(max(0.0, time.time() - event.wall_time_s))
        if isinstance(event, Alert) and event.event is AlertEvent.CLOSE:
            self._closed[event.camera, event.channel] += 1
        if isinstance(event, HealthAlert):
            self._open_health.update(dict.fromkeys(_faults(event), event.event is AlertEvent.OPEN))
            self._health_opened[event.condition] += event.event is AlertEvent.OPEN

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics as text, and the content type of the text.

        Args:
            accept: Accept header of the request, which selects Prometheus' format or OpenMetrics.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Metrics computed from the monitor's figures, for prometheus_client's registry."""
        yield from self._counters()
        yield from self._states()
        yield from self._last_values()
        yield from self._sinks()
        yield from self._whole()
        yield from self._health()

    def describe(self) -> Iterable[Metric]:
        """No metrics, so that registering the collector measures nothing."""
        return ()

    def _counters(self) -> Iterator[Metric]:
        rows: dict[str, tuple[str, Callable[[CameraFigures], int]]] = {
            "frames_read": ("Frames decoded", lambda f: f.decoded),
            "frames_scored": ("Frames scored or learned from", lambda f: f.scored),
            "frames_dropped": ("Frames replaced by a newer one, or left out after an error", lambda f: f.dropped),
            "frames_corrupt": ("Frames dropped as damaged", lambda f: f.corrupt),
            "camera_connections": ("Connections that delivered frames", lambda f: f.connections),
            "camera_failures": ("Attempts, connections and frames that ended in an error", lambda f: f.failures),
            "alerts_opened": ("Alerts opened", lambda f: f.alerts),
        }
        for name, (words, value) in rows.items():
            family = CounterMetricFamily(f"streammon_{name}", words, labels=["camera"])
            for camera, figures in self._figures.items():
                family.add_metric([camera], value(figures))
            yield family
        words = "Alerts closed, by the channel that contributed most at the peak"
        closed = CounterMetricFamily("streammon_alerts_closed", words, labels=["camera", "channel"])
        for camera in self._figures:
            for channel in Channel:  # channels without alerts too: a rate needs their zero
                closed.add_metric([camera, channel.value], self._closed[camera, channel])
        yield closed

    def _states(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("streammon_camera_state", "1 for the camera's state", labels=["camera", "state"])
        for camera, figures in self._figures.items():
            for each in CameraState:
                state.add_metric([camera, each.value], float(figures.status.state is each))
        yield state

    def _last_values(self) -> Iterator[Metric]:
        """Gauges of each camera; a gauge without a current value is left out."""
        rows: dict[str, tuple[str, Callable[[CameraFigures], float | None]]] = {
            "camera_state_since_seconds": ("Unix time at which the state began", lambda f: f.status.since_s),
            "camera_retry_seconds": ("Wait before the planned next attempt", lambda f: f.status.retry_in_s),
            "camera_learning_ratio": ("Share of the scene that is learned", lambda f: f.status.progress),
            "camera_read_fps": ("Frames decoded a second, lately", lambda f: f.fps_read),
            "camera_scored_fps": ("Frames scored a second, lately", lambda f: f.fps_scored),
            "camera_planned_fps": (
                "Most frames scored a second: score_fps, or less under overload",
                lambda f: f.fps_planned,
            ),
            "camera_looks_only": ("1 while scored by looks alone, under overload", lambda f: float(f.looks_only)),
            "camera_score": ("Latest frame score", lambda f: f.score),
            "camera_level": ("Latest level: -log10 of the false alarms a day", lambda f: f.level),
            "alert_open": ("1 while an alert is open", lambda f: float(f.alert_open)),
        }
        for name, (words, value) in rows.items():
            family = GaugeMetricFamily(f"streammon_{name}", words, labels=["camera"])
            for camera, figures in self._figures.items():
                number = value(figures)
                if number is not None:
                    family.add_metric([camera], number)
            yield family

    def _sinks(self) -> Iterator[Metric]:
        counters: dict[str, tuple[str, Callable[[SinkStatus], int]]] = {
            "sink_sent": ("Alert messages that the sink took", lambda s: s.sent),
            "sink_refused": ("Alert messages given up because the sink refused them", lambda s: s.refused),
            "sink_dropped": ("Alert messages lost because too many waited for the sink", lambda s: s.dropped),
        }
        gauges: dict[str, tuple[str, Callable[[SinkStatus], float]]] = {
            "sink_online": ("1 while the sink takes what it is sent", lambda s: float(s.online)),
            "sink_since_seconds": ("Unix time at which that began or ended", lambda s: s.since_s),
            "sink_waiting": ("Alert messages that wait for the sink", lambda s: s.waiting),
        }
        sinks = self._gauges.sinks()
        for name, (words, count) in counters.items():
            counter = CounterMetricFamily(f"streammon_{name}", words, labels=["sink"])
            for sink in sinks:
                counter.add_metric([sink.sink], count(sink))
            yield counter
        for name, (words, value) in gauges.items():
            gauge = GaugeMetricFamily(f"streammon_{name}", words, labels=["sink"])
            for sink in sinks:
                gauge.add_metric([sink.sink], value(sink))
            yield gauge

    def _health(self) -> Iterator[Metric]:
        words = "Health alerts opened, one for each group of cameras"
        opened = CounterMetricFamily("streammon_health_alerts_opened", words, labels=["condition"])
        for condition in Condition:
            opened.add_metric([condition.value], self._health_opened[condition])
        yield opened
        words = "1 while a health alert is open; camera is empty for the monitor itself"
        is_open = GaugeMetricFamily("streammon_health_alert_open", words, labels=["camera", "condition"])
        for (condition, camera), value in self._open_health.items():
            is_open.add_metric([camera, condition.value], float(value))
        yield is_open

    def _whole(self) -> Iterator[Metric]:
        gauges = self._gauges
        yield GaugeMetricFamily("streammon_unread_frames", "Frames that wait for the scorer", gauges.unread_frames())
        waiting = gauges.spooled_alerts()
        yield GaugeMetricFamily("streammon_spool_waiting", "Alert messages that Redis doesn't have yet", waiting)
        yield GaugeMetricFamily("streammon_redis_online", "1 while Redis is online", gauges.redis_online())
        viewers = GaugeMetricFamily("streammon_viewers", "Viewers of a live stream", labels=["camera", "stream"])
        for (camera, stream), count in self._viewers().items():
            viewers.add_metric([camera, stream], count)
        yield viewers
        words = "Pictures that couldn't be encoded"
        unencoded = CounterMetricFamily("streammon_encoder_failures", words, labels=["camera", "stream"])
        for (camera, stream), count in dict(self._encoder_failures()).items():
            unencoded.add_metric([camera, stream], count)
        yield unencoded
        failures = self._login_failures()
        yield CounterMetricFamily("streammon_login_failures", "Wrong passwords and tokens", failures)
        device_bytes = gauges.device_memory_bytes()
        if device_bytes is not None:
            words = "Accelerator memory reserved by torch, in bytes"
            yield GaugeMetricFamily("streammon_device_memory_bytes", words, device_bytes)


def _faults(alert: HealthAlert) -> list[tuple[Condition, str]]:
    return [(alert.condition, camera) for camera in alert.cameras or ("",)]
