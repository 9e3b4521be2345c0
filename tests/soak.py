"""Minutes of `streammon run` on many cameras, some of which are cut and frozen: does anything grow?

    python tests/soak.py --minutes 5 --cameras 8 --clips ../shared/data/clips

Prints a JSON report; exit code 0 when resident memory stayed flat (the last minute within 3 % of the first after
learning), threads and files are as many as before the cameras were lost, and the monitor ended in time.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis as redis_client
import yaml

from support.cameras import RtspServer
from support.redis_server import free_port

SCORE_FPS = 2
LEARN_S = 20
TIMEOUT_S = 2
START_WITHIN_S = 180
BACK_WITHIN_S = 60
STOP_WITHIN_S = 5.0
FAULT_S = 8  # how long a camera is gone
FAULTS = 4
FLAT = 0.03
SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The monitor's process at one moment."""

    at_s: float
    rss_mb: float
    threads: int
    files: int


@dataclass(slots=True)
class Report:
    """What the soak found."""

    minutes: float
    cameras: int
    rss_mb_first_minute: float = 0.0
    rss_mb_last_minute: float = 0.0
    rss_ratio: float = 0.0
    rss_mb_by_half_minute: list[float] = field(default_factory=list)
    cpu_percent: float = 0.0
    threads_before_faults: int = 0
    threads_after_faults: int = 0
    files_before_faults: int = 0
    files_after_faults: int = 0
    faults: list[str] = field(default_factory=list)
    counters: dict[str, dict[str, float]] = field(default_factory=dict)
    exit_code: int | None = None
    stopped_after_s: float = 0.0
    stderr: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing grew and the end was in order."""
        return (
            abs(self.rss_ratio - 1) <= FLAT
            and self.threads_after_faults <= self.threads_before_faults
            and self.files_after_faults <= self.files_before_faults
            and (self.exit_code, self.stderr) == (0, "")
            and self.stopped_after_s <= STOP_WITHIN_S
        )


class Soak:
    """One monitor in a process of its own, on servers that can be cut and frozen."""

    def __init__(self, cameras: int, clips: list[Path], folder: Path, stack: ExitStack) -> None:
        self.servers = {f"camera{n}": RtspServer({"live": clips[n % len(clips)]}) for n in range(cameras)}
        for server in self.servers.values():
            stack.callback(server.close)
        port = free_port()
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(self._config(folder, port)))
        command = [sys.executable, "-m", "streammon", "run", "--log-json", "--config", str(config)]
        log, self._stderr = (stack.enter_context((folder / name).open("w+")) for name in ("events.jsonl", "stderr"))
        self.monitor = subprocess.Popen(command, stdout=log, stderr=self._stderr, text=True)
        stack.callback(self._kill)
        self._process = psutil.Process(self.monitor.pid)
        self._redis = stack.enter_context(redis_client.Redis(port=port, decode_responses=True))
        self.samples: list[Sample] = []

    def run(self, minutes: float) -> Report:
        """Watch for so long after all scenes are learned, with a camera lost now and then."""
        report = Report(minutes, len(self.servers))
        self._wait_until(lambda: set(self._states().values()) == {"online"}, START_WITHIN_S)
        learned_s, end_s = time.monotonic(), time.monotonic() + 60 * minutes
        self._process.cpu_percent()
        self.samples.clear()
        self._sample_until(learned_s + min(60.0, 15 * minutes))
        report.threads_before_faults, report.files_before_faults = self._settled()
        names = list(self.servers)
        calm_s = learned_s + 60 * minutes / (FAULTS + 2)
        for number in range(FAULTS):
            self._sample_until(calm_s + number * 60 * minutes / (FAULTS + 2))
            report.faults.append(self._lose(names[number % len(names)], freeze=number % 2 == 1))
        report.threads_after_faults, report.files_after_faults = self._settled()
        self._sample_until(end_s)
        report.cpu_percent = round(self._process.cpu_percent(), 1)
        self._weigh(report)
        report.counters = {name: status["counters"] for name, status in self._statuses().items()}
        began_s = time.monotonic()
        self.monitor.send_signal(signal.SIGTERM)
        report.exit_code = self.monitor.wait(30)
        report.stopped_after_s = round(time.monotonic() - began_s, 2)
        self._stderr.seek(0)
        report.stderr = self._stderr.read()
        return report

    def _weigh(self, report: Report) -> None:
        window_s = min(60.0, (self.samples[-1].at_s - self.samples[0].at_s) / 4)
        first_s, last_s = self.samples[0].at_s + window_s, self.samples[-1].at_s - window_s
        first = statistics.median(sample.rss_mb for sample in self.samples if sample.at_s <= first_s)
        last = statistics.median(sample.rss_mb for sample in self.samples if sample.at_s >= last_s)
        report.rss_mb_first_minute, report.rss_mb_last_minute = round(first, 1), round(last, 1)
        report.rss_ratio = round(last / first, 4)
        report.rss_mb_by_half_minute = [round(sample.rss_mb, 1) for sample in self.samples[::30]]

    def _lose(self, name: str, *, freeze: bool) -> str:
        """Take one camera away and bring it back; what the monitor called it."""
        server = self.servers[name]
        (server.freeze if freeze else server.kill)()
        self._sample_until(time.monotonic() + FAULT_S)
        state = self._states()[name]
        (server.thaw if freeze else server.start)()
        self._wait_until(lambda: self._states()[name] == "online", BACK_WITHIN_S)
        return f"{name} {state}"

    def _settled(self) -> tuple[int, int]:
        """Threads and files; the largest of a few samples, since a connection may be on its way."""
        recent = self.samples[-5:]
        return max(sample.threads for sample in recent), max(sample.files for sample in recent)

    def _sample_until(self, until_s: float) -> None:
        while (now_s := time.monotonic()) < until_s:
            assert self.monitor.poll() is None, "the monitor has ended"
            with self._process.oneshot():
                rss_mb = self._process.memory_info().rss / 1e6
                self.samples.append(Sample(now_s, rss_mb, self._process.num_threads(), self._process.num_fds()))
            time.sleep(SAMPLE_S)

    def _wait_until(self, condition: Callable[[], bool], within_s: float) -> None:
        deadline_s = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline_s, f"not within {within_s} s: {self._states()}"
            self._sample_until(time.monotonic() + SAMPLE_S)

    def _statuses(self) -> dict[str, dict[str, Any]]:
        try:
            texts = self._redis.mget([f"streammon:v1:cam:{name}:status" for name in self.servers])
        except redis_client.ConnectionError:  # the embedded server is still to come
            return {}
        return {name: json.loads(text) for name, text in zip(self.servers, texts, strict=True) if text}

    def _states(self) -> dict[str, str]:
        return dict.fromkeys(self.servers, "unknown") | {
            name: str(status["state"]) for name, status in self._statuses().items()
        }

    def _kill(self) -> None:
        if self.monitor.poll() is None:
            self.monitor.kill()
            self.monitor.wait()

    def _config(self, folder: Path, port: int) -> dict[str, Any]:
        camera = {"score_fps": SCORE_FPS, "learn_for": LEARN_S}
        camera |= {"open_timeout_s": TIMEOUT_S, "read_timeout_s": TIMEOUT_S}
        return {
            "cameras": {name: camera | {"url": server.url("live")} for name, server in self.servers.items()},
            "redis": {"url": "embedded", "port": port, "folder": str(folder / "alerts.valkey")},
            "scenes": str(folder / "scenes"),
            "alerting": {"spool": str(folder / "spool")},
        }


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--clips", type=Path, required=True, help="folder of .mp4 clips")
    options = parser.parse_args()
    clips = sorted(options.clips.glob("*.mp4"))
    with tempfile.TemporaryDirectory(prefix="streammon-soak-") as folder, ExitStack() as stack:
        report = Soak(options.cameras, clips, Path(folder), stack).run(options.minutes)
    print(json.dumps(asdict(report) | {"ok": report.ok}, indent=2))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
