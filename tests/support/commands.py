"""Runs the real command: in this process, where torch is loaded already, or in one of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from streammon import cli
from support.cameras import Recorder
from support.deadlines import DEADLINE_S
from support.precision import COMPUTED, LIVE

PROMPT_S = 15.0  # of computing before a mistake is told; loading torch is most of it


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str
    computed_s: float

    @property
    def complaint(self) -> str:
        """What it said of the one mistake it was given: one line, before any work, exit code 2."""
        assert self.code == 2, self
        assert self.stderr.startswith("streammon: "), self
        assert self.stderr.count("\n") == 1, self
        assert "Traceback" not in self.stdout, self
        assert self.computed_s < PROMPT_S, self
        return self.stderr.removeprefix("streammon: ").rstrip("\n")


Command = Callable[..., Ended]


def computed_s() -> float:
    """Processor time of this process and of those it started that have ended, whatever else the machine does."""
    return sum(os.times()[:4])


def in_precision(words: tuple[str | Path, ...]) -> list[str]:
    """The command's words, which ask for the tests' engine and precision where features are computed."""
    name, *others = map(str, words) if words else [""]
    if name not in ("fit", "run", "score", "eval", "bench") or {"--undo", "--scores"} & set(others):
        return [str(word) for word in words]
    asked = LIVE if name in ("fit", "run", "score") else COMPUTED
    added = [(f"--{option}", value) for option, value in asked.items() if f"--{option}" not in others]
    return [name, *(word for pair in added for word in pair), *others]


def command_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """`command("fit", "clip.mp4", …)` calls the entry point that the installed command calls."""

    def command(*words: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["streammon", *in_precision(words)])
        capfd.readouterr()
        began_s = computed_s()
        with pytest.raises(SystemExit) as end:
            cli.main(sys.exit)
        took_s = computed_s() - began_s
        code = end.value.code
        assert isinstance(code, int)
        return Ended(code, *capfd.readouterr(), took_s)

    return command


def command_apart(*words: str | Path, folder: Path, through: tuple[str, ...] = ()) -> Ended:
    """The command in a process of its own, in `folder`; `through` are words to start it with."""
    began_s = computed_s()
    ended = subprocess.run(
        [*through, sys.executable, "-m", "streammon", *in_precision(words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "120"},
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, computed_s() - began_s)


class RunningCommand:
    """The command in a process of its own that goes on until it is told to end, or ends by itself.

    Attributes:
        lines: What it has printed.
    """

    def __init__(self, *words: str | Path, folder: Path) -> None:
        self.lines: Recorder[str] = Recorder()
        self._began_s = computed_s()
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streammon", *in_precision(words)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="command's output")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        assert self._process.stdout
        self._process.stdout.close()
        self._stderr.close()

    def wait_for_file(self, folder: Path, pattern: str, within_s: float = DEADLINE_S) -> None:
        """Wait until it has written such a file somewhere below a folder."""
        deadline, pause = time.monotonic() + within_s, threading.Event()
        while not any(folder.rglob(pattern)):
            assert self._process.poll() is None, "it ended before"
            assert time.monotonic() < deadline, f"no {pattern} within {within_s} s"
            pause.wait(0.05)

    def terminate(self) -> Ended:
        """Tell it to end (SIGTERM), as a service manager does; how it did."""
        return self._told(signal.SIGTERM)

    def interrupt(self) -> Ended:
        """Tell it to end (SIGINT), as Ctrl-C does; how it did."""
        return self._told(signal.SIGINT)

    def _told(self, number: signal.Signals) -> Ended:
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        self._stderr.seek(0)
        return Ended(code, "".join(self.lines.entries), self._stderr.read(), computed_s() - self._began_s)
