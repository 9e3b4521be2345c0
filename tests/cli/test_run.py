"""`streammon run` as a service manager sees it: a process that is started, signalled, and ends in order."""

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from streammon.alerting.sinks import mqtt
from streammon.config import ModelConfig
from streammon.live import monitor
from streammon.preview import server
from streammon.records import Channel
from streammon.scene.fit import FitOptions, fit_scene
from support.alerting_samples import Name, logged, logged_at
from support.cameras import Recorder, RtspServer
from support.courtyard import FPS, LASTING_S, courtyard, encode
from support.deadlines import DEADLINE_S
from support.precision import LIVE
from support.redis_server import RedisServer, embedded

pytestmark = pytest.mark.slow

GRACE_S = 5.0
"""What a service manager is asked to wait for the end: the program's own deadlines add up to less."""

STOP_WITHIN_S = 40.0
"""On a busy machine; the opening of a frozen camera, which nothing may wait for, takes longer."""

MODEL = {"method": "padim", "dimensions": 32, **LIVE}

Told = dict[str, Any]


class Run:
    """The command in a process of its own; each line it prints is kept."""

    def __init__(self, config: dict[str, Any], folder: Path, stack: ExitStack) -> None:
        config_file = folder / "config.yaml"
        config_file.write_text(yaml.safe_dump(config))
        self.told: Recorder[Told] = Recorder()
        self._errors = stack.enter_context((folder / "stderr").open("w+"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streammon", "run", "--log-json", "--config", str(config_file)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, name="run-output")
        self._reading.start()
        stack.callback(self._end)

    def wait_for(self, event: str, **fields: Any) -> Told:
        """The first line that tells of this."""
        expected = {"event": event} | fields
        return self.told.wait_for(lambda told: told | expected == told)

    def signalled(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.wait(STOP_WITHIN_S)

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()

    @property
    def alerts(self) -> list[tuple[str, int, str]]:
        """(id, part, type) of every alert message it printed; all of them once it has ended."""
        self._reading.join(DEADLINE_S)
        return [(told["id"], told["part"], told["type"]) for told in self.told.entries if told["event"] == "alert"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told(json.loads(line))

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learned courtyard, and a clip in which something stands in it all the time."""
    folder = tmp_path_factory.mktemp("run")
    encode(folder / "occupied.mp4", courtyard(LASTING_S, box_s=(0, LASTING_S), seed=3))
    encode(folder / "calm.mp4", courtyard(2, seed=5))
    normal = encode(folder / "normal.mp4", courtyard(10))
    options = FitOptions(score_fps=FPS, keep_statistics=False)
    model = ModelConfig.model_validate(MODEL)
    fit_scene("courtyard", [normal], folder / "courtyard", model, options, lambda done, total: None)
    return folder


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        yield server


def test_its_own_deadlines_add_up_to_less_than_a_service_manager_waits() -> None:
    of_the_preview_s = 2 * server.CLOSE_S
    of_the_monitor_s = monitor.SCORER_JOIN_S + monitor.DRAIN_S + monitor.READERS_JOIN_S
    assert of_the_monitor_s + mqtt.GOODBYE_S + of_the_preview_s < GRACE_S


@pytest.mark.parametrize(
    ("number", "redis_is"),
    [(signal.SIGTERM, "there"), (signal.SIGINT, "embedded"), (signal.SIGTERM, "away")],
)
def test_a_signal_ends_it_in_time_with_every_alert_delivered_or_kept(
    number: signal.Signals,
    redis_is: str,
    folder: Path,
    rtsp_server: Callable[..., RtspServer],
    closed_port: int,
    redis: RedisServer,
    tmp_path: Path,
) -> None:
    occupied, frozen = (rtsp_server({"live": folder / "occupied.mp4"}) for _ in range(2))
    camera = {"scene": "courtyard", "score_fps": FPS, "open_timeout_s": 60, "read_timeout_s": 2}
    config = {
        "cameras": {
            "watched": camera | {"url": occupied.url("live")},
            "frozen": camera | {"url": frozen.url("live")},
            "refused": camera | {"url": f"rtsp://127.0.0.1:{closed_port}/live"},
        },
        "redis": {"folder": str(tmp_path / "alerts.valkey")} if redis_is == "embedded" else redis.url,
        "scenes": str(folder),
        "alerting": {"spool": str(tmp_path / "spool"), "false_alarms_per_day": 1000, "adapt": False},
        "model": MODEL,
    }
    with ExitStack() as stack:
        run = Run(config, tmp_path, stack)
        run.wait_for("alert", camera="frozen", type="open")
        frozen.freeze()
        alert = run.wait_for("alert", camera="watched", type="open")
        assert alert["reason"] == Channel(alert["channel"]).reason
        run.wait_for("status", camera="frozen", state="frozen")
        run.wait_for("status", camera="refused", state="offline")
        children = psutil.Process(run.process.pid).children(recursive=True)
        assert len(children) == (redis_is == "embedded")
        if redis_is == "away":
            redis.stop()
        run.signalled(number)
        assert (run.process.returncode, run.errors) == (0, "")
        assert not [child for child in children if child.is_running()]
        told = run.alerts
        assert Counter(kind for _, _, kind in told) == {"open": 2, "close": 2}  # an update is told after a minute
        if redis_is == "away":
            assert "alert messages wait in" in run.told.entries[-1]["text"]
            redis.start()
            config["cameras"] = {"next": camera | {"url": str(folder / "calm.mp4"), "play": "fast"}}
            following = Run(config, tmp_path, stack)
            assert following.process.wait(DEADLINE_S) == 0  # it ends by itself with its footage
            assert (following.errors, following.alerts) == ("", [])
        if redis_is != "embedded":
            assert_whole(logged(redis), told)
        else:
            with embedded(tmp_path / "alerts.valkey") as url:
                assert_whole(logged_at(url), told)


def assert_whole(log: list[Name], told: list[tuple[str, int, str]]) -> None:
    """Every message of every alert is in the log once, in order: from its open to the close that was printed."""
    assert [name for name in log if name in {(alert, part) for alert, part, _ in told}] == [each[:2] for each in told]
    for alert, last in [(alert, part) for alert, part, kind in told if kind == "close"]:
        assert [part for name, part in log if name == alert] == list(range(last + 1))
    assert {alert for alert, _ in log} == {alert for alert, _, _ in told}


@pytest.mark.parametrize("end", ["interrupted", "killed", "killed with its server"])
def test_what_the_default_redis_has_is_there_after_the_next_start_and_on_its_page(
    end: str, folder: Path, closed_port: int, tmp_path: Path
) -> None:
    """Three cameras raise an alert each; the monitor ends one way or another, and starts again."""
    url = f"redis://127.0.0.1:{closed_port}"

    def config(clip: str) -> dict[str, Any]:
        camera = {"url": str(folder / clip), "scene": "courtyard", "score_fps": FPS, "loop": True}
        return {
            "cameras": dict.fromkeys(("one", "two", "three"), camera),
            "redis": {"port": closed_port, "folder": str(tmp_path / "alerts.valkey")},
            "scenes": str(folder),
            "alerting": {"spool": str(tmp_path / "spool"), "false_alarms_per_day": 1000, "adapt": False},
            "model": MODEL,
            "preview": {"port": 0},
        }

    with ExitStack() as stack:
        run = Run(config("occupied.mp4"), tmp_path, stack)
        opened = {name: run.wait_for("alert", camera=name, type="open")["id"] for name in ("one", "two", "three")}
        server = next(child for child in psutil.Process(run.process.pid).children() if "valkey" in child.name())
        log = log_with(url, set(opened.values()))
        if end == "interrupted":
            run.signalled(signal.SIGINT)
            assert (run.process.returncode, run.errors) == (0, "")
        elif end == "killed":
            run.signalled(signal.SIGKILL)
        else:
            server.kill()
            run.signalled(signal.SIGKILL)
        again = Run(config("normal.mp4"), tmp_path, stack)
        preview = again.told.wait_for(lambda told: "preview on" in told.get("text", ""), DEADLINE_S)
        again.wait_for("status", state="online")
        kept = logged_at(url)
        assert kept[: len(log)] == log
        assert {alert for alert, _ in kept} == set(opened.values())
        if end == "interrupted":
            assert_whole(kept, run.alerts)
        address = preview["text"].removeprefix("preview on ")
        with urllib.request.urlopen(f"{address}api/alerts", timeout=20) as answer:
            shown = json.load(answer)["alerts"]
        assert {alert["camera"]: alert["id"] for alert in shown} == opened
        for alert in shown:
            assert not alert["open"]
            assert alert["opened_s"] <= alert["closed_s"] <= time.time()
            assert alert["pictures"] == 0
        again.signalled(signal.SIGINT)
        assert (again.process.returncode, again.errors) == (0, "")


def log_with(url: str, alerts: set[str]) -> list[Name]:
    """The log, as soon as these alerts are in it."""
    deadline, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not alerts <= {alert for alert, _ in logged_at(url)}:
        assert time.monotonic() < deadline
        pause.wait(0.05)
    return logged_at(url)


def test_a_reader_of_its_output_that_goes_away_ends_it(folder: Path, redis: RedisServer, tmp_path: Path) -> None:
    config = {
        "cameras": {
            "watched": {"url": str(folder / "occupied.mp4"), "scene": "courtyard", "score_fps": FPS, "loop": True}
        },
        "redis": redis.url,
        "scenes": str(folder),
        "alerting": {"spool": str(tmp_path / "spool"), "false_alarms_per_day": 1000, "adapt": False},
        "model": MODEL,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "streammon", "run", "--config", str(tmp_path / "config.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "publishing to" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 1
        assert process.stderr.read() == ""
