"""`fit --from-review` on a made-up courtyard: what is learned, when it asks, and what `fit --undo` takes back."""

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from streammon.config import ModelConfig
from streammon.events.index import KEPT, RECORDING, Index, row_of
from streammon.records import Alert, AlertEvent
from streammon.refit.marked import marks
from streammon.scene import reviewed_clips
from streammon.scene.fit import FitOptions, fit_scene
from support.commands import Command
from support.courtyard import FPS as YARD_FPS
from support.courtyard import courtyard, encode
from support.deadlines import DEADLINE_S
from support.precision import LIVE

pytestmark = pytest.mark.slow

UNSTAGED = """
from streammon import cli
from streammon.refit import run
from streammon.validation import comparing
run.EACH_KIND = comparing.EACH_KIND = 0
cli.main()
"""
"""The command in another process, without staged anomalies."""


@pytest.fixture(autouse=True)
def unstaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without staged anomalies, which are shown on a real street, and would take nearly all of the time."""
    for module in ("validation.comparing", "refit.run"):
        monkeypatch.setattr(f"streammon.{module}.EACH_KIND", 0)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the courtyard learned by its looks, and two clips called normal."""
    folder = tmp_path_factory.mktemp("courtyard")
    model = {"method": "padim", "dimensions": 8, **LIVE}
    clip = encode(folder / "normal.mp4", courtyard(16))
    scene = folder / "scenes" / "yard"
    fit_scene(
        "yard", [clip], scene, ModelConfig.model_validate(model), FitOptions(score_fps=YARD_FPS), lambda *_: None
    )
    (scene / "normal").mkdir()
    for number in (1, 2):
        encode(scene / "normal" / f"{alert(number)}.mp4", courtyard(4, box_s=(1, 3), seed=number))
    camera = {"url": "rtsp://127.0.0.1:9/yard", "scene": "yard", "score_fps": YARD_FPS}
    config = {"cameras": {"yard": camera}, "model": model, "alerting": {"false_alarms_per_day": 10_000}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def yard(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scene's folder, a copy of the test's own; its folder's parent is the working folder."""
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "scenes" / "yard"


def alert(number: int) -> str:
    return f"{number:032x}"


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.*") if file.is_file()}


def test_a_dry_run_tells_and_changes_nothing(yard: Path, command: Command) -> None:
    before = files(yard)
    ended = command("fit", "--from-review", "--dry-run", "--scene", "yard", "--json", "-")
    (report,) = json.loads(ended.stdout)
    assert report["clips"] == [alert(1), alert(2)]
    assert (report["alerts"], report["written"]) == (None, False)
    assert ended.stderr.splitlines()[0] == "scene yard: 2 clips judged normal to learn"
    assert "- no events are kept, so which alerts would change is unknown" in ended.stderr
    assert ended.stderr.endswith("scene yard: nothing was replaced\n")
    assert files(yard) == before
    assert not (yard / ".next").exists()


@pytest.mark.parametrize(("answer", "learns"), [("y", True), ("n", False)])
def test_on_a_terminal_it_asks_before_the_scene_is_replaced(yard: Path, answer: str, learns: bool) -> None:
    before = files(yard)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", UNSTAGED, "fit", "--from-review", "--engine", LIVE["engine"]]
    words += ["--precision", LIVE["precision"]]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"Learn this for scene yard? [y/N]" not in shown:
            shown += os.read(ours, 4096)
        assert files(yard) == before
        os.write(ours, answer.encode() + b"\n")
        with suppress(OSError):  # the terminal's end
            while True:
                os.read(ours, 4096)
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    assert reviewed_clips(yard) == ({alert(1), alert(2)} if learns else set())
    assert (files(yard) != before) == learns


def test_only_what_was_marked_since_the_last_fit_is_learned(yard: Path, command: Command) -> None:
    assert command("fit", "--from-review", "--yes").code == 0
    encode(yard / "normal" / f"{alert(3)}.mp4", courtyard(4, seed=3))
    ended = command("fit", "--from-review", "--yes", "--json", "-")
    (report,) = json.loads(ended.stdout)
    assert report["clips"] == [alert(3)]
    assert reviewed_clips(yard) == {alert(1), alert(2), alert(3)}
    assert command("fit", "--undo", "--scene", "yard").code == 0
    assert reviewed_clips(yard) == {alert(1), alert(2)}


def test_what_a_plain_fit_has_learned_is_not_learned_again(yard: Path, command: Command) -> None:
    words = ("--scene", "yard", "--method", "padim", "--dimensions", "8", "--add")
    assert command("fit", yard / "normal" / f"{alert(1)}.mp4", *words).code == 0
    (report,) = json.loads(command("fit", "--from-review", "--dry-run", "--json", "-").stdout)
    assert report["clips"] == [alert(2)]


def test_a_verdict_that_was_taken_back_is_not_learned(yard: Path, command: Command) -> None:
    events = yard.parent.parent / "events"
    config = yard.parent.parent / "config.yaml"
    config.write_text(config.read_text() + "events: {keep_gb: 0.1}\n")
    events.mkdir()
    with closing(Index(events)) as index:
        for number in (1, 2):
            opened = Alert(alert(number), AlertEvent.OPEN, 0, "yard", "yard", 1e9, 1e9, None, 1.0, 0.0, 1.0, 0.0)
            index.put(replace(row_of(opened, "2026-11-30/yard", 1.0), state=KEPT))
    with closing(sqlite3.connect(events / "index.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE alert SET verdict = 'normal' WHERE id = ?", (alert(1),))
    ended = command("fit", "--from-review", "--dry-run", "--json", "-")
    (report,) = json.loads(ended.stdout)
    assert (report["clips"], report["left_out"]) == ([alert(1)], [alert(2)])
    assert f"left out, still recorded or not judged normal in the index of events: {alert(2)}" in ended.stderr
    assert command("fit", "--from-review", "--yes").code == 0
    with closing(sqlite3.connect(events / "index.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE alert SET verdict = 'normal' WHERE id = ?", (alert(2),))
        database.execute("UPDATE alert SET verdict = NULL WHERE id = ?", (alert(1),))
    (report,) = json.loads(command("fit", "--from-review", "--dry-run", "--json", "-").stdout)
    assert (report["clips"], report["left_out"], report["taken_back"]) == ([alert(2)], [], [alert(1)])


def test_an_alert_is_learned_once_by_its_frames_or_its_video_and_when_it_is_whole(yard: Path) -> None:
    def clip(name: str) -> None:
        shutil.copy(yard / "normal" / f"{alert(1)}.mp4", yard / "normal" / name)

    (yard / "normal" / alert(3)).mkdir()
    clip(f"{alert(3)}/{alert(3)}-1.mp4")
    clip(f"{alert(3)}/{alert(3)}-2.mp4")
    opened = Alert(alert(2), AlertEvent.OPEN, 0, "yard", "yard", 1e9, 1e9, None, 1.0, 0.0, 1.0, 0.0)
    row = replace(row_of(opened, "2026-11-30/yard", 1.0), verdict="normal", state=RECORDING)
    found = marks(yard, {alert(2): row}, 25.0)
    assert list(found.new) == [alert(1), f"{alert(3)}/{alert(3)}-1", f"{alert(3)}/{alert(3)}-2"]
    assert found.left_out == (alert(2),)
    model = ModelConfig.model_validate(yaml.safe_load((yard.parent.parent / "config.yaml").read_text())["model"])
    options = FitOptions(score_fps=YARD_FPS, add=True)
    fit_scene("yard", [yard / "normal" / f"{alert(3)}"], yard, model, options, lambda *_: None)
    shutil.rmtree(yard / "normal" / alert(3))
    clip(f"{alert(3)}.mp4")
    assert list(marks(yard, {alert(2): row}, 25.0).new) == [alert(1)]


def test_with_nothing_marked_it_says_so(yard: Path, command: Command) -> None:
    shutil.rmtree(yard / "normal")
    for words in ((), ("--scene", "yard")):
        ended = command("fit", "--from-review", "--yes", *words)
        assert (ended.code, ended.stdout, ended.stderr) == (0, "nothing new was judged normal\n", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--from-review",), "standard input: it is no terminal to confirm on; give --yes or --dry-run"),
        (("--from-review", "--yes", "--dry-run"), "--yes: --dry-run is given too; leave one of them out"),
        (("--yes", "x.mp4", "--scene", "yard"), "--yes: there is no --from-review; give both or neither"),
        (("--from-review", "--yes", "x.mp4"), "FOOTAGE: it doesn't go with --from-review; leave one of them out"),
        (("--from-review", "--yes", "--add"), "--add: it doesn't go with --from-review; leave one of them out"),
        (("--undo", "--scene", "yard", "--validate"), "--validate: it doesn't go with --undo; leave one of them out"),
        (("--undo",), "missing option '--scene'; see `streammon fit --help`"),
        (("--scene", "yard"), "missing argument 'FOOTAGE...'; see `streammon fit --help`"),
        (
            ("--undo", "--scene", "nowhere"),
            "scene 'nowhere': there is no such folder (scenes/nowhere); name a scene that was fitted",
        ),
        (
            ("--from-review", "--yes", "--scene", "nowhere"),
            "scene 'nowhere': it has no bank (scenes/nowhere/bank.safetensors); learn it with `streammon fit`",
        ),
        (
            ("--undo", "--scene", "yard"),
            "scene 'yard': it has no previous files; a fit keeps those that it replaces; none has yet",
        ),
    ],
)
@pytest.mark.usefixtures("yard")
def test_wrong_options_are_refused_in_one_line(command: Command, words: tuple[str, ...], complaint: str) -> None:
    assert command("fit", *words).complaint == complaint
